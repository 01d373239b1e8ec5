"""Values of the marts of history, from days written by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from reelhouse.entities.schema import STAGING
from reelhouse.tables.registry import input_of
from tests.marts.conftest import LakeOf

# Titles so far apart are neighbours in a window.
_SHARED = 256
_ONE, _TWO, _THREE, _FOUR = (date(2026, 11, day) for day in (20, 21, 23, 24))


def _movie(movie_id: int, day: date, popularity: float | None = 1.0, **more: Any) -> dict[str, Any]:
    fetched_at = datetime(day.year, day.month, day.day, 12)
    more = {"popularity": popularity, "includes_offers": True, **more}
    return {"movie_id": movie_id, "day": day, "fetched_at": fetched_at, **more}


_LEFT_OUT_AT = datetime(2026, 11, 25, 12)


def _record(entity: str, id_: int, state: str) -> dict[str, Any]:
    return {"entity": entity, "id": id_, "state": state, "fetched_at": _LEFT_OUT_AT}


def _out(id_: int, at: datetime, state: str = "gone") -> dict[str, Any]:
    return {"id": id_, "fetched_at": at, "state": state}


def _outcomes(days: list[dict[str, Any]], *left_out: dict[str, Any]) -> dict[str, Any]:
    """Staging of the answers of *days* and of those that leave titles out, newest last."""
    shown = [{"id": row["movie_id"], "fetched_at": row["fetched_at"], "state": "landed"} for row in days]
    answers = sorted([*shown, *left_out], key=lambda row: row["fetched_at"])
    return _staging(answers)


def _staging(answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {input_of("movie", STAGING): [{**row, "sequence": place} for place, row in enumerate(answers)]}


def _offer(movie_id: int, day: date, provider_id: int) -> dict[str, Any]:
    offer = {"iso_3166_1": "BR", "monetization_type": "flatrate", "provider_id": provider_id}
    return {"movie_id": movie_id, "day": day, **offer}


@pytest.mark.parametrize("kind", ["movie", "tv"])
def test_a_snapshot_has_the_rank_of_its_day_and_says_who_joined_and_who_left(lake_of: LakeOf, kind: str) -> None:
    days = [
        _movie(1, _ONE, 5.0),
        _movie(2, _ONE, 9.0),
        _movie(2 + _SHARED, _ONE, None),
        _movie(1, _TWO, 9.0),
        _movie(1 + _SHARED, _TWO, 9.0),
        _movie(9, _TWO, 99.0, adult=True),
        _movie(1, _THREE, 1.0),
        _movie(2, _THREE, 3.0),
    ]
    days = [{name.replace("movie", kind): value for name, value in row.items()} for row in days]
    found = lake_of(**{f"{kind}_daily": days}).rows(f"fact_{kind}_snapshot")
    shown = {
        (row[f"{kind}_id"], row["day"]): tuple(
            row[name] for name in ("rank", "rank_change", "days_since", "is_joiner", "is_leaver")
        )
        for row in found
    }
    assert shown == {
        (2, _ONE): (1, None, None, None, True),
        (1, _ONE): (2, None, None, None, False),
        (2 + _SHARED, _ONE): (None, None, None, None, True),
        (1, _TWO): (1, 1, 1, False, False),
        (1 + _SHARED, _TWO): (2, None, None, True, True),
        (2, _THREE): (1, 0, 3, True, None),
        (1, _THREE): (2, -1, 2, False, None),
    }


def test_an_offer_is_current_only_if_the_newest_answer_has_it_and_its_title_is_still_there(lake_of: LakeOf) -> None:
    days = [_movie(movie_id, day) for movie_id in (1, 2) for day in (_ONE, _TWO, _THREE, _FOUR)]
    offers = [
        *(_offer(1, day, 8) for day in (_ONE, _TWO, _THREE, _FOUR)),
        *(_offer(1, day, 9) for day in (_ONE, _THREE)),
        _offer(2, _FOUR, 8),
    ]
    records = [_record("movie", 1, "landed"), _record("movie", 2, "gone"), _record("tv", 1, "gone")]
    out = [_out(2, _LEFT_OUT_AT), *(_out(3, datetime(2026, 11, day, 18)) for day in (20, 21))]
    days += [_movie(3, _ONE), _movie(3, _THREE)]
    offers += [_offer(3, _ONE, 8), _offer(3, _THREE, 8)]
    records.append(_record("movie", 3, "landed"))
    lake = lake_of(movie_daily=days, movie_offer_daily=offers, record=records, **_outcomes(days, *out))
    names = ("title_id", "provider_id", "first_seen", "last_seen", "is_current")
    assert sorted(tuple(row[name] for name in names) for row in lake.rows("fact_watch_availability")) == [
        (1, 8, _ONE, _FOUR, True),
        (1, 9, _ONE, _ONE, False),
        (1, 9, _THREE, _THREE, False),
        (2, 8, _FOUR, _FOUR, False),
        # TMDB had removed it in between.
        (3, 8, _ONE, _ONE, False),
        (3, 8, _THREE, _THREE, True),
    ]


def test_an_answer_that_was_requested_without_offers_ends_none(lake_of: LakeOf) -> None:
    days = [
        _movie(1, _ONE),
        _movie(1, _TWO, includes_offers=False),
        _movie(1, _THREE),
        _movie(1, _FOUR, includes_offers=False),
        _movie(2, _ONE),
        _movie(2, _TWO, includes_offers=False, adult=True),
    ]
    offers = [_offer(1, _ONE, 8), _offer(1, _ONE, 9), _offer(1, _THREE, 8), _offer(2, _ONE, 8)]
    lake = lake_of(movie_daily=days, movie_offer_daily=offers)
    names = ("title_id", "provider_id", "first_seen", "last_seen", "is_current")
    assert sorted(tuple(row[name] for name in names) for row in lake.rows("fact_watch_availability")) == [
        (1, 8, _ONE, _THREE, True),
        (1, 9, _ONE, _ONE, False),
        (2, 8, _ONE, _ONE, False),
    ]


def test_a_title_has_an_interval_for_each_time_it_stayed_the_same(lake_of: LakeOf) -> None:
    days = [
        _movie(1, _ONE, title="A", status=None),
        _movie(1, _TWO, 7.0, title="A", status=None),
        _movie(1, _THREE, title="A", status="new"),
        _movie(1, _FOUR, title="A", status=None),
        _movie(1 + _SHARED, _ONE, title="A", status=None),
    ]
    records = [_record("movie", 1, "landed"), _record("movie", 1 + _SHARED, "gone")]
    lake = lake_of(movie_daily=days, record=records, **_outcomes(days, _out(1 + _SHARED, _LEFT_OUT_AT)))
    names = ("movie_id", "status", "valid_from", "valid_to", "is_current", "is_deleted")
    noon = {day: datetime(day.year, day.month, day.day, 12) for day in (_ONE, _TWO, _THREE, _FOUR)}
    found = [tuple(row[name] for name in names) for row in lake.rows("dim_movie_history")]
    assert sorted(found, key=lambda row: (row[0], row[2])) == [
        (1, None, noon[_ONE], noon[_THREE], False, False),
        (1, "new", noon[_THREE], noon[_FOUR], False, False),
        (1, None, noon[_FOUR], None, True, False),
        (1 + _SHARED, None, noon[_ONE], _LEFT_OUT_AT, False, True),
    ]


def test_nothing_holds_now_of_a_title_that_became_adult_or_is_filtered(lake_of: LakeOf) -> None:
    days = [
        _movie(1, _ONE, title="A", adult=False),
        _movie(1, _TWO, title="B", adult=True),
        _movie(2, _ONE, title="A", adult=False),
        _movie(3, _ONE, title="A", adult=True),
        _movie(3, _TWO, title="A", adult=False),
    ]
    offers = [_offer(movie_id, day, 8) for movie_id, day in ((1, _ONE), (1, _TWO), (2, _ONE), (3, _ONE), (3, _TWO))]
    records = [_record("movie", 1, "landed"), _record("movie", 2, "filtered"), _record("movie", 3, "landed")]
    out = _outcomes(days, _out(2, _LEFT_OUT_AT, "filtered"))
    lake = lake_of(movie_daily=days, movie_offer_daily=offers, record=records, **out)
    one, two = (datetime(day.year, day.month, day.day, 12) for day in (_ONE, _TWO))
    names = ("movie_id", "valid_from", "valid_to", "is_current", "is_deleted")
    assert sorted(tuple(row[name] for name in names) for row in lake.rows("dim_movie_history")) == [
        (1, one, two, False, False),
        (2, one, _LEFT_OUT_AT, False, False),
        (3, two, None, True, False),
    ]
    shown = ("title_id", "first_seen", "last_seen", "is_current")
    assert sorted(tuple(row[name] for name in shown) for row in lake.rows("fact_watch_availability")) == [
        (1, _ONE, _ONE, False),
        (2, _ONE, _ONE, False),
        (3, _TWO, _TWO, True),
    ]


@pytest.mark.parametrize(
    ("answers", "state", "intervals"),
    [
        # TMDB says so again and again.
        ("1 gone gone gone", "gone", [(0, 1, False, True)]),
        # It comes back, the same and another.
        ("1 gone gone 1", "landed", [(0, 1, False, False), (3, None, True, False)]),
        ("1 gone gone 2", "landed", [(0, 1, False, False), (3, None, True, False)]),
        ("1 gone gone 1 gone", "gone", [(0, 1, False, False), (3, 4, False, True)]),
        # On one day alone it may have been an outage.
        ("1 gone 1 2", "landed", [(0, 3, False, False), (3, None, True, False)]),
        ("1 gone", "gone", [(0, 1, False, True)]),
        # An export lists it still.
        ("1 1 gone", "landed", [(0, None, True, False)]),
        ("1 1 gone gone", "landed", [(0, None, True, False)]),
        ("1 filtered 1", "landed", [(0, 1, False, False), (2, None, True, False)]),
        ("1 filtered gone", "gone", [(0, 1, False, True)]),
        ("gone gone 1", "landed", [(2, None, True, False)]),
    ],
)
def test_an_interval_ends_with_the_first_answer_that_left_the_title_out(
    lake_of: LakeOf, answers: str, state: str, intervals: list[tuple[int, int | None, bool, bool]]
) -> None:
    """*answers* of one day after another; *intervals* by their places, whether they are current and deleted."""
    days = [date(2026, 11, 1 + place) for place in range(len(answers.split()))]
    noon = [datetime(day.year, day.month, day.day, 12) for day in days]
    named = list(zip(answers.split(), days, noon, strict=True))
    movies = [_movie(1, day, title=answer) for answer, day, _ in named if answer.isdigit()]
    out = [
        _out(1, at + timedelta(hours=more), answer) for answer, _, at in named if answer.isalpha() for more in (0, 3)
    ]
    shown = max(at for answer, _, at in named if (answer.isdigit() if state == "landed" else answer == state))
    record = {"entity": "movie", "id": 1, "state": state, "fetched_at": shown}
    others = {"movie_daily": [*movies, _movie(1 + _SHARED, _ONE)], "record": [record, {**record, "id": 1 + _SHARED}]}
    lake = lake_of(**others, **_outcomes(movies, *out))
    names = ("valid_from", "valid_to", "is_current", "is_deleted")
    rows = [tuple(row[name] for name in names) for row in lake.rows("dim_movie_history") if row["movie_id"] == 1]
    assert sorted(rows) == [
        (noon[first], None if last is None else noon[last], *rest) for first, last, *rest in intervals
    ]


@pytest.mark.parametrize("state", ["gone", "filtered"])
def test_a_title_that_is_shown_between_two_answers_of_a_day_that_leave_it_out_is_left_out(
    lake_of: LakeOf, state: str
) -> None:
    out = [_out(1, datetime(2026, 11, 21, hour), state) for hour in (9, 15, 18)]
    record = {"entity": "movie", "id": 1, "state": state, "fetched_at": out[-1]["fetched_at"]}
    days, offers = [_movie(1, _TWO)], [_offer(1, _TWO, 8)]
    lake = lake_of(movie_daily=days, movie_offer_daily=offers, record=[record], **_outcomes(days, *out))
    (row,) = lake.rows("dim_movie_history")
    found = (row["valid_from"], row["valid_to"], row["is_current"], row["is_deleted"])
    assert found == (days[0]["fetched_at"], out[1]["fetched_at"], False, state == "gone")
    assert [row["is_current"] for row in lake.rows("fact_watch_availability")] == [False]


@pytest.mark.parametrize(
    ("left_out_at", "newest", "interval"),
    [
        # A CDN's answers have its time: the filter refused the answer that it accepted afterwards.
        (12, "landed", (12, None, True)),
        # Or an answer that came later is older.
        (11, "filtered", (12, 12, False)),
        (12, "filtered", (12, 12, False)),
    ],
)
def test_times_do_not_say_which_answer_came_later(
    lake_of: LakeOf, left_out_at: int, newest: str, interval: tuple[int, int | None, bool]
) -> None:
    out = _out(1, datetime(2026, 11, 21, left_out_at), "filtered")
    days, offers = [_movie(1, _TWO)], [_offer(1, _TWO, 8)]
    shown = {"id": 1, "fetched_at": days[0]["fetched_at"], "state": "landed"}
    answers = [out, shown] if newest == "landed" else [shown, out]
    record = {"entity": "movie", "id": 1, "state": newest, "fetched_at": answers[-1]["fetched_at"]}
    lake = lake_of(movie_daily=days, movie_offer_daily=offers, record=[record], **_staging(answers))
    (row,) = lake.rows("dim_movie_history")
    assert (row["valid_from"].hour, row["valid_to"] and row["valid_to"].hour, row["is_current"]) == interval
    assert [row["is_current"] for row in lake.rows("fact_watch_availability")] == [interval[2]]


def test_intervals_neither_overlap_nor_last_where_times_contradict_the_order_of_answers(lake_of: LakeOf) -> None:
    at = datetime(2026, 11, 21, 0, 40)
    before = at - timedelta(hours=1, minutes=30)
    days = [
        # The answer that came last is older, by midnight; then the title is removed.
        *({**_movie(1, time.date()), "fetched_at": time} for time in (before, at)),
        # Filtered and shown again, by an older answer.
        *({**_movie(2, time.date()), "fetched_at": time} for time in (before, at)),
        # Shown again by an answer that is older than the one before.
        *({**_movie(3, time.date()), "fetched_at": time} for time in (before, at)),
    ]
    answers = [
        {"id": 1, "fetched_at": at, "state": "landed"},
        {"id": 1, "fetched_at": before, "state": "landed"},
        *(_out(1, at + timedelta(days=day)) for day in (1, 2)),
        {"id": 2, "fetched_at": before, "state": "landed"},
        _out(2, at + timedelta(minutes=20), "filtered"),
        {"id": 2, "fetched_at": at, "state": "landed"},
        {"id": 3, "fetched_at": at, "state": "landed"},
        _out(3, at, "filtered"),
        {"id": 3, "fetched_at": before, "state": "landed"},
    ]
    records = [_record("movie", 1, "gone"), _record("movie", 2, "landed"), _record("movie", 3, "landed")]
    offers = [_offer(row["movie_id"], row["day"], 8) for row in days]
    lake = lake_of(movie_daily=days, movie_offer_daily=offers, record=records, **_staging(answers))
    names = ("movie_id", "valid_from", "valid_to", "is_current", "is_deleted")
    assert sorted(tuple(row[name] for name in names) for row in lake.rows("dim_movie_history")) == [
        (1, before, at + timedelta(days=1), False, True),
        (2, before, at, False, False),
        (2, at, None, True, False),
        (3, before, None, True, False),
    ]
    offered = {row["title_id"]: row["is_current"] for row in lake.rows("fact_watch_availability") if row["is_current"]}
    assert offered == {2: True, 3: True}
