"""An invocation that is killed at any step: its retry, or the next tick, finishes its work, and no request is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reelhouse.aws import eventbridge, handler
from reelhouse.raw.inbox import waiting
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.raw.reconciliation import open_run
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from tests.aws.invoking import Function, Given, event
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import answers, assert_whole
from tests.runs.scenes import copied
from tests.runs.tiny import Tiny

CHUNK, CONNECTIONS = 4, 2
MOST_AGAIN = 2 * CHUNK + CONNECTIONS


class Scene:
    """A lake that can be given to the function, and the runs that were announced on the bus."""

    def __init__(self, function: Function, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        self.function = function
        self.tiny = tiny
        self.lake = MemoryStorage()
        self.announced: list[int] = []
        self.idle: list[dict[str, int]] = []
        self._patch = monkeypatch
        tiny.listed = list(range(1, 13))
        tiny.now = datetime.now(UTC).isoformat(timespec="seconds")
        function.set(
            REELHOUSE_EVENT_BUS="a-bus", REELHOUSE_CHUNK_ANSWERS=str(CHUNK), REELHOUSE_CONNECTIONS=str(CONNECTIONS)
        )
        monkeypatch.setattr(eventbridge, "_put_event", self._hear)

    def _hear(self, settings: Settings, detail_type: str, detail: dict[str, Any], what: str) -> str:
        if detail_type == eventbridge.RECONCILED:
            self.announced.append(detail["run"])
        else:
            self.idle.append(detail["runs"])
        return "an-event"

    def lives(self, at: Callable[[int], None]) -> Stepping:
        """The lake as the function sees it from now on, in an environment of its own."""
        seen = Stepping(self.lake, at)
        self._patch.setattr(handler, "_storages", {})
        self._patch.setattr(handler, "readable_storage", lambda settings: seen)
        return seen


@pytest.fixture
def scene(function: Function, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.CRITICAL)
    return Scene(function, tiny, monkeypatch)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_step_loses_no_request_and_repeats_few(scene: Scene, every: int) -> None:
    function, tiny = scene.function, scene.tiny
    again = Given(request="the-same")
    seen = scene.lives(counts)
    function(event("ids"), again)
    function.tick()
    wanted, steps = answers(scene.lake), seen.steps
    asked = tiny.asked.total()
    assert steps > 40
    # Steps are before and after a change by turns, so an even number would see only one of them.
    for step in range(0, steps, every):
        tiny.forget()
        scene.lake = MemoryStorage()
        scene.lives(dies_at(step))
        with pytest.raises(KilledError):
            function(event("ids"), again)
            function.tick()
        scene.lives(counts)
        # As Lambda tries an event again, under the name that it had.
        function(event("ids"), again)
        function.tick()
        function.tick()
        assert tiny.asked.total() - asked <= MOST_AGAIN, f"killed at step {step}"
        assert answers(scene.lake) == wanted, f"killed at step {step}"
        assert open_run(scene.lake, "movie") is None
        _check_no_wish_waits(scene.lake)
        assert_whole(scene.lake)


def test_a_kill_at_any_step_keeps_no_run_from_being_announced(scene: Scene) -> None:
    seen = scene.lives(counts)
    scene.function.tick()
    assert (scene.announced, scene.idle) == ([1], [{"movie": 1}])
    for step in range(0, seen.steps, 2):
        scene.lake, scene.announced, scene.idle = MemoryStorage(), [], []
        scene.lives(dies_at(step))
        with pytest.raises(KilledError):
            scene.function.tick()
        scene.lives(counts)
        scene.function.tick()
        assert set(scene.announced) == {1}
        assert len(scene.announced) <= 2
        assert {tuple(runs.items()) for runs in scene.idle} == {(("movie", 1),)}
        assert len(scene.idle) <= 2
        expected = copied(scene.lake)
        assert scene.function.tick()["state"] == "idle"
        assert list(scene.lake.keys("")) == list(expected.keys("")), f"killed at step {step}"


def _check_no_wish_waits(lake: MemoryStorage) -> None:
    """What the last run took may still lie there: the next planning clears it."""
    last = read_plan(lake, "movie", last_run(lake, "movie"))
    assert last is not None
    assert {key for key, _ in waiting(lake, "movie")} <= set(last.inbox)
