"""TMDB's clock: a `Date` is trusted if other answers, or this machine, confirm it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from reelhouse.tmdb.client import TmdbClient
from reelhouse.tmdb.clock import ServerClock, is_here, parse_date
from tests.serving import json, serving
from tests.tmdb.asking import with_client

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY, YEAR = 3600, 86400, 365 * 86400


def _date(offset: float, of: datetime = NOW) -> str:
    return format_datetime(of + timedelta(seconds=offset), usegmt=True)


def _written(offset: float, of: datetime = NOW) -> str:
    return f"{of + timedelta(seconds=offset):%Y-%m-%dT%H:%M:%SZ}"


def _clock(*offsets: float, simulated: bool = False) -> ServerClock:
    """A clock on a machine that says NOW, after answers that were so many seconds ahead of it."""
    clock = ServerClock(simulated=simulated, wall=NOW.timestamp, ticks=lambda: 0.0)
    for offset in offsets:
        clock.read({"Date": _date(offset)})
    return clock


def _stamped(clock: ServerClock, **headers: str) -> str:
    return clock.stamp(clock.read(headers))


@pytest.mark.parametrize("ahead", [-10 * YEAR, -30 * DAY, HOUR, 10 * YEAR])
def test_one_answer_that_no_other_confirms_is_not_believed_and_counted(ahead: float) -> None:
    clock = _clock(0, 1)
    assert _stamped(clock, Date=_date(ahead)) == _written(1)
    assert clock.refused == 1
    assert clock.seen() == _written(1)
    assert clock.disputed is None
    refused, notes = clock.take_notes()
    assert (refused, clock.refused) == (1, 0)
    assert "1 answers had a Date or an Age that is implausible" in notes[0]


def test_the_first_answer_may_be_the_wrong_one() -> None:
    clock = _clock(10 * YEAR)
    assert clock.in_doubt
    assert clock.today() == NOW.date()
    clock.read({"Date": _date(0)})
    assert not clock.in_doubt
    assert clock.seen() == _written(0)


@pytest.mark.parametrize("wrong", [-20 * HOUR, -5 * HOUR, 3 * HOUR, 23 * HOUR])
def test_a_machine_that_is_wrong_by_hours_uses_what_the_answers_agree_on(wrong: float) -> None:
    clock = _clock(wrong, wrong)
    assert _stamped(clock, Date=_date(wrong)) == _written(wrong)
    assert clock.seen() == _written(wrong)
    assert clock.stamp(None) == _written(wrong)
    assert (clock.refused, clock.disputed) == (0, None)


def test_where_all_answers_are_far_ahead_of_this_machine_nothing_lasting_follows_from_them() -> None:
    clock = _clock(3 * DAY, 3 * DAY, 3 * DAY)
    assert "TMDB's time is 2026-11-23T12:00:00Z, this machine's is 2026-11-20T12:00:00Z" in str(clock.disputed)
    assert _stamped(clock, Date=_date(3 * DAY)) == _written(0)
    assert clock.seen() == _written(0)


def test_answers_that_all_differ_are_no_time() -> None:
    clock = _clock(10 * YEAR, 20 * YEAR, -5 * YEAR)
    assert "do not agree" in str(clock.disputed)
    assert clock.seen() == _written(0)


def test_a_machine_that_is_far_ahead_uses_tmdb_s_clock_and_says_so() -> None:
    clock = _clock(-4 * YEAR, -4 * YEAR)
    assert clock.seen() == _written(-4 * YEAR)
    assert clock.disputed is None
    assert "this machine's clock says 2026-11-20T12:00:00Z" in clock.take_notes()[1][0]


@pytest.mark.parametrize("ahead", [40 * DAY, -400 * DAY, 5 * YEAR])
def test_an_emulator_s_clock_may_be_anywhere_as_long_as_it_is_one_clock(ahead: float) -> None:
    clock = _clock(ahead, ahead, simulated=True)
    assert clock.disputed is None
    assert clock.seen() == _written(ahead)
    assert clock.take_notes() == (0, [])
    assert _stamped(clock, Date=_date(ahead + YEAR)) == _written(ahead)


def test_an_answer_from_a_cache_keeps_its_early_date_whether_or_not_the_cache_renewed_it() -> None:
    clock = _clock(0, 0)
    assert _stamped(clock, Date=_date(-7 * HOUR)) == _written(-7 * HOUR)
    assert _stamped(clock, Date=_date(-7 * HOUR), Age=str(7 * HOUR)) == _written(-7 * HOUR)
    assert _stamped(clock, Date=_date(0), Age=str(7 * HOUR)) == _written(0)
    assert (clock.refused, clock.disputed) == (0, None)
    assert clock.seen() == _written(0)


def test_answers_from_a_cache_alone_tell_the_time_by_their_age() -> None:
    clock = ServerClock(wall=NOW.timestamp, ticks=lambda: 0.0)
    for age in (7 * HOUR, 2 * HOUR):
        clock.read({"Date": _date(5 * HOUR - age), "Age": str(age)})
    assert clock.seen() == _written(5 * HOUR)


@pytest.mark.parametrize("age", ["99999999", "604801", "9" * 5000, "-1", "soon"])
def test_an_absurd_age_is_not_used_and_counted(age: str) -> None:
    clock = _clock(0)
    assert _stamped(clock, Date=_date(0), Age=age) == _written(0)
    assert clock.refused == 1
    assert clock.seen() == _written(0)


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 0999 08:49:37 GMT",
        "Sun, 06 Nov 0001 08:49:37 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "soon",
        "",
    ],
)
def test_a_date_that_no_server_has_is_counted_and_no_traceback(date: str) -> None:
    clock = _clock(5, 5)
    assert _stamped(clock, Date=date) == _written(5)
    assert clock.refused == 1


def test_a_date_without_a_zone_is_utc() -> None:
    assert parse_date("Fri, 20 Nov 2026 12:00:00 -0000") == NOW.timestamp()


def test_an_emulator_is_recognized_by_its_address() -> None:
    assert all(is_here(url) for url in ("http://127.0.0.1:8765/3", "http://localhost/3", "http://[::1]:1/3"))
    assert not any(is_here(url) for url in ("https://api.themoviedb.org/3", "http://10.0.0.1/3", "http://local.host"))


def _asked(dates: Iterator[str], paths: int = 1, clock: ServerClock | None = None) -> tuple[list[str], list[str], int]:
    """What *paths* answers with these dates are stamped, all paths that were asked, and how many dates were refused."""

    async def work(client: TmdbClient) -> tuple[list[str], int]:
        if clock is not None:
            client.clock = clock
        answers = await asyncio.gather(*(client.get(f"/movie/{number}") for number in range(paths)))
        return [answer.fetched_at for answer in answers], client.clock.refused

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return json({}, Date=next(dates))

    with serving(answering) as server:
        stamps, refused = with_client(server.url, work)
        return stamps, [request.path for request in server.seen], refused


def _here(*offsets: float) -> Iterator[str]:
    """Dates that are so far ahead of this machine, the last for ever."""
    now = datetime.now(UTC)
    yield from (_date(offset, now) for offset in offsets)
    while True:
        yield _date(offsets[-1], now)


def _near(stamp: str, offset: float) -> bool:
    return abs((datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds() - offset) < 60


def test_a_first_answer_that_contradicts_this_machine_is_checked_by_asking_for_the_time() -> None:
    stamps, paths, refused = _asked(_here(10 * YEAR, 0))
    assert _near(stamps[0], 0)
    assert (paths, refused) == (["/3/movie/0", "/3/configuration"], 1)
    stamps, paths, refused = _asked(_here(5 * HOUR), paths=5)
    assert all(_near(stamp, 5 * HOUR) for stamp in stamps)
    assert refused == 0
    assert len(paths) <= 6


def test_an_answer_that_this_machine_confirms_costs_no_further_request() -> None:
    stamps, paths, refused = _asked(_here(-30, 30), paths=2)
    assert all(_near(stamp, 0) for stamp in stamps)
    assert (len(paths), refused) == (2, 0)


def test_a_server_that_says_another_time_in_every_answer_is_not_asked_for_ever() -> None:
    stamps, paths, _ = _asked((_date(number * YEAR) for number in range(2, 99)), paths=9)
    assert all(_near(stamp, 0) for stamp in stamps)
    assert len(paths) <= 9 + 4
