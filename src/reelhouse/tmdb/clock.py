"""TMDB's time: the `Date` of its answers, as far as they agree with each other and with this machine."""

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

from reelhouse.elapsed import elapsed

# Two samples agree if they differ by no more than this. The hour from which an answer surely holds a day's changes
# leaves a margin of half an hour, so a trusted `Date` must not be ahead by more than this.
AGREES = 600.0

# An early `Date` is harmless (the id is requested again sooner) and normal for cached answers: TMDB lets caches keep an
# answer for up to eight hours.
OLDEST = 7 * 86400.0

# How far TMDB may be ahead of this machine before its clock is not used for decisions.
_MOST_AHEAD = 86400.0

_READINGS = 15


class ClockSample(NamedTuple):
    """The time of one answer: *stated* is its `Date` (seconds since 1970), which is *low* to *high* seconds ahead of
    this machine, depending on whether the answer's cache had renewed it."""

    stated: float
    low: float
    high: float

    def agrees(self, offset: float) -> bool:
        return self.low - AGREES / 2 <= offset <= self.high + AGREES / 2


class ServerClock:
    """Trusts a `Date` that other answers, or one answer and this machine, confirm.

    *simulated* is for a server whose clock may differ far from this machine's. `refused` counts the dates and ages that
    were not trusted since `take_notes`.
    """

    def __init__(
        self,
        *,
        simulated: bool = False,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = elapsed,
    ) -> None:
        # The clock of an emulator on this machine is moved on purpose.
        self._most_ahead = float("inf") if simulated else _MOST_AHEAD
        self._simulated = simulated
        self._ticks = ticks
        self._began = wall() - ticks()
        self._samples: deque[ClockSample] = deque(maxlen=_READINGS)
        self._agreed: tuple[float, float] | None = None
        self._dated = False
        self.refused = 0

    def read(self, headers: Mapping[str, str]) -> ClockSample | None:
        """Note the time headers of an answer; None without a valid date."""
        age = age_of(headers.get("Age"))
        self.refused += age is None and "Age" in headers
        stated = parse_date(headers.get("Date"))
        self._dated |= "Date" in headers
        if stated is None:
            self.refused += "Date" in headers
            return None
        low = stated - self._machine()
        sample = ClockSample(stated, low, low + (age or 0))
        self._samples.append(sample)
        self._agreed = self._agree()
        return sample

    def stamp(self, sample: ClockSample | None) -> str:
        """When an answer was given: its `Date` if trusted, else the current time by the other answers."""
        if sample is not None:
            now = self._now()
            if now - OLDEST <= sample.stated <= now + AGREES:
                return _written(sample.stated)
            # While the clock is in doubt, this answer is not counted as refused.
            self.refused += not self.in_doubt
        return self.now()

    def trusts(self, stated: str | None) -> bool:
        """Whether a `Date` is near the current time, or nothing contradicts it."""
        instant = parse_date(stated)
        return instant is not None and (self.in_doubt or abs(instant - self._now()) <= OLDEST)

    @property
    def in_doubt(self) -> bool:
        """Whether there are dates, but no two of them agree, and none agrees with this machine."""
        return self._dated and self._agreed is None

    def seen(self) -> str | None:
        """The latest trusted `Date`, None before the first."""
        if self.disputed is not None:
            return self.now()
        now = self._now()
        return max((_written(min(one.stated + one.high - one.low, now)) for one in self._believed()), default=None)

    def now(self) -> str:
        """The current time; by this machine until answers agree, and while in doubt."""
        return _written(self._now())

    def today(self) -> date:
        """The current day; by this machine until answers agree."""
        return datetime.fromtimestamp(self._now(), UTC).date()

    def stated_day(self) -> date:
        """The day of the last answer, trusted or not; this machine's if there is none."""
        stated = self._samples[-1].stated if self._samples else self._machine()
        return datetime.fromtimestamp(stated, UTC).date()

    @property
    def disputed(self) -> str | None:
        """Why lasting decisions must not use TMDB's clock; None if they may."""
        here = _written(self._machine())
        if self.in_doubt:
            stated = ", ".join(sorted({_written(sample.stated) for sample in self._samples})[:3]) or "no date at all"
            return f"TMDB's answers do not agree on the time ({stated}; this machine says {here})"
        if self._agreed is not None and self._agreed[0] > self._most_ahead:
            there = _written(self._machine() + self._agreed[0])
            return f"TMDB's time is {there}, this machine's is {here}: set this machine's clock, or try later"
        return None

    @property
    def behind(self) -> str | None:
        """A note if this machine is more than a day ahead of TMDB; then TMDB's clock is used."""
        if self._simulated or self._agreed is None or self._agreed[1] > -_MOST_AHEAD:
            return None
        there = _written(self._machine() + self._agreed[1])
        return f"this machine's clock says {_written(self._machine())}, TMDB's {there}: TMDB's is used"

    def take_notes(self) -> tuple[int, list[str]]:
        """How many dates and ages were not trusted since the last call, and notes about it for the user."""
        refused, self.refused = self.refused, 0
        notes = [self.behind] if self.behind else []
        if refused:
            notes.append(
                f"{refused:,} answers had a Date or an Age that is implausible against the other answers and this "
                "machine's clock: it was not used"
            )
        if self.disputed:
            notes.append(
                f"{self.disputed}. Until then the cursor of the change feed stays where it is, and no id is "
                "requested for its age"
            )
        return refused, notes

    def _machine(self) -> float:
        return self._began + self._ticks()

    def _now(self) -> float:
        """The time on which answers agree; this machine's if they do not; the earlier of both while in doubt."""
        offset = 0.0 if self._agreed is None else self._agreed[1]
        return self._machine() + (0.0 if offset > self._most_ahead else offset)

    def _believed(self) -> list[ClockSample]:
        if self._agreed is None:
            return []
        return [sample for sample in self._samples if sample.agrees(self._agreed[0])]

    def _agree(self) -> tuple[float, float] | None:
        """The offset that most samples allow, lowest and highest; None if no two agree or on a tie."""
        _, lows, highs = zip(*self._samples, strict=True)
        low, high = max(lows), min(highs)
        # Nearly always all agree, and this machine (0) with them: to compare each with each would cost a tenth of what
        # an answer costs.
        if max(low, 0.0) - AGREES / 2 <= min(high, 0.0) + AGREES / 2:
            return low, max(low, high)
        machine = ClockSample(0.0, 0.0, 0.0)
        witnesses = [*self._samples, machine]
        # The best offset is where some sample's range begins.
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
    """A `Date` header in seconds since 1970; None if missing, invalid, or of an impossible year."""
    try:
        instant = email.utils.parsedate_to_datetime(stated or "")
    except (ValueError, OverflowError, TypeError):
        return None
    # `-0000` means UTC too, but parses without a zone.
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant.timestamp() if 1970 <= instant.year < 9999 else None


def age_of(stated: str | None) -> int | None:
    """An `Age` header in seconds; None if missing or impossible for a cache of TMDB's."""
    if stated is None or not re.fullmatch(r"[0-9]{1,9}", stated) or int(stated) > OLDEST:
        return None
    return int(stated)


def etag_of(stated: str | None) -> str | None:
    """An `ETag` as JSON and a header can hold it; None if missing or otherwise."""
    return stated if stated and re.fullmatch(r"[\x20-\x7e]+", stated) else None


def is_here(url: str) -> bool:
    """Whether *url* is on this machine, as an emulator is."""
    host = URL(url).host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _written(instant: float) -> str:
    return _second(int(instant))


@functools.lru_cache(16)
def _second(instant: int) -> str:
    # Many answers come in each.
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"
