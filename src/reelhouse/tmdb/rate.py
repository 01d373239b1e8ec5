"""The one limiter: spaces the starts of requests and slows everybody down when TMDB says so."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable

# A hostile or mistaken Retry-After must not park a run, or a Lambda, for a day.
LONGEST_PAUSE = 120.0

# Starts are spread so that a second's allowance takes `_PACE` seconds, and never are more than it started within
# `_WINDOW`, whose last milliseconds absorb the jitter between our start and TMDB's arrival.
_PACE = 1.004
_WINDOW = 1.009
_SLOWEST = 1.0

# One 429 costs a moment; each further one within `_SOON` seconds of the pause's end doubles it and slows us for longer.
_PAUSE = 0.15
_SOON = 5.0
_SLOWER = (0.9, 0.9, 0.7)
# Requests a second that a second without a 429 gives back, by how often it was repeated.
_RECOVERY = (4.0, 2.0, 1.0)


class Limiter:
    """At most *per_second* starts in any second, evenly spaced; 0 means without limit."""

    def __init__(
        self,
        per_second: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._allowed = per_second / _PACE
        self._rate = self._allowed
        self._now = now
        self._sleep = sleep
        self._chance = chance
        self._next = now()
        self._closed_until = float("-inf")
        self._level = 0
        self._raised_at = now()
        # The last starts that may lie within one window. Tasks that overslept together must not start together.
        self._starts: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._window = max(_WINDOW, _WINDOW / per_second) if per_second else 0.0
        self.throttles = 0

    @property
    def rate(self) -> float:
        """Requests a second at this moment; 0 without limit."""
        return self._rate

    async def wait_turn(self) -> float:
        """Return when a request may start, with that instant on the limiter's clock."""
        start = self._slot(self._now())
        # No await between looking and noting the start, so two tasks cannot share one place in the window.
        while (now := self._now()) < (ready := max(start, self._closed_until, self._free_at())):
            await self._sleep(ready - now)
            if self._closed_until > start:
                # A 429 closed the gate while this one slept: it takes its place behind it, spaced like the others.
                start = self._slot(self._now())
        self._starts.append(now)
        return now

    def throttled(self, asked_at: float, retry_after: float | None) -> None:
        """A request that started at *asked_at* was answered 429: everybody waits, then goes on more slowly."""
        self.throttles += 1
        # Requests that were on their way when the gate closed say nothing new.
        if asked_at < self._closed_until:
            return
        now = self._now()
        self._level = self._level + 1 if now - self._closed_until < _SOON else 0
        pause = _PAUSE * 2.0 ** min(self._level, 9) * (0.5 + self._chance())
        self._closed_until = now + min(pause if retry_after is None else retry_after, LONGEST_PAUSE)
        self._next = max(self._next, self._closed_until)
        self._rate = max(self._rate * _SLOWER[min(self._level, 2)], min(_SLOWEST, self._allowed))
        self._raised_at = self._closed_until

    def answered(self) -> None:
        """A request was answered otherwise: recover a little."""
        if self._rate < self._allowed:
            now = self._now()
            step = _RECOVERY[min(self._level, 2)] * max(0.0, now - self._raised_at)
            self._rate = min(self._allowed, self._rate + step)
            self._raised_at = max(now, self._raised_at)

    def _slot(self, now: float) -> float:
        if not self._allowed:
            return max(now, self._closed_until)
        # Up to a quarter of a second that was slept away is made up for; `_free_at` keeps that from being a burst.
        start = max(self._next, now - _WINDOW / 4, self._closed_until)
        self._next = start + 1 / self._rate
        return start

    def _free_at(self) -> float:
        """When the window has room for one more start."""
        if not self._allowed or len(self._starts) < (self._starts.maxlen or 1):
            return 0.0
        return self._starts[0] + self._window
