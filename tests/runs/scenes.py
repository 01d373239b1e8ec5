"""One history for all kills: a first run lies in the lake, and the second one has something of everything."""

from __future__ import annotations

from functools import cache

from reelhouse.raw.inbox import put_message
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.runs.lakes import collect_small, small
from tests.runs.tiny import Tiny, tiny_tmdb


def first_day(tiny: Tiny, storage: Storage) -> None:
    """Thirty titles: landed, filtered, gone, quarantined."""
    collect_small(storage, small(tiny))


def second_day(tiny: Tiny, storage: Storage) -> None:
    """New, changed, vanished (one still answers), gone and broken to be asked again, and a letter in the inbox."""
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed = [*range(1, 3), *range(5, 35)]
    tiny.gone = {3, 7, 17}
    tiny.changed = {"2026-03-02": {1, 2, *range(10, 25)}}
    tiny.edition.update({1, 2, *range(10, 25)})
    put_message(storage, "a-letter", "movie", ["500", "tt0000012", "tt0000999"])
    tiny.forget()


@cache
def two_days() -> MemoryStorage:
    """A lake after both days, whole; not to be changed."""
    made = MemoryStorage()
    with tiny_tmdb() as tiny:
        first_day(tiny, made)
        second_day(tiny, made)
        collect_small(made, small(tiny))
    return made


def copied(storage: Storage) -> MemoryStorage:
    """The same objects in a lake of their own."""
    made = MemoryStorage()
    for key in storage.keys(""):
        made.put(key, storage.get(key))
    return made
