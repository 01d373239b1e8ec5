"""Reference lists are collected from a server and become tables; of several kinds of titles, one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress
from reelhouse.collect.validation import ResponseValidator
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.python_rows import TypedAnswer, python_rows
from reelhouse.entities.reference import REFERENCE_LISTS
from reelhouse.entities.schema import Entity
from reelhouse.spark.options import from_api
from reelhouse.tables.registry import Registry
from reelhouse.tmdb.client import Answer, UntrustedAnswer
from reelhouse.warehouse.verify import check_tables
from tests.emulator.asking import get
from tests.lakes import tmdb_data
from tests.runs.lakes import collected, settings
from tests.serving import html, json, serving
from tests.warehouse.landing import LakeInTheMaking

BY_NAME = {entity.name: entity for entity in REFERENCE_LISTS}


def _lake_of(folder: Path, bodies: Mapping[str, bytes], entities: Mapping[str, Entity]) -> LakeInTheMaking:
    """A lake that has collected *entities* from a server of *bodies* by path, and is built."""

    def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = bodies.get(request.path.removeprefix("/3"))
        return html(404) if body is None else web.Response(body=body, content_type="application/json")

    lake = LakeInTheMaking(folder)
    with serving(answer) as server:
        for name in entities:
            options = CollectOptions(names=(name,), entities=entities)
            (run,) = collected(lake.storage, settings(server.url, attempts=2), options, Progress())
            assert (run.complete, run.states) == (True, {"landed": 1})
    assert verify(lake.storage, entities=entities).problems == []
    lake.build(registry=Registry.of(entities))
    assert check_tables(lake.storage, entities) == []
    return lake


def _row(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in values.items() if name != "fetched_at")


@pytest.mark.long
def test_recorded_lists_become_tables_without_loss(tmp_path: Path) -> None:
    lines = tmdb_data("recorded", "index.jsonl").read_bytes().splitlines()
    recorded = (msgspec.json.decode(line) for line in lines)
    files = {one["endpoint"].removeprefix("GET /3"): one["file"] for one in recorded if one["status"] == "200"}
    bodies = {one.path: tmdb_data("recorded", files[one.path]).read_bytes() for one in REFERENCE_LISTS}
    lake = _lake_of(tmp_path, bodies, BY_NAME)
    expected: dict[str, list[tuple[Any, ...]]] = {}
    for entity in REFERENCE_LISTS:
        found = lenient_parse(bodies[entity.path], entity.shape)
        assert found.rejected == []
        for table in entity.tables:
            made = python_rows(table, TypedAnswer(0, None, found.values, []))
            expected.setdefault(table.name, []).extend(map(_row, made))
    for name, rows in expected.items():
        assert sorted(map(str, map(_row, lake.rows(name)))) == sorted(map(str, rows)), name
    decoded = {path: msgspec.json.decode(body) for path, body in bodies.items()}
    assert len(expected["country"]) == len(decoded["/configuration/countries"])
    assert len(expected["job"]) == sum(len(one["jobs"]) for one in decoded["/configuration/jobs"])
    assert len(expected["genre"]) == sum(len(decoded[f"/genre/{kind}/list"]["genres"]) for kind in ("movie", "tv"))
    providers = [one for kind in ("movie", "tv") for one in decoded[f"/watch/providers/{kind}"]["results"]]
    assert len(expected["watch_provider"]) == len(providers)
    assert len(expected["watch_provider_priority"]) == sum(len(one["display_priorities"]) for one in providers)


def _genres(*names: str) -> bytes:
    return msgspec.json.encode({"genres": [{"id": number, "name": name} for number, name in enumerate(names, 1)]})


BOTH = {name: BY_NAME[name] for name in ("genre_movie", "genre_tv")}
GENRES = {"/genre/movie/list": _genres("Drama", "Western"), "/genre/tv/list": _genres("Drama"), "/configuration": b"{}"}


@pytest.mark.parametrize("names", [("genre_movie", "genre_tv"), ("genre_tv",)])
def test_lists_of_several_kinds_share_a_table(tmp_path: Path, names: tuple[str, ...]) -> None:
    lake = _lake_of(tmp_path, GENRES, {name: BOTH[name] for name in names})
    rows = {("movie", 1, "Drama"), ("movie", 2, "Western"), ("tv", 1, "Drama")}
    wanted = {row for row in rows if f"genre_{row[0]}" in names}
    assert set(lake.values("genre", "kind", "genre_id", "name")) == wanted


def test_a_slice_of_a_shared_table_is_of_one_kind() -> None:
    for kind in ("movie", "tv"):
        table = from_api(Registry.of(BY_NAME), f"genre_{kind}")["genre"]
        rows = list(python_rows(table, TypedAnswer(0, None, {"genres": [{"id": 1, "name": "Drama"}]}, [])))
        assert [_row(row) for row in rows] == [(kind, 1, "Drama")]


def _believed(name: str, body: bytes) -> bool:
    try:
        return ResponseValidator(BY_NAME[name], ()).judge("all", Answer(200, body, "", None, None)).parses
    except UntrustedAnswer:
        return False


def test_a_list_that_is_empty_or_another_is_not_believed() -> None:
    with Emulator(movies=5) as tmdb:
        bodies = {one.name: get(tmdb, one.path.removeprefix("/")).body for one in REFERENCE_LISTS}
    # Those of movies and of series have the same form.
    alike = [{f"{name}_{kind}" for kind in ("movie", "tv")} for name in ("genre", "certification", "watch_provider")]
    for name in BY_NAME:
        believed = {other for other, body in bodies.items() if _believed(name, body)}
        assert believed == next((names for names in alike if name in names), {name})
        for member, empty in [(b"genres", b"[]"), (b"results", b"[]"), (b"certifications", b"{}")]:
            assert not _believed(name, b'{"%s":%s}' % (member, empty))
        assert not _believed(name, b"[]")


def test_a_list_whose_values_are_null_is_believed() -> None:
    # In a language that TMDB was not translated into, genres have no name.
    assert _believed("genre_tv", b'{"genres":[{"id":1,"name":null},{"id":2,"name":null},{"id":null,"name":"War"}]}')
    assert not _believed("genre_tv", b'{"genres":[{"id":1,"name":"Drama"},{"name":"Crime"},{"name":"War"}]}')
    assert not _believed("genre_tv", b'{"genres":[{"id":1,"keyword":"Drama"}]}')


def test_an_answer_without_its_list_is_not_believed(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    with serving(lambda request: json({"images": {}} if "genre" in request.path else {})) as server:
        options = CollectOptions(names=("genre_tv",), entities=BOTH)
        (run,) = collected(lake.storage, settings(server.url, attempts=2), options, Progress())
    assert run.states == {"quarantined": 1}
