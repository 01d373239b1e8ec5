"""The measures of `fact_movie`, against values worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from reelhouse.marts import Measures, marts_with
from tests.marts.conftest import LakeOf
from tests.marts.lake import Row


def _rated(movie_id: int, mean: float | None, votes: int | None) -> Row:
    return {"movie_id": movie_id, "vote_average": mean, "vote_count": votes}


def test_profit_and_roi_need_budget_and_revenue(lake_of: LakeOf) -> None:
    movies = [
        {"movie_id": 1, "budget": 100, "revenue": 250},
        {"movie_id": 2, "budget": 100},
        {"movie_id": 3, "revenue": 250},
        {"movie_id": 4},
        {"movie_id": 5, "budget": 200, "revenue": 50},
        {"movie_id": 6, "budget": 1, "revenue": 2_923_706_026},
    ]
    found = lake_of(movie=movies).by("fact_movie", "movie_id")
    assert {key: (row["profit_usd"], row["roi"]) for key, row in found.items()} == {
        1: (150, 1.5),
        2: (None, None),
        3: (None, None),
        4: (None, None),
        5: (-150, -0.75),
        6: (2_923_706_025, 2_923_706_025.0),
    }
    assert (found[2]["budget_usd"], found[2]["revenue_usd"]) == (100, None)


def test_a_budget_that_is_not_positive_stops_nothing_and_has_no_roi(lake_of: LakeOf) -> None:
    found = lake_of(movie=[{"movie_id": 1, "budget": 0, "revenue": 5}]).rows("fact_movie")
    assert found[0]["roi"] is None


def test_weighted_rating_draws_few_votes_to_the_mean_of_titles_with_votes(lake_of: LakeOf) -> None:
    # C = (8 + 6) / 2 = 7: the title without votes does not count.
    movies = [_rated(1, 8.0, 100), _rated(2, 6.0, 300), _rated(3, 0.0, 0), _rated(4, None, None)]
    found = lake_of(movie=movies, marts=marts_with(Measures(rating_votes=100))).by("fact_movie", "movie_id")
    assert found[1]["weighted_rating"] == pytest.approx(0.5 * 8 + 0.5 * 7)
    assert found[2]["weighted_rating"] == pytest.approx(0.75 * 6 + 0.25 * 7)
    assert found[3]["weighted_rating"] == pytest.approx(7.0)
    assert found[4]["weighted_rating"] is None


# As doubles, 0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1. The thirds differ as doubles of millionths, too.
@pytest.mark.parametrize(("means", "mean_of_all"), [((0.1, 0.2, 0.3), 0.2), ((1 / 3, 2 / 3, 5 / 9, 1 / 7), 0.42460325)])
def test_the_mean_of_all_is_the_same_to_the_last_bit_in_whatever_order_titles_come(
    lake_of: LakeOf, means: tuple[float, ...], mean_of_all: float
) -> None:
    for order in (means, means[::-1]):
        movies = [_rated(0, 0.0, 0), *(_rated(id_, mean, 1) for id_, mean in enumerate(order, 1))]
        assert lake_of(movie=movies).by("fact_movie", "movie_id")[0]["weighted_rating"] == mean_of_all


def test_a_mean_that_no_votes_can_have_moves_no_other_title(lake_of: LakeOf) -> None:
    movies = [_rated(1, 8.0, 100), _rated(2, 1e300, 100), _rated(3, -1e300, 100)]
    assert lake_of(movie=movies).by("fact_movie", "movie_id")[1]["weighted_rating"] == 8.0


def test_without_any_votes_there_is_no_rating(lake_of: LakeOf) -> None:
    for votes in (300, 0):
        lake = lake_of(movie=[_rated(1, 0.0, 0)], marts=marts_with(Measures(rating_votes=votes)))
        row = lake.rows("fact_movie")[0]
        assert (row["vote_average"], row["votes"], row["weighted_rating"]) == (None, 0, None)


def test_an_adult_title_moves_no_mean_unless_it_is_let_in(lake_of: LakeOf) -> None:
    movies = [_rated(1, 8.0, 100), {**_rated(2, 2.0, 100), "adult": True}]
    without = lake_of(movie=movies, marts=marts_with(Measures(rating_votes=100))).by("fact_movie", "movie_id")
    with_it = lake_of(movie=movies, marts=marts_with(Measures(rating_votes=100, adult_titles=True)))
    assert without[1]["weighted_rating"] == pytest.approx(8.0)
    assert with_it.by("fact_movie", "movie_id")[1]["weighted_rating"] == pytest.approx(0.5 * 8 + 0.5 * 5)


def test_sizes_count_credits_and_are_zero_where_there_are_none(lake_of: LakeOf) -> None:
    crew = [
        {"movie_id": 1, "position": 0, "person_id": 7, "job": "Director"},
        {"movie_id": 1, "position": 1, "person_id": 8, "job": "Director"},
        {"movie_id": 1, "position": 2, "person_id": 7, "job": "Writer"},
        {"movie_id": 1, "position": 3, "job": None},
    ]
    cast = [{"movie_id": 1, "position": 0, "person_id": 9}, {"movie_id": 1, "position": 1}]
    found = lake_of(movie=[{"movie_id": 1}, {"movie_id": 2}], movie_cast=cast, movie_crew=crew).by(
        "fact_movie", "movie_id"
    )
    sizes = {key: (row["cast_size"], row["crew_size"], row["director_count"]) for key, row in found.items()}
    assert sizes == {1: (2, 4, 2), 2: (0, 0, 0)}


def test_days_from_theatre_to_digital_run_from_first_to_first(lake_of: LakeOf) -> None:
    def release(movie_id: int, kind: int, day: date, position: int = 0, country: str = "US") -> Row:
        return {
            "movie_id": movie_id, "iso_3166_1": country, "position": position, "type": kind, "release_date": day
        }  # fmt: skip

    releases = [
        release(1, 1, date(2024, 1, 1), 0),  # a premiere is not a theatre
        release(1, 3, date(2024, 2, 1), 1),
        release(1, 2, date(2024, 1, 31), 0, "FR"),
        release(1, 4, date(2024, 3, 1), 2),
        release(1, 4, date(2024, 6, 1), 1, "FR"),
        release(2, 4, date(2024, 1, 1), 0),
        release(2, 3, date(2024, 1, 11), 1),
        release(3, 3, date(2024, 1, 11)),
        release(4, 4, date(2024, 1, 11)),
        release(5, 1, date(2024, 1, 1), 0),
        release(5, 4, date(2024, 1, 11), 1),
    ]
    lake = lake_of(movie=[{"movie_id": each} for each in range(1, 7)], movie_release_date=releases)
    days = {key: row["days_theatre_to_digital"] for key, row in lake.by("fact_movie", "movie_id").items()}
    assert days == {1: 30, 2: -10, 3: None, 4: None, 5: None, 6: None}
