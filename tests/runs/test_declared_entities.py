"""Two things that TMDB does not have are collected, verified and become tables by their declarations alone."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.bootstrap import collecting, operations
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.verify import verify
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.python_rows import TypedAnswer, python_rows
from reelhouse.entities.schema import Entity, Export, FromColumn, Numbered, Single, Table, col
from reelhouse.errors import ConfigError, ListingError
from reelhouse.raw.chunk import read_chunk, whole_record
from reelhouse.raw.receipt import Outcome, Receipt, State, read_receipts, readable
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.listed_ids import ids_of_columns
from reelhouse.warehouse.verify import check_tables
from tests.runs.lakes import collected, settings
from tests.serving import html, json, serving, verdict
from tests.warehouse.landing import LakeInTheMaking

SAGA = Entity(
    name="saga",
    path="/saga/{id}",
    id_column="saga_id",
    listing=Export("saga_ids", least_rows=1),
    appends=("cast",),
    default_appends=("cast",),
    core=frozenset(("title",)),
    numbered=Numbered("chapter/{n}", of="chapters[].number"),
    tables=(
        Table("saga", "One row per saga.", key=("saga_id",), columns=(col("title", "string", "title", "Its title."),)),
        Table(
            "saga_scene",
            "Scenes of chapters.",
            rows="{chapter=chapter/*}.scenes[]",
            key=("saga_id", "chapter", "position"),
            columns=(
                col("chapter", "bigint", "", "The chapter's number."),
                col("aired", "date", "^aired", "The chapter's day."),
                col("name", "string", "name", "The scene's name."),
            ),
        ),
        Table(
            "saga_cast",
            "Who plays.",
            rows="cast.people[]",
            key=("saga_id", "position"),
            columns=(
                col("player_id", "bigint", "id", "The player."),
                col("name", "string", "name", "Their name."),
            ),
        ),
    ),
)
PLAYER = Entity(
    name="player",
    path="/player/{id}",
    id_column="player_id",
    listing=FromColumn("saga_cast.player_id", least_rows=2),
    follow={"cast": ("saga_cast.player_id", "player.friend_id")},
    tables=(
        Table(
            "player",
            "One row per player.",
            key=("player_id",),
            columns=(
                col("title", "string", "title", "The name."),
                col("friend_id", "bigint", "friend.id", "A friend."),
            ),
        ),
    ),
)
DIALECT = Entity(
    name="dialect",
    path="/configuration/dialects",
    listing=Single(least_rows=2),
    stale_after_days=30,
    tables=(
        Table(
            "dialect",
            "One row per dialect.",
            rows="[]",
            key=("code",),
            columns=(col("code", "string", "code", "Its code."), col("speakers", "bigint", "speakers", "How many.")),
        ),
    ),
)
INVENTED = {entity.name: entity for entity in (SAGA, DIALECT)}
REGISTRY = Registry.of(INVENTED)

# The chapters of each saga: within the first request, beyond it, by years, and one that is listed but never sent.
CHAPTERS = {1: [1, 2], 2: list(range(45)), 3: [2001, 2002], 4: [1, 99]}
NEVER_SENT = {(4, 99)}
DIALECTS: list[Any] = [{"code": "aa", "speakers": 7}, {"code": "bb", "speakers": "many"}, {"code": ""}]
SCENES = {
    saga: [(number, f"{saga}.{number}") for number in numbers if (saga, number) not in NEVER_SENT]
    for saga, numbers in CHAPTERS.items()
}


def _chapter(saga: int, number: int) -> dict[str, Any]:
    return {"_id": "x", "aired": "2020-01-02", "scenes": [{"name": f"{saga}.{number}"}]}


def _saga(id_: int, query: Mapping[str, str]) -> web.Response:
    appended = query.get("append_to_response", "").split(",")
    if len(appended) > 20:
        return verdict(400, 27)
    body: dict[str, Any] = {"id": id_, "title": f"Saga {id_}", "chapters": [{"number": one} for one in CHAPTERS[id_]]}
    for name in appended:
        kind, _, number = name.partition("/")
        if kind == "cast":
            body[name] = {"people": [{"id": 70 + id_ % 2, "name": f"player of {id_}"}, {"name": "nobody"}]}
        elif int(number) in CHAPTERS[id_] and (id_, int(number)) not in NEVER_SENT:
            body[name] = _chapter(id_, int(number))
    return json(body)


def _answer(request: web.BaseRequest) -> web.StreamResponse:
    if "/p/exports/saga_ids_" in request.path:
        rows = (msgspec.json.encode({"id": id_, "popularity": 9.0 - id_}) for id_ in CHAPTERS)
        return web.Response(body=gzip.compress(b"\n".join(rows), mtime=0), content_type="application/gzip")
    if request.path.startswith("/3/saga/"):
        return _saga(int(request.path.rpartition("/")[2]), request.query)
    if request.path.startswith("/3/player/"):
        number = int(request.path.rpartition("/")[2])
        friend = {"friend": {"id": number + 2}} if number < 73 else {}
        return json({"id": number, "title": f"Player {number}", **friend})
    known = {"/3/configuration/dialects": DIALECTS, "/3/configuration": {"images": {}}}
    return json(known[request.path]) if request.path in known else html(404)


class Invented:
    """The server of both, the paths that were requested, and what answers *instead* of the usual."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = Counter[str]()
        self.days_later = 0
        self.instead: Callable[[web.BaseRequest], web.StreamResponse | None] = lambda request: None

    def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked[request.path] += 1
        made = self.instead(request) or _answer(request)
        made.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(days=self.days_later), usegmt=True)
        return made


