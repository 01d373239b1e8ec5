"""The days that a batch of the change feed's stream covers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from reelhouse.emulator import Emulator
from reelhouse.errors import ConfigError, ListingError, ReelhouseError, TransientError
from reelhouse.marts import REGISTRY
from reelhouse.spark import change_stream
from reelhouse.spark.api_partitions import AskedPartition
from reelhouse.spark.change_stream import FeedReader, days_between, offset_at
from reelhouse.spark.options import Options, read_options
from reelhouse.tables.schemas import schema_of
from tests.runs.lakes import TOKEN
from tests.runs.tiny import tiny_tmdb
from tests.serving import verdict
from tests.spark.reading import asking

MOVIE = schema_of(REGISTRY.of_answers["movie"].columns)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00+00:00")


@pytest.mark.parametrize(
    ("now", "early", "offset"),
    [
        ("10T07:59", False, {"day": "2026-03-08"}),
        ("10T08:00", False, {"day": "2026-03-09"}),
        ("10T23:59", False, {"day": "2026-03-09"}),
        ("10T07:59", True, {"day": "2026-03-08", "seen": "2026-03-10T07"}),
        ("10T08:01", True, {"day": "2026-03-09", "seen": "2026-03-10T08"}),
    ],
)
def test_a_day_is_whole_at_eight_on_the_next(now: str, early: bool, offset: dict[str, str]) -> None:
    assert offset_at(_at(now), early=early) == offset


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ({"day": "2026-02-27"}, {"day": "2026-03-01"}, [date(2026, 2, 28), date(2026, 3, 1)]),
        ({"day": "2026-03-01"}, {"day": "2026-03-01"}, []),
        # What a day named early is asked again until the day is whole.
        (
            {"day": "2026-03-08", "seen": "2026-03-10T07"},
            {"day": "2026-03-09", "seen": "2026-03-10T08"},
            [date(2026, 3, 9), date(2026, 3, 10)],
        ),
        ({"day": "2026-03-08", "seen": "2026-03-10T07"}, {"day": "2026-03-09"}, [date(2026, 3, 9)]),
    ],
)
def test_a_batch_is_about_the_days_after_the_last_whole_one(
    start: dict[str, str], end: dict[str, str], days: list[date]
) -> None:
    assert days_between(start, end) == days


@pytest.fixture
def tmdb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(movies=50, seed=3, now=datetime(2026, 3, 10, 6, tzinfo=UTC)) as emulator:
        for name, value in asking(emulator).items():
            monkeypatch.setenv(name, value)
        yield emulator


def _reader(**options: str) -> FeedReader:
    return FeedReader(read_options(options), MOVIE)


def _asks(reader: FeedReader, start: dict[str, str], end: dict[str, str]) -> list[int]:
    found = []
    for partition in reader.partitions(start, end):
        assert isinstance(partition, AskedPartition)
        found += [int(key) for key in partition.keys]
    return sorted(found)


def test_an_offset_never_goes_back(tmdb: Emulator) -> None:
    reader = _reader(since="today")
    start = reader.initialOffset()
    # At six in the morning yesterday is not whole, but nobody wants it either.
    assert start == reader.latestOffset() == {"day": "2026-03-09"}
    assert _asks(reader, start, start) == []
    assert _reader(since="today").latestOffset({"day": "2026-03-09"}) == {"day": "2026-03-09"}


def test_what_todays_feed_names_is_asked_early_and_again(tmdb: Emulator) -> None:
    reader = _reader(since="today", early="true")
    start = reader.initialOffset()
    edited = sorted(tmdb.edit(count=3))
    first = reader.latestOffset(start)
    assert first == {"day": "2026-03-09", "seen": "2026-03-10T06"}
    assert _asks(reader, start, first) == edited
    more = sorted({*edited, *tmdb.edit(count=4)})
    assert _asks(reader, first, {"day": "2026-03-09", "seen": "2026-03-10T07"}) == more
    tmdb.next_day()
    assert _asks(reader, first, {"day": "2026-03-10", "seen": "2026-03-11T08"}) == more


def test_a_stream_of_another_entity_follows_its_feed_and_requests_its_records(tmdb: Emulator) -> None:
    options = read_options({"entity": "tv", "since": "today", "early": "true"})
    reader = FeedReader(options, schema_of(options.spec.columns))
    start = reader.initialOffset()
    edited = sorted(tmdb.edit(count=3, kind="tv"))
    tmdb.edit(count=3)
    (partition,) = reader.partitions(start, reader.latestOffset(start))
    rows = [row for batch in reader.read(partition) for row in batch.to_pylist()]
    assert sorted(row["tv_id"] for row in rows) == edited
    asked = tmdb.stats().asked_by_kind
    assert (sorted(asked["tv"]), asked.get("movie", {})) == (edited, {})


def test_a_stream_of_what_has_no_feed_is_refused() -> None:
    with pytest.raises(ConfigError, match="no change feed for keyword"):
        read_options({"entity": "keyword", "since": "today"}).check_stream()


def test_a_stream_begins_within_the_reach_of_the_feed(tmdb: Emulator) -> None:
    assert _reader(since="2026-02-25").initialOffset() == {"day": "2026-02-24"}
    with pytest.raises(ListingError, match="to 2026-02-25, and the stream continues at 2026-02-24"):
        _reader(since="2026-02-24").initialOffset()
    with pytest.raises(ConfigError, match="2026-03-11 has not come yet"):
        _reader(since="2026-03-11").initialOffset()


def test_the_clock_is_not_asked_for_each_look(tmdb: Emulator) -> None:
    reader = _reader(since="today")
    for _ in range(50):
        reader.latestOffset()
    # Once more, since this machine says another day than the first answer.
    assert tmdb.stats().requests == 2


def test_a_stream_survives_an_outage_while_it_requests_the_time(
    tmdb: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_stream, "_LOOK_AGAIN", 0.0)
    monkeypatch.setattr(change_stream, "_ATTEMPTS", 1)
    tmdb.set_faults("outage")
    with pytest.raises(TransientError):
        _reader(since="today").latestOffset()
    tmdb.set_faults(None)
    reader = _reader(since="2026-03-01")
    before = reader.latestOffset()
    tmdb.set_faults("outage")
    assert reader.latestOffset(before) == before
    tmdb.set_faults(None)
    tmdb.next_day()
    assert reader.latestOffset(before)["day"] > before["day"]


def test_a_token_that_an_answer_repeats_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with tiny_tmdb() as tiny:
        monkeypatch.setenv("REELHOUSE_TMDB_URL", f"{tiny.url}/3")
        monkeypatch.setenv("TMDB_TOKEN", TOKEN)
        tiny.instead = lambda request: verdict(401, 7, f"{TOKEN} is not valid.")
        reader = _reader(since="today")
        for ask in (reader.latestOffset, lambda: reader.partitions({"day": "2026-02-27"}, {"day": "2026-02-28"})):
            with pytest.raises(ReelhouseError, match=r"\*\*\* is not valid") as refused:
                ask()
            assert TOKEN not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


def test_a_stream_takes_columns_of_its_table_alone() -> None:
    cast = schema_of(REGISTRY.of_answers["movie_cast"].columns)
    # Not yet: Spark 4.2 hides what its making raises.
    reader = FeedReader(Options(table="movie", since="today"), cast)
    for ask in (
        reader.initialOffset,
        reader.latestOffset,
        lambda: reader.partitions({"day": "2026-02-27"}, {"day": "2026-02-28"}),
    ):
        with pytest.raises(ConfigError, match="not in this table"):
            ask()
