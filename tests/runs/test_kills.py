"""A kill at any instant of the commit protocol costs at most two chunks of requests, and never an answer."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.runs.children import collect_in_child
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import CHUNK, CONNECTIONS, Known, answers, assert_whole, collect_small, small
from tests.runs.scenes import copied, first_day, second_day
from tests.runs.tiny import Tiny

# What two chunks hold, and what was on its way or waited for a chunk.
MOST_AGAIN = 2 * CHUNK + CONNECTIONS


def undisturbed(tiny: Tiny, before: Storage) -> tuple[dict[str, Known], Counter[str], int]:
    """What the second day ends in, what it asks, and how many steps it takes, if nobody is killed."""
    storage = Stepping(copied(before), counts)
    assert collect_small(storage, small(tiny)).complete
    return answers(storage), Counter(tiny.asked), storage.steps


@pytest.mark.long
def test_a_kill_before_or_after_any_change_loses_nothing_and_asks_little_again(tiny: Tiny) -> None:
    before = MemoryStorage()
    first_day(tiny, before)
    second_day(tiny, before)
    wanted, asked, steps = undisturbed(tiny, before)
    assert {known.state for known in wanted.values()} == {"landed", "filtered", "gone", "quarantined"}
    assert steps > 40
    for step in range(steps):
        lake = copied(before)
        tiny.forget()
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), small(tiny))
        _finish(lake, tiny)
        again = sum((Counter(tiny.asked) - asked).values())
        assert again <= MOST_AGAIN, f"killed at step {step}"
        assert answers(lake) == wanted, f"killed at step {step}"
        assert_whole(lake)
        # The run after it takes what is left over: letters go, the ledger is kept.
        collect_small(lake, small(tiny))
        assert answers(lake) == wanted, f"killed at step {step}"
        assert_whole(lake)
        assert list(lake.keys("_reelhouse/inbox/")) == [], f"killed at step {step}"
        assert "_reelhouse/ledger/movie/000003-000003.001.sqlite.gz" in list(lake.keys("_reelhouse/ledger/movie/"))


@pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.long)])
def test_the_first_run_of_a_lake_survives_a_kill_at_any_step(tiny: Tiny, each: int) -> None:
    wanted, asked, steps = undisturbed(tiny, MemoryStorage())
    for step in range(0, steps, each):
        lake = MemoryStorage()
        tiny.forget()
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), small(tiny))
        if read_reconciliation(lake, "movie", 1) is None:
            collect_small(lake, small(tiny))
        assert sum((Counter(tiny.asked) - asked).values()) <= MOST_AGAIN, f"killed at step {step}"
        assert answers(lake) == wanted, f"killed at step {step}"
        assert_whole(lake)


def test_a_run_that_is_killed_again_and_again_still_ends(tiny: Tiny) -> None:
    before = MemoryStorage()
    first_day(tiny, before)
    second_day(tiny, before)
    wanted, asked, _ = undisturbed(tiny, before)
    lake = copied(before)
    tiny.forget()
    kills = 0
    # Each start lives for eleven steps: long enough to land something, too short to end.
    while read_reconciliation(lake, "movie", 2) is None:
        with suppress(KilledError):
            collect_small(Stepping(lake, dies_at(11)), small(tiny))
        kills += 1
        assert kills < 30
    assert kills > 3
    assert sum((Counter(tiny.asked) - asked).values()) <= kills * MOST_AGAIN
    assert answers(lake) == wanted
    assert_whole(lake)


@pytest.mark.long
def test_a_folder_survives_a_process_that_dies_between_any_two_of_its_system_calls(tiny: Tiny, tmp_path: Path) -> None:
    before = MemoryStorage()
    first_day(tiny, before)
    second_day(tiny, before)
    wanted, asked, _ = undisturbed(tiny, before)
    calls = collect_in_child(_laid_down(before, tmp_path / "counted"), small(tiny), None)
    assert calls > 60
    for call in range(calls):
        tiny.forget()
        folder = _laid_down(before, tmp_path / str(call))
        collect_in_child(folder, small(tiny), call)
        lake = FolderStorage(folder)
        _finish(lake, tiny)
        assert sum((Counter(tiny.asked) - asked).values()) <= MOST_AGAIN, f"killed at call {call}"
        assert answers(lake) == wanted, f"killed at call {call}"
        assert_whole(lake)
        shutil.rmtree(folder)


def _laid_down(objects: Storage, folder: Path) -> Path:
    for key in objects.keys(""):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(objects.get(key))
    return folder


def _finish(lake: Storage, tiny: Tiny) -> None:
    """Carry the second run to its end, if it is not there."""
    if read_reconciliation(lake, "movie", 2) is None:
        assert collect_small(lake, small(tiny)).complete
