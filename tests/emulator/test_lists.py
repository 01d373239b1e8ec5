"""The lists that TMDB ranks: as long as they should be, of the right days, and another order each day."""

from datetime import date
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from tests.emulator.asking import get

LISTS = (
    "movie/popular", "movie/top_rated", "movie/now_playing", "movie/upcoming", "tv/popular", "tv/top_rated",
    "tv/airing_today", "tv/on_the_air", "person/popular",
    *(f"trending/{kind}/{window}" for kind in ("all", "movie", "tv", "person") for window in ("day", "week")),
)  # fmt: skip


def everything(tmdb: Emulator, path: str) -> list[dict[str, Any]]:
    first = get(tmdb, f"{path}?page=1").json()
    pages = [get(tmdb, f"{path}?page={page}").json() for page in range(2, min(first["total_pages"], 500) + 1)]
    return [row for page in (first, *pages) for row in page["results"]]


@pytest.mark.parametrize("path", LISTS)
def test_the_pages_of_a_list_hold_each_thing_once(tmdb: Emulator, path: str) -> None:
    rows = everything(tmdb, path)
    assert rows
    keys = [(row.get("media_type"), row["id"]) for row in rows]
    assert len(set(keys)) == len(keys)
    total = get(tmdb, path).json()["total_results"]
    # Of people trending this week, pages come short of a few.
    assert len(rows) == total or (path == "trending/person/week" and len(rows) < total)


def test_a_page_of_people_can_be_short_without_being_the_last(tmdb: Emulator) -> None:
    page = get(tmdb, "trending/person/week").json()
    assert len(page["results"]) == 18
    assert page["total_pages"] > 1


@pytest.mark.parametrize("path", LISTS)
def test_pages_begin_at_1_and_end_at_500(tmdb: Emulator, path: str) -> None:
    assert [get(tmdb, f"{path}?page={page}").json()["status_code"] for page in (0, 501)] == [22, 22]
    assert get(tmdb, f"{path}?page=500").json()["results"] == []


@pytest.mark.parametrize("name", ["now_playing", "upcoming"])
def test_what_is_in_cinemas_was_released_between_the_named_days(tmdb: Emulator, name: str) -> None:
    dates = get(tmdb, f"movie/{name}").json()["dates"]
    days = [row["release_date"] for row in everything(tmdb, f"movie/{name}")]
    assert all(dates["minimum"] <= day <= dates["maximum"] for day in days)


def test_what_is_upcoming_is_in_cinemas_later() -> None:
    with Emulator(movies=3000, seed=2) as tmdb:
        upcoming = {row["id"] for row in everything(tmdb, "movie/upcoming")}
        assert upcoming.isdisjoint(row["id"] for row in everything(tmdb, "movie/now_playing"))
        tmdb.next_day(21)
        assert upcoming <= {row["id"] for row in everything(tmdb, "movie/now_playing")}


def test_what_airs_today_airs_this_week_and_not_tomorrow(fresh: Emulator) -> None:
    with Emulator(movies=100, series=300, seed=2) as tmdb:
        today = {row["id"] for row in everything(tmdb, "tv/airing_today")}
        assert today <= {row["id"] for row in everything(tmdb, "tv/on_the_air")}
        tmdb.next_day()
        assert today.isdisjoint(row["id"] for row in everything(tmdb, "tv/airing_today"))


def test_the_trend_of_a_day_is_another_tomorrow_and_that_of_a_week_lasts() -> None:
    from datetime import UTC, datetime

    # The first day of one of the weeks that trends are counted in.
    monday = datetime.fromordinal(7 * (date(2026, 11, 1).toordinal() // 7)).replace(tzinfo=UTC)
    with Emulator(movies=300, seed=2, now=monday) as tmdb:
        day, week = (everything(tmdb, f"trending/movie/{window}") for window in ("day", "week"))
        assert day != week
        tmdb.next_day()
        assert everything(tmdb, "trending/movie/day") != day
        assert everything(tmdb, "trending/movie/week") == week
        tmdb.next_day(6)
        assert everything(tmdb, "trending/movie/week") != week


def test_top_rated_goes_by_votes_of_many(tmdb: Emulator) -> None:
    for kind in ("movie", "tv"):
        rows = everything(tmdb, f"{kind}/top_rated")
        marks = [row["vote_average"] for row in rows]
        assert marks == sorted(marks, reverse=True)
        assert min(row["vote_count"] for row in rows) >= 100


def test_trending_of_all_kinds_names_the_kind_of_each_row(tmdb: Emulator) -> None:
    rows = get(tmdb, "trending/all/day").json()["results"]
    assert {row["media_type"] for row in rows} == {"movie", "tv", "person"}
    assert all(("title" in row) == (row["media_type"] == "movie") for row in rows)
    assert not any(row["adult"] for row in rows)
