"""Reconciliation: every id that was asked is accounted for, by name where it is not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from reelhouse.errors import KeyTakenError, LakeError
from reelhouse.raw.checkpoint import Checkpoint, drop_checkpoint, empty_checkpoint, save_checkpoint
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import FORMAT, reconciliation_key
from reelhouse.raw.plan import Counts, Plan, Unit, last_run, plan_of, read_units
from reelhouse.raw.receipt import (
    Outcome,
    Purged,
    Receipt,
    State,
    Unreadable,
    outcomes_and_purged,
    purged_outcomes,
    read_parts,
    read_purged,
)
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import UNREADABLE, Storage

VANISHED = "though it was there a moment ago"


class Reconciliation(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/reconciliation.json`.

    It holds the second equation: asked = landed + filtered + gone + quarantined + abandoned. *abandoned* are the ids
    that were pending when a user gave the run up, or when a purge named them. *plan* is the sha256 of the plan that was
    executed: later runs start from what it says.
    """

    run: int
    entity: str
    counts: Counts
    requested: int
    landed: int
    filtered: int
    gone: int
    quarantined: int
    chunks: int
    bytes: int
    drift: dict[str, int]
    complete: bool
    clean: bool
    abandoned: int = 0
    plan: str = ""
    format: int = FORMAT


def verdict(*, complete: bool, clean: bool, quarantined: int) -> str:
    """The verdict on a run or a lake, in words."""
    if not complete:
        return "not complete"
    if quarantined:
        return "complete, with quarantined answers"
    return "complete, no quarantine" if clean else "complete, not clean"


class RunTally(NamedTuple):
    """What the receipts of a run say, with the keys and objects that do not add up. *pending* names at most a few.

    *states* are those that the receipts tell, *purged* how many of them belong to answers that were purged since.
    *unresolved* counts ids of other services that stand for no record of the entity; *unresolved_shown* are a few.
    *checkpoint* is what the next count may start from: the units that are settled without a problem.
    """

    states: Counter[str]
    purged: Counter[str]
    drift: Counter[str]
    chunks: int
    bytes: int
    pending: int
    pending_keys: list[str]
    problems: list[str]
    checkpoint: Checkpoint
    unresolved: int
    unresolved_shown: list[str]

    @property
    def settled(self) -> int:
        return sum(self.states.values())


_NAMED = 20

# Among the states of a tally: pending ids that a purge named.
ABANDONED = "abandoned"

# More units than all connections, and writers that did not know of each other, begin at once.
_UNBEGUN = 64


class _UnitLog(NamedTuple):
    """The parts of one unit, and the bytes that lie there of the chunks that they name."""

    unit: Unit
    parts: list[Receipt | Unreadable]
    sizes: dict[str, int | None]


class _Count:
    """What some units add up to."""

    def __init__(self, done: Checkpoint) -> None:
        self.states = Counter(done.states)
        self.drift = Counter(done.drift)
        self.chunks = done.chunks
        self.bytes = done.bytes
        self.unresolved = 0
        self.unresolved_shown: list[str] = []

    def take(self, outcome: Outcome) -> None:
        self.states[outcome.state.value] += 1
        if outcome.state is State.GONE and outcome.id is None:
            self.unresolved += 1
            if len(self.unresolved_shown) < _NAMED:
                kind = f" ({outcome.reason.partition(':')[2]})" if outcome.reason else ""
                self.unresolved_shown.append(f"{outcome.key}{kind}")

    def add(self, other: _Count) -> None:
        self.states.update(other.states)
        self.drift.update(other.drift)
        self.chunks += other.chunks
        self.bytes += other.bytes
        self.unresolved += other.unresolved
        self.unresolved_shown += other.unresolved_shown[: _NAMED - len(self.unresolved_shown)]


def tally(storage: Storage, plan: Plan, before: Checkpoint | None = None) -> RunTally:
    """Count a run's receipts against its plan, unit by unit, but for those that are settled in *before*.

    Units are worked on in order. With *before* the rest counts as pending after `_UNBEGUN` units without a receipt.
    """
    last_look = math.inf if before is None else _UNBEGUN
    before = before or empty_checkpoint(plan)
    counted, settled = _Count(before), _Count(before)
    purged: Counter[str] = Counter()
    problems: list[str] = []
    pending_keys: list[str] = []
    pending = 0
    units, still_open = before.units, []
    unbegun = 0
    purged_of_run = read_purged(storage, plan.entity, plan.run)
    read = partial(_read_log, storage, purged_of_run)
    unsettled = (unit for unit in read_units(storage, plan, before.first) if not before.settled(unit.number))
    for log in prefetch(read, unsettled):
        wanted = {request.key for request in log.unit.requests}
        here = _Count(empty_checkpoint(plan))
        wrong = list(_count_parts(log, wanted, here, purged))
        problems += wrong
        if abandoned := purged_of_run.abandoned(wanted):
            wanted -= abandoned
            here.states[ABANDONED] = len(abandoned)
        counted.add(here)
        pending += len(wanted)
        pending_keys.extend(sorted(wanted)[: _NAMED - len(pending_keys)])
        if wanted or wrong:
            still_open.append(log.unit.number)
        else:
            settled.add(here)
            units = max(units, log.unit.number + 1)
        unbegun = 0 if log.parts or log.unit.number < before.units else unbegun + 1
        if unbegun == last_look:
            pending += max(0, plan.ids.count - (log.unit.number + 1) * plan.unit_size)
            break
    done = Checkpoint(
        plan.entity,
        plan.run,
        plan.ids.sha256,
        units,
        [number for number in still_open if number < units],
        dict(settled.states),
        dict(settled.drift),
        settled.chunks,
        settled.bytes,
    )
    return RunTally(
        counted.states,
        purged,
        counted.drift,
        counted.chunks,
        counted.bytes,
        pending,
        pending_keys,
        problems,
        done,
        counted.unresolved,
        counted.unresolved_shown,
    )


