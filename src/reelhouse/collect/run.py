"""Runs: the open one is continued, else the next one is planned; the end of a run is its reconciliation."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from reelhouse.collect.fetching import Fetcher, RetryPolicy, StopConditions
from reelhouse.collect.landing import ChunkLimits, ChunkSink
from reelhouse.collect.planning import NOTABLE, PlannedRun, RunSpec, Tmdb, plan_run, selection_notes
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.spool import RunSpool, Spool
from reelhouse.collect.validation import ResponseValidator, other_kind
from reelhouse.course.copies import AnswerCopies
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import KeyTakenError
from reelhouse.raw import inbox
from reelhouse.raw.checkpoint import Checkpoint, drop_checkpoint, read_checkpoint
from reelhouse.raw.ledger import keep_run, oldest_landed
from reelhouse.raw.lost_runs import check_free
from reelhouse.raw.plan import Plan, last_run, plan_of, put_plan
from reelhouse.raw.receipt import State, read_receipts, readable
from reelhouse.raw.reconciliation import VANISHED, RunTally, reconcile, unreconciled
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import query_of
from reelhouse.tmdb.endpoints import first_appends, takes


class RunOptions(NamedTuple):
    """How a run is carried out, apart from what it asks. *spool* takes what the lake does not; with *course* landed
    answers are copied as the course layout has them, with *course_kinds* a level for the entity above the date."""

    connections: int
    retry_policy: RetryPolicy
    limits: ChunkLimits
    spool: Spool | None = None
    course: bool = False
    course_kinds: bool = False


async def start_run(
    storage: Storage, tmdb: Tmdb, wanted: RunSpec, begins: Callable[[Plan], None] = lambda plan: None
) -> Plan:
    """Plan the next run and put it; where somebody was quicker, theirs, and what *wanted* names waits in the inbox.

    *begins* is called before the plan is put, and may raise.
    """
    entity = wanted.entity.name
    after = last_run(storage, entity)
    # Somebody may have planned since the caller looked. A run planned after an open one would know its answers in part.
    if (theirs := unreconciled(storage, entity, after)) is None:
        check_free(storage, entity, after + 1)
        if after:
            # A kill between its reconciliation and here may have left the messages that it took.
            inbox.clear(storage, plan_of(storage, entity, after, VANISHED))
        draft: PlannedRun = await plan_run(storage, tmdb, wanted, after=after, put=True)
        begins(draft.plan)
        try:
            put_plan(storage, draft.plan)
        except KeyTakenError:
            theirs = plan_of(storage, entity, draft.plan.run, VANISHED)
        else:
            return draft.plan
    if not wanted.columns:
        leave_keys(storage, entity, wanted.keys)
    return theirs


def leave_keys(storage: Storage, entity: str, keys: tuple[str, ...]) -> None:
    """Put what somebody named into the inbox, for the next run."""
    if keys:
        event = hashlib.sha256("\n".join((entity, *keys)).encode()).hexdigest()[:16]
        inbox.put_message(storage, f"list-{event}", entity, keys)


async def execute(
    storage: Storage,
    tmdb: Tmdb,
    plan: Plan,
    options: RunOptions,
    stop_conditions: StopConditions,
    progress: Progress,
    entities: Mapping[str, Entity] = ENTITIES,
    *,
    abandon: bool = False,
    others: Collection[str] = (),
) -> RunResult:
    """Ask what is pending of *plan*, land it, and reconcile if nothing is left; with *abandon* ask nothing more.

    Ids of other services that turn out to be of one of the *others*, entities by name, are left for its next run.
    """
    client, limiter = tmdb.client, tmdb.client.limiter
    before, throttled, waited, retries = client.requests, limiter.throttles, limiter.waited, client.retries
    progress.planned(plan)
    done = read_checkpoint(storage, plan)
    copies = None
    if options.course:
        # While somebody hurries, the hold on the lake may be lost, and another collector may be writing copies.
        copies = AnswerCopies(
            storage, entities[plan.entity], kinds=options.course_kinds, held=lambda: not stop_conditions.hurries
        )
        await asyncio.to_thread(copies.start, plan.run, lambda: stop_conditions.reason is not None)
    reason = None
    if not abandon:
        entity = entities[plan.entity]
        reason = await _fetch(storage, tmdb, plan, entity, done, options, stop_conditions, progress, copies)
    sent: list[str] = []

    def send_on(counted: RunTally) -> None:
        named = [entities[name] for name in others if counted.drift[other_kind(name)]]
        sent.extend(_send_on(storage, plan, named))

    made, counted = reconcile(storage, plan, done, abandon=abandon, ending=send_on)
    refused, notes = client.clock.take_notes()
    if made is not None:
        notes += [*selection_notes(plan), *_filter_notes(plan, counted.states), *_unresolved(plan, counted), *sent]
    result = RunResult(
        plan,
        made,
        counted.pending if made is None else 0,
        reason,
        client.requests - before,
        dict(Counter(counted.states)),
        limiter.throttles - throttled,
        limiter.waited - waited,
        retries=client.retries - retries,
        dates_refused=refused,
        notes=tuple(notes),
    )
    if made is not None:
        # The limit that was reached with the last id has stopped nothing.
        result = result._replace(reason=None, oldest=finalize(storage, plan))
    if copies is not None:
        copies.leave() if made is None else copies.finish(plan.run)
        copies.check()
    return result


def _send_on(storage: Storage, plan: Plan, others: Iterable[Entity]) -> Iterator[str]:
    """Leave ids of other services that `/find` has as records of *others* to these entities; yields what was left."""
    for entity in others:
        outcomes = (outcome for receipt in readable(read_receipts(storage, plan)) for outcome in receipt.outcomes)
        of_kind = (outcome.key for outcome in outcomes if outcome.reason == other_kind(entity.name))
        keys = tuple(key for key in of_kind if takes(entity, key))
        if not keys:
            continue
        leave_keys(storage, entity.name, keys)
        yield f"{len(keys):,} ids in the list of {plan.entity} are of {entity.name}: its next run requests them"


def _unresolved(plan: Plan, counted: RunTally) -> Iterator[str]:
    if counted.unresolved:
        shown = ", ".join(sorted(counted.unresolved_shown))
        rest = counted.unresolved - len(counted.unresolved_shown)
        more = f" and {rest:,} more" if rest else ""
        yield f"{counted.unresolved:,} ids of other services stand for no {plan.entity} at TMDB: {shown}{more}"


def _filter_notes(plan: Plan, states: Mapping[str, int]) -> Iterator[str]:
    """Says where the predicate kept nothing, or everything of more than a few answers: seldom is that meant."""
    landed, filtered = states.get(State.LANDED, 0), states.get(State.FILTERED, 0)
    if not (predicate := plan.request_profile.record_filter):
        return
    if filtered and not landed:
        yield f"record_filter {predicate!r} kept none of {filtered:,} answers: nothing of them landed"
    elif landed >= NOTABLE and not filtered:
        yield f"record_filter {predicate!r} kept all {landed:,} answers: it filtered nothing"


def finalize(storage: Storage, plan: Plan) -> str | None:
    """Do what follows a reconciliation, which may be repeated: keep the ledger's new piece, drop messages and caches.

    Returns when the oldest landed answer that tables show was fetched.
    """
    keep_run(storage, plan)
    oldest = oldest_landed(storage, plan.entity, plan.run)
    drop_checkpoint(storage, plan.entity, plan.run)
    inbox.clear(storage, plan)
    return oldest


async def _fetch(
    storage: Storage,
    tmdb: Tmdb,
    plan: Plan,
    entity: Entity,
    done: Checkpoint,
    options: RunOptions,
    stop_conditions: StopConditions,
    progress: Progress,
    copies: AnswerCopies | None,
) -> str | None:
    spooling = RunSpool(options.spool, storage.url, plan, partial(stop_conditions.stop, hurry=True))
    fetcher = Fetcher(
        storage,
        plan,
        tmdb.client,
        ResponseValidator(entity, plan.request_profile.append, plan.request_profile.record_filter),
        ChunkSink(
            storage,
            plan,
            entity.path,
            query_of(plan.request_profile.params, first_appends(entity, plan.request_profile.append)),
            options.limits,
            progress.landed,
            lambda: tmdb.client.requests,
            spooling,
            *([] if copies is None else [copies.take]),
        ),
        stop_conditions,
        entity=entity,
        connections=options.connections,
        retry_policy=options.retry_policy,
        skipped=progress.skipped,
        answered=progress.answered,
        done=done,
    )
    return await fetcher.run()
