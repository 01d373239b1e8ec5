"""The rate limiter: spaces the starts of requests and slows all tasks down when TMDB says so."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable

# A wrong Retry-After must not stop a run, or a Lambda, for a day.
LONGEST_PAUSE = 120.0

# Starts are spaced so that a second's allowance takes `_PACE` seconds, and never more than it start within `_WINDOW`,
# whose last milliseconds absorb the jitter between our start and TMDB's arrival.
_PACE = 1.004
_WINDOW = 1.009
_SLOWEST = 1.0

# A machine that stalls sends, or TMDB's network delivers, several requests at once: a second later there is less room
# than their starts say. For `_CAREFUL` seconds after a 429, each request counts from the latest instant at which it can
# have arrived: what its answer took longer than the quickest of the last ones, but at most `_LATEST` seconds, since
# TMDB's own work takes time too.
_CAREFUL = 300.0
_LATEST = 0.25

# One 429 costs a short pause. Each further one within `_SOON` seconds of the pause's end slows down again, and doubles
# the pause if nothing was answered in between: one refusal among many answers does not mean that a longer pause helps.
_PAUSE = 0.15
_SOON = 5.0
_SLOWER = (0.9, 0.9, 0.7)
# TMDB limits requests per second. A request that is refused after far fewer than TMDB has just answered within a second
# is not refused for the rate, and does not slow down.
_FAR_FEWER = 0.75
# Requests per second to recover per second without a 429, by how often a 429 was repeated.
_RECOVERY = (4.0, 2.0, 1.0)


class Limiter:
    """At most *per_second* starts in any second, evenly spaced; 0 means no limit."""

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
        self._slowed = 0
        self._answered = 0
        self._raised_at = now()
        # The last starts, with the seconds by which each may have arrived late. Tasks that overslept together must not
        # start together.
        self._at_once = max(1, int(per_second))
        self._starts: deque[tuple[float, float]] = deque(maxlen=2 * self._at_once)
        self._trips: deque[float] = deque(maxlen=4 * self._at_once)
        self._careful_until = float("-inf")
        # Starts that were not refused; the most of them within a second in which all were answered, and when that was.
        self._sent: deque[float] = deque(maxlen=4 * self._at_once)
        self._most = 0
        self._most_at = now()
        self._window = max(_WINDOW, _WINDOW / per_second) if per_second else 0.0
        self._paused = 0.0
        self.throttles = 0
        # Called with the seconds of each pause as it begins.
        self.on_pause: Callable[[float], None] = lambda seconds: None

    @property
    def waited(self) -> float:
        """Seconds of pauses caused by 429s so far."""
        return self._paused - max(0.0, self._closed_until - self._now())

    @property
    def rate(self) -> float:
        """The current requests per second; 0 for no limit."""
        return self._rate

    async def wait_turn(self) -> float:
        """Return when a request may start, with that instant on the limiter's clock."""
        start = self._slot(self._now())
        # No await between checking and noting the start, so two tasks cannot take one slot of the window.
        while (now := self._now()) < (ready := max(start, self._closed_until, self._free_at())):
            await self._sleep(ready - now)
            if self._closed_until > start:
                # A 429 began a pause while this task slept: it takes a slot after the pause, spaced like the others.
                start = self._slot(self._now())
        self._starts.append((now, 0.0))
        self._sent.append(now)
        return now

    def throttled(self, asked_at: float, retry_after: float | None, *, repeated: bool = False) -> None:
        """Note that a request started at *asked_at* was answered 429: all tasks pause, then continue more slowly.

        *repeated* means that the same request was refused before and others were answered since: then the rate is not
        the cause, and all tasks only pause.
        """
        self.throttles += 1
        if asked_at in self._sent:
            self._sent.remove(asked_at)
        # Requests that were on their way when the pause began say nothing new.
        if asked_at < self._closed_until:
            return
        now = self._now()
        if not repeated:
            self._careful_until = now + _CAREFUL
            self._escalate(now)
            if not self._is_light(asked_at):
                self._slowed = self._slowed + 1 if now - self._closed_until < _SOON else 0
                self._rate = max(self._rate * _SLOWER[min(self._level, 2)], min(_SLOWEST, self._allowed))
            self._answered = 0
        pause = _PAUSE * 2.0 ** (0 if repeated else min(self._level, 9)) * (0.5 + self._chance())
        pause = min(pause if retry_after is None else retry_after, LONGEST_PAUSE)
        self._closed_until = now + pause
        self._paused += pause
        self._next = max(self._next, self._closed_until)
        self._raised_at = max(self._raised_at, self._closed_until)
        self.on_pause(pause)

    def _escalate(self, now: float) -> None:
        if now - self._closed_until >= _SOON:
            self._level = 0
        else:
            self._level = max(0, self._level - 1) if self._answered else self._level + 1

    def _is_light(self, at: float) -> bool:
        """Whether far fewer requests started within the second before *at* than TMDB has just answered in one."""
        return self._answered > 0 and at - self._most_at < _SOON and self._load(at) < _FAR_FEWER * self._most

    def _load(self, at: float) -> int:
        return sum(at - 1.0 < start <= at for start in self._sent)

    def answered(self, asked_at: float | None = None) -> None:
        """Note that a request started at *asked_at* (default now) was not refused: recover a little."""
        now = self._now()
        asked_at = now if asked_at is None else asked_at
        self._trips.append(now - asked_at)
        if (asked_at, 0.0) in self._starts:
            late = min(_LATEST, now - asked_at - min(self._trips))
            self._starts[self._starts.index((asked_at, 0.0))] = (asked_at, late)
        # Requests that were on their way when the pause began say nothing about the time after it.
        if asked_at >= self._closed_until:
            self._answered += 1
        load = self._load(asked_at)
        if load >= self._most or asked_at - self._most_at >= _SOON:
            self._most, self._most_at = load, asked_at
        if self._rate < self._allowed:
            step = _RECOVERY[min(self._slowed, 2)] * max(0.0, now - self._raised_at)
            self._rate = min(self._allowed, self._rate + step)
            self._raised_at = max(now, self._raised_at)

    def _slot(self, now: float) -> float:
        if not self._allowed:
            return max(now, self._closed_until)
        # Up to a quarter of a second of oversleeping is made up for; `_free_at` prevents a burst.
        start = max(self._next, now - _WINDOW / 4, self._closed_until)
        self._next = start + 1 / self._rate
        return start

    def _free_at(self) -> float:
        """When the window has room for one more start."""
        if not self._allowed or len(self._starts) < self._at_once:
            return 0.0
        careful = self._now() < self._careful_until
        arrived = sorted(start + late * careful for start, late in self._starts)
        return arrived[-self._at_once] + self._window
