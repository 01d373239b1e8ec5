"""Runs that have no plan any more: what chunks, ledgers and notes of purges still say of them.

A run is found by its plan, so a lost plan hides its run. Its number must not be given to another run: that one would
take over its ledger, and its chunks would count as leavings of a kill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from reelhouse.errors import LakeError
from reelhouse.raw.keys import COURSE, LEDGERS, RAW, chunk_place, ledger_run, plan_key, run_folder, run_of
from reelhouse.raw.purges import read_purges
from reelhouse.storage.protocol import Storage

# Numbers of which nothing is left that are looked up before the newest of which something is.
_BETWEEN = 1000


def lost_runs(storage: Storage, last: int, keys: Iterable[str]) -> Iterator[str]:
    """Each run after *last*, the last one with a plan, of which something is left: its number and what that is.

    *keys* name the objects of the raw zone and of the folders of runs.
    """
    found = _traces(storage, last, keys)
    newest = max(found, default=last)
    # A name may be forged, and give any number.
    between = islice((run for run in range(last + 1, newest) if run not in found), _BETWEEN)
    for run in [*sorted(found), *between]:
        # Somebody may have planned it since the caller looked.
        if storage.size(plan_key(run)) is None:
            yield f"the plan of run {run} is gone, though {found.get(run, f'something of run {newest} is there')}"


def check_free(storage: Storage, run: int) -> None:
    """Raise `LakeError` if something is left of a lost run that had number *run* or a later one."""
    keys = (key for place in (RAW, COURSE, run_folder(run)) for key in storage.keys(place))
    for lost in lost_runs(storage, run - 1, keys):
        raise LakeError(
            f"{lost}: nothing is planned, since run {run} could be taken for the lost one. Restore runs/ from a copy, "
            "or collect into another lake; `reelhouse verify` names everything that is missing"
        )


def _traces(storage: Storage, last: int, keys: Iterable[str]) -> dict[int, str]:
    """What is left of each run after *last*, in words."""
    found: dict[int, str] = {}
    for noted in (run for note in read_purges(storage).notes for run in note.runs):
        found[noted] = "a purge took something of it"
    for key in storage.keys(LEDGERS):
        if (run := ledger_run(key)) is not None:
            found[run] = f"{key} was made after it"
    chunks = Counter[int]()
    for key in keys:
        place = chunk_place(key)
        run = run_of(key) if place is None else place.run
        # Ids alone are what a planning that was cut short leaves.
        if run is None or run <= last or key.rpartition("/")[2].startswith("ids-"):
            continue
        if place is not None:
            chunks[run] += 1
            found[run] = f"{chunks[run]} of its chunks are there, such as {key}"
        elif not chunks[run]:
            found[run] = f"{key} is there"
    return {run: trace for run, trace in found.items() if run > last}
