"""Landing: chunks close in time, at most two are on their way, and nothing is reported before its receipt is put."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from reelhouse.collect.landing import MOST_CHUNKS, ChunkLimits, ChunkSink, OpenUnit, open_unit
from reelhouse.collect.validation import Validated
from reelhouse.errors import StorageError
from reelhouse.raw.chunk import read_chunk
from reelhouse.raw.keys import receipt_key
from reelhouse.raw.plan import Cause, Plan, Request, read_units
from reelhouse.raw.receipt import ChunkRef, Receipt, State, read_part, read_receipts
from reelhouse.storage.memory import MemoryStorage
from reelhouse.tmdb.client import Answer
from tests.lakes import a_plan

PATIENT = ChunkLimits(seconds=60.0)


class Watched(MemoryStorage):
    """A lake that tells what is put, in order; a put may be slow or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.put_keys: list[str] = []
        self.gate: Callable[[str], None] = lambda key: None
        self.at_once = 0
        self.most_at_once = 0
        self._counting = threading.Lock()

    def put_new(self, key: str, body: bytes) -> None:
        with self._counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.gate(key)
            super().put_new(key, body)
            if not key.endswith("plan.json"):
                self.put_keys.append(key)
        finally:
            with self._counting:
                self.at_once -= 1


def _validated(key: str, state: State = State.LANDED, size: int = 0) -> Validated:
    # Noise, since what packs well would weigh nothing.
    noise = hashlib.shake_128(key.encode()).hexdigest(size).encode()
    body = b'{"id":%b,"x":"%b"}' % (key.encode(), noise)
    return Validated(state, Answer(200, body, "2026-11-23T09:00:00Z", 'W/"1"', 3), int(key), drift=("unknown:x",))


def _plan(storage: MemoryStorage, count: int, unit_size: int = 1000) -> Plan:
    return a_plan(storage, [str(number + 1) for number in range(count)], unit_size=unit_size)


def _units(storage: MemoryStorage, plan: Plan) -> list[tuple[OpenUnit, list[Request]]]:
    opened = []
    for unit in read_units(storage, plan):
        one = open_unit(storage, plan, unit.number)
        one.outstanding = len(unit.requests)
        opened.append((one, unit.requests))
    return opened


def _receipts(storage: MemoryStorage, plan: Plan) -> list[Receipt]:
    found = list(read_receipts(storage, plan))
    return [receipt for receipt in found if isinstance(receipt, Receipt)]


def _land(
    storage: MemoryStorage,
    plan: Plan,
    limits: ChunkLimits,
    work: Callable[[ChunkSink, list[tuple[OpenUnit, list[Request]]]], Awaitable[None]],
    landed: Callable[[Receipt], None] = lambda receipt: None,
    *,
    ticking: bool = False,
) -> None:
    async def run() -> None:
        sink = ChunkSink(storage, plan, "/movie/{id}", "language=en-US", limits, landed)
        clock = asyncio.create_task(sink.tick()) if ticking else None
        try:
            await work(sink, _units(storage, plan))
        finally:
            if clock is not None:
                clock.cancel()
        await sink.finish()

    asyncio.run(run())


