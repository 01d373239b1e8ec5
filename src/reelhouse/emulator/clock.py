"""The emulator's own time: it ticks like everybody's and can be moved forward by days."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime


class EmulatorClock:
    """Starts at *start* (now, when None)."""

    def __init__(self, start: datetime | None = None, ticks: Callable[[], float] = time.monotonic) -> None:
        begin = start or datetime.now(UTC)
        self._start = begin.replace(tzinfo=UTC) if begin.tzinfo is None else begin.astimezone(UTC)
        self._ticks = ticks
        self._begun = ticks()

    def now(self) -> datetime:
        """The instant it is, in UTC."""
        return self._start + timedelta(seconds=self._ticks() - self._begun)

    def today(self) -> date:
        """The day it is, in UTC."""
        return self.now().date()

    def skip_days(self, days: int) -> None:
        """Move forward, keeping the time of day."""
        self._start += timedelta(days=days)

    def http_date(self) -> str:
        """The `Date` header."""
        return format_datetime(self.now(), usegmt=True)
