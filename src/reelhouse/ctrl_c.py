"""Ctrl-C and other signals that end a command: handlers, and what a library or Python itself would do to them.

Ctrl-C is `KeyboardInterrupt` in the main thread, given again where it would be dropped.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType


def raise_in_commands() -> None:
    """Let Ctrl-C end what this process does, unless it is ignored or has a handler already."""
    if _in_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise)


def give_again() -> None:
    """Give Ctrl-C to the main thread once more, in a moment."""
    again = threading.Timer(0.1, _interrupt)
    again.daemon = True
    again.start()


# Windows has no SIGHUP.
_HANGUP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []


def ending_signals() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP where it is not ignored: what `nohup` has set stays so."""
    return [signal.SIGTERM, *(each for each in _HANGUP if signal.getsignal(each) is not signal.SIG_IGN)]


@contextmanager
def handled(numbers: Collection[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let *handler* take signals inside the context, in the main thread; then those before it take them again."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            # None is a handler that Python did not set and cannot set again.
            signal.signal(number, signal.SIG_DFL if former is None else former)


@contextmanager
def as_asyncio_expects() -> Iterator[None]:
    """Let `asyncio.run` take Ctrl-C in order: it does so only in place of Python's own handler."""
    if not _in_main_thread() or signal.getsignal(signal.SIGINT) is not _raise:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _raise)


def _raise(_: int, frame: FrameType | None) -> None:
    # Modules in C drop exceptions while they are imported, this one too: so it is raised after the import.
    if _importing(frame):
        give_again()
    else:
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _interrupt() -> None:
    """Give Ctrl-C to the main thread, even while it waits."""
    main_thread = threading.main_thread().ident
    if sys.platform == "win32" or main_thread is None:
        import _thread

        _thread.interrupt_main()
    elif signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        signal.pthread_kill(main_thread, signal.SIGINT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
