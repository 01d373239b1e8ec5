"""Purges: what every reader treats as absent, put down before any byte goes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from reelhouse.raw.json_objects import change_object, read_object
from reelhouse.raw.keys import FORMAT, PURGES, purged_key
from reelhouse.raw.receipt import Purged
from reelhouse.storage.protocol import Storage


class PurgeNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One purge: when, of what, the runs of each entity that lost answers, and the *orphans*, which no run names."""

    at: str
    selection: str
    runs: dict[str, list[int]] = {}
    orphans: list[str] = []


class Purges(msgspec.Struct, frozen=True):
    """`_reelhouse/purges.json`: all purges of a lake. Ledgers and tables from before the last one count as none.

    *unbuilt* is True from when a purge begins to erase tables until it has built them again.
    """

    notes: list[PurgeNote] = []
    unbuilt: bool = False
    format: int = FORMAT

    @property
    def count(self) -> int:
        """How many took something that a run names."""
        return sum(bool(note.runs) for note in self.notes)


def read_purges(storage: Storage) -> Purges:
    """All purges so far."""
    return read_object(storage, PURGES, Purges) or Purges()


def purge_count(storage: Storage) -> int:
    """Changes whenever answers are purged: what was made from them under another count is not to be used."""
    return read_purges(storage).count


def put_note(storage: Storage, note: PurgeNote) -> None:
    """Append to the list of purges."""
    change_object(storage, PURGES, Purges(), lambda found: msgspec.structs.replace(found, notes=[*found.notes, note]))


def note_unbuilt(storage: Storage, *, unbuilt: bool) -> None:
    """Note down that tables are erased and not built again, or that they are."""
    change_object(storage, PURGES, Purges(), lambda found: msgspec.structs.replace(found, unbuilt=unbuilt))


def change_purged(storage: Storage, entity: str, run: int, change: Callable[[Purged], Purged]) -> None:
    """Put what *change* makes of a run's `purged.json`; it is called again where somebody else was quicker."""
    change_object(storage, purged_key(entity, run), Purged(entity, run), change)
