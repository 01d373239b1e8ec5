"""Work in an event loop that Ctrl-C and other signals end in order: what was received lands, the run stays open."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from reelhouse import ctrl_c
from reelhouse.collect.fetching import StopConditions

T = TypeVar("T")

# Why a run stays open after a signal, such as that of Ctrl-C.
INTERRUPTED = "stopped by SIGINT"
SIGNALS = frozenset((INTERRUPTED, "stopped by SIGTERM", "stopped by SIGHUP"))


def _but_for_ctrl_c(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


@contextmanager
def stopping(stop_conditions: StopConditions) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP lands received answers and leaves the run open; the second ends at once."""
    loop = asyncio.get_running_loop()
    taken = [signal.SIGINT, *ctrl_c.ending_signals()]

    def stop(number: int, _: object) -> None:
        for each in taken:
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
        name = signal.Signals(number).name
        loop.call_soon_threadsafe(partial(stop_conditions.stop, f"stopped by {name}", hurry=True))

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread gets signals: what runs there has its own handlers.
        yield
        return
    # The second Ctrl-C meets whatever runs: each task that it ends would say so with a traceback.
    loop.set_exception_handler(_but_for_ctrl_c)
    # Not by the loop: on Windows it takes no handlers, and elsewhere it forgets those that were there before.
    with ctrl_c.handled(taken, stop):
        yield


def _result(running: futures.Future[T]) -> T:
    """The result of *running*, waited for in short steps: a Ctrl-C just before one is noticed only when it ends."""
    while not running.done():
        futures.wait([running], 0.2)
    return running.result()


def run(work: Coroutine[Any, Any, T], stop: Callable[[], None] = lambda: None) -> T:
    """`asyncio.run`; in a thread of its own where this one runs a loop already, as in a notebook.

    There the first Ctrl-C calls *stop*, and the work ends by itself; the second cancels it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with ctrl_c.as_asyncio_expects():
            return asyncio.run(work)
    begun: list[Callable[[], object]] = []

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        begun.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await work

    with futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, cancellable())
        try:
            return _result(running)
        except KeyboardInterrupt:
            stop()
        try:
            return _result(running)
        except KeyboardInterrupt:
            for cancel in begun:
                cancel()
            raise
