"""Series are collected with their seasons, and people, collections and the like become tables by their declarations."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.bootstrap import collecting
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress
from reelhouse.collect.verify import verify
from reelhouse.entities.person import PERSON
from reelhouse.entities.referenced import REFERENCED
from reelhouse.entities.schema import Entity, Export
from reelhouse.entities.tv import TV
from reelhouse.tables.lenient_parse import lenient_parse
from reelhouse.tables.python_rows import Answer, python_rows
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.verify import check_tables
from tests.lakes import tmdb_data
from tests.runs.lakes import settings
from tests.serving import html, json, serving, verdict
from tests.warehouse.landing import LakeInTheMaking

# A few seasons, specials alone, more than one request holds, and numbers that are years.
SEASONS = {1: [0, 1, 2], 2: [0], 3: list(range(30)), 4: [2019, 2020]}
FEW = {"tv": replace(TV, listing=Export("tv_series_ids", least_rows=1))}


def _series(id_: int, appended: list[str]) -> web.Response:
    if len(appended) > 20:
        return verdict(400, 27)
    body: dict[str, Any] = {
        "id": id_,
        "name": f"Series {id_}",
        "original_name": f"Series {id_}",
        "original_language": "pt",
        "first_air_date": "",
        "genres": [],
        "number_of_seasons": sum(number > 0 for number in SEASONS[id_]),
        "seasons": [{"id": 100 * id_ + number, "season_number": number, "name": "S"} for number in SEASONS[id_]],
    }
    for name in appended:
        kind, _, number = name.partition("/")
        if kind != "season":
            body[name] = {"results": []} if name != "watch/providers" else {"results": {}}
        elif int(number) in SEASONS[id_]:
            episode = {
                "id": 10_000 * id_ + int(number),
                "episode_number": 1,
                "name": "E",
                "guest_stars": [],
                "crew": [],
            }
            body[name] = {"_id": "x", "season_number": int(number), "episodes": [episode]}
    return json(body)


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
        run = collecting.collect(lake.storage, settings(server.url, attempts=2), options, Progress())[-1]
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
        answer = Answer(body["id"], None, parsed.values, [])
        rows = {table.name: list(python_rows(table, answer)) for table in entity.tables}
        (itself,) = rows[entity.name]
        assert (itself[entity.id_column], itself["name"]) == (body["id"], body["name"])
        lists = {"person_alias": "also_known_as", "collection_part": "parts"}
        assert all(len(rows[table]) == len(body[name]) for table, name in lists.items() if table in rows)
        for table, name in {"person_cast": "cast", "person_crew": "crew"}.items():
            assert len(rows.get(table, ())) == len(body.get("combined_credits", {}).get(name, ()))
        number += 1
    assert number
