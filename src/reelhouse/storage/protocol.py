"""Bytes at keys: the interface of the storage of a lake.

Keys are `/`-separated, relative, in ASCII. Implementations are sibling files, tested by one contract suite
(`tests/storage/test_contract.py`). Nothing here knows TMDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from reelhouse.errors import StorageError

HOUSE = "_reelhouse/"
"""Where housekeeping lies: everything that is not meant for people or other programs to read."""


class Versioned(NamedTuple):
    """A body with the mark (an ETag) that `put_if` compares."""

    body: bytes
    version: str


UNREADABLE = -1

Lost = Callable[[str], None]
# Takes what a long call does next, in a word or two.
Step = Callable[[str], None]

Work = Literal["collector", "build"]
COLLECTOR: Work = "collector"
BUILD: Work = "build"


def unheard(why: str) -> None:
    """For callers whose lock cannot be lost."""


class Storage(Protocol):
    """One lake's objects. Every method may raise `StorageError`; calls are blocking and safe from threads."""

    @property
    def url(self) -> str:
        """The address at which a table engine finds the same objects."""

    def get(self, key: str) -> bytes:
        """The whole object, or `MissingKeyError`."""

    def get_versioned(self, key: str) -> Versioned:
        """As `get`, with its version."""

    def size(self, key: str) -> int | None:
        """The size in bytes, None without such an object, or `UNREADABLE` for a link and other things but files."""

    def put(self, key: str, body: bytes) -> None:
        """Put the object, replacing an existing one; completely or not at all."""

    def put_new(self, key: str, body: bytes) -> None:
        """Put durably if *key* is free, else raise `KeyTakenError`; of several writers one wins."""

    def put_if(self, key: str, body: bytes, version: str) -> None:
        """Replace the object if it still has *version*, else raise `KeyTakenError`."""

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is not an error."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that start with *prefix*, sorted. For display and checks; correctness never depends on it."""

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """All keys that start with *prefix* with the `size` of each, in any order; one listing, as `keys`."""

    def delete_all_versions(self, key: str) -> None:
        """Remove the object with all its old versions, so that its bytes are gone; a missing one is not an error."""

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        """As `keys`, including keys that have only old versions, and names that others left and that are not keys."""

    def delete_unfinished(self) -> None:
        """Remove what killed writers and engines left of puts that never ended; the caller holds both locks."""

    def check(self) -> None:
        """Check that objects can be read and put as promised, or say in one line why not.

        Raises `ConfigError` if the user must correct something (credentials, a name, a right), `StorageError` if the
        storage fails. Called before the first request to TMDB.
        """

    def now(self) -> datetime:
        """The time (UTC) by the clock that dates objects; that of this machine may be wrong. It takes a write."""

    def lock(
        self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR
    ) -> AbstractContextManager[None]:
        """Keep other collectors, or builds, out of this lake inside the context, or raise `LockedError`.

        *seconds* is how long the caller can live at most, if it will be killed then. If the lock is lost while the
        caller is still inside, *lost* is called with the reason from another thread: the caller must stop requesting.
        """


def check_key(key: str) -> str:
    """*key*, or `StorageError` if a storage could interpret it differently."""
    if not all(key.split("/")):
        raise StorageError(f"{key!r} is not a key")
    check_prefix(key)
    return key


def is_key(name: str) -> bool:
    """Whether *name* is a valid key."""
    try:
        check_key(name)
    except StorageError:
        return False
    return True


def check_prefix(prefix: str) -> str:
    """*prefix*, or `StorageError` if no key could start with it."""
    # Parts that start with a dot would leave the lake, or belong to a storage.
    odd = prefix.startswith(("/", ".")) or "//" in prefix or "/." in prefix
    if odd or "\\" in prefix or not prefix.isascii() or not prefix.isprintable():
        raise StorageError(f"{prefix!r} is not a key")
    return prefix
