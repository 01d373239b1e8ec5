"""Fetching: every pending request of a run is asked until it is settled, or stays pending with a word on why."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from reelhouse.collect.landing import ChunkSink, OpenUnit, open_unit
from reelhouse.collect.validation import ChangedRecordError, FurtherAnswer, ResponseValidator, Validated, parses
from reelhouse.entities.schema import MOST_APPENDS, Entity
from reelhouse.errors import DeniedError, TransientError
from reelhouse.raw.checkpoint import Checkpoint, empty_checkpoint
from reelhouse.raw.plan import Plan, Request, Unit, read_units
from reelhouse.raw.receipt import Purged, State, read_purged
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import Answer, BudgetError, GoneAnswer, TmdbClient, UntrustedAnswer, query_of
from reelhouse.tmdb.endpoints import CANARY, details_path, find_request, first_appends, is_found, request_of, takes
from reelhouse.tmdb.retry import ask, decode_members, is_error, whole_json

T = TypeVar("T")

# Seconds that requests on their way may take beyond the moment when no new one is started.
GRACE = 3.0

# Ids that are put off at once; then they are worked off before anything else is asked, so that memory stays flat.
_MOST_DEFERRED = 1000

# How often TMDB's health is looked at before it counts as ill.
_LOOKS = 3


# Another run is more urgent for a while; the interrupted one goes on in the same call.
TURN_OVER = "its turn is over"


class StopConditions:
    """Why to stop requesting before everything is asked: so many requests, so many seconds, or somebody's wish.

    `stop` may be called from any thread; everything else belongs to the one that asks.
    """

    def __init__(self, *, max_requests: int | None = None, deadline: float | None = None, grace: float = GRACE) -> None:
        self.max_requests = max_requests
        self.grace = grace
        self._until = None if deadline is None else time.monotonic() + deadline
        self._turn_ends: float | None = None
        self._wished: str | None = None
        self._taken = 0
        self._spent = 0
        self._hurry = False
        # Re-entrant, since a signal may arrive while its own thread is in here.
        self._guard = threading.RLock()
        self._wakes: list[Callable[[], object]] = []

    def begin_turn(self, seconds: float | None) -> None:
        """After so many *seconds* another run goes on; None where nobody waits for this one."""
        self._turn_ends = None if seconds is None else time.monotonic() + seconds

    def stop(self, reason: str, *, hurry: bool = False) -> None:
        """Take no further id; with *hurry* start no request either, and wait for none that takes long."""
        with self._guard:
            self._wished = self._wished or reason
            if hurry:
                self._hurry = True
                for wake in self._wakes:
                    wake()

    async def hurried(self) -> None:
        """Return once somebody hurries."""
        loop = asyncio.get_running_loop()
        hurried = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(hurried.set)

        with self._guard:
            if self._hurry:
                return
            self._wakes.append(wake)
        try:
            await hurried.wait()
        finally:
            with self._guard:
                self._wakes.remove(wake)

    def take(self) -> bool:
        """Whether one more id may be asked; if so it is counted."""
        if self.reason is not None:
            return False
        self._taken += 1
        return True

    @property
    def reason(self) -> str | None:
        """Why no further id may be taken, None while one may."""
        if self._wished:
            return self._wished
        if self.max_requests is not None and self._taken >= self.max_requests:
            return "max_requests is used up"
        if self._until is not None and time.monotonic() >= self._until:
            return "the deadline is reached"
        if self._turn_ends is not None and time.monotonic() >= self._turn_ends:
            return TURN_OVER
        return None

    @property
    def hurries(self) -> bool:
        """Whether somebody hurries, be it because the lake is held or written no longer."""
        return self._hurry

    @property
    def requests_left(self) -> int | None:
        """Of those that were allowed, over all runs; None without a limit."""
        return None if self.max_requests is None else max(0, self.max_requests - self._spent)

    def spend(self, requests: int) -> None:
        """A run is left after so many requests."""
        self._spent += requests

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline; None without one."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())


class RetryPolicy(NamedTuple):
    """How often one id is asked, how long to wait for a TMDB that answers nobody, and the first pause, in seconds."""

    attempts: int = 5
    outage: float = 900.0
    wait: float = 0.5


class OutageError(TransientError):
    """TMDB has answered no request for as long as the retry policy waits."""


class _Pending(NamedTuple):
    """A request of an open unit, and when TMDB last answered it 429 (on the monotonic clock), if it did."""

    unit: OpenUnit
    request: Request
    refused_at: float = math.inf


class _RateLimitedError(Exception):
    """TMDB answered 429 *at* an instant of the monotonic clock: ask something else first."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at


