"""Verify a lake: recompute both equations from the stored objects, and name what is wrong."""

from __future__ import annotations

import binascii
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from reelhouse.collect.listing import Listing
from reelhouse.course.copies import check_copies
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import LakeError, ListingError, MissingKeyError
from reelhouse.ids import SINGLE, key_id, number_of
from reelhouse.raw.chunk import Envelope, read_chunk, read_lines
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.keys import RUNS, chunk_place, chunks_folder, ledgers, plan_key, run_place, runs_folder
from reelhouse.raw.ledger import TABLES, Ledger, empty_ledger, open_ledger
from reelhouse.raw.lost_runs import lost_runs
from reelhouse.raw.plan import Plan, last_run, read_plan, unpack_lines
from reelhouse.raw.plan import read_lines as read_plan_lines
from reelhouse.raw.receipt import (
    ChunkRef,
    Outcome,
    Receipt,
    State,
    outcomes_and_purged,
    read_purged,
    read_receipts,
    readable,
)
from reelhouse.raw.reconciliation import ABANDONED, Reconciliation, RunTally, read_reconciliation, tally
from reelhouse.retention.audit import purge_remains
from reelhouse.storage.opening import examined
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import UNREADABLE, Storage

_NAMED = 20
_MORE = re.compile(r"([\d,]+) more like that")


class Verdict(NamedTuple):
    """What `verify` found. *problems* name what is wrong; *pending* ids of the open run are not a problem of the lake.

    *states* count what was purged apart; *notes* say what had to be believed because its proof was purged, *checked*
    what was looked at and how closely.
    """

    runs: int
    requested: int
    states: dict[str, int]
    pending: int
    chunks: int
    bytes: int
    unclaimed: int
    problems: list[str]
    notes: list[str]
    checked: list[str]

    @property
    def problem_count(self) -> int:
        """How many problems there are: of many alike, *problems* has the first ones and a line that counts the rest."""
        counts = (_MORE.fullmatch(line) for line in self.problems)
        return sum(int(count[1].replace(",", "")) if count else 1 for count in counts)

    @property
    def complete(self) -> bool:
        return not self.problems and not self.pending

    @property
    def clean(self) -> bool:
        return self.complete and not self.states.get("quarantined", 0)

    @property
    def ok(self) -> bool:
        """Whether the command exits with 0."""
        return self.clean

    @property
    def issues(self) -> list[str]:
        """Why it does not, in lines."""
        counts = {"ids are pending": self.pending, "answers are quarantined": self.states.get("quarantined", 0)}
        return [*self.problems, *(f"{count:,} {what}" for what, count in counts.items() if count)]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {**self._asdict(), "problem_count": self.problem_count, "complete": self.complete, "clean": self.clean}


def verify(storage: Storage, *, since: Mapping[str, int] | None = None, entities: Iterable[str] = ENTITIES) -> Verdict:
    """Check every run of *entities*: plan, listing, receipts, chunks by hash, reconciliation, ledger.

    With *since* only the runs of an entity from that number on, none where it names none; of the runs before, that
    their receipts read, that the ledger agrees with these, and that their chunks are there in full size.
    """
    storage = examined(storage)
    known = list(entities)
    absent = prefetch(lambda name: _absent(storage, name), known)
    verdicts = [
        found or _entity_verdict(storage, name, 1 if since is None else since.get(name))
        for name, found in zip(known, absent, strict=True)
    ]
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    problems += _named(check_copies(storage, ENTITIES.values()))
    if since is None:
        problems += [*purge_remains(storage, known), *_named(_unknown_entities(storage, known))]
    return Verdict(
        sum(one.runs for one in verdicts),
        sum(one.requested for one in verdicts),
        dict(sum((Counter(one.states) for one in verdicts), Counter())),
        sum(one.pending for one in verdicts),
        sum(one.chunks for one in verdicts),
        sum(one.bytes for one in verdicts),
        sum(one.unclaimed for one in verdicts),
        problems,
        [text for one in verdicts for text in one.notes],
        [text for one in verdicts for text in one.checked],
    )


def _named(check: Iterator[str]) -> Iterator[str]:
    """What a check finds; what keeps it from going on is one more problem."""
    try:
        yield from check
    except LakeError as exc:
        yield str(exc)


