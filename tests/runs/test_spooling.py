"""A lake that fails in the middle of a run costs no answer: what it did not take waits for the next start."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.bootstrap.storage import spool_of
from reelhouse.collect.landing import replay
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.spool import Spool, SpoolEntry
from reelhouse.course.layout import COPIES
from reelhouse.errors import StorageError
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import Receipt
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import COLLECTOR, Lost, Storage, Work, unheard
from tests.runs.commands import Reelhouse
from tests.runs.conftest import Start
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import (
    CHUNK,
    TOKEN,
    answers,
    assert_whole,
    collect,
    collect_in_units,
    collect_small,
    collected,
    small,
)
from tests.runs.scenes import copied
from tests.runs.tiny import Tiny
from tests.serving import verdict

ROOM = 1 << 20
ONCE = {str(id_): 1 for id_ in range(1, 31)}


@pytest.fixture(autouse=True)
def sound(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A TMDB that answers every question, so that each of thirty ids is asked once, or was asked for nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny.broken = set()
    return tiny


def _down_from(step: int) -> Callable[[int], None]:
    """Fails from that step on."""

    def at(reached: int) -> None:
        if reached >= step:
            raise StorageError("the connection is lost")

    return at


def _fails_at(step: int) -> Callable[[int], None]:
    """Fails once and is well again."""

    def at(reached: int) -> None:
        if reached == step:
            raise StorageError("the connection is lost")

    return at


@pytest.mark.parametrize(
    ("failing", "each"),
    [(_down_from, 5), *(pytest.param(failing, 1, marks=pytest.mark.long) for failing in (_down_from, _fails_at))],
)
def test_wherever_the_lake_fails_no_answer_is_asked_for_twice(
    sound: Tiny, tmp_path: Path, failing: Callable[[int], Callable[[int], None]], each: int
) -> None:
    undisturbed = Stepping(MemoryStorage(), counts, reads=True)
    collect_small(undisturbed, small(sound))
    # Which thread is quicker makes a difference of a few reads.
    steps = undisturbed.steps - 12
    wanted = answers(undisturbed)
    assert steps > 60
    for step in range(0, steps, each):
        sound.forget()
        lake = MemoryStorage()
        spool = Spool(tmp_path / str(step), ROOM)
        try:
            # Whether the run was deleted is only looked at beside a write: a look that fails once costs nothing.
            assert collect_small(Stepping(lake, failing(step), reads=True), small(sound), spool).complete
        except StorageError as exc:
            assert "the connection is lost" in str(exc)
        if read_reconciliation(lake, "movie", 1) is None:
            assert collect_small(lake, small(sound), spool).complete, f"failed at step {step}"
        assert sound.asked == ONCE, f"failed at step {step}"
        assert answers(lake) == wanted, f"failed at step {step}"
        # Not even a chunk without a receipt is left, since what is replayed keeps its key.
        assert assert_whole(lake).unclaimed == 0, f"failed at step {step}"
        assert spool.waiting() == [], f"failed at step {step}"


class _Full(MemoryStorage):
    """Takes so many chunks and no more; what it does not take is answered after a moment."""

    def __init__(self, takes: int, seconds: float = 0.0) -> None:
        super().__init__()
        self.takes = takes
        self.seconds = seconds
        self.tried = 0
        self._trying = threading.Lock()

    def put_new(self, key: str, body: bytes) -> None:
        if key.startswith("raw/movie/"):
            with self._trying:
                self.tried += 1
                refused = self.tried > self.takes
            if refused:
                time.sleep(self.seconds)
                raise StorageError("the bucket is full")
        super().put_new(key, body)


class _Slow(MemoryStorage):
    """Takes so many seconds for a chunk."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def put_new(self, key: str, body: bytes) -> None:
        if key.startswith("raw/movie/"):
            time.sleep(self.seconds)
        super().put_new(key, body)


@pytest.fixture
def spooled(sound: Tiny, tmp_path: Path) -> tuple[_Full, Spool]:
    """A lake with an open run, and a spool in which answers of two units wait."""
    lake = _Full(takes=1)
    spool = Spool(tmp_path / "spool", ROOM)
    with pytest.raises(StorageError, match="the bucket is full"):
        # Six connections, so that more than one chunk is open or on its way.
        collect_small(lake, small(sound, connections=6), spool)
    lake.takes = 1000
    assert len(spool.waiting()) >= 2
    return lake, spool