class Fetcher:
    """Carries out one plan with as many tasks as connections."""

    def __init__(
        self,
        storage: Storage,
        plan: Plan,
        client: TmdbClient,
        judge: ResponseValidator,
        sink: ChunkSink,
        stop_conditions: StopConditions,
        *,
        entity: Entity,
        connections: int,
        retry_policy: RetryPolicy,
        skipped: Callable[[int], None] = lambda count: None,
        answered: Callable[[], None] = lambda: None,
        done: Checkpoint | None = None,
    ) -> None:
        self._storage = storage
        self._plan = plan
        self._client = client
        self._judge = judge
        self._sink = sink
        self._stop_conditions = stop_conditions
        self._entity = entity
        self._path = entity.path
        # What `/find` said of ids of other services that are being requested.
        self._found: dict[str, int] = {}
        self._query = query_of(plan.request_profile.params, first_appends(entity, plan.request_profile.append))
        self._connections = connections
        self._retry_policy = retry_policy
        self._skipped = skipped
        self._answered = answered
        self._done = done or empty_checkpoint(plan)
        self._ready: deque[_Pending] = deque()
        self._late: deque[_Pending] = deque()
        # Answered 429: they go behind all that is ready and the unit after it, so that nobody waits for them.
        self._refused: deque[_Pending] = deque()
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._units: Iterator[Unit] = read_units(storage, plan, self._done.first)
        self._feeding = asyncio.Lock()
        self._purged = Purged(plan.entity, plan.run)
        # Units by number: an object that is kept would keep a thousand asks.
        self._deferred: list[tuple[int, Request]] = []
        # Tasks that bring in an answer. They are never cancelled: it would have to be asked again.
        self._landing: set[asyncio.Task[Any] | None] = set()
        # Nobody was asked before, however long planning took: that does not mean that TMDB is silent.
        self._began = time.monotonic()

    async def run(self) -> str | None:
        """Ask everything that is pending. Returns None when all was asked, else why not.

        Raises `DeniedError`, `ConfigError` or an error of the lake. Whatever was answered is landed before it returns
        or raises, or spooled where the lake itself fails.
        """
        self._purged = await asyncio.to_thread(read_purged, self._storage, self._plan.entity, self._plan.run)
        ticking = asyncio.create_task(self._sink.tick())
        before = self._client.requests
        if self._done.first:
            self._skipped(min(self._done.first * self._plan.unit_size, self._plan.ids.count))
        self._client.limit_requests(self._stop_conditions.requests_left)
        try:
            await self._all_hands(self._work)
            while self._deferred and self._stop_conditions.reason is None:
                await self._reopen_deferred()
                await self._all_hands(self._work_off)
                await self._sink.finish()
                await self._all_hands(self._work)
        except OutageError as exc:
            return str(exc)
        finally:
            ticking.cancel()
            # Planning the next run is not what the limit is about.
            self._client.limit_requests(None)
            self._stop_conditions.spend(self._client.requests - before)
            await self._sink.finish()
        return self._stop_conditions.reason

    async def _all_hands(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run *work* once per connection. When one fails or time is up, the others may bring in what is on its way."""
        tasks = [asyncio.ensure_future(work()) for _ in range(self._connections)]
        hurried = asyncio.ensure_future(self._stop_conditions.hurried())
        try:
            late = await self._while_all_is_well(set(tasks), hurried)
            if late:
                self._halt("the deadline is reached")
                await asyncio.wait(late, timeout=self._stop_conditions.grace)
        finally:
            if not all(task.done() for task in tasks):
                self._halt("asking was broken off")
            for task in (*tasks, hurried):
                if task not in self._landing:
                    task.cancel()
            await asyncio.gather(*tasks, hurried, return_exceptions=True)
        _raise_first([task for task in tasks if not task.cancelled()])

    def _halt(self, reason: str) -> None:
        self._stop_conditions.stop(reason)
        self._client.halt()

    async def _while_all_is_well(
        self, tasks: set[asyncio.Future[None]], hurried: asyncio.Future[Any]
    ) -> set[asyncio.Future[None]]:
        """Wait for *tasks*; returns those that are left when one failed, the deadline came or somebody hurries."""
        while tasks:
            waited: set[asyncio.Future[Any]] = {*tasks, hurried}
            done, _ = await asyncio.wait(
                waited, return_when=asyncio.FIRST_COMPLETED, timeout=self._stop_conditions.seconds_left
            )
            tasks = {task for task in tasks if task not in done}
            if not done or hurried in done or any(task.exception() for task in done):
                # A failure stops the others too, with its own word.
                if done and hurried not in done:
                    self._stop_conditions.stop("another request failed")
                break
        return tasks

    async def _work(self) -> None:
        while self._stop_conditions.reason is None and len(self._deferred) < _MOST_DEFERRED:
            found = await self._next()
            if found is None or not self._stop_conditions.take():
                return
            await self._settle(found, defer=True)

    async def _work_off(self) -> None:
        while (self._late or self._refused) and self._stop_conditions.take():
            await self._settle((self._late or self._refused).popleft(), defer=False)

    async def _reopen_deferred(self) -> None:
        """Turn what was put off into requests of units as they lie there now."""
        await self._sink.finish()
        units: dict[int, OpenUnit] = {}
        for number, request in self._deferred:
            if number not in units:
                units[number] = await asyncio.to_thread(open_unit, self._storage, self._plan, number)
            units[number].outstanding += 1
            self._late.append(_Pending(units[number], request))
        self._deferred = []

    async def _next(self) -> _Pending | None:
        if not self._ready:
            async with self._feeding:
                while not self._ready and (unit := await asyncio.to_thread(next, self._units, None)) is not None:
                    await self._feed(unit)
                self._ready.extend(self._refused)
                self._refused.clear()
        return self._ready.popleft() if self._ready else None

    async def _feed(self, unit: Unit) -> None:
        if self._done.settled(unit.number):
            self._skipped(len(unit.requests))
            return
        opened = await asyncio.to_thread(open_unit, self._storage, self._plan, unit.number)
        keys = {request.key for request in unit.requests} - opened.known
        keys -= self._purged.abandoned(keys)
        pending = [request for request in unit.requests if request.key in keys]
        opened.outstanding = len(pending)
        self._ready.extend(_Pending(opened, request) for request in pending)
        self._skipped(len(unit.requests) - len(pending))

    async def _settle(self, pending: _Pending, *, defer: bool) -> None:
        """Ask one request until it has an outcome, is refused or put off, or nobody is answered any more."""
        unit, request, _ = pending
        try:
            validated = await self._validated(pending, defer=defer)
        except BudgetError:
            self._stop_conditions.stop("max_requests is used up")
            return
        except _RateLimitedError as exc:
            self._refused.append(pending._replace(refused_at=exc.at))
            return
        if validated is None:
            self._deferred.append((unit.number, request))
            self._sink.release(unit)
        else:
            await self._bring_in(unit, request, validated._replace(path=self._path_of(request.key)))
            self._found.pop(request.key, None)

    async def _bring_in(self, unit: OpenUnit, request: Request, validated: Validated) -> None:
        task = asyncio.current_task()
        self._landing.add(task)
        try:
            await self._sink.add(unit, request, validated)
            self._answered()
        finally:
            self._landing.discard(task)

    async def _validated(self, pending: _Pending, *, defer: bool) -> Validated | None:
        """What became of a request; None where it is put off, or nothing more may be asked."""
        if not takes(self._entity, pending.request.key):
            return Validated(State.QUARANTINED, None, None, "not_an_id")
        return await self._asked_until_settled(pending, defer=defer)

    async def _asked_until_settled(self, pending: _Pending, *, defer: bool) -> Validated | None:
        request = pending.request
        first: Validated | None = None
        while True:
            began = time.monotonic()
            try:
                return await self._ask(request, pending.refused_at, first)
            except UntrustedAnswer as exc:
                # A page in front of TMDB answers everybody; only while others succeed is it this id's own fault.
                if await self._is_well():
                    first = self._judge.lands_yet(exc)
                    if first is None:
                        answer = exc.answer
                        return Validated(State.QUARANTINED, answer, request.id, exc.reason, parses(answer.body))
                    continue
                failure: Exception = exc
            except TransientError as exc:
                if not exc.throttled and await self._others_succeed(began, defer=defer):
                    return None if defer else Validated(State.QUARANTINED, None, request.id, "unavailable")
                failure = exc
            silent = time.monotonic() - max(self._client.last_good, self._began)
            if silent >= self._retry_policy.outage:
                raise OutageError(f"TMDB has answered nobody for {silent:.0f} s; last: {failure}") from failure
            if isinstance(failure, TransientError) and failure.throttled:
                # No fault of the id, so it is not put off.
                refused = _RateLimitedError(time.monotonic())
                await self._look_if_alone(refused.at)
                raise refused
            if self._stop_conditions.reason is not None:
                return None

    async def _look_if_alone(self, refused_at: float) -> None:
        """Where only refused requests are left, ask something else: else nothing tells whom TMDB refuses."""
        async with self._looking:
            alone = not self._ready and not self._late
            # One look tells it to all that were refused before it ended.
            known = max(self._client.last_good, self._looked_at)
            if alone and known < refused_at and self._stop_conditions.reason is None:
                await self._is_well()
                self._looked_at = time.monotonic()

    async def _others_succeed(self, since: float, *, defer: bool) -> bool:
        """Whether it is the id: to put it off, any answer since it was asked will do; to give it up, a fresh one."""
        return (defer and self._client.last_good > since) or await self._is_well()

    async def _is_well(self) -> bool:
        with suppress(TransientError, UntrustedAnswer, GoneAnswer):
            await ask(self._client, CANARY, "", _is_object, attempts=_LOOKS, wait=self._retry_policy.wait)
            return True
        return False

    async def _ask(self, request: Request, refused_at: float, first: Validated | None) -> Validated:
        """All requests that a record takes: it lands as a whole, or it is asked again as a whole.

        The *first* answer is not asked again where it was found that it lands as it is.
        """
        key = request.key
        try:
            if is_found(self._entity, key):
                found = self._found.get(key) or await self._find(key, refused_at)
                if isinstance(found, Validated):
                    return found
                key = str(found)
            if first is not None:
                return await self._completed(key, first, refused_at)
            first = await self._first(key, refused_at)
            try:
                return await self._completed(key, first, refused_at, first.promised)
            except (ChangedRecordError, GoneAnswer):
                # Once more only: where a cache has an old answer to one of the requests, it is the same each time.
                return await self._completed(key, await self._first(key, refused_at), refused_at)
        except GoneAnswer as exc:
            return Validated(State.GONE, exc.answer, self._found.get(request.key, request.id))

    async def _first(self, key: str, refused_at: float) -> Validated:
        request = request_of(self._path, key, self._query)
        return await self._asked(*request, partial(self._judge.judge, key), refused_at)

    async def _completed(
        self, key: str, first: Validated, refused_at: float, promised: dict[int, Any] | None = None
    ) -> Validated:
        """The *first* answer with those that it takes besides; `ChangedRecordError` if one contradicts *promised*."""
        further: list[FurtherAnswer] = []
        for start in range(0, len(first.missing), MOST_APPENDS):
            appended = first.missing[start : start + MOST_APPENDS]
            check = partial(self._judge.judge_further, key, appended, promised)
            query = query_of(self._plan.request_profile.params, appended)
            further.append(await self._further(request_of(self._path, key, query), check, refused_at))
        drift = (name for one in further for name in one.drift)
        return first._replace(further=tuple(further), drift=(*first.drift, *drift))

    async def _further(
        self, request: tuple[str, str], check: Callable[[Answer], FurtherAnswer], refused_at: float
    ) -> FurtherAnswer:
        try:
            return await self._asked(*request, check, refused_at)
        except UntrustedAnswer as exc:
            if (found := self._judge.further_yet(exc)) is None:
                raise
            return found

    async def _find(self, key: str, refused_at: float) -> int | Validated:
        """What `/find` says of another service's id: TMDB's, or what becomes of one that names no such record."""
        found = await self._asked(*find_request(key), partial(self._judge.judge_found, key), refused_at)
        if isinstance(found, int):
            self._found[key] = found
        return found

    def _path_of(self, key: str) -> str:
        """What was requested for a *key* that `/find` resolves; empty for all others."""
        if not is_found(self._entity, key):
            return ""
        return details_path(self._path, str(self._found[key])) if key in self._found else "?".join(find_request(key))

    async def _asked(self, path: str, query: str, check: Callable[[Answer], T], refused_at: float) -> T:
        return await ask(
            self._client,
            path,
            query,
            check,
            attempts=self._retry_policy.attempts,
            wait=self._retry_policy.wait,
            refused_at=refused_at,
        )


def _is_object(answer: Answer) -> dict[str, msgspec.Raw]:
    fields = whole_json(answer, decode_members)
    if is_error(fields):
        raise UntrustedAnswer("error_body", "an answer is an error though its status is 200", answer)
    return fields


def _raise_first(tasks: list[asyncio.Future[None]]) -> None:
    """Raise what a task failed with; a refused token before anything that followed from it."""
    failures = [error for task in tasks if (error := task.exception()) is not None]
    for error in sorted(failures, key=lambda error: not isinstance(error, DeniedError)):
        raise error
