"""The margin: careful at first, learned afterwards, never more than a third of the remaining time."""

from __future__ import annotations

import pytest

from reelhouse.aws.time_budget import LearnedDurations


def test_without_experience_the_margin_is_careful() -> None:
    budget = LearnedDurations().budget(900)
    assert budget == (877.0, 3.0)


@pytest.mark.parametrize("remaining", [0.0, 0.5, 2.0, 6.0, 30.0, 900.0])
@pytest.mark.parametrize("seen", [None, 0.0, 8.0, 400.0])
def test_there_is_always_time_to_stop(remaining: float, seen: float | None) -> None:
    margin = LearnedDurations()
    if seen is not None:
        margin.learn(seen)
    deadline, grace = margin.budget(remaining)
    assert 0 <= deadline <= remaining
    left = remaining - deadline - grace
    assert min(5.0, remaining / 4) <= left <= remaining / 3 + 1e-9


def test_a_slow_stop_is_remembered_for_a_while_and_then_forgotten() -> None:
    margin = LearnedDurations()
    margin.learn(40.0)
    assert margin.budget(900).deadline == pytest.approx(837)
    for _ in range(8):
        margin.learn(1.0)
    assert margin.budget(900).deadline == pytest.approx(892)
