"""What was purged and must be gone: so `verify` proves that it is, and a purge knows what it has still to erase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reelhouse.course.copies import copies_before
from reelhouse.course.layout import COPIES
from reelhouse.errors import LakeError
from reelhouse.raw.keys import RAW, RUNS, RunPlace, chunk_place, purged_key
from reelhouse.raw.plan import Plan, last_run, plan_of
from reelhouse.raw.purges import Purges, purge_count, read_purges
from reelhouse.raw.receipt import Purged, Receipt, Unreadable, place_of, read_parts, read_purged, readable, reduced
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage


class ToErase(NamedTuple):
    """Keys of which no version may remain: *dead* were claimed or named by a run once, *orphans* by none.

    *copies* are those in the course layout from before the last purge.
    """

    dead: set[str]
    orphans: set[str]
    copies: set[str]


def purge_remains(storage: Storage, entities: Iterable[str]) -> Iterator[str]:
    """What is wrong with earlier purges, by name."""
    try:
        noted = noted_runs(read_purges(storage))
        purged = _purged(storage, entities)
        for run, one in purged.items():
            if one.purges and run not in noted:
                yield f"{purged_key(*run)} is there, but no list of purges names run {run.run}: purge once more"
        dead, orphans, copies = _to_erase(storage, purged)
        for key in remaining(storage, dead | orphans):
            yield f"{key} was purged, but its bytes are still there: the next purge erases them"
        if copies:
            yield f"{len(copies):,} files under {COPIES} are from before the last purge: the next purge erases them"
    except LakeError as exc:
        yield str(exc)


def noted_runs(purges: Purges) -> set[RunPlace]:
    """The runs that the list of purges names."""
    return {RunPlace(entity, run) for note in purges.notes for entity, runs in note.runs.items() for run in runs}


def to_erase(storage: Storage, entities: Iterable[str]) -> ToErase:
    """The keys that the purges so far leave to nobody."""
    return _to_erase(storage, _purged(storage, entities))


def _to_erase(storage: Storage, purged: dict[RunPlace, Purged]) -> ToErase:
    orphans = {key for note in read_purges(storage).notes for key in note.orphans}
    looked = {run for run, one in purged.items() if one.purges}
    looked |= {RunPlace(place.entity, place.run) for key in orphans if (place := chunk_place(key)) is not None}
    dead, live = set[str](), set[str]()
    for run, one in purged.items() if looked or orphans else ():
        plan = plan_of(storage, *run, "so nobody knows what of it must be gone too")
        (dead if one.listed else live).update(listed_from(plan))
        if run in looked:
            dead.update(one.replaced)
            for receipt in readable(part for parts in read_units(storage, plan) for part in parts):
                dead.update(chunks_of(receipt, one))
                left = reduced(receipt, one).chunk
                live.update(() if left is None else (left.key,))
    return ToErase(dead - live, orphans - live - dead, copies_before(storage, purge_count(storage)))


def listed_from(plan: Plan) -> list[str]:
    """Where a run's listing lies that holds more than ids: exports, or what discover said of popularity."""
    keys = [one.key for one in plan.exports]
    if plan.listing is not None and plan.selection.source == "discover":
        keys.append(plan.listing.key)
    return keys


def remaining(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Which of *keys* are still there, be it as an old version."""
    wanted = set(keys)
    found = (key for prefix in sorted({_prefix(key) for key in wanted}) for key in storage.list_all_versions(prefix))
    return [key for key in found if key in wanted]


def _prefix(key: str) -> str:
    for prefix in (RAW, COPIES):
        if key.startswith(prefix):
            return prefix
    return key.rpartition("/")[0] + ("/ids-" if key.startswith(RUNS) else "/")


def _purged(storage: Storage, entities: Iterable[str]) -> dict[RunPlace, Purged]:
    runs = [RunPlace(entity, run) for entity in entities for run in range(1, last_run(storage, entity) + 1)]
    return dict(zip(runs, prefetch(lambda run: read_purged(storage, *run), runs), strict=True))


def read_units(storage: Storage, plan: Plan) -> Iterator[list[Receipt | Unreadable]]:
    """The parts of each unit of a run as they were put, whatever was purged of them."""
    return prefetch(lambda unit: list(read_parts(storage, plan.entity, plan.run, unit)), range(plan.units))


def chunks_of(receipt: Receipt, purged: Purged) -> Iterator[str]:
    """Every chunk that ever held what *receipt* claims, as far as `purged.json` does not name it as replaced."""
    if receipt.chunk is not None:
        yield receipt.chunk.key
    if (rest := purged.remaining_chunks.get(place_of(receipt))) is not None:
        yield rest.key