def _unknown_entities(storage: Storage, known: list[str]) -> Iterator[str]:
    """Runs that nobody looks at."""
    places = (place for key in storage.keys(RUNS) if (place := run_place(key)) is not None)
    for name in sorted({place.entity for place in places} - set(known)):
        yield f"{RUNS}{name}/ holds runs of an entity that this reelhouse does not collect: nothing of it was checked"


def _absent(storage: Storage, entity: str) -> Verdict | None:
    """The verdict on an entity without a run or an object; None if it has any. Most lakes hold few of the entities."""
    with suppress(LakeError):
        if not last_run(storage, entity) and next(_objects(storage, entity), None) is None:
            return _nothing_counted(list(_named(_some(lost_runs(storage, entity, 0, ())))))
    return None


def _nothing_counted(problems: list[str]) -> Verdict:
    return Verdict(0, 0, {}, 0, 0, 0, 0, problems, [], [])


def _entity_verdict(storage: Storage, entity: str, since: int | None) -> Verdict:
    try:
        last = last_run(storage, entity)
        return _verify_entity(storage, entity, last, last + 1 if since is None else since)
    except LakeError as exc:
        # A folder that cannot be read hides all that is in it.
        return _nothing_counted([str(exc)])


def _verify_entity(storage: Storage, entity: str, last: int, since: int) -> Verdict:
    problems: list[str] = []
    notes: list[str] = []
    states: Counter[str] = Counter()
    asked = pending = chunks = size = 0
    # The kept ledger is a cache that the plans were made from: it is compared with the receipts and never trusted.
    with empty_ledger() as ledger:
        for run in range(1, last + 1):
            plan = _readable_plan(storage, entity, run, problems)
            if plan is None:
                continue
            if run < since:
                problems += _take_earlier(storage, plan, ledger)
                continue
            if read_purged(storage, entity, run).listed:
                notes.append(
                    f"{plan.name}: what it was listed from is purged, so its plan's counts are taken as they stand"
                )
            counted = _check_run(storage, plan, ledger, problems, newest=run == last)
            problems += _check_chunks(storage, plan)
            ledger.take(plan, readable(read_receipts(storage, plan)))
            asked += plan.ids.count
            if counted is not None:
                states.update(counted.states - counted.purged)
                states.update(purged=counted.purged.total())
                if abandoned := counted.states[ABANDONED]:
                    notes.append(f"{plan.name}: {abandoned:,} of its ids were purged before they were requested")
                if counted.pending and _was_given_up(storage, plan, counted):
                    states.update({ABANDONED: counted.pending})
                    notes.append(f"{plan.name} was abandoned: {counted.pending:,} of its ids were not requested")
                else:
                    pending += counted.pending
                chunks += counted.chunks
                size += counted.bytes
        problems += _check_ledger(storage, entity, ledger, last)
        problems += _named(_list_objects(storage, entity, ledger))
        problems += _check_objects(storage, ledger, since)
        keys = (key for (key,) in ledger.db.execute("select key from lying order by key"))
        problems += _named(_some(lost_runs(storage, entity, last, keys)))
        unclaimed = _unclaimed(ledger)
        checked = _checked(ledger, entity, since, last)
    found = {state: count for state, count in states.items() if count}
    return Verdict(last - since + 1, asked, found, pending, chunks, size, unclaimed, problems, notes, checked)


def _take_earlier(storage: Storage, plan: Plan, ledger: Ledger) -> Iterator[str]:
    """Fold in the receipts of a run whose answers are not read, and compare their sums with its reconciliation."""
    parts = list(read_receipts(storage, plan))
    yield from (f"{part.key} names nothing: {part.reason}" for part in parts if not isinstance(part, Receipt))
    receipts = [part for part in parts if isinstance(part, Receipt)]
    ledger.take(plan, receipts)
    states = Counter(outcome.state for receipt in receipts for outcome in outcomes_and_purged(receipt))
    try:
        made = read_reconciliation(storage, plan.entity, plan.run)
    except LakeError as exc:
        yield str(exc)
        return
    for state in State if made is not None else ():
        if (stated := getattr(made, state.value)) != states[state]:
            yield f"{plan.name}: its reconciliation says {state} = {stated}, its receipts say {states[state]}"


