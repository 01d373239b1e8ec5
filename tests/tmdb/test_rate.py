"""The limiter, on a clock that only it moves."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.tmdb.rate import LONGEST_PAUSE, Limiter


class Time:
    """A clock that jumps to the next wake-up, so that an hour of requests takes no time."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds + self.late, self._count, woken))
        await woken

    async def run(self, *tasks: Awaitable[None]) -> None:
        """Carry out *tasks*; whenever all of them sleep, time moves on."""
        waiting = asyncio.gather(*tasks)
        while not waiting.done():
            for _ in range(5):
                await asyncio.sleep(0)
            if self._sleepers and not waiting.done():
                until, _, woken = heapq.heappop(self._sleepers)
                self.now = max(self.now, until)
                woken.set_result(None)
        await waiting


def _limiter(time: Time, rate: float, chance: Callable[[], float] = lambda: 0.5) -> Limiter:
    return Limiter(rate, now=time.read, sleep=time.sleep, chance=chance)


def _starts(rate: float, workers: int, each: int, *, late: float = 0.0, latency: float = 0.0) -> list[float]:
    """When requests start that *workers* send one after another."""
    time = Time(late)
    limiter = _limiter(time, rate)
    starts: list[float] = []

    async def work() -> None:
        for _ in range(each):
            await limiter.wait_turn()
            starts.append(time.now)
            limiter.answered()
            if latency:
                await time.sleep(latency)

    asyncio.run(time.run(*(work() for _ in range(workers))))
    return sorted(starts)


def _most_in_a_second(starts: list[float]) -> int:
    return max(sum(1 for other in starts if start <= other < start + 1.0) for start in starts)


def test_starts_are_evenly_spaced_with_no_burst_at_the_beginning() -> None:
    starts = _starts(40, workers=20, each=10)
    gaps = [after - before for before, after in pairwise(starts)]
    assert min(gaps) >= 1 / 40
    assert max(gaps) <= 1 / 33


def test_one_worker_is_spaced_too() -> None:
    starts = _starts(10, workers=1, each=20, latency=0.01)
    assert _most_in_a_second(starts) <= 10


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from((1.0, 4.0, 40.0)),
    workers=st.integers(1, 20),
    late=st.floats(0, 0.2),
    latency=st.floats(0, 0.5),
)
def test_no_second_ever_holds_more_starts_than_allowed(rate: float, workers: int, late: float, latency: float) -> None:
    starts = _starts(rate, workers, 6, late=late, latency=latency)
    assert _most_in_a_second(starts) <= rate


def test_almost_the_whole_allowance_is_used_though_every_sleep_ends_a_little_late() -> None:
    starts = _starts(40, workers=20, each=40, late=0.002)
    assert len(starts) / (starts[-1] - starts[0]) > 38.5


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    time = Time()
    limiter = _limiter(time, 10)
    starts: list[float] = []

    async def work() -> None:
        await limiter.wait_turn()
        starts.append(time.now)

    asyncio.run(time.run(work()))
    time.now += 60
    asyncio.run(time.run(*(work() for _ in range(12))))
    assert _most_in_a_second(starts[1:]) <= 10


def test_zero_is_without_limit() -> None:
    starts = _starts(0, workers=5, each=100)
    assert set(starts) == {1000.0}


async def _next_start(limiter: Limiter, time: Time) -> float:
    began = time.now
    await limiter.wait_turn()
    return time.now - began


def _pause_after(limiter: Limiter, time: Time) -> float:
    waited: list[float] = []

    async def work() -> None:
        waited.append(await _next_start(limiter, time))

    asyncio.run(time.run(work()))
    return waited[0]


@pytest.mark.parametrize("rate", [0.0, 40.0])
@pytest.mark.parametrize(("stated", "waits"), [(7.0, 7.0), (0.0, 0.0), (LONGEST_PAUSE, 120.0), (86400.0, 120.0)])
def test_retry_after_is_waited_for_but_never_longer_than_two_minutes(rate: float, stated: float, waits: float) -> None:
    time = Time()
    limiter = _limiter(time, rate)
    limiter.throttled(time.now, stated)
    assert _pause_after(limiter, time) == pytest.approx(waits, abs=0.05)


