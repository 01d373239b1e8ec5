"""What the tests of whole runs share: a small collection, what a lake says, and that it adds up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from reelhouse.bootstrap import collecting, collector
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.fetching import StopConditions
from reelhouse.collect.landing import replay
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.run import execute, start_run
from reelhouse.collect.spool import Spool
from reelhouse.collect.verify import Verdict, verify
from reelhouse.emulator import Emulator
from reelhouse.entities.movie import MOVIE
from reelhouse.raw.chunk import read_answers
from reelhouse.raw.plan import Plan, last_run, read_plan, read_units
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.raw.reconciliation import open_run
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage
from tests.runs.tiny import Tiny

# Every test asks with this; `conftest.py` looks for it in whatever the tests leave behind.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.the-token-that-must-appear-nowhere.x7Qp"

UNIT = 10
CHUNK = 4
CONNECTIONS = 2
FILTER = "runtime >= `60`"


def collected(storage: Storage, settings: Settings, request: CollectOptions, progress: Progress) -> list[RunResult]:
    """As `collect_each`, but the first failure is raised."""
    done = collecting.collect_each(storage, settings, request, progress)
    for failure in done.failures.values():
        raise failure
    return done.results


def settings(url: str, **more: Any) -> Settings:
    """Settings that are quick: no rate, short waits."""
    quick = {"lake": "memory:", "token": TOKEN, "rate": 0.0, "retry_wait": 0.005, "attempts": 3}
    return Settings(**{**quick, "tmdb_url": f"{url}/3", "exports_url": f"{url}/p/exports", **more})


def of(emulator: Emulator, **more: Any) -> Settings:
    """The same, for the emulator."""
    return settings(emulator.address, **more)


def small(tiny: Tiny, **more: Any) -> Settings:
    """Settings whose runs take many small steps."""
    given: dict[str, Any] = {
        "record_filter": FILTER,
        "append": [],
        "attempts": 1,
        "connections": CONNECTIONS,
        "chunk_answers": CHUNK,
        **more,
    }
    return settings(tiny.url, **given)


def collect(storage: Storage, chosen: Settings, **request: Any) -> RunResult:
    """What `reelhouse collect` does; the last run's result."""
    return collected(storage, chosen, CollectOptions(names=("movie",), **request), Progress())[-1]


def collect_small(storage: Storage, chosen: Settings, spool: Spool | None = None) -> RunResult:
    """The open run, or the next one, in units of ten; first what waits in *spool*."""
    with storage.lock():
        if spool is not None:
            assert replay(storage, spool).left == []
        return asyncio.run(collect_in_units(storage, chosen, spool))


async def collect_in_units(storage: Storage, chosen: Settings, spool: Spool | None = None) -> RunResult:
    """The same in a loop of the caller's, without the lock."""
    wanted = collector.wanted(chosen, MOVIE)._replace(unit_size=UNIT)
    options = collector.run_options(chosen)._replace(spool=spool)
    async with collector.open_tmdb(chosen) as tmdb:
        plan = open_run(storage, "movie") or await start_run(storage, tmdb, wanted)
        return await execute(storage, tmdb, plan, options, StopConditions(), Progress())


def plans(storage: Storage) -> Iterator[Plan]:
    for run in range(1, last_run(storage, "movie") + 1):
        plan = read_plan(storage, "movie", run)
        assert plan is not None
        yield plan


def reasons(storage: Storage, run: int) -> dict[str, str]:
    """Why each ask of a run is asked."""
    plan = read_plan(storage, "movie", run)
    assert plan is not None
    return {request.key: request.cause.value for unit in read_units(storage, plan) for request in unit.requests}


class Known(NamedTuple):
    """What a lake says of one thing."""

    state: str
    reason: str | None
    body: bytes | None


def answers(storage: Storage) -> dict[str, Known]:
    """The newest word on each ask, with the body where one lies; every ask of a run has exactly one state."""
    found: dict[str, Known] = {}
    for plan in plans(storage):
        claimed: Counter[str] = Counter()
        for receipt in read_receipts(storage, plan):
            assert isinstance(receipt, Receipt)
            lines = {answer.line: answer for answer in read_answers(storage, receipt)}
            for outcome in receipt.outcomes:
                claimed[outcome.key] += 1
                body = None if outcome.line is None else lines[outcome.line].bytes
                assert outcome.line is None or lines[outcome.line].key == outcome.key
                found[outcome.key] = Known(outcome.state.value, outcome.reason, body)
        asked = set(reasons(storage, plan.run))
        assert not [key for key, times in claimed.items() if times > 1]
        assert claimed.keys() <= asked
    return found


def assert_whole(storage: Storage) -> Verdict:
    """Both equations hold in every run, and nothing is pending."""
    verdict = verify(storage)
    assert verdict.problems == []
    assert verdict.pending == 0
    assert verdict.requested == sum(verdict.states.values())
    assert all(plan.counts.balanced for plan in plans(storage))
    return verdict