def _check_run(storage: Storage, plan: Plan, ledger: Ledger, problems: list[str], *, newest: bool) -> RunTally | None:
    """Both equations of one run; None where what it asked cannot be read."""
    try:
        with ledger.as_of(plan.run):
            problems += _check_listing(storage, plan, ledger)
        counted = tally(storage, plan)
    except (LakeError, ListingError) as exc:
        # What was being read into is left half full; the checks that follow fill it again.
        ledger.db.rollback()
        problems.append(f"{plan.name}: {exc}")
        problems += _unasked(storage, plan)
        return None
    problems += counted.problems
    problems += _check_end(storage, plan, counted, newest=newest)
    return counted


def _unasked(storage: Storage, plan: Plan) -> list[str]:
    """The ids that have receipts, but that the rest of a damaged ids object no longer names."""
    left: set[str] = set()
    with suppress(MissingKeyError, LakeError, zlib.error, UnicodeDecodeError):
        for line in unpack_lines(storage.get(plan.ids.key)):
            left.add(line.partition(" ")[0])
    receipts = readable(read_receipts(storage, plan))
    lost = [outcome.key for receipt in receipts for outcome in receipt.outcomes if outcome.key not in left]
    return list(_some(f"id {key} was asked in {plan.name}, but its ids no longer name it" for key in lost))


def _some(problems: Iterable[str]) -> Iterator[str]:
    """The first few, and how many more there are."""
    left = iter(problems)
    yield from islice(left, _NAMED)
    if more := sum(1 for _ in left):
        yield f"{more:,} more like that"


def _readable_plan(storage: Storage, entity: str, run: int, problems: list[str]) -> Plan | None:
    try:
        plan = read_plan(storage, entity, run)
        read_purged(storage, entity, run)
    except LakeError as exc:
        problems.append(str(exc))
        return None
    if plan is None:
        problems.append(f"the plan of {entity} run {run} is gone")
    return plan


def _check_listing(storage: Storage, plan: Plan, ledger: Ledger) -> Iterator[str]:
    """The first equation: every listed id is excluded, asked, or known from an earlier run."""
    if read_purged(storage, plan.entity, plan.run).listed:
        return
    listing = Listing(ledger.db, plan.entity)
    for export in plan.exports:
        body = get_named(storage, export.key, export.sha256, "a plan")
        listing.add_export(body, plan.selection, adult=export == plan.adult_export)
    if plan.listing is not None:
        listing.add_lines(read_plan_lines(storage, plan.listing), plan.selection)
    listing.add_set_aside()
    db = ledger.db
    db.execute("drop table if exists temp.planned")
    db.execute("create temp table planned (ask text primary key, id integer) without rowid")
    keys = (line.partition(" ")[0] for line in read_plan_lines(storage, plan.ids))
    db.execute("begin")
    db.executemany("insert or ignore into planned values (?, ?)", ((key, key_id(key)) for key in keys))
    db.execute("commit")
    db.execute("create index temp.planned_id on planned (id)")
    yield from _unaccounted(plan, ledger)
    yield from _counted(plan, ledger)


def _unaccounted(plan: Plan, ledger: Ledger) -> Iterator[str]:
    lost = ledger.db.execute(
        "select id from listed where excluded is null and id not in (select id from planned where id is not null) "
        "and id not in (select id from known where entity = ?) order by id",
        (plan.entity,),
    )
    said = f"was listed in {plan.name}, but was neither filtered, requested nor known before"
    yield from _some(f"id {id_} {said}" for (id_,) in lost)
    unasked = ledger.db.execute("select ask from unresolved where ask not in (select ask from planned)")
    yield from _some(f"id {key} was listed in {plan.name}, but not asked" for (key,) in unasked)
    odd = ledger.db.execute(
        "select id from planned where id is not null and id not in (select id from listed) "
        "and id not in (select id from known where entity = ?) order by id",
        (plan.entity,),
    )
    yield from _some(f"id {id_} is in the plan of {plan.name}, but was neither listed nor known" for (id_,) in odd)


