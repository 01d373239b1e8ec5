"""Bytes at keys: all that the rest of the package may ask of the place where a lake lies.

Keys are `/`-separated, relative, in ASCII. Implementations are sibling files, held to one contract suite
(`tests/storage/test_contract.py`). What is TMDB's does not appear here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from reelhouse.errors import StorageError

HOUSE = "_reelhouse/"
"""Where housekeeping lies: everything that is not meant for people or other programs to read."""


class Versioned(NamedTuple):
    """A body with the mark (an ETag) that `put_if` compares."""

    body: bytes
    version: str


Lost = Callable[[str], None]


def unheard(why: str) -> None:
    """For callers whose hold cannot be lost."""


class Storage(Protocol):
    """One lake's objects. Every method may raise `StorageError`; calls are blocking and safe from threads."""

    @property
    def url(self) -> str:
        """The address under which a table engine finds the same objects."""

    def get(self, key: str) -> bytes:
        """The whole object, or `MissingKeyError`."""

    def get_versioned(self, key: str) -> Versioned:
        """As `get`, with its version."""

    def size(self, key: str) -> int | None:
        """Bytes, or None where there is no such object."""

    def put(self, key: str, body: bytes) -> None:
        """Replace whatever is there, wholly or not at all."""

    def put_new(self, key: str, body: bytes) -> None:
        """Put durably if *key* is free, else raise `KeyTakenError`; of several writers one wins."""

    def put_if(self, key: str, body: bytes, version: str) -> None:
        """Replace the object if it still has *version*, else raise `KeyTakenError`."""

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that start with *prefix*, sorted. For showing and checking, never needed to be correct."""

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """All keys that start with *prefix* with the bytes of each, in any order; one listing, as `keys`."""

    def delete_all_versions(self, key: str) -> None:
        """Remove the object with all its old versions, so that its bytes are gone; none there is no error."""

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        """As `keys`, with those of which only old versions are left."""

    def check(self) -> None:
        """Make sure that objects can be read and put as promised, or say in one line why not.

        Raises `ConfigError` where a person must mend something (credentials, a name, a right), `StorageError` where the
        place fails. Called before the first request to TMDB is spent.
        """

    def lock(self, *, seconds: float | None = None, lost: Lost = unheard) -> AbstractContextManager[None]:
        """Keep other collectors out of this lake while inside, or raise `LockedError`.

        *seconds* is how long the caller can live at most, where somebody ends it then. *lost* is told, from another
        thread, why this lake is held no longer although the caller is still inside: it must stop asking TMDB.
        """


def check_key(key: str) -> str:
    """*key*, or `StorageError` where one storage or another would take it for something else."""
    if not all(key.split("/")):
        raise StorageError(f"{key!r} is not a key")
    check_prefix(key)
    return key


def is_key(name: str) -> bool:
    """Whether *name* could have been put here."""
    try:
        check_key(name)
    except StorageError:
        return False
    return True


def check_prefix(prefix: str) -> str:
    """*prefix*, or `StorageError` where no key could start with it."""
    # Parts that start with a dot would leave the lake, or are a storage's own.
    odd = prefix.startswith("/") or "//" in prefix or any(part.startswith(".") for part in prefix.split("/"))
    if odd or "\\" in prefix or not prefix.isascii() or not prefix.isprintable():
        raise StorageError(f"{prefix!r} is not a key")
    return prefix
