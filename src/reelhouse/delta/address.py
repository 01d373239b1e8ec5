"""The address at which an engine finds a lake; no engine is needed here."""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reelhouse.errors import ConfigError
from reelhouse.storage.protocol import Storage

_PLAIN = re.compile(r"[A-Za-z0-9._~/:@+=,-]*")
# Sail writes a table's log and its files under two keys where a key holds any other character, this one included: ~
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._/:@+=,-]*")


def check_root(storage: Storage) -> None:
    """Raise `ConfigError` if no engine can reach that lake."""
    url = storage.url
    if url.startswith("memory:"):
        raise ConfigError("lake = 'memory:': tables need storage that an engine can open, such as a folder")
    if not url.startswith("file://") and not _PLAIN_KEY.fullmatch(url):
        raise ConfigError(
            f"lake = {url!r}: table engines read some of these characters differently; use letters, digits and -_./=+ "
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


def gone_files(storage: Storage, addresses: Iterable[str]) -> list[str]:
    """Those of an engine's addresses of files whose file is gone, sorted; patterns and other lakes' are passed over."""
    if storage.url.startswith("file://"):
        paths = (address.removeprefix("file://") for address in addresses if address.startswith("file://"))
        missing = (Path(path) for path in paths if _PLAIN.fullmatch(path) and not Path(path).exists())
        # Not by way of the link that stands for the lake where its name is odd.
        return sorted(str(path.resolve()) for path in missing)
    root = f"{engine_root(storage)}/"
    keys = {address.removeprefix(root) for address in addresses if address.startswith(root)}
    # A table's files are in folders of their own below it: one listing tells of all.
    there = {key for folder in {key.rsplit("/", 2)[0] for key in keys} for key, _ in storage.sizes(f"{folder}/")}
    # A listing may lag.
    return sorted(key for key in keys - there if storage.size(key) is None)


def _linked(storage: Storage, path: str) -> str:
    # Engines disagree on how to write a blank or an umlaut in an address; a link without them avoids the problem.
    folder = tempfile.TemporaryDirectory(prefix="reelhouse-")
    link = Path(folder.name) / "lake"
    link.symlink_to(path, target_is_directory=True)
    weakref.finalize(storage, folder.cleanup)
    return str(link)
