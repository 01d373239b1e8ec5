"""Wherever the emulator and TMDB use the same key in the same place, the value has the same JSON type.

TMDB's side is its OpenAPI examples and the recorded responses; null goes with anything, an integer is a number.
"""

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from reelhouse.emulator.catalog.kinds import EPISODE_BLOCKS, KINDS, SEASON_BLOCKS
from tests.emulator.asking import get

# One of so many of the popular ones is asked for.
ASKED = 5
PATHS = {
    "movie": "/3/movie/{movie_id}",
    "tv": "/3/tv/{series_id}",
    "person": "/3/person/{person_id}",
    "collection": "/3/collection/{collection_id}",
    "company": "/3/company/{company_id}",
    "network": "/3/network/{network_id}",
    "keyword": "/3/keyword/{keyword_id}",
}
SEASON = f"{PATHS['tv']}/season/{{season_number}}"
EPISODE = f"{SEASON}/episode/{{episode_number}}"
ENDPOINTS = (
    *(f"{path}{block and '/'}{block}" for kind, path in PATHS.items() for block in ("", *KINDS[kind].appends)),
    *(f"{SEASON}{block and '/'}{block}" for block in ("", *SEASON_BLOCKS)),
    *(f"{EPISODE}{block and '/'}{block}" for block in ("", *EPISODE_BLOCKS)),
    *(f"/3/{kind}/{name}" for kind in ("movie", "tv", "person") for name in ("changes", "latest", "popular")),
    *(f"/3/movie/{name}" for name in ("top_rated", "now_playing", "upcoming")),
    *(f"/3/tv/{name}" for name in ("top_rated", "airing_today", "on_the_air")),
    *(f"/3/trending/{kind}/{{time_window}}" for kind in ("all", "movie", "person", "tv")),
    *(f"/3/discover/{kind}" for kind in ("movie", "tv")),
    *(f"/3/genre/{kind}/list" for kind in ("movie", "tv")),
    *(f"/3/certification/{kind}/list" for kind in ("movie", "tv")),
    *(f"/3/watch/providers/{kind}" for kind in ("movie", "tv", "regions")),
    "/3/keyword/{keyword_id}/movies",
    "/3/find/{external_id}",
    "/3/configuration",
    *(f"/3/configuration/{name}" for name in ("countries", "jobs", "languages", "primary_translations", "timezones")),
)
# What the emulator always leaves empty, and what one recording has too few rows of.
FEW = {"episode_groups", "screened_theatrically", "tagged_images"}
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


@functools.cache
def spec(data: Path) -> dict[str, Any]:
    """What TMDB's OpenAPI file says of each endpoint."""
    paths: dict[str, Any] = json.loads((data / "openapi.json").read_text())["paths"]
    return paths


def spec_examples(data: Path, endpoint: str) -> list[Any]:
    paths = spec(data)
    if endpoint not in paths:
        return []
    content = paths[endpoint]["get"]["responses"]["200"]["content"]["application/json"]
    return [parsed(example["value"]) for example in content.get("examples", {}).values()]


@functools.cache
def index(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "recorded" / "index.jsonl").read_text().splitlines()]


def recordings(data: Path, endpoint: str) -> list[Any]:
    asked = request_pattern(endpoint)
    files = [row["file"] for row in index(data) if asked.fullmatch(row["endpoint"]) and str(row["status"]) == "200"]
    return [json.loads((data / "recorded" / file).read_text()) for file in files]


def request_pattern(endpoint: str) -> re.Pattern[str]:
    """The requests to *endpoint* as the index of the recordings writes them."""
    pattern = re.escape(f"GET {endpoint}").replace(re.escape("{external_id}"), "[^/?]+")
    pattern = pattern.replace(re.escape("{time_window}"), "(day|week)")
    return re.compile(re.sub(r"\\{\w+\\}", r"(\\d+|tt\\d+|\\{\\w+\\})", pattern) + r"(\?.*)?")


Edited = tuple[Emulator, dict[str, list[int]], list[dict[str, int]]]


