"""TMDB misbehaves in every way the emulator knows; what lands in the end is what lands without."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.cli import pipeline
from reelhouse.cli.terminal import display
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.status import status
from reelhouse.emulator import Emulator
from reelhouse.emulator.http.faults import PROFILES
from reelhouse.errors import ConfigError, DeniedError
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.runs.lakes import Known, answers, assert_whole, collect, collected, of, reasons, small
from tests.runs.tiny import Tiny
from tests.serving import html, verdict

MOVIES = 150
APPEND = ["credits", "keywords"]

# One id in ten of the unlucky fails eight times, and is asked six times a run, or once where it is said to be gone.
MOST_RUNS = 10


# Faults of every answer, of the texts that land, and of lists that no run here reads.
UNLIKE = ("outage", "half-surrogate", "drifting-pages")


@pytest.fixture(scope="module")
def wanted() -> Iterator[dict[str, Known]]:
    """What lies in a lake that was never disturbed."""
    lake = MemoryStorage()
    with Emulator(movies=MOVIES, seed=5) as emulator:
        assert collect(lake, of(emulator, append=APPEND)).clean
    yield answers(lake)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name not in UNLIKE])
def test_whatever_goes_wrong_the_same_answers_land(profile: str, wanted: dict[str, Known]) -> None:
    lake = MemoryStorage()
    with Emulator(movies=MOVIES, seed=5, faults=profile, fault_share=0.15, retry_after=0.05) as emulator:
        results = _until_clean(lake, of(emulator, append=APPEND))
        stats = emulator.stats()
    assert stats.by_fault
    assert answers(lake) == wanted
    assert_whole(lake)
    # Fifteen in a hundred are asked up to nine times, and looked after with a canary each time they are not answered.
    assert stats.requests < 3 * MOVIES
    assert stats.distinct_ids == MOVIES
    gone = sum(result.states.get("gone", 0) for result in results)
    assert (gone > 0) == (profile in ("vanishing-ids", "all"))


def _until_clean(lake: Storage, chosen: Settings) -> list[RunResult]:
    results: list[RunResult] = []
    while not results or not results[-1].clean or results[-1].states.get("gone"):
        results.append(collect(lake, chosen))
        assert len(results) <= MOST_RUNS
    return results


def test_an_id_that_is_said_to_be_gone_though_listed_is_asked_again_by_the_next_run() -> None:
    lake = MemoryStorage()
    with Emulator(movies=60, seed=5, faults="vanishing-ids", fault_share=0.3) as emulator:
        gone = collect(lake, of(emulator, append=[])).states["gone"]
        assert gone > 5
        collect(lake, of(emulator, append=[]))
        assert list(reasons(lake, 2).values()) == ["retry"] * gone


@pytest.mark.long
def test_an_outage_leaves_the_run_open_and_no_id_with_a_wrong_state(tmp_path: Any, wanted: dict[str, Known]) -> None:
    lake = FolderStorage(tmp_path / "lake")
    with Emulator(movies=MOVIES, seed=5, faults="outage") as emulator:
        chosen = of(emulator, append=APPEND, lake=str(tmp_path / "lake"), outage_minutes=0.01)
        assert pipeline.collect(chosen, CollectOptions(names=("movie",)), as_json=True) == 1
        result = collect(lake, chosen)
        assert (result.pending, result.states, result.reconciliation) == (MOVIES, {}, None)
        assert result.reason is not None
        assert "TMDB has answered nobody for" in result.reason
        emulator.set_faults(None)
        assert collect(lake, chosen).clean
    assert answers(lake) == wanted
    assert_whole(lake)


def test_an_outage_in_the_middle_lands_what_was_answered(tiny: Tiny) -> None:
    lake = MemoryStorage()
    undisturbed = MemoryStorage()
    collect(undisturbed, small(tiny))
    tiny.forget()
    tiny.instead = lambda request: verdict(503, 9) if tiny.asked.total() > 13 else None
    result = collect(lake, small(tiny, outage_minutes=0.005))
    assert result.reconciliation is None
    assert sum(result.states.values()) == 13
    assert result.pending == 17
    tiny.instead = lambda request: None
    assert collect(lake, small(tiny)).complete
    assert answers(lake) == answers(undisturbed)
    assert_whole(lake)


def test_an_outage_that_ends_in_time_is_sat_out(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    ends = time.monotonic() + 1.5
    tiny.instead = lambda request: verdict(503, 9) if time.monotonic() < ends else None
    assert collect(MemoryStorage(), small(tiny, outage_minutes=0.1, attempts=3)).clean


def test_a_planning_that_took_longer_than_the_timeout_is_no_outage(tiny: Tiny) -> None:
    """Nobody was asked meanwhile, so nobody was silent."""
    tiny.gone, tiny.broken = set(), set()
    failed: set[str] = set()

    def slow_export(request: web.BaseRequest) -> None:
        time.sleep(2.0)

    def first_ones_fail(request: web.BaseRequest) -> web.StreamResponse | None:
        if len(failed) < 2 and request.path not in failed:
            failed.add(request.path)
            return verdict(503, 9)
        return None

    tiny.export_instead = slow_export
    tiny.instead = first_ones_fail
    assert collect(MemoryStorage(), small(tiny, outage_minutes=1.5 / 60)).clean


def test_a_refused_token_stops_at_once_and_what_was_answered_is_landed(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.instead = lambda request: verdict(401, 7, "Invalid API key.") if tiny.asked.total() > 13 else None
    with pytest.raises(DeniedError, match=r"401, code 7"):
        collect(lake, small(tiny))
    assert tiny.asked.total() <= 13 + 2
    assert len(answers(lake)) == 13
    tiny.instead = lambda request: None
    asked = set(answers(lake))
    tiny.forget()
    assert collect(lake, small(tiny)).complete
    assert not asked & set(tiny.asked)
    assert_whole(lake)


def test_what_stands_in_front_of_tmdb_never_makes_an_id_gone(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.gone, tiny.broken = set(), set()
    tiny.instead = lambda request: html(404) if request.path == "/3/movie/4" else None
    result = collect(lake, small(tiny))
    assert result.complete
    assert not result.clean
    assert answers(lake)["4"] == Known("quarantined", "unavailable", None)
    tiny.instead = lambda request: None
    assert collect(lake, small(tiny)).clean
    assert reasons(lake, 2) == {"4": "retry"}
    assert answers(lake)["4"].state == "landed"
    assert_whole(lake)


def test_an_address_without_what_tmdb_always_has_is_named(tiny: Tiny) -> None:
    tiny.instead = lambda request: verdict(404, 34)
    with pytest.raises(ConfigError, match=r"^tmdb_url: /configuration is not there"):
        collected(
            MemoryStorage(), small(tiny), CollectOptions(keys=("5",), selected=True, names=("movie",)), Progress()
        )


def test_a_body_that_is_too_large_is_set_aside_with_the_reason_and_the_run_ends(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.gone, tiny.broken = set(), set()
    bomb = gzip.compress(b" " * (3 << 20))
    tiny.instead = lambda request: (
        web.Response(body=bomb, headers={"Content-Encoding": "gzip"}) if request.path == "/3/movie/4" else None
    )
    result = collect(lake, small(tiny, body_megabytes=1.0, attempts=1))
    assert result.states == {"landed": 27, "filtered": 2, "quarantined": 1}
    assert result.complete
    assert answers(lake)["4"] == Known("quarantined", "too_large", b" " * (1 << 16))
    assert_whole(lake)
    assert collect(lake, small(tiny, body_megabytes=1.0, attempts=1)).states == {"quarantined": 1}


def test_an_answer_that_stays_without_an_append_is_set_aside_and_asked_again_by_the_next_run(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.gone, tiny.broken = set(), set()
    whole = tiny.body(4)
    odd = iter((whole, whole[:-1] + b',"credits":{"success":false,"status_code":11}}', whole, b'{"id":4,"title":"t"}'))

    def lacking(request: web.BaseRequest) -> web.StreamResponse | None:
        # What it asks for again stumbles once more.
        return web.Response(body=next(odd, whole)) if request.path == "/3/movie/4" else None

    tiny.instead = lacking
    chosen = small(tiny, append=["credits"], attempts=3)
    result = collect(lake, chosen)
    assert (result.complete, result.clean, result.states) == (
        True,
        False,
        {"landed": 27, "filtered": 2, "quarantined": 1},
    )
    assert answers(lake)["4"].reason == "missing:credits"
    assert tiny.asked["4"] == 3
    tiny.instead = lambda request: None
    assert collect(lake, chosen).states == {"landed": 1}
    assert_whole(lake)


def test_an_append_that_nobody_is_sent_is_named_in_the_summary_and_keeps_no_answer_out(
    tiny: Tiny, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.gone, tiny.broken, tiny.short = set(), set(), set()
    usual = tiny.body
    tiny.instead = lambda request: (
        web.Response(body=usual(int(name))) if (name := request.path.rpartition("/")[2]).isdigit() else None
    )
    result = collect(MemoryStorage(), small(tiny, append=["videos"], attempts=2))
    assert (result.states, result.complete) == ({"landed": 30}, True)
    display.run_result(result)
    assert "landed without an append" in (shown := capfd.readouterr().out)
    assert "30 videos" in shown
    # Not each of them twice, once asking again has turned out to be in vain.
    assert tiny.asked.total() < 2 * 30


def test_answers_that_are_packed_without_saying_so_land_as_they_were_before(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    said, unsaid = MemoryStorage(), MemoryStorage()
    assert collect(said, small(tiny)).clean
    usual = tiny.body
    tiny.body = lambda id_: gzip.compress(usual(id_))  # type: ignore[method-assign]
    assert collect(unsaid, small(tiny)).clean
    assert answers(unsaid) == answers(said)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 301, 422, 500])
def test_if_a_page_in_front_answers_for_everybody_the_run_stays_open(tiny: Tiny, status: int) -> None:
    lake = MemoryStorage()
    tiny.instead = lambda request: html(status, Location="/elsewhere")
    result = collect(lake, small(tiny, outage_minutes=0.002))
    assert (result.pending, result.states) == (30, {})
    tiny.instead = lambda request: None
    assert collect(lake, small(tiny)).complete


def test_one_id_that_always_fails_is_put_off_to_the_end_and_asked_little(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.gone, tiny.broken = set(), set()
    tiny.instead = lambda request: verdict(500, 11) if request.path == "/3/movie/28" else None
    result = collect(lake, small(tiny))
    assert result.states == {"landed": 27, "filtered": 2, "quarantined": 1}
    # In its turn until somebody else was answered, at the end, and one look at whether TMDB is there at all.
    assert 2 <= tiny.asked["28"] <= 4
    assert tiny.listings["/3/configuration"] == 1


def test_a_run_in_which_only_an_id_is_left_that_always_fails_comes_to_its_end(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.gone, tiny.broken = set(), set()
    tiny.instead = lambda request: verdict(500, 44) if request.path == "/3/movie/28" else None
    assert collect(lake, small(tiny)).complete
    tiny.forget()
    second = collect(lake, small(tiny))
    assert (second.plan.counts.requested, second.states, second.reason) == ({"retry": 1}, {"quarantined": 1}, None)
    assert tiny.asked["28"] <= 4
    # And so does one that goes on after everything else was settled.
    interrupted = MemoryStorage()
    tiny.forget()
    assert collect(interrupted, small(tiny), max_requests=29).pending >= 1
    assert collect(interrupted, small(tiny)).complete
    assert_whole(interrupted)


def test_an_imdb_id_that_was_set_aside_is_asked_again_though_no_table_knows_it(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.instead = lambda request: html(200) if request.path == "/3/movie/tt0000020" else None
    first = collect(lake, small(tiny), keys=("tt0000020", "tt0000021"))
    assert first.states == {"landed": 1, "quarantined": 1}
    assert status(lake, 40.0).entities[0].quarantined == 1
    tiny.instead = lambda request: None
    second = collect(lake, small(tiny))
    assert reasons(lake, 2)["tt0000020"] == "retry"
    assert second.complete
    assert answers(lake)["tt0000020"].state == "landed"
    assert_whole(lake)
