"""Two collectors on one lake waste requests at most: nothing is lost, nothing is claimed twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from reelhouse.errors import LockedError
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import Known, answers, assert_whole, collect_small, plans, small
from tests.runs.scenes import copied, first_day, second_day
from tests.runs.tiny import Tiny

Scene = tuple[Storage, dict[str, Known], int]


@pytest.fixture
def scene(tiny: Tiny) -> Scene:
    """The lake before the second day, what an undisturbed second day ends in, and its steps."""
    before = MemoryStorage()
    first_day(tiny, before)
    second_day(tiny, before)
    lake = Stepping(copied(before), counts)
    collect_small(lake, small(tiny))
    return before, answers(lake), lake.steps


def test_the_second_one_is_asked_to_come_back_and_asks_nothing(tiny: Tiny, scene: Scene) -> None:
    before, wanted, _ = scene
    lake = copied(before)
    refused: list[str] = []

    def second(step: int) -> None:
        if step % 10 == 5:
            asked = tiny.asked.total() + tiny.listings.total()
            with pytest.raises(LockedError, match="is locked by another collector"):
                collect_small(lake, small(tiny))
            assert tiny.asked.total() + tiny.listings.total() <= asked + 2
            refused.append(str(step))

    collect_small(Stepping(lake, second), small(tiny))
    assert len(refused) > 3
    assert answers(lake) == wanted
    assert_whole(lake)


def test_after_a_kill_the_lock_is_free_for_the_second_one(tiny: Tiny, scene: Scene) -> None:
    before, wanted, steps = scene
    for step in range(0, steps, 3):
        lake = copied(before)

        def other(lake: Storage = lake) -> None:
            with pytest.raises(LockedError):
                collect_small(lake, small(tiny))

        with pytest.raises(KilledError):
            collect_small(Stepping(lake, _dies_after(step, other)), small(tiny))
        if read_reconciliation(lake, "movie", 2) is None:
            collect_small(lake, small(tiny))
        assert answers(lake) == wanted, f"killed at step {step}"
        assert_whole(lake)


@pytest.mark.long
@pytest.mark.parametrize("killed", [False, True], ids=["and it goes on", "and it is killed"])
def test_without_the_lock_a_whole_run_of_another_may_happen_between_any_two_steps(
    tiny: Tiny, scene: Scene, killed: bool
) -> None:
    before, wanted, steps = scene
    for step in range(steps):
        lake = copied(before)

        def other(lake: Storage = lake) -> None:
            collect_small(Stepping(lake, counts, locked=False), small(tiny))

        slow = Stepping(lake, _dies_after(step, other) if killed else _at(step, other), locked=False)
        if killed:
            with pytest.raises(KilledError):
                collect_small(slow, small(tiny))
        else:
            collect_small(slow, small(tiny))
        _assert_as_if_nothing_happened(lake, tiny, wanted, f"at step {step}")


@pytest.mark.parametrize(
    "killed", [False, pytest.param(True, marks=pytest.mark.long)], ids=["both to the end", "one of them killed"]
)
def test_without_the_lock_two_at_once_share_the_work(tiny: Tiny, scene: Scene, killed: bool) -> None:
    before, wanted, steps = scene
    for step in range(0, steps, 1 if killed else 4):
        lake = copied(before)
        other = _Thread(lambda lake=lake: collect_small(Stepping(lake, counts, locked=False), small(tiny)))  # type: ignore[misc]
        mortal = Stepping(lake, _dies_after(step, lambda: None) if killed else counts, locked=False)
        try:
            collect_small(mortal, small(tiny))
        except KilledError:
            assert killed
        other.join()
        _assert_as_if_nothing_happened(lake, tiny, wanted, f"at step {step}")


@pytest.mark.long
def test_no_run_is_planned_while_another_collector_has_one_open(tiny: Tiny, scene: Scene) -> None:
    before, wanted, _ = scene
    for step in range(40):
        lake = copied(before)

        def other(lake: Storage = lake) -> None:
            with pytest.raises(KilledError):
                collect_small(Stepping(lake, dies_at(20), locked=False), small(tiny))

        collect_small(Stepping(lake, _at(step, other), locked=False, reads=True), small(tiny))
        _assert_as_if_nothing_happened(lake, tiny, wanted, f"at step {step}")


@pytest.mark.slow
def test_without_the_lock_both_may_be_killed_at_any_pair_of_steps(tiny: Tiny, scene: Scene) -> None:
    before, wanted, steps = scene
    for first in range(0, steps, 2):
        for second in range(first % 5, steps, 5):
            lake = copied(before)

            def dies(lake: Storage = lake, second: int = second) -> None:
                with pytest.raises(KilledError):
                    collect_small(Stepping(lake, _dies_after(second, lambda: None), locked=False), small(tiny))

            # The other may find less to do and end before its step.
            with pytest.raises((KilledError, pytest.fail.Exception)):
                collect_small(Stepping(lake, _dies_after(first, dies), locked=False), small(tiny))
            _assert_as_if_nothing_happened(lake, tiny, wanted, f"at steps {first}, {second}")


def _assert_as_if_nothing_happened(lake: Storage, tiny: Tiny, wanted: dict[str, Known], when: str) -> None:
    assert collect_small(lake, small(tiny)).complete, when
    # Letters that a kill left behind are taken by the run after.
    if list(lake.keys("_reelhouse/inbox/")):
        assert collect_small(lake, small(tiny)).complete, when
    assert list(lake.keys("_reelhouse/inbox/")) == [], when
    assert answers(lake) == wanted, when
    assert_whole(lake)
    # Every run was ended before the next was planned.
    assert all(read_reconciliation(lake, "movie", plan.run) is not None for plan in plans(lake)), when


def _at(step: int, deed: Callable[[], None]) -> Callable[[int], None]:
    """Do *deed* at that step, in a thread of its own: the step may be taken inside an event loop."""

    def at(reached: int) -> None:
        if reached == step:
            _Thread(deed).join()

    return at


def _dies_after(step: int, deed: Callable[[], None]) -> Callable[[int], None]:
    do = _at(step, deed)

    def at(reached: int) -> None:
        do(reached)
        if reached == step:
            raise KilledError

    return at


class _Thread:
    """A started thread whose error surfaces where it is joined."""

    def __init__(self, deed: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        self._deed = deed
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._deed()
        except BaseException as error:
            self._error = error
