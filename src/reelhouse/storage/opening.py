"""From a lake's address to its storage."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reelhouse.errors import ConfigError
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
        raise ConfigError(f"lake = {address!r}: a folder or s3://bucket/prefix is expected")
    return FolderStorage(Path(address))
