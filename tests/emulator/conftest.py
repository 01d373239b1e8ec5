"""One emulator for all tests that only read, and fresh ones for those that change it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator

_BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "tmdb"


@pytest.fixture(scope="session")
def tmdb() -> Iterator[Emulator]:
    """Five hundred movies that no test changes."""
    with Emulator(movies=500, seed=7) as emulator:
        yield emulator


@pytest.fixture
def fresh() -> Iterator[Emulator]:
    """Two hundred movies of the test's own."""
    with Emulator(movies=200, seed=3) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def tmdb_data() -> Path:
    """TMDB's own data, which is never part of the repository."""
    folder = Path(os.environ.get("REELHOUSE_TMDB_DATA", _BESIDE_THE_REPOSITORY))
    if not (folder / "openapi.json").is_file():
        pytest.skip(f"no TMDB data in {folder}; set REELHOUSE_TMDB_DATA to check against it")
    return folder