async def _add_all(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
    for unit, requests in units:
        for request in requests:
            await sink.add(unit, request, _validated(request.key))


def test_everything_added_lies_there_once_with_a_receipt() -> None:
    storage = Watched()
    plan = _plan(storage, 95, unit_size=30)
    _land(storage, plan, ChunkLimits(answers=7, seconds=60.0), _add_all)
    outcomes = [outcome for receipt in _receipts(storage, plan) for outcome in receipt.outcomes]
    assert sorted(int(outcome.key) for outcome in outcomes) == list(range(1, 96))
    for receipt in _receipts(storage, plan):
        assert receipt.chunk is not None
        lines = list(read_chunk(storage, receipt.chunk))
        assert [(line.line, line.key, line.id) for line in lines] == [(c.line, c.key, c.id) for c in receipt.outcomes]
        assert {line.chunk for line in lines} == {receipt.chunk.key}


def test_a_chunk_is_closed_at_so_many_answers_and_at_the_end_of_its_unit() -> None:
    storage = Watched()
    plan = _plan(storage, 25, unit_size=20)
    _land(storage, plan, ChunkLimits(answers=8, seconds=60.0), _add_all)
    assert [(r.unit, r.part, len(r.outcomes)) for r in _receipts(storage, plan)] == [
        (0, 0, 8),
        (0, 1, 8),
        (0, 2, 4),
        (1, 0, 5),
    ]


def test_a_chunk_is_closed_at_so_many_bytes_at_rest() -> None:
    storage = Watched()
    plan = _plan(storage, 60)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        for request in requests:
            await sink.add(unit, request, _validated(request.key, size=4000))

    _land(storage, plan, ChunkLimits(size=40_000, seconds=60.0), work)
    chunks = [receipt.chunk for receipt in _receipts(storage, plan)]
    sizes = [chunk.size for chunk in chunks if isinstance(chunk, ChunkRef)]
    assert len(sizes) > 2
    assert min(sizes[:-1]) >= 40_000
    assert max(sizes) < 100_000


def test_a_chunk_is_closed_when_it_was_open_for_long_enough_though_nothing_more_comes() -> None:
    storage = Watched()
    plan = _plan(storage, 10)
    waited: list[float] = []

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        began = time.monotonic()
        await sink.add(unit, requests[0], _validated("1"))
        while not storage.put_keys:
            await asyncio.sleep(0.01)
            assert time.monotonic() - began < 10
        waited.append(time.monotonic() - began)

    _land(storage, plan, ChunkLimits(seconds=0.2), work, ticking=True)
    assert waited[0] >= 0.2


def test_what_is_open_at_the_end_is_landed() -> None:
    storage = Watched()
    plan = _plan(storage, 10)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        await sink.add(unit, requests[3], _validated("4"))
        assert storage.put_keys == []

    _land(storage, plan, PATIENT, work)
    assert [outcome.key for receipt in _receipts(storage, plan) for outcome in receipt.outcomes] == ["4"]


def test_nothing_is_reported_before_chunk_and_receipt_are_put_in_this_order() -> None:
    storage = Watched()
    plan = _plan(storage, 40, unit_size=10)
    reported: list[tuple[str, ...]] = []

    def landed(receipt: Receipt) -> None:
        assert receipt.chunk is not None
        order = [receipt.chunk.key, receipt_key("movie", 1, receipt.unit, receipt.part)]
        assert [key for key in storage.put_keys if key in order] == order
        reported.append(tuple(outcome.key for outcome in receipt.outcomes))

    _land(storage, plan, ChunkLimits(answers=4, seconds=60.0), _add_all, landed)
    assert len(reported) == 12
    assert {key for keys in reported for key in keys} == {str(number + 1) for number in range(40)}


def test_what_somebody_else_claimed_meanwhile_is_not_claimed_again() -> None:
    storage = Watched()
    plan = _plan(storage, 4)
    reported: list[list[str]] = []

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        rival = ChunkSink(storage, plan, "/movie/{id}", "", PATIENT)
        ((other, _),) = _units(storage, plan)
        await rival.add(other, requests[0], _validated("1"))
        await rival.finish()
        for request in requests:
            await sink.add(unit, request, _validated(request.key))

    _land(storage, plan, PATIENT, work, lambda receipt: reported.append([outcome.key for outcome in receipt.outcomes]))
    assert [[outcome.key for outcome in receipt.outcomes] for receipt in _receipts(storage, plan)] == [
        ["1"],
        ["2", "3", "4"],
    ]
    assert reported == [["2", "3", "4"]]


def test_a_filtered_answer_is_claimed_and_not_kept_and_an_answer_that_never_came_has_no_line() -> None:
    storage = Watched()
    plan = _plan(storage, 4)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        await sink.add(unit, requests[0], _validated("1", State.FILTERED))
        await sink.add(unit, requests[1], Validated(State.QUARANTINED, None, 2, "unavailable"))
        await sink.add(unit, requests[2], _validated("3", State.GONE))
        await sink.add(unit, requests[3], _validated("4", State.QUARANTINED)._replace(reason="wrong_id"))

    _land(storage, plan, PATIENT, work)
    (receipt,) = _receipts(storage, plan)
    found = [
        (outcome.key, outcome.state.value, outcome.line, outcome.reason, outcome.fetched_at)
        for outcome in receipt.outcomes
    ]
    assert found == [
        ("1", "filtered", None, None, "2026-11-23T09:00:00Z"),
        ("2", "quarantined", None, "unavailable", plan.planned_at),
        ("3", "gone", 0, None, "2026-11-23T09:00:00Z"),
        ("4", "quarantined", 1, "wrong_id", "2026-11-23T09:00:00Z"),
    ]
    assert receipt.drift == {"unknown:x": 3}
    assert receipt.chunk is not None
    assert receipt.chunk.lines == 2


def test_a_receipt_without_a_kept_answer_has_no_chunk() -> None:
    storage = Watched()
    plan = _plan(storage, 1)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        await sink.add(unit, requests[0], _validated("1", State.FILTERED))

    _land(storage, plan, PATIENT, work)
    (receipt,) = _receipts(storage, plan)
    assert receipt.chunk is None
    assert list(storage.keys("raw/")) == []


def test_at_most_two_chunks_are_open_or_landing_however_many_units_are_asked_at_once() -> None:
    storage = Watched()
    plan = _plan(storage, 120, unit_size=10)
    storage.gate = lambda key: time.sleep(0.002)
    unlanded: set[int] = set()
    most = 0

    def landed(receipt: Receipt) -> None:
        unlanded.discard(receipt.unit)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        async def unit_by_itself(unit: OpenUnit, requests: list[Request]) -> None:
            nonlocal most
            for request in requests[:-1]:
                await sink.add(unit, request, _validated(request.key))
                unlanded.add(unit.number)
                most = max(most, len(unlanded))
                await asyncio.sleep(0)

        # The last question of each unit stays out, as stragglers do.
        await asyncio.gather(*(unit_by_itself(*each) for each in units))

    _land(storage, plan, PATIENT, work, landed)
    assert most <= MOST_CHUNKS
    assert storage.most_at_once <= MOST_CHUNKS
    claimed = [outcome.key for receipt in _receipts(storage, plan) for outcome in receipt.outcomes]
    assert len(claimed) == len(set(claimed)) == 108


def test_while_two_chunks_are_landing_a_third_waits_until_one_is_through() -> None:
    storage = Watched()
    plan = _plan(storage, 3, unit_size=1)
    free = threading.Event()
    storage.gate = lambda key: _wait(free)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        for unit, requests in units[:2]:
            await sink.add(unit, requests[0], _validated(requests[0].key))
        third = asyncio.create_task(sink.add(units[2][0], units[2][1][0], _validated("3")))
        await asyncio.sleep(0.1)
        assert not third.done()
        free.set()
        await asyncio.wait_for(third, 60)

    _land(storage, plan, PATIENT, work)
    assert len(_receipts(storage, plan)) == 3


def _wait(free: threading.Event) -> None:
    assert free.wait(60)


def _failing(storage: Watched, what: str) -> None:
    def gate(key: str) -> None:
        if what in key:
            raise StorageError(f"cannot write {key}: the disk is full")

    storage.gate = gate


@pytest.mark.parametrize("what", ["raw/", "receipts/"])
def test_without_a_spool_a_failure_of_the_lake_counts_the_lost_answers_and_reports_nothing(
    what: str,
) -> None:
    storage = Watched()
    plan = _plan(storage, 10)
    _failing(storage, what)
    reported: list[Receipt] = []

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        for request in requests[:3]:
            await sink.add(unit, request, _validated(request.key))

    with pytest.raises(StorageError, match="the disk is full; 3 responses are lost and will be requested again"):
        _land(storage, plan, ChunkLimits(answers=1), work, reported.append)
    assert reported == []
    assert _receipts(storage, plan) == []


def test_a_bug_surfaces_at_the_next_call_and_at_the_end() -> None:
    storage = Watched()
    plan = _plan(storage, 10)

    def gate(key: str) -> None:
        raise ZeroDivisionError

    storage.gate = gate

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        ((unit, requests),) = units
        await sink.add(unit, requests[0], _validated("1"))
        await asyncio.sleep(0.1)
        with pytest.raises(ZeroDivisionError):
            await sink.add(unit, requests[1], _validated("2"))

    with pytest.raises(ZeroDivisionError):
        _land(storage, plan, ChunkLimits(answers=1), work)


@pytest.mark.parametrize("failure", [StorageError("the disk is full"), ZeroDivisionError("a bug")])
def test_an_error_does_not_leave_anybody_waiting_for_a_free_place(failure: Exception) -> None:
    storage = Watched()
    plan = _plan(storage, 30, unit_size=1)

    def gate(key: str) -> None:
        raise failure

    storage.gate = gate

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        adding = [sink.add(unit, requests[0], _validated(requests[0].key)) for unit, requests in units]
        done = await asyncio.wait_for(asyncio.gather(*adding, return_exceptions=True), 5)
        failed = sum(isinstance(each, ZeroDivisionError) for each in done)
        assert failed >= 30 - MOST_CHUNKS if isinstance(failure, ZeroDivisionError) else not failed

    with pytest.raises(type(failure)):
        _land(storage, plan, PATIENT, work)


def test_a_chunk_without_a_receipt_does_not_exist_and_is_asked_again() -> None:
    storage = Watched()
    plan = _plan(storage, 3)
    _failing(storage, "receipts/")
    with pytest.raises(StorageError):
        _land(storage, plan, PATIENT, _add_all)
    assert len(list(storage.keys("raw/"))) == 1
    assert open_unit(storage, plan, 0).known == set()


def test_an_opened_unit_knows_what_readable_receipts_claim_and_where_the_log_ends() -> None:
    storage = Watched()
    plan = _plan(storage, 6)
    _land(storage, plan, ChunkLimits(answers=2, seconds=60.0), _add_all)
    storage.put(receipt_key("movie", 1, 0, 1), b"damaged")
    opened = open_unit(storage, plan, 0)
    assert opened.known == {"1", "2", "5", "6"}
    assert opened.part == 3
    assert read_part(storage, "movie", 1, 0, 3) is None


def test_a_chunk_lies_under_the_day_that_tmdb_answered() -> None:
    storage = Watched()
    plan = _plan(storage, 1)

    async def work(sink: ChunkSink, units: list[tuple[OpenUnit, list[Request]]]) -> None:
        answer = Answer(200, b'{"id":1}', "2027-01-02T00:00:00Z", None, None)
        await sink.add(units[0][0], Request("1", Cause.NEW), Validated(State.LANDED, answer, 1))

    _land(storage, plan, PATIENT, work)
    keys: Iterator[str] = storage.keys("raw/")
    assert next(keys).startswith("raw/movie/2027/01/02/000001-00000-")
