"""A whole collection by ticks alone: short lives, kills at random, events twice, an S3 that fails one call in fifty."""

from __future__ import annotations

import random
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.tiny_server import export_of, tiny_server
from reelhouse.collect.verify import verify
from reelhouse.raw.plan import last_run
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.opening import open_storage
from tests import s3servers
from tests.aws import deployed
from tests.aws.lambda_service import Invocation, LambdaService
from tests.runs.lakes import TOKEN
from tests.s3proxy import BROKEN, SLOW_DOWN, Answer, Fault, Request, cut, done_and_says, half, lost, proxied

_LANDING = 2
_CONNECTIONS = 20


class Size(NamedTuple):
    """How much is collected, in lives of how many seconds, with how many kills, and what a chunk holds."""

    ids: int
    seconds: float
    kills: int
    chunk: int


@pytest.mark.long
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size(ids=4_000, seconds=4.0, kills=1, chunk=100), id="small", marks=pytest.mark.timeout(900)),
        pytest.param(
            Size(ids=100_000, seconds=12.0, kills=8, chunk=400),
            id="large",
            marks=[pytest.mark.slow, pytest.mark.timeout(1800)],
        ),
    ],
)
def test_a_run_ends_by_itself_whatever_happens_on_the_way(
    size: Size, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(size.ids)
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    lake = f"s3://{s3servers.fresh_bucket(server)}/films"
    (tmp_path / "export.gz").write_bytes(export_of(range(1, size.ids + 1)))
    with proxied(server) as proxy, tiny_server(tmp_path / "export.gz") as tmdb:
        proxy.always(_one_in_fifty(chance))
        environ = {
            **server.environ,
            "AWS_ENDPOINT_URL": proxy.endpoint,
            "REELHOUSE_LAKE": lake,
            "REELHOUSE_TMDB_URL": f"{tmdb}/3",
            "REELHOUSE_EXPORTS_URL": f"{tmdb}/p/exports",
            "REELHOUSE_RATE": "0",
            "REELHOUSE_CHUNK_ANSWERS": str(size.chunk),
            "TMDB_TOKEN": TOKEN,
        }
        with LambdaService(deployed.task(), env=environ, timeout=size.seconds, memory=512) as function:
            invocations = _until_reconciled(function, size, chance)
        asked = int(urllib.request.urlopen(f"{tmdb}/asked", timeout=10).read())
    storage = open_storage(lake)
    made = read_reconciliation(storage, "movie", last_run(storage, "movie"))
    assert made is not None
    assert made.clean
    assert made.landed == made.requested
    verdict = verify(storage)
    assert verdict.clean, verdict.problems[:5]
    assert verdict.states == {"landed": size.ids}
    # What a kill may cost, or an S3 that failed for good: what was open or landing, and what was on its way.
    ended = [one for one in invocations if one.error]
    assert len([one for one in invocations if one.outcome.answer and one.answer["state"] == "busy"]) > 0
    assert asked - size.ids <= len(ended) * (_LANDING * size.chunk + _CONNECTIONS), [one.message for one in ended]


def _until_reconciled(function: LambdaService, size: Size, chance: random.Random) -> list[Invocation]:
    """Tick, twice at a time, until there is nothing to do; some of the ticks die on the way."""
    invocations: list[Invocation] = []
    kills = size.kills
    with ThreadPoolExecutor(2) as pool:
        for _ in range(400):
            ticks = [pool.submit(function.invoke, {"tick": True}) for _ in range(2)]
            # Not at once, so that a run has been planned and some answers are on their way.
            if kills and invocations and chance.random() < 0.6:
                kills -= 1
                time.sleep(chance.uniform(0.2, size.seconds / 2))
                function.kill()
            done = [tick.result() for tick in ticks]
            invocations += done
            if not kills and any(one.outcome.answer and one.answer["state"] == "idle" for one in done):
                return invocations
            if all(one.error or one.answer["state"] == "busy" for one in done):
                # A killed invocation holds the lease until it would have ended anyway.
                time.sleep(0.5)
    raise AssertionError(
        f"not done after {len(invocations)} ticks: {[one.message or one.answer for one in invocations[-4:]]}"
    )


def _one_in_fifty(chance: random.Random) -> Fault:
    """Every fiftieth call or so fails, in one way or another."""
    faults = (SLOW_DOWN, BROKEN, cut, lost, half, done_and_says(503, "ServiceUnavailable"))

    def fault(request: Request, on: Callable[[], Answer]) -> Answer | None:
        return chance.choice(faults)(request, on) if chance.random() < 0.02 else on()

    return fault
