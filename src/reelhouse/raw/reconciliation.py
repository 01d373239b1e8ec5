"""Reconciliation: every id that was asked is accounted for, by name where it is not."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from reelhouse.errors import KeyTakenError, MissingKeyError
from reelhouse.raw.layout import FORMAT, reconciliation_key
from reelhouse.raw.plan import Counts, Plan, read_units
from reelhouse.raw.reading import decode, encode
from reelhouse.raw.receipt import Receipt, State, read_parts
from reelhouse.storage.protocol import Storage


class Reconciliation(msgspec.Struct, frozen=True):
    """`runs/<seq>/reconciliation.json`: the second equation, asked = landed + filtered + gone + quarantined."""

    run: int
    entity: str
    counts: Counts
    asked: int
    landed: int
    filtered: int
    gone: int
    quarantined: int
    chunks: int
    bytes: int
    drift: dict[str, int]
    whole: bool
    clean: bool
    format: int = FORMAT


class Tally(NamedTuple):
    """What the receipts of a run say, with the asks and objects that do not add up. *pending* names at most a few."""

    states: Counter[str]
    drift: Counter[str]
    chunks: int
    bytes: int
    pending: int
    pending_asks: list[str]
    problems: list[str]

    @property
    def settled(self) -> int:
        return sum(self.states.values())


_NAMED = 20


def tally(storage: Storage, plan: Plan) -> Tally:
    """Count a run's receipts against its plan, unit by unit."""
    states: Counter[str] = Counter()
    drift: Counter[str] = Counter()
    problems: list[str] = []
    pending_asks: list[str] = []
    chunks = size = pending = 0
    for unit in read_units(storage, plan):
        wanted = {question.ask for question in unit.questions}
        for receipt in read_parts(storage, plan.run, unit.number):
            if not isinstance(receipt, Receipt):
                problems.append(f"{receipt.key} names nothing: {receipt.why}")
                continue
            for claim in receipt.claims:
                if claim.ask in wanted:
                    wanted.remove(claim.ask)
                    states[claim.state.value] += 1
                else:
                    problems.append(
                        f"id {claim.ask} is claimed by part {receipt.part} of unit {unit.number} of run {plan.run}, "
                        "though the plan lacks it or another part has it"
                    )
            drift.update(receipt.drift)
            if receipt.chunk is not None:
                chunks += 1
                size += receipt.chunk.size
                if storage.size(receipt.chunk.key) != receipt.chunk.size:
                    problems.append(f"{receipt.chunk.key} is gone or has another size than its receipt says")
        pending += len(wanted)
        pending_asks.extend(sorted(wanted)[: _NAMED - len(pending_asks)])
    return Tally(states, drift, chunks, size, pending, pending_asks, problems)


def reconcile(storage: Storage, plan: Plan) -> tuple[Reconciliation | None, Tally]:
    """Count a run, and write its reconciliation if nothing is pending; None while something is.

    A run with problems is reconciled too, as not whole: else no next run could be planned.
    """
    counted = tally(storage, plan)
    if counted.pending:
        return None, counted
    made = Reconciliation(
        run=plan.run,
        entity=plan.entity,
        counts=plan.counts,
        asked=plan.ids.count,
        landed=counted.states[State.LANDED],
        filtered=counted.states[State.FILTERED],
        gone=counted.states[State.GONE],
        quarantined=counted.states[State.QUARANTINED],
        chunks=counted.chunks,
        bytes=counted.bytes,
        drift=dict(sorted(counted.drift.items())),
        whole=not counted.problems and plan.counts.balanced and counted.settled == plan.ids.count,
        clean=not counted.states[State.QUARANTINED],
    )
    try:
        storage.put_new(reconciliation_key(plan.run), encode(made))
    except KeyTakenError:
        return read_reconciliation(storage, plan.run), counted
    return made, counted


def read_reconciliation(storage: Storage, run: int) -> Reconciliation | None:
    """The reconciliation of *run*, None while the run is open."""
    key = reconciliation_key(run)
    try:
        return decode(key, storage.get(key), Reconciliation)
    except MissingKeyError:
        return None