def _counted(plan: Plan, ledger: Ledger) -> Iterator[str]:
    def one(query: str) -> int:
        return int(ledger.db.execute(query).fetchone()[0])

    unasked = "where id not in (select id from planned where id is not null)"
    found = {
        "listed": one("select (select count(*) from listed) + (select count(*) from unresolved where listed)"),
        "requested": one("select count(*) from planned"),
        "not_in_listing": one("select count(*) from planned where id is not null and id not in (select id from listed)")
        + one("select count(*) from unresolved where not listed and ask in (select ask from planned)"),
        "excluded": one("select count(*) from listed " + unasked + " and excluded is not null"),
        "up_to_date": one("select count(*) from listed " + unasked + " and excluded is null"),
    }
    counts = plan.counts
    stated = {
        "listed": counts.listed,
        "requested": sum(counts.requested.values()),
        "not_in_listing": counts.not_in_listing,
        "excluded": sum(counts.excluded.values()),
        "up_to_date": counts.up_to_date,
    }
    for name, value in stated.items():
        if found[name] != value:
            yield f"{plan.name}: its plan says {name} = {value}, the stored objects say {found[name]}"


def _check_end(storage: Storage, plan: Plan, counted: RunTally, *, newest: bool) -> Iterator[str]:
    """The second equation, and that the reconciliation says the same."""
    try:
        made = read_reconciliation(storage, plan.entity, plan.run)
    except LakeError as exc:
        yield str(exc)
        return
    if made is None:
        if not newest:
            yield f"{plan.name} has no reconciliation, though later runs follow"
        return
    if not _given_up(made, counted):
        for key in counted.pending_keys:
            yield f"id {key} of {plan.name} has no receipt, though the run is reconciled"
        if counted.pending > len(counted.pending_keys):
            yield f"{plan.name}: {counted.pending - len(counted.pending_keys)} more ids have no receipt"
    yield from _differences(storage, made, plan, counted)


def _given_up(made: Reconciliation, counted: RunTally) -> bool:
    """Whether a user gave the run up while ids were pending, apart from those that a purge named."""
    return made.abandoned > counted.states[ABANDONED]


def _was_given_up(storage: Storage, plan: Plan, counted: RunTally) -> bool:
    with suppress(LakeError):
        made = read_reconciliation(storage, plan.entity, plan.run)
        return made is not None and _given_up(made, counted)
    # A reconciliation that cannot be read is a problem that was named already.
    return False


def _differences(storage: Storage, made: Reconciliation, plan: Plan, counted: RunTally) -> Iterator[str]:
    found = {
        "requested": plan.ids.count,
        **{state.value: counted.states.get(state.value, 0) for state in State},
        "counts": plan.counts,
        "drift": dict(sorted(counted.drift.items())),
        "abandoned": counted.states[ABANDONED] + (counted.pending if _given_up(made, counted) else 0),
        "clean": not counted.states[State.QUARANTINED],
    }
    if not counted.purged:
        # What a purge took is counted as it was; the objects that held it are gone or smaller.
        found |= {"chunks": counted.chunks, "bytes": counted.bytes}
    for name, value in found.items():
        stated = getattr(made, name)
        if stated != value:
            yield f"{plan.name}: its reconciliation says {name} = {stated}, its receipts say {value}"
    if made.plan != plan.sha256 and made.plan != _stored_hash(storage, plan):
        yield f"{plan.name}: its plan is not the one that was executed, by the hash in its reconciliation"
    if not made.complete:
        yield f"{plan.name} was reconciled as incomplete"


def _stored_hash(storage: Storage, plan: Plan) -> str:
    """Of the plan as it was written: of a number without a point, the one that is read back is written otherwise."""
    return hashlib.sha256(storage.get(plan_key(plan.entity, plan.run))).hexdigest()


def _check_chunks(storage: Storage, plan: Plan) -> Iterator[str]:
    """Every line that a receipt claims is where it says: the answer to that very id, with the bytes that came."""
    for receipt in readable(read_receipts(storage, plan)):
        held: dict[int, _StoredLine] = {}
        if receipt.chunk is not None:
            held, problem = _held(storage, receipt.chunk)
            if problem is not None:
                yield problem
        yield from _some(problem for outcome in receipt.outcomes for problem in _check_outcome(outcome, held, receipt))


