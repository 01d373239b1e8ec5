"""Lakes for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse.few import FEW
from tests.warehouse.landing import LakeInTheMaking


@pytest.fixture
def lake(tmp_path: Path) -> LakeInTheMaking:
    return LakeInTheMaking(tmp_path / "lake", registry=FEW)
