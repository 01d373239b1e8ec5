"""A clock that continues while the machine sleeps: a laptop that slept must notice that a lease may be lost."""

from __future__ import annotations

import time


def elapsed() -> float:
    """Seconds since some instant of the past."""
    # The plain monotonic clock of Linux stops during sleep; that of Windows does not, and Windows has no other.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
