"""Runs: the open one is continued, else the next one is planned; the end of a run is its reconciliation."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from reelhouse.collect.fetching import Fetcher, RetryPolicy, StopConditions
from reelhouse.collect.landing import ChunkSink, Limits
from reelhouse.collect.lost_runs import check_free
from reelhouse.collect.planning import NOTABLE, PlannedRun, RunSpec, Tmdb, plan_run, selection_notes
from reelhouse.collect.spool import Spool, Spooling
from reelhouse.collect.validation import ResponseValidator
from reelhouse.course.copies import Copies
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import KeyTakenError
from reelhouse.logs import log
from reelhouse.raw import inbox
from reelhouse.raw.checkpoint import Done, drop_done, read_done
from reelhouse.raw.ledger import keep_run, oldest_landed
from reelhouse.raw.plan import Plan, last_run, plan_of, put_plan
from reelhouse.raw.receipt import Receipt, State
from reelhouse.raw.reconciliation import Reconciliation, read_reconciliation, reconcile
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import query_of
from reelhouse.tmdb.endpoints import first_appends

_VANISHED = "though it was there a moment ago"


class RunOptions(NamedTuple):
    """How a run is carried out, apart from what it asks. *spool* takes what the lake does not; with *course* landed
    answers are copied as the course layout has them, with *course_kinds* a level for the entity above the date."""

    connections: int
    retry_policy: RetryPolicy
    limits: Limits
    spool: Spool | None = None
    course: bool = False
    course_kinds: bool = False


class Beat(NamedTuple):
    """How the requests of a call stand, once a second: their number, those answered 429, seconds of pauses, retries.

    *silent* are the seconds for which TMDB has answered nothing, by now; *failure* is the last error.
    """

    requests: int
    throttled: int
    waited: float
    retries: int
    silent: float
    failure: str


# Seconds of silence that are worth a line, and between two lines of a log.
SILENCE = 20.0
_LINE = 30.0


class Progress:
    """What a run reports while it works. This one writes it to the log."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._settled = 0
        self._answers: deque[tuple[float, int]] = deque(maxlen=30)
        self._answered = 0
        self._throttled = 0
        self._next_line = time.monotonic() + _LINE
        self._next_warning = 0.0

    def begins(self, plan: Plan) -> None:
        """A run is planned and not put yet; raises to prevent it."""

    def planned(self, plan: Plan) -> None:
        """A run begins or goes on."""
        self._plan, self._settled = plan, 0
        log.info("working", extra={"run": plan.run, "entity": plan.entity, "asked": plan.ids.count})
        for one in plan.set_aside:
            log.warning("set aside: %s", one.reason, extra={"count": one.count, "shown": one.shown})

    def skipped(self, count: int) -> None:
        """So many ids of the run have their receipts already."""
        self._settled += count

    def answered(self) -> None:
        """An id of the run is settled; it is safe once it has landed."""
        self._settled += 1
        self._answered += 1

    def landed(self, receipt: Receipt) -> None:
        """Answers are safe."""
        log.debug("landed", extra={"run": receipt.run, "unit": receipt.unit, "answers": len(receipt.outcomes)})

    def paused(self, seconds: float) -> None:
        """TMDB asked to slow down (429): nothing is asked for so long."""
        log.debug("TMDB asks to slow down (429)", extra={"seconds": round(seconds, 1)})

    def replayed(self, count: int, place: str) -> None:
        """So many answers that waited in *place* were brought in."""
        log.info("replayed from the spool", extra={"answers": count})

    def left(self, text: str) -> None:
        """Something waits in the spool and stays there; *text* says what and why."""
        log.warning("left in the spool: %s", text)

    def beat(self, beat: Beat) -> None:
        """A second has passed."""
        now = time.monotonic()
        self._answers.append((now, self._answered))
        self._throttled = beat.throttled
        if beat.silent < SILENCE:
            self._next_warning = 0.0
        elif now >= self._next_warning:
            self._next_warning = now + _LINE
            log.warning(silence(beat))
        if now >= self._next_line:
            self._next_line = now + _LINE
            log.info("%s", f"run {self._plan.run} ({self._plan.entity}): {self.state}" if self._plan else "planning")

    @property
    def state(self) -> str:
        """How far the run is, at which rate, and how long the rest takes at that."""
        if self._plan is None:
            return ""
        parts = [f"{self._settled:,} of {self._plan.ids.count:,}"]
        since, before = self._answers[0] if self._answers else (0.0, 0)
        now, answered = self._answers[-1] if self._answers else (0.0, 0)
        if answered > before:
            rate = (answered - before) / (now - since)
            parts += [f"{rate:.0f}/s", f"{duration((self._plan.ids.count - self._settled) / rate)} left"]
        return " · ".join([*parts, *([f"{self._throttled:,} × 429"] if self._throttled else [])])


