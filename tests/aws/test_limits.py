"""Lambda's limits, each met by the function as it is deployed: its zip, AWS's own client, a lake in a bucket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from reelhouse.emulator import Emulator
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from tests import s3servers
from tests.aws import deployed
from tests.aws.invoking import event
from tests.aws.lambda_service import MB, LambdaService, RequestTooLargeError
from tests.runs.lakes import TOKEN, assert_whole
from tests.runs.tiny import Tiny, tiny_tmdb
from tests.s3servers import S3Server

TITLES = 300
CHUNK = 50
CONNECTIONS = 20

_STATES = ("landed", "filtered", "gone", "quarantined", "pending")

Running = Callable[..., LambdaService]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> S3Server:
    made = s3servers.started("moto")
    s3servers.aim(monkeypatch, made)
    return made


@pytest.fixture
def bucket(server: S3Server) -> str:
    return s3servers.fresh_bucket(server)


@pytest.fixture
def lake(bucket: str) -> Storage:
    return open_storage(f"s3://{bucket}/lake")


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    """Titles by the machine's own clock, none of them odd."""
    with tiny_tmdb(Tiny(range(1, TITLES + 1))) as world:
        world.now = datetime.now(UTC).isoformat(timespec="seconds")
        world.short, world.gone, world.broken = set(), set(), set()
        yield world


@pytest.fixture
def running(server: S3Server, bucket: str) -> Iterator[Running]:
    """Starts a function that asks the TMDB at an address: `running(url, timeout=…, memory=…, tmp=…, rate=…)`."""
    with ExitStack() as stack:

        def start(
            url: str,
            *,
            rate: float = 0,
            env: Mapping[str, str] | None = None,
            timeout: float = 60,
            memory: int = 512,
            tmp: int = 512,
        ) -> LambdaService:
            environ = {
                **server.environ,
                "REELHOUSE_LAKE": f"s3://{bucket}/lake",
                "REELHOUSE_TMDB_URL": f"{url}/3",
                "REELHOUSE_EXPORTS_URL": f"{url}/p/exports",
                "REELHOUSE_RATE": str(rate),
                "REELHOUSE_CHUNK_ANSWERS": str(CHUNK),
                "TMDB_TOKEN": TOKEN,
                **(env or {}),
            }
            made = LambdaService(deployed.task(), env=environ, timeout=timeout, memory=memory, tmp=tmp)
            return stack.enter_context(made)

        yield start


def _adds_up(answer: Mapping[str, int]) -> bool:
    return answer["requested"] == sum(answer[state] for state in _STATES)


@pytest.mark.long
def test_with_little_time_it_stops_in_time_and_the_next_tick_continues(
    running: Running, tiny: Tiny, lake: Storage
) -> None:
    function = running(tiny.url, timeout=6, rate=60)
    results = [function.invoke({"tick": True}) for _ in range(2)]
    while results[-1].answer["state"] == "open":
        results.append(function.invoke({"tick": True}))
    assert [one.error for one in results] == [""] * len(results)
    assert [one.cold for one in results] == [True] + [False] * (len(results) - 1)
    first, last = results[0].answer, next(one.answer for one in results if one.answer["state"] == "reconciled")
    assert first["state"] == "open"
    assert 0 < first["pending"] < TITLES
    assert _adds_up(first)
    assert last["landed"] == TITLES
    assert_whole(lake)
    # Nothing was asked twice: what is on its way at the deadline is waited for.
    assert set(tiny.asked.values()) == {1}


@pytest.mark.long
def test_a_kill_at_any_instant_costs_at_most_two_chunks(running: Running, tiny: Tiny, lake: Storage) -> None:
    function = running(tiny.url, rate=150)
    # As if it had hung; then as if its machine were gone, though its time is not over.
    assert function.invoke({"tick": True}, timeout=0.2).error == "Sandbox.Timedout"
    for seconds in (0.6, 1.0):
        _let_the_lease_end(lake)
        killed = function.invoke({"tick": True}, lost_after=seconds)
        assert (killed.error, killed.cold) == ("Runtime.ExitError", True)
    _let_the_lease_end(lake)
    done = function.invoke({"tick": True})
    assert done.answer["state"] == "reconciled"
    assert done.answer["landed"] == TITLES
    assert_whole(lake)
    assert tiny.asked.total() - TITLES <= 3 * (2 * CHUNK + CONNECTIONS)


