"""How long before Lambda's own end to stop asking, learned from how long leaving took."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# Nothing is known yet: landing two chunks, counting receipts, giving the lease back.
_FIRST = 20.0
_LEAST = 5.0
_SAFETY = 1.5
# Of what remains, so that a short life is not all margin.
_MOST_SHARE = 1 / 3
_REMEMBERED = 8
# Seconds that answers on their way are waited for at most.
_GRACE = 3.0


class Budget(NamedTuple):
    """Seconds to ask in, and those that answers on their way may take beyond."""

    deadline: float
    grace: float


class Margin:
    """What one warm environment has learned."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=_REMEMBERED)

    def budget(self, remaining: float) -> Budget:
        """How to spend the *remaining* seconds: asking, then a grace, then the margin for landing and leaving."""
        wanted = max(_LEAST, _SAFETY * max(self._seen)) if self._seen else _FIRST
        margin = min(wanted, remaining * _MOST_SHARE)
        grace = min(_GRACE, remaining / 10)
        return Budget(max(0.0, remaining - margin - grace), grace)

    def learn(self, seconds: float) -> None:
        """Leaving took so long, from the end of asking on."""
        self._seen.append(seconds)
