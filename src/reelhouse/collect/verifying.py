"""Verifying: both equations recomputed from what lies there, and what is wrong said by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reelhouse.collect.listing import Listing
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.chunk import Envelope, read_chunk, read_lines
from reelhouse.raw.layout import RAW
from reelhouse.raw.ledger import Ledger, empty_ledger, open_ledger
from reelhouse.raw.plan import Plan, last_run, read_plan
from reelhouse.raw.plan import read_lines as read_plan_lines
from reelhouse.raw.receipt import Receipt, read_receipts, readable
from reelhouse.raw.reconciliation import Reconciliation, read_reconciliation, tally
from reelhouse.storage.protocol import Storage

_NAMED = 20


class Verdict(NamedTuple):
    """What `verify` found. *problems* name what is wrong; *pending* ids of the open run are no problem of the lake."""

    runs: int
    asked: int
    states: dict[str, int]
    pending: int
    chunks: int
    bytes: int
    unclaimed: int
    problems: list[str]

    @property
    def whole(self) -> bool:
        return not self.problems and not self.pending

    @property
    def clean(self) -> bool:
        return self.whole and not self.states.get("quarantined", 0)


def verify(storage: Storage, *, since: int = 1) -> Verdict:
    """Check every run from *since* on: plan, listing, receipts, chunks by hash, reconciliation, ledger."""
    last = last_run(storage)
    problems: list[str] = []
    states: dict[str, int] = {}
    asked = pending = chunks = size = 0
    claimed: set[str] = set()
    # A check of everything trusts no cache; a check of what is new may start from the kept ledger.
    with open_ledger(storage, since - 1) if since > 1 else empty_ledger() as ledger:
        for run in range(since, last + 1):
            plan = _readable_plan(storage, run, problems)
            if plan is None:
                continue
            try:
                problems += _check_listing(storage, plan, ledger)
                counted = tally(storage, plan)
            except LakeError as exc:
                problems.append(f"run {run}: {exc}")
                continue
            problems += counted.problems
            problems += _check_end(storage, plan, counted.states, counted.pending, counted.pending_asks, run == last)
            problems += _check_chunks(storage, plan, claimed)
            ledger.take(plan, readable(read_receipts(storage, plan)))
            for state, count in counted.states.items():
                states[str(state)] = states.get(str(state), 0) + count
            asked += plan.ids.count
            pending += counted.pending
            chunks += counted.chunks
            size += counted.bytes
        if since == 1 and last:
            problems += _check_ledger(storage, ledger, last)
    unclaimed = _unclaimed(storage, claimed) if since == 1 else 0
    return Verdict(last - since + 1, asked, states, pending, chunks, size, unclaimed, problems)


def _readable_plan(storage: Storage, run: int, problems: list[str]) -> Plan | None:
    try:
        plan = read_plan(storage, run)
    except LakeError as exc:
        problems.append(str(exc))
        return None
    if plan is None:
        problems.append(f"the plan of run {run} is gone")
    return plan


def _check_listing(storage: Storage, plan: Plan, ledger: Ledger) -> Iterator[str]:
    """The first equation: every listed id is excluded, asked, or known from an earlier run."""
    listing = Listing(ledger.db, plan.entity)
    if plan.export is not None:
        try:
            listing.add_export(storage.get(plan.export.key), plan.selection)
        except MissingKeyError:
            yield f"{plan.export.key} is gone, though the plan of run {plan.run} names it"
            return
    if plan.listing is not None:
        listing.add_lines(read_plan_lines(storage, plan.listing), plan.selection)
    db = ledger.db
    db.execute("drop table if exists temp.planned")
    db.execute("create temp table planned (ask text primary key, id integer) without rowid")
    asks = (line.partition(" ")[0] for line in read_plan_lines(storage, plan.ids))
    db.execute("begin")
    db.executemany(
        "insert or ignore into planned values (?, ?)", ((ask, int(ask) if ask.isdigit() else None) for ask in asks)
    )
    db.execute("commit")
    db.execute("create index temp.planned_id on planned (id)")
    yield from _unaccounted(plan, ledger)
    yield from _counted(plan, ledger)


def _unaccounted(plan: Plan, ledger: Ledger) -> Iterator[str]:
    lost = ledger.db.execute(
        "select id from listed where excluded is null and id not in (select id from planned where id is not null) "
        "and id not in (select id from known where entity = ?) order by id limit ?",
        (plan.entity, _NAMED),
    )
    for (id_,) in lost:
        yield f"id {id_} was listed in run {plan.run}, but neither filtered, asked nor known before"
    for (ask,) in ledger.db.execute("select ask from unresolved where ask not in (select ask from planned)"):
        yield f"id {ask} was listed in run {plan.run}, but not asked"
    odd = ledger.db.execute(
        "select id from planned where id is not null and id not in (select id from listed) "
        "and id not in (select id from known where entity = ?) order by id limit ?",
        (plan.entity, _NAMED),
    )
    for (id_,) in odd:
        yield f"id {id_} is in the plan of run {plan.run}, but was neither listed nor known"


def _counted(plan: Plan, ledger: Ledger) -> Iterator[str]:
    def one(query: str) -> int:
        return int(ledger.db.execute(query).fetchone()[0])

    unasked = "where id not in (select id from planned where id is not null)"
    found = {
        "listed": one("select (select count(*) from listed) + (select count(*) from unresolved)"),
        "asked": one("select count(*) from planned"),
        "beyond": one("select count(*) from planned where id is not null and id not in (select id from listed)"),
        "excluded": one("select count(*) from listed " + unasked + " and excluded is not null"),
        "fresh": one("select count(*) from listed " + unasked + " and excluded is null"),
    }
    counts = plan.counts
    stated = {
        "listed": counts.listed,
        "asked": sum(counts.asked.values()),
        "beyond": counts.beyond,
        "excluded": sum(counts.excluded.values()),
        "fresh": counts.fresh,
    }
    for name, value in stated.items():
        if found[name] != value:
            yield f"run {plan.run}: its plan says {name} = {value}, what lies there says {found[name]}"


def _check_end(
    storage: Storage, plan: Plan, states: dict[str, int], pending: int, asks: list[str], newest: bool
) -> Iterator[str]:
    """The second equation, and that the reconciliation says the same."""
    try:
        made = read_reconciliation(storage, plan.run)
    except LakeError as exc:
        yield str(exc)
        return
    if made is None:
        if not newest:
            yield f"run {plan.run} has no reconciliation, though later runs follow"
        return
    for ask in asks:
        yield f"id {ask} of run {plan.run} has no receipt, though the run is reconciled"
    if pending > len(asks):
        yield f"run {plan.run}: {pending - len(asks)} more ids have no receipt"
    yield from _differences(made, states)


def _differences(made: Reconciliation, states: dict[str, int]) -> Iterator[str]:
    for name in ("landed", "filtered", "gone", "quarantined"):
        stated, found = getattr(made, name), states.get(name, 0)
        if stated != found:
            yield f"run {made.run}: its reconciliation says {name} = {stated}, its receipts say {found}"
    if not made.whole:
        yield f"run {made.run} was reconciled as not whole"


def _check_chunks(storage: Storage, plan: Plan, claimed: set[str]) -> Iterator[str]:
    for receipt in readable(read_receipts(storage, plan)):
        chunk = receipt.chunk
        if chunk is None:
            continue
        claimed.add(chunk.key)
        try:
            lines = sum(1 for _ in read_chunk(storage, chunk))
            if lines != chunk.lines:
                yield f"{chunk.key} has {lines} lines, its receipt says {chunk.lines}"
        except LakeError as exc:
            yield str(exc)
            yield from _lost(storage, receipt)


def _lost(storage: Storage, receipt: Receipt) -> Iterator[str]:
    """The ids whose answers a damaged chunk no longer holds where its receipt says."""
    held: dict[int, Envelope] = {}
    if receipt.chunk is not None:
        try:
            # Line by line, so that a cut chunk still shows what it holds.
            for line in read_lines(receipt.chunk.key, storage.get(receipt.chunk.key)):
                held[line.line] = line
        except (LakeError, MissingKeyError):
            held = {}
    lost = [
        claim.ask
        for claim in receipt.claims
        if claim.line is not None and (claim.line not in held or held[claim.line].ask != claim.ask)
    ]
    for ask in lost[:_NAMED]:
        yield f"id {ask}: its answer is lost with that chunk"
    if len(lost) > _NAMED:
        yield f"{len(lost) - _NAMED} more answers are lost with that chunk"


def _check_ledger(storage: Storage, rebuilt: Ledger, last: int) -> Iterator[str]:
    """The kept ledger is a cache: where it differs from the receipts, the receipts are right."""
    columns = "entity, id, state, run"
    with open_ledger(storage, last) as kept:
        rebuilt.db.execute("attach ? as kept", (str(kept.path),))
        for left, right in (("main", "kept"), ("kept", "main")):
            rows = rebuilt.db.execute(
                f"select {columns} from {left}.known except select {columns} from {right}.known limit ?",
                (_NAMED,),
            )
            for entity, id_, state, run in rows:
                yield f"the ledger differs from the receipts for {entity} {id_} ({state}, run {run}, in {left})"
        rebuilt.db.execute("detach kept")


def _unclaimed(storage: Storage, claimed: set[str]) -> int:
    """Chunks that no receipt names: what kills and races leave. They hold nothing that exists."""
    return sum(1 for key in storage.keys(RAW) if key.endswith(".jsonl.gz") and key not in claimed)
