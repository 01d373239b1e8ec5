"""Every value of TMDB's own answers arrives in the tables. What is expected is worked out here in plain Python."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest

from tests.lakes import tmdb_data
from tests.warehouse.landing import Answer, LakeInTheMaking, Row

Body = dict[str, Any]


# Thousands of real bodies; `test_rules.py` has the kinds of odd ones.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def bodies() -> list[Body]:
    with gzip.open(tmdb_data("payloads", "movie.jsonl.gz")) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def lake(bodies: list[Body], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    made = LakeInTheMaking(tmp_path_factory.mktemp("real") / "lake")
    with gzip.open(tmdb_data("payloads", "movie.jsonl.gz")) as lines:
        answers = [Answer(body["id"], line.strip()) for body, line in zip(bodies, lines, strict=True)]
    made.runs = 1
    plan = made.plan([answer.asked for answer in answers])
    for unit in range(plan.units):
        made.append(plan, answers[unit * 1000 : unit * 1000 + 1000], unit)
    made.close(plan)
    made.build()
    yield made


def _text(value: Any) -> Any:
    return None if value == "" else value


def _amount(value: Any) -> Any:
    return None if value == 0 else value


def _date(value: Any) -> date | None:
    return date.fromisoformat(value) if value else None


def _movie(body: Body) -> Row:
    collection = body["belongs_to_collection"] or {}
    return {
        "movie_id": body["id"],
        "imdb_id": _text(body["imdb_id"]),
        "title": _text(body["title"]),
        "original_title": _text(body["original_title"]),
        "original_language": _text(body["original_language"]),
        "status": _text(body["status"]),
        "release_date": _date(body["release_date"]),
        "runtime": _amount(body["runtime"]),
        "budget": _amount(body["budget"]),
        "revenue": _amount(body["revenue"]),
        "popularity": body["popularity"],
        "vote_average": body["vote_average"],
        "vote_count": body["vote_count"],
        "overview": _text(body["overview"]),
        "tagline": _text(body["tagline"]),
        "homepage": _text(body["homepage"]),
        "adult": body["adult"],
        "softcore": body.get("softcore"),
        "video": body["video"],
        "collection_id": collection.get("id"),
        "collection_name": _text(collection.get("name")),
        "collection_poster_path": _text(collection.get("poster_path")),
        "collection_backdrop_path": _text(collection.get("backdrop_path")),
        "poster_path": _text(body["poster_path"]),
        "backdrop_path": _text(body["backdrop_path"]),
    }


def _items(path: str, renamed: dict[str, str]) -> Callable[[Body], list[Row]]:
    """Expected rows of a list of objects: TMDB's fields under the names of the columns."""

    def rows(body: Body) -> list[Row]:
        found: Any = body
        for name in path.split("/"):
            found = (found or {}).get(name)
        return [
            {"movie_id": body["id"], "position": place, **{to: _text(item.get(name)) for name, to in renamed.items()}}
            for place, item in enumerate(found or [])
        ]

    return rows


_PERSON = {
    "credit_id": "credit_id",
    "id": "person_id",
    "name": "name",
    "original_name": "original_name",
    "gender": "gender",
    "known_for_department": "known_for_department",
    "adult": "adult",
    "popularity": "popularity",
    "profile_path": "profile_path",
}

_LISTS: dict[str, Callable[[Body], list[Row]]] = {
    "movie": lambda body: [_movie(body)],
    "movie_genre": _items("genres", {"id": "genre_id", "name": "name"}),
    "movie_production_company": _items(
        "production_companies",
        {"id": "company_id", "name": "name", "origin_country": "origin_country", "logo_path": "logo_path"},
    ),
    "movie_production_country": _items("production_countries", {"iso_3166_1": "iso_3166_1", "name": "name"}),
    "movie_spoken_language": _items(
        "spoken_languages", {"iso_639_1": "iso_639_1", "english_name": "english_name", "name": "name"}
    ),
    "movie_origin_country": lambda body: [
        {"movie_id": body["id"], "position": place, "iso_3166_1": code}
        for place, code in enumerate(body["origin_country"])
    ],
    "movie_keyword": _items("keywords/keywords", {"id": "keyword_id", "name": "name"}),
    "movie_cast": _items("credits/cast", {**_PERSON, "cast_id": "cast_id", "character": "character", "order": "order"}),
    "movie_crew": _items("credits/crew", {**_PERSON, "department": "department", "job": "job"}),
    "movie_recommendation": lambda body: [],
    "movie_release_date": lambda body: [],
    "watch_provider_offer": lambda body: [],
    "rejected_value": lambda body: [],
}


