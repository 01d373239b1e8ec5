"""The emulator's settings and the one error a bad setting raises."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


class EmulatorError(ValueError):
    """A setting of the emulator that a person must change; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How an emulator starts; `port` 0 takes any free port, `rate` 0 means no limit.

    Without a number of `series` there is one for every ten movies. Any bearer token is accepted unless one `token` is.
    """

    movies: int = 5000
    series: int | None = None
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    rate: float = 0
    retry_after: float | None = None
    latency_ms: float = 0.0
    faults: str | None = None
    fault_share: float = 0.08
    payloads: Path | None = None
    now: datetime | None = None
    export_days: int = 8
    cache_mb: int = 64
    token: str | None = None

    def __post_init__(self) -> None:
        if self.movies < 1:
            raise EmulatorError(f"movies is {self.movies}, but a catalogue needs at least one")
        if self.series is not None and self.series < 0:
            raise EmulatorError(f"series is {self.series}, but a number of series cannot be negative")
        if self.rate < 0 or self.latency_ms < 0 or self.export_days < 1 or self.cache_mb < 0:
            raise EmulatorError("rate, latency and cache size cannot be negative, and exports last at least a day")
        if self.token is not None and not self.token.strip():
            raise EmulatorError("token is empty, but then nobody could ask")
        if not 0 <= self.fault_share <= 1:
            raise EmulatorError(f"fault share is {self.fault_share}, but it is a share between 0 and 1")

    def series_count(self) -> int:
        """How many series the generated catalogue has."""
        return max(1, self.movies // 10) if self.series is None else self.series

    def as_arguments(self) -> list[str]:
        """The command line of `python -m reelhouse.emulator` that starts the same emulator."""
        values = ((name, getattr(self, name)) for name in SETTINGS)
        return [f"--{name.replace('_', '-')}={value}" for name, value in values if value is not None]


# Each setting and how it is read from a command line.
SETTINGS: dict[str, Callable[[str], Any]] = {
    "movies": int,
    "series": int,
    "seed": int,
    "host": str,
    "port": int,
    "rate": float,
    "retry_after": float,
    "latency_ms": float,
    "faults": str,
    "fault_share": float,
    "payloads": Path,
    "now": datetime.fromisoformat,
    "token": str,
    "export_days": int,
    "cache_mb": int,
}
