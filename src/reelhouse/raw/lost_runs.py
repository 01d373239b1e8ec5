"""Runs that have no plan any more: what chunks, ledgers and notes of purges still say of them.

A run is found by its plan, so a lost plan hides its run. Its number must not be given to another run: that one would
take over its ledger, and its chunks would count as leavings of a kill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from reelhouse.errors import LakeError
from reelhouse.raw.keys import (
    RUNS,
    chunk_place,
    chunks_folder,
    ledger_piece,
    ledgers,
    plan_key,
    run_folder,
    run_place,
)
from reelhouse.raw.purges import read_purges
from reelhouse.storage.protocol import Storage

# Numbers of which nothing is left that are looked up before the newest of which something is.
_BETWEEN = 1000


def lost_runs(storage: Storage, entity: str, last: int, keys: Iterable[str]) -> Iterator[str]:
    """Each run of *entity* after *last*, the last one with a plan, of which something is left, and what that is.

    *keys* name the objects of the raw zone and of the folders of runs.
    """
    found = _traces(storage, entity, last, keys)
    newest = max(found, default=last)
    # A name may be forged, and give any number.
    between = islice((run for run in range(last + 1, newest) if run not in found), _BETWEEN)
    for run in [*sorted(found), *between]:
        # Somebody may have planned it since the caller looked.
        if storage.size(plan_key(entity, run)) is None:
            trace = found.get(run, f"something of run {newest} is there")
            yield f"the plan of {entity} run {run} is gone, though {trace}"


def check_free(storage: Storage, entity: str, run: int) -> None:
    """Raise `LakeError` if something is left of a lost run of *entity* that had number *run* or a later one."""
    places = (chunks_folder(entity), run_folder(entity, run))
    keys = (key for place in places for key in storage.keys(place))
    for lost in lost_runs(storage, entity, run - 1, keys):
        raise LakeError(
            f"{lost}: nothing is planned, since run {run} could be taken for the lost one. Restore {RUNS} from a "
            "copy, or collect into another lake; `reelhouse verify` names everything that is missing"
        )


def _traces(storage: Storage, entity: str, last: int, keys: Iterable[str]) -> dict[int, str]:
    """What is left of each run of *entity* after *last*, in words."""
    found: dict[int, str] = {}
    for noted in (run for note in read_purges(storage).notes for run in note.runs.get(entity, [])):
        found[noted] = "a purge took something of it"
    for key in storage.keys(ledgers(entity)):
        if (piece := ledger_piece(key)) is not None:
            found[piece.last] = f"{key} was made after it"
    chunks = Counter[int]()
    for key in keys:
        chunk = chunk_place(key)
        place = chunk or run_place(key)
        # Ids alone are what a planning that was cut short leaves.
        if place is None or place.run <= last or key.rpartition("/")[2].startswith("ids-"):
            continue
        run = place.run
        if chunk is not None:
            chunks[run] += 1
            found[run] = f"{chunks[run]} of its chunks are there, such as {key}"
        elif not chunks[run]:
            found[run] = f"{key} is there"
    return {run: trace for run, trace in found.items() if run > last}
