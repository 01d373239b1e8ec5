"""Series are collected with their seasons, and people, collections and the like become tables by their declarations."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress
from reelhouse.collect.verify import verify
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.person import PERSON
from reelhouse.entities.python_rows import TypedAnswer, python_rows
from reelhouse.entities.referenced import REFERENCED
from reelhouse.entities.schema import Entity, Export
from reelhouse.entities.tv import TV
from reelhouse.raw.receipt import State
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.verify import check_tables
from tests.lakes import tmdb_data
from tests.runs.lakes import collected, settings
from tests.serving import html, json, serving, verdict
from tests.warehouse.landing import Answer as Landed
from tests.warehouse.landing import LakeInTheMaking

# A few seasons, specials alone, more than one request holds, and numbers that are years.
SEASONS = {1: [0, 1, 2], 2: [0], 3: list(range(30)), 4: [2019, 2020]}
FEW = {"tv": replace(TV, listing=Export("tv_series_ids", least_rows=1))}


def _series(id_: int, appended: list[str], numbers: list[int] | None = None) -> web.Response:
    numbers = SEASONS[id_] if numbers is None else numbers
    if len(appended) > 20:
        return verdict(400, 27)
    body: dict[str, Any] = {
        "id": id_,
        "name": f"Series {id_}",
        "original_name": f"Series {id_}",
        "original_language": "pt",
        "first_air_date": "",
        "genres": [],
        "number_of_seasons": sum(number > 0 for number in numbers),
        "seasons": [{"id": 100 * id_ + number, "season_number": number, "name": "S"} for number in numbers],
    }
    for name in appended:
        kind, _, number = name.partition("/")
        if kind != "season":
            body[name] = {"results": []} if name != "watch/providers" else {"results": {}}
        elif int(number) in numbers:
            episode = {
                "id": 10_000 * id_ + int(number),
                "episode_number": 1,
                "name": "E",
                "guest_stars": [],
                "crew": [],
            }
            body[name] = {"_id": "x", "season_number": int(number), "episodes": [episode]}
    return json(body)


def _role(credit_id: str | None, character: str) -> dict[str, Any]:
    return {"credit_id": credit_id, "character": character}


# Each repeats a key once; of the last, nothing does.
REPEATED: dict[int, dict[str, Any]] = {
    1: {"seasons": [{"season_number": 1, "name": "a"}, {"season_number": 2}, {"season_number": "1", "name": "b"}]},
    2: {
        "aggregate_credits": {
            "cast": [{"id": 7, "roles": [_role("c1", "A"), _role("c2", "B")]}, {"id": 8, "roles": [_role("c1", "C")]}],
            "crew": [{"id": 7, "jobs": [{"credit_id": "c1", "job": "Writer"}]}],
        }
    },
    3: {
        "season/1": {
            "season_number": 1,
            "episodes": [
                {"id": 10, "episode_number": 1, "name": "a", "guest_stars": [{"id": 7}], "crew": [{"id": 9}]},
                {"id": 10, "episode_number": 1, "name": "b", "guest_stars": [{"id": 8}]},
            ],
        },
        "season/2": {"season_number": 2, "episodes": [{"id": 10, "episode_number": 1, "name": "c"}]},
    },
    4: {
        "seasons": [{"name": "unknown"}, {"name": "unknown too"}, {"season_number": 0}],
        "aggregate_credits": {
            "cast": [{"id": 7, "roles": None}, {"id": 7, "roles": [_role("", "A"), _role("", "A"), _role(None, "A")]}]
        },
        "season/1": {"episodes": [{"id": 11, "episode_number": 1}, {"id": 11, "episode_number": 2}, {}, {}]},
    },
}


def check_repeated(lake: LakeInTheMaking) -> None:
    """What the tables of a lake hold in which `REPEATED` landed."""
    assert sorted(lake.values("rejected_value", "id", "path", "reason")) == [
        (1, "seasons[2]", "has the key of an earlier item"),
        (2, "aggregate_credits.cast[1].roles[0]", "has the key of an earlier item"),
        (3, "season/*.1.episodes[1]", "has the key of an earlier item"),
    ]
    known = sorted(lake.values("season", "tv_id", "season_number", "name"), key=str)
    assert known == [(1, 1, "a"), (1, 2, None), (4, 0, None), (4, None, "unknown too"), (4, None, "unknown")]
    cast = (row for row in lake.values("tv_cast", "tv_id", "credit_id", "person_id", "character") if row[0] in REPEATED)
    assert sorted(cast, key=str) == [
        (2, "c1", 7, "A"),
        (2, "c2", 7, "B"),
        *[(4, None, 7, "A")] * 3,
    ]
    assert [row for row in lake.values("tv_crew", "tv_id", "credit_id") if row[0] in REPEATED] == [(2, "c1")]
    episodes = sorted(lake.values("episode", "tv_id", "season_number", "episode_id", "name"), key=str)
    assert episodes == [(3, 1, 10, "a"), (3, 2, 10, "c"), *[(4, 1, 11, None)] * 2, *[(4, 1, None, None)] * 2]
    assert lake.values("episode_guest_star", "episode_id", "person_id") == [(10, 7)]


def test_seasons_come_with_their_series_and_more_requests_only_past_twenty_appends(tmp_path: Path) -> None:
    asked = Counter[str]()

    def answer(request: web.BaseRequest) -> web.StreamResponse:
        if "/p/exports/tv_series_ids_" in request.path:
            rows = (msgspec.json.encode({"id": id_, "original_name": "S", "popularity": 9.0 - id_}) for id_ in SEASONS)
            return web.Response(body=gzip.compress(b"\n".join(rows), mtime=0), content_type="application/gzip")
        if request.path.startswith("/3/tv/"):
            asked[request.path] += 1
            appended = request.query.get("append_to_response", "").split(",")
            return _series(int(request.path.rpartition("/")[2]), appended)
        return json({"images": {}}) if request.path == "/3/configuration" else html(404)

    lake = LakeInTheMaking(tmp_path)
    with serving(answer) as server:
        options = CollectOptions(names=("tv",), entities=FEW)
        run = collected(lake.storage, settings(server.url, attempts=2), options, Progress())[-1]
    assert (run.complete, run.states) == (True, {"landed": 4})
    assert asked == {"/3/tv/1": 1, "/3/tv/2": 1, "/3/tv/3": 2, "/3/tv/4": 2}
    assert verify(lake.storage, entities=FEW).problems == []
    lake.build(registry=Registry.of(FEW))
    assert check_tables(lake.storage, FEW) == []
    wanted = sorted((id_, number) for id_, numbers in SEASONS.items() for number in numbers)
    assert sorted(lake.values("episode", "tv_id", "season_number")) == wanted
    found = sorted(lake.values("season", "tv_id", "season_number", "season_id"))
    assert found == [(id_, number, 100 * id_ + number) for id_, number in wanted]
    assert sorted(lake.values("popularity_daily", "id", "original_title")) == [(id_, "S") for id_ in SEASONS]


def _changed(asked: int, _: list[str]) -> int | None:
    return 29 if asked else 30


def _cached(asked: int, appended: list[str]) -> int | None:
    # A cache keeps the answer to the first request from before the change.
    return 30 if not asked or "season/0" in appended else 29


def _gone_once(asked: int, _: list[str]) -> int | None:
    return None if asked == 1 else 30


@pytest.mark.parametrize(
    ("numbers", "requests", "seasons", "episodes", "drift"),
    [
        (_changed, 4, 29, 29, {}),
        (_cached, 8, 30, 29, {"missing:season/29": 1}),
        (_gone_once, 4, 30, 30, {}),
    ],
)
def test_a_series_whose_answers_contradict_each_other_is_requested_again(
    tmp_path: Path,
    numbers: Callable[[int, list[str]], int | None],
    requests: int,
    seasons: int,
    episodes: int,
    drift: dict[str, int],
) -> None:
    asked = list[str]()

    def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/3/tv/3":
            return json({"images": {}}) if request.path == "/3/configuration" else html(404)
        appended = request.query.get("append_to_response", "").split(",")
        listed = numbers(len(asked), appended)
        asked.append(appended[-1])
        return verdict(404, 34) if listed is None else _series(3, appended, list(range(listed)))

    lake = LakeInTheMaking(tmp_path)
    with serving(answer) as server:
        options = CollectOptions(names=("tv",), entities=FEW, keys=("3",), selected=True)
        run = collected(lake.storage, settings(server.url, attempts=5), options, Progress())[-1]
    assert (run.complete, run.states, len(asked)) == (True, {"landed": 1}, requests)
    assert run.reconciliation is not None
    assert run.reconciliation.drift == drift
    assert verify(lake.storage, entities=FEW).problems == []
    lake.build(registry=Registry.of(FEW))
    assert lake.values("tv", "number_of_seasons") == [seasons - 1]
    assert len(lake.values("season", "season_number")) == seasons
    assert len(lake.values("episode", "season_number")) == episodes


def test_of_what_a_key_tells_apart_the_first_counts_and_what_repeats_it_is_named(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path, entity="tv")
    lake.land(*(Landed(id_, {"id": id_, **body}) for id_, body in REPEATED.items()))
    lake.build(registry=Registry.of({"tv": TV}))
    check_repeated(lake)
    # In Python, where there is no engine, the rows are the same.
    for table in (one for one in TV.tables if one.keyed):
        rows = [row for id_, body in REPEATED.items() for row in python_rows(table, _read(id_, body))]
        wanted = sorted((tuple(row[name] for name in table.key) for row in rows), key=str)
        assert wanted == sorted(lake.values(table.name, *table.key), key=str) != []


def test_an_answer_that_is_no_json_stops_no_build_of_series_without_seasons(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path, entity="tv")
    page = Landed(2, b"<html>", State.QUARANTINED, reason="not_json", parses=False)
    lake.land(Landed(1, {"id": 1, "name": "S"}), page)
    lake.build(registry=Registry.of({"tv": TV}))
    assert lake.values("tv", "tv_id") == [1]
    assert lake.values("quarantine", "id") == [2]
    assert lake.values("episode", "tv_id") == []


def _read(id_: int, body: dict[str, Any]) -> TypedAnswer:
    return TypedAnswer(id_, None, lenient_parse(msgspec.json.encode(body), TV.shape).values, [])


@pytest.mark.parametrize("entity", [PERSON, *REFERENCED], ids=lambda one: one.name)
def test_recorded_answers_are_known_whole_and_become_rows(entity: Entity) -> None:
    appended = "__append_to_response-"
    number = 0
    for file in sorted(tmdb_data("recorded", entity.name).glob(f"{entity.name}_*.json")):
        key, _, rest = file.stem.removeprefix(f"{entity.name}_").partition("__")
        if not key.isdigit() or (rest and appended.strip("_") not in rest):
            continue
        body = msgspec.json.decode(file.read_bytes())
        assert entity.core <= body.keys()
        # Movies of a company are in no documentation.
        assert body.keys() - entity.fields - set(entity.appends) - {"movies"} == set(), file.name
        parsed = lenient_parse(file.read_bytes(), entity.shape)
        assert parsed.rejected == []
        answer = TypedAnswer(body["id"], None, parsed.values, [])
        rows = {table.name: list(python_rows(table, answer)) for table in entity.tables}
        (itself,) = rows[entity.name]
        assert (itself[entity.id_column], itself["name"]) == (body["id"], body["name"])
        lists = {"person_alias": "also_known_as", "collection_part": "parts"}
        assert all(len(rows[table]) == len(body[name]) for table, name in lists.items() if table in rows)
        for table, name in {"person_cast": "cast", "person_crew": "crew"}.items():
            assert len(rows.get(table, ())) == len(body.get("combined_credits", {}).get(name, ()))
        number += 1
    assert number
