"""`builds/current.json`: the versions of tables and marts that belong together, and what they were made from.

It is written last, so that a reader sees the tables of one whole build or of the one before it, never a mixture.
"""

from __future__ import annotations

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.raw.layout import FORMAT
from reelhouse.raw.purges import purge_count
from reelhouse.raw.reading import decode, encode
from reelhouse.storage.protocol import Storage

CURRENT = "builds/current.json"


def staging_folder(entity: str) -> str:
    """Where an entity's parsed answers are."""
    return f"staging/{entity}"


class Reads(msgspec.Struct, frozen=True):
    """Which receipts were read: all of the runs up to *through*, and of open runs the first parts of each unit.

    *digest* is the same for the same receipts, in whatever order and however often they were read.
    """

    through: int = 0
    open: dict[str, dict[str, int]] = {}
    digest: str = "0" * 64


class ExportRead(msgspec.Struct, frozen=True, order=True):
    """One export that `popularity_daily` holds."""

    day: str
    run: int
    key: str
    kind: str
    fetched_at: str
    sha256: str


class Read(msgspec.Struct, frozen=True):
    """What of the raw zone a build reflects, and where staging stood then: *epoch* names its last beginning."""

    receipts: Reads = Reads()
    exports: list[ExportRead] = []
    staging: int | None = None
    epoch: str = ""
    code: str = ""


class Pin(msgspec.Struct, frozen=True):
    """One table as a build left it.

    *zone* is `tables` or `marts`, *version* Delta's, *schema* a mark of its declared schema, *made_from* a mark of all
    that its rows follow from.
    """

    zone: str
    version: int
    rows: int
    schema: str
    made_from: str


class Current(msgspec.Struct, frozen=True):
    """The last whole build. *read* is what of the raw zone it reflects, for the next build to go on from.

    *purges* is how many purges there had been when it began: once there are more, it shows what must not be shown.
    """

    build: int
    tables: dict[str, Pin]
    read: Read
    purges: int = 0
    made_by: str = ""
    format: int = FORMAT


def read_current(storage: Storage) -> Current | None:
    """The last whole build, None before the first."""
    try:
        return decode(CURRENT, storage.get(CURRENT), Current)
    except MissingKeyError:
        return None


def believed(storage: Storage) -> Current | None:
    """The last whole build, unless answers were purged since it began."""
    current = read_current(storage)
    return current if current is not None and current.purges == purge_count(storage) else None


def built(storage: Storage) -> Current:
    """The last whole build, or `LakeError` with what to do about it."""
    current = believed(storage)
    if current is None and read_current(storage) is not None:
        raise LakeError("answers were purged since the last build: run `reelhouse build`")
    if current is None:
        raise LakeError("nothing is built in this lake yet: run `reelhouse build` (and `reelhouse collect` before it)")
    return current


def pin(storage: Storage, current: Current, over: bytes | None) -> bool:
    """Make *current* what readers see, unless another build took the place of *over*; tells whether it did."""
    try:
        if over is None:
            storage.put_new(CURRENT, encode(current))
        else:
            found = storage.get_versioned(CURRENT)
            if found.body != over:
                return False
            storage.put_if(CURRENT, encode(current), found.version)
    except (KeyTakenError, MissingKeyError):
        return False
    return True