class _StoredLine(NamedTuple):
    """What an unaltered line says of itself; *body_id* is the id in the answer, None where it has none."""

    key: str
    id: int | None
    status: int
    body_id: int | None
    fetched_at: str
    etag: str | None


_STATUS = {State.LANDED: 200, State.GONE: 404}


def _check_outcome(outcome: Outcome, held: Mapping[int, _StoredLine], receipt: Receipt) -> Iterator[str]:
    said = f"id {outcome.key}: {receipt.entity} run {receipt.run} says that"
    if outcome.state in _STATUS and outcome.line is None:
        yield f"{said} it {outcome.state}, but names no line that holds the answer"
    if outcome.by_external_id is False and outcome.id not in (None, key_id(outcome.key)):
        yield f"{said} its id is {outcome.id}"
    for line in outcome.span:
        chunk = receipt.chunk.key if receipt.chunk else "no chunk"
        found = held.get(line)
        if found is None or found.key != outcome.key:
            yield f"{said} its answer is line {line} of {chunk}, but it is not there"
        elif outcome.state in _STATUS and found.status not in (_STATUS[outcome.state], *_found_nothing(outcome)):
            yield f"{said} it {outcome.state}, but line {line} of {chunk} has the status {found.status}"
        elif outcome.id != found.id:
            yield f"{said} its id is {outcome.id}, but line {line} of {chunk} says {found.id}"
        elif outcome.state is State.LANDED and outcome.id not in (SINGLE, found.body_id):
            yield f"{said} its answer is line {line} of {chunk}, but that is about {found.body_id}"
    yield from _check_when(outcome, held.get(-1 if outcome.line is None else outcome.line), said)


def _check_when(outcome: Outcome, first: _StoredLine | None, said: str) -> Iterator[str]:
    """The instant decides what is purged and which answer is the current one."""
    if first is not None and first.key == outcome.key:
        for name in ("fetched_at", "etag"):
            if (stated := getattr(outcome, name)) != (true := getattr(first, name)):
                yield f"{said} its {name} is {stated}, but line {outcome.line} says {true}"


def _found_nothing(outcome: Outcome) -> tuple[int, ...]:
    """The status with which `/find` says that it knows no such record by an id of another service."""
    return (200,) if outcome.state is State.GONE and outcome.by_external_id and outcome.id is None else ()


