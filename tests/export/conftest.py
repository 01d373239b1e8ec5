"""Lakes to export: made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.export.lakes import make


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The lake before and after a day; nobody changes these."""
    return make(tmp_path_factory.mktemp("states"))


@pytest.fixture
def lake(states: tuple[Path, Path], tmp_path: Path) -> Path:
    """A lake of one's own, as it was before."""
    return Path(shutil.copytree(states[0], tmp_path / "lake"))
