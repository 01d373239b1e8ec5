"""Collecting, as the command line and Lambda start it: the open run first, then what was requested."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from reelhouse.bootstrap import collector
from reelhouse.bootstrap.secrets import token_of
from reelhouse.collect.fetching import GRACE, StopConditions
from reelhouse.collect.id_lists import KeyList
from reelhouse.collect.planning import PlannedRun, RunSpec, Tmdb, plan_run
from reelhouse.collect.run import Progress, RunOptions, RunResult, execute, leave_keys, open_run, start_run
from reelhouse.collect.spool import Spool
from reelhouse.collect.spool_replay import replay
from reelhouse.entities.registry import DEFAULT
from reelhouse.errors import ReelhouseError
from reelhouse.raw.inbox import waiting
from reelhouse.raw.plan import Plan, last_run
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage


class CollectOptions(NamedTuple):
    """What a caller wants beyond the settings.

    *selected* is True if this call names a slice, *full* if it also requests what is up to date. *seconds* is how long
    this process can live at most, if it will be killed then. *grace* is the time after the deadline for answers on
    their way. *listed* is the list that *keys* come from.
    """

    keys: tuple[str, ...] = ()
    selected: bool = False
    max_requests: int | None = None
    deadline: float | None = None
    full: bool = False
    seconds: float | None = None
    grace: float = GRACE
    listed: KeyList | None = None


class Done(NamedTuple):
    """What one call did.

    *requests* are all requests to the API, planning included, *throttled* those answered 429, *waited* the seconds of
    pauses that these caused.
    """

    results: list[RunResult]
    requests: int
    throttled: int
    waited: float


Work = Callable[[Tmdb, RunOptions, StopConditions], Awaitable[list[RunResult]]]


def collect(storage: Storage, settings: Settings, request: CollectOptions, progress: Progress) -> list[RunResult]:
    """Continue the open run, then plan and execute what was requested; the last result is the one that counts."""
    return _held(storage, settings, request, progress, partial(_collect, storage, settings, request, progress)).results


def run_until_idle(
    storage: Storage, settings: Settings, request: CollectOptions, progress: Progress, due: Callable[[], RunSpec | None]
) -> Done:
    """Continue the open run, then plan and execute what *due* returns, until it returns None.

    *due* is called while this process has the lock of the lake and no run is open.
    """
    return _held(storage, settings, request, progress, partial(_run_until_idle, storage, progress, due))


def _held(storage: Storage, settings: Settings, request: CollectOptions, progress: Progress, work: Work) -> Done:
    """Do *work* under the lock of the lake, after replaying what an earlier call could not land."""
    token_of(settings)
    storage.check()
    stop_conditions = StopConditions(max_requests=request.max_requests, deadline=request.deadline, grace=request.grace)

    async def collecting(options: RunOptions) -> Done:
        async with collector.open_tmdb(settings) as tmdb:
            limiter = tmdb.client.limiter
            limiter.on_pause = progress.paused
            with _stopping(stop_conditions):
                results = await work(tmdb, options, stop_conditions)
            return Done(results, tmdb.client.requests, limiter.throttles, limiter.waited)

    # A collector that takes the lock now would request at the full rate.
    with storage.lock(seconds=request.seconds, lost=partial(stop_conditions.stop, hurry=True)):
        spool = collector.spool(settings, storage)
        replayed = _replay(storage, spool, stop_conditions, progress)
        done = asyncio.run(collecting(collector.ways(settings)._replace(spool=spool)))
        results = [result._replace(replayed=replayed) for result in done.results[:1]] + done.results[1:]
        return done._replace(results=results)


def draft(storage: Storage, settings: Settings, request: CollectOptions) -> PlannedRun:
    """Plan the next run without putting the plan; a fetched export stays, for the run to use."""

    async def plan() -> PlannedRun:
        async with collector.open_tmdb(settings) as tmdb:
            wanted = _wanted(settings, request)
            made = await plan_run(storage, tmdb, wanted, after=last_run(storage, wanted.entity.name), put=False)
            return made._replace(notes=(*made.notes, *tmdb.client.clock.take_notes()[1]))

    return asyncio.run(plan())


def _replay(storage: Storage, spool: Spool, stop_conditions: StopConditions, progress: Progress) -> int:
    """Replay what an earlier call could not land; returns how many answers that were."""
    found = replay(storage, spool, lambda: stop_conditions.reason is not None)
    if found.answers:
        progress.replayed(found.answers, str(spool.folder))
    for text in found.left:
        progress.left(text)
    return found.answers


async def _collect(
    storage: Storage,
    settings: Settings,
    request: CollectOptions,
    progress: Progress,
    tmdb: Tmdb,
    options: RunOptions,
    stop_conditions: StopConditions,
) -> list[RunResult]:
    wanted = _wanted(settings, request)
    results: list[RunResult] = []
    plan = open_run(storage, wanted.entity.name)
    if plan is not None:
        leave_keys(storage, wanted.entity.name, request.keys)
        results.append(await execute(storage, tmdb, plan, options, stop_conditions, progress))
        waits = any(not message.run for _, message in waiting(storage, wanted.entity.name))
        named = request.selected or request.full
        if not results[-1].whole or not (named or waits):
            return results
        if request.keys or not named:
            # Messages in the inbox are the next run's list.
            wanted = collector.wanted(settings, listed=True)
    plan = await _start(storage, tmdb, wanted, stop_conditions)
    if plan is None:
        return _unplanned(results, stop_conditions)
    results.append(await execute(storage, tmdb, plan, options, stop_conditions, progress))
    return results


async def _run_until_idle(
    storage: Storage,
    progress: Progress,
    due: Callable[[], RunSpec | None],
    tmdb: Tmdb,
    options: RunOptions,
    stop_conditions: StopConditions,
) -> list[RunResult]:
    results: list[RunResult] = []
    while True:
        plan = open_run(storage, DEFAULT)
        if plan is None:
            wanted = due()
            if wanted is None:
                return results
            plan = await _start(storage, tmdb, wanted, stop_conditions)
            if plan is None:
                return _unplanned(results, stop_conditions)
        results.append(await execute(storage, tmdb, plan, options, stop_conditions, progress))
        if not results[-1].whole or stop_conditions.reason is not None:
            return results


async def _start(storage: Storage, tmdb: Tmdb, wanted: RunSpec, stop_conditions: StopConditions) -> Plan | None:
    """The next run's plan, or None if a stop condition came first; unfinished planning leaves nothing behind."""
    if stop_conditions.reason is not None:
        return None
    planning = asyncio.ensure_future(start_run(storage, tmdb, wanted))
    hurried = asyncio.ensure_future(stop_conditions.hurried())
    try:
        await asyncio.wait(
            (planning, hurried), timeout=stop_conditions.seconds_left, return_when=asyncio.FIRST_COMPLETED
        )
        return planning.result() if planning.done() else None
    finally:
        for task in (planning, hurried):
            task.cancel()
        await asyncio.gather(planning, hurried, return_exceptions=True)


def _unplanned(results: list[RunResult], stop_conditions: StopConditions) -> list[RunResult]:
    """The results so far, if the next run could not be planned; an error if there are none."""
    reason = f"{stop_conditions.reason or 'the deadline is reached'}, so the next run is not planned"
    if not results:
        raise ReelhouseError(f"{reason}; nothing is open")
    return [*results[:-1], results[-1]._replace(reason=reason)]


def _wanted(settings: Settings, request: CollectOptions) -> RunSpec:
    wanted = collector.wanted(settings, keys=request.keys, listed=bool(request.keys), full=request.full)
    # A run of a slice does not satisfy a message that waits for a full or incremental run.
    return wanted._replace(runs=()) if request.selected else wanted


@contextmanager
def _stopping(stop_conditions: StopConditions) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lands received answers and leaves the run open; the second ends at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(number: signal.Signals) -> None:
        stop_conditions.stop(f"stopped by {number.name}", hurry=True)
        for each in signals:
            loop.remove_signal_handler(each)

    try:
        for number in signals:
            loop.add_signal_handler(number, stop, number)
    except (ValueError, RuntimeError):
        # Not in the main thread: the caller has its own handlers.
        yield
        return
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
