"""Requests the ids of one partition: the collector's own run, in memory, at its share of the rate.

Retries, 429s and validation are those of `reelhouse collect`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import NamedTuple

from pyspark.sql.datasource import InputPartition

from reelhouse.bootstrap import collector, secrets
from reelhouse.bootstrap.secrets import SECRET, SSM
from reelhouse.bootstrap.storage import load_settings
from reelhouse.collect.fetching import StopConditions
from reelhouse.collect.planning import Tmdb, plan_run
from reelhouse.collect.reporting import Progress
from reelhouse.collect.run import execute, start_run
from reelhouse.entities.schema import Entity
from reelhouse.errors import DeniedError, ReelhouseError, TransientError
from reelhouse.ids import key_id
from reelhouse.raw.chunk import read_answers, whole_record
from reelhouse.raw.plan import Plan, read_units
from reelhouse.raw.receipt import Outcome, Receipt, State, read_receipts, readable
from reelhouse.settings import Settings
from reelhouse.spark.options import Options
from reelhouse.storage.memory import MemoryStorage

# The number of partitions without `concurrency`, since all may run at once. One connection is enough to use up the
# rate, so more partitions would only wait for each other.
_MOST_AT_ONCE = 4

# Ids requested at a time: their answers are in memory until Spark has their rows.
_ASKS_AT_ONCE = 1000

# Settings of the driver that affect requests. All others stay with the driver: some are or contain secrets.
_TRAVELLING = (
    "tmdb_url",
    "rate",
    "connections",
    "language",
    "region",
    "append",
    "record_filter",
    "attempts",
    "retry_wait",
    "body_megabytes",
    "outage_minutes",
)


@dataclass(frozen=True)
class AskedPartition(InputPartition):
    """The ids that one task requests; *settings* hold its share of rate and connections, and no token.

    *elsewhere* are ids of other partitions, because an id of another service may turn out to be one of them.
    """

    keys: tuple[str, ...]
    settings: Settings
    quarantined: str = "fail"
    elsewhere: frozenset[int] = frozenset()


class SettledKey(NamedTuple):
    """The outcome of one requested key: the entry of its receipt, and for a landed one the body with its sha256."""

    outcome: Outcome
    body: bytes | None = None
    sha256: str | None = None


def partitions_of(keys: Sequence[str], options: Options, settings: Settings) -> list[AskedPartition]:
    """*keys* in partitions whose tasks together keep the rate of *settings*, even if all run at once.

    With `concurrency` there may be more partitions, of which that many run at once.
    """
    if not keys:
        return []
    count = -(-len(keys) // options.partition_ids)
    if options.concurrency is None:
        count = min(count, _MOST_AT_ONCE)
    at_once = min(options.concurrency or count, count)
    if settings.rate and at_once > settings.rate:
        # Each task begins with a request, and all may begin together: that second would have too many.
        count = at_once = max(1, int(settings.rate))
    share = travelling(settings.of(options.entity)).overridden(
        rate=settings.rate / at_once, connections=max(1, settings.connections // at_once)
    )
    # Only answers say which TMDB ids those of other services are. In one partition, duplicates can be recognized.
    ordered = sorted(keys, key=lambda key: key_id(key) is not None)
    plain = frozenset(id_ for key in keys if (id_ := key_id(key)) is not None)
    bounds = [len(ordered) * number // count for number in range(count + 1)]
    return [
        AskedPartition(
            tuple(some := ordered[start:end]),
            share,
            options.quarantined,
            plain if key_id(some[0]) is None else frozenset(),
        )
        for start, end in pairwise(bounds)
    ]


def travelling(settings: Settings) -> Settings:
    """The *settings* that may be sent in a plan: those that affect requests. A token's place may, the token may not."""
    reference = settings.token.strip().startswith((SSM, SECRET))
    how = {name: getattr(settings, name) for name in _TRAVELLING}
    return Settings(**how, token=settings.token if reference else "")


