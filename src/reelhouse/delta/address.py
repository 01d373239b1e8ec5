"""The address under which an engine finds a lake; an engine is not needed to know it."""

from __future__ import annotations

import re
import tempfile
import weakref
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reelhouse.errors import ConfigError
from reelhouse.storage.protocol import Storage

_PLAIN = re.compile(r"[A-Za-z0-9._~/:@+=,-]*")
# Sail writes a table's log and its files under two keys where a key holds any other character, this one included: ~
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._/:@+=,-]*")


def check_root(storage: Storage) -> None:
    """Raise `ConfigError` where no engine can reach that lake."""
    url = storage.url
    if url.startswith("memory:"):
        raise ConfigError("lake = 'memory:': tables need a place that an engine can open, a folder for example")
    if not url.startswith("file://") and not _PLAIN_KEY.fullmatch(url):
        raise ConfigError(
            f"lake = {url!r}: table engines read some of these characters differently; take letters, digits and -_./=+ "
            "for a lake in a bucket"
        )


def engine_root(storage: Storage) -> str:
    """The address of the lake, without a slash at its end; `ConfigError` as `check_root`."""
    check_root(storage)
    url = storage.url.rstrip("/")
    if not url.startswith("file://"):
        return url
    path = unquote(urlsplit(url).path)
    return f"file://{path}" if _PLAIN.fullmatch(path) else f"file://{_linked(storage, path)}"


def _linked(storage: Storage, path: str) -> str:
    # Engines disagree on how a blank or an umlaut is written in an address; a link without either avoids the question.
    folder = tempfile.TemporaryDirectory(prefix="reelhouse-")
    link = Path(folder.name) / "lake"
    link.symlink_to(path, target_is_directory=True)
    weakref.finalize(storage, folder.cleanup)
    return str(link)
