"""The shape of the star: keys, weights, names, calendar, and which titles are in it."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import STAGING, ColumnSpec, Table, key_of
from reelhouse.marts import MARTS, REGISTRY, Measures, marts_with
from reelhouse.serve.references import references
from reelhouse.tables.registry import input_of
from tests.marts.conftest import LakeOf
from tests.marts.lake import EARLIER, MONDAY, Lake, Row

BRIDGES = {
    "bridge_movie_genre": ("movie_genre", "genre_id"),
    "bridge_movie_company": ("movie_production_company", "company_id"),
    "bridge_movie_country": ("movie_production_country", "iso_3166_1"),
    "bridge_movie_language": ("movie_spoken_language", "iso_639_1"),
    "bridge_movie_keyword": ("movie_keyword", "keyword_id"),
}


def world(movie_id: int, **movie: Any) -> dict[str, list[Row]]:
    """One movie with something in every table that marts read; its ids are made of its own."""
    of_movie: Row = {"movie_id": movie_id, "position": 0}
    code = f"{movie_id:02}"
    return {
        "movie": [
            {
                "movie_id": movie_id, "original_language": code, "release_date": date(2000, 1, 1),
                "collection_id": movie_id, "collection_name": "C", **movie,
            }
        ],
        "movie_genre": [{**of_movie, "genre_id": movie_id, "name": "G"}],
        "movie_production_company": [{**of_movie, "company_id": movie_id, "name": "P", "origin_country": code}],
        "movie_production_country": [{**of_movie, "iso_3166_1": code, "name": "L"}],
        "movie_origin_country": [{**of_movie, "iso_3166_1": code}],
        "movie_spoken_language": [{**of_movie, "iso_639_1": code, "english_name": "E", "name": "N"}],
        "movie_keyword": [{**of_movie, "keyword_id": movie_id, "name": "K"}],
        "movie_cast": [{**of_movie, "credit_id": f"a{movie_id}", "person_id": movie_id, "name": "A"}],
        "movie_crew": [
            {
                **of_movie, "credit_id": f"b{movie_id}", "person_id": movie_id + 50, "name": "B",
                "department": f"D{movie_id}", "job": "J",
            }
        ],
        "movie_release_date": [
            {
                **of_movie, "iso_3166_1": code, "type": 3, "release_date": date(2000, 1, 1 + movie_id),
                "certification": "R",
            }
        ],
        "watch_provider_offer": [
            {
                **of_movie, "iso_3166_1": code, "monetization_type": "rent", "provider_id": movie_id,
                "provider_name": "W",
            }
        ],
        "movie_daily": [
            {
                "movie_id": movie_id, "day": date(2026, 11, 23), "title": "T", "adult": movie.get("adult"),
                "includes_offers": True,
            }
        ],
        "movie_offer_daily": [
            {
                **of_movie, "day": date(2026, 11, 23), "iso_3166_1": code, "monetization_type": "rent",
                "provider_id": movie_id,
            }
        ],
    }  # fmt: skip


def together(*worlds: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {name: [row for each in worlds for row in each[name]] for name in worlds[0]}


def test_inputs_are_tables_or_earlier_marts_or_staging() -> None:
    known = {table.name for table in REGISTRY.tables} | {input_of(name, STAGING) for name in ENTITIES}
    for mart in MARTS:
        assert set(mart.inputs) <= known, mart.name
        assert mart.name not in known
        known.add(mart.name)


def test_every_mart_yields_the_columns_and_types_it_declares(lake_of: LakeOf) -> None:
    lake = lake_of(**world(1))
    for mart in MARTS:
        frame = lake.frame(mart.name)
        declared = [(column.name, column.type) for column in mart.columns]
        assert [(each.name, each.dataType.simpleString()) for each in frame.schema.fields] == declared, mart.name
        assert set(mart.key) <= set(mart.column_names)
        assert all(column.about.endswith(".") for column in mart.columns)


def test_every_mart_of_a_lake_without_movies_is_empty(lake_of: LakeOf) -> None:
    lake = lake_of()
    assert [mart.name for mart in MARTS if lake.rows(mart.name)] == []


def test_adult_titles_and_what_only_they_have_stay_out(lake_of: LakeOf) -> None:
    tables = together(world(1, adult=False), world(2, adult=True), world(3))
    lake = lake_of(**tables)
    for mart in REGISTRY.only({"movie"}).marts:
        if mart.name in ("dim_date", "edge_costar"):
            continue
        keys = {str(row[mart.key[0]]) for row in lake.rows(mart.name)}
        # Ids and codes are made of the movie's: 2, 02, a2, b2, and 52 for people.
        assert len(keys) == (4 if mart.name in ("dim_person", "fact_credit") else 2), mart.name
        assert not [key for key in keys if key.endswith("2")], mart.name


def test_adult_titles_come_in_when_asked_for(lake_of: LakeOf) -> None:
    tables = together(world(1), world(2, adult=True))
    lake = lake_of(marts=marts_with(Measures(adult_titles=True)), **tables)
    for name in ("dim_movie", "fact_movie", "movie_flat", "bridge_movie_genre", "dim_genre", "fact_release"):
        assert len(lake.rows(name)) == 2, name


@pytest.mark.parametrize("bridge", BRIDGES)
def test_weights_add_up_to_one_over_each_movie(lake_of: LakeOf, bridge: str) -> None:
    table, key = BRIDGES[bridge]
    value = {"iso_3166_1": "c{}".format, "iso_639_1": "l{}".format}.get(key, int)
    rows: list[Row] = [
        {"movie_id": movie, "position": place, key: value(place)} for movie, n in ((1, 1), (2, 3)) for place in range(n)
    ]
    # One named twice and one without an id take no share of their own.
    rows += [{"movie_id": 2, "position": 3, key: value(0)}, {"movie_id": 2, "position": 4}]
    lake = lake_of(movie=[{"movie_id": each} for each in (1, 2, 3)], **{table: rows})
    weights = defaultdict(list)
    for row in lake.rows(bridge):
        weights[row["movie_id"]].append(row["weight"])
    assert weights == {1: [1.0], 2: [pytest.approx(1 / 3)] * 3}


def test_money_stays_additive_over_a_bridge(lake_of: LakeOf) -> None:
    movies = [{"movie_id": 1, "revenue": 900}, {"movie_id": 2, "revenue": 100}]
    genres = [{"movie_id": 1, "position": each, "genre_id": each} for each in range(3)]
    lake = lake_of(movie=movies, movie_genre=[*genres, {"movie_id": 2, "position": 0, "genre_id": 0}])
    facts = lake.by("fact_movie", "movie_id")
    shares: defaultdict[int, float] = defaultdict(float)
    for row in lake.rows("bridge_movie_genre"):
        shares[row["genre_id"]] += row["weight"] * facts[row["movie_id"]]["revenue_usd"]
    assert shares == {0: pytest.approx(400), 1: pytest.approx(300), 2: pytest.approx(300)}


def _people(lake_of: LakeOf, *named: Row) -> dict[Any, Row]:
    movies = [{"movie_id": each} for each in range(9)]
    cast = [{"movie_id": place, "position": 0, "person_id": 1, **each} for place, each in enumerate(named)]
    return lake_of(movie=movies, movie_cast=cast[::2], movie_crew=cast[1::2]).by("dim_person", "person_id")


def test_a_name_is_that_of_the_newest_answer(lake_of: LakeOf) -> None:
    old, new = {"name": "Aaron", "fetched_at": EARLIER}, {"name": "Zoe", "fetched_at": MONDAY}
    for order in ((old, new), (new, old)):
        assert _people(lake_of, *order)[1]["name"] == "Zoe"


def test_among_equally_new_names_the_smallest_wins(lake_of: LakeOf) -> None:
    for order in (("Zoe", "Mia", "Ann"), ("Ann", "Zoe", "Mia"), ("Mia", "Ann", "Zoe")):
        # Of one day: whichever came last.
        named = ({"name": name, "fetched_at": MONDAY + timedelta(seconds=after)} for after, name in enumerate(order))
        assert _people(lake_of, *named)[1]["name"] == "Ann"


def test_a_newer_answer_without_a_name_hides_none(lake_of: LakeOf) -> None:
    found = _people(lake_of, {"name": "Zoe", "gender": 1, "fetched_at": EARLIER}, {"name": None, "gender": 2})
    assert (found[1]["name"], found[1]["gender"], found[1]["fetched_at"]) == ("Zoe", 1, EARLIER)


def test_a_person_without_any_name_is_still_a_person_and_nobody_is_none(lake_of: LakeOf) -> None:
    found = _people(lake_of, {"name": None}, {"name": "Nobody", "person_id": None})
    assert {key: row["name"] for key, row in found.items()} == {1: None}


def test_a_credit_without_a_person_keeps_its_row(lake_of: LakeOf) -> None:
    lake = lake_of(
        movie=[{"movie_id": 1, "release_date": date(1999, 3, 30)}],
        movie_cast=[{"movie_id": 1, "position": 0, "credit_id": "a", "person_id": 5, "character": "Neo", "order": 3}],
        movie_crew=[{"movie_id": 1, "position": 0, "credit_id": "b", "department": "Sound", "job": "Foley"}],
    )
    of_movie = {"movie_id": 1, "release_date_key": 19990330}
    nothing = dict.fromkeys(("person_id", "department", "job", "character", "billing"))
    assert lake.by("fact_credit", "credit_id") == {
        "a": {**nothing, **of_movie, "credit_id": "a", "credit_type": "cast", "person_id": 5, "character": "Neo",
              "billing": 3},
        "b": {**nothing, **of_movie, "credit_id": "b", "credit_type": "crew", "department": "Sound", "job": "Foley"},
    }  # fmt: skip


def test_a_release_is_a_row_of_country_type_and_date(lake_of: LakeOf) -> None:
    release = {
        "movie_id": 1, "iso_3166_1": "US", "position": 0, "type": 3, "release_date": date(2020, 2, 29),
        "certification": "R",
    }  # fmt: skip
    lake = lake_of(movie=[{"movie_id": 1}], movie_release_date=[release, {**release, "position": 1, "type": 4}])
    found = lake.by("fact_release", "position")
    assert found[0] == {
        "movie_id": 1, "iso_3166_1": "US", "position": 0, "release_type": 3, "release_date": date(2020, 2, 29),
        "release_date_key": 20200229, "certification": "R", "note": None,
    }  # fmt: skip
    assert found[1]["release_type"] == 4


def test_codes_without_a_name_are_in_their_dimension(lake_of: LakeOf) -> None:
    tables = world(1, original_language="xx")
    tables["movie_release_date"][0]["iso_3166_1"] = "FR"
    tables["watch_provider_offer"][0]["iso_3166_1"] = "BR"
    tables["movie_production_company"][0]["origin_country"] = "DE"
    tables["movie_origin_country"][0]["iso_3166_1"] = "JP"
    lake = lake_of(**tables)
    names = {key: row["name"] for key, row in lake.by("dim_country", "iso_3166_1").items()}
    assert names == {"01": "L", "FR": None, "BR": None, "DE": None, "JP": None}
    assert {key: row["name"] for key, row in lake.by("dim_language", "iso_639_1").items()} == {"01": "N", "xx": None}


def test_unknown_dates_and_dates_outside_the_calendar_have_no_key(lake_of: LakeOf) -> None:
    days = {1: date(1869, 12, 31), 2: date(1870, 1, 1), 3: date(2100, 12, 31), 4: date(2101, 1, 1), 5: None}
    lake = lake_of(movie=[{"movie_id": key, "release_date": day} for key, day in days.items()])
    for name in ("dim_movie", "fact_movie"):
        keys = {key: row["release_date_key"] for key, row in lake.by(name, "movie_id").items()}
        assert keys == {1: None, 2: 18700101, 3: 21001231, 4: None, 5: None}
    movie = lake.by("dim_movie", "movie_id")
    assert (movie[2]["release_year"], movie[2]["release_decade"], movie[3]["release_decade"]) == (1870, 1870, 2100)
    assert movie[1]["release_date"] == days[1]


def test_the_calendar_runs_from_the_first_to_the_last_day_used(lake_of: LakeOf) -> None:
    release = {"movie_id": 1, "iso_3166_1": "US", "position": 0, "type": 4, "release_date": date(2024, 3, 2)}
    movies = [{"movie_id": 1, "release_date": date(2024, 2, 27)}, {"movie_id": 2, "release_date": date(9999, 1, 1)}]
    found = lake_of(movie=movies, movie_release_date=[release]).by("dim_date", "date_key")
    assert sorted(found) == [20240227, 20240228, 20240229, 20240301, 20240302]
    assert found[20240229] == {
        "date_key": 20240229, "date": date(2024, 2, 29), "year": 2024, "quarter": 1, "month": 2,
        "month_name": "February", "day": 29, "day_of_year": 60, "weekday": 4, "weekday_name": "Thursday",
        "is_weekend": False, "decade": 2020,
    }  # fmt: skip


# The days that rows of marts refer to: a table, and the column that says the day.
_DATED = [
    ("movie", "release_date"),
    ("movie_release_date", "release_date"),
    ("movie_daily", "day"),
    ("tv", "first_air_date"),
    ("season", "air_date"),
    ("episode", "air_date"),
    ("tv_daily", "day"),
]


@pytest.mark.parametrize(("table", "column"), _DATED)
def test_the_calendar_has_every_day_that_a_mart_refers_to(lake_of: LakeOf, table: str, column: str) -> None:
    tables: dict[str, list[Row]] = {
        "movie": [{"movie_id": 1}],
        "movie_release_date": [{"movie_id": 1, "iso_3166_1": "US", "position": 0}],
        "movie_cast": [{"movie_id": 1, "credit_id": "a", "person_id": 1, "order": 0}],
        "movie_daily": [{"movie_id": 1}],
        "tv": [{"tv_id": 1}],
        "season": [{"tv_id": 1, "season_number": 1}],
        "episode": [{"tv_id": 1, "season_number": 1, "episode_id": 1}],
        "tv_daily": [{"tv_id": 1}],
    }
    for name, its in _DATED:
        tables[name][0][its] = date(1950, 1, 1) if name == table else date(2000, 1, 1)
    lake = lake_of(**tables)
    days = lake.by("dim_date", "date_key").keys()
    made_of = {table}
    for mart in MARTS:
        made_of |= {mart.name} if made_of & set(mart.inputs) else set()
    dated = [one for one in references(MARTS) if one.parent == "dim_date" and one.table in made_of]
    assert any(19500101 in [row[one.columns[0]] for row in lake.rows(one.table)] for one in dated)
    for one in dated:
        assert one.whole
        assert {row[one.columns[0]] for row in lake.rows(one.table)} - {None} <= days, one.table


def test_every_key_of_a_day_is_declared_as_one() -> None:
    keys = [(mart.name, one.name) for mart in MARTS for one in mart.columns if one.name.endswith("date_key")]
    declared = [(one.table, one.columns[0]) for one in references(MARTS) if one.parent == "dim_date"]
    assert sorted(keys) == sorted([*declared, ("dim_date", "date_key")])


def test_what_a_column_is_the_key_of_is_declared_and_its_description_says_so() -> None:
    parent = Table("dim_a", "A.", (ColumnSpec("a_id", "bigint", "The thing."),), key=("a_id",))
    said = Table("said", "B.", (ColumnSpec("x", "bigint", "Not declared; key of dim_a."),))
    declared = Table("declared", "C.", (key_of("dim_a", "x", "bigint", "The thing", "NULL for none"),))
    assert [one.table for one in references((parent, said, declared))] == ["declared"]
    assert declared.columns[0].about == "The thing; key of dim_a; NULL for none."
    for mart in MARTS:
        for column in mart.columns:
            named = re.search(r"\bkey of (\w+)", column.about, re.IGNORECASE)
            assert (named[1] if named else "") == column.references, (mart.name, column.name)


def test_the_week_begins_on_monday_and_ends_with_the_weekend(lake_of: LakeOf) -> None:
    movies = [{"movie_id": 1, "release_date": date(2026, 11, 23)}, {"movie_id": 2, "release_date": date(2026, 11, 29)}]
    found = lake_of(movie=movies).rows("dim_date")
    assert sorted((row["weekday"], row["weekday_name"], row["is_weekend"]) for row in found) == [
        (1, "Monday", False), (2, "Tuesday", False), (3, "Wednesday", False), (4, "Thursday", False),
        (5, "Friday", False), (6, "Saturday", True), (7, "Sunday", True),
    ]  # fmt: skip


FLAT = (
    "id, title, vote_average, vote_count, status, release_date, revenue, runtime, adult, backdrop_path, budget, "
    "homepage, imdb_id, original_language, original_title, overview, popularity, poster_path, tagline, genres, "
    "production_companies, production_countries, spoken_languages, keywords"
)


def test_movie_flat_has_the_24_columns_that_notebooks_read(lake_of: LakeOf) -> None:
    names = lake_of(**world(1)).frame("movie_flat").columns
    assert len(names) == 24
    assert ", ".join(names) == FLAT


def test_lists_of_movie_flat_are_in_the_order_of_tmdb(lake_of: LakeOf) -> None:
    def rows(column: str, *names: str | None) -> list[Row]:
        placed = [{"movie_id": 1, "position": place, column: name} for place, name in enumerate(names)]
        return placed[1:] + placed[:1]

    many = [f"k{each}" for each in range(12, 0, -1)]
    lake: Lake = lake_of(
        movie=[{"movie_id": 1, "title": "One", "budget": 7}, {"movie_id": 2}],
        movie_genre=rows("name", "War", "Action", None, "Drama"),
        movie_production_company=rows("name", "Z, Inc.", "A"),
        movie_production_country=rows("name", "United States of America", "France"),
        movie_spoken_language=rows("english_name", "Spanish", "English"),
        movie_keyword=rows("name", *many),
    )
    found = lake.by("movie_flat", "id")
    assert (found[1]["title"], found[1]["budget"], found[1]["genres"]) == ("One", 7, "War, Action, Drama")
    assert found[1]["production_companies"] == "Z, Inc., A"
    assert found[1]["production_countries"] == "United States of America, France"
    assert (found[1]["spoken_languages"], found[1]["keywords"]) == ("Spanish, English", ", ".join(many))
    assert [found[2][name] for name in re.split(", ", FLAT)[1:]] == [None] * 23


def test_addresses_of_posters_begin_as_tmdbs_configuration_says(lake_of: LakeOf) -> None:
    lake = lake_of(
        movie=[{"movie_id": 1, "title": "One", "poster_path": "/a.jpg"}, {"movie_id": 2, "title": "Two"}],
        tv=[{"tv_id": 1, "name": "Series", "poster_path": "/b.jpg"}],
        configuration=[{"secure_base_url": "https://images.example/t/p/"}],
    )
    found = sorted((row["kind"], row["id"], row["title"], row["poster_url"]) for row in lake.rows("poster_url"))
    assert found == [
        ("movie", 1, "One", "https://images.example/t/p/w342/a.jpg"),
        ("tv", 1, "Series", "https://images.example/t/p/w342/b.jpg"),
    ]


def test_a_lake_without_tmdbs_configuration_has_no_addresses_of_posters() -> None:
    assert "poster_url" not in REGISTRY.only({"movie"}).names
    assert "poster_url" in REGISTRY.only({"movie", "configuration"}).names


def test_jobs_and_age_ratings_are_those_of_titles_of_the_marts(lake_of: LakeOf) -> None:
    crew = [
        {"movie_id": 1, "credit_id": "a", "department": "Sound", "job": "Foley"},
        {"movie_id": 1, "credit_id": "b", "department": "Crew", "job": "Foley"},
        {"movie_id": 3, "credit_id": "c", "department": "Sound", "job": "Foley", "fetched_at": EARLIER},
        {"movie_id": 2, "credit_id": "d", "department": "Art", "job": "Painter"},
        {"movie_id": 1, "credit_id": "e", "department": "Art", "job": None},
    ]
    rated = [
        {"movie_id": 1, "position": 0, "iso_3166_1": "US", "certification": "R"},
        {"movie_id": 3, "position": 0, "iso_3166_1": "US", "certification": "R", "fetched_at": EARLIER},
        {"movie_id": 1, "position": 1, "iso_3166_1": "US", "certification": None},
        {"movie_id": 1, "position": 2, "iso_3166_1": "BR", "certification": "R"},
        {"movie_id": 2, "position": 0, "iso_3166_1": "PT", "certification": "M/18"},
    ]
    lake = lake_of(
        movie=[{"movie_id": 1}, {"movie_id": 2, "adult": True}, {"movie_id": 3}],
        movie_crew=crew,
        movie_release_date=rated,
        tv=[{"tv_id": 1}],
        tv_crew=[{"tv_id": 1, "credit_id": "f", "department": "Sound", "job": "Mix"}],
        tv_content_rating=[{"tv_id": 1, "position": 0, "iso_3166_1": "US", "rating": "R"}],
    )
    jobs = {(row["department"], row["job"], row["fetched_at"]) for row in lake.rows("dim_job")}
    assert jobs == {("Sound", "Foley", MONDAY), ("Crew", "Foley", MONDAY), ("Sound", "Mix", MONDAY)}
    names = ("media_type", "iso_3166_1", "certification")
    assert sorted(tuple(row[name] for name in names) for row in lake.rows("dim_certification")) == [
        ("movie", "BR", "R"),
        ("movie", "US", "R"),
        ("tv", "US", "R"),
    ]


def test_costars_are_billed_together_in_two_movies_or_more(lake_of: LakeOf) -> None:
    casts: dict[int, list[int | None]] = {1: [7, 5, 9], 2: [5, 7], 3: [5, 7, 9, None], 4: [5, 9]}
    cast = [
        {"movie_id": movie, "position": at, "credit_id": f"{movie}-{at}", "person_id": person, "order": at}
        for movie, people in casts.items()
        for at, person in enumerate(people)
    ]
    # A second role in a movie is not a second movie, and the eleventh billed is not counted.
    cast += [
        {"movie_id": 1, "position": 3, "credit_id": "again", "person_id": 7, "order": 3},
        {"movie_id": 2, "position": 9, "credit_id": "tenth", "person_id": 8, "order": 9},
        {"movie_id": 3, "position": 9, "credit_id": "also tenth", "person_id": 8, "order": 9},
        {"movie_id": 1, "position": 10, "credit_id": "eleventh", "person_id": 8, "order": 10},
    ]
    movies = [{"movie_id": movie, "release_date": date(2000 + movie, 1, 1), "adult": movie == 4} for movie in casts]
    found = lake_of(movie=movies, movie_cast=cast).rows("edge_costar")
    assert sorted(tuple(row.values()) for row in found) == [
        (5, 7, 3, 20010101, 20030101),
        (5, 8, 2, 20020101, 20030101),
        (5, 9, 2, 20010101, 20030101),
        (7, 8, 2, 20020101, 20030101),
        (7, 9, 2, 20010101, 20030101),
    ]
