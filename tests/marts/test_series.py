"""Marts of series, and dimensions that movies and series share."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reelhouse.marts import Measures, marts_with
from reelhouse.tables.popularity import popularity
from reelhouse.tables.schemas import schema_of
from tests.marts.conftest import LakeOf

SERIES: dict[str, list[dict[str, Any]]] = {
    "tv": [
        {
            "tv_id": 1,
            "name": "One",
            "original_language": "pt",
            "first_air_date": date(2001, 3, 1),
            "last_air_date": date(2001, 3, 31),
            "number_of_seasons": 1,
            "number_of_episodes": 2,
            "vote_average": 8.0,
            "vote_count": 300,
            "adult": False,
        },
        {"tv_id": 2, "name": "Adult", "vote_average": 1.0, "vote_count": 900, "adult": True},
        {"tv_id": 3, "name": "Bare", "vote_count": 0},
    ],
    "tv_genre": [
        {"tv_id": 1, "position": 0, "genre_id": 18, "name": "Drama"},
        {"tv_id": 1, "position": 1, "genre_id": 10762, "name": "Kids"},
        {"tv_id": 2, "position": 0, "genre_id": 99, "name": "Hidden"},
    ],
    "tv_network": [{"tv_id": 1, "position": 0, "network_id": 7, "name": "RTP", "origin_country": "PT"}],
    "tv_cast": [
        {"tv_id": 1, "credit_id": "a", "person_id": 5, "name": "Ana"},
        {"tv_id": 1, "credit_id": "b", "person_id": None},
    ],
    "tv_crew": [{"tv_id": 1, "credit_id": "c", "person_id": 6, "name": "Rui"}],
    "season": [
        {"tv_id": 1, "season_number": 0, "season_id": 70},
        {"tv_id": 1, "season_number": 1, "season_id": 71, "air_date": date(2001, 3, 1)},
        {"tv_id": 2, "season_number": 1, "season_id": 72},
    ],
    "episode": [
        {
            "tv_id": 1,
            "season_number": 1,
            "episode_number": 185_472_180_051,
            "episode_id": 11,
            "air_date": date(2002, 5, 4),
            "runtime": 50,
            "vote_average": 7.0,
            "vote_count": 3,
        },
        {"tv_id": 1, "season_number": 1, "episode_number": 2, "episode_id": 12, "vote_average": 0.0, "vote_count": 0},
        {"tv_id": 2, "season_number": 1, "episode_number": 1, "episode_id": 13},
    ],
    "episode_guest_star": [{"episode_id": 11, "tv_id": 1, "season_number": 1, "position": place} for place in range(3)],
    "episode_crew": [{"episode_id": 11, "tv_id": 1, "season_number": 1, "position": 0}],
    "tv_content_rating": [{"tv_id": 1, "position": 0, "iso_3166_1": "DE", "rating": "16"}],
    "tv_language": [{"tv_id": 1, "position": 0, "iso_639_1": "gl"}],
}
MOVIES: dict[str, list[dict[str, Any]]] = {
    "movie": [{"movie_id": 1, "title": "One", "release_date": date(1999, 1, 1)}],
    "movie_genre": [
        {"movie_id": 1, "position": 0, "genre_id": 18, "name": "Drama"},
        {"movie_id": 1, "position": 1, "genre_id": 37, "name": "Western"},
    ],
    "movie_cast": [{"movie_id": 1, "position": 0, "credit_id": "m", "person_id": 5, "name": "Ana"}],
}
OF_SERIES = marts_with(Measures(), ("tv",))
OF_BOTH = marts_with(Measures(), ("movie", "tv"))


def test_every_mart_of_series_yields_the_columns_and_types_it_declares(lake_of: LakeOf) -> None:
    lake = lake_of(marts=OF_SERIES, **SERIES)
    for mart in OF_SERIES:
        found = lake.frame(mart.name).schema
        wanted = schema_of(mart.columns)
        assert [(one.name, one.dataType) for one in found] == [(one.name, one.dataType) for one in wanted], mart.name


def test_a_lake_without_movies_has_no_marts_of_movies_and_the_other_way_round() -> None:
    names = {kind: {mart.name for mart in marts_with(Measures(), (kind,))} for kind in ("movie", "tv")}
    assert {one for one in names["tv"] if "movie" in one} | (names["tv"] & {"fact_credit", "dim_collection"}) == set()
    assert {one for one in names["movie"] if "tv" in one or "episode" in one or "network" in one} == set()
    assert {mart.name for mart in OF_BOTH} == names["movie"] | names["tv"]
    assert marts_with(Measures(), ("language",)) == ()


def test_facts_of_series_and_episodes(lake_of: LakeOf) -> None:
    lake = lake_of(marts=OF_SERIES, **SERIES)
    found = lake.by("fact_tv", "tv_id")
    assert found.keys() == {1, 3}
    one = found[1]
    assert (one["days_on_air"], one["cast_size"], one["crew_size"], one["votes"]) == (30, 2, 1, 300)
    assert one["weighted_rating"] == pytest.approx(8.0)
    assert found[3]["weighted_rating"] == pytest.approx(8.0)
    episodes = lake.by("fact_episode", "episode_id")
    assert episodes.keys() == {11, 12}
    assert (episodes[11]["guest_star_count"], episodes[11]["crew_size"], episodes[11]["vote_average"]) == (3, 1, 7.0)
    assert (episodes[12]["guest_star_count"], episodes[12]["crew_size"], episodes[12]["vote_average"]) == (0, 0, None)
    assert lake.by("dim_episode", "episode_id")[11]["episode_number"] == 185_472_180_051
    assert {row["season_id"] for row in lake.rows("dim_season")} == {70, 71}


def test_an_episode_that_two_seasons_list_is_where_it_comes_first(lake_of: LakeOf) -> None:
    places = [(2, 1), (1, 2), (1, 1), (3, 1)]
    rows = [
        {"tv_id": tv_id, "season_number": season, "episode_number": 1, "episode_id": 100} for tv_id, season in places
    ]
    guests = [
        {"episode_id": 100, "tv_id": 1, "season_number": season, "position": place}
        for season, count in ((1, 2), (2, 5))
        for place in range(count)
    ]
    lake = lake_of(marts=OF_SERIES, **{**SERIES, "episode": rows, "episode_guest_star": guests})
    [fact], [episode] = lake.rows("fact_episode"), lake.rows("dim_episode")
    assert (fact["tv_id"], fact["season_number"], fact["guest_star_count"]) == (1, 1, 2)
    assert (episode["tv_id"], episode["season_number"]) == (1, 1)


def test_a_credit_of_a_series_is_a_role_or_a_job_with_its_episodes(lake_of: LakeOf) -> None:
    of_one = {"tv_id": 1, "person_id": 5, "name": "Ana", "total_episode_count": 3}
    lake = lake_of(
        marts=OF_SERIES,
        tv=SERIES["tv"],
        tv_cast=[
            {**of_one, "credit_id": "a", "character": "Twin", "order": 4, "episode_count": 2},
            {**of_one, "credit_id": "b", "character": "Other twin", "order": 4, "episode_count": 1},
            {"tv_id": 2, "credit_id": "c", "person_id": 5},
        ],
        tv_crew=[{"tv_id": 3, "credit_id": "d", "department": "Sound", "job": "Foley", "episode_count": 9}],
    )
    nothing = dict.fromkeys(("person_id", "first_air_date_key", "department", "job", "character", "billing"))
    role = {**nothing, "tv_id": 1, "person_id": 5, "first_air_date_key": 20010301, "credit_type": "cast", "billing": 4}
    # The second series is for adults.
    assert lake.by("fact_tv_credit", "credit_id") == {
        "a": {**role, "credit_id": "a", "character": "Twin", "episode_count": 2},
        "b": {**role, "credit_id": "b", "character": "Other twin", "episode_count": 1},
        "d": {**nothing, "credit_id": "d", "tv_id": 3, "credit_type": "crew", "department": "Sound", "job": "Foley",
              "episode_count": 9},
    }  # fmt: skip


# The first 29 are those of the CSV of series that notebooks read.
FLAT = (
    "id, name, number_of_seasons, number_of_episodes, original_language, vote_count, vote_average, overview, adult, "
    "backdrop_path, first_air_date, last_air_date, homepage, in_production, original_name, popularity, poster_path, "
    "type, status, tagline, genres, created_by, languages, networks, origin_country, spoken_languages, "
    "production_companies, production_countries, episode_run_time, keywords, imdb_id, tvdb_id"
)


def test_tv_flat_is_one_row_a_series_with_lists_as_texts(lake_of: LakeOf) -> None:
    def rows(column: str, *values: str | None) -> list[dict[str, Any]]:
        placed = [{"tv_id": 1, "position": place, column: value} for place, value in enumerate(values)]
        return placed[1:] + placed[:1]

    of_one = {
        "overview": "Plot", "backdrop_path": "/b.jpg", "homepage": "https://one.example", "in_production": True,
        "original_name": "Um", "popularity": 1.5, "poster_path": "/p.jpg", "type": "Scripted", "status": "Ended",
        "tagline": "Line", "episode_run_time": "50, 45",
    }  # fmt: skip
    series = {**SERIES["tv"][0], **of_one}
    ids = {"imdb_id": "tt0000001", "tvdb_id": "81189", "wikidata_id": "Q1"}
    lake = lake_of(
        marts=OF_SERIES,
        tv=[series, *SERIES["tv"][1:]],
        tv_genre=rows("name", "War", "Action", None, "Drama"),
        tv_created_by=rows("name", "Rui", "Ana"),
        tv_language=rows("iso_639_1", "pt", "gl"),
        tv_network=rows("name", "RTP", "ARD"),
        tv_origin_country=rows("iso_3166_1", "PT", "DE"),
        tv_spoken_language=rows("english_name", "Portuguese", "Galician"),
        tv_production_company=rows("name", "Z, Inc.", "A"),
        tv_production_country=rows("name", "Portugal", "Germany"),
        tv_keyword=rows("name", "sea", "island"),
        tv_external_id=[{"tv_id": 1, "source": source, "external_id": id_} for source, id_ in ids.items()],
    )
    names = lake.frame("tv_flat").columns
    assert ", ".join(names) == FLAT
    found = lake.by("tv_flat", "id")
    assert found.keys() == {1, 3}
    assert found[1] == {
        **{name: value for name, value in series.items() if name != "tv_id"},
        "id": 1, "genres": "War, Action, Drama", "created_by": "Rui, Ana", "languages": "pt, gl",
        "networks": "RTP, ARD", "origin_country": "PT, DE", "spoken_languages": "Portuguese, Galician",
        "production_companies": "Z, Inc., A", "production_countries": "Portugal, Germany", "keywords": "sea, island",
        "imdb_id": "tt0000001", "tvdb_id": "81189",
    }  # fmt: skip
    assert found[3] == {**dict.fromkeys(names), "id": 3, "name": "Bare", "vote_count": 0}


def test_weights_add_up_to_one_over_each_series(lake_of: LakeOf) -> None:
    rows = lake_of(marts=OF_SERIES, **SERIES).rows("bridge_tv_genre")
    assert sorted((row["tv_id"], row["genre_id"], row["weight"]) for row in rows) == [(1, 18, 0.5), (1, 10762, 0.5)]


@pytest.mark.parametrize(
    ("marts", "tables", "genres", "people"),
    [
        (OF_SERIES, SERIES, {18, 10762}, {5, 6}),
        (OF_BOTH, {**SERIES, **MOVIES}, {18, 37, 10762}, {5, 6}),
        (OF_BOTH, MOVIES, {18, 37}, {5}),
    ],
)
def test_shared_dimensions_have_what_titles_of_each_kind_refer_to(
    lake_of: LakeOf, marts: Any, tables: dict[str, Any], genres: set[int], people: set[int]
) -> None:
    lake = lake_of(marts=marts, **tables)
    assert lake.by("dim_genre", "genre_id").keys() == genres
    assert lake.by("dim_person", "person_id").keys() == people


def test_countries_languages_and_days_of_series_are_in_their_dimensions(lake_of: LakeOf) -> None:
    lake = lake_of(marts=OF_BOTH, **SERIES, **MOVIES)
    assert lake.by("dim_country", "iso_3166_1").keys() == {"PT", "DE"}
    assert lake.by("dim_language", "iso_639_1").keys() == {"pt", "gl"}
    days = lake.by("dim_date", "date_key")
    assert (min(days), max(days)) == (19990101, 20020504)


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ('{"adult":false,"id":3924,"original_title":"Blondie","popularity":1.8,"video":false}', "Blondie"),
        ('{"id":3924,"original_name":"Pride","popularity":3.8}', "Pride"),
        ('{"adult":false,"id":3924,"name":"Aki","popularity":2.4}', "Aki"),
        ('{"id":3924,"name":""}', None),
    ],
)
def test_an_export_of_any_kind_has_popularity_and_title(spark: SparkSession, line: str, title: str | None) -> None:
    lines = spark.createDataFrame([(line,)], "value string")
    (row,) = popularity(lines, kind="tv", day="2026-11-23", fetched_at="2026-11-23T08:00:00Z").collect()
    assert (row["id"], row["original_title"], row["popularity"] is None) == (3924, title, title is None)
