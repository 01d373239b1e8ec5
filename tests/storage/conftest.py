"""The storages that the contract suite runs over. Another one is another line in `PLACES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage

PLACES: dict[str, Callable[[Path], Storage]] = {
    "folder": lambda tmp_path: FolderStorage(tmp_path / "lake"),
    "memory": lambda tmp_path: MemoryStorage(),
}


@pytest.fixture(params=sorted(PLACES))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty lake."""
    return PLACES[request.param](tmp_path)
