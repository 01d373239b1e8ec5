"""Exact counts of requests to the emulator, for tests."""

from collections import Counter, deque
from typing import Any


class RequestCounts:
    """Counts since the start or the last reset; requests of the control API are left out."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Reset all counts."""
        self.requests = 0
        self.by_kind: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.asked: Counter[tuple[str, int]] = Counter()
        self.busiest_second = 0
        self.most_connections = 0
        self.most_at_once = 0
        self.export_authorizations = 0
        self._last_second: deque[float] = deque()

    def arrived(self, now: float, at_once: int, connections: int) -> None:
        """Note one request to the API."""
        self.requests += 1
        self.most_at_once = max(self.most_at_once, at_once)
        self.most_connections = max(self.most_connections, connections)
        self._last_second.append(now)
        while self._last_second[0] <= now - 1.0:
            self._last_second.popleft()
        self.busiest_second = max(self.busiest_second, len(self._last_second))

    def as_dict(self) -> dict[str, Any]:
        """The answer to `/-/stats`."""
        asked: dict[str, dict[str, int]] = {}
        for (kind, number), times in self.asked.items():
            asked.setdefault(kind, {})[str(number)] = times
        return {
            "requests": self.requests,
            "by_kind": dict(self.by_kind),
            "by_status": dict(self.by_status),
            "by_fault": dict(self.by_fault),
            "distinct_ids": len(self.asked),
            "asked": asked,
            "busiest_second": self.busiest_second,
            "most_connections": self.most_connections,
            "most_at_once": self.most_at_once,
            "export_authorizations": self.export_authorizations,
        }
