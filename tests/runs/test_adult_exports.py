"""TMDB lists adult titles in exports of their own, which a user may add: what both hold is what there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reelhouse.bootstrap.collector import wanted
from reelhouse.collect.verify import verify
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, ListingError
from reelhouse.raw.plan import last_run
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from tests.runs.lakes import assert_whole, collect, reasons, small
from tests.runs.tiny import Tiny

ADULT = [3, *range(101, 121)]


@pytest.fixture(autouse=True)
def quiet(tiny: Tiny) -> None:
    tiny.gone, tiny.broken, tiny.short = set(), set(), set()
    tiny.adult = list(ADULT)


def test_ids_of_both_exports_are_requested_once_and_add_up(tiny: Tiny) -> None:
    lake = MemoryStorage()
    plan = collect(lake, small(tiny, adult_export=True)).plan
    assert tiny.asked.keys() == {str(id_) for id_ in (*range(1, 31), *ADULT)}
    assert set(tiny.asked.values()) == {1}
    assert (plan.counts.listed, [one.rows for one in plan.exports]) == (50, [30, 21])
    assert_whole(lake)
    # An object that is not what the plan names is found, as of the ordinary export.
    assert plan.adult_export is not None
    lake.put(plan.adult_export.key, tiny.export(adult=False))
    assert any(plan.adult_export.key in problem for problem in verify(lake).problems)


def test_without_the_setting_nothing_of_them_is_requested(tiny: Tiny) -> None:
    lake = MemoryStorage()
    plan = collect(lake, small(tiny)).plan
    assert (plan.counts.listed, plan.adult_export) == (30, None)
    assert tiny.asked.keys() == {str(id_) for id_ in range(1, 31)}


def test_an_id_that_leaves_both_has_vanished_and_one_that_changes_the_export_has_not(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, adult_export=True))
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed.remove(9)
    tiny.listed.append(101)
    tiny.adult = [*ADULT[2:], 9, 121]
    tiny.adult.remove(120)
    tiny.forget()
    collect(lake, small(tiny, adult_export=True))
    assert reasons(lake, 2) == {"120": "vanished", "121": "new"}
    assert_whole(lake)


def test_exports_that_did_not_change_are_not_fetched_again(tiny: Tiny) -> None:
    lake = MemoryStorage()
    first = collect(lake, small(tiny, adult_export=True)).plan
    assert collect(lake, small(tiny, adult_export=True)).plan.exports == first.exports
    assert tiny.listings["304"] == 2


def test_what_is_no_longer_listed_by_wish_has_not_vanished(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, adult_export=True))
    tiny.now = "2026-03-02T12:00:00+00:00"
    # What was collected is kept up to date, as all that a lake has.
    tiny.changed = {"2026-03-02": {101}}
    collect(lake, small(tiny))
    assert reasons(lake, 2) == {"101": "changed"}
    assert_whole(lake)


def test_the_most_popular_are_those_of_both(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.adult = [0, 31]
    tiny.listed = list(range(2, 31))
    plan = collect(lake, small(tiny, adult_export=True, top=3)).plan
    assert tiny.asked.keys() == {"2", "3", "4"}
    assert plan.counts.excluded == {"not_an_id": 1, "top": 27}
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.adult = [1, 31]
    collect(lake, small(tiny, adult_export=True, top=3))
    assert reasons(lake, 2) == {"1": "new"}
    assert_whole(lake)


@pytest.mark.parametrize("left", [None, [], ADULT[:5]])
def test_one_that_is_missing_or_too_small_plans_nothing(tiny: Tiny, left: list[int] | None) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, adult_export=True))
    tiny.now = "2026-03-20T12:00:00+00:00"
    tiny.adult = left
    with pytest.raises(ListingError, match="export adult_movie_ids"):
        collect(lake, small(tiny, adult_export=True))
    assert last_run(lake, "movie") == 1


def test_a_purge_of_what_is_old_takes_both_exports(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, adult_export=True))
    done = purge(lake, PurgeSelection("old", before="2026-03-10T00:00:00Z"), datetime(2026, 3, 20, tzinfo=UTC))
    assert (done.exports, done.problems) == (2, [])
    assert list(lake.keys("raw/exports/")) == []
    assert verify(lake).problems == []


def test_a_wish_that_cannot_be_met_is_refused_and_a_general_one_is_for_those_that_have_such_an_export() -> None:
    with pytest.raises(ConfigError, match="adult_export: include_adult = true"):
        Settings(adult_export=True, include_adult=False)
    by_name = Settings(entity={"company": {"adult_export": True}})
    with pytest.raises(ConfigError, match="no export of adult companies"):
        wanted(by_name, ENTITIES["company"])
    selected = {name: wanted(Settings(adult_export=True), ENTITIES[name]).selection for name in ENTITIES}
    assert [name for name, one in selected.items() if one.adult_export] == ["movie", "tv", "person"]
    found = wanted(Settings(adult_export=True, discover={"year": "1999"}), ENTITIES["movie"]).selection
    assert (found.source, found.adult_export) == ("discover", False)