@pytest.fixture(scope="module")
def edited() -> Iterator[Edited]:
    """An emulator with some history, ids of every rank in it, and episodes."""
    with Emulator(movies=2000, seed=11) as tmdb:
        ids = {}
        for kind in PATHS:
            ids[kind] = tmdb.edit(count=5, kind=kind)
            if kind in ("movie", "tv", "person"):
                pages = [get(tmdb, f"{kind}/popular?page={page}").json()["results"] for page in (1, 2, 8)]
                ids[kind] = [row["id"] for rows in pages for row in rows][::ASKED] + ids[kind]
        yield tmdb, ids, episodes(tmdb, ids["tv"])


@pytest.fixture(scope="module", params=ENDPOINTS)
def served(edited: Edited, tmdb_data: Path, request: pytest.FixtureRequest) -> tuple[str, list[Any]]:
    """An endpoint and what the emulator answers there."""
    endpoint: str = request.param
    return endpoint, [get(edited[0], path).json() for path in requests(edited, endpoint)]


def requests(edited: Edited, endpoint: str) -> list[str]:
    """Requests to *endpoint* for a choice of ids, or for the first pages."""
    tmdb, ids, last_episodes = edited
    path = endpoint.removeprefix("/3/")
    if "{season_number}" in path:
        return [path.format(**of) for of in last_episodes]
    if "{external_id}" in path:
        movies = [get(tmdb, f"movie/{number}").json()["imdb_id"] for number in ids["movie"]]
        series = [get(tmdb, f"tv/{number}/external_ids").json() for number in ids["tv"]]
        parts = [of["season_id"] for of in last_episodes]
        numbers = [number for number in (*(row["tvdb_id"] for row in series), *parts) if number]
        known = [text for text in (*movies, *(row["imdb_id"] for row in series)) if text]
        return [f"find/{text}?external_source=imdb_id" for text in known] + [
            f"find/{number}?external_source=tvdb_id" for number in numbers
        ]
    if "{time_window}" in path:
        return [path.format(time_window="week")]
    kind = next((kind for kind, start in PATHS.items() if endpoint.startswith(start)), None)
    if kind is None:
        return [f"{path}?page={page}" for page in (1, 2)]
    appended = "" if endpoint != PATHS[kind] else f"?append_to_response={','.join(KINDS[kind].appends)}"
    return [re.sub(r"\{\w+\}", str(number), path) + appended for number in ids[kind]]


def episodes(tmdb: Emulator, series: list[int]) -> list[dict[str, int]]:
    """The last episode of each season of some series."""
    found = []
    for number in series[:12]:
        body = get(tmdb, f"tv/{number}?append_to_response=season/0,season/1,season/5").json()
        seasons = [(of, body.get(f"season/{of['season_number']}")) for of in body["seasons"]]
        found += [
            {
                "series_id": number,
                "season_number": of["season_number"],
                "episode_number": season["episodes"][-1]["episode_number"],
                "season_id": of["id"],
            }
            for of, season in seasons
            if season and season["episodes"]
        ]
    return found


def test_shared_keys_have_the_type_that_tmdb_gives_them(served: tuple[str, list[Any]], tmdb_data: Path) -> None:
    endpoint, bodies = served
    official = types_in(spec_examples(tmdb_data, endpoint) + recordings(tmdb_data, endpoint))
    ours = types_in(bodies)
    shared = {path for path in set(official) & set(ours) if not FREE.search(path)}
    assert {path: ours[path] for path in shared if not ours[path] <= official[path]} == {}
    # A bare array of texts has two places: itself and its rows.
    assert len(shared) > 1 or not official or endpoint.rpartition("/")[2] in FEW, "nothing was compared"


def test_no_key_is_missing_that_tmdb_always_sends(served: tuple[str, list[Any]], tmdb_data: Path) -> None:
    endpoint, bodies = served
    examples = [body for body in spec_examples(tmdb_data, endpoint) if isinstance(body, dict)]
    always = set.intersection(*map(set, examples)) if examples else set()
    assert all(always <= set(body) for body in bodies if isinstance(body, dict))


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