def _let_the_lease_end(lake: Storage) -> None:
    """As it does by itself when the life is over that it was taken for."""
    lake.delete("_reelhouse/lease.json")


@pytest.mark.long
def test_memory_stays_within_256_megabytes_and_does_not_grow_with_the_ids(running: Running) -> None:
    """Bodies as large as TMDB's. Measured: see docs/benchmarks.md."""
    with Emulator(process=True, movies=2500, seed=1) as emulator:
        url = emulator.url.removesuffix("/3")
        listed = [int(line) for line in _popular(2500)]
        peaks = []
        for count in (600, 1200):
            function = running(url, memory=256, env={"REELHOUSE_CHUNK_ANSWERS": "200"})
            done = function.invoke({"ids": listed[:count]})
            assert done.answer["state"] == "reconciled"
            assert _adds_up(done.answer)
            assert len(json.dumps(done.answer)) < 1000
            peaks.append(done.peak)
            listed = listed[count:]
    few, many = peaks
    assert many < few + 16 * MB, [peak / MB for peak in peaks]


def _popular(count: int) -> list[str]:
    from reelhouse.emulator.catalog.generated import GeneratedCatalogue

    catalogue = GeneratedCatalogue(1, count)
    return [str(catalogue.id_of(index)) for index in catalogue.by_popularity()]


@pytest.mark.long
def test_a_tmp_that_is_full_costs_no_answer(running: Running, tiny: Tiny, lake: Storage) -> None:
    """Counting a run needs some room there, collecting none."""
    begun = running(tiny.url, timeout=6, rate=60).invoke({"tick": True})
    assert begun.answer["state"] == "open"
    full = running(tiny.url, tmp=0)
    landed = full.invoke({"tick": True})
    assert (landed.error, "no room for temporary files" in landed.message) == ("StorageError", True), landed.message
    # All of it landed and was reconciled; only what planning reads was not kept.
    assert full.invoke({"tick": True}).answer["state"] == "idle"
    assert tiny.asked.total() == TITLES
    assert assert_whole(lake).states == {"landed": TITLES}
    assert running(tiny.url).invoke({"ids": [1]}).answer["state"] == "reconciled"


@pytest.mark.long
def test_a_list_that_is_too_long_for_an_event_comes_as_an_object(
    running: Running, tiny: Tiny, server: S3Server, bucket: str, lake: Storage
) -> None:
    ids = list(range(1, 40_001))
    function = running(tiny.url, timeout=6)
    with pytest.raises(RequestTooLargeError):
        function.invoke({"ids": ids}, later=True)
    s3servers.client(server).put_object(Bucket=bucket, Key="id-lists/long.txt", Body="\n".join(map(str, ids)).encode())
    put = event("eventbridge_object_created")
    put["detail"]["bucket"]["name"], put["detail"]["object"]["key"] = bucket, "id-lists/long.txt"
    assert function.invoke(put, later=True).answer == {"state": "queued", "messages": 1}
    done = function.invoke({"tick": True})
    assert done.answer["requested"] == 40_000
    assert done.answer["state"] == "open"
    assert _adds_up(done.answer)


def test_of_two_at_the_same_time_the_second_returns_at_once(running: Running, tiny: Tiny, lake: Storage) -> None:
    function = running(tiny.url)
    tick = event("scheduler_own_input")
    # The first one is at it for as long as this takes.
    tiny.delay = 0.1
    first: list[str] = []
    working = threading.Thread(target=lambda: first.append(function.invoke(tick).answer["state"]))
    working.start()
    deadline = time.monotonic() + 30
    while not tiny.asked and time.monotonic() < deadline:
        time.sleep(0.01)
    tiny.held = True
    listings = tiny.listings.total()
    second = function.invoke(tick)
    assert not first, "the first one was done too soon to be in the way"
    assert second.answer == {"state": "busy", "messages": 0}
    assert second.cold
    assert tiny.listings.total() == listings
    tiny.held, tiny.delay = False, 0.0
    working.join()
    assert first == ["reconciled"]
    assert set(tiny.asked.values()) == {1}
    assert_whole(lake)


def test_it_starts_where_nothing_but_tmp_can_be_written(running: Running, tiny: Tiny) -> None:
    """`LambdaService` itself makes sure that nothing was written into the code; here nobody could."""
    modes = {path.stat().st_mode & 0o222 for path in deployed.task().rglob("*")}
    assert modes == {0}
    assert running(tiny.url).invoke({"ids": [1, 2, 3]}).answer["landed"] == 3
