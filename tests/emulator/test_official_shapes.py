"""Wherever the emulator and TMDB use the same key in the same place, the value has the same JSON type.

TMDB's side is its OpenAPI examples and the recorded responses; null goes with anything, an integer is a number.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from reelhouse.emulator.catalog.protocol import APPENDS
from tests.emulator.asking import get

ASKED_MOVIES = 40
MOVIE = "/3/movie/{movie_id}"
ENDPOINTS = (
    MOVIE,
    *(f"{MOVIE}/{name}" for name in APPENDS),
    "/3/movie/changes",
    "/3/movie/latest",
    "/3/movie/popular",
    "/3/discover/movie",
    *(f"/3/genre/{kind}/list" for kind in ("movie", "tv")),
    *(f"/3/certification/{kind}/list" for kind in ("movie", "tv")),
    *(f"/3/watch/providers/{kind}" for kind in ("movie", "tv", "regions")),
    "/3/find/{external_id}",
    "/3/configuration",
    *(f"/3/configuration/{name}" for name in ("countries", "jobs", "languages", "primary_translations", "timezones")),
)
# A changed value is a text, a number or an object, depending on what changed.
FREE = re.compile(r"(\.|^)changes\[\]\.items\[\]\.(value|original_value)(\.|$)")
Types = dict[str, set[str]]


def type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "string"


def places(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every place in a JSON value with the type found there; all rows of a list are one place."""
    if value is None:
        return
    yield path, type_name(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from places(inner, f"{path}[]")


def types_in(bodies: list[Any]) -> Types:
    found: Types = defaultdict(set)
    for body in bodies:
        for path, name in places(body):
            found[path].add(name)
    return found


def parsed(value: Any) -> Any:
    """The spec writes some of its examples as JSON inside a text."""
    return json.loads(value) if isinstance(value, str) else value


def spec_examples(data: Path, endpoint: str) -> list[Any]:
    paths = json.loads((data / "openapi.json").read_text())["paths"]
    if endpoint not in paths:
        return []
    content = paths[endpoint]["get"]["responses"]["200"]["content"]["application/json"]
    return [parsed(example["value"]) for example in content.get("examples", {}).values()]


def recordings(data: Path, endpoint: str) -> list[Any]:
    listed = map(json.loads, (data / "recorded" / "index.jsonl").read_text().splitlines())
    asked = request_pattern(endpoint)
    files = [row["file"] for row in listed if asked.fullmatch(row["endpoint"]) and str(row["status"]) == "200"]
    return [json.loads((data / "recorded" / file).read_text()) for file in files]


def request_pattern(endpoint: str) -> re.Pattern[str]:
    """The requests to *endpoint* as the index of the recordings writes them."""
    pattern = re.escape(f"GET {endpoint}")
    pattern = pattern.replace(re.escape("{movie_id}"), r"(\d+|tt\d+|\{movie_id\})")
    return re.compile(pattern.replace(re.escape("{external_id}"), "[^/?]+") + r"(\?.*)?")


@pytest.fixture(scope="module")
def edited() -> Iterator[tuple[Emulator, list[dict[str, Any]]]]:
    """An emulator with some history, and movies of every rank in it."""
    with Emulator(movies=2000, seed=11) as tmdb:
        tmdb.edit(count=50)
        pages = [get(tmdb, f"movie/popular?page={page}").json()["results"] for page in (1, 2, 30, 100)]
        numbers = [row["id"] for rows in pages for row in rows][:ASKED_MOVIES]
        numbers += [row["id"] for row in get(tmdb, "movie/changes?page=1").json()["results"][:10]]
        yield tmdb, [get(tmdb, f"movie/{number}").json() for number in numbers]


def emulated(edited: tuple[Emulator, list[dict[str, Any]]], endpoint: str) -> list[Any]:
    tmdb, movies = edited
    path = endpoint.removeprefix("/3/")
    if "{movie_id}" in path:
        appended = "" if endpoint != MOVIE else f"?append_to_response={','.join(APPENDS)}"
        return [get(tmdb, path.format(movie_id=movie["id"]) + appended).json() for movie in movies]
    if "{external_id}" in path:
        known = [movie["imdb_id"] for movie in movies if movie["imdb_id"]]
        return [get(tmdb, path.format(external_id=text) + "?external_source=imdb_id").json() for text in known]
    return [get(tmdb, f"{path}?page={page}").json() for page in (1, 2)]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_shared_keys_have_the_type_that_tmdb_gives_them(
    edited: tuple[Emulator, list[dict[str, Any]]], tmdb_data: Path, endpoint: str
) -> None:
    official = types_in(spec_examples(tmdb_data, endpoint) + recordings(tmdb_data, endpoint))
    ours = types_in(emulated(edited, endpoint))
    shared = {path for path in set(official) & set(ours) if not FREE.search(path)}
    assert {path: ours[path] for path in shared if not ours[path] <= official[path]} == {}
    # A bare array of texts has two places: itself and its rows.
    assert len(shared) > 1, "nothing was compared"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_key_is_missing_that_tmdb_always_sends(
    edited: tuple[Emulator, list[dict[str, Any]]], tmdb_data: Path, endpoint: str
) -> None:
    examples = [body for body in spec_examples(tmdb_data, endpoint) if isinstance(body, dict)]
    always = set.intersection(*map(set, examples)) if examples else set()
    assert all(always <= set(body) for body in emulated(edited, endpoint) if isinstance(body, dict))


def test_errors_look_like_the_recorded_ones(tmdb: Emulator, tmdb_data: Path) -> None:
    folder = tmdb_data / "recorded" / "errors"
    asked = {
        "movie_999999999__HTTP404.json": "movie/999999999",
        "movie_999999999_keywords__HTTP404.json": "movie/999999999/keywords",
        "quoted_400_code22_page_out_of_range.json": "discover/movie?page=501",
        "quoted_400_code27_too_many_appends.json": f"movie/2?append_to_response={','.join('a' * 21)}",
        "quoted_422_code20_date_range.json": "movie/changes?start_date=2026-01-01&end_date=2026-02-01",
    }
    for file, path in asked.items():
        assert get(tmdb, path).json() == json.loads((folder / file).read_text()), path


@pytest.mark.parametrize("kind", ["movie", "tv"])
def test_genres_are_tmdbs(tmdb: Emulator, tmdb_data: Path, kind: str) -> None:
    recorded = json.loads((tmdb_data / "recorded" / "genre" / f"genre_{kind}_list.json").read_text())
    served = get(tmdb, f"genre/{kind}/list").json()
    assert sorted(served["genres"], key=lambda row: row["id"]) == sorted(recorded["genres"], key=lambda row: row["id"])