@contextmanager
def asking(settings: Settings) -> Iterator[None]:
    """Wraps code that contacts TMDB in a worker of Spark: errors never quote a token.

    Workers live longer than one read, so a token that TMDB refuses is read again before the next request.
    """
    try:
        yield
    except Exception as exc:
        if isinstance(exc, DeniedError):
            secrets.changed(settings)
        safe = secrets.safe(exc)
        if safe is exc:
            raise
        raise safe from None


def selected(settings: Settings, entity: Entity) -> list[str]:
    """The ids of an *entity* that discover filters or `top` select. The driver requests them from TMDB."""

    async def plan() -> list[str]:
        async with collector.open_tmdb(settings) as tmdb:
            storage = MemoryStorage()
            draft = await plan_run(storage, tmdb, collector.wanted(settings, entity, stated=True), after=0, put=True)
            return [request.key for unit in read_units(storage, draft.plan) for request in unit.requests]

    with asking(settings):
        return asyncio.run(plan())


def ask_partition(partition: AskedPartition, entity: Entity, *, keep_quarantined: bool) -> Iterator[list[SettledKey]]:
    """Request every id of a partition, which are those of an *entity*, in batches, at its share of the rate.

    Raises if an id stays without an answer, and, unless quarantined answers are kept or skipped, if an answer cannot be
    trusted: then the task fails, and Spark tries it again.
    """
    here = load_settings()
    settings = partition.settings.overridden(token=here.token or None, s3_profile=here.s3_profile)
    fails = partition.quarantined == "fail" and not keep_quarantined
    with asking(settings), asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            tmdb = runner.run(stack.enter_async_context(collector.open_tmdb(settings)))
            # The task that used this share before may have made requests a moment ago.
            runner.run(tmdb.client.limiter.wait_turn())
            keys = iter(partition.keys)
            while some := tuple(islice(keys, _ASKS_AT_ONCE)):
                storage = MemoryStorage()
                plan = runner.run(_run(storage, tmdb, settings, entity, some))
                settled = list(_settled(storage, plan))
                if fails:
                    _refuse_quarantined(settled)
                yield settled
        finally:
            runner.run(stack.aclose())


async def _run(storage: MemoryStorage, tmdb: Tmdb, settings: Settings, entity: Entity, keys: tuple[str, ...]) -> Plan:
    """A run of these *keys* of an *entity* only."""
    # Nothing stored depends on when it was planned, so TMDB is not asked for the time.
    tmdb.client.assume(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    plan = await start_run(storage, tmdb, collector.wanted(settings, entity, keys=keys, listed=True))
    options, entities = collector.run_options(settings), {entity.name: entity}
    result = await execute(storage, tmdb, plan, options, StopConditions(), Progress(), entities)
    if not result.complete:
        raise TransientError(f"{result.pending} of {len(keys)} ids have no answer: {result.reason}")
    return plan


def _settled(storage: MemoryStorage, plan: Plan) -> Iterator[SettledKey]:
    for receipt in readable(read_receipts(storage, plan)):
        yield from _of_receipt(storage, receipt)


def _of_receipt(storage: MemoryStorage, receipt: Receipt) -> Iterator[SettledKey]:
    answers = {answer.line: answer for answer in read_answers(storage, receipt)}
    for outcome in receipt.outcomes:
        if outcome.state is State.LANDED and outcome.line is not None:
            body = whole_record([answers[line].bytes for line in outcome.span])
            yield SettledKey(outcome, body, answers[outcome.line].sha256)
        else:
            yield SettledKey(outcome)


def _refuse_quarantined(settled: list[SettledKey]) -> None:
    found = [one.outcome for one in settled if one.outcome.state is State.QUARANTINED]
    if found:
        shown = ", ".join(f"{outcome.key} ({outcome.reason})" for outcome in found[:5])
        raise ReelhouseError(
            f"{len(found)} of {len(settled)} ids have no answer that can be trusted: {shown}. Option "
            "quarantined=skip leaves them out, table=quarantine lists them"
        )
