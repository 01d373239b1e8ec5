"""Discover finds exactly the movies whose details satisfy the filters."""

from collections.abc import Callable
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from tests.emulator.asking import export_ids, get

Body = dict[str, Any]
Holds = Callable[[Body], bool]
APPENDS = "credits,keywords,release_dates,watch/providers"


@pytest.fixture(scope="module")
def bodies(tmdb: Emulator) -> list[Body]:
    return [get(tmdb, f"movie/{number}?append_to_response={APPENDS}").json() for number in export_ids(tmdb)]


def found(tmdb: Emulator, query: str) -> list[Body]:
    rows: list[Body] = []
    page, pages = 1, 1
    while page <= pages:
        reply = get(tmdb, f"discover/movie?{query}&page={page}").json()
        rows += reply["results"]
        page, pages = page + 1, reply["total_pages"]
    assert len(rows) == reply["total_results"]
    return rows


def ids(rows: list[Body], key: str = "id") -> set[Any]:
    return {row[key] for row in rows if key in row}


def people(body: Body) -> set[int]:
    return ids(body["credits"]["cast"]) | ids(body["credits"]["crew"])


def dated(body: Body, first: str, last: str) -> bool:
    return bool(body["release_date"]) and first <= body["release_date"] <= last and body["release_date"] != "2019-6-1"


FILTERS: list[tuple[str, Holds]] = [
    ("", lambda body: True),
    ("primary_release_date.gte=1990-01-01&primary_release_date.lte=2009-12-31",
        lambda body: dated(body, "1990-01-01", "2009-12-31")),
    ("primary_release_date.lte=1950-01-01", lambda body: dated(body, "0001", "1950-01-01")),
    ("release_date.gte=2020-01-01", lambda body: dated(body, "2020-01-01", "2024-12-31") or dated(body, "2026", "9999")
        or dated(body, "2025-01-01", "2025-12-31")),
    ("primary_release_year=2019", lambda body: dated(body, "2019-01-01", "2019-12-31")),
    ("year=2021", lambda body: dated(body, "2021-01-01", "2021-12-31")),
    ("vote_average.gte=6.5&vote_average.lte=7.5", lambda body: 6.5 <= body["vote_average"] <= 7.5),
    ("vote_count.gte=50", lambda body: body["vote_count"] >= 50),
    ("vote_count.lte=3", lambda body: body["vote_count"] <= 3),
    ("with_runtime.gte=90&with_runtime.lte=100", lambda body: 90 <= body["runtime"] <= 100),
    ("with_genres=18", lambda body: 18 in ids(body["genres"])),
    ("with_genres=18,35", lambda body: {18, 35} <= ids(body["genres"])),
    ("with_genres=18|35", lambda body: bool({18, 35} & ids(body["genres"]))),
    ("with_genres=4", lambda body: False),
    ("without_genres=18,35", lambda body: not {18, 35} & ids(body["genres"])),
    ("with_original_language=ja|ko", lambda body: body["original_language"] in ("ja", "ko")),
    ("with_origin_country=JP", lambda body: "JP" in body["origin_country"]),
    ("with_original_language=tlh", lambda body: False),
    ("region=DE", lambda body: "DE" in ids(body["release_dates"]["results"], "iso_3166_1")),
    ("watch_region=US&with_watch_providers=8|9", lambda body: bool({8, 9} & {
        row["provider_id"] for rows in body["watch/providers"]["results"].get("US", {}).values()
        if isinstance(rows, list) for row in rows})),
    ("with_genres=18&vote_count.gte=20&with_original_language=en",
        lambda body: 18 in ids(body["genres"]) and body["vote_count"] >= 20 and body["original_language"] == "en"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "holds"), FILTERS, ids=[query or "nothing" for query, _ in FILTERS])
def test_a_filter_finds_what_holds_and_nothing_else(
    tmdb: Emulator, bodies: list[Body], query: str, holds: Holds
) -> None:
    expected = {body["id"] for body in bodies if not body["adult"] and not body["video"] and holds(body)}
    assert ids(found(tmdb, query)) == expected


@pytest.mark.parametrize(
    ("parameter", "numbers"),
    [
        ("with_cast", lambda body: ids(body["credits"]["cast"])),
        ("with_crew", lambda body: ids(body["credits"]["crew"])),
        ("with_people", people),
        ("with_keywords", lambda body: ids(body["keywords"]["keywords"])),
        ("with_companies", lambda body: ids(body["production_companies"])),
    ],
)
def test_people_keywords_and_companies_filter_by_id(
    tmdb: Emulator, bodies: list[Body], parameter: str, numbers: Callable[[Body], set[int]]
) -> None:
    seen = [body for body in bodies if not body["adult"] and not body["video"]]
    one, two = list(numbers(max(seen, key=lambda body: len(numbers(body)))))[:2]
    both = {body["id"] for body in seen if {one, two} <= numbers(body)}
    either = {body["id"] for body in seen if {one, two} & numbers(body)}
    assert ids(found(tmdb, f"{parameter}={one},{two}")) == both
    assert ids(found(tmdb, f"{parameter}={one}|{two}")) == either
    assert both
    assert len(either) < len(seen)


def test_filters_without_keyword_or_company_find_the_rest(tmdb: Emulator, bodies: list[Body]) -> None:
    everything = ids(found(tmdb, ""))
    keyword = next(body["keywords"]["keywords"][0]["id"] for body in bodies if body["keywords"]["keywords"])
    assert ids(found(tmdb, f"without_keywords={keyword}")) == everything - ids(found(tmdb, f"with_keywords={keyword}"))


def test_adult_movies_and_videos_stay_out_unless_asked_for(tmdb: Emulator, bodies: list[Body]) -> None:
    assert any(body["adult"] for body in bodies)
    assert any(body["video"] for body in bodies)
    assert not any(row["adult"] or row["video"] for row in found(tmdb, ""))
    assert not any(row["video"] for row in found(tmdb, "include_adult=true"))
    assert len(found(tmdb, "include_adult=true&include_video=true")) == len(bodies)


@pytest.mark.parametrize("field", ["popularity", "vote_average", "vote_count", "title", "original_title"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_rows_come_in_the_asked_order(tmdb: Emulator, field: str, direction: str) -> None:
    values = [row[field] for row in found(tmdb, f"sort_by={field}.{direction}")]
    assert values == sorted(values, reverse=direction == "desc")


def test_the_number_of_pages_is_not_capped() -> None:
    with Emulator(movies=12_000) as tmdb:
        reply = get(tmdb, "discover/movie?page=500&include_adult=true&include_video=true").json()
        assert (reply["total_pages"], reply["total_results"], len(reply["results"])) == (600, 12_000, 20)
        assert get(tmdb, "discover/movie?page=501").json()["status_code"] == 22


def test_details_and_lists_agree(tmdb: Emulator, bodies: list[Body]) -> None:
    by_id = {body["id"]: body for body in bodies}
    for row in found(tmdb, "vote_count.gte=10"):
        body = by_id[row["id"]]
        assert row.pop("genre_ids") == [genre["id"] for genre in body["genres"]]
        assert row == {key: body[key] for key in row}
