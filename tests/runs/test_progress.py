"""An open run that is taken up again asks what is left, and does not read what earlier starts had settled."""

from __future__ import annotations

import asyncio

from reelhouse.bootstrap import collector
from reelhouse.collect.fetching import StopConditions
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.run import execute, start_run
from reelhouse.entities.movie import MOVIE
from reelhouse.raw.checkpoint import Checkpoint, save_checkpoint
from reelhouse.raw.keys import checkpoint_key
from reelhouse.raw.reconciliation import open_run
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import Noting
from tests.runs.lakes import UNIT, assert_whole, small
from tests.runs.tiny import Tiny
from tests.serving import html


def _collect(storage: MemoryStorage, chosen: Settings, most: int | None = None) -> RunResult:
    async def collect() -> RunResult:
        async with collector.open_tmdb(chosen) as tmdb:
            wanted = collector.wanted(chosen, MOVIE)._replace(unit_size=UNIT)
            plan = open_run(storage, "movie") or await start_run(storage, tmdb, wanted)
            return await execute(
                storage, tmdb, plan, collector.run_options(chosen), StopConditions(max_requests=most), Progress()
            )

    return asyncio.run(collect())


def test_a_second_start_reads_no_receipt_of_units_that_were_settled(tiny: Tiny) -> None:
    storage = Noting()
    tiny.broken = set()
    result = _collect(storage, small(tiny), most=25)
    assert result.pending == 5
    storage.read.clear()
    assert _collect(storage, small(tiny), most=1).pending == 4
    assert [key for key in storage.read if "receipts/00000" in key or "receipts/00001" in key] == []
    assert _collect(storage, small(tiny)).clean
    assert storage.size(checkpoint_key("movie", 1)) is None
    assert tiny.asked.total() == 30


def test_behind_an_id_that_nobody_answers_no_unit_is_read_again(tiny: Tiny) -> None:
    storage = Noting()
    tiny.broken = set()
    tiny.instead = lambda request: html(503) if request.path.endswith("/movie/3") else None
    result = _collect(storage, small(tiny), most=28)
    assert result.pending
    storage.read.clear()
    _collect(storage, small(tiny), most=1)
    assert [key for key in storage.read if "receipts/00001" in key] == []
    tiny.instead = lambda request: None
    assert _collect(storage, small(tiny)).complete
    assert_whole(storage)


def test_a_progress_that_says_too_much_costs_a_start_and_no_id(tiny: Tiny) -> None:
    storage = MemoryStorage()
    _collect(storage, small(tiny), most=5)
    plan = open_run(storage, "movie")
    assert plan is not None
    save_checkpoint(
        storage, Checkpoint("movie", plan.run, plan.ids.sha256, plan.units, states={"landed": plan.ids.count})
    )
    assert _collect(storage, small(tiny)).pending == 25
    assert _collect(storage, small(tiny)).complete
    assert_whole(storage)
