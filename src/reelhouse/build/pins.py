"""`builds/current.json`: the versions of tables and marts that belong together, and what they were made from.

It is written last, so that a reader sees the tables of one whole build or of the one before it, never a mixture.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.layout import FORMAT
from reelhouse.raw.reading import decode, encode
from reelhouse.storage.protocol import Storage

CURRENT = "builds/current.json"


class Pin(msgspec.Struct, frozen=True):
    """One table as a build left it: *zone* is `tables` or `marts`, *version* Delta's, *schema* a fingerprint of its spec."""

    zone: str
    version: int
    rows: int
    schema: str


class Current(msgspec.Struct, frozen=True):
    """The last whole build. *read* is what of the raw zone it reflects, for the next build to go on from."""

    build: int
    tables: dict[str, Pin]
    read: dict[str, Any]
    made_by: str = ""
    format: int = FORMAT


def read_current(storage: Storage) -> Current | None:
    """The last whole build, None before the first."""
    try:
        return decode(CURRENT, storage.get(CURRENT), Current)
    except MissingKeyError:
        return None


def built(storage: Storage) -> Current:
    """The last whole build, or `LakeError` with what to do about it."""
    current = read_current(storage)
    if current is None:
        raise LakeError("nothing is built in this lake yet: run `reelhouse build` (and `reelhouse collect` before it)")
    return current


def pin(storage: Storage, current: Current) -> None:
    """Make *current* what readers see."""
    storage.put(CURRENT, encode(current))