@pytest.fixture
def tmdb() -> Iterator[Invented]:
    invented = Invented()
    with serving(invented.answer) as server:
        invented.url = server.url
        yield invented


def _collect(lake: LakeInTheMaking, url: str, entity: str) -> RunResult:
    request = CollectOptions(names=(entity,), entities=INVENTED)
    return collected(lake.storage, settings(url, attempts=2), request, Progress())[-1]


def _outcomes(lake: LakeInTheMaking, result: RunResult) -> Iterator[tuple[Receipt, Outcome]]:
    for receipt in readable(read_receipts(lake.storage, result.plan)):
        yield from ((receipt, outcome) for outcome in receipt.outcomes)


def _collected(tmp_path: Path, tmdb: Invented) -> tuple[LakeInTheMaking, dict[str, RunResult]]:
    lake = LakeInTheMaking(tmp_path)
    return lake, {name: _collect(lake, tmdb.url, name) for name in INVENTED}


def test_a_record_of_several_requests_is_one_outcome_that_names_all_its_lines(tmp_path: Path, tmdb: Invented) -> None:
    lake, results = _collected(tmp_path, tmdb)
    assert results["saga"].complete
    reconciliation = results["saga"].reconciliation
    assert reconciliation is not None and reconciliation.drift == {"missing:chapter/99": 1}
    found = {outcome.key: outcome for _, outcome in _outcomes(lake, results["saga"])}
    assert {key: (one.state, one.lines, one.reason) for key, one in found.items()} == {
        "1": (State.LANDED, 1, None),
        "2": (State.LANDED, 3, None),
        "3": (State.LANDED, 2, None),
        "4": (State.LANDED, 2, None),
    }
    assert (tmdb.asked["/3/saga/1"], tmdb.asked["/3/saga/2"], tmdb.asked["/3/saga/3"]) == (1, 3, 2)
    for receipt, outcome in _outcomes(lake, results["saga"]):
        assert receipt.chunk is not None
        lines = {line.line: line for line in read_chunk(lake.storage, receipt.chunk)}
        assert {lines[number].key for number in outcome.span} == {outcome.key}
    verdict_ = verify(lake.storage, entities=INVENTED)
    assert verdict_.problems == []
    assert verdict_.states == {"landed": 5}


