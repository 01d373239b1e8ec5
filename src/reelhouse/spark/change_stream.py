"""The change feed as a stream: which days a batch is about, as offsets that Spark keeps in its checkpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T
from pyspark.sql.datasource import DataSourceStreamReader, InputPartition

from reelhouse.bootstrap import collector
from reelhouse.bootstrap.storage import load_settings
from reelhouse.collect.planning import FEED_DAYS, SURE_HOUR
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, ListingError, TransientError, UntrustedError
from reelhouse.settings import Settings
from reelhouse.spark.api_partitions import asking, partitions_of
from reelhouse.spark.options import Options
from reelhouse.spark.reading import check_columns, known_columns, read_partition
from reelhouse.tmdb.client import TmdbClient
from reelhouse.tmdb.endpoints import CANARY
from reelhouse.tmdb.pagination import read_changes
from reelhouse.tmdb.retry import ask

if TYPE_CHECKING:
    import pyarrow as pa

Offset = dict[str, str]

_ATTEMPTS = 8
# Seconds for which this machine's clock is good enough to add to TMDB's.
_LOOK_AGAIN = 600.0
_EARLIEST = timedelta(days=FEED_DAYS - 1)


class FeedReader(DataSourceStreamReader):
    """Batches of what the change feed names, day by day of TMDB's clock.

    An offset is `{"day": …}`, the last day that was asked whole: an answer fetched after eight in the morning of the
    next day surely holds its changes. With `early` it also says in which hour today's feed was looked at (`seen`); what
    that named by then is asked at once, and again with its whole day.
    """

    def __init__(self, options: Options, schema: T.StructType) -> None:
        options.check_stream()
        check_columns(schema, known_columns(options))
        self._options = options
        self._schema = schema
        self._clock = _Clock(options)
        # An offset never goes back behind this day.
        self._day = ""

    def initialOffset(self) -> Offset:  # noqa: N802
        now = self._clock.now()
        since = self._options.since
        first = since if isinstance(since, date) else now.date()
        if first > now.date():
            raise ConfigError(f"option since: {first} has not come yet: it is {now.date()} at TMDB")
        _check_reach(first, now)
        self._day = f"{first - timedelta(days=1)}"
        return {"day": self._day}

    def latestOffset(self, start: Offset | None = None, limit: Any = None) -> Offset:  # noqa: N802
        # Spark says where it stands since 4.2 only.
        self._day = max(self._day, start["day"] if start else "")
        found = offset_at(self._clock.now(), early=self._options.early)
        return {**found, "day": max(self._day, found["day"])}

    def partitions(self, start: Offset, end: Offset) -> Sequence[InputPartition]:
        self._day = max(self._day, end["day"])
        days = days_between(start, end)
        if not days:
            return []
        settings = load_settings(self._options.settings)
        return partitions_of(_changed(self._options, settings, days), self._options, settings)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        return read_partition(partition, self._options, self._schema)


def offset_at(now: datetime, *, early: bool) -> Offset:
    """How far the feed can be read at *now*."""
    sure = f"{now:T%H:%M:%SZ}" >= SURE_HOUR
    whole = {"day": f"{now.date() - timedelta(days=1 if sure else 2)}"}
    return {**whole, "seen": f"{now:%Y-%m-%dT%H}"} if early else whole


def days_between(start: Offset, end: Offset) -> list[date]:
    """The days whose changes a batch from *start* to *end* is about."""
    first = date.fromisoformat(start["day"]) + timedelta(days=1)
    last = date.fromisoformat(end["seen"][:10] if "seen" in end else end["day"])
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _check_reach(first: date, now: datetime) -> None:
    oldest = now.date() - _EARLIEST
    if first < oldest:
        raise ListingError(
            f"the change feed reaches back {FEED_DAYS} days, to {oldest}, and the stream would go on at {first}: what "
            "changed between is not named any more. Read those ids anew and start a stream with a new checkpoint"
        )


class _Clock:
    """TMDB's own time; by this machine's, a wrong one, days would be skipped. It is asked for now and then: Spark wants
    to know the latest offset a hundred times a second."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._seen is None or time.monotonic() - self._seen[1] > _LOOK_AGAIN:
            try:
                told = self._look()
            except (TransientError, UntrustedError):
                # A query that runs for weeks must not end with the first minutes in which TMDB answers nobody.
                if self._seen is None:
                    raise
                told = self._told()
            self._seen = (told, time.monotonic())
        return self._told()

    def _told(self) -> datetime:
        assert self._seen is not None
        told, at = self._seen
        return told + timedelta(seconds=time.monotonic() - at)

    def _look(self) -> datetime:
        settings = load_settings(self._options.settings)
        with asking(settings):
            return asyncio.run(_look(settings))


async def _look(settings: Settings) -> datetime:
    async with collector.open_tmdb(settings) as tmdb:
        return datetime.fromisoformat(await _seen(tmdb.client))


async def _seen(client: TmdbClient) -> str:
    await ask(client, CANARY, "", lambda answer: answer, attempts=_ATTEMPTS)
    if client.clock.disputed is not None:
        raise UntrustedError("clock", f"how far the change feed can be read is not known: {client.clock.disputed}")
    return client.seen_at or client.clock.now()


def _changed(options: Options, settings: Settings, days: list[date]) -> list[str]:
    """The ids that the feed names for *days*, each once."""

    async def read() -> set[int]:
        async with collector.open_tmdb(settings) as tmdb:
            _check_reach(days[0], datetime.fromisoformat(await _seen(tmdb.client)))
            entity = ENTITIES[options.entity]
            found = [await read_changes(tmdb.client, entity, day) for day in days]
        return set().union(*found)

    with asking(settings):
        return [str(id_) for id_ in sorted(asyncio.run(read()))]
