"""From a lake's address to its storage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from reelhouse.errors import ConfigError, LakeError, UnreadableError, without_user
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage


class S3Options(NamedTuple):
    """Settings that override boto3's own chain; empty values do not. *encryption* is `sse-s3` or `sse-kms`."""

    region: str = ""
    profile: str = ""
    encryption: str = ""
    kms_key: str = ""


def place_of(storage: Storage) -> str:
    """Where a storage is, as people and programs name it: a folder's path, or an address."""
    return str(storage.root) if isinstance(storage, FolderStorage) else storage.url


def open_storage(address: str, s3: S3Options = S3Options()) -> Storage:  # noqa: B008 (a tuple)
    """The storage of a lake: a folder's path or `file://…`, `s3://bucket/prefix`, or `memory:` for one that lasts as
    long as this object."""
    if address == "memory:":
        return MemoryStorage()
    if address.startswith("file://"):
        from urllib.request import url2pathname

        return FolderStorage(Path(url2pathname(address.removeprefix("file://"))))
    if address.startswith("s3://"):
        # boto3 takes longer to load than everything else.
        from reelhouse.storage.s3 import S3Storage

        return S3Storage(address, s3)
    if "://" in address:
        raise ConfigError(f"lake = {without_user(address)!r}: a folder or s3://bucket/prefix is expected")
    return FolderStorage(Path(address))


def examined(storage: Storage) -> Storage:
    """*storage* as `verify` reads it: what cannot be read is damage of the lake (`LakeError`) like any other."""
    return cast(Storage, _ExaminedStorage(storage))


class _ExaminedStorage:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        return partial(_examine, found) if callable(found) else found


def _examine(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return method(*args, **kwargs)
    except UnreadableError as exc:
        raise LakeError(str(exc)) from exc