def test_what_was_collected_becomes_tables_on_an_engine_as_in_plain_python(tmp_path: Path, tmdb: Invented) -> None:
    lake, results = _collected(tmp_path, tmdb)
    lake.build(registry=REGISTRY)
    assert check_tables(lake.storage, INVENTED, deep=True) == []
    assert sorted(lake.values("saga", "saga_id", "title")) == [(id_, f"Saga {id_}") for id_ in CHAPTERS]
    scenes = sorted(lake.values("saga_scene", "saga_id", "chapter", "position", "name"))
    assert scenes == [(id_, number, 0, name) for id_ in CHAPTERS for number, name in SCENES[id_]]
    assert {str(day) for day in lake.values("saga_scene", "aired")} == {"2020-01-02"}
    cast = sorted(lake.values("saga_cast", "saga_id", "position", "name"))
    assert cast == [(id_, *row) for id_ in CHAPTERS for row in ((0, f"player of {id_}"), (1, "nobody"))]
    assert lake.values("dialect", "code", "speakers") == [("aa", 7), ("bb", None), (None, None)]
    assert lake.values("rejected_value", "entity", "path", "raw") == [("dialect", "$[1].speakers", "many")]
    assert lake.values("quarantine", "entity", "requested_key", "reason") == []
    for entity in INVENTED.values():
        for table in entity.tables:
            answers = _answers(lake, results[entity.name], entity)
            made = [row for answer in answers for row in python_rows(table, answer)]
            assert sorted(map(_bare, made)) == sorted(map(_bare, lake.rows(table.name))), table.name


def _bare(row: Mapping[str, Any]) -> str:
    return str(sorted((name, value) for name, value in row.items() if name != "fetched_at"))


def _answers(lake: LakeInTheMaking, result: RunResult, entity: Entity) -> Iterator[TypedAnswer]:
    for receipt, outcome in _outcomes(lake, result):
        if outcome.state is State.LANDED:
            assert receipt.chunk is not None and outcome.id is not None
            lines = {line.line: line.bytes for line in read_chunk(lake.storage, receipt.chunk)}
            parsed = lenient_parse(whole_record([lines[number] for number in outcome.span]), entity.shape)
            yield TypedAnswer(outcome.id, None, parsed.values, [])


def test_a_list_without_ids_is_requested_again_only_when_it_is_stale(tmp_path: Path, tmdb: Invented) -> None:
    lake, results = _collected(tmp_path, tmdb)
    (outcome,) = (outcome for _, outcome in _outcomes(lake, results["dialect"]))
    assert (outcome.key, outcome.id, outcome.state) == ("/configuration/dialects", 0, State.LANDED)
    again = _collect(lake, tmdb.url, "dialect")
    assert (again.plan.ids.count, again.plan.counts.up_to_date) == (0, 1)
    assert tmdb.asked["/3/configuration/dialects"] == 1
    tmdb.days_later = DIALECT.stale_after_days + 1
    later = _collect(lake, tmdb.url, "dialect")
    assert (later.plan.counts.requested, later.states) == ({"stale": 1}, {"landed": 1})


@pytest.mark.parametrize("purged", ["1", "2"])
def test_a_purge_takes_all_lines_of_a_record_and_leaves_those_of_others(
    tmp_path: Path, tmdb: Invented, purged: str
) -> None:
    lake, results = _collected(tmp_path, tmdb)
    chosen = PurgeSelection("1 id", keys=frozenset({purged}))
    purge(lake.storage, chosen, datetime(2100, 1, 1, tzinfo=UTC), entities=INVENTED)
    left = {outcome.key: outcome.lines for _, outcome in _outcomes(lake, results["saga"])}
    assert left == {key: lines for key, lines in {"1": 1, "2": 3, "3": 2, "4": 2}.items() if key != purged}
    assert verify(lake.storage, entities=INVENTED).problems == []
    lake.build(registry=REGISTRY)
    kept = [one for one in CHAPTERS if str(one) != purged]
    scenes = sorted(lake.values("saga_scene", "saga_id", "chapter", "name"))
    assert scenes == [(id_, number, name) for id_ in kept for number, name in SCENES[id_]]


def _appends(request: web.BaseRequest) -> str:
    return request.query.get("append_to_response", "")


