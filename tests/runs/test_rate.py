"""The allowance is used, and not more than that: counted at the server, which turns away what is too much."""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise

import pytest
from aiohttp import web

from reelhouse.collect.reporting import RunResult
from reelhouse.emulator import Emulator
from reelhouse.storage.memory import MemoryStorage
from tests.runs.lakes import collect, of, small
from tests.runs.tiny import Tiny
from tests.serving import verdict

RATE = 40.0


# Until the first answers are there and the tasks have found their pace.
_WARM = 2.0


def _asked_in(seconds: float, latency: float) -> tuple[float, float]:
    """Requests per second that were answered while it went on, and the share turned away."""
    with Emulator(movies=10_000, seed=1, rate=RATE, latency_ms=latency, process=True) as emulator:
        chosen = of(emulator, append=[], rate=RATE)
        running = threading.Thread(
            target=lambda: collect(MemoryStorage(), chosen, deadline=_WARM + seconds + 2.0), daemon=True
        )
        running.start()
        while not emulator.stats().by_status:
            time.sleep(0.1)
        time.sleep(_WARM)
        first, began = emulator.stats(), time.monotonic()
        time.sleep(seconds)
        last, took = emulator.stats(), time.monotonic() - began
        running.join()
        stats = emulator.stats()
    answered = last.by_status["200"] - first.by_status["200"]
    return answered / took, stats.by_status.get("429", 0) / stats.requests


@pytest.mark.long
def test_the_allowance_is_used_and_hardly_ever_overdrawn() -> None:
    # Wide, since eight seconds on a shared machine say little; `make bench` and the slow test hold the real bounds.
    answered, refused = _asked_in(8, 0.0)
    _skip_if_too_busy(answered, refused, answered >= 0.9 * RATE and refused < 0.02)
    assert answered >= 0.9 * RATE
    assert refused < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0.0, 200.0])
def test_the_allowance_is_used_to_ninety_eight_percent_over_a_minute(latency: float) -> None:
    answered, refused = _asked_in(60, latency)
    _skip_if_too_busy(answered, refused, answered >= 0.98 * RATE and refused < 0.001)
    assert answered >= 0.98 * RATE
    assert refused < 0.001


def _skip_if_too_busy(answered: float, refused: float, well: bool) -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if not well and load > cores:
        pytest.skip(
            f"{answered:.1f} a second, {refused:.2%} refused: a load of {load:.1f} on {cores} cores is too much"
        )


@pytest.mark.long
@pytest.mark.parametrize("retry_after", [None, 0.3], ids=["without Retry-After", "with Retry-After"])
def test_ids_that_are_refused_for_a_while_cost_little_more_than_the_pauses(retry_after: float | None) -> None:
    undisturbed, clean = _timed(None, None)
    assert (clean.clean, clean.throttled, clean.waited) == (True, 0, 0.0)
    took, result = _timed("429-bursts", retry_after)
    assert result.clean
    # Ids are refused once, twice or eight times.
    assert result.throttled > 20
    assert 0.0 < result.waited < took
    # Only what is refused while nothing else is left makes it ask for something else.
    assert result.requests - result.throttled - 200 < result.throttled
    well = took <= 3 * undisturbed + result.waited
    _skip_if_too_busy(200 / took, result.throttled / result.requests, well)
    assert well


def _timed(faults: str | None, retry_after: float | None) -> tuple[float, RunResult]:
    with Emulator(movies=3000, seed=1, faults=faults, retry_after=retry_after, latency_ms=50, process=True) as emulator:
        chosen = of(emulator, append=[], rate=RATE, top=200)
        began = time.monotonic()
        result = collect(MemoryStorage(), chosen, deadline=90.0)
        return time.monotonic() - began, result


def test_a_refused_id_is_asked_again_behind_the_others_and_costs_the_rate_nothing(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    order: list[str] = []

    def three_times(request: web.BaseRequest) -> web.StreamResponse | None:
        name = request.path.rpartition("/")[2]
        order.append(name)
        return verdict(429, 25) if name == "2" and tiny.asked["2"] <= 3 else None

    tiny.instead = three_times
    result = collect(MemoryStorage(), small(tiny, connections=1, attempts=5))
    assert result.clean
    assert (result.throttled, tiny.asked["2"]) == (3, 4)
    assert order.index("2") < 3
    asked = [name for name in order if name.isdigit()]
    # Not before all others, and then with a look at whether TMDB answers anybody.
    assert asked[-3:] == ["2", "2", "2"]
    assert len(asked) == 30 + 3
    assert order.count("configuration") == 2


@pytest.mark.long
def test_who_refuses_everybody_is_an_outage_and_is_asked_little(tiny: Tiny) -> None:
    tiny.instead = lambda request: None if request.path.endswith("/changes") else verdict(429, 25)
    began = time.monotonic()
    result = collect(MemoryStorage(), small(tiny, connections=20, outage_minutes=0.03))
    assert (result.pending, result.states) == (30, {})
    assert result.reason is not None
    assert "TMDB has answered nobody" in result.reason
    assert time.monotonic() - began < 30
    # The pause doubles, for nothing at all is answered.
    assert result.requests < 100
    assert result.waited > 1.0


@pytest.mark.long
@pytest.mark.parametrize("retry_after", [None, 0.5], ids=["without Retry-After", "with Retry-After"])
def test_who_asks_too_fast_slows_down_for_everybody_and_recovers(retry_after: float | None) -> None:
    # Configured for a hundred a second are allowed where the server takes forty.
    with Emulator(movies=150, seed=1, rate=40, retry_after=retry_after, process=True) as emulator:
        result = collect(MemoryStorage(), of(emulator, append=[], rate=100.0, connections=10))
        stats = emulator.stats()
    assert result.clean
    refused = stats.by_status["429"]
    assert refused > 0
    # Each burst turns away what was on its way, not one after another.
    assert refused < 60
    assert stats.by_kind["detail"] == 150 + refused


@pytest.mark.parametrize(("headers", "pause"), [({}, 0.07), ({"Retry-After": "1"}, 0.95)], ids=["alone", "Retry-After"])
def test_one_429_makes_everybody_wait(tiny: Tiny, headers: dict[str, str], pause: float) -> None:
    tiny.gone, tiny.broken = set(), set()
    arrived: list[float] = []

    def tenth(request: web.BaseRequest) -> web.StreamResponse | None:
        arrived.append(time.monotonic())
        if len(arrived) != 10:
            return None
        made = verdict(429, 25)
        made.headers.update(headers)
        return made

    tiny.instead = tenth
    tiny.delay = 0.005
    assert collect(MemoryStorage(), small(tiny, connections=4)).clean
    # What was on its way still comes; then nobody asks for as long as was said.
    assert max(later - earlier for earlier, later in pairwise(arrived[9:15])) >= pause
    assert len(arrived) == 31
