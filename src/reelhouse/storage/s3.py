"""A lake in a bucket."""

from __future__ import annotations

from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import S3Options


class S3Storage(MemoryStorage):
    """A stand-in until the bucket is here."""

    def __init__(self, address: str, options: S3Options) -> None:
        raise NotImplementedError
