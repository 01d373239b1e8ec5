"""The limit on requests per second, the latency, and counts that tests can rely on."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from reelhouse.emulator import Emulator
from reelhouse.emulator.http import server
from reelhouse.emulator.http.rate_limit import RateLimit
from tests.emulator.asking import ask, export_ids, get


def test_no_second_lets_more_than_the_rate_pass() -> None:
    pace = RateLimit(10, None)
    passed = [now for tick in range(300) if pace.admits(now := tick / 37)]
    assert all(sum(now - 1 < other <= now for other in passed) <= 10 for now in passed)
    assert len(passed) >= 75


def test_refused_requests_do_not_use_up_the_allowance() -> None:
    pace = RateLimit(2, None)
    assert [pace.admits(now) for now in (0.0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1)] == [
        True, True, False, False, True, False, True,
    ]  # fmt: skip


def test_too_many_requests_are_429_code_25_without_retry_after_unless_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    # All come in the same second, on a busy machine too.
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: 7.0))
    with Emulator(movies=5, rate=3) as tmdb:
        replies = [get(tmdb, "configuration") for _ in range(5)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
        assert replies[-1].json()["status_code"] == 25
        assert "Retry-After" not in replies[-1].headers
        tmdb.set_rate(1, retry_after=2)
        reply = [get(tmdb, "configuration") for _ in range(2)][-1]
        assert (reply.status, reply.headers["Retry-After"]) == (429, "2")
        tmdb.set_rate(0)
        assert {get(tmdb, "configuration").status for _ in range(20)} == {200}


def test_exports_and_the_control_api_are_not_limited() -> None:
    with Emulator(movies=5, rate=1) as tmdb:
        assert all(len(export_ids(tmdb)) == 5 for _ in range(5))


def test_latency_is_added_to_each_answer() -> None:
    with Emulator(movies=5, latency_ms=80) as tmdb:
        begun = time.perf_counter()
        get(tmdb, "configuration")
        assert time.perf_counter() - begun >= 0.08


def test_requests_are_counted_by_kind_status_and_id(fresh: Emulator) -> None:
    ids = export_ids(fresh)
    for path in (
        f"movie/{ids[0]}", f"movie/{ids[0]}?append_to_response=credits", f"movie/{ids[1]}", "movie/999999999",
        f"movie/{ids[0]}/credits", f"movie/{ids[0]}/changes", "movie/changes?page=1", "movie/changes?page=0",
        "discover/movie", "movie/popular", "movie/latest", "genre/movie/list", "configuration", "tv/999999999",
    ):  # fmt: skip
        get(fresh, path)
    ask(fresh.address, "/3/configuration")
    stats = fresh.stats()
    assert stats.by_kind == {
        "export": 1, "detail": 4, "append": 1, "movie_changes": 1, "changes": 2, "discover": 1, "popular": 1,
        "latest": 1, "genre": 1, "configuration": 2, "tv/detail": 1,
    }  # fmt: skip
    assert stats.by_status == {"200": 12, "400": 1, "401": 1, "404": 2}
    assert stats.requests == sum(stats.by_kind.values()) == sum(stats.by_status.values())
    assert stats.asked == {ids[0]: 2, ids[1]: 1, 999999999: 1}
    assert stats.asked_by_kind == {"movie": stats.asked, "tv": {999999999: 1}}
    assert stats.distinct_ids == 4
    assert stats.busiest_second >= 1


def test_counts_can_be_reset(fresh: Emulator) -> None:
    get(fresh, "configuration")
    fresh.reset_stats()
    stats = fresh.stats()
    assert (stats.requests, stats.by_kind, stats.busiest_second, stats.most_at_once) == (0, {}, 0, 0)


def test_the_most_requests_at_once_and_connections_are_noted() -> None:
    with Emulator(movies=5, latency_ms=200) as tmdb, ThreadPoolExecutor(6) as pool:
        barrier = threading.Barrier(6)

        def ask_together(_: int) -> int:
            barrier.wait()
            return get(tmdb, "configuration").status

        # On a busy machine the first may be answered before the last one has asked.
        for _ in range(20):
            tmdb.reset_stats()
            assert set(pool.map(ask_together, range(6))) == {200}
            stats = tmdb.stats()
            noted = (stats.most_at_once, stats.most_connections, stats.busiest_second)
            if noted == (6, 6, 6):
                break
        assert noted == (6, 6, 6)
