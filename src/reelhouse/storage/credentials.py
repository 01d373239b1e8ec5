"""What another local program needs to reach the same bucket as the same caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from reelhouse.storage.opening import S3Options


class Credentials(NamedTuple):
    """Keys that are valid for at least ten minutes; *token* is empty for keys that never expire."""

    access_key: str
    secret_key: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r})"


class S3Access(NamedTuple):
    """Where S3 is, and the caller: *credentials* returns valid keys, renewed when they expire."""

    endpoint: str
    region: str
    options: S3Options
    credentials: Callable[[], Credentials]
    bucket: str = ""


@runtime_checkable
class Accessible(Protocol):
    """A storage that other programs reach only with credentials."""

    def access(self) -> S3Access:
        """How to reach it; `ConfigError` if not even this process can."""

    def prefixes_nearby(self) -> list[str]:
        """The addresses of the prefix above this one, and of up to 1,000 below each of the two."""
