"""Two entities in one lake: each has its runs, its ledger and its place in the order; nothing of one is another's."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reelhouse.bootstrap import collecting, collector
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.bootstrap.status import status as lake_status
from reelhouse.collect import planning
from reelhouse.collect.fetching import StopConditions
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.run import leave_keys
from reelhouse.collect.schedule import is_due, take_turns
from reelhouse.collect.status import status
from reelhouse.collect.verify import verify
from reelhouse.entities.movie import MOVIE
from reelhouse.entities.ranked import RANKED_LISTS
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity, Export, GivenIds, Table, col
from reelhouse.errors import ConfigError
from reelhouse.raw.inbox import put_message, waiting
from reelhouse.raw.keys import RunPlace, chunk_key, chunk_place, ledgers, plan_key, run_place, runs_folder
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import Plan, last_run
from reelhouse.raw.reconciliation import open_run
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from tests.lakes import a_plan
from tests.runs.dying import KilledError, Stepping, dies_at
from tests.runs.lakes import collected, small
from tests.runs.tiny import Tiny

SERIES = replace(
    MOVIE,
    name="series",
    path="/series/{id}",
    id_column="series_id",
    listing=Export("series_ids", least_rows=1),
    changes="/series/changes",
    core=frozenset(("title",)),
    tables=(
        Table(
            "series", "One row per series.", key=("series_id",), columns=(col("title", "string", "title", "Title."),)
        ),
    ),
    priority=MOVIE.priority + 1,
    course_name="Series",
)
BOTH = {"series": SERIES, "movie": MOVIE}
NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)


def collect(lake: Storage, settings: Settings, **request: Any) -> list[RunResult]:
    return collected(lake, settings, CollectOptions(entities=BOTH, **request), Progress())


def test_each_entity_may_have_a_run_open_and_counts_its_own(tiny: Tiny) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    collect(lake, settings, names=("series",), max_requests=8)
    collect(lake, settings, names=("movie",), max_requests=8)
    assert [plan.run for name in BOTH if (plan := open_run(lake, name))] == [1, 1]
    found = status(lake, 0.0, BOTH)
    assert {(one.entity, one.run) for one in found.open} == {("movie", 1), ("series", 1)}
    assert verify(lake, entities=BOTH).problems == []
    first, second = collect(lake, settings)
    assert (first.plan.entity, second.plan.entity) == ("movie", "series")
    assert first.complete and second.complete
    (again,) = collect(lake, settings, names=("movie",))
    assert (again.plan.run, last_run(lake, "movie"), last_run(lake, "series")) == (2, 2, 1)
    for name in BOTH:
        with open_ledger(lake, name, last_run(lake, name)) as ledger:
            assert ledger.db.execute("select distinct entity from known").fetchall() == [(name,)]
        assert list(lake.keys(ledgers(name)))
    verdict = verify(lake, entities=BOTH)
    assert verdict.complete, verdict.problems
    assert verdict.runs == 3


def test_the_same_ids_may_wait_for_two_entities() -> None:
    lake = MemoryStorage()
    for name in BOTH:
        leave_keys(lake, name, ("1", "2"))
        leave_keys(lake, name, ("1", "2"))
    assert {name: [letter.keys for _, letter in waiting(lake, name)] for name in BOTH} == {
        name: [["1", "2"]] for name in BOTH
    }


def test_keys_of_an_entity_whose_name_has_digits_are_understood() -> None:
    key = chunk_key("iso_3166", date(2026, 3, 1), 2, 0, "12345678")
    assert chunk_place(key) == (date(2026, 3, 1), "iso_3166", 2)
    assert run_place(plan_key("iso_3166", 2)) == RunPlace("iso_3166", 2)


def test_a_call_for_all_asks_the_most_urgent_first_and_each_id_once(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.broken = set()
    results = collect(lake, small(tiny, record_filter=""))
    assert [(one.plan.entity, one.plan.run, one.complete) for one in results] == [
        ("movie", 1, True),
        ("series", 1, True),
    ]
    assert set(tiny.asked.values()) == {1}
    assert len(tiny.asked) == 2 * len(tiny.listed)


@pytest.mark.long
def test_what_became_due_goes_before_the_rest_of_a_long_run(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.delay = 0.03
    order: list[str] = []

    class Noting(Progress):
        def planned(self, plan: Any) -> None:
            order.append(plan.name)

    request = CollectOptions(entities=BOTH, turn_seconds=0.1)
    settings = small(tiny, record_filter="", run_every_hours=1e-6)
    results = collected(lake, settings, request, Noting())
    begun = order.index("series run 1")
    assert "movie run 2" in order[begun + 1 : len(order) - order[::-1].index("series run 1") - 1], order
    assert all(one.complete for one in results)
    assert [one.plan.run for one in results if one.plan.entity == "series"] == [1]
    # What turns add up to is one result of the run.
    (series,) = (one for one in results if one.plan.entity == "series")
    assert series.requests >= sum(count for name, count in tiny.asked.items() if name.startswith("series/"))
    assert verify(lake, entities=BOTH).complete


@pytest.mark.parametrize("idly", [False, True])
def test_a_listing_that_is_refused_keeps_no_other_entity_waiting(tiny: Tiny, idly: bool) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    tiny.broken = set()
    collect(lake, settings, names=("series",), max_requests=8)
    empty = gzip.compress(b"")
    tiny.export_instead = lambda request: web.Response(body=empty) if "movie_ids" in request.path else None
    assert list(each(lake, settings, idly=idly, names=()).failures) == ["movie"]
    assert open_run(lake, "series") is None
    assert last_run(lake, "movie") == 0
    assert verify(lake, entities=BOTH).clean


def each(lake: Storage, settings: Settings, *, idly: bool, names: tuple[str, ...]) -> collecting.CallResult:
    """All entities as the command line works on them, or as Lambda does: each is due once."""
    request = CollectOptions(entities=BOTH, names=names)
    left = set(names or BOTH)

    def due(idle: list[Entity]) -> Any:
        one = next((one for one in idle if one.name in left), None)
        left.discard(one.name if one else "")
        return collector.wanted(settings, one) if one else None

    if idly:
        return collecting.run_until_idle(lake, settings, request, Progress(), due)
    return collecting.collect_each(lake, settings, request, Progress())


def _a_lost_run(lake: MemoryStorage) -> None:
    lake.put(chunk_key("movie", date(2026, 3, 1), 7, 0, "12345678"), b"")


def _a_damaged_plan(lake: MemoryStorage) -> None:
    lake.put(plan_key("movie", 1), b"{")


def _damaged_copies(lake: MemoryStorage) -> None:
    lake.put("_reelhouse/course/movie.json", b"{")


@pytest.mark.parametrize("idly", [False, True])
@pytest.mark.parametrize("damage", [_a_lost_run, _a_damaged_plan, _damaged_copies])
def test_what_one_entity_fails_with_keeps_no_other_waiting(
    tiny: Tiny, idly: bool, damage: Callable[[MemoryStorage], None]
) -> None:
    tiny.broken = set()
    lake, settings = MemoryStorage(), small(tiny, record_filter="", layout="course", course_kinds=True)
    damage(lake)
    done = each(lake, settings, idly=idly, names=("movie", "series"))
    assert list(done.failures) == ["movie"]
    series = [one for one in done.results if one.plan.entity == "series"]
    assert [(one.plan.run, one.complete) for one in series] == [(1, True)]


def test_the_most_popular_are_those_of_entities_that_have_a_popularity() -> None:
    movie, network, lists = (ENTITIES[name] for name in ("movie", "network", "movie_popular"))
    for name, general in {"top": Settings(top=5), "min_popularity": Settings(min_popularity=5.0)}.items():
        value = getattr(general, name)
        found = {one.name: collector.wanted(general, one, among=[movie, network]) for one in (movie, network, lists)}
        assert [getattr(one.selection, name) for one in found.values()] == [value, None, None]
        assert [len(one.notes) for one in found.values()] == [0, 1, 0]
        assert f"{name} does not apply: TMDB's export of networks has no popularity" in found["network"].notes[0]
        for one in (network, lists):
            with pytest.raises(ConfigError, match=f"{name}: .* not listed by popularity, .*: leave it out$"):
                collector.wanted(general, one, among=[network, lists], stated=True)
            with pytest.raises(ConfigError, match=rf"leave it out of \[entity.{one.name}\]"):
                collector.wanted(Settings(entity={one.name: {name: value}}), one, among=[movie])
        assert collector.wanted(general, network, among=[movie, network], stated=True).selection.top is None


def test_people_that_are_followed_are_not_limited_by_popularity() -> None:
    person, movie = ENTITIES["person"], ENTITIES["movie"]
    followed = Settings(top=5, entity={"person": {"follow": "credits"}})
    assert collector.wanted(followed, person, among=[movie]).selection.top is None
    with pytest.raises(ConfigError, match="people are not listed by popularity"):
        collector.wanted(followed, person, among=[person], stated=True)


def test_a_general_discover_is_for_the_entities_that_can_be_discovered() -> None:
    movie, tv, job = (ENTITIES[name] for name in ("movie", "tv", "job"))
    of_movies = Settings(discover={"primary_release_year": "1999"})
    assert collector.wanted(of_movies, movie, among=[movie, job], stated=True).selection.source == "discover"
    assert collector.wanted(of_movies, job, among=[movie, job], stated=True).selection.source == "single"
    assert collector.wanted(of_movies, job, among=[job]).selection.source == "single"
    with pytest.raises(ConfigError, match="discover: TMDB cannot discover job"):
        collector.wanted(of_movies, job, among=[job], stated=True)
    with pytest.raises(ConfigError, match="cannot discover job"):
        collector.wanted(Settings(entity={"job": {"discover": {"year": "1999"}}}), job, among=[movie])
    with pytest.raises(
        ConfigError, match=r"'primary_release_year' for tv: move it to \[entity.movie\] or \[entity.tv\]"
    ):
        collector.wanted(of_movies, tv, among=[movie, tv])
    both = Settings(discover={"with_genres": "18"}, region="BR")
    assert [collector.wanted(both, one, among=[movie, tv]).selection.source for one in (movie, tv)] == ["discover"] * 2


def test_a_general_append_is_for_the_entities_that_have_it(tiny: Tiny) -> None:
    settings = small(tiny, append=["credits", "episodes"])
    other = replace(SERIES, appends=("episodes",), default_appends=())
    both = [MOVIE, other]
    assert collector.wanted(settings, MOVIE, among=both).request_profile.append == ("credits",)
    assert collector.wanted(settings, other, among=both).request_profile.append == ("episodes",)
    with pytest.raises(ConfigError, match="no 'episodes' for a movie"):
        collector.wanted(settings, MOVIE, among=[MOVIE])
    with pytest.raises(ConfigError, match="no 'credits' for a series"):
        collector.wanted(replace(settings, entity={"series": {"append": ["credits"]}}), other, among=both)


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"name": "exports", "course_name": "a"}, "no entity can be called exports"),
        ({"name": "movie_current", "course_name": "a"}, "no entity can be called movie_current"),
        ({"name": "series", "course_name": "movieS"}, "two entities are called movies"),
    ],
)
def test_a_registry_refuses_entities_whose_folders_would_be_one(odd: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Registry.of({"movie": MOVIE, odd["name"]: replace(SERIES, **odd)})


def test_what_is_only_ever_requested_by_a_list_is_not_due_at_each_look(tiny: Tiny) -> None:
    lake = MemoryStorage()
    given = {"series": replace(SERIES, listing=GivenIds(), changes="")}
    request = CollectOptions(names=("series",), entities=given)
    (result,) = collected(lake, small(tiny, record_filter=""), request, Progress())
    assert (result.plan.ids.count, result.clean) == (0, True)
    planned = datetime.fromisoformat(result.plan.planned_at)
    assert not is_due(given["series"], result.plan, 24.0, planned + timedelta(hours=1))
    assert is_due(given["series"], result.plan, 24.0, planned + timedelta(hours=25))


@pytest.mark.parametrize("minutes", [5, 60])
@pytest.mark.parametrize("entity", [MOVIE, RANKED_LISTS[0]])
def test_each_day_has_a_run_when_ticks_ask_what_is_due(entity: Entity, minutes: int) -> None:
    now = first = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
    plan: Plan | None = None
    days: set[date] = set()
    while now < first + timedelta(days=100):
        if is_due(entity, plan, 24.0, now):
            planned = now + timedelta(seconds=4)
            days.add(planned.date())
            plan = a_plan(MemoryStorage(), [], planned_at=f"{planned:%Y-%m-%dT%H:%M:%SZ}")
        now += timedelta(minutes=minutes)
    assert len(days) >= 100
    weekly = a_plan(MemoryStorage(), [], planned_at="2026-01-01T23:58:00Z")
    assert not is_due(entity, weekly, 168.0, datetime(2026, 1, 3, tzinfo=UTC))


def test_equals_take_turns_and_the_urgent_one_goes_first() -> None:
    order: list[str] = []

    class Slow:
        def __init__(self, name: str, priority: int, turns: int) -> None:
            self.entity: Entity = replace(MOVIE, name=name, priority=priority)
            self.turns = turns

        async def turn(self) -> bool:
            order.append(self.entity.name)
            self.turns -= 1
            return self.turns > 0

    late = [Slow("urgent", 1, 1)]

    def due(waiting: list[Slow]) -> list[Slow]:
        return [late.pop()] if len(order) == 3 else []

    left = asyncio.run(take_turns([Slow("a", 9, 3), Slow("first", 1, 1), Slow("b", 9, 2)], due, StopConditions(), 9.0))
    assert (order, left) == (["first", "a", "b", "urgent", "a", "b", "a"], [])


@pytest.mark.parametrize("name", BOTH)
def test_a_call_that_is_over_at_once_still_says_how_an_open_run_stands(tiny: Tiny, name: str) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    collect(lake, settings, names=(name,), max_requests=8)
    (result,) = collect(lake, settings, deadline=0.0)
    said = "the deadline is reached, so the next run is not planned"
    assert (result.plan.entity, result.reason, result.reconciliation) == (name, said, None)


def test_what_is_not_reached_is_said(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.broken = set()
    results = collect(lake, small(tiny, record_filter=""), max_requests=30)
    assert [one.plan.entity for one in results] == ["movie"]
    assert results[0].reason == "max_requests is used up, so the next run is not planned"
    assert last_run(lake, "series") == 0


@pytest.mark.parametrize("every", [11])
def test_a_kill_anywhere_costs_neither_entity_anything(tiny: Tiny, every: int) -> None:
    settings = small(tiny, record_filter="")
    step = 3
    while True:
        tiny.forget()
        lake = MemoryStorage()
        try:
            collect(Stepping(lake, dies_at(step)), settings)
        except KilledError:
            step += every
        else:
            break
        for name in BOTH:
            while not last_run(lake, name) or open_run(lake, name) is not None:
                collect(lake, settings)
        verdict = verify(lake, entities=BOTH)
        assert verdict.complete, (step, verdict.problems)
        known = {one.entity: one.landed for one in status(lake, 0.0, BOTH).entities}
        assert known == {"movie": 27, "series": 27}, step
    assert step > 3 * every


def test_a_purge_of_one_entity_leaves_the_other_as_it_is(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, record_filter=""))
    movies = {key: lake.get(key) for key in lake.keys("raw/movie/")}
    done = purge(lake, PurgeSelection("entity series", entity="series"), NOW, entities=BOTH)
    assert (done.runs, done.problems) == (1, [])
    assert not [key for key in lake.keys("raw/") if (place := chunk_place(key)) and place.entity == "series"]
    assert {key: lake.get(key) for key in lake.keys("raw/movie/")} == movies
    assert verify(lake, entities=BOTH).complete
    known = {one.entity: one.landed for one in status(lake, 0.0, BOTH).entities}
    assert known == {"movie": 27}


def test_an_id_is_purged_of_the_entity_that_was_named(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, record_filter=""))
    done = purge(lake, PurgeSelection("1 id", entity="series", keys=frozenset({"3"})), NOW, entities=BOTH)
    assert (done.answers, done.unknown, done.problems) == (1, [], [])
    assert verify(lake, entities=BOTH).complete
    assert {one.entity: one.landed for one in status(lake, 0.0, BOTH).entities} == {"movie": 27, "series": 26}


def test_status_says_when_each_open_run_would_be_done_and_names_lost_runs(tiny: Tiny) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    collect(lake, settings, names=("series",), max_requests=8)
    collect(lake, settings, names=("movie",), max_requests=8)
    found = status(lake, 2.0, BOTH)
    pending = {one.entity: one.pending for one in found.open}
    etas = {one.entity: one.eta_seconds for one in found.open}
    assert etas == {"movie": pending["movie"] / 2, "series": sum(pending.values()) / 2}
    assert found.problems == []
    lake.put(chunk_key("series", date(2026, 3, 1), 2, 0, "12345678"), b"")
    (problem,) = status(lake, 2.0, BOTH).problems
    assert problem.startswith("the plan of series run 2 is gone")


def test_status_names_messages_that_no_run_takes_while_the_settings_are_what_they_are(tmp_path: Path) -> None:
    lake = FolderStorage(tmp_path)
    lake.put("raw/x", b"")
    put_message(lake, "e1", "tv", ["1"])
    note = "tv is not selected; `reelhouse sync --entity tv` takes its messages in the inbox (1)"
    for entities, notes in ((["movie"], (note,)), (["movie", "tv"], ())):
        assert lake_status(Settings(lake=str(tmp_path), entities=entities)).notes == notes


def test_status_says_what_is_left_of_each_entity_and_when_it_would_be_done(tiny: Tiny) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    collect(lake, settings, names=("series",))
    collect(lake, settings, names=("movie",), max_requests=8)
    now = datetime.fromisoformat(status(lake, 2.0, BOTH).entities[0].oldest_answer or "")
    series, movie = status(lake, 2.0, BOTH, now=now).entities
    assert (series.stale, series.requests_left) == (0, series.quarantined)
    assert (movie.requests_left, movie.done_after_seconds) == (movie.pending, movie.pending / 2)
    assert series.done_after_seconds == (movie.pending + series.requests_left) / 2
    then = now + timedelta(days=20)
    assert [one.stale for one in status(lake, 2.0, BOTH, now=then).entities] == [0, 0]
    series, movie = status(lake, 2.0, BOTH, ages={"series": 10}, now=then).entities
    assert (series.stale, series.requests_left) == (series.landed, series.landed + series.quarantined)
    assert series.done_after_seconds == (movie.pending + series.requests_left) / 2
    assert status(lake, 0.0, BOTH, now=now).entities[0].done_after_seconds is None


def test_a_plan_counts_with_the_size_of_the_answers_that_are_there(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, settings = MemoryStorage(), small(tiny, record_filter="")
    options = CollectOptions(names=("movie",), entities=BOTH, full=True)
    before = collecting.draft(lake, settings, options)
    assert (before.stored, before.bytes) == (0, before.plan.ids.count * BOTH["movie"].bytes_at_rest)
    collect(lake, settings, names=("movie",))
    chunks = sum(lake.size(key) or 0 for key in lake.keys("raw/movie/"))
    few = collecting.draft(lake, settings, options)
    assert (few.stored, few.bytes) == (chunks, few.plan.ids.count * BOTH["movie"].bytes_at_rest)
    monkeypatch.setattr(planning, "_ENOUGH", 1)
    known = collecting.draft(lake, settings, options)
    assert 0 < known.bytes <= chunks


def test_runs_of_an_entity_that_is_not_known_here_are_named(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, record_filter=""))
    (problem,) = verify(lake, entities=["movie"]).problems
    assert problem.startswith(f"{runs_folder('series')} holds runs of an entity that this reelhouse does not collect")
