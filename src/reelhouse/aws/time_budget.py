"""How long before Lambda's limit to stop requesting, learned from how long stopping took."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# The first estimate: landing two chunks, counting receipts, releasing the lease.
_FIRST = 20.0
_LEAST = 5.0
_SAFETY = 1.5
# Share of the remaining time, so that a short life is not all margin.
_MOST_SHARE = 1 / 3
_REMEMBERED = 8
# Seconds to wait at most for answers on their way.
_GRACE = 3.0


class Budget(NamedTuple):
    """Seconds for requests, and additional seconds for answers on their way."""

    deadline: float
    grace: float


class LearnedDurations:
    """The durations that one warm environment has learned."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=_REMEMBERED)

    def budget(self, remaining: float) -> Budget:
        """How to spend the *remaining* seconds: requests, then a grace, then the margin for landing and stopping."""
        wanted = max(_LEAST, _SAFETY * max(self._seen)) if self._seen else _FIRST
        margin = min(wanted, remaining * _MOST_SHARE)
        grace = min(_GRACE, remaining / 10)
        return Budget(max(0.0, remaining - margin - grace), grace)

    def learn(self, seconds: float) -> None:
        """Record how long stopping took, from the last request on."""
        self._seen.append(seconds)
