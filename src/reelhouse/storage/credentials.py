"""What another program on this machine needs to reach the same bucket as the same caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from reelhouse.storage.opening import S3Options


class Credentials(NamedTuple):
    """Keys that hold for ten minutes at least; *token* is empty where they hold for ever."""

    access_key: str
    secret_key: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r})"


class S3Access(NamedTuple):
    """Where S3 is, and as whom it is asked: *credentials* gives those that hold now, renewed where they end."""

    endpoint: str
    region: str
    options: S3Options
    credentials: Callable[[], Credentials]
    bucket: str = ""


@runtime_checkable
class Accessible(Protocol):
    """A storage that others reach only with credentials."""

    def access(self) -> S3Access:
        """How they do; `ConfigError` where not even this process can."""
