"""What was purged and must be gone: so `verify` proves that it is, and a purge knows what it has still to erase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from reelhouse.errors import LakeError
from reelhouse.raw.keys import COURSE, RAW, RUNS, chunk_place, purged_key
from reelhouse.raw.plan import Plan, last_run, read_plan
from reelhouse.raw.purges import read_purges
from reelhouse.raw.receipt import Purged, Receipt, Unreadable, place_of, read_parts, read_purged, readable, reduced
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage


class ToErase(NamedTuple):
    """Keys of which no version may remain: *dead* were claimed or named by a run once, *loose* by none."""

    dead: set[str]
    loose: set[str]


def remnants(storage: Storage) -> Iterator[str]:
    """What is wrong with earlier purges, by name."""
    try:
        noted = {run for note in read_purges(storage).notes for run in note.runs}
        for run, purged in _purged(storage).items():
            if purged.purges and run not in noted:
                yield f"{purged_key(run)} is there, but no list of purges names run {run}: purge once more"
        dead, loose = to_erase(storage)
        for key in remaining(storage, dead | loose):
            yield f"{key} was purged, but its bytes are still there: the next purge erases them"
    except LakeError as exc:
        yield str(exc)


def to_erase(storage: Storage) -> ToErase:
    """The keys that the purges so far leave to nobody."""
    purged = _purged(storage)
    loose = {key for note in read_purges(storage).notes for key in note.loose}
    looked = {run for run, one in purged.items() if one.purges}
    looked |= {place.run for key in loose if (place := chunk_place(key)) is not None}
    dead, live = set[str](), set[str]()
    for run, one in purged.items() if looked or loose else ():
        plan = _plan(storage, run)
        (dead if one.listed else live).update(listed_from(plan))
        if run in looked:
            dead.update(one.replaced)
            for receipt in readable(part for parts in read_units(storage, plan) for part in parts):
                dead.update(chunks_of(receipt, one))
                left = reduced(receipt, one).chunk
                live.update(() if left is None else (left.key,))
    return ToErase(dead - live, loose - live - dead)


def listed_from(plan: Plan) -> list[str]:
    """Where a run's listing lies that holds more than ids: an export, or what discover said of popularity."""
    keys = [] if plan.export is None else [plan.export.key]
    if plan.listing is not None and plan.selection.source == "discover":
        keys.append(plan.listing.key)
    return keys


def remaining(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Which of *keys* are still there, be it as an old version."""
    wanted = set(keys)
    found = (key for prefix in sorted({_prefix(key) for key in wanted}) for key in storage.list_all_versions(prefix))
    return [key for key in found if key in wanted]


def _prefix(key: str) -> str:
    for prefix in (RAW, COURSE):
        if key.startswith(prefix):
            return prefix
    return key.rpartition("/")[0] + ("/ids-" if key.startswith(RUNS) else "/")


def _purged(storage: Storage) -> dict[int, Purged]:
    runs = range(1, last_run(storage) + 1)
    return dict(zip(runs, prefetch(partial(read_purged, storage), runs), strict=True))


def _plan(storage: Storage, run: int) -> Plan:
    plan = read_plan(storage, run)
    if plan is None:
        raise LakeError(f"the plan of run {run} is gone, so nobody knows what of it must be gone too")
    return plan


def read_units(storage: Storage, plan: Plan) -> Iterator[list[Receipt | Unreadable]]:
    """The parts of each unit of a run as they were put, whatever was purged of them."""
    return prefetch(lambda unit: list(read_parts(storage, plan.run, unit)), range(plan.units))


def chunks_of(receipt: Receipt, purged: Purged) -> Iterator[str]:
    """Every chunk that ever held what *receipt* claims, as far as `purged.json` does not name it as replaced."""
    if receipt.chunk is not None:
        yield receipt.chunk.key
    if (rest := purged.rests.get(place_of(receipt))) is not None:
        yield rest.key
