"""Landing in the course's layout: what closes a file, and that a unit keeps two open at most."""

from __future__ import annotations

import asyncio
import time

from reelhouse.collect.landing import ChunkSink, Limits, open_unit
from reelhouse.collect.validation import Validated
from reelhouse.raw.keys import Layout
from reelhouse.raw.plan import Cause, Request, read_units
from reelhouse.raw.receipt import Receipt, State, read_receipts
from reelhouse.storage.memory import MemoryStorage
from reelhouse.tmdb.client import Answer
from tests.lakes import a_plan

AT = "2026-11-23T09:00:00Z"


def _validated(key: str) -> Validated:
    """Every third is gone."""
    gone = int(key) % 3 == 0
    body = b'{"success":false,"status_code":34}' if gone else b'{"id":%b}' % key.encode()
    state = State.GONE if gone else State.LANDED
    return Validated(state, Answer(404 if gone else 200, body, AT, None, None), int(key))


def _receipts(storage: MemoryStorage, count: int, seconds: float, *, last: bool) -> list[Receipt]:
    """What lies there some time after *count* answers of a unit, without an end of the run."""
    plan = a_plan(storage, [str(number + 1) for number in range(count + (not last))])
    (unit,) = read_units(storage, plan)
    found: list[Receipt] = []

    async def run() -> None:
        opened = open_unit(storage, plan, 0)
        opened.outstanding = len(unit.requests)
        sink = ChunkSink(storage, plan, "/movie/{id}", "", Limits(seconds=seconds), layout=Layout(course=True))
        ticking = asyncio.create_task(sink.tick())
        for request in unit.requests[:count]:
            await sink.add(opened, Request(request.key, Cause.NEW), _validated(request.key))
        until = time.monotonic() + 5
        while sum(len(one.outcomes) for one in found) < count and time.monotonic() < until:
            await asyncio.sleep(0.02)
            found[:] = [one for one in read_receipts(storage, plan) if isinstance(one, Receipt)]
        ticking.cancel()

    asyncio.run(run())
    return found


def _told(found: list[Receipt]) -> list[tuple[str, set[str]]]:
    return sorted(
        (one.chunk.key.partition("/")[0] if one.chunk else "", {outcome.state.value for outcome in one.outcomes})
        for one in found
    )


def test_the_last_answer_of_a_unit_lands_both_its_file_and_its_chunk() -> None:
    found = _receipts(MemoryStorage(), 8, 600.0, last=True)
    assert _told(found) == [("Raw", {"landed"}), ("raw", {"gone"})]
    assert sum(len(one.outcomes) for one in found) == 8


def test_both_land_when_they_have_been_open_for_long_enough() -> None:
    assert _told(_receipts(MemoryStorage(), 8, 0.2, last=False)) == [("Raw", {"landed"}), ("raw", {"gone"})]


def test_a_full_file_lands_at_once() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, [str(number) for number in range(1, 400)])
    (unit,) = read_units(storage, plan)

    async def run() -> None:
        opened = open_unit(storage, plan, 0)
        opened.outstanding = len(unit.requests)
        sink = ChunkSink(storage, plan, "/movie/{id}", "", Limits(seconds=600), layout=Layout(course=True))
        for request in unit.requests[:150]:
            await sink.add(opened, request, _validated(request.key))
        until = time.monotonic() + 5
        while not list(storage.keys("_reelhouse/runs/movie/000001/receipts/")) and time.monotonic() < until:
            await asyncio.sleep(0.02)

    asyncio.run(run())
    (only,) = read_receipts(storage, plan)
    assert isinstance(only, Receipt)
    assert len(only.outcomes) == 100
