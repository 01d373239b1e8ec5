"""What the last `verify` of a lake found: for readers, who trust no tables that nobody has checked."""

from __future__ import annotations

import msgspec

from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import FORMAT, VERIFIED
from reelhouse.storage.protocol import Storage


class Verified(msgspec.Struct, frozen=True):
    """`_reelhouse/verified.json`. *runs* is how many runs were checked, *deep* whether every value was read."""

    at: str
    runs: int
    problems: int
    complete: bool
    clean: bool
    deep: bool
    format: int = FORMAT


def keep_verified(storage: Storage, found: Verified) -> None:
    """Put what was found, in place of what was found before."""
    storage.put(VERIFIED, encode(found))


def read_verified(storage: Storage) -> Verified | None:
    """What was found last, None where nobody has looked."""
    return read_object(storage, VERIFIED, Verified)
