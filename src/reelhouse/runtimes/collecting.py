"""Collecting, as the runtimes start it: the open run first, then what was asked for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from reelhouse.collect.fetching import Brakes
from reelhouse.collect.planning import Draft, Tmdb, Wanted, plan_run
from reelhouse.collect.replaying import replay
from reelhouse.collect.run import Progress, RunResult, Ways, carry_out, leave_asks, open_run, start_run
from reelhouse.collect.spool import Spool
from reelhouse.errors import ReelhouseError
from reelhouse.raw.inbox import waiting
from reelhouse.raw.plan import Plan, last_run
from reelhouse.runtimes import wiring
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage


class Request(NamedTuple):
    """What a caller wants beyond the settings.

    *selected* tells that a slice was named for this call, *full* that what is known and fresh is asked as well,
    *seconds* how long this process can live at most, where somebody ends it then.
    """

    asks: tuple[str, ...] = ()
    selected: bool = False
    max_requests: int | None = None
    deadline: float | None = None
    full: bool = False
    seconds: float | None = None


def collect(storage: Storage, settings: Settings, request: Request, progress: Progress) -> list[RunResult]:
    """Continue the open run, then plan and carry out what was asked for; the last result is the one that counts."""
    settings.checked_token()
    storage.check()
    brakes = Brakes(max_requests=request.max_requests, deadline=request.deadline)
    # Whoever holds the lake now asks at the full rate.
    with storage.hold(seconds=request.seconds, lost=partial(brakes.stop, hurry=True)):
        spool = wiring.spool(settings, storage)
        replayed = _replay(storage, spool, brakes, progress)
        ways = wiring.ways(settings)._replace(spool=spool)
        first, *others = asyncio.run(_collect(storage, settings, request, ways, brakes, progress))
        return [first._replace(replayed=replayed), *others]


def draft(storage: Storage, settings: Settings, request: Request) -> Draft:
    """What the next run would ask. Nothing of it is put; an export that was fetched stays, for the run to use."""

    async def plan() -> Draft:
        async with wiring.open_tmdb(settings) as tmdb:
            return await plan_run(storage, tmdb, _wanted(settings, request), after=last_run(storage), put=False)

    return asyncio.run(plan())


def _replay(storage: Storage, spool: Spool, brakes: Brakes, progress: Progress) -> int:
    """Bring in what an earlier call could not land; returns how many answers those were."""
    found = replay(storage, spool, lambda: brakes.why is not None)
    if found.answers:
        progress.replayed(found.answers, str(spool.folder))
    for text in found.left:
        progress.left(text)
    return found.answers


async def _collect(
    storage: Storage, settings: Settings, request: Request, ways: Ways, brakes: Brakes, progress: Progress
) -> list[RunResult]:
    wanted = _wanted(settings, request)
    results: list[RunResult] = []
    async with wiring.open_tmdb(settings) as tmdb:
        with _stopping(brakes):
            plan = open_run(storage)
            if plan is not None:
                leave_asks(storage, wanted.entity.name, request.asks)
                results.append(await carry_out(storage, tmdb, plan, ways, brakes, progress))
                waits = any(True for _ in waiting(storage, wanted.entity.name))
                if not results[-1].whole or not (request.selected or waits):
                    return results
                if request.asks or not request.selected:
                    # The letters that lie in the inbox are the next run's list.
                    wanted = wiring.wanted(settings, listed=True)
            plan = await _start(storage, tmdb, wanted, brakes)
            if plan is None:
                return _unplanned(results, brakes)
            results.append(await carry_out(storage, tmdb, plan, ways, brakes, progress))
    return results


async def _start(storage: Storage, tmdb: Tmdb, wanted: Wanted, brakes: Brakes) -> Plan | None:
    """The next run's plan, None where the brakes came first. What planning had begun leaves nothing behind."""
    if brakes.why is not None:
        return None
    planning = asyncio.ensure_future(start_run(storage, tmdb, wanted))
    hurried = asyncio.ensure_future(brakes.hurried())
    try:
        await asyncio.wait((planning, hurried), timeout=brakes.seconds_left, return_when=asyncio.FIRST_COMPLETED)
        return planning.result() if planning.done() else None
    finally:
        for task in (planning, hurried):
            task.cancel()
        await asyncio.gather(planning, hurried, return_exceptions=True)


def _unplanned(results: list[RunResult], brakes: Brakes) -> list[RunResult]:
    """What was done before the next run could be planned; an error where that is nothing."""
    why = f"{brakes.why or 'the deadline is reached'}, so the next run is not planned"
    if not results:
        raise ReelhouseError(f"{why}; nothing is open")
    return [*results[:-1], results[-1]._replace(why=why)]


def _wanted(settings: Settings, request: Request) -> Wanted:
    wanted = wiring.wanted(settings, asks=request.asks, listed=bool(request.asks))
    # What is older than no time at all is everything.
    return wanted._replace(stale_after_days=0) if request.full else wanted


@contextmanager
def _stopping(brakes: Brakes) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lands what is there and leaves the run open; the second ends at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(number: signal.Signals) -> None:
        brakes.stop(f"stopped by {number.name}", hurry=True)
        for each in signals:
            loop.remove_signal_handler(each)

    try:
        for number in signals:
            loop.add_signal_handler(number, stop, number)
    except (ValueError, RuntimeError):
        # Not in the main thread: whoever runs this there has handlers of its own.
        yield
        return
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
