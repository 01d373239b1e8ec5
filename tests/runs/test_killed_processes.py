"""Real processes, really killed, at instants that nobody chose."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import Known, answers, assert_whole, collect, of

MOVIES = 400
ANSWERS = 10
CONNECTIONS = 4
SMALL = {
    "REELHOUSE_CHUNK_ANSWERS": str(ANSWERS),
    "REELHOUSE_CONNECTIONS": str(CONNECTIONS),
    "REELHOUSE_APPEND": "keywords",
}


@pytest.fixture(scope="module")
def wanted() -> dict[str, Known]:
    lake = MemoryStorage()
    with Emulator(movies=MOVIES, seed=9) as emulator:
        assert collect(lake, of(emulator, append=["keywords"])).clean
    return answers(lake)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_collect_ends_whole_however_often_it_was_killed(
    tmp_path: Path, wanted: dict[str, Known], number: signal.Signals
) -> None:
    with Emulator(movies=MOVIES, seed=9, latency_ms=12) as emulator:
        reelhouse = Reelhouse(emulator.address, tmp_path)
        kills = 0
        while (running := _killed_after(reelhouse, emulator, 37 + 11 * kills, number)).returncode != 0:
            kills += 1
            assert kills < 30
        assert kills >= 4, running.args
        asked = emulator.stats()
    lake = FolderStorage(reelhouse.lake)
    assert answers(lake) == wanted
    assert_whole(lake)
    # A kill costs two chunks and what was on its way; a signal that is heard costs nothing.
    cost = 2 * ANSWERS + CONNECTIONS if number is signal.SIGKILL else 0
    assert asked.by_kind["detail"] <= MOVIES + kills * cost
    assert asked.distinct_ids == MOVIES


@pytest.mark.long
@pytest.mark.parametrize("apart", [0.0, 0.03])
def test_three_quick_ctrl_c_end_collect_and_the_next_run_is_whole(
    tmp_path: Path, wanted: dict[str, Known], apart: float
) -> None:
    with Emulator(movies=MOVIES, seed=9, latency_ms=12) as emulator:
        reelhouse = Reelhouse(emulator.address, tmp_path)
        running = reelhouse.start("collect", **SMALL)
        while emulator.stats().requests < 60:
            time.sleep(0.005)
        for _ in range(3):
            running.send_signal(signal.SIGINT)
            time.sleep(apart)
        _, stderr = running.communicate(timeout=60)
        assert running.returncode in (130, -signal.SIGINT), stderr
        assert "Traceback" not in stderr
        code, _, stderr = reelhouse.end(reelhouse.start("collect", "--json", **SMALL))
        assert code == 0, stderr
        assert emulator.stats().distinct_ids == MOVIES
    lake = FolderStorage(reelhouse.lake)
    assert answers(lake) == wanted
    assert_whole(lake)


def _killed_after(
    reelhouse: Reelhouse, emulator: Emulator, requests: int, number: signal.Signals
) -> subprocess.Popen[str]:
    """A collection that gets *number* once it has asked so often, or that has ended before."""
    until = emulator.stats().requests + requests
    running = reelhouse.start("collect", **SMALL)
    while running.poll() is None and emulator.stats().requests < until:
        time.sleep(0.005)
    running.send_signal(number)
    running.communicate(timeout=60)
    return running
