"""The limit on requests per second."""

from collections import deque


class RateLimit:
    """Lets at most *rate* requests pass in any second; 0 lets all pass. Refused requests do not count."""

    def __init__(self, rate: float, retry_after: float | None) -> None:
        self.rate, self.retry_after = rate, retry_after
        self._passed: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Whether a request that arrives at *now* may pass."""
        while self._passed and self._passed[0] <= now - 1.0:
            self._passed.popleft()
        if self.rate and len(self._passed) >= self.rate:
            return False
        if self.rate:
            self._passed.append(now)
        return True
