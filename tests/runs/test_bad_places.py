"""Full disks, read-only folders, clocks that are wrong: said in one line, and nothing is lost by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from reelhouse.bootstrap.collecting import CollectOptions, collect_each
from reelhouse.collect.reporting import Progress
from reelhouse.collect.verify import verify
from reelhouse.errors import LakeError, StorageError
from reelhouse.raw.plan import last_run
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import answers, assert_whole, collect, collect_small, plans, reasons, small
from tests.runs.scenes import first_day
from tests.runs.tiny import Tiny
from tests.serving import verdict

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small or read-only disk takes root")


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"mounting is not possible here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@root_only
@pytest.mark.parametrize("pages", [0, 1, 2, 3, 5, 8, 12, 16, 20])
def test_a_full_disk_is_said_and_once_there_is_room_the_run_goes_on(tiny: Tiny, tmp_path: Path, pages: int) -> None:
    undisturbed = MemoryStorage()
    collect_small(undisturbed, small(tiny))
    tiny.forget()
    # A page holds one small file, so each of these sizes is used up at another step.
    with _mounted(tmp_path / "disk", "size=120k") as disk:
        lake = FolderStorage(disk / "lake")
        filler = disk / "filler"
        filler.write_bytes(b"x" * (_free(disk) - pages * 4096))
        with pytest.raises(StorageError, match="the disk is full"):
            collect_small(lake, small(tiny))
        asked = set(answers(lake))
        assert verify(lake).problems == []
        filler.unlink()
        tiny.forget()
        assert collect_small(lake, small(tiny)).complete
        assert not asked & set(tiny.asked)
        assert answers(lake) == answers(undisturbed)
        assert_whole(lake)


def _free(disk: Path) -> int:
    return shutil.disk_usage(disk).free


@root_only
def test_a_read_only_lake_is_said_before_tmdb_is_asked_and_can_be_verified(
    tiny: Tiny, tmp_path: Path, reelhouse: Reelhouse
) -> None:
    with _mounted(tmp_path / "disk", "size=1m") as disk:
        lake = FolderStorage(disk / "lake")
        first_day(tiny, lake)
        tiny.forget()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code, _, stderr = reelhouse("collect", REELHOUSE_LAKE=str(disk / "lake"))
        assert code == 1
        assert "the disk is read-only" in stderr
        assert tiny.asked.total() + tiny.listings.total() == 0
        assert_whole(lake)


def test_a_lake_below_a_file_is_said(tiny: Tiny, tmp_path: Path, reelhouse: Reelhouse) -> None:
    (tmp_path / "file").write_text("")
    code, _, stderr = reelhouse("collect", REELHOUSE_LAKE=str(tmp_path / "file" / "lake"))
    assert code == 1
    assert "a part of the path is a file" in stderr
    assert tiny.asked.total() == 0


@pytest.mark.parametrize("now", ["1970-01-02T00:00:10+00:00", "2026-03-01T12:00:00+00:00", "2031-12-31T23:59:59+00:00"])
def test_tmdbs_clock_decides_whatever_this_machines_says(tiny: Tiny, now: str) -> None:
    tiny.gone, tiny.broken = set(), set()
    tiny.now = now
    lake = MemoryStorage()
    collect(lake, small(tiny), keys=("3", "500"), selected=True)
    collect(lake, small(tiny))
    tiny.forget()
    assert collect(lake, small(tiny)).clean
    assert tiny.asked.total() == 0
    assert {plan.planned_at[:10] for plan in plans(lake)} == {now[:10]}
    assert {key.split("/")[2] for key in lake.keys("raw/movie/")} == {now[:4]}
    assert_whole(lake)


def test_a_server_clock_that_jumps_back_costs_requests_but_no_change(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    tiny.now = "2026-03-10T12:00:00+00:00"
    collect(lake, small(tiny))
    # For one run TMDB says that it is four days earlier.
    tiny.now = "2026-03-06T12:00:00+00:00"
    collect(lake, small(tiny))
    tiny.now = "2026-03-12T12:00:00+00:00"
    tiny.changed = {"2026-03-11": {4}, "2026-03-08": {5}}
    collect(lake, small(tiny))
    assert reasons(lake, 3)["4"] == "changed"
    assert_whole(lake)


def test_a_wait_until_an_instant_is_measured_by_tmdbs_clock(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    tiny.now = "2031-12-31T12:00:00+00:00"
    throttled: list[web.BaseRequest] = []

    def once(request: web.BaseRequest) -> web.StreamResponse | None:
        if throttled:
            return None
        throttled.append(request)
        made = verdict(429, 25)
        made.headers["Retry-After"] = "Wed, 31 Dec 2031 12:00:01 GMT"
        return made

    tiny.instead = once
    began = time.monotonic()
    assert collect(MemoryStorage(), small(tiny)).clean
    # By this machine's clock it would be years, and cut to two minutes.
    assert 0.9 < time.monotonic() - began < 10


def test_an_answer_without_a_date_takes_this_machines_clock(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()

    def dateless(request: web.BaseRequest) -> web.StreamResponse | None:
        return web.Response(body=tiny.body(3), headers={"Date": ""}) if request.path == "/3/movie/3" else None

    tiny.instead = dateless
    lake = MemoryStorage()
    assert collect(lake, small(tiny)).clean
    assert_whole(lake)


def test_a_throttled_run_ends_like_any_other(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    throttled = 0

    def every_fifth(request: web.BaseRequest) -> web.StreamResponse | None:
        nonlocal throttled
        if tiny.asked.total() % 5 or throttled >= 4:
            return None
        throttled += 1
        made = verdict(429, 25)
        made.headers["Retry-After"] = "0.05"
        return made

    tiny.instead = every_fifth
    lake = MemoryStorage()
    # One attempt per id: a 429 is not a fault of the id, so it costs none.
    assert collect(lake, small(tiny)).clean
    assert throttled == 4
    assert_whole(lake)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_lake_that_is_deleted_during_a_run_is_said_and_gets_no_run_without_a_beginning(
    tiny: Tiny, tmp_path: Path, after: int
) -> None:
    lake = _Deleted(tmp_path / "lake", after)
    with pytest.raises(LakeError, match="movie run 1 was deleted from the lake while it was collected"):
        collect_small(lake, small(tiny))
    tiny.forget()
    assert collect_small(FolderStorage(tmp_path / "lake"), small(tiny)).complete
    assert_whole(FolderStorage(tmp_path / "lake"))


def test_a_lake_that_is_deleted_during_a_run_is_not_begun_again_by_the_next_entity(tiny: Tiny, tmp_path: Path) -> None:
    lake = _Deleted(tmp_path / "lake", 1)
    request = CollectOptions(names=("movie", "tv"))
    with pytest.raises(LakeError, match="movie run 1 was deleted from the lake while it was collected"):
        collect_each(lake, small(tiny), request, Progress())
    assert last_run(lake, "tv") == 0


class _Deleted(FolderStorage):
    """A lake that somebody deletes after so many receipts."""

    def __init__(self, root: Path, after: int) -> None:
        super().__init__(root)
        self._root, self._left = root, after

    def put_new(self, key: str, body: bytes) -> None:
        super().put_new(key, body)
        if "/receipts/" in key:
            self._left -= 1
            if self._left == 0:
                shutil.rmtree(self._root)