def _copied(spool: Spool, to: Path) -> Spool:
    shutil.copytree(spool.folder, to)
    return Spool(to, ROOM)


@pytest.mark.parametrize("failing", [dies_at, _down_from, _fails_at])
def test_a_replay_that_is_cut_or_killed_at_any_step_is_done_again(
    sound: Tiny, spooled: tuple[_Full, Spool], tmp_path: Path, failing: Callable[[int], Callable[[int], None]]
) -> None:
    before, waiting = spooled
    whole = Stepping(copied(before), counts, reads=True)
    brought = replay(whole, _copied(waiting, tmp_path / "whole")).answers
    assert len(answers(before)) + brought == sound.asked.total()
    for step in range(whole.steps):
        lake = copied(before)
        spool = _copied(waiting, tmp_path / str(step))
        with pytest.raises((KilledError, StorageError)):
            replay(Stepping(lake, failing(step), reads=True), spool)
        replay(lake, spool)
        assert answers(lake).keys() == answers(before).keys() | set(sound.asked), f"failed at step {step}"
        assert spool.waiting() == []
    assert collect_small(lake, small(sound)).complete
    assert sound.asked == ONCE
    assert_whole(lake)


def test_what_another_collector_landed_meanwhile_is_not_landed_again(
    sound: Tiny, spooled: tuple[_Full, Spool], tmp_path: Path
) -> None:
    """One that has no such spool asks again; it may get any part of the way."""
    before, waiting = spooled
    undisturbed = Stepping(copied(before), counts)
    collect_small(undisturbed, small(sound))
    partly = 0
    for step in range(1, undisturbed.steps, 2):
        lake = copied(before)
        spool = _copied(waiting, tmp_path / str(step))
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), small(sound))
        landed = answers(lake).keys()
        found = replay(lake, spool)
        assert found.left == []
        assert len(answers(lake)) == len(landed) + found.answers
        partly += 0 < found.answers < 9
        assert spool.waiting() == []
        if read_reconciliation(lake, "movie", 1) is None:
            assert collect_small(lake, small(sound)).complete
        assert_whole(lake)
    assert partly


def _spool_of(lake: Storage, chosen: Settings) -> Spool:
    return spool_of(chosen, lake)


def _failing_collect(lake: Storage, chosen: Settings, **request: Any) -> str:
    with pytest.raises(StorageError) as caught:
        collect(lake, chosen, **request)
    return str(caught.value)


