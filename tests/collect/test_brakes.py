"""Brakes are pulled by whoever has a reason, from any thread, and whoever waits learns of it at once."""

from __future__ import annotations

import asyncio
import threading
import time

from reelhouse.collect.fetching import Brakes


def test_whoever_waits_learns_at_once_though_its_loop_sleeps_and_another_thread_hurries() -> None:
    brakes = Brakes()

    async def wait() -> float:
        waiting = [asyncio.ensure_future(brakes.hurried()) for _ in range(3)]
        pulling = threading.Timer(0.1, brakes.stop, ("the lease is lost",), {"hurry": True})
        pulling.start()
        began = time.monotonic()
        await asyncio.wait(waiting, timeout=6, return_when=asyncio.ALL_COMPLETED)
        assert all(each.done() for each in waiting)
        return time.monotonic() - began

    # Nothing else wakes this loop before its six seconds are over.
    assert asyncio.run(wait()) < 3
    assert brakes.why == "the lease is lost"


def test_whoever_comes_later_does_not_wait_and_another_loop_may_wait_anew() -> None:
    brakes = Brakes()

    async def gives_up() -> None:
        waiting = asyncio.ensure_future(brakes.hurried())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(gives_up())
    brakes.stop("enough", hurry=True)
    brakes.stop("another word")
    asyncio.run(asyncio.wait_for(brakes.hurried(), 3))
    assert brakes.why == "enough"


def test_to_stop_without_hurry_wakes_nobody() -> None:
    brakes = Brakes()

    async def wait() -> bool:
        waiting = asyncio.ensure_future(brakes.hurried())
        await asyncio.sleep(0)
        brakes.stop("max_requests is used up")
        await asyncio.sleep(0.05)
        done = waiting.done()
        waiting.cancel()
        return done

    assert not asyncio.run(wait())
    assert not brakes.take()
