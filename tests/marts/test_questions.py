"""The demo's questions, on a catalogue small enough to answer by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reelhouse.marts import MARTS
from reelhouse.marts.example_queries import QUESTIONS
from tests.marts.lake import Lake, Row

QUERIES = {question.name: question.query for question in QUESTIONS}


@pytest.fixture(scope="module")
def answers(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    movies: list[Row] = [
        {"movie_id": each, "release_date": date(1990 + 2 * each, 5, 1), "budget": 10_000_000, "revenue": 30_000_000,
         "vote_average": 8.0, "vote_count": 100}
        for each in range(6)
    ]  # fmt: skip
    movies.append({"movie_id": 6, "release_date": date(2000, 1, 1), "vote_average": 0.0, "vote_count": 0})
    genres: list[Row] = [{"movie_id": each, "position": 0, "genre_id": 1, "name": "Drama"} for each in range(6)]
    genres.append({"movie_id": 0, "position": 1, "genre_id": 2, "name": "Rare"})
    directed = {70: (0, 1, 2), 80: (3, 4), 90: (3, 4, 6)}
    crew: list[Row] = [
        {"movie_id": movie, "position": person + again, "person_id": person, "name": f"P{person}", "job": "Director"}
        for person, titles in directed.items()
        for movie in titles
        for again in (0, 1)
    ]
    tables = {"movie": movies, "movie_genre": genres, "movie_crew": crew}
    lake = Lake(spark, tables)
    # Marts lie on disk when they are asked, so they do here.
    marts = tmp_path_factory.mktemp("marts")
    for name in (mart.name for mart in MARTS if f" {mart.name} " in " ".join(QUERIES.values())):
        lake.frame(name).write.parquet(f"{marts}/{name}")
        spark.read.parquet(f"{marts}/{name}").createOrReplaceTempView(name)
    return {name: [row.asDict() for row in spark.sql(query).collect()] for name, query in QUERIES.items()}


def _plain(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows]


def test_roi_by_genre_shares_money_out_and_leaves_rare_genres_out(answers: dict[str, list[Row]]) -> None:
    # Half of one of the six movies falls to the rare genre.
    assert _plain(answers["roi_by_genre"]) == [("Drama", 6, 55.0, 165.0, 180.0, 2.0)]


def test_best_directors_have_three_films_with_votes(answers: dict[str, list[Row]]) -> None:
    assert _plain(answers["best_directors"]) == [("P70", 3, 8.0, 300)]


def test_releases_by_decade_count_known_money(answers: dict[str, list[Row]]) -> None:
    rows = [tuple(map(float, row)) for row in _plain(answers["releases_by_decade"])]
    assert rows == [(2000, 2, 1, 1, 50.0, 30.0), (1990, 5, 5, 5, 100.0, 150.0)]
