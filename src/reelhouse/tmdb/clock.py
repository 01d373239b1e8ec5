"""What time it is at TMDB: the `Date` of its answers, as far as they agree with each other and with this machine."""

from __future__ import annotations

import email.utils
import functools
import ipaddress
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from yarl import URL

# Two readings agree if they are no further apart. The hour from which an answer surely holds a day's changes leaves
# half an hour to spare, so a believed `Date` must not be ahead by more than this.
AGREES = 600.0

# An early `Date` does no harm (the id is asked again sooner), and a cached answer has one: TMDB lets caches keep an
# answer for up to eight hours.
OLDEST = 7 * 86400.0

# How far TMDB may be ahead of this machine before nothing is concluded from its clock.
_MOST_AHEAD = 86400.0

_READINGS = 15

# A laptop that slept must notice: the plain monotonic clock stands still meanwhile.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Reading(NamedTuple):
    """What one answer says: *stated* is its `Date` (seconds since 1970), which is *low* to *high* seconds ahead of this
    machine, depending on whether the cache that it came from had renewed it."""

    stated: float
    low: float
    high: float

    def agrees(self, offset: float) -> bool:
        return self.low - AGREES / 2 <= offset <= self.high + AGREES / 2


class ServerClock:
    """Believes a `Date` that the other answers, or one answer and this machine, confirm.

    *simulated* is for a server whose clock may be moved far from this machine's. `refused` counts the dates and ages
    that were not believed since `take_notes`.
    """

    def __init__(
        self,
        *,
        simulated: bool = False,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = lambda: time.clock_gettime(_TICKS),
    ) -> None:
        # An emulator on this machine has a clock that is moved on purpose.
        self._most_ahead = float("inf") if simulated else _MOST_AHEAD
        self._simulated = simulated
        self._ticks = ticks
        self._began = wall() - ticks()
        self._readings: deque[Reading] = deque(maxlen=_READINGS)
        self._agreed: tuple[float, float] | None = None
        self._dated = False
        self.refused = 0

    def read(self, headers: Mapping[str, str]) -> Reading | None:
        """Note what the headers of an answer say; None where they have no date that is one."""
        age = age_of(headers.get("Age"))
        self.refused += age is None and "Age" in headers
        stated = parse_date(headers.get("Date"))
        self._dated |= "Date" in headers
        if stated is None:
            self.refused += "Date" in headers
            return None
        low = stated - self._machine()
        reading = Reading(stated, low, low + (age or 0))
        self._readings.append(reading)
        self._agreed = self._agree()
        return reading

    def stamp(self, reading: Reading | None) -> str:
        """When an answer was given: its `Date` where that is believed, else what the others say that it is now."""
        if reading is not None:
            now = self._now()
            if now - OLDEST <= reading.stated <= now + AGREES:
                return _written(reading.stated)
            # In doubt it is not this one that is refused.
            self.refused += not self.in_doubt
        return self.now()

    def trusts(self, stated: str | None) -> bool:
        """Whether a `Date` is near enough to the time that it is, or nothing says that it is not."""
        instant = parse_date(stated)
        return instant is not None and (self.in_doubt or abs(instant - self._now()) <= OLDEST)

    @property
    def in_doubt(self) -> bool:
        """Whether there are dates of which no two agree, nor one with this machine."""
        return self._dated and self._agreed is None

    def seen(self) -> str | None:
        """The latest believed `Date`, None where no answer has shown one."""
        if self.disputed is not None:
            return self.now()
        now = self._now()
        return max((_written(min(one.stated + one.high - one.low, now)) for one in self._believed()), default=None)

    def now(self) -> str:
        """The time, by this machine until the answers agree, and in doubt."""
        return _written(self._now())

    def today(self) -> date:
        """The day it is, by this machine until the answers agree."""
        return datetime.fromtimestamp(self._now(), UTC).date()

    def stated_day(self) -> date:
        """The day that the last answer stated, believed or not; this machine's where none has stated one."""
        stated = self._readings[-1].stated if self._readings else self._machine()
        return datetime.fromtimestamp(stated, UTC).date()

    @property
    def disputed(self) -> str | None:
        """Why nothing that is lasting may follow from TMDB's clock; None where something may."""
        here = _written(self._machine())
        if self.in_doubt:
            stated = ", ".join(sorted({_written(reading.stated) for reading in self._readings})[:3]) or "no date at all"
            return f"TMDB's answers do not agree on the time ({stated}; this machine says {here})"
        if self._agreed is not None and self._agreed[0] > self._most_ahead:
            there = _written(self._machine() + self._agreed[0])
            return f"TMDB says that it is {there}, this machine says {here}: set this machine's clock, or ask later"
        return None

    @property
    def behind(self) -> str | None:
        """A sentence where this machine is more than a day ahead of TMDB; TMDB's clock is used then."""
        if self._simulated or self._agreed is None or self._agreed[1] > -_MOST_AHEAD:
            return None
        there = _written(self._machine() + self._agreed[1])
        return f"this machine's clock says {_written(self._machine())}, TMDB's {there}: TMDB's is used"

    def take_notes(self) -> tuple[int, list[str]]:
        """How many dates and ages were not believed since this was called last, and what a person must know of it."""
        refused, self.refused = self.refused, 0
        notes = [self.behind] if self.behind else []
        if refused:
            notes.append(
                f"{refused:,} answers had a Date or an Age that is implausible against the other answers and this "
                "machine's clock: it was not used"
            )
        if self.disputed:
            notes.append(
                f"{self.disputed}. Until then the cursor of the change feed stays where it is, and no id is asked for "
                "its age"
            )
        return refused, notes

    def _machine(self) -> float:
        return self._began + self._ticks()

    def _now(self) -> float:
        """The time by what the answers agree on, by this machine where they do not, the earlier of both in doubt."""
        offset = 0.0 if self._agreed is None else self._agreed[1]
        return self._machine() + (0.0 if offset > self._most_ahead else offset)

    def _believed(self) -> list[Reading]:
        if self._agreed is None:
            return []
        return [reading for reading in self._readings if reading.agrees(self._agreed[0])]

    def _agree(self) -> tuple[float, float] | None:
        """The offset that most witnesses allow, lowest and highest; None where no two agree or it is a tie."""
        machine = Reading(0.0, 0.0, 0.0)
        witnesses = [*self._readings, machine]
        # The best place lies where some witness's range begins.
        found = max(
            ([one for one in witnesses if one.agrees(start.low - AGREES / 2)] for start in witnesses),
            key=lambda agreeing: (len(agreeing), machine in agreeing),
        )
        if len(found) < 2:
            return None
        answers = [one for one in found if one is not machine]
        low = max(one.low for one in answers)
        return low, max(low, min(one.high for one in answers))


@functools.lru_cache(maxsize=8)
def parse_date(stated: str | None) -> float | None:
    """A `Date` header in seconds since 1970; None for none, one that does not parse, or a year that has no server."""
    try:
        instant = email.utils.parsedate_to_datetime(stated or "")
    except (ValueError, OverflowError, TypeError):
        return None
    # `-0000` says UTC too, but comes without a zone.
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant.timestamp() if 1970 <= instant.year < 9999 else None


def age_of(stated: str | None) -> int | None:
    """An `Age` header in seconds; None for none, or one that no cache of TMDB's can have."""
    if stated is None or not re.fullmatch(r"[0-9]{1,9}", stated) or int(stated) > OLDEST:
        return None
    return int(stated)


def is_here(url: str) -> bool:
    """Whether *url* is on this machine, as an emulator is."""
    host = URL(url).host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _written(instant: float) -> str:
    return f"{datetime.fromtimestamp(int(instant), UTC):%Y-%m-%dT%H:%M:%SZ}"
