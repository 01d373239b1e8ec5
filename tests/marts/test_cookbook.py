"""The questions of docs/cookbook.md, each run as it is written, on one small lake."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reelhouse.marts import MARTS, REGISTRY
from reelhouse.serve.queries import checked_query
from tests.marts.lake import MONDAY, Lake, Row
from tests.marts.test_series import SERIES

COOKBOOK = (Path(__file__).resolve().parents[2] / "docs/cookbook.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^### (\d+\. .+?)\n.*?^```sql\n(.*?)^```", COOKBOOK, re.MULTILINE | re.DOTALL))
USED = set(re.findall(r"\b(?:from|join) (\w+)", " ".join(QUESTIONS.values()))) & REGISTRY.names


def _movie(id_: int) -> dict[str, list[Row]]:
    """What six movies have alike: one director, two actors, one genre, country, language and provider."""
    of: Row = {"movie_id": id_, "position": 0}
    premiere = date(1990 + 4 * id_, 1 + id_, 3)
    return {
        "movie": [
            {
                "movie_id": id_, "title": f"Movie {id_}", "original_language": "en", "release_date": premiere,
                "budget": 10**id_ * 5, "revenue": 10**id_ * (3 + 2 * id_), "runtime": 60 + 20 * id_,
                "vote_average": 6.5 + id_ / 5, "vote_count": 40 * id_, "popularity": id_ / 2,
                "collection_id": 9 if id_ > 4 else None, "collection_name": "Nine",
            }
        ],
        "movie_genre": [{**of, "genre_id": 18, "name": "Drama"}],
        "movie_production_company": [{**of, "company_id": 5, "name": "Five", "origin_country": "US"}],
        "movie_production_country": [{**of, "iso_3166_1": "US", "name": "United States of America"}],
        "movie_spoken_language": [{**of, "iso_639_1": "en", "english_name": "English", "name": "English"}],
        "movie_cast": [
            {**of, "credit_id": f"a{id_}{who}", "person_id": who, "name": f"P{who}", "order": who, "gender": 1}
            for who in (1, 2)
        ],
        "movie_crew": [
            {**of, "credit_id": f"b{id_}", "person_id": 3, "name": "P3", "job": "Director", "department": "Directing"}
        ],
        "movie_release_date": [
            {**of, "iso_3166_1": "US", "type": 3, "release_date": premiere, "certification": "R"},
            {**of, "position": 1, "iso_3166_1": "US", "type": 4, "release_date": date(2026, 1, 1)},
        ],
        "watch_provider_offer": [
            {**of, "iso_3166_1": "US", "monetization_type": "flatrate", "provider_id": 8, "provider_name": "W"}
        ],
        "popularity_daily": [
            {"kind": "movie", "id": id_, "day": date(2026, 11, day), "popularity": id_ * day / 2} for day in (1, 20)
        ],
        "record": [{"entity": "movie", "id": id_, "state": "landed"}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def session(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """A session that sees the tables and marts of the questions by their names."""
    tables: dict[str, list[Any]] = {name: list(rows) for name, rows in SERIES.items()}
    for movie in map(_movie, range(1, 7)):
        for name, rows in movie.items():
            tables.setdefault(name, []).extend(rows)
    # A flop.
    tables["movie"].append({"movie_id": 7, "title": "Flop", "budget": 100, "revenue": 1, "fetched_at": MONDAY})
    lake = Lake(spark, tables)
    marts = {mart.name for mart in MARTS}
    folder = tmp_path_factory.mktemp("cookbook")
    for name in sorted(USED):
        frame = lake.frame(name)
        if name in marts:
            # As in a lake, so that a question does not compute marts again.
            frame.write.parquet(f"{folder}/{name}")
            frame = spark.read.parquet(f"{folder}/{name}")
        frame.createOrReplaceTempView(name)
    return spark


def test_there_are_thirty_questions() -> None:
    assert [int(name.partition(".")[0]) for name in QUESTIONS] == list(range(1, 31))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_of_the_cookbook_has_an_answer(session: SparkSession, name: str) -> None:
    checked = checked_query(QUESTIONS[name], dict.fromkeys(REGISTRY.names, "tables"))
    assert session.sql(checked.text).collect()
