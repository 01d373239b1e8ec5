"""From a lake's address to its storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from reelhouse.errors import ConfigError
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage


def open_storage(address: str) -> Storage:
    """The storage of a lake: a folder's path or `file://…`, or `memory:` for one that lasts as long as this object."""
    if address == "memory:":
        return MemoryStorage()
    if address.startswith("file://"):
        return FolderStorage(Path(unquote(address.removeprefix("file://"))))
    if "://" in address:
        raise ConfigError(f"lake = {address!r}: a folder is expected; other places are not supported yet")
    return FolderStorage(Path(address))
