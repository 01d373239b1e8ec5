"""Slices, lists and limits: exactly what was asked for, and what is left is said."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reelhouse.collect import listing
from reelhouse.emulator import Emulator
from reelhouse.errors import ReelhouseError
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import answers, assert_whole, collect, of, reasons, small
from tests.runs.tiny import Tiny
from tests.serving import json, verdict


def test_only_the_most_popular_are_asked_and_the_rest_is_counted(plain: Tiny) -> None:
    lake = MemoryStorage()
    plain.listed.reverse()
    result = collect(lake, small(plain, top=7))
    assert set(plain.asked) == {str(id_) for id_ in range(1, 8)}
    assert result.plan.counts.excluded == {"top": 23}
    assert_whole(lake)
    plain.forget()
    collect(lake, small(plain))
    assert set(plain.asked) == {str(id_) for id_ in range(8, 31)}
    assert_whole(lake)


def test_only_the_popular_enough_are_asked_and_the_rest_is_counted(plain: Tiny) -> None:
    lake = MemoryStorage()
    result = collect(lake, small(plain, min_popularity=992.5, top=3))
    assert set(plain.asked) == {"1", "2", "3"}
    assert result.plan.counts.excluded == {"min_popularity": 23, "top": 4}
    assert_whole(lake)


@pytest.mark.long
def test_what_discover_selects_is_what_is_asked() -> None:
    lake = MemoryStorage()
    with Emulator(movies=1500, seed=2) as emulator:
        result = collect(lake, of(emulator, append=[], discover={"with_genres": "18", "vote_count.gte": "10"}))
        stats = emulator.stats()
        assert result.clean
        assert 0 < result.plan.counts.listed < 1500
        assert stats.by_kind["detail"] == stats.distinct_ids == result.plan.counts.listed
        assert set(reasons(lake, 1).values()) == {"listed"}
        assert "export" not in stats.by_kind
        # From the export afterwards: only what is not known yet.
        collect(lake, of(emulator, append=[]))
        assert emulator.stats().by_kind["detail"] == 1500
    assert_whole(lake)


def _discovers(tmdb: Tiny, *ids: int) -> None:
    """Let *tmdb* give these ids for whatever filters."""
    rows = [{"id": id_, "popularity": 9.0} for id_ in ids]
    found = json({"results": rows, "page": 1, "total_pages": 1, "total_results": len(rows)}).body
    tmdb.instead = lambda request: web.Response(body=found) if "/discover/" in request.path else None


def test_a_negative_id_of_discover_is_excluded_and_the_lake_stays_whole(plain: Tiny) -> None:
    _discovers(plain, 1, 2, -3, 4)
    lake = MemoryStorage()
    for _ in range(2):
        result = collect(lake, small(plain, discover={"vote_count.gte": "0"}))
        assert (result.plan.counts.excluded, "-3" in plain.asked) == ({"not_an_id": 1}, False)
    assert_whole(lake)


@pytest.mark.parametrize("few", [100_000, 0])
def test_what_discover_no_longer_finds_is_requested_once_more(
    plain: Tiny, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_FEW", few)
    lake = MemoryStorage()
    wanted = small(plain, discover={"vote_count.gte": "0"})
    _discovers(plain, 1, 2, 3)
    collect(lake, wanted)
    # Neither a list in between nor what other filters find is compared with.
    collect(lake, small(plain), keys=("7",), selected=True)
    _discovers(plain, 1)
    assert collect(lake, small(plain, discover={"vote_count.gte": "5"})).plan.counts.requested == {}
    plain.gone = {2}
    assert collect(lake, wanted).plan.counts.requested == {"vanished": 2}
    assert reasons(lake, 4) == {"2": "vanished", "3": "vanished"}
    assert collect(lake, wanted).plan.counts.requested == {}
    assert_whole(lake)


def test_what_an_abandoned_run_of_discover_landed_is_compared_too(plain: Tiny) -> None:
    lake = MemoryStorage()
    wanted = small(plain, discover={"vote_count.gte": "0"})
    _discovers(plain, 1, 2)
    collect(lake, wanted)
    _discovers(plain, 1, 3, 4, 6)
    plain.forget()
    collect(lake, wanted, max_requests=2)
    landed = {int(key) for key in plain.asked} & {3, 4, 6}
    assert landed
    collect(lake, wanted, abandon=True)
    _discovers(plain, 1)
    asked = reasons(lake, collect(lake, wanted).plan.run)
    assert {int(key) for key, reason in asked.items() if reason == "vanished"} >= landed


def test_a_list_is_asked_whatever_filter_would_say(plain: Tiny) -> None:
    lake = MemoryStorage()
    result = collect(lake, small(plain, min_popularity=999.0), keys=("20", "500", "tt0000025"), selected=True)
    assert set(plain.asked) == {"20", "500", "tt0000025"}
    assert result.plan.selection.source == "list"
    assert_whole(lake)
    # What an IMDb id stood for is remembered.
    plain.forget()
    collect(lake, small(plain), keys=("25", "tt0000025", "500"), selected=True)
    assert plain.asked.total() == 0


def test_one_movie_under_both_its_names_is_two_questions_and_one_thing(plain: Tiny) -> None:
    lake = MemoryStorage()
    result = collect(lake, small(plain), keys=("12", "tt0000012"), selected=True)
    assert result.clean
    assert plain.asked == {"12": 1, "tt0000012": 1}
    first, second = answers(lake).values()
    assert first == second
    assert assert_whole(lake).requested == 2
    plain.forget()
    collect(lake, small(plain))
    assert "12" not in plain.asked


def test_an_imdb_id_that_nobody_has_is_gone_and_asked_again_when_it_is_named_again(plain: Tiny) -> None:
    lake = MemoryStorage()
    for _ in range(2):
        plain.forget()
        result = collect(lake, small(plain), keys=("tt0000999",), selected=True)
        assert (result.states, plain.asked) == ({"gone": 1}, {"tt0000999": 1})
        assert_whole(lake)


@pytest.mark.parametrize("most", [1, 7, 20])
def test_no_request_more_than_allowed_and_what_remains_is_said(plain: Tiny, most: int) -> None:
    lake = MemoryStorage()
    result = collect(lake, small(plain), max_requests=most)
    assert plain.asked.total() == most
    assert result.requests == most
    assert (result.pending, result.reconciliation) == (30 - most, None)
    assert result.reason == "max_requests is used up"
    plain.forget()
    rest = collect(lake, small(plain))
    assert plain.asked.total() == 30 - most
    assert rest.clean
    assert_whole(lake)


def test_asking_again_counts_as_a_request_too(plain: Tiny) -> None:
    lake = MemoryStorage()
    seen: set[str] = set()

    def each_fails_once(request: web.BaseRequest) -> web.StreamResponse | None:
        first = request.path not in seen
        seen.add(request.path)
        return verdict(500, 11) if first else None

    plain.instead = each_fails_once
    collect(lake, small(plain, attempts=3), max_requests=11)
    assert plain.asked.total() + plain.listings["/3/configuration"] == 11
    collect(lake, small(plain, attempts=3))
    assert_whole(lake)


def test_a_run_that_ends_with_its_last_allowed_request_is_no_open_run(plain: Tiny) -> None:
    result = collect(MemoryStorage(), small(plain), max_requests=30)
    assert result.clean
    assert result.reason is None


def test_the_limit_is_one_for_all_runs_of_a_call(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain), max_requests=25)
    plain.forget()
    # Five are left of the open run, so three are allowed for the next one.
    result = collect(lake, small(plain), keys=("501", "502", "503", "504", "505"), selected=True, max_requests=8)
    assert plain.asked.total() == 8
    assert (result.plan.run, result.pending) == (2, 2)
    collect(lake, small(plain))
    assert answers(lake)["505"].state == "landed"
    assert_whole(lake)


def test_requests_that_failed_in_the_first_run_of_a_call_count_in_the_second(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain), max_requests=25)
    plain.forget()
    seen: set[str] = set()

    def each_fails_once(request: web.BaseRequest) -> web.StreamResponse | None:
        first = request.path not in seen
        seen.add(request.path)
        return verdict(500, 11) if first and request.path.startswith("/3/movie/") else None

    plain.instead = each_fails_once
    keys = ("501", "502", "503", "504", "505")
    result = collect(lake, small(plain, attempts=3), keys=keys, selected=True, max_requests=14)
    assert plain.asked.total() == 14
    assert result.plan.run == 2
    assert result.pending in (3, 4)


@pytest.mark.parametrize("hanging", [False, pytest.param(True, marks=pytest.mark.long)], ids=["slow", "hanging"])
def test_the_deadline_holds(plain: Tiny, hanging: bool) -> None:
    lake = MemoryStorage()

    def delayed(request: web.BaseRequest) -> None:
        plain.delay = 30.0 if hanging and plain.asked.total() > 8 else 0.4

    plain.instead = delayed
    began = time.monotonic()
    # Planning is over long before, on a busy machine too.
    result = collect(lake, small(plain), deadline=2.0)
    assert time.monotonic() - began < 15
    assert result.reason == "the deadline is reached"
    assert 0 < sum(result.states.values()) < 30
    assert result.reconciliation is None
    plain.instead = lambda request: None
    plain.delay = 0.0
    assert collect(lake, small(plain)).clean
    assert_whole(lake)


def test_the_deadline_holds_while_planning(plain: Tiny) -> None:
    lake = MemoryStorage()
    plain.delay = 20.0
    began = time.monotonic()
    with pytest.raises(ReelhouseError, match="deadline"):
        collect(lake, small(plain), deadline=0.5)
    assert time.monotonic() - began < 15
    assert last_run(lake, "movie") == 0
    plain.delay = 0.0
    assert collect(lake, small(plain)).clean


def test_a_list_given_while_a_run_is_open_waits_in_the_inbox_and_is_asked_next(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain), max_requests=10)
    stopped = collect(lake, small(plain), keys=("500", "tt0000025"), selected=True, max_requests=5)
    assert (stopped.plan.run, stopped.pending) == (1, 15)
    assert len(list(lake.keys("_reelhouse/inbox/"))) == 1
    plain.forget()
    result = collect(lake, small(plain))
    assert result.plan.run == 2
    assert result.plan.inbox
    assert reasons(lake, 2) == {"500": "listed", "tt0000025": "listed"}
    assert set(plain.asked) >= {"500", "tt0000025"}
    assert list(lake.keys("_reelhouse/inbox/")) == []
    assert_whole(lake)


def test_the_same_list_twice_while_a_run_is_open_is_one_letter(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain), max_requests=10)
    for _ in range(2):
        collect(lake, small(plain), keys=("500",), selected=True, max_requests=1)
    assert len(list(lake.keys("_reelhouse/inbox/"))) == 1
    collect(lake, small(plain))
    assert plain.asked["500"] == 1


def test_a_slice_named_while_a_run_is_open_is_carried_out_after_it(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain, top=5), max_requests=2)
    result = collect(lake, small(plain, top=8), selected=True)
    assert (result.plan.run, result.plan.selection.top) == (2, 8)
    assert plain.asked.total() == 8
    assert_whole(lake)


def test_the_loser_of_the_plan_leaves_its_list_in_the_inbox(plain: Tiny) -> None:
    from tests.runs.dying import Stepping

    lake = MemoryStorage()

    def other(step: int) -> None:
        # Another collector plans first, just before this one's plan is put.
        if step == 4 and last_run(lake, "movie") == 0:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor() as pool:
                pool.submit(collect, Stepping(lake, lambda step: None, locked=False), small(plain)).result()

    result = collect(Stepping(lake, other, locked=False), small(plain), keys=("500", "501"), selected=True)
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    assert plan.selection.source == "export"
    assert result.plan == plan
    collect(lake, small(plain))
    assert answers(lake)["500"].state == "landed"
    assert answers(lake)["501"].state == "landed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lands_what_is_there_and_leaves_the_run_open(
    plain: Tiny, reelhouse: Reelhouse, number: signal.Signals
) -> None:
    plain.delay = 0.05

    def slower_then(request: web.BaseRequest) -> None:
        # So slow that the signal comes before the end, on a busy machine too.
        if plain.asked.total() >= 8:
            plain.delay = 0.5

    plain.instead = slower_then
    # Under nohup a test ignores SIGHUP, and so would the command.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    running = reelhouse.start("collect", "--json", REELHOUSE_CONNECTIONS="2", REELHOUSE_CHUNK_ANSWERS="1000")
    signal.signal(signal.SIGHUP, before)
    while plain.asked.total() < 8:
        time.sleep(0.01)
    running.send_signal(number)
    code, said, stderr = reelhouse.end(running)
    assert code == (130 if number == signal.SIGINT else 1), stderr
    assert said["reason"] == f"stopped by {number.name}"
    assert 8 <= said["landed"] < 30
    assert said["landed"] + said["pending"] == 30
    asked = set(plain.asked)
    plain.forget()
    plain.instead, plain.delay = lambda request: None, 0.0
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["clean"]) == (0, True)
    assert not asked & set(plain.asked)


def test_the_second_collector_says_so_and_asks_nothing(plain: Tiny, reelhouse: Reelhouse) -> None:
    plain.delay = 1.0
    first = reelhouse.start("collect", "--json", REELHOUSE_CONNECTIONS="1")
    while not plain.asked:
        time.sleep(0.01)
    before = plain.listings.total()
    code, _, stderr = reelhouse("collect", "--json")
    assert code == 1
    assert "is locked by another collector" in stderr
    assert plain.listings.total() == before
    plain.delay = 0.0
    code, said, _ = reelhouse.end(first)
    assert (code, said["clean"]) == (0, True)
    assert plain.asked == {str(id_): 1 for id_ in range(1, 31)}


@pytest.mark.long
def test_how_a_list_was_read_is_said_and_only_its_movies_are_asked(
    plain: Tiny, reelhouse: Reelhouse, tmp_path: Any
) -> None:
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("type,title,imdb_id,tmdb_id\nmovie,a,tt0000012,12\nshow,b,tt0000013,13\nepisode,c,tt0000014,14\n")
    code, said, stderr = reelhouse("collect", "--json", "--ids", str(mixed))
    assert (code, said["landed"], set(plain.asked)) == (0, 1, {"12"})
    assert said["list"] == {
        "columns": ["tmdb_id", "imdb_id"],
        "ids": 1,
        "duplicates": 0,
        "blank": 0,
        "invalid": 0,
        "other_kinds": {"show": 1, "episode": 1},
        "spanning": 0,
    }
    assert "ids read from column tmdb_id" in stderr
    assert "not requested, because they are not movies: 1 show, 1 episode" in stderr
    code, said, _ = reelhouse("plan", "--json", "--ids", str(mixed), "--all-kinds", "--ids-column", "imdb_id")
    assert (code, said["listed"], said["list"]["columns"]) == (0, 3, ["imdb_id"])
    mixed.write_text('id,title\n1,a\n2,"Open\n3,c\n4,d\n')
    code, said, stderr = reelhouse("collect", "--json", "--ids", str(mixed))
    assert (code, said["error"]["exit_code"]) == (2, 2)
    assert "line 3 opens a quote that is never closed (--no-quotes takes quotes as text)" in stderr
    code, said, _ = reelhouse("collect", "--json", "--ids", str(mixed), "--no-quotes")
    assert (code, said["landed"]) == (0, 4)
    mixed.write_text("id,imdb_id,title\n1,tt0000020,First\n2,tt0000021,Second\n")
    code, _, stderr = reelhouse("collect", "--ids", str(mixed))
    assert (code, "--ids-column imdb_id" in stderr) == (2, True)
    code, _, stderr = reelhouse("collect", "--no-quotes")
    assert (code, "--no-quotes is an option of --ids" in stderr) == (2, True)


@pytest.mark.long
def test_what_the_command_line_takes_is_what_is_asked(plain: Tiny, reelhouse: Reelhouse, tmp_path: Any) -> None:
    links = tmp_path / "links.csv"
    links.write_text("movieId,imdbId,tmdbId\n1,0000012,12\n2,0000013,\n3,,14\n4,,\n")
    code, said, stderr = reelhouse("collect", "--json", "--ids", str(links))
    assert (code, said["landed"]) == (0, 3)
    assert "rows of the list without an id: 1" in stderr
    assert set(plain.asked) == {"12", "tt0000013", "14"}
    code, said, _ = reelhouse("collect", "--json", "--top", "3", "--max-requests", "2")
    assert (code, said["pending"], said["reason"]) == (1, 1, "max_requests is used up")
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["pending"]) == (0, 0)
    code, said, stderr = reelhouse("collect", "--json", "--discover", "with_genre=18")
    assert code == 2
    assert "did you mean 'with_genres'" in stderr


@pytest.mark.long
def test_a_typo_in_the_record_filter_stops_before_a_plan_is_put_and_can_be_corrected(
    plain: Tiny, reelhouse: Reelhouse
) -> None:
    code, said, stderr = reelhouse("collect", "--json", REELHOUSE_RECORD_FILTER="runtme >= `60`")
    assert (code, said["error"]["exit_code"]) == (2, 2)
    assert "no field 'runtme' in the 10 answers that were looked at (did you mean 'runtime'?)" in stderr
    assert plain.asked.total() == 10
    plain.forget()
    code, said, _ = reelhouse("collect", "--json", REELHOUSE_RECORD_FILTER="runtime >= `60`")
    assert (code, said["run"], said["landed"], said["filtered"]) == (0, 1, 28, 2)
    assert plain.asked.total() == 30
    # A filter that changes later is looked at too, and what had landed stays.
    assert reelhouse("collect", "--json", REELHOUSE_RECORD_FILTER="tittle == 'x'")[0] == 2
    assert reelhouse("verify", "--json")[1]["states"] == {"landed": 28, "filtered": 2}


def test_a_record_filter_that_answers_confirm_is_looked_at_once(plain: Tiny) -> None:
    lake = MemoryStorage()
    for asked in (30 + 10, 0):
        plain.forget()
        collect(lake, small(plain, record_filter="runtime >= `60` && length(imdb_id.x || imdb_id) > `0`"))
        assert plain.asked.total() == asked
    assert_whole(lake)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"record_filter": "runtime > `900`"}, "record_filter 'runtime > `900`' kept none of 30 answers"),
        ({"record_filter": "runtime > `1`"}, "kept all 30 answers: it filtered nothing"),
        ({"min_popularity": 2000.0}, "all 30 listed ids are excluded (30 by min_popularity)"),
        ({"min_popularity": 1.0}, "min_popularity = 1 excludes none of the 30 listed ids"),
        ({"top": 500}, "top = 500 excludes none of the 30 listed ids"),
    ],
    ids=str,
)
def test_a_filter_that_keeps_all_or_nothing_is_said(
    plain: Tiny, reelhouse: Reelhouse, settings: dict[str, Any], said: str
) -> None:
    environ = {f"REELHOUSE_{name.upper()}": str(value) for name, value in settings.items()}
    code, found, _ = reelhouse("collect", "--json", **environ)
    assert code == 0
    assert [said in note for note in found["notes"]] == [True]


def test_a_person_hears_that_a_filter_keeps_nothing_from_plan_and_from_collect(
    plain: Tiny, reelhouse: Reelhouse
) -> None:
    for command in ("plan", "collect"):
        running = reelhouse.start(command, "--min-popularity", "2000")
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 0
        assert "Note: all 30 listed ids are excluded (30 by min_popularity)" in stderr


def test_filters_that_keep_some_are_not_worth_a_word(plain: Tiny, reelhouse: Reelhouse) -> None:
    environ = {"REELHOUSE_RECORD_FILTER": "runtime >= `60`", "REELHOUSE_TOP": "20"}
    assert reelhouse("collect", "--json", **environ)[1]["notes"] == []


@pytest.mark.parametrize(
    ("filters", "listed"),
    [(("with_genres=terror",), None), (("with_genres=Horror",), "some"), (("with_genres=27",), "some")],
)
def test_a_genre_is_taken_by_name_and_one_that_nobody_knows_selects_nothing(
    tmp_path: Path, filters: tuple[str, ...], listed: str | None
) -> None:
    with Emulator(movies=1500, seed=2) as emulator:
        reelhouse = Reelhouse(emulator.address, tmp_path)
        words = [word for one in filters for word in ("--discover", one)]
        code, found, stderr = reelhouse("plan", "--json", *words)
    if listed is None:
        assert (code, found["error"]["kind"]) == (2, "ConfigError")
        assert "with_genres='terror'" in stderr
        assert "did you mean 'horror'?" in stderr
    else:
        assert code == 0
        assert 0 < found["listed"] < 500