@pytest.mark.parametrize("table", _LISTS)
def test_every_field_of_every_movie(lake: LakeInTheMaking, bodies: list[Body], table: str) -> None:
    # TMDB's own data may hold a movie twice; the later line speaks for it.
    newest = {body["id"]: body for body in bodies}
    expected = [row for body in newest.values() for row in _LISTS[table](body)]
    found = [{name: value for name, value in row.items() if name != "fetched_at"} for row in lake.rows(table)]
    assert len(found) == len(expected)
    assert _counted(found) == _counted(expected)


def _counted(rows: list[Row]) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in rows)


def test_money_is_exact_and_there_is_some(lake: LakeInTheMaking, bodies: list[Body]) -> None:
    newest = {body["id"]: body for body in bodies}.values()
    assert sum(filter(None, lake.values("movie", "revenue"))) == sum(body["revenue"] for body in newest) > 2**31
    assert sum(filter(None, lake.values("movie", "budget"))) == sum(body["budget"] for body in newest) > 0


_RECORDED: tuple[tuple[str, dict[str, str]], ...] = (
    ("movie_47964.json", {}),
    ("movie_47964.json", {
        "credits": "movie_47964_credits.json",
        "keywords": "movie_47964_keywords.json",
        "release_dates": "movie_47964_release_dates.json",
        "reviews": "movie_47964_reviews.json",
        "images": "movie_47964_images.json",
        "recommendations": "movie_47964_recommendations.json",
        "translations": "movie_47964_translations.json",
        "videos": "movie_47964_videos.json",
        "watch/providers": "movie_47964_watch_providers.json",
        "alternative_titles": "movie_47964_alternative_titles__country-US.json",
        "external_ids": "movie_335984_external_ids.json",
    }),
    ("movie_168259__language-de.json", {"watch/providers": "movie_249397_watch_providers.json"}),
    ("movie_19995__append_to_response-images_include_image_language-de_language-de-DE.json", {}),
    ("movie_tt1345836__append_to_response-credits,images,keywords.json", {}),
    ("movie_latest.json", {}),
    ("../_openapi_examples/movie-details__OK.json", {
        "credits": "../_openapi_examples/movie-credits.json",
        "translations": "../_openapi_examples/movie-translations.json",
        "videos": "../_openapi_examples/movie-videos.json",
        "release_dates": "../_openapi_examples/movie-release-dates.json",
        "alternative_titles": "../_openapi_examples/movie-alternative-titles.json",
        "external_ids": "../_openapi_examples/movie-external-ids.json",
        "recommendations": "../_openapi_examples/movie-similar.json",
        "reviews": "../_openapi_examples/movie-reviews.json",
        "images": "../_openapi_examples/movie-images.json",
        "keywords": "../_openapi_examples/movie-keywords.json",
        "watch/providers": "../_openapi_examples/movie-watch-providers.json",
    }),
)  # fmt: skip


def _load(name: str) -> Any:
    return json.loads((tmdb_data("recorded", "movie") / name).read_bytes())


@pytest.fixture(scope="module")
def recorded() -> dict[int, Body]:
    """Details as they were recorded, with answers to the sub-paths where an append would put them."""
    found = {}
    for number, (details, appended) in enumerate(_RECORDED, 1):
        found[number] = {**_load(details), **{name: _load(file) for name, file in appended.items()}}
    return found


