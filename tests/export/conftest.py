"""Lakes to export: made once, copied for each test."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from reelhouse.marts import REGISTRY
from tests.export.lakes import make
from tests.lakes import once_per_run
from tests.warehouse.few import FEW


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The lake before and after a day, with few tables; nobody changes these."""
    folder = once_per_run(tmp_path_factory, "states", partial(make, registry=FEW))
    return folder / "before", folder / "after"


@pytest.fixture(scope="session")
def states_of_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same with all tables."""
    folder = once_per_run(tmp_path_factory, "states-of-all", partial(make, registry=REGISTRY))
    return folder / "before", folder / "after"


@pytest.fixture
def lake(states: tuple[Path, Path], tmp_path: Path) -> Path:
    """A lake of one's own, as it was before."""
    return Path(shutil.copytree(states[0], tmp_path / "lake"))
