"""Ids of IMDb and TVDB: TMDB says whose they are, and each one that was asked is accounted for."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reelhouse.bootstrap import collecting, collector
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.bootstrap.operations import request_of
from reelhouse.collect.id_lists import Reading, read_lists
from reelhouse.collect.planning import RunSpec
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.status import status
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator, api
from reelhouse.entities.schema import Entity
from reelhouse.raw.chunk import read_answers
from reelhouse.raw.inbox import put_message, waiting
from reelhouse.raw.json_objects import encode
from reelhouse.raw.keys import receipt_key, reconciliation_key
from reelhouse.raw.receipt import Outcome, Receipt, read_receipts
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.dying import KilledError, Stepping
from tests.runs.lakes import collected, of


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=60, series=40, seed=7) as emulator:
        yield emulator


def _get(tmdb: Emulator, path: str) -> Any:
    request = urllib.request.Request(f"{tmdb.url}{path}", headers={"Authorization": "Bearer a.b.c"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _named(tmdb: Emulator, kind: str, source: str = "imdb_id") -> dict[str, int]:
    """Another service's ids of popular things of a *kind*, as keys, with TMDB's."""
    ids = [row["id"] for row in _get(tmdb, f"/{kind}/popular")["results"]]
    named = {_get(tmdb, f"/{kind}/{id_}/external_ids")[source]: id_ for id_ in ids}
    named.pop(None, None)
    return {f"tvdb:{key}" if source == "tvdb_id" else key: id_ for key, id_ in named.items()}


def _collect(lake: MemoryStorage, tmdb: Emulator, entity: str, keys: tuple[str, ...] = (), **more: Any) -> RunResult:
    chosen = of(tmdb, append=[], chunk_answers=4, **more)
    return collected(lake, chosen, CollectOptions(names=(entity,), keys=keys, selected=True), Progress())[-1]


def _outcomes(lake: MemoryStorage, result: RunResult) -> dict[str, tuple[Outcome, list[str]]]:
    """What became of each key, with the paths that were requested for its lines."""
    found = {}
    for receipt in read_receipts(lake, result.plan):
        assert isinstance(receipt, Receipt)
        lines = {answer.line: answer for answer in read_answers(lake, receipt)}
        for outcome in receipt.outcomes:
            found[outcome.key] = (outcome, [lines[line].path for line in outcome.span])
    return found


@pytest.mark.parametrize(("kind", "source"), [("tv", "imdb_id"), ("tv", "tvdb_id"), ("person", "imdb_id")])
def test_an_id_of_another_service_lands_as_the_record_that_tmdb_finds_for_it(
    tmdb: Emulator, kind: str, source: str
) -> None:
    lake, named = MemoryStorage(), _named(tmdb, kind, source)
    tmdb.reset_stats()
    result = _collect(lake, tmdb, kind, tuple(named))
    assert result.clean
    assert tmdb.stats().by_kind["find"] == len(named) > 9
    outcomes = _outcomes(lake, result)
    assert {key: outcome.id for key, (outcome, _) in outcomes.items()} == named
    assert all(paths[0] == f"/{kind}/{outcome.id}" for outcome, paths in outcomes.values())
    assert verify(lake).clean
    # What it stood for is remembered.
    tmdb.reset_stats()
    again = _collect(lake, tmdb, kind, (*named, *map(str, named.values())))
    assert (again.plan.counts.requested, again.plan.counts.up_to_date) == ({}, len(named))
    assert ("find" in tmdb.stats().by_kind, tmdb.stats().asked_by_kind) == (False, {})


def test_an_imdb_id_of_another_kind_is_never_asked_as_what_it_is_not(tmdb: Emulator) -> None:
    lake = MemoryStorage()
    movies, series = _named(tmdb, "movie"), _named(tmdb, "tv")
    only_movies = [key for key in movies if key not in series][:3]
    tmdb.reset_stats()
    result = _collect(lake, tmdb, "tv", (*only_movies, "tt9999999", next(iter(series))))
    outcomes = _outcomes(lake, result)
    assert result.states == {"gone": 4, "landed": 1}
    assert [outcomes[key][0].reason for key in only_movies] == ["other_kind:movie"] * 3
    assert outcomes[only_movies[0]][1] == [f"/find/{only_movies[0]}?external_source=imdb_id"]
    assert outcomes["tt9999999"][0].reason is None
    shown = ", ".join(sorted([*(f"{key} (movie)" for key in only_movies), "tt9999999"]))
    assert f"4 ids of other services stand for no tv at TMDB: {shown}" in result.notes
    assert result.reconciliation is not None
    assert result.reconciliation.drift == {"other_kind:movie": 3}
    stats = tmdb.stats()
    asked = {kind: set(ids) for kind, ids in stats.asked_by_kind.items()}
    assert (stats.by_kind["find"], asked) == (5, {"tv": {next(iter(series.values()))}})
    assert verify(lake).clean


def test_a_tvdb_id_of_a_season_is_named_and_never_asked_as_a_series(tmdb: Emulator) -> None:
    lake, named = MemoryStorage(), _named(tmdb, "tv", "tvdb_id")
    key, id_ = next(iter(named.items()))
    seasons = [season["id"] for season in _get(tmdb, f"/tv/{id_}")["seasons"]]
    found = {number: _get(tmdb, f"/find/{number}?external_source=tvdb_id") for number in seasons}
    of_season = next(number for number, body in found.items() if body["tv_season_results"] and not body["tv_results"])
    tmdb.reset_stats()
    result = _collect(lake, tmdb, "tv", (key, f"tvdb:{of_season}", "tvdb:999999999", str(id_ + 10**9)))
    outcomes = _outcomes(lake, result)
    assert result.states == {"gone": 3, "landed": 1}
    assert outcomes[f"tvdb:{of_season}"][0].reason == "other_kind:tv_season"
    assert outcomes["tvdb:999999999"][1] == ["/find/999999999?external_source=tvdb_id"]
    shown = ", ".join(sorted((f"tvdb:{of_season} (tv_season)", "tvdb:999999999")))
    assert f"2 ids of other services stand for no tv at TMDB: {shown}" in result.notes
    asked = {kind: set(ids) for kind, ids in tmdb.stats().asked_by_kind.items()}
    assert (tmdb.stats().by_kind["find"], asked) == (3, {"tv": {id_, id_ + 10**9}})
    assert verify(lake).clean
    # A receipt that claims another record for it is found out.
    (receipt,) = read_receipts(lake, result.plan)
    assert isinstance(receipt, Receipt)
    lost = msgspec.structs.replace(receipt, outcomes=[one for one in receipt.outcomes if one.key != key])
    place = receipt_key("tv", receipt.run, receipt.unit, receipt.part)
    lake.delete(place)
    lake.put(place, encode(lost))
    assert any(key in problem for problem in verify(lake).problems)


@pytest.mark.long
def test_a_list_of_sonarr_is_requested_purged_and_reported_by_its_tvdb_ids(tmdb: Emulator, tmp_path: Path) -> None:
    series = {key.removeprefix("tvdb:"): id_ for key, id_ in _named(tmdb, "tv", "tvdb_id").items()}
    one, two, three, *_ = series
    listed = tmp_path / "sonarr.json"
    rows = [{"tvdbId": int(one), "tmdbId": series[one]}, {"tvdbId": int(two)}, {"tvdbId": int(three), "tmdbId": 0}]
    listed.write_text(json.dumps([*rows, {"tvdbId": 999999999}]))
    reelhouse = Reelhouse(tmdb.url.removesuffix("/3"), tmp_path)
    code, said, stderr = reelhouse("collect", "--entity", "tv", "--ids", str(listed), "--json")
    assert (code, said["landed"], said["gone"], said["complete"], said["clean"]) == (0, 3, 1, True, True)
    assert said["list"]["columns"] == ["tmdb_id", "tvdb_id"]
    assert "1 ids of other services stand for no tv at TMDB: tvdb:999999999" in said["notes"]
    assert "ids read from column tmdb_id and, where that is blank, tvdb_id" in stderr
    assert reelhouse("verify", "--json")[1]["clean"]
    # The first was requested by its TMDB id: its answer says which TVDB id it has.
    named = tmp_path / "purge.csv"
    named.write_text(f"tvdb_id\n{one}\n{three}\n")
    code, said, stderr = reelhouse("purge", "--entity", "tv", "--ids", str(named), "--yes", "--json")
    assert (code, said["answers"]) == (0, 2), stderr
    assert reelhouse("verify", "--json")[1]["clean"]


def test_a_tvdb_id_and_an_imdb_id_of_one_series_are_one_record_in_the_lake(tmdb: Emulator) -> None:
    lake = MemoryStorage()
    by_tvdb, by_imdb = (
        {id_: key for key, id_ in _named(tmdb, "tv", source).items()} for source in ("tvdb_id", "imdb_id")
    )
    id_ = next(one for one in by_tvdb if one in by_imdb)
    result = _collect(lake, tmdb, "tv", (by_tvdb[id_], by_imdb[id_], str(id_)))
    assert (result.states, result.clean) == ({"landed": 3}, True)
    assert status(lake, 0).entities[0].known == 1
    assert verify(lake).clean


def test_a_tvdb_id_waits_in_the_inbox_for_series_and_is_set_aside_for_movies(tmdb: Emulator) -> None:
    lake, (key, *_) = MemoryStorage(), _named(tmdb, "tv", "tvdb_id")
    for entity in ("movie", "tv"):
        put_message(lake, entity, entity, [key])
        result = _collect(lake, tmdb, entity, ("999999999",))
        set_aside = [(1, [key])] if entity == "movie" else []
        assert [(one.count, one.shown) for one in result.plan.set_aside] == set_aside
    assert _outcomes(lake, result)[key][0].state == "landed"


def test_a_series_that_shares_its_imdb_id_with_a_movie_is_the_series(tmdb: Emulator) -> None:
    lake = MemoryStorage()
    series = _named(tmdb, "tv")
    found = {key: _get(tmdb, f"/find/{key}?external_source=imdb_id") for key in series}
    (shared, *_) = [key for key, body in found.items() if body["movie_results"]]
    result = _collect(lake, tmdb, "tv", (shared,))
    assert _outcomes(lake, result)[shared][0].id == series[shared]


def test_an_id_in_the_inbox_that_is_of_another_kind_is_set_aside(tmdb: Emulator) -> None:
    lake, key = MemoryStorage(), next(iter(_named(tmdb, "person")))
    for entity, keys in (("person", [key, "tt0000012"]), ("collection", ["tt0000012"])):
        put_message(lake, entity, entity, keys)
        result = _collect(lake, tmdb, entity, ("999999999",))
        assert [(one.count, one.shown) for one in result.plan.set_aside] == [(1, ["tt0000012"])]
    assert _outcomes(lake, result).keys() == {"999999999"}


@pytest.mark.parametrize(
    ("kind", "source"), [("movie", "imdb_id"), ("tv", "imdb_id"), ("tv", "tvdb_id"), ("person", "imdb_id")]
)
def test_a_plan_counts_the_requests_that_find_whose_an_id_is(tmdb: Emulator, kind: str, source: str) -> None:
    lake, named = MemoryStorage(), _named(tmdb, kind, source)
    keys = (*named, "999999999")
    options = CollectOptions(names=(kind,), keys=keys, selected=True)
    settings = of(tmdb, append=[])
    drafted = collecting.draft(lake, settings, options)
    find_requests = 0 if kind == "movie" else len(named)
    assert (drafted.find_requests, drafted.requests) == (find_requests, len(keys) + find_requests)
    tmdb.reset_stats()
    assert _collect(lake, tmdb, kind, keys).requests >= drafted.requests
    # Whose they are is known by then.
    assert collecting.draft(lake, settings, options).find_requests == 0


def test_a_list_of_imdb_ids_of_unknown_kinds_lands_as_all_that_they_are(tmdb: Emulator) -> None:
    lake = MemoryStorage()
    named = {kind: _named(tmdb, kind) for kind in ("movie", "tv", "person")}
    movies, series, people = named.values()
    shared = [key for key in series if _get(tmdb, f"/find/{key}?external_source=imdb_id")["movie_results"]]
    unknown = [*movies, *series, *people, "tt9999999"]
    settings = of(tmdb, append=[], entities=list(named))
    lists = read_lists("\n".join(unknown).encode(), Reading(), list(named))
    for request in request_of(settings, [], lists, selects=False).by_list:
        (result,) = collected(lake, settings, request, Progress())
        assert result.complete
        landed = {key: one.id for key, (one, _) in _outcomes(lake, result).items() if one.state == "landed"}
        entity = result.plan.entity
        assert landed.items() >= named[entity].items()
        assert landed.keys() - named[entity].keys() == (set(shared) - movies.keys() if entity == "movie" else set())
        assert list(waiting(lake, entity)) == []
    assert shared
    assert verify(lake).clean


def test_an_imdb_id_of_another_selected_entity_waits_for_its_next_run(tmdb: Emulator) -> None:
    lake = MemoryStorage()
    movies, series = _named(tmdb, "movie"), _named(tmdb, "tv")
    (one, two, *_) = [key for key in movies if key not in series]
    chosen = of(tmdb, append=[], top=1, entities=["movie", "tv"])
    options = CollectOptions(names=("tv",), keys=(one, two, "tt9999999"), selected=True)
    for _ in range(2):
        # The same list once more leaves nothing twice.
        (result,) = collected(lake, chosen, options, Progress())
        assert result.states == {"gone": 3}
        assert "2 ids in the list of tv are of movie: its next run requests them" in result.notes
        assert [message.keys for _, message in waiting(lake, "movie")] == [[one, two]]
    assert list(waiting(lake, "tv")) == []
    (result,) = collected(lake, chosen, CollectOptions(names=("movie",)), Progress())
    assert {one, two} <= _outcomes(lake, result).keys()
    assert list(waiting(lake, "movie")) == []
    assert verify(lake).clean
    # What is not selected is not collected.
    _collect(lake, tmdb, "tv", (next(key for key in movies if key not in (one, two, *series)),))
    assert list(waiting(lake, "movie")) == []


def test_an_id_that_the_other_entity_cannot_be_asked_by_is_not_left_to_it(
    tmdb: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_find_by_tvdb", lambda world, results, number: results["movie_results"].append({"id": 1}))
    lake, chosen = MemoryStorage(), of(tmdb, append=[], entities=["movie", "tv"])
    options = CollectOptions(names=("tv",), keys=("tvdb:5",), selected=True)
    (result,) = collected(lake, chosen, options, Progress())
    assert result.notes == ("1 ids of other services stand for no tv at TMDB: tvdb:5 (movie)",)
    assert list(waiting(lake, "movie")) == []


def test_a_run_that_is_reconciled_has_handed_over_the_imdb_ids_of_others(tmdb: Emulator) -> None:
    """Nobody looks at a reconciled run again: a kill after that would leave its ids counted only."""
    lake, series = MemoryStorage(), _named(tmdb, "tv")
    key = next(key for key in _named(tmdb, "movie") if key not in series)
    chosen = of(tmdb, append=[], entities=["movie", "tv"])

    def ended(step: int) -> None:
        if lake.size(reconciliation_key("tv", 1)) is not None:
            raise KilledError

    with pytest.raises(KilledError):
        options = CollectOptions(names=("tv",), keys=(key,), selected=True)
        collected(Stepping(lake, ended), chosen, options, Progress())
    assert [message.keys for _, message in waiting(lake, "movie")] == [[key]]


def test_a_call_that_works_until_nothing_waits_requests_them_at_once(tmdb: Emulator) -> None:
    lake, series = MemoryStorage(), _named(tmdb, "tv")
    key = next(key for key in _named(tmdb, "movie") if key not in series)
    chosen = of(tmdb, append=[])

    def due(entities: list[Entity]) -> RunSpec | None:
        found = (one for one in entities if any(waiting(lake, one.name)))
        return next((collector.wanted(chosen, one, listed=True) for one in found), None)

    put_message(lake, "a", "tv", [key])
    options = CollectOptions(names=("movie", "tv"))
    done = collecting.run_until_idle(lake, chosen, options, Progress(), due)
    assert [(one.plan.entity, one.states) for one in done.results] == [("tv", {"gone": 1}), ("movie", {"landed": 1})]
    assert verify(lake).clean