def _saga_two(lake: LakeInTheMaking, tmdb: Invented) -> Outcome:
    (found,) = (outcome for _, outcome in _outcomes(lake, _collect(lake, tmdb.url, "saga")) if outcome.key == "2")
    return found


def test_a_record_lands_whole_where_tmdb_sends_an_append_to_nobody(tmp_path: Path, tmdb: Invented) -> None:
    def without_cast(request: web.BaseRequest) -> web.StreamResponse | None:
        if not request.path.startswith("/3/saga/"):
            return None
        names = ",".join(name for name in _appends(request).split(",") if name != "cast")
        return _saga(int(request.path.rpartition("/")[2]), {"append_to_response": names})

    tmdb.instead = without_cast
    found = _saga_two(lake := LakeInTheMaking(tmp_path), tmdb)
    assert (found.state, found.lines) == (State.LANDED, 3)
    verdict_ = verify(lake.storage, entities=INVENTED)
    assert (verdict_.problems, verdict_.clean) == ([], True)


def test_a_record_whose_further_request_fails_for_a_while_lands_whole(tmp_path: Path, tmdb: Invented) -> None:
    failures = iter(range(3))
    tmdb.instead = lambda request: (
        html(500) if "chapter/44" in _appends(request) and next(failures, None) is not None else None
    )
    found = _saga_two(lake := LakeInTheMaking(tmp_path), tmdb)
    assert (found.state, found.lines) == (State.LANDED, 3)
    assert verify(lake.storage, entities=INVENTED).problems == []


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (lambda: html(500), State.QUARANTINED, "unavailable"),
        (lambda: verdict(404, 34), State.GONE, None),
        (lambda: json({"id": 3, "chapter/44": {}}), State.QUARANTINED, "wrong_id"),
        (lambda: json({"id": 2, "chapter/44": {}}), State.QUARANTINED, "missing:chapter/39"),
        (lambda: json([]), State.QUARANTINED, "not_json"),
    ],
)
def test_nothing_of_a_record_lands_of_which_a_further_request_fails(
    tmp_path: Path, tmdb: Invented, answer: Callable[[], web.Response], state: State, reason: str | None
) -> None:
    tmdb.instead = lambda request: answer() if "chapter/44" in _appends(request) else None
    found = _saga_two(lake := LakeInTheMaking(tmp_path), tmdb)
    assert (found.state, found.reason and found.reason[:18], len(found.span) <= 1) == (state, reason, True)
    verdict_ = verify(lake.storage, entities=INVENTED)
    assert (verdict_.problems, verdict_.unclaimed) == ([], 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [([], "too_short"), ([{"code": "aa"}], "too_short"), ({"results": DIALECTS}, "not_json"), ("aa", "not_json")],
)
def test_a_body_that_is_not_the_declared_list_is_not_believed(
    tmp_path: Path, tmdb: Invented, answer: Any, reason: str
) -> None:
    tmdb.instead = lambda request: json(answer) if request.path.endswith("/dialects") else None
    lake = LakeInTheMaking(tmp_path)
    (outcome,) = (outcome for _, outcome in _outcomes(lake, _collect(lake, tmdb.url, "dialect")))
    assert (outcome.state, outcome.reason) == (State.QUARANTINED, reason)
    tmdb.instead = lambda request: None
    again = _collect(lake, tmdb.url, "dialect")
    assert (again.plan.counts.requested, again.states) == ({"retry": 1}, {"landed": 1})