@pytest.fixture(scope="module")
def recorded_lake(recorded: dict[int, Body], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    made = LakeInTheMaking(tmp_path_factory.mktemp("recorded") / "lake")
    made.land(*(Answer(number, body) for number, body in recorded.items()))
    made.build()
    yield made


def _instant(value: str | None) -> Any:
    return datetime.fromisoformat(value) if value else None


def _release_rows(body: Body) -> list[Row]:
    return [
        {
            "iso_3166_1": country["iso_3166_1"],
            "position": place,
            "type": one["type"],
            "release_date": _instant(one["release_date"]).date(),
            "released_at": _instant(one["release_date"]),
            "certification": _text(one["certification"]),
            "descriptors": _text(", ".join(one.get("descriptors") or [])),
            "iso_639_1": _text(one["iso_639_1"]),
            "note": _text(one.get("note")),
        }
        for country in body.get("release_dates", {}).get("results", [])
        for place, one in enumerate(country["release_dates"])
    ]


def _offer_rows(body: Body) -> list[Row]:
    return [
        {"iso_3166_1": country, "monetization_type": kind, "position": place, "link": offers["link"], **one}
        for country, offers in body.get("watch/providers", {}).get("results", {}).items()
        for kind, listed in offers.items()
        if kind != "link"
        for place, one in enumerate(listed)
    ]


def _flat(path: str, id_name: str | None = None, amounts: tuple[str, ...] = ()) -> Callable[[Body], list[Row]]:
    """Expected rows of a list whose fields keep their names; instants and dates by their names."""

    def value(name: str, sent: Any) -> Any:
        if name in ("published_at", "created_at", "updated_at"):
            return _instant(sent)
        if name == "release_date":
            return _date(sent)
        return _amount(sent) if name in amounts else _text(sent)

    def rows(body: Body) -> list[Row]:
        found: Any = body
        for name in path.split("/"):
            found = (found or {}).get(name)
        unnested = [{**one, **one.get("data", {}), **one.get("author_details", {})} for one in found or []]
        return [
            {
                "position": place,
                **{(id_name if name == "id" and id_name else name): value(name, sent) for name, sent in one.items()},
            }
            for place, one in enumerate(unnested)
        ]

    return rows


_APPENDED: dict[str, Callable[[Body], list[Row]]] = {
    "movie_release_date": _release_rows,
    "watch_provider_offer": _offer_rows,
    "movie_video": _flat("videos/results", "video_id"),
    "movie_review": _flat("reviews/results", "review_id"),
    "movie_translation": _flat("translations/translations", amounts=("runtime",)),
    "movie_recommendation": _flat("recommendations/results", "recommended_id"),
    "movie_alternative_title": _flat("alternative_titles/titles"),
    "movie_cast": _flat("credits/cast", "person_id"),
    "movie_crew": _flat("credits/crew", "person_id"),
    "movie_keyword": _flat("keywords/keywords", "keyword_id"),
    "movie_genre": _flat("genres", "genre_id"),
    "movie_production_company": _flat("production_companies", "company_id"),
    "movie_spoken_language": _flat("spoken_languages"),
    "movie_image": lambda body: [
        {"kind": kind, "position": place, **{name: _text(value) for name, value in one.items()}}
        for kind in ("backdrop", "logo", "poster")
        for place, one in enumerate(body.get("images", {}).get(f"{kind}s", []))
    ],
    "movie_external_id": lambda body: [
        {"source": name, "external_id": value}
        for name, value in body.get("external_ids", {}).items()
        if value and name != "id"
    ],
}


@pytest.mark.parametrize("table", _APPENDED)
def test_every_recorded_answer_keeps_every_value_that_has_a_column(
    recorded_lake: LakeInTheMaking, recorded: dict[int, Body], table: str
) -> None:
    rows = recorded_lake.rows(table)
    compared = 0
    for number, body in recorded.items():
        found = [row for row in rows if row["movie_id"] == number]
        expected = _APPENDED[table](body)
        assert len(found) == len(expected), (number, table)
        columns = set(found[0]) if found else set()
        shared = [name for name in sorted(columns) if any(name in row for row in expected)]
        assert _counted([{name: row.get(name) for name in shared} for row in found]) == _counted(
            [{name: row.get(name) for name in shared} for row in expected]
        )
        compared += len(found)
    assert compared > 0, f"nothing recorded speaks of {table}"


def test_recorded_answers_are_read_without_a_rejected_value(recorded_lake: LakeInTheMaking) -> None:
    assert recorded_lake.rows("rejected_value") == []


def test_a_list_of_the_details_comes_out_as_recorded(recorded_lake: LakeInTheMaking, recorded: dict[int, Body]) -> None:
    titles = dict(recorded_lake.values("movie", "movie_id", "title"))
    assert titles == {number: _text(body["title"]) for number, body in recorded.items()}
    collections = dict(recorded_lake.values("movie", "movie_id", "collection_id"))
    assert collections == {number: (body["belongs_to_collection"] or {}).get("id") for number, body in recorded.items()}