class _Noted(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.brought: list[tuple[int, str]] = []
        self.stayed: list[str] = []
        self.safe = 0

    def landed(self, receipt: Receipt) -> None:
        self.safe += len(receipt.outcomes)

    def replayed(self, count: int, place: str) -> None:
        self.brought.append((count, place))

    def left(self, text: str) -> None:
        self.stayed.append(text)


def _collected(lake: Storage, chosen: Settings) -> tuple[list[RunResult], _Noted]:
    noted = _Noted()
    return collected(lake, chosen, CollectOptions(names=("movie",)), noted), noted


def test_the_next_start_tells_what_it_brought_in_and_whence(sound: Tiny, tmp_path: Path) -> None:
    lake = _Full(takes=2)
    chosen = small(sound)
    said = _failing_collect(lake, chosen)
    asked = sound.asked.total()
    (folder,) = (tmp_path / "cache" / "reelhouse" / "spool").iterdir()
    waited = asked - 2 * CHUNK
    assert said == f"the bucket is full; {waited} answers wait in {folder}, the next `reelhouse collect` brings them in"
    lake.takes = 1000
    (result,), noted = _collected(lake, chosen)
    assert noted.brought == [(waited, str(folder))]
    assert noted.stayed == []
    assert (result.complete, result.replayed, result.requests) == (True, waited, 30 - asked)
    assert sound.asked == ONCE
    assert_whole(lake)


def test_what_waited_is_copied_for_the_course_once_it_is_brought_in(sound: Tiny) -> None:
    lake = _Full(takes=2)
    chosen = small(sound, layout="course", connections=6)
    assert "answers wait in" in _failing_collect(lake, chosen)
    waiting = {outcome.id for entry in _waiting(_spool_of(lake, chosen)) for outcome in entry.receipt.outcomes}
    lake.takes = 1000
    assert collect(lake, chosen).complete
    assert sound.asked == ONCE
    files = [key for key in lake.keys(COPIES) if key.endswith(".json")]
    copied = [record["id"] for key in files for record in json.loads(lake.get(key))]
    assert len(copied) == len(set(copied))
    assert waiting & set(copied)
    assert_whole(lake)


def _waiting(spool: Spool) -> list[SpoolEntry]:
    return [spool.read(name)[0] for name in spool.waiting()]


def test_while_the_lake_still_fails_nothing_is_asked_and_nothing_is_lost(sound: Tiny) -> None:
    lake = _Full(takes=0)
    _failing_collect(lake, small(sound))
    waiting = _spool_of(lake, small(sound)).waiting()
    sound.forget()
    assert "is still there" in _failing_collect(lake, small(sound))
    assert sound.asked.total() + sound.listings.total() == 0
    assert _spool_of(lake, small(sound)).waiting() == waiting


def test_a_dead_lake_is_not_tried_again_for_every_chunk(sound: Tiny) -> None:
    lake = _Full(takes=0, seconds=0.3)
    _failing_collect(lake, small(sound, connections=8, chunk_answers=1))
    # Two may have been on their way together.
    assert lake.tried <= 2
    assert sound.asked.total() <= 2 + 8


def test_answers_that_wait_for_a_slow_lake_when_asking_ends_are_not_given_up(sound: Tiny) -> None:
    """The lake takes longer to fail than what is on its way may take."""
    lake = _Full(takes=0, seconds=0.8)
    said = _failing_collect(lake, small(sound, connections=10, chunk_answers=1), grace=0.2)
    assert f"{sound.asked.total()} answers wait in" in said
    lake.takes = 1000
    assert collect(lake, small(sound)).complete
    assert sound.asked == ONCE


def test_a_deadline_that_comes_while_the_lake_is_slow_costs_no_answer(sound: Tiny) -> None:

    lake = _Slow(0.1)
    result = collect(lake, small(sound, connections=10, chunk_answers=1), deadline=0.15, grace=0.05)
    assert result.reason == "the deadline is reached"
    assert len(answers(lake)) == sound.asked.total() < 30


def test_what_the_spool_cannot_hold_is_counted_and_asked_again(sound: Tiny) -> None:
    lake = _Full(takes=1)
    # One entry of four answers takes some 1.4 kB.
    chosen = small(sound, connections=6, spool_megabytes=0.002)
    said = _failing_collect(lake, chosen)
    asked = sound.asked.total()
    waited = replay(copied(lake), _spool_of(lake, chosen)).answers
    lost = asked - CHUNK - waited
    assert min(waited, lost) > 0
    assert f"{waited} answers wait in" in said
    assert f"{lost} responses are lost and will be requested again: spool_megabytes = 0.0019" in said


def test_without_room_for_a_spool_all_is_asked_again_and_no_folder_is_made(sound: Tiny, tmp_path: Path) -> None:
    lake = _Full(takes=1)
    chosen = small(sound, spool_megabytes=0.0)
    said = _failing_collect(lake, chosen)
    lost = sound.asked.total() - CHUNK
    assert said.startswith(f"the bucket is full; {lost} responses are lost and will be requested again")
    assert not (tmp_path / "cache").exists()
    lake.takes = 1000
    assert collect(lake, chosen).complete
    assert sound.asked.total() == 30 + lost


def test_two_lakes_that_share_a_folder_do_not_mix(sound: Tiny, tmp_path: Path) -> None:
    first, second = (FolderStorage(tmp_path / name) for name in ("first", "second"))
    chosen = small(sound, spool=str(tmp_path / "shared"))
    for lake in (first, second):
        sound.forget()
        (tmp_path / Path(lake.url).name / "raw").mkdir(parents=True)
        (tmp_path / Path(lake.url).name / "raw" / "movie").write_text("a file stands in the way")
        assert "a part of the path is a file" in _failing_collect(lake, chosen)
    assert len(list((tmp_path / "shared").iterdir())) == 2
    waiting = _spool_of(first, chosen).waiting()
    (tmp_path / "second" / "raw" / "movie").unlink()
    assert collect(second, chosen).complete
    assert sound.asked == ONCE
    assert _spool_of(second, chosen).waiting() == []
    assert _spool_of(first, chosen).waiting() == waiting
    assert_whole(second)


def test_a_lake_that_was_begun_again_leaves_what_waits_for_the_old_one_and_says_so(sound: Tiny) -> None:
    _failing_collect(_Full(takes=0), small(sound))
    lake = MemoryStorage()
    sound.now = "2026-03-01T12:00:01+00:00"
    collect(lake, small(sound), max_requests=3)
    sound.forget()
    (result,), noted = _collected(lake, small(sound))
    assert noted.brought == []
    assert noted.stayed
    assert all("of another movie run 1 than memory: holds" in text for text in noted.stayed)
    assert (result.complete, result.replayed) == (True, 0)
    assert sound.asked.total() == 27
    assert len(_spool_of(lake, small(sound)).waiting()) == len(noted.stayed)


def test_a_damaged_entry_is_named_and_its_ids_are_asked_again(sound: Tiny) -> None:
    lake = _Full(takes=1)
    _failing_collect(lake, small(sound, connections=6))
    spool = _spool_of(lake, small(sound))
    path = spool.folder / spool.waiting()[0]
    path.write_bytes(path.read_bytes()[:-1])
    lake.takes = 1000
    (result,), noted = _collected(lake, small(sound))
    assert [f"{path} is damaged" in text for text in noted.stayed] == [True]
    assert result.complete
    again = {key: times for key, times in sound.asked.items() if times > 1}
    assert 0 < len(again) <= CHUNK
    assert_whole(lake)


def test_the_command_says_so_to_a_person_and_nothing_in_the_spool_is_secret(
    sound: Tiny, reelhouse: Reelhouse, tmp_path: Path
) -> None:
    (reelhouse.lake / "raw").mkdir(parents=True)
    in_the_way = reelhouse.lake / "raw" / "movie"
    in_the_way.write_text("")
    spool = tmp_path / "waiting"
    code, said, stderr = reelhouse("collect", "--json", REELHOUSE_SPOOL=str(spool))
    assert (code, said["error"]["exit_code"]) == (1, 1)
    word = stderr.splitlines()[-1]
    assert word.startswith(f"reelhouse: cannot write {in_the_way}/2026/03/01/000001-00000-")
    assert f"a part of the path is a file; 30 answers wait in {spool}/" in word
    _assert_no_token(spool)
    in_the_way.unlink()
    code, said, stderr = reelhouse("collect", "--json", REELHOUSE_SPOOL=str(spool))
    assert (code, said["clean"], said["replayed"], said["requests"]) == (0, True, 30, 0)
    assert f"30 answers were replayed from {spool}/" in stderr
    assert sound.asked == ONCE


def _assert_no_token(folder: Path) -> None:
    entries = [path for path in folder.rglob("*") if path.is_file()]
    assert entries
    for path in entries:
        head, _, chunk = path.read_bytes().partition(b"\n")
        assert TOKEN.encode() not in head + chunk + zlib.decompress(chunk, 31)


class _Lost(MemoryStorage):
    """A lake whose hold is taken away, by another thread, when `lose` is called."""

    @contextmanager
    def lock(self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR) -> Iterator[None]:
        self._lost = lost
        with super().lock(seconds=seconds, lost=lost, of=of):
            yield

    def lose(self) -> None:
        thread = threading.Thread(target=self._lost, args=("the lease is lost",))
        thread.start()
        thread.join()


def test_a_lost_lease_stops_asking_and_lands_what_is_on_its_way(sound: Tiny) -> None:
    lake = _Lost()
    sound.delay = 0.05

    def lose(request: web.BaseRequest) -> None:
        if sound.asked.total() == 8:
            lake.lose()

    sound.instead = lose
    result = collect(lake, small(sound, connections=4))
    assert result.reason == "the lease is lost"
    # Those that had started, and what another thread of the server counted meanwhile.
    assert 8 <= sound.asked.total() <= 8 + 4
    assert len(answers(lake)) == sound.asked.total()
    sound.delay = 0.0
    assert collect(lake, small(sound)).complete
    assert sound.asked == ONCE


def test_after_a_lost_lease_not_even_those_start_that_wait_for_their_turn(sound: Tiny) -> None:
    lake = _Lost()

    def lose(request: web.BaseRequest) -> None:
        if sound.asked.total() == 2:
            lake.lose()

    sound.instead = lose
    # A third of a second between two starts, so that the others wait for their turn.
    result = collect(lake, small(sound, connections=6, rate=3.0), grace=10.0)
    assert result.reason == "the lease is lost"
    assert sound.asked.total() <= 3
    assert result.requests == len(answers(lake)) == sound.asked.total()


def test_a_lake_that_fails_is_noticed_soon_though_others_wait_for_tmdb(sound: Tiny) -> None:
    sound.instead = lambda request: verdict(503, 9) if request.path == "/3/movie/1" else None
    lake = _Full(takes=1)
    began = time.monotonic()
    said = _failing_collect(lake, small(sound, connections=3, attempts=5, retry_wait=60.0), grace=0.2)
    assert time.monotonic() - began < 10
    assert "answers wait in" in said


def test_a_collector_that_is_broken_off_asks_no_more_while_it_lands(sound: Tiny) -> None:
    """As by a second Ctrl-C: what waits for the lake still goes there, and nobody takes another id."""
    lake = _Slow(0.1)
    chosen = small(sound, connections=10, chunk_answers=1)

    async def broken_off() -> None:
        collecting = asyncio.ensure_future(collect_in_units(lake, chosen))
        while sound.asked.total() < 10:
            await asyncio.sleep(0.01)
        # Long enough for ten answers to wait, not for all to be taken.
        await asyncio.sleep(0.05)
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)

    asyncio.run(broken_off())
    assert sound.asked.total() < 25
    assert answers(lake)
    lake.seconds = 0.0
    assert collect(lake, chosen).complete


