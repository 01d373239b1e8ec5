"""Every season, episode and credit of TMDB's own answers arrives in the tables, on the engine and in plain Python."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.python_rows import TypedAnswer as Parsed
from reelhouse.entities.python_rows import python_rows
from reelhouse.entities.tv import TV
from reelhouse.tables.registry import Registry
from tests.lakes import tmdb_data
from tests.warehouse.landing import Answer, LakeInTheMaking, Row

Body = dict[str, Any]
REGISTRY = Registry.of({"tv": TV})
OF_SEASONS = ("season", "episode", "episode_guest_star", "episode_crew")


def _series(id_: int, seasons: dict[int, Body]) -> Body:
    """A series with its seasons appended: such a block has no id of its own."""
    listed = [
        {**{name: value for name, value in season.items() if name not in ("episodes", "networks", "_id")}}
        for season in seasons.values()
    ]
    appended = {
        f"season/{number}": {name: value for name, value in season.items() if name != "id"}
        for number, season in seasons.items()
    }
    return {"id": id_, "name": f"Series {id_}", "seasons": listed, **appended}


@pytest.fixture(scope="module")
def bodies() -> list[Body]:
    seasons: dict[int, dict[int, Body]] = {}
    with gzip.open(tmdb_data("payloads", "season.jsonl.gz")) as lines:
        for line in lines:
            one = msgspec.json.decode(line)
            seasons.setdefault(one["series_id"], {})[one["season"]["season_number"]] = one["season"]
    assert len(seasons) > 200
    return [_series(id_, of_series) for id_, of_series in seasons.items()]


def _built(folder: Path, bodies: list[Body]) -> LakeInTheMaking:
    lake = LakeInTheMaking(folder, entity="tv")
    lake.land(*(Answer(body["id"], body) for body in bodies), parts=4)
    lake.build(registry=REGISTRY)
    return lake


@pytest.fixture(scope="module")
def lake(bodies: list[Body], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    yield _built(tmp_path_factory.mktemp("series") / "lake", bodies)


def _without_instant(rows: Iterator[Row] | list[Row]) -> Counter[str]:
    return Counter(str([str(value) for name, value in row.items() if name != "fetched_at"]) for row in rows)


@pytest.fixture(scope="module")
def in_python(bodies: list[Body]) -> dict[str, Counter[str]]:
    found = {name: Counter[str]() for name in OF_SEASONS}
    for body in bodies:
        parsed = lenient_parse(json.dumps(body).encode(), TV.shape)
        assert parsed.rejected == []
        answer = Parsed(body["id"], None, parsed.values, [])
        for name in OF_SEASONS:
            found[name] += _without_instant(python_rows(REGISTRY.of_answers[name], answer))
    return found


@pytest.mark.long
def test_no_season_episode_or_credit_is_lost(bodies: list[Body], in_python: dict[str, Counter[str]]) -> None:
    episodes = [
        episode
        for body in bodies
        for name, season in body.items()
        if name.startswith("season/")
        for episode in season["episodes"]
    ]
    assert {name: rows.total() for name, rows in in_python.items()} == {
        "season": sum(len(body["seasons"]) for body in bodies),
        "episode": len(episodes),
        "episode_guest_star": sum(len(one.get("guest_stars", ())) for one in episodes),
        "episode_crew": sum(len(one.get("crew", ())) for one in episodes),
    }


@pytest.mark.long
@pytest.mark.parametrize("name", OF_SEASONS)
def test_the_engine_makes_the_same_rows(name: str, lake: LakeInTheMaking, in_python: dict[str, Counter[str]]) -> None:
    assert _without_instant(lake.rows(name)) == in_python[name]


@pytest.mark.long
def test_all_real_seasons_fit_their_columns(lake: LakeInTheMaking) -> None:
    assert lake.rows("rejected_value") == []


@pytest.mark.long
@pytest.mark.parametrize("folder", ["tv", "season", "episode"])
def test_recorded_answers_have_the_same_rows_in_plain_python(folder: str, tmp_path: Path) -> None:
    bodies = [msgspec.json.decode(file.read_bytes()) for file in sorted(tmdb_data("recorded", folder).glob("*.json"))]
    recorded = [_as_series(number, folder, body) for number, body in enumerate(bodies, 1) if isinstance(body, dict)]
    lake = _built(tmp_path / "lake", recorded)
    parsed = [
        Parsed(body["id"], None, lenient_parse(json.dumps(body).encode(), TV.shape).values, []) for body in recorded
    ]
    for table in (table for table in TV.tables if table.of_answers):
        expected = Counter[str]()
        for answer in parsed:
            expected += _without_instant(python_rows(REGISTRY.of_answers[table.name], answer))
        assert _without_instant(lake.rows(table.name)) == expected, table.name


def _as_series(number: int, folder: str, body: Body) -> Body:
    """A recorded answer as a part of a series, as it is where it is appended."""
    if folder == "season":
        return {"id": number, "season/1": body}
    if folder == "episode":
        return {"id": number, "season/1": {"episodes": [body]}}
    parts = ("aggregate_credits", "alternative_titles", "content_ratings", "images", "keywords", "recommendations",
             "reviews", "translations", "videos", "watch/providers", "external_ids")  # fmt: skip
    return {**{part: body for part in parts if part not in body}, **body, "id": number}


@pytest.mark.long
def test_a_season_of_thousands_of_episodes_in_several_megabytes_arrives_whole(tmp_path: Path) -> None:
    crew = [
        {"credit_id": f"c{n}", "id": n, "name": f"Name {n}", "job": "Writer", "department": "Writing"}
        for n in range(20)
    ]
    lost = {"credit_id": "lost", "person_id": "5256c8b219c2956ff6047cd8", "character": "Somebody", "order": 0}
    episodes: list[Body] = [
        {
            "id": 10_000 + n,
            "episode_number": n,
            "season_number": 1,
            "overview": "x" * 300,
            "crew": crew,
            "guest_stars": [],
        }
        for n in range(1, 2_869)
    ]
    episodes[-1] |= {"episode_number": 185_472_180_051, "guest_stars": [lost]}
    season = {"id": 77, "season_number": 1, "name": "One", "episodes": episodes}
    body = _series(5, {1: season})
    assert len(json.dumps(body)) > 4_000_000
    lake = _built(tmp_path / "lake", [body])
    numbers = sorted(lake.values("episode", "episode_number"))
    assert (len(numbers), numbers[-1]) == (2_868, 185_472_180_051)
    assert len(lake.values("episode_crew", "credit_id")) == 2_868 * 20
    (guest,) = lake.rows("episode_guest_star")
    assert (guest["person_id"], guest["lost_person_id"], guest["episode_id"]) == (None, lost["person_id"], 12_868)
    assert lake.values("season", "season_id") == [77]