class _AnswerIdentity(msgspec.Struct):
    """What an answer is about: a page of a list has no id."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    page: msgspec.Raw = msgspec.Raw(b"null")


_with_id = msgspec.json.Decoder(_AnswerIdentity).decode


def _body_id(line: Envelope) -> int | None:
    """The id in an answer; None where it has none. Only a record that landed is sure to be an object."""
    if line.status != _STATUS[State.LANDED] or line.id in (None, SINGLE):
        return None
    try:
        found = _with_id(line.bytes)
        number = found.page if bytes(found.id) == b"null" else found.id
        return number_of(bytes(number).strip(b'"').decode())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _held(storage: Storage, chunk: ChunkRef) -> tuple[dict[int, _StoredLine], str | None]:
    """What the unaltered lines of a chunk hold, as far as it can be read, and what is wrong with the chunk."""
    held: dict[int, _StoredLine] = {}
    problem = None
    try:
        lines = read_chunk(storage, chunk)
    except LakeError as exc:
        problem = str(exc)
        # What can still be read is not lost.
        lines = iter(())
        with suppress(LakeError, MissingKeyError):
            lines = read_lines(chunk.key, storage.get(chunk.key))
    found = 0
    try:
        for line in lines:
            found += 1
            if hashlib.sha256(line.bytes).hexdigest() == line.sha256:
                held[line.line] = _StoredLine(
                    line.key, line.id, line.status, _body_id(line), line.fetched_at, line.etag
                )
    except (LakeError, binascii.Error) as exc:
        problem = problem or str(exc)
    if found != chunk.lines:
        problem = problem or f"{chunk.key} has {found} lines, its receipt says {chunk.lines}"
    return held, problem


def _check_ledger(storage: Storage, entity: str, rebuilt: Ledger, last: int) -> Iterator[str]:
    """The kept ledger is a cache: where it differs from the receipts, the receipts are right."""
    found = list(_compare_ledger(storage, entity, rebuilt, last))
    yield from found
    if found:
        yield (
            f"the last plans may lack ids of {entity} because of its ledger: "
            f"delete {ledgers(entity)}, which receipts replace, and collect again"
        )


def _compare_ledger(storage: Storage, entity: str, rebuilt: Ledger, last: int) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            kept = stack.enter_context(open_ledger(storage, entity, last))
        except LakeError:
            # A plan that cannot be read is a problem that was named already.
            return
        rebuilt.db.execute("attach ? as kept", (str(kept.path),))
        for table in TABLES:
            for left, right, side in (("main", "kept", "receipts"), ("kept", "main", "kept ledger")):
                rows = rebuilt.db.execute(f"select * from {left}.{table} except select * from {right}.{table}")
                yield from _some(_differs(table, row, side) for row in rows)
        rebuilt.db.execute("detach kept")


def _differs(table: str, row: Iterable[object], side: str) -> str:
    values = " ".join(str(value) for value in row if value is not None)
    return f"the ledger differs from the receipts in `{table}`: {values} (only in the {side})"


def _objects(storage: Storage, entity: str) -> Iterator[tuple[str, int]]:
    """The objects of an entity in the raw zone and in its runs, with their sizes."""
    return (found for top in (chunks_folder(entity), runs_folder(entity)) for found in storage.sizes(top))


def _list_objects(storage: Storage, entity: str, ledger: Ledger) -> Iterator[str]:
    """Compare the objects of an entity in the raw zone with what receipts name; yields what cannot be read.

    One listing saves a request for each object.
    """
    db = ledger.db
    db.execute("create temp table lying (key text primary key, size integer, chunk integer) without rowid")
    db.execute("begin")
    try:
        db.executemany(
            "insert or replace into lying values (?, ?, ?)",
            ((key, size, chunk_place(key) is not None) for key, size in _objects(storage, entity)),
        )
    finally:
        db.execute("commit")
    unreadable = db.execute("select key from lying where size = ? order by key", (UNREADABLE,))
    yield from _some(f"{key} cannot be read" for (key,) in unreadable)


def _check_objects(storage: Storage, ledger: Ledger, since: int) -> Iterator[str]:
    """What is lost of the runs before *since*; the runs from then on were read."""
    lost = ledger.db.execute(
        "select o.key, o.run, o.size from object o left join lying l on l.key = o.key "
        "where o.run < ? and (l.key is null or o.size <> l.size) order by o.key",
        (since,),
    )
    yield from _some(_lost_objects(storage, lost))


def _lost_objects(storage: Storage, lost: Iterable[tuple[str, int, int | None]]) -> Iterator[str]:
    for key, run, stated in lost:
        size: int | None = UNREADABLE
        with suppress(LakeError):
            # A listing may lack what is there.
            size = storage.size(key)
        if size == UNREADABLE:
            yield f"{key}, which run {run} put, cannot be read"
        elif size is None:
            yield f"{key} is gone, which run {run} put"
        elif stated is not None and size != stated:
            yield f"{key} has {size:,} bytes, its receipt in run {run} says {stated:,}"


def _unclaimed(ledger: Ledger) -> int:
    """Chunks that no receipt names: what kills and races leave. They hold nothing that exists."""
    query = "select count(*) from lying where chunk and key not in (select key from object)"
    return int(ledger.db.execute(query).fetchone()[0])


def _checked(ledger: Ledger, entity: str, since: int, last: int) -> list[str]:
    checked = []
    if last >= since:
        checked.append(f"{_runs(entity, since, last)} checked in full: plans, receipts, and the hash of every response")
    if since > 1:
        query = "select count(*) from object where run < ? and size is not null"
        (chunks,) = ledger.db.execute(query, (since,)).fetchone()
        checked.append(
            f"{_runs(entity, 1, since - 1)} checked for objects: their receipts and {chunks:,} chunks are to be there, "
            "in full size. Their receipts were read; `reelhouse verify` also reads plans and answers"
        )
    return checked


def _runs(entity: str, first: int, last: int) -> str:
    return f"{entity} run {first} was" if first == last else f"{entity} runs {first} to {last} were"
