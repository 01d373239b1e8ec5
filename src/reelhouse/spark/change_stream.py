"""The change feed as a stream: offsets, which Spark keeps in its checkpoint, say which days a batch covers."""

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
from reelhouse.errors import ConfigError, ListingError, TransientError, UntrustedError
from reelhouse.settings import Settings
from reelhouse.spark.api_partitions import asking, partitions_of
from reelhouse.spark.options import Options
from reelhouse.spark.reading import check_columns, known_columns, message_first, read_partition
from reelhouse.tmdb.client import TmdbClient
from reelhouse.tmdb.pagination import read_changes
from reelhouse.tmdb.retry import ask_time

if TYPE_CHECKING:
    import pyarrow as pa

Offset = dict[str, str]

_ATTEMPTS = 8
# Seconds for which TMDB's time may be extrapolated with this machine's clock.
_LOOK_AGAIN = 600.0
_EARLIEST = timedelta(days=FEED_DAYS - 1)


class FeedReader(DataSourceStreamReader):
    """Batches of the ids that the change feed names, day by day of TMDB's clock.

    An offset is `{"day": …}`, the last day that was requested in full: answers fetched after 08:00 of the next day hold
    its changes. With `early` it also has the hour in which today's feed was read (`seen`); the ids that the feed named
    by then are requested at once, and again with their whole day.
    """

    def __init__(self, options: Options, schema: T.StructType) -> None:
        # Spark 4.2 would hide an error of this method behind one of its own.
        self._checked = False
        self._options = options
        self._schema = schema
        self._clock = _TmdbClock(options)
        # An offset never goes back before this day.
        self._day = ""

    def _check(self) -> None:
        if not self._checked:
            self._options.check_stream()
            check_columns(self._schema, known_columns(self._options))
            self._checked = True

    @message_first()
    def initialOffset(self) -> Offset:  # noqa: N802
        self._check()
        now = self._clock.now()
        since = self._options.since
        first = since if isinstance(since, date) else now.date()
        if first > now.date():
            raise ConfigError(f"option since: {first} has not come yet: it is {now.date()} at TMDB")
        _check_reach(first, now)
        self._day = f"{first - timedelta(days=1)}"
        return {"day": self._day}

    @message_first()
    def latestOffset(self, start: Offset | None = None, limit: Any = None) -> Offset:  # noqa: N802
        self._check()
        # Spark passes its current offset since 4.2 only.
        self._day = max(self._day, start["day"] if start else "")
        found = offset_at(self._clock.now(), early=self._options.early)
        return {**found, "day": max(self._day, found["day"])}

    @message_first()
    def partitions(self, start: Offset, end: Offset) -> Sequence[InputPartition]:
        self._check()
        self._day = max(self._day, end["day"])
        days = days_between(start, end)
        if not days:
            return []
        settings = load_settings(self._options.settings)
        return partitions_of(_changed(self._options, settings, days), self._options, settings)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        return read_partition(partition, self._options, self._schema)


def offset_at(now: datetime, *, early: bool) -> Offset:
    """The offset up to which the feed can be read at *now*."""
    sure = f"{now:T%H:%M:%SZ}" >= SURE_HOUR
    whole = {"day": f"{now.date() - timedelta(days=1 if sure else 2)}"}
    return {**whole, "seen": f"{now:%Y-%m-%dT%H}"} if early else whole


def days_between(start: Offset, end: Offset) -> list[date]:
    """The days whose changes a batch from *start* to *end* covers."""
    first = date.fromisoformat(start["day"]) + timedelta(days=1)
    last = date.fromisoformat(end["seen"][:10] if "seen" in end else end["day"])
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _check_reach(first: date, now: datetime) -> None:
    oldest = now.date() - _EARLIEST
    if first < oldest:
        raise ListingError(
            f"the change feed reaches back {FEED_DAYS} days, to {oldest}, and the stream continues at {first}: what "
            "changed in between is not named any more. Read those ids again and start a stream with a new checkpoint"
        )


class _TmdbClock:
    """TMDB's time; a wrong clock of this machine would skip days. It is requested only now and then, because Spark asks
    for the latest offset a hundred times a second."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._seen is None or time.monotonic() - self._seen[1] > _LOOK_AGAIN:
            try:
                seen = self._ask_time()
            except (TransientError, UntrustedError):
                # A query that runs for weeks must survive a short outage of TMDB.
                if self._seen is None:
                    raise
                seen = self._extrapolated()
            self._seen = (seen, time.monotonic())
        return self._extrapolated()

    def _extrapolated(self) -> datetime:
        assert self._seen is not None
        seen, at = self._seen
        return seen + timedelta(seconds=time.monotonic() - at)

    def _ask_time(self) -> datetime:
        settings = load_settings(self._options.settings)
        with asking(settings):
            return asyncio.run(_ask_time(settings))


async def _ask_time(settings: Settings) -> datetime:
    async with collector.open_tmdb(settings) as tmdb:
        return datetime.fromisoformat(await _seen(tmdb.client))


async def _seen(client: TmdbClient) -> str:
    await ask_time(client, _ATTEMPTS)
    if client.clock.disputed is not None:
        raise UntrustedError("clock", f"how far the change feed can be read is not known: {client.clock.disputed}")
    return client.seen_at or client.clock.now()


def _changed(options: Options, settings: Settings, days: list[date]) -> list[str]:
    """The ids that the feed names for *days*, each once."""

    async def read() -> set[int]:
        async with collector.open_tmdb(settings) as tmdb:
            _check_reach(days[0], datetime.fromisoformat(await _seen(tmdb.client)))
            found = [await read_changes(tmdb.client, options.declared, day) for day in days]
        return set().union(*found)

    with asking(settings):
        return [str(id_) for id_ in sorted(asyncio.run(read()))]
