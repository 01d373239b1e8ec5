"""Locks of files, which the system releases when their process ends."""

from __future__ import annotations

import errno
import os
import time
from importlib import import_module
from typing import Any

_LOOK_AGAIN_SECONDS = 0.02
_LOCKED_BYTE = 1 << 20


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


# Windows has the second alone, all others the first.
_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")


def lock_file(handle: int, *, block: bool) -> None:
    """Lock an open file until it is closed, or raise `BlockingIOError` if another has the lock; *block* waits."""
    if _fcntl is not None:
        _fcntl.flock(handle, _fcntl.LOCK_EX | (0 if block else _fcntl.LOCK_NB))
        return
    while True:
        try:
            # A byte that need not exist, behind what the holder wrote, which others read.
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            _msvcrt.locking(handle, _msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
            return
        except OSError as exc:
            os.lseek(handle, 0, os.SEEK_SET)
            if exc.errno not in (errno.EACCES, errno.EDEADLK):
                raise
            if not block:
                raise BlockingIOError(errno.EAGAIN, "another has the lock") from None
        time.sleep(_LOOK_AGAIN_SECONDS)