@pytest.mark.parametrize("waits", ["an outage", "a pause that TMDB wants", "a slow rate", "a slow answer"])
def test_a_lost_lease_is_noticed_soon_wherever_the_collector_waits(sound: Tiny, waits: str) -> None:
    lake = _Lost()
    # Else planning asks for the time once more, in its turn.
    sound.now = datetime.now(UTC).isoformat(timespec="seconds")

    def instead(request: web.BaseRequest) -> web.StreamResponse | None:
        if not request.path.startswith("/3/movie/"):
            return None
        if waits == "an outage":
            return verdict(503, 9)
        if waits == "a pause that TMDB wants":
            made = verdict(429, 25)
            made.headers["Retry-After"] = "100"
            return made
        sound.delay = 30.0 if waits == "a slow answer" else 0.0
        return None

    def lose() -> None:
        while read_plan(lake, "movie", 1) is None:
            time.sleep(0.01)
        # By then the collector waits.
        time.sleep(0.5)
        lake.lose()

    sound.instead = instead
    more = {"an outage": {"attempts": 5, "retry_wait": 60.0}, "a slow rate": {"rate": 0.05}}.get(waits, {})
    losing = threading.Thread(target=lose, daemon=True)
    losing.start()
    began = time.monotonic()
    chosen = small(sound, **{"connections": 3, **more})
    result = collect(lake, chosen, keys=("3", "4", "5", "6", "8"), selected=True, grace=0.2)
    losing.join()
    assert result.reason == "the lease is lost"
    assert result.pending == 5 - len(answers(lake))
    assert time.monotonic() - began < 15
    assert sound.asked.total() <= 3
    assert read_plan(lake, "movie", 1) is not None


def test_status_says_how_many_answers_wait_and_how_to_land_them(
    plain: Tiny, here: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new = FolderStorage.put_new

    def full(storage: FolderStorage, key: str, body: bytes) -> None:
        if key.startswith("raw/movie/"):
            raise StorageError("the disk is full")
        put_new(storage, key, body)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStorage, "put_new", full)
        assert here("collect")[0] == 1
    waiting = here("status", "--json")[1]["spooled_answers"]
    assert waiting > 0
    assert f"{waiting} answers in this machine's spool. To land: reelhouse collect\n" in here("status")[2]
    assert here("collect", "--json")[1]["replayed"] == waiting
    assert "spool" not in here("status")[2]