def silence(beat: Beat) -> str:
    """What a user reads while TMDB answers nothing."""
    return f"TMDB has not answered for {duration(beat.silent)} (last: {beat.failure})"


def duration(seconds: float) -> str:
    """`8 h 36 min`, `25 min`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min" if whole >= 120 else f"{whole} s"


class RunResult(NamedTuple):
    """How a run stands after it was worked on: reconciled, or open with a reason.

    *requests* are those of this call, *throttled* those that were answered 429, *waited* the seconds for which these
    kept everybody waiting, *retries* are requests made again after a failure, *replayed* the answers that it brought in
    from the spool, *oldest* is when the oldest of all landed answers was fetched, once the run is reconciled,
    *dates_refused* how many answers of this call had a time that was not believed, *notes* are sentences that a person
    must read.
    """

    plan: Plan
    reconciliation: Reconciliation | None
    pending: int
    reason: str | None
    requests: int
    states: dict[str, int]
    throttled: int = 0
    waited: float = 0.0
    retries: int = 0
    replayed: int = 0
    oldest: str | None = None
    dates_refused: int = 0
    notes: tuple[str, ...] = ()

    def after(self, before: RunResult) -> RunResult:
        """This and an earlier turn of the same run as one result."""
        return self._replace(
            requests=before.requests + self.requests,
            throttled=before.throttled + self.throttled,
            waited=before.waited + self.waited,
            retries=before.retries + self.retries,
            dates_refused=before.dates_refused + self.dates_refused,
            notes=(*before.notes, *self.notes),
        )

    @property
    def complete(self) -> bool:
        return self.reconciliation is not None and self.reconciliation.complete

    @property
    def clean(self) -> bool:
        plain = self.complete and self.reason is None and not self.plan.set_aside
        return plain and self.reconciliation is not None and self.reconciliation.clean


class RunSummary(msgspec.Struct, frozen=True):
    """A run's result as plain values; `asked = landed + filtered + gone + quarantined + abandoned + pending`.

    *reason* says why the run is open or was stopped, *set_aside* what of the inbox it could not request.
    """

    run: int
    entity: str
    complete: bool
    clean: bool
    listed: int
    not_in_listing: int
    excluded: dict[str, int]
    up_to_date: int
    asked: int
    reasons: dict[str, int]
    landed: int
    filtered: int
    gone: int
    quarantined: int
    abandoned: int
    pending: int
    requests: int
    throttled: int
    waited_seconds: float
    retries: int
    replayed: int
    set_aside: list[dict[str, Any]]
    drift: dict[str, int]
    dates_refused: int
    notes: tuple[str, ...]
    reason: str | None


def summary_of(result: RunResult) -> RunSummary:
    """The summary of a run."""
    plan = result.plan
    return RunSummary(
        run=plan.run,
        entity=plan.entity,
        complete=result.complete,
        clean=result.clean,
        listed=plan.counts.listed,
        not_in_listing=plan.counts.not_in_listing,
        excluded=plan.counts.excluded,
        up_to_date=plan.counts.up_to_date,
        asked=plan.ids.count,
        reasons=plan.counts.asked,
        **{name: result.states.get(name, 0) for name in ("landed", "filtered", "gone", "quarantined")},
        abandoned=result.reconciliation.abandoned if result.reconciliation else 0,
        pending=result.pending,
        requests=result.requests,
        throttled=result.throttled,
        waited_seconds=round(result.waited, 1),
        retries=result.retries,
        replayed=result.replayed,
        set_aside=msgspec.to_builtins(plan.set_aside),
        drift=result.reconciliation.drift if result.reconciliation else {},
        dates_refused=result.dates_refused,
        notes=result.notes,
        reason=result.reason,
    )


def open_run(storage: Storage, entity: str) -> Plan | None:
    """The run of *entity* that is not reconciled yet, if there is one."""
    return _unreconciled(storage, entity, last_run(storage, entity))


async def start_run(
    storage: Storage, tmdb: Tmdb, wanted: RunSpec, begins: Callable[[Plan], None] = lambda plan: None
) -> Plan:
    """Plan the next run and put it; where somebody was quicker, theirs, and what *wanted* names waits in the inbox.

    *begins* is called before the plan is put, and may raise.
    """
    entity = wanted.entity.name
    after = last_run(storage, entity)
    # Somebody may have planned since the caller looked. A run planned after an open one would know its answers in part.
    if (theirs := _unreconciled(storage, entity, after)) is None:
        check_free(storage, entity, after + 1)
        if after:
            # A kill between its reconciliation and here may have left the messages that it took.
            inbox.clear(storage, plan_of(storage, entity, after, _VANISHED))
        draft: PlannedRun = await plan_run(storage, tmdb, wanted, after=after, put=True)
        begins(draft.plan)
        try:
            put_plan(storage, draft.plan)
        except KeyTakenError:
            theirs = plan_of(storage, entity, draft.plan.run, _VANISHED)
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


def _unreconciled(storage: Storage, entity: str, run: int) -> Plan | None:
    if not run or read_reconciliation(storage, entity, run) is not None:
        return None
    return plan_of(storage, entity, run, _VANISHED)


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
) -> RunResult:
    """Ask what is pending of *plan*, land it, and reconcile if nothing is left; with *abandon* ask nothing more."""
    client, limiter = tmdb.client, tmdb.client.limiter
    before, throttled, waited, retries = client.requests, limiter.throttles, limiter.waited, client.retries
    progress.planned(plan)
    done = read_done(storage, plan)
    copies = None
    if options.course:
        # While somebody hurries, the hold on the lake may be lost, and another collector may be writing copies.
        copies = Copies(
            storage, entities[plan.entity], kinds=options.course_kinds, held=lambda: not stop_conditions.hurries
        )
        await asyncio.to_thread(copies.start, plan.run, lambda: stop_conditions.reason is not None)
    reason = None
    if not abandon:
        entity = entities[plan.entity]
        reason = await _fetch(storage, tmdb, plan, entity, done, options, stop_conditions, progress, copies)
    made, counted = reconcile(storage, plan, done, abandon=abandon)
    refused, notes = client.clock.take_notes()
    if made is not None:
        notes += [*selection_notes(plan), *_filter_notes(plan, counted.states)]
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


def _filter_notes(plan: Plan, states: Mapping[str, int]) -> Iterator[str]:
    """Says where the predicate kept nothing, or everything of more than a few answers: seldom is that meant."""
    landed, filtered = states.get(State.LANDED, 0), states.get(State.FILTERED, 0)
    if not plan.asking.record_filter:
        return
    if filtered and not landed:
        yield f"record_filter {plan.asking.record_filter!r} kept none of {filtered:,} answers: nothing of them landed"
    elif landed >= NOTABLE and not filtered:
        yield f"record_filter {plan.asking.record_filter!r} kept all {landed:,} answers: it filtered nothing"


def finalize(storage: Storage, plan: Plan) -> str | None:
    """Do what follows a reconciliation, which may be repeated: keep the ledger's new piece, drop messages and caches.

    Returns when the oldest answer was fetched that counts as landed.
    """
    keep_run(storage, plan)
    oldest = oldest_landed(storage, plan.entity, plan.run)
    drop_done(storage, plan.entity, plan.run)
    inbox.clear(storage, plan)
    return oldest


async def _fetch(
    storage: Storage,
    tmdb: Tmdb,
    plan: Plan,
    entity: Entity,
    done: Done,
    options: RunOptions,
    stop_conditions: StopConditions,
    progress: Progress,
    copies: Copies | None,
) -> str | None:
    spooling = Spooling(options.spool, storage.url, plan, partial(stop_conditions.stop, hurry=True))
    fetcher = Fetcher(
        storage,
        plan,
        tmdb.client,
        ResponseValidator(entity, plan.asking.append, plan.asking.record_filter),
        ChunkSink(
            storage,
            plan,
            entity.path,
            query_of(plan.asking.params, first_appends(entity, plan.asking.append)),
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