def test_without_retry_after_the_pause_doubles_with_each_429_and_resets_later() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    pauses: list[float] = []
    for _ in range(11):
        limiter.throttled(time.now, None)
        pauses.append(_pause_after(limiter, time))
    assert pauses == pytest.approx([0.15, 0.3, 0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 76.8], abs=0.1)
    time.now += 6
    limiter.throttled(time.now, None)
    assert _pause_after(limiter, time) == pytest.approx(0.15, abs=0.1)


@pytest.mark.parametrize(("chance", "waits"), [(0.0, 0.075), (1.0, 0.225)])
def test_chance_spreads_the_pause(chance: float, waits: float) -> None:
    time = Time()
    limiter = _limiter(time, 40, lambda: chance)
    limiter.throttled(time.now, None)
    assert _pause_after(limiter, time) == pytest.approx(waits, abs=0.03)


def test_a_429_pauses_all_tasks_even_those_that_had_a_turn() -> None:
    time = Time()
    limiter = _limiter(time, 10)
    starts: list[float] = []

    async def work() -> None:
        await limiter.wait_turn()
        starts.append(time.now)
        if len(starts) == 3:
            limiter.throttled(time.now, 30.0)

    asyncio.run(time.run(*(work() for _ in range(10))))
    gate = starts[2] + 30.0
    assert [start for start in starts[3:] if start < gate] == []
    # Nor do they all start when the gate opens.
    assert _most_in_a_second(starts[3:]) <= 8


def test_a_429_slows_down_by_a_tenth_a_repeated_one_by_more_and_never_below_one_a_second() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    rates = []
    for _ in range(20):
        limiter.throttled(time.now, 0.0)
        rates.append(limiter.rate)
        time.now += 0.001
    assert rates[:3] == pytest.approx([40 / 1.004 * 0.9, 40 / 1.004 * 0.81, 40 / 1.004 * 0.567])
    assert rates[-1] == 1.0


def test_429s_of_requests_that_were_on_their_way_count_once() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    asked = [time.now + number * 0.025 for number in range(20)]
    time.now += 1
    for start in asked:
        limiter.throttled(start, 5.0)
        time.now += 0.01
    assert limiter.rate == pytest.approx(40 / 1.004 * 0.9)
    assert limiter.throttles == 20
    assert _pause_after(limiter, time) <= 5.0


def test_a_429_of_a_request_after_the_pause_counts_again() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    limiter.throttled(time.now, 5.0)
    assert _pause_after(limiter, time) == pytest.approx(5.0)
    limiter.throttled(time.now, 5.0)
    assert limiter.rate == pytest.approx(40 / 1.004 * 0.81)


def test_a_429_of_a_request_that_woke_after_the_pause_counts_though_its_turn_lay_before_it() -> None:
    time = Time(late=2.0)
    limiter = _limiter(time, 10)
    asked: list[float] = []

    async def work() -> None:
        await limiter.wait_turn()
        asked.append(await limiter.wait_turn())

    async def throttle() -> None:
        await time.sleep(1.0 - time.late)
        limiter.throttled(time.now, 0.5)

    asyncio.run(time.run(work(), throttle()))
    assert limiter.rate == pytest.approx(10 / 1.004 * 0.9)
    limiter.throttled(asked[0], 0.0)
    assert limiter.rate == pytest.approx(10 / 1.004 * 0.81)


def test_after_a_repeated_429_each_second_gives_one_request_a_second_back_until_all_is_back() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    for _ in range(3):
        limiter.throttled(time.now, 1.0)
        time.now += 1.0
    slowed = limiter.rate
    for _ in range(50):
        time.now += 0.1
        limiter.answered()
    assert limiter.rate == pytest.approx(slowed + 5.0)
    time.now += 60
    limiter.answered()
    assert limiter.rate == pytest.approx(40 / 1.004)


def test_the_pause_doubles_only_while_nothing_at_all_is_answered_in_between() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    pauses: list[float] = []
    for _ in range(4):
        limiter.throttled(time.now, None)
        pauses.append(_pause_after(limiter, time))
        limiter.answered(time.now)
    limiter.throttled(time.now, None)
    limiter.throttled(time.now + 1, None)
    pauses.append(_pause_after(limiter, time))
    assert pauses == pytest.approx([0.15, 0.15, 0.15, 0.15, 0.3], abs=0.1)


