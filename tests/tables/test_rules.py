"""What becomes of TMDB's odd values. All bodies lie in one lake that is built once."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.landing import Answer, LakeInTheMaking, Row, a_movie

_ODD: dict[int, dict[str, Any]] = {
    1: {
        "imdb_id": "",
        "homepage": "",
        "overview": "",
        "release_date": "",
        "budget": 0,
        "revenue": 0,
        "runtime": 0,
        "vote_count": 0,
        "popularity": 0.0,
        "backdrop_path": None,
        "belongs_to_collection": None,
        "genres": [],
        "spoken_languages": [{"iso_639_1": "xx", "english_name": "No Language", "name": ""}],
    },
    2: {"id": "2", "budget": 1.0, "revenue": 2923706026, "runtime": "97", "vote_average": 7, "popularity": "3.5"},
    3: {"release_date": "2025-13-45", "runtime": 90},
    4: {"budget": "a lot", "vote_count": 1.5, "adult": "perhaps", "vote_average": "NaN", "runtime": True, "video": 1},
    5: {"genres": {"id": 18}, "credits": [], "keywords": {"keywords": "none"}, "release_date": "2020-02-02"},
    6: {"genres": [1, None, {"id": 18, "name": "Drama"}, {"id": "35", "name": "Comedy"}], "title": ["a", "b"]},
    7: {
        "credits": {
            "cast": [
                {"id": 1, "name": "A", "credit_id": "c1", "order": 0, "character": "", "cast_id": 4, "popularity": 1},
                {"character": "Nobody", "credit_id": "c2", "order": 1},
                {"id": 1, "name": "A", "credit_id": "c1", "order": 0, "character": "", "cast_id": 4, "popularity": 1},
            ],
            "crew": [{"id": {"q": 1}, "name": "B", "credit_id": "c3", "department": "Directing", "job": "Director"}],
        }
    },
    8: {"credits": {"cast": [{"id": n, "name": f"N{n}", "order": n} for n in range(1500)], "crew": []}},
    9: {
        "watch/providers": {
            "results": {
                "DE": {
                    "link": "https://x/9?locale=DE",
                    "flatrate": [
                        {"provider_id": 8, "provider_name": "Netflix", "logo_path": "/n.jpg", "display_priority": 0},
                        {"provider_id": 9, "provider_name": "", "logo_path": None, "display_priority": 1},
                    ],
                    "barter": [{"provider_id": 77, "provider_name": "Swap", "logo_path": "", "display_priority": 5}],
                },
                "US": {"link": "", "rent": [{"provider_id": "x", "provider_name": "Y"}], "buy": {}},
                "XX": 5,
            }
        }
    },
    10: {
        "external_ids": {"imdb_id": "tt0000010", "facebook_id": "", "twitter_id": None, "tiktok_id": "t", "id": 10},
        "belongs_to_collection": {"id": 87096, "name": "Avatar", "poster_path": "", "backdrop_path": None},
        "a_new_field": {"deep": [1]},
        "origin_country": ["US", "", "DE"],
    },
    11: {
        "release_dates": {
            "results": [
                {
                    "iso_3166_1": "DE",
                    "release_dates": [
                        {
                            "certification": "16",
                            "descriptors": ["Violence", "Fear"],
                            "iso_639_1": "",
                            "note": "DVD",
                            "release_date": "2013-02-14T00:00:00.000Z",
                            "type": 5,
                        },
                        {"certification": "", "descriptors": [], "release_date": "soon", "type": 3},
                    ],
                },
                {"iso_3166_1": "US", "release_dates": []},
            ]
        },
        "videos": {"results": [{"id": "v", "official": False, "size": 720, "published_at": "2016-03-05 02:03:14 UTC"}]},
    },
    12: {"title": "[REC]", "tagline": "{not json", "overview": '"quoted"\n\ttab \U0001f600', "popularity": 28},
    13: {"budget": 99999999999999999999, "revenue": 12345678901234, "vote_count": 1e3},
}


_CREDIT = {"id": 1, "name": "A", "credit_id": "c", "order": 0}
# One wrong value in an answer that is right otherwise, and what is to be found in `rejected_value`.
_ALONE: dict[int, tuple[dict[str, Any], tuple[str, str]]] = {
    200: ({"title": {"a": 1}}, ("title", '{"a": 1}')),
    201: ({"title": ["a"]}, ("title", '["a"]')),
    202: ({"genres": {"id": 18}}, ("genres", '{"id": 18}')),
    203: ({"belongs_to_collection": "x"}, ("belongs_to_collection", "x")),
    204: ({"budget": 1.5}, ("budget", "1.5")),
    205: ({"popularity": "NaN"}, ("popularity", "NaN")),
    206: ({"adult": "maybe"}, ("adult", "maybe")),
    207: ({"release_date": "2023-02-29"}, ("release_date", "2023-02-29")),
    208: ({"release_date": "2023"}, ("release_date", "2023")),
    209: ({"genres": [{"id": 1, "name": "x"}, "y"]}, ("genres[1]", "y")),
    210: ({"credits": {"cast": [{**_CREDIT, "name": {"x": 1}}], "crew": []}}, ("credits.cast[0].name", '{"x": 1}')),
    211: ({"credits": {"cast": [_CREDIT], "crew": "none"}}, ("credits.crew", "none")),
    212: ({"credits": {"cast": [{**_CREDIT, "order": "first"}], "crew": []}}, ("credits.cast[0].order", "first")),
    213: ({"videos": {"results": [{"published_at": "2016-03-05"}]}}, ("videos.results[0].published_at", "2016-03-05")),
    214: (
        {"recommendations": {"results": [{"release_date": "2019-6-1"}]}},
        ("recommendations.results[0].release_date", "2019-6-1"),
    ),
    215: (
        {"watch/providers": {"results": {"DE": {"link": "x", "rent": "no"}}}},
        ("watch/providers.results.DE.rent", "no"),
    ),
    216: ({"external_ids": []}, ("external_ids", "[]")),
    217: ({"translations": {"translations": [{"data": []}]}}, ("translations.translations[0].data", "[]")),
    218: (
        {"release_dates": {"results": [{"iso_3166_1": "DE", "release_dates": {}}]}},
        ("release_dates.results[0].release_dates", "{}"),
    ),
    219: ({"release_date": "-0044-03-15"}, ("release_date", "-0044-03-15")),
    220: ({"release_date": "-044-03-15"}, ("release_date", "-044-03-15")),
    221: ({"release_date": "0000-03-15"}, ("release_date", "0000-03-15")),
    222: ({"release_date": "10000-01-01"}, ("release_date", "10000-01-01")),
    223: (
        {"videos": {"results": [{"published_at": "10000-01-01T00:00:00Z"}]}},
        ("videos.results[0].published_at", "10000-01-01T00:00:00Z"),
    ),
    224: (
        {"videos": {"results": [{"published_at": "9999-12-31T23:30:00-01:00"}]}},
        ("videos.results[0].published_at", "9999-12-31T23:30:00-01:00"),
    ),
    225: ({"title": {}}, ("title", "{}")),
    226: ({"credits": {"cast": [{**_CREDIT, "name": {}}], "crew": []}}, ("credits.cast[0].name", "{}")),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    made = LakeInTheMaking(tmp_path_factory.mktemp("rules") / "lake")
    plain = [Answer(id_, {"id": id_, "title": f"M{id_}", **fields}) for id_, fields in _ODD.items()]
    # The same again in bodies that hold a raw newline, and so lie as base64.
    broken = [
        Answer(id_ + 100, json.dumps({"id": id_, "title": f"M{id_}", **fields}, indent=1).encode())
        for id_, fields in _ODD.items()
    ]
    review = {"id": "r", "author": "A", "author_details": {"rating": 9}, "created_at": "2018-06-09T17:51:53.359Z"}
    images = {"posters": [{"file_path": "/p.jpg", "width": 2}], "logos": [], "backdrops": [{"file_path": "/b.jpg"}]}
    made.land(
        *plain,
        *broken,
        *(a_movie(id_, **fields) for id_, (fields, _) in _ALONE.items()),
        a_movie(50, reviews={"results": [review]}, images=images),
        Answer(60, b"[1, 2]"),
        Answer(61, b"{}"),
    )
    made.build()
    yield made


@functools.cache
def _rows(lake: LakeInTheMaking, table: str) -> list[Row]:
    """Read once: the lake does not change, and each test looks at one row of each table."""
    return lake.rows(table)


def _one(lake: LakeInTheMaking, table: str, id_: int) -> Row:
    (row,) = _all(lake, table, id_)
    return row


def _all(lake: LakeInTheMaking, table: str, id_: int) -> list[Row]:
    rows = [row for row in _rows(lake, table) if row["movie_id"] == id_]
    return sorted(rows, key=lambda row: (row.get("iso_3166_1") or "", row.get("position") or 0))


def _rejected(lake: LakeInTheMaking, id_: int) -> list[tuple[str, str, str]]:
    rows = [row for row in _rows(lake, "rejected_value") if row["id"] == id_]
    return sorted((row["path"], row["raw"], row["reason"]) for row in rows)


def test_no_row_is_lost(lake: LakeInTheMaking) -> None:
    expected = [*_ODD, *(id_ + 100 for id_ in _ODD), *_ALONE, 50, 60, 61]
    assert sorted(lake.values("movie", "movie_id")) == sorted(expected)


@pytest.mark.parametrize("id_", _ALONE)
def test_one_wrong_value_is_found_wherever_it_stands(lake: LakeInTheMaking, id_: int) -> None:
    (found,) = _rejected(lake, id_)
    assert found[:2] == _ALONE[id_][1]


def test_empty_and_zero_are_unknown(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 1)
    unknown = ("imdb_id", "homepage", "overview", "release_date", "budget", "revenue", "runtime", "backdrop_path")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert (row["vote_count"], row["popularity"], row["collection_id"]) == (0, 0.0, None)
    assert _one(lake, "movie_spoken_language", 1)["name"] is None
    assert _all(lake, "movie_genre", 1) == []
    assert _rejected(lake, 1) == []


def test_numbers_come_as_texts_and_as_floats(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 2)
    assert (row["budget"], row["revenue"], row["runtime"]) == (1, 2923706026, 97)
    assert (row["vote_average"], row["popularity"]) == (7.0, 3.5)
    assert _rejected(lake, 2) == []


def test_an_impossible_date_is_rejected_and_the_row_stays(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 3)
    assert (row["release_date"], row["runtime"]) == (None, 90)
    assert _rejected(lake, 3) == [("release_date", "2025-13-45", "is not a date")]


def test_values_of_a_wrong_type_are_rejected_one_by_one(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 4)
    assert [row[name] for name in ("budget", "vote_count", "adult", "vote_average", "runtime")] == [None] * 5
    assert row["video"] is True
    assert _rejected(lake, 4) == [
        ("adult", "perhaps", "is neither true nor false"),
        ("budget", "a lot", "is not a whole number"),
        ("runtime", "true", "is not a whole number"),
        ("vote_average", "NaN", "is not a number"),
        ("vote_count", "1.5", "is not a whole number"),
    ]


def test_a_list_of_a_wrong_shape_costs_only_itself(lake: LakeInTheMaking) -> None:
    assert _one(lake, "movie", 5)["release_date"] == date(2020, 2, 2)
    assert _all(lake, "movie_genre", 5) == _all(lake, "movie_keyword", 5) == _all(lake, "movie_cast", 5) == []
    assert _rejected(lake, 5) == [
        ("credits", "[]", "is not an object"),
        ("genres", '{"id": 18}', "is not a list"),
        ("keywords.keywords", "none", "is not a list"),
    ]


def test_an_item_of_a_wrong_shape_costs_only_itself(lake: LakeInTheMaking) -> None:
    assert [(row["genre_id"], row["name"]) for row in _all(lake, "movie_genre", 6)] == [(18, "Drama"), (35, "Comedy")]
    assert _one(lake, "movie", 6)["title"] is None
    assert _rejected(lake, 6) == [("genres[0]", "1", "is not an object"), ("title", '["a", "b"]', "is not text")]


def test_a_credit_without_a_person_and_one_that_comes_twice_keep_their_rows(lake: LakeInTheMaking) -> None:
    cast = _all(lake, "movie_cast", 7)
    assert [(row["person_id"], row["credit_id"], row["character"]) for row in cast] == [
        (1, "c1", None),
        (None, "c2", "Nobody"),
        (1, "c1", None),
    ]
    (crew,) = _all(lake, "movie_crew", 7)
    assert (crew["person_id"], crew["name"], crew["job"]) == (None, "B", "Director")
    assert _rejected(lake, 7) == [("credits.crew[0].id", '{"q": 1}', "is not a whole number")]


def test_a_cast_of_fifteen_hundred(lake: LakeInTheMaking) -> None:
    cast = _all(lake, "movie_cast", 8)
    assert [row["person_id"] for row in cast] == list(range(1500))
    assert [row["position"] for row in cast] == list(range(1500))


def test_a_new_country_and_a_new_way_to_pay_are_rows(lake: LakeInTheMaking) -> None:
    rows = _all(lake, "watch_provider_offer", 9)
    offers = {(row["iso_3166_1"], row["monetization_type"], row["position"]): row for row in rows}
    assert set(offers) == {("DE", "flatrate", 0), ("DE", "flatrate", 1), ("DE", "barter", 0), ("US", "rent", 0)}
    netflix = offers["DE", "flatrate", 0]
    assert (netflix["provider_id"], netflix["provider_name"], netflix["logo_path"]) == (8, "Netflix", "/n.jpg")
    assert (netflix["display_priority"], netflix["link"]) == (0, "https://x/9?locale=DE")
    assert offers["DE", "flatrate", 1]["provider_name"] is None
    assert (offers["US", "rent", 0]["provider_id"], offers["US", "rent", 0]["link"]) == (None, None)
    assert _rejected(lake, 9) == [
        ("watch/providers.results.US.buy", "{}", "is not a list"),
        ("watch/providers.results.US.rent[0].provider_id", "x", "is not a whole number"),
        ("watch/providers.results.XX", "5", "is not an object"),
    ]


def test_a_new_site_is_a_row_and_a_collection_is_a_column(lake: LakeInTheMaking) -> None:
    ids = {row["source"]: row["external_id"] for row in _all(lake, "movie_external_id", 10)}
    assert ids == {"imdb_id": "tt0000010", "tiktok_id": "t"}
    row = _one(lake, "movie", 10)
    assert (row["collection_id"], row["collection_name"], row["collection_poster_path"]) == (87096, "Avatar", None)
    countries = {row["position"]: row["iso_3166_1"] for row in _all(lake, "movie_origin_country", 10)}
    assert countries == {0: "US", 1: None, 2: "DE"}


def test_releases_have_a_day_an_instant_and_what_rates_them(lake: LakeInTheMaking) -> None:
    dvd, soon = _all(lake, "movie_release_date", 11)
    assert (dvd["iso_3166_1"], dvd["type"], dvd["certification"], dvd["note"]) == ("DE", 5, "16", "DVD")
    assert (dvd["release_date"], dvd["descriptors"], dvd["iso_639_1"]) == (date(2013, 2, 14), "Violence, Fear", None)
    assert dvd["released_at"] == datetime.fromisoformat("2013-02-14T00:00:00Z")
    assert (soon["type"], soon["release_date"], soon["certification"], soon["descriptors"]) == (3, None, None, None)
    assert _one(lake, "movie_video", 11)["published_at"] == datetime.fromisoformat("2016-03-05T02:03:14Z")
    assert _rejected(lake, 11) == [
        ("release_dates.results[0].release_dates[1].release_date", "soon", "is not a timestamp")
    ]


def test_texts_that_look_like_json_stay_texts(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 12)
    assert (row["title"], row["tagline"]) == ("[REC]", "{not json")
    assert row["overview"] == '"quoted"\n\ttab \U0001f600'
    assert row["popularity"] == 28.0


def test_numbers_beyond_32_and_64_bits(lake: LakeInTheMaking) -> None:
    row = _one(lake, "movie", 13)
    assert (row["budget"], row["revenue"], row["vote_count"]) == (None, 12345678901234, 1000)
    assert _rejected(lake, 13) == [("budget", "99999999999999999999", "is not a whole number")]


def test_reviews_and_images_where_they_are_asked_for(lake: LakeInTheMaking) -> None:
    review = _one(lake, "movie_review", 50)
    assert (review["author"], review["rating"]) == ("A", 9.0)
    assert review["created_at"] == datetime.fromisoformat("2018-06-09T17:51:53.359Z")
    found = {(row["kind"], row["file_path"], row["width"]) for row in _all(lake, "movie_image", 50)}
    assert found == {("poster", "/p.jpg", 2), ("backdrop", "/b.jpg", None)}


def test_a_body_that_is_no_object_keeps_its_row_and_is_named(lake: LakeInTheMaking) -> None:
    assert _one(lake, "movie", 60)["title"] is None
    assert _rejected(lake, 60) == [("$", "[1, 2]", "is not an object")]
    assert _one(lake, "movie", 61)["title"] is None
    assert _rejected(lake, 61) == []


@pytest.mark.parametrize("id_", sorted(_ODD))
def test_a_body_that_lies_as_base64_makes_the_same_rows(lake: LakeInTheMaking, id_: int) -> None:
    assert _rejected(lake, id_ + 100) == _rejected(lake, id_)
    for table in lake.current.tables:
        if "movie_id" in (_rows(lake, table) or [{}])[0]:
            assert _bare(_all(lake, table, id_ + 100)) == _bare(_all(lake, table, id_)), table


def _bare(rows: list[Row]) -> list[Row]:
    """Rows without what tells movies apart: their ids and their ranks among each other."""
    return [{name: value for name, value in row.items() if name not in ("movie_id", "rank")} for row in rows]


def test_every_table_has_the_declared_columns_all_nullable_and_the_oldest_protocol(lake: LakeInTheMaking) -> None:
    from deltalake import DeltaTable

    from reelhouse.marts import REGISTRY
    from reelhouse.tables.schemas import schema_of

    for zone, specs in REGISTRY.only({"movie"}).zones.items():
        for spec in specs:
            table = DeltaTable(str(Path(lake.root) / zone / spec.name))
            fields = json.loads(table.schema().to_json())["fields"]
            declared = json.loads(schema_of(spec.columns).json())["fields"]
            assert [(one["name"], one["type"], one["nullable"], one["metadata"]) for one in fields] == [
                (one["name"], one["type"], True, one["metadata"]) for one in declared
            ]
            assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
