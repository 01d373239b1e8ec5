"""The one limiter: spaces the starts of requests and slows everybody down when TMDB says so."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

# A hostile or mistaken Retry-After must not park a run, or a Lambda, for a day.
LONGEST_PAUSE = 120.0

# The share of the allowance that is used: the rest absorbs the jitter between our start and TMDB's arrival.
_MARGIN = 0.99
_SLOWER = 0.7
_SLOWEST = 1.0
# Requests a second that a second without a 429 gives back.
_RECOVERY = 1.0


class Limiter:
    """At most *per_second* starts a second, evenly spaced; 0 means without limit."""

    def __init__(
        self,
        per_second: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._allowed = per_second * _MARGIN
        self._rate = self._allowed
        self._now = now
        self._sleep = sleep
        self._chance = chance
        self._next = now()
        self._closed_until = 0.0
        self._raised_at = now()
        self._in_a_row = 0
        self.throttles = 0

    @property
    def rate(self) -> float:
        """Requests a second at this moment; 0 without limit."""
        return self._rate

    async def wait_turn(self) -> float:
        """Return when a request may start, with that instant on the limiter's clock."""
        while True:
            # No await between reading and moving the slot, so two tasks cannot share one.
            now = self._now()
            start = self._slot(now)
            if start > now:
                await self._sleep(start - now)
            # A 429 may have closed the gate while this one slept.
            if self._now() >= self._closed_until:
                return max(start, now)

    def throttled(self, asked_at: float, retry_after: float | None) -> None:
        """A request that started at *asked_at* was answered 429: everybody waits, then goes on more slowly."""
        self.throttles += 1
        # Requests that were on their way when the gate closed say nothing new.
        if asked_at < self._closed_until:
            return
        self._in_a_row += 1
        pause = retry_after if retry_after is not None else 2.0 ** min(self._in_a_row - 1, 6) * (0.5 + self._chance())
        now = self._now()
        self._closed_until = now + min(pause, LONGEST_PAUSE)
        self._next = max(self._next, self._closed_until)
        self._rate = max(self._rate * _SLOWER, min(_SLOWEST, self._allowed))
        self._raised_at = self._closed_until

    def answered(self) -> None:
        """A request was answered otherwise: recover a little."""
        self._in_a_row = 0
        if self._rate < self._allowed:
            now = self._now()
            self._rate = min(self._allowed, self._rate + _RECOVERY * max(0.0, now - self._raised_at))
            self._raised_at = max(now, self._raised_at)

    def _slot(self, now: float) -> float:
        if not self._allowed:
            return max(now, self._closed_until)
        interval = 1 / self._rate
        # Half an interval of credit makes up for a late wake-up without ever letting a burst through.
        start = max(self._next, now - interval / 2, self._closed_until)
        self._next = start + interval
        return start