def test_an_answer_to_an_earlier_request_says_nothing_about_the_time_after_the_pause() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    limiter.throttled(time.now, None)
    limiter.answered(time.now - 0.01)
    assert _pause_after(limiter, time) == pytest.approx(0.15, abs=0.1)
    limiter.throttled(time.now, None)
    assert _pause_after(limiter, time) == pytest.approx(0.3, abs=0.1)


def test_a_repeated_refusal_while_others_are_answered_only_pauses() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    for _ in range(5):
        limiter.throttled(time.now, None, repeated=True)
        assert _pause_after(limiter, time) == pytest.approx(0.15, abs=0.1)
    assert limiter.rate == pytest.approx(40 / 1.004)
    limiter.throttled(time.now, 7.0, repeated=True)
    assert _pause_after(limiter, time) == pytest.approx(7.0, abs=0.1)


def _seconds_of(time: Time, limiter: Limiter, count: int) -> None:
    """So many requests, one after another, all of them answered."""

    async def work() -> None:
        for _ in range(count):
            limiter.answered(await limiter.wait_turn())

    asyncio.run(time.run(work()))


def test_a_refusal_after_far_fewer_requests_than_a_second_has_just_held_does_not_slow_down() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    _seconds_of(time, limiter, 60)
    limiter.throttled(time.now, 1.0)
    assert limiter.rate == pytest.approx(40 / 1.004 * 0.9)
    _seconds_of(time, limiter, 5)
    limiter.throttled(time.now, 1.0)
    assert limiter.rate >= 40 / 1.004 * 0.9
    _seconds_of(time, limiter, 60)
    before = limiter.rate
    limiter.throttled(time.now, 1.0)
    assert limiter.rate == pytest.approx(before * 0.9)


@pytest.mark.parametrize("times", [1.05, 1.5, 2.5, 6.0])
def test_a_client_that_is_too_fast_slows_to_the_servers_rate(times: float) -> None:
    """A server that takes so many in any second, as `emulate --rate` does."""
    time = Time()
    limiter = _limiter(time, 40 * times)
    passed: list[float] = []
    refused: list[float] = []

    async def work() -> None:
        while time.now < 1060.0:
            start = await limiter.wait_turn()
            if sum(1 for before in passed[-40:] if before > start - 1.0) < 40:
                passed.append(start)
                await time.sleep(0.05)
                limiter.answered(start)
            else:
                refused.append(start)
                await time.sleep(0.05)
                limiter.throttled(start, None)

    asyncio.run(time.run(*(work() for _ in range(10))))
    settled = [start for start in refused if start > 1030.0]
    assert len([start for start in passed if start > 1030.0]) >= 0.6 * 40 * 30
    assert len(settled) < 0.1 * 40 * 30


def test_the_seconds_of_pauses_are_counted_and_each_pause_is_announced() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    pauses: list[float] = []
    limiter.on_pause = pauses.append
    limiter.throttled(time.now, 7.0)
    limiter.throttled(time.now, 7.0)
    time.now += 3.0
    assert limiter.waited == pytest.approx(3.0)
    time.now += 10.0
    limiter.throttled(time.now, 500.0)
    time.now += 500.0
    assert limiter.waited == pytest.approx(127.0)
    assert pauses == [7.0, 120.0]


def test_nothing_is_given_back_for_the_pause_itself() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    limiter.throttled(time.now, 60.0)
    slowed = limiter.rate
    time.now += 60.0
    limiter.answered()
    assert limiter.rate == pytest.approx(slowed)


def test_where_requests_arrive_bunched_one_429_is_enough_to_keep_within_the_limit() -> None:
    time = Time()
    limiter = _limiter(time, 40)
    admitted: deque[float] = deque(maxlen=40)
    counts = Counter[str]()

    def after_a_stall(at: float) -> float:
        """Every 0.7 s, the side that delivers the requests stands still for 40 ms."""
        return at + max(0.0, 0.04 - at % 0.7)

    async def work() -> None:
        while time.now < 1060:
            asked_at = await limiter.wait_turn()
            await time.sleep(after_a_stall(time.now) - time.now)
            refused = len(admitted) == 40 and time.now - admitted[0] < 1.0
            if refused:
                limiter.throttled(asked_at, None)
            else:
                admitted.append(time.now)
                limiter.answered(asked_at)
            counts["refused" if refused else "good"] += 1

    asyncio.run(time.run(*(work() for _ in range(20))))
    assert counts["refused"] <= 2
    assert counts["good"] > 0.98 * 40 * 60
