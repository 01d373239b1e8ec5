"""`collect --full`: what is known and fresh is asked as well, after the run that is open."""

from __future__ import annotations

import pytest

from reelhouse.raw.inbox import put_message, waiting
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import answers, assert_whole, collect, reasons, small
from tests.runs.tiny import Tiny


@pytest.mark.long
def test_a_second_full_run_asks_everything_again_because_it_is_stale(reelhouse: Reelhouse, tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    reelhouse("collect", "--full", "--json")
    tiny.now = "2026-03-01T12:01:00+00:00"
    tiny.forget()
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["requested"]) == (0, 0)
    code, said, _ = reelhouse("collect", "--full", "--json")
    assert (code, said["requested"], said["causes"]) == (0, 30, {"stale": 30})
    assert set(tiny.asked.values()) == {1}
    code, said, _ = reelhouse("verify", "--json")
    assert (code, said["problems"]) == (0, [])


def test_the_open_run_comes_first_and_then_the_full_one(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny), max_requests=5)
    tiny.now = "2026-03-01T12:01:00+00:00"
    result = collect(lake, small(tiny), full=True)
    assert result.plan.run == 2
    assert result.plan.selection.source == "export"
    # The five of before; the others were fetched just now, what is gone or broken is tried again anyway.
    assert [key for key, reason in reasons(lake, 2).items() if reason == "stale"] == ["1", "2", "3", "4", "5"]
    assert_whole(lake)


def test_a_full_run_of_a_list_requests_its_ids_alone(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-01T12:01:00+00:00"
    result = collect(lake, small(tiny), keys=("3", "4"), selected=True, full=True)
    asked = {key for key, reason in reasons(lake, result.plan.run).items() if reason == "stale"}
    assert asked == {"3", "4"}
    assert_whole(lake)


def test_a_full_run_of_a_selection_requests_what_is_selected(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-01T12:01:00+00:00"
    top = collect(lake, small(tiny, top=3), selected=True, full=True)
    asked = {key for key, reason in reasons(lake, top.plan.run).items() if reason == "stale"}
    # The most popular.
    assert asked == {"1", "2", "3"}
    assert top.plan.counts.excluded["top"] > 0
    assert_whole(lake)


def test_a_full_run_of_a_list_leaves_what_the_feed_no_longer_tells_to_the_next_run(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-21T12:00:00+00:00"
    tiny.forget()
    result = collect(lake, small(tiny), keys=("3", "4"), selected=True, full=True)
    assert {key for key, reason in reasons(lake, result.plan.run).items() if reason == "stale"} == {"3", "4"}
    assert result.plan.changes_read_to == "2026-03-01T12:00:00Z"
    tiny.now = "2026-03-21T13:00:00+00:00"
    later = collect(lake, small(tiny))
    stale = {key for key, reason in reasons(lake, later.plan.run).items() if reason == "stale"}
    known = {key for key, one in answers(lake).items() if one.state in ("landed", "filtered")}
    assert stale == known - {"3", "4"}
    assert later.plan.changes_read_to == "2026-03-21T13:00:00Z"
    assert_whole(lake)


def test_a_letter_waits_for_a_run_of_its_kind(tiny: Tiny) -> None:
    """What a person collects in between is neither more nor less than was asked for."""
    lake = MemoryStorage()
    collect(lake, small(tiny))
    put_message(lake, "wish", "movie", run="full")
    put_message(lake, "other-wish", "movie", run="incremental")
    put_message(lake, "ids", "movie", ["500"])

    def left() -> list[str]:
        return [letter.event for _, letter in waiting(lake, "movie")]

    assert set(reasons(lake, collect(lake, small(tiny), keys=("501",), selected=True).plan.run)) >= {"500", "501"}
    assert left() == ["other-wish", "wish"]
    collect(lake, small(tiny, top=3), selected=True)
    assert left() == ["other-wish", "wish"]
    collect(lake, small(tiny))
    assert left() == ["wish"]
    tiny.now = "2026-03-01T12:01:00+00:00"
    collect(lake, small(tiny), full=True)
    assert left() == []
    assert_whole(lake)


def test_a_wish_for_a_run_starts_none_after_a_person_continued_the_open_one(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny), max_requests=5)
    put_message(lake, "wish", "movie", run="full")
    assert collect(lake, small(tiny)).plan.run == last_run(lake, "movie") == 1
    assert len(list(waiting(lake, "movie"))) == 1


def test_a_plan_says_when_everything_was_last_listed(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny), keys=("500",), selected=True)
    collect(lake, small(tiny))
    tiny.now = "2026-03-01T13:00:00+00:00"
    collect(lake, small(tiny), keys=("501",), selected=True)
    plans = [read_plan(lake, "movie", run) for run in (1, 2, 3)]
    listed = [plan.listed_at for plan in plans if plan]
    assert listed == ["", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"]