@pytest.mark.long
def test_what_tables_mention_is_followed_until_they_mention_nothing_new(tmp_path: Path, tmdb: Invented) -> None:
    # Each saga has a player, and each player a friend, of whom only the last one has none.
    entities = {**INVENTED, "player": PLAYER}
    registry = Registry.of(entities)
    lake = LakeInTheMaking(tmp_path)
    chosen = settings(tmdb.url, attempts=2, follow="cast")
    request = CollectOptions(entities=entities)
    assert collecting.followed(chosen, request) == {"player": ("saga_cast.player_id", "player.friend_id")}
    passes: list[tuple[str, ...]] = []

    def collect(request: CollectOptions) -> collecting.CallResult:
        passes.append(request.names)
        request = request._replace(ids_of=ids_of_columns)
        return collecting.collect_each(lake.storage, chosen, request, Progress())

    def follow(request: CollectOptions) -> collecting.CallResult:
        followed = collecting.followed(chosen, request)
        build = partial(lake.build, registry=registry)
        return operations.collect_and_follow(request, followed, collect, build, partial(ids_of_columns, lake.storage))[
            0
        ]

    with pytest.raises(ListingError, match="never built"):
        ids_of_columns(lake.storage, ["saga_cast.player_id"])
    done = follow(request)
    assert passes == [("saga", "dialect"), ("player",), ("player",), ("player",)]
    assert done.failures == {}
    plans = [result.plan for result in done.results if result.plan.entity == "player"]
    assert {plan.selection.source for plan in plans} == {"column"}
    assert [plan.counts.requested for plan in plans] == [{"new": 2}, {"new": 2}, {"new": 1}]
    assert sorted(lake.values("player", "player_id")) == [70, 71, 72, 73, 74]
    assert verify(lake.storage, entities=entities).problems == []
    assert check_tables(lake.storage, entities) == []
    passes.clear()
    (again,) = (result.plan for result in follow(request).results if result.plan.entity == "player")
    assert (passes[1:], again.counts.requested, again.counts.up_to_date) == ([("player",)], {}, 5)
    # Nothing is followed from a part.
    passes.clear()
    tmdb.asked.clear()
    tmdb.days_later = 400
    follow(request._replace(max_requests=1))
    assert passes == [("saga", "dialect")]


def test_fewer_ids_than_are_plausible_are_not_believed(tmp_path: Path, tmdb: Invented) -> None:
    lake = LakeInTheMaking(tmp_path)
    request = CollectOptions(names=("player",), entities={"player": PLAYER}, ids_of=lambda *_: [70])
    with pytest.raises(ListingError, match="1 ids are listed, but at least 2 are expected"):
        collected(lake.storage, settings(tmdb.url), request, Progress())


def test_an_entity_is_followed_only_where_the_settings_say_so(tmdb: Invented) -> None:
    both = replace(PLAYER, listing=Export("player_ids", least_rows=1))
    request = CollectOptions(entities={**INVENTED, "player": both})
    assert collecting.followed(settings(tmdb.url), request) == {}
    named = {"player": both.follow["cast"]}
    assert collecting.followed(settings(tmdb.url, follow="cast"), request) == named
    assert collecting.followed(settings(tmdb.url, entity={"player": {"follow": "cast"}}), request) == named
    with pytest.raises(ConfigError, match=r"player declares no 'cats' \(did you mean 'cast'"):
        collecting.followed(settings(tmdb.url, follow="cats"), CollectOptions(entities={"player": both}))
    with pytest.raises(ConfigError, match="saga declares no 'cast'"):
        collecting.followed(settings(tmdb.url, entity={"saga": {"follow": "cast"}}), request)
    # A slice for all is about the others; one of its own would have no effect.
    assert collecting.followed(settings(tmdb.url, follow="cast", top=2), request) == named
    for name, value in (("top", 2), ("min_popularity", 5.0), ("discover", {"with_genres": "18"})):
        with pytest.raises(ConfigError, match=f"^{name}: what is followed from tables is collected whole"):
            collecting.followed(settings(tmdb.url, entity={"player": {"follow": "cast", name: value}}), request)


@pytest.mark.parametrize("column", ["saga_cast.name", "saga_cast.nothing"])
def test_a_registry_refuses_an_entity_that_is_listed_from_no_column_of_ids(column: str) -> None:
    odd = replace(PLAYER, listing=FromColumn(column))
    with pytest.raises(ValueError, match="not a column of ids"):
        Registry.of({**INVENTED, "player": odd})


def test_a_registry_refuses_two_tables_of_one_name() -> None:
    with pytest.raises(ValueError, match="called saga"):
        Registry.of({**INVENTED, "again": replace(SAGA, name="again")})