def _count_parts(log: _UnitLog, wanted: set[str], count: _Count, purged: Counter[str]) -> Iterator[str]:
    """Count the parts of one unit, whose keys leave *wanted*; yields what is wrong with them."""
    for receipt in log.parts:
        if not isinstance(receipt, Receipt):
            yield f"{receipt.key} names nothing: {receipt.reason}"
            continue
        yield from _take_outcomes(receipt, wanted, count)
        purged.update(one.outcome.state.value for one in purged_outcomes(receipt))
        count.drift.update(receipt.drift)
        if receipt.chunk is not None:
            count.chunks += 1
            count.bytes += receipt.chunk.size
            size = log.sizes[receipt.chunk.key]
            if size == UNREADABLE:
                yield f"{receipt.chunk.key} cannot be read"
            elif size != receipt.chunk.size:
                yield f"{receipt.chunk.key} is gone or has another size than its receipt says"


def _read_log(storage: Storage, purged: Purged, unit: Unit) -> _UnitLog:
    parts = list(read_parts(storage, purged.entity, purged.run, unit.number, purged=purged))
    chunks = [part.chunk.key for part in parts if isinstance(part, Receipt) and part.chunk is not None]
    sizes: dict[str, int | None] = dict.fromkeys(chunks, UNREADABLE)
    for key in chunks:
        # `verify` names a folder that cannot be read by itself.
        with suppress(LakeError):
            sizes[key] = storage.size(key)
    return _UnitLog(unit, parts, sizes)


def _take_outcomes(receipt: Receipt, wanted: set[str], count: _Count) -> Iterator[str]:
    """Count the outcomes of one part, whose keys leave *wanted*."""
    for outcome in outcomes_and_purged(receipt):
        if outcome.key in wanted:
            wanted.remove(outcome.key)
            count.take(outcome)
        else:
            yield (
                f"id {outcome.key} is claimed by part {receipt.part} of unit {receipt.unit} of run {receipt.run}, "
                "though the plan lacks it or another part has it"
            )


def reconcile(
    storage: Storage,
    plan: Plan,
    before: Checkpoint | None = None,
    *,
    abandon: bool = False,
    ending: Callable[[RunTally], object] = lambda counted: None,
) -> tuple[Reconciliation | None, RunTally]:
    """Count a run, and write its reconciliation if nothing is pending; None while something is.

    With *abandon* it is written anyway, and says how much was pending. *before* is where the count may start while the
    run is open. A run with problems is reconciled too, as not whole:
    else no next run could be planned. *ending* is called before it is written, and again after a kill.
    """
    before = before or empty_checkpoint(plan)
    counted = tally(storage, plan, before)
    if (abandon or not counted.pending) and before.units:
        # Success is claimed only from the receipts themselves.
        counted = tally(storage, plan)
        if counted.pending and not abandon:
            drop_checkpoint(storage, plan.entity, plan.run)
            return None, counted
    if counted.pending and not abandon:
        if counted.checkpoint != before:
            save_checkpoint(storage, counted.checkpoint)
        return None, counted
    made = Reconciliation(
        run=plan.run,
        entity=plan.entity,
        counts=plan.counts,
        requested=plan.ids.count,
        landed=counted.states[State.LANDED],
        filtered=counted.states[State.FILTERED],
        gone=counted.states[State.GONE],
        quarantined=counted.states[State.QUARANTINED],
        chunks=counted.chunks,
        bytes=counted.bytes,
        drift=dict(sorted(counted.drift.items())),
        complete=not counted.problems and plan.counts.balanced and counted.settled + counted.pending == plan.ids.count,
        clean=not counted.states[State.QUARANTINED],
        abandoned=counted.pending + counted.states[ABANDONED],
        plan=plan.sha256,
    )
    ending(counted)
    try:
        storage.put_new(reconciliation_key(plan.entity, plan.run), encode(made))
    except KeyTakenError:
        return read_reconciliation(storage, plan.entity, plan.run), counted
    return made, counted


def read_reconciliation(storage: Storage, entity: str, run: int) -> Reconciliation | None:
    """The reconciliation of an *entity*'s *run*, None while the run is open."""
    return read_object(storage, reconciliation_key(entity, run), Reconciliation)


def open_run(storage: Storage, entity: str) -> Plan | None:
    """The run of *entity* that is not reconciled yet, if there is one."""
    return unreconciled(storage, entity, last_run(storage, entity))


def unreconciled(storage: Storage, entity: str, run: int) -> Plan | None:
    """The plan of a run, unless the run is reconciled, or 0."""
    if not run or read_reconciliation(storage, entity, run) is not None:
        return None
    return plan_of(storage, entity, run, VANISHED)
