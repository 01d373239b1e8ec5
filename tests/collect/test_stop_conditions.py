"""A run can be stopped from any thread, for any reason, and what waits notices at once."""

from __future__ import annotations

import asyncio
import threading
import time

from reelhouse.collect.fetching import StopConditions


def test_a_waiting_caller_learns_at_once_though_its_loop_sleeps_and_another_thread_hurries() -> None:
    stop_conditions = StopConditions()

    async def wait() -> float:
        waiting = [asyncio.ensure_future(stop_conditions.hurried()) for _ in range(3)]
        pulling = threading.Timer(0.1, stop_conditions.stop, ("the lease is lost",), {"hurry": True})
        pulling.start()
        began = time.monotonic()
        await asyncio.wait(waiting, timeout=6, return_when=asyncio.ALL_COMPLETED)
        assert all(each.done() for each in waiting)
        return time.monotonic() - began

    # Nothing else wakes this loop before its six seconds are over.
    assert asyncio.run(wait()) < 3
    assert stop_conditions.reason == "the lease is lost"


def test_a_later_caller_does_not_wait_and_another_loop_may_wait_again() -> None:
    stop_conditions = StopConditions()

    async def gives_up() -> None:
        waiting = asyncio.ensure_future(stop_conditions.hurried())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(gives_up())
    stop_conditions.stop("enough", hurry=True)
    stop_conditions.stop("another word")
    asyncio.run(asyncio.wait_for(stop_conditions.hurried(), 3))
    assert stop_conditions.reason == "enough"


def test_to_stop_without_hurry_wakes_nobody() -> None:
    stop_conditions = StopConditions()

    async def wait() -> bool:
        waiting = asyncio.ensure_future(stop_conditions.hurried())
        await asyncio.sleep(0)
        stop_conditions.stop("max_requests is used up")
        await asyncio.sleep(0.05)
        done = waiting.done()
        waiting.cancel()
        return done

    assert not asyncio.run(wait())
    assert not stop_conditions.take()
