"""Asking TMDB for one partition: the collector's own run, in memory, at its share of the rate.

Retries, 429s, what is believed, set aside or gone: all of it is what `reelhouse collect` does with the same ids.
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
from reelhouse.collect.run import Progress, execute, start_run
from reelhouse.errors import DeniedError, ReelhouseError, TransientError
from reelhouse.ids import key_id
from reelhouse.raw.chunk import whole_record
from reelhouse.raw.course import read_answers
from reelhouse.raw.plan import Plan, read_units
from reelhouse.raw.receipt import Outcome, Receipt, State, read_receipts, readable
from reelhouse.settings import Settings
from reelhouse.spark.options import Options
from reelhouse.storage.memory import MemoryStorage

# As many partitions as may all be at work at once where nobody says how many there can be. One connection is enough to
# use up the rate, so more of them would only wait for each other.
_MOST_AT_ONCE = 4

# What is asked at a time: it is in memory until its rows are handed over.
_ASKS_AT_ONCE = 1000

# What of the driver's settings says how to ask. All others stay where they are: some are secrets, or hold one.
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
    """Ids that one task asks, and how: *settings* hold its share of rate and connections, and no token.

    *elsewhere* are ids that other partitions ask, where an IMDb id may turn out to mean one of them.
    """

    keys: tuple[str, ...]
    settings: Settings
    quarantined: str = "fail"
    elsewhere: frozenset[int] = frozenset()


class Settled(NamedTuple):
    """One requested key with its end: the outcome of a receipt, and where it landed the body and its sha256."""

    outcome: Outcome
    body: bytes | None = None
    sha256: str | None = None


def partitions_of(keys: Sequence[str], options: Options, settings: Settings) -> list[AskedPartition]:
    """*keys* in partitions whose tasks together keep to the rate of *settings*, be they all at work at once.

    With `concurrency` there are as many as it takes, of which so many are at work at once.
    """
    if not keys:
        return []
    count = -(-len(keys) // options.partition_ids)
    if options.concurrency is None:
        count = min(count, _MOST_AT_ONCE)
    at_once = min(options.concurrency or count, count)
    if settings.rate and at_once > settings.rate:
        # A task begins with a request, and all may begin together: in that second there would be too many.
        count = at_once = max(1, int(settings.rate))
    share = travelling(settings).overridden(
        rate=settings.rate / at_once, connections=max(1, settings.connections // at_once)
    )
    # What IMDb ids stand for is known once they are answered: together they can be told apart.
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
    """What of *settings* may travel in a plan: how to ask. Where a token lies is no secret, the token itself stays."""
    reference = settings.token.strip().startswith((SSM, SECRET))
    how = {name: getattr(settings, name) for name in _TRAVELLING}
    return Settings(**how, token=settings.token if reference else "")


@contextmanager
def asking(settings: Settings) -> Iterator[None]:
    """For what asks TMDB in a worker of Spark's: no error of it quotes a token.

    Workers outlive what they read, so a token that TMDB refuses is looked up again by whoever asks next.
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


def selected(settings: Settings) -> list[str]:
    """The ids that discover filters, or the listing's most popular, come to. This asks TMDB, where the driver runs."""

    async def plan() -> list[str]:
        async with collector.open_tmdb(settings) as tmdb:
            storage = MemoryStorage()
            draft = await plan_run(storage, tmdb, collector.wanted(settings), after=0, put=True)
            return [request.key for unit in read_units(storage, draft.plan) for request in unit.requests]

    with asking(settings):
        return asyncio.run(plan())


def ask_partition(partition: AskedPartition, *, keep_quarantined: bool) -> Iterator[list[Settled]]:
    """Ask every id of a partition, some at a time, at its share of the rate.

    Raises where one of them stays without an answer, and, unless they are to be kept or skipped, where an answer cannot
    be believed: then the task has failed, and is tried again by whoever runs it.
    """
    here = load_settings()
    settings = partition.settings.overridden(token=here.token or None, s3_profile=here.s3_profile)
    fails = partition.quarantined == "fail" and not keep_quarantined
    with asking(settings), asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            tmdb = runner.run(stack.enter_async_context(collector.open_tmdb(settings)))
            # Another task may have asked in this one's place a moment ago.
            runner.run(tmdb.client.limiter.wait_turn())
            keys = iter(partition.keys)
            while some := tuple(islice(keys, _ASKS_AT_ONCE)):
                storage = MemoryStorage()
                plan = runner.run(_run(storage, tmdb, settings, some))
                settled = list(_settled(storage, plan))
                if fails:
                    _refuse_quarantined(settled)
                yield settled
        finally:
            runner.run(stack.aclose())


async def _run(storage: MemoryStorage, tmdb: Tmdb, settings: Settings, keys: tuple[str, ...]) -> Plan:
    """A whole run about *keys* alone."""
    # Nothing that is kept follows from when it was planned, so nobody is asked for the time.
    tmdb.client.assume(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    plan = await start_run(storage, tmdb, collector.wanted(settings, keys=keys, listed=True))
    result = await execute(storage, tmdb, plan, collector.ways(settings), StopConditions(), Progress())
    if not result.whole:
        raise TransientError(f"{result.pending} of {len(keys)} ids are not answered: {result.reason}")
    return plan


def _settled(storage: MemoryStorage, plan: Plan) -> Iterator[Settled]:
    for receipt in readable(read_receipts(storage, plan)):
        yield from _of_receipt(storage, receipt)


def _of_receipt(storage: MemoryStorage, receipt: Receipt) -> Iterator[Settled]:
    answers = {answer.line: answer for answer in read_answers(storage, receipt)}
    for outcome in receipt.outcomes:
        if outcome.state is State.LANDED and outcome.line is not None:
            body = whole_record([answers[line].bytes for line in outcome.span])
            yield Settled(outcome, body, answers[outcome.line].sha256)
        else:
            yield Settled(outcome)


def _refuse_quarantined(settled: list[Settled]) -> None:
    found = [one.outcome for one in settled if one.outcome.state is State.QUARANTINED]
    if found:
        shown = ", ".join(f"{outcome.key} ({outcome.reason})" for outcome in found[:5])
        raise ReelhouseError(
            f"{len(found)} of {len(settled)} ids have no answer that can be believed: {shown}. Option "
            "quarantined=skip leaves them out, table=quarantine lists them"
        )
