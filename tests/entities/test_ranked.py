"""Lists that TMDB ranks: all days stay, each as it was ranked, and a day's list is requested once."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from reelhouse.bootstrap import collecting
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator
from reelhouse.entities.ranked import RANKED_LISTS
from reelhouse.entities.schema import Pages
from reelhouse.maintenance.run import maintain
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.verify import check_tables
from tests.runs.lakes import TOKEN, of
from tests.warehouse.landing import LakeInTheMaking

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGES = 3
LISTS = {one.name: replace(one, listing=Pages(PAGES)) for one in RANKED_LISTS}
FEW = {name: LISTS[name] for name in ("movie_trending_day", "tv_popular", "person_trending_week")}


def _collect(lake: LakeInTheMaking, tmdb: Emulator, names: tuple[str, ...]) -> list[RunResult]:
    options = CollectOptions(entities=LISTS, names=names)
    done = collecting.collect_each(lake.storage, of(tmdb), options, Progress())
    assert not done.failures
    return done.results


@pytest.mark.long
def test_every_list_is_there_and_is_requested_once_a_day(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    with Emulator(movies=60, series=20, now=NOON) as tmdb:
        for asked in (PAGES * len(LISTS), 0):
            results = _collect(lake, tmdb, tuple(LISTS))
            assert all(one.clean for one in results)
            assert sum(sum(one.plan.counts.requested.values()) for one in results) == asked
        tmdb.next_day()
        results = _collect(lake, tmdb, tuple(LISTS))
        assert sum(one.plan.counts.requested["stale"] for one in results) == PAGES * len(LISTS)
    assert verify(lake.storage, entities=LISTS).problems == []
    for name in LISTS:
        made = read_reconciliation(lake.storage, name, 1)
        assert made is not None
        assert made.drift == {}


def test_the_day_after_a_run_that_was_cut_is_whole(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    name = "movie_trending_day"
    with Emulator(movies=300, now=NOON) as tmdb:
        options = CollectOptions(entities=LISTS, names=(name,), max_requests=1)
        (cut,) = collecting.collect_each(lake.storage, of(tmdb), options, Progress()).results
        assert not cut.complete
        before = tmdb.stats().day
        tmdb.next_day()
        rest, again = _collect(lake, tmdb, (name,))
        assert (rest.plan.run, again.plan.run) == (cut.plan.run, cut.plan.run + 1)
        day = tmdb.stats().day
        expected = {(day, rank, id_) for rank, id_ in _ranked(tmdb, LISTS[name].path)}
    lake.build(registry=Registry.of({name: LISTS[name]}))
    found = set(lake.values("list_daily", "day", "rank", "id"))
    assert {row for row in found if row[0] == day} == expected
    assert {day for day, _, _ in found} == {before, day}


def test_a_new_day_is_added_and_the_days_before_stay_as_they_were_ranked(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    registry = Registry.of(FEW)
    expected: set[tuple[date, str, str, int, int]] = set()
    with Emulator(movies=300, series=50, now=NOON) as tmdb:
        for _ in range(3):
            for asked in (PAGES, 0):
                results = _collect(lake, tmdb, tuple(FEW))
                assert [sum(one.plan.counts.requested.values()) for one in results] == [asked] * len(FEW)
            lake.build(registry=registry)
            day = tmdb.stats().day
            for name in FEW:
                kind, _, listed = name.partition("_")
                expected |= {(day, kind, listed, rank, id_) for rank, id_ in _ranked(tmdb, FEW[name].path)}
            tmdb.next_day()
    columns = ("day", "media_type", "list", "rank", "id")
    assert set(lake.values("list_daily", *columns)) == expected
    assert len(lake.rows("list_daily")) == len(expected)
    before = lake.rows("list_daily")
    maintain(lake.storage, datetime.now(UTC) + timedelta(days=1), timedelta(0), entities=FEW)
    lake.build(full=True, registry=registry)
    assert lake.rows("list_daily") == before
    assert check_tables(lake.storage, FEW) == []


def _ranked(tmdb: Emulator, path: str) -> set[tuple[int, int]]:
    """What TMDB ranks now: rank and id."""
    found: set[tuple[int, int]] = set()
    for page in range(1, PAGES + 1):
        request = urllib.request.Request(
            f"{tmdb.url}{path.format(id=page)}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request) as answer:
            rows = json.load(answer)["results"]
        found |= {(20 * (page - 1) + place, row["id"]) for place, row in enumerate(rows, 1)}
    return found
