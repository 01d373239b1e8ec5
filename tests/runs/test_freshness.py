"""Each run asks what may have changed, and nothing else: counted at the server, with the reason of every id."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from reelhouse.emulator import Emulator
from reelhouse.errors import ListingError
from reelhouse.raw.plan import last_run
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import answers, assert_whole, collect, of, plans, reasons, small
from tests.runs.tiny import Tiny, tiny_tmdb
from tests.serving import json

MOVIES = 5000


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Day one at noon, five thousand titles; the tests of this module live through its days together."""
    with Emulator(movies=MOVIES, seed=3, now=datetime.fromisoformat("2026-03-01T12:00:00+00:00"), process=True) as made:
        yield made


@pytest.fixture(scope="module")
def lake() -> MemoryStorage:
    return MemoryStorage()


class Asked:
    """What one collection cost and why."""

    def __init__(self, emulator: Emulator, lake: Storage, chosen: Settings | None = None, **request: Any) -> None:
        emulator.reset_stats()
        self.result = collect(lake, chosen or of(emulator, append=[]), **request)
        stats = emulator.stats()
        self.by_kind = stats.by_kind
        self.ids = set(stats.asked)
        self.details = stats.by_kind.get("detail", 0)
        self.reason = Counter(reasons(lake, self.result.plan.run).values())
        assert self.result.clean


@pytest.mark.long
def test_days_in_the_life_of_a_lake(emulator: Emulator, lake: MemoryStorage) -> None:
    first = Asked(emulator, lake)
    assert first.reason == {"new": MOVIES}
    assert first.details == MOVIES
    assert first.by_kind.keys() == {"export", "detail"}
    known = sorted(first.ids)

    edited, deleted = set(emulator.edit(known[100:300])), set(emulator.delete(known[1000:1020]))
    added = set(emulator.add(count=30))
    emulator.next_day()

    second = Asked(emulator, lake)
    assert second.reason == {"changed": 200, "vanished": 20, "new": 30}
    assert second.details == 250
    assert second.ids == edited | deleted | added
    # The export (asked for under this machine's day first), and the feed from the day before the last run to today.
    assert second.by_kind == {"export": 2, "changes": 4, "detail": 250}
    assert second.result.states == {"landed": 230, "gone": 20}

    # Fetched after 08:00 of the day that follows the change: nothing is left to ask.
    third = Asked(emulator, lake)
    assert third.details == 0
    assert third.result.plan.counts.up_to_date == MOVIES - 20 + 30
    assert third.result.plan.export == second.result.plan.export

    # What changed today may have been answered from a CDN hours old, until 08:00 tomorrow.
    today = set(emulator.edit(known[400:407]))
    for _ in range(2):
        again = Asked(emulator, lake)
        assert again.reason == {"changed": 7}
        assert again.ids == today
    emulator.next_day()
    assert Asked(emulator, lake).ids == today
    assert Asked(emulator, lake).details == 0

    # One that was deleted comes back.
    back = set(emulator.restore([known[1000]]))
    emulator.next_day()
    returned = Asked(emulator, lake)
    assert returned.ids == back
    assert returned.result.states == {"landed": 1}
    assert_whole(lake)
    found = answers(lake)
    assert Counter(known.state for known in found.values()) == {"landed": MOVIES - 19 + 30, "gone": 19}


@pytest.mark.parametrize(
    "change",
    [{"append": ["keywords"]}, {"language": "de-DE"}, {"region": "AT"}, {"record_filter": "runtime >= `80`"}],
    ids=str,
)
def test_settings_that_change_what_an_answer_holds_ask_everything_again(tiny: Tiny, change: dict[str, Any]) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.forget()
    tiny.broken = set()
    tiny.short = set()
    result = collect(lake, small(tiny, **change))
    assert result.complete
    assert tiny.asked == Counter(str(id_) for id_ in range(1, 31))
    assert Counter(reasons(lake, 2).values()) == {"settings": 27, "retry": 3}
    assert result.states == {"landed": 28, "gone": 2}
    # It is carried out once: the next run finds everything as it should be.
    tiny.forget()
    collect(lake, small(tiny, **change))
    assert tiny.asked == {"7": 1, "17": 1}
    assert_whole(lake)


def test_the_order_of_appends_is_no_change(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, append=["credits", "keywords"]))
    tiny.forget()
    collect(lake, small(tiny, append=["keywords", "credits"]))
    assert set(tiny.asked) == {"7", "17", "9"}


def test_what_is_popular_enough_is_decided_again_in_each_run(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    # The popularity of a title here is a thousand minus its id.
    some = collect(lake, small(tiny, min_popularity=990.0))
    assert (some.plan.counts.excluded, tiny.asked.total()) == ({"min_popularity": 20}, 10)
    tiny.forget()
    more = collect(lake, small(tiny, min_popularity=980.0))
    assert (more.plan.counts.excluded, more.plan.counts.up_to_date, set(tiny.asked)) == (
        {"min_popularity": 10},
        10,
        {str(id_) for id_ in range(11, 21)},
    )
    # What is known is kept up, whatever the filter says now.
    tiny.forget()
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.changed = {"2026-03-01": {5, 15, 25}}
    fewer = collect(lake, small(tiny, min_popularity=995.0))
    assert set(tiny.asked) == {"5", "15"}
    assert fewer.plan.counts.requested == {"changed": 2}
    assert_whole(lake)


def test_what_grew_old_is_asked_again(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    chosen = small(tiny, stale_after_days=15)
    for day, asked in (("2026-03-01", 30), ("2026-03-10", 0), ("2026-03-16", 0), ("2026-03-17", 30)):
        tiny.now = f"{day}T12:00:01+00:00"
        tiny.forget()
        collect(lake, chosen)
        assert tiny.asked.total() == asked, day
    assert set(reasons(lake, 4).values()) == {"stale"}
    assert_whole(lake)


def test_after_a_gap_longer_than_the_feed_remembers_everything_older_is_stale(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-15T12:00:00+00:00"
    tiny.changed = {"2026-03-03": {8}}
    tiny.forget()
    collect(lake, small(tiny))
    # The day before the last run is fifteen days ago: the feed is read as far back as it goes.
    assert tiny.listings["changes"] == 14
    assert Counter(reasons(lake, 2).values()) == {"changed": 1, "stale": 29}
    tiny.now = "2026-03-28T12:00:00+00:00"
    tiny.forget()
    collect(lake, small(tiny))
    assert (tiny.listings["changes"], tiny.asked.total()) == (14, 0)
    tiny.forget()
    tiny.now = "2026-05-28T12:00:00+00:00"
    collect(lake, small(tiny))
    assert tiny.asked.total() == 30
    assert_whole(lake)


def _dated(instant: str, value: object) -> web.Response:
    return json(value, Date=format_datetime(datetime.fromisoformat(instant), usegmt=False))


def test_an_answer_from_years_ahead_moves_no_cursor_dates_no_id_and_is_counted_and_said(
    tiny: Tiny, reelhouse: Reelhouse
) -> None:
    tiny.broken, tiny.gone = set(), set()
    assert reelhouse("collect", "--json")[0] == 0
    tiny.now = "2026-03-03T12:00:00+00:00"
    tiny.changed = {"2026-03-01": {3}, "2026-03-03": {4}}
    ahead = "2036-03-01T12:00:00+00:00"
    odd = {
        "/3/movie/3": {"id": 3, "title": "Title"},
        "/3/movie/changes": {"results": [{"id": 3}], "page": 1, "total_pages": 1, "total_results": 1},
    }
    tiny.instead = lambda request: _dated(ahead, odd.pop(request.path)) if request.path in odd else None
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["causes"], said["dates_refused"]) == (0, {"changed": 2}, 2)
    assert said["notes"] == [
        "2 answers had a Date or an Age that is implausible against the other answers and this machine's clock: it was "
        "not used"
    ]
    # Days later both are named again, and both are asked: neither the cursor nor the id lies in the future.
    tiny.now = "2026-03-11T12:00:00+00:00"
    tiny.changed = {"2026-03-04": {3}, "2026-03-05": {5}}
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["causes"], said["dates_refused"], said["notes"]) == (0, {"changed": 2}, 0, [])


def test_a_date_of_the_year_999_is_no_traceback_and_a_person_hears_of_it(tiny: Tiny, reelhouse: Reelhouse) -> None:
    tiny.broken, tiny.gone = set(), set()
    odd = {"/3/movie/4": {"id": 4}}
    tiny.instead = lambda request: (
        json(odd.pop(request.path), Date="Sun, 06 Nov 0999 08:49:37 GMT") if request.path in odd else None
    )
    running = reelhouse.start("collect")
    said, stderr = running.communicate(timeout=60)
    assert running.returncode == 0, stderr
    assert "complete, no quarantine" in said
    assert "Note: 1 answers had a Date or an Age that is implausible" in stderr


def test_a_short_gap_is_bridged_by_the_feed_alone(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-13T12:00:00+00:00"
    tiny.changed = {"2026-03-01": {1}, "2026-03-07": {8, 9}, "2026-03-13": {10}}
    tiny.forget()
    collect(lake, small(tiny))
    assert reasons(lake, 2) == dict.fromkeys(("1", "8", "9", "10"), "changed")
    assert tiny.listings["changes"] == 14


def test_before_eight_in_the_morning_an_answer_may_be_yesterdays(tiny: Tiny) -> None:
    tiny.gone, tiny.broken = set(), set()
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.changed = {"2026-03-01": {3}}
    asked: list[tuple[str, int]] = []
    for hour in ("06:00", "07:59", "08:01", "09:00"):
        tiny.now = f"2026-03-02T{hour}:00+00:00"
        tiny.forget()
        collect(lake, small(tiny))
        asked.append((hour, tiny.asked["3"]))
    assert asked == [("06:00", 1), ("07:59", 1), ("08:01", 1), ("09:00", 0)]


def test_an_id_that_is_gone_though_listed_is_asked_in_every_run_and_forgotten_once_unlisted(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.broken = set()
    collect(lake, small(tiny))
    tiny.forget()
    collect(lake, small(tiny))
    assert tiny.asked == {"7": 1, "17": 1}
    assert set(reasons(lake, 2).values()) == {"retry"}
    tiny.listed = [id_ for id_ in tiny.listed if id_ != 7]
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.forget()
    collect(lake, small(tiny))
    assert tiny.asked == {"17": 1}
    # It is listed again, and there again.
    tiny.listed.append(7)
    tiny.gone = set()
    tiny.now = "2026-03-03T12:00:00+00:00"
    tiny.forget()
    collect(lake, small(tiny))
    assert tiny.asked == {"7": 1, "17": 1}
    assert answers(lake)["7"].state == "landed"
    assert_whole(lake)


def test_an_export_that_did_not_change_is_not_fetched_again(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    collect(lake, small(tiny))
    assert tiny.listings["304"] == 1
    first, second = plans(lake)
    assert first.export == second.export
    assert len(list(lake.keys("raw/exports/"))) == 1
    assert_whole(lake)


def test_one_that_did_not_change_but_was_lost_here_is_fetched_again(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    (key,) = lake.keys("raw/exports/")
    lake.delete(key)
    collect(lake, small(tiny))
    assert tiny.listings["304"] == 0
    assert_whole(lake)


def test_before_todays_export_is_there_yesterdays_is_used(tiny: Tiny) -> None:
    lake = MemoryStorage()
    tiny.now = "2026-03-02T06:30:00+00:00"
    tiny.published = "2026-03-01"
    result = collect(lake, small(tiny))
    assert result.plan.export is not None
    assert result.plan.export.day == "2026-03-01"
    assert result.plan.planned_at.startswith("2026-03-02")
    assert_whole(lake)


def test_an_export_older_than_the_one_that_is_here_is_not_used(tiny: Tiny) -> None:
    tiny.broken, tiny.gone = set(), set()
    lake = MemoryStorage()
    first = collect(lake, small(tiny))
    # The host has lost today's file.
    tiny.published = "2026-02-28"
    tiny.listed = tiny.listed[:20]
    tiny.forget()
    again = collect(lake, small(tiny))
    assert again.plan.export == first.plan.export
    assert again.plan.counts.listed == 30
    assert tiny.asked.total() == 0
    assert_whole(lake)


def _refused(tiny: Tiny, lake: Storage, text: str) -> None:
    runs, keys = last_run(lake, "movie"), list(lake.keys("_reelhouse/runs/movie/"))
    tiny.forget()
    with pytest.raises(ListingError, match=text):
        collect(lake, small(tiny))
    assert last_run(lake, "movie") == runs
    assert list(lake.keys("_reelhouse/runs/movie/")) == keys
    assert tiny.asked.total() == 0


@pytest.mark.parametrize(
    ("export", "text"),
    [
        (gzip.compress(b'{"id":1}\n{"id":2,"pop'), "does not parse"),
        (gzip.compress(b'{"id":1}\n<html>\n'), "does not parse"),
        (gzip.compress(b'{"id":18446744073709551616}\n'), "does not parse"),
        (gzip.compress(b'{"id":1,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"), "does not parse"),
        (gzip.compress(b""), "0 ids where at least 28"),
        (gzip.compress(b"".join(b'{"id":%d}\n' % id_ for id_ in range(1, 28))), "27 ids where at least 28"),
    ],
    ids=["a cut line", "a line that is none", "beyond 64 bits", "nested too deeply", "empty", "too small"],
)
def test_an_export_that_cannot_be_right_plans_nothing(tiny: Tiny, export: bytes, text: str) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.export_instead = _only(tiny, export)
    _refused(tiny, lake, text)
    tiny.export_instead = lambda request: None
    assert collect(lake, small(tiny)).complete
    assert_whole(lake)


@pytest.mark.parametrize("id_", [0, -5, 99_999_999_999, 9_000_000_000_000_000_000])
def test_a_row_of_an_export_that_names_no_id_is_counted_and_not_asked(tiny: Tiny, id_: int) -> None:
    lake = MemoryStorage()
    odd = gzip.compress(gzip.decompress(tiny.export()) + b'{"id":%d,"popularity":1.0}\n' % id_)
    tiny.export_instead = _only(tiny, odd)
    result = collect(lake, small(tiny))
    assert (result.plan.counts.listed, result.plan.counts.excluded, result.complete) == (31, {"not_an_id": 1}, True)
    assert str(id_) not in tiny.asked
    assert_whole(lake)


def test_one_that_shrank_by_little_is_believed_and_its_missing_ids_are_asked(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny))
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed = list(range(1, 30))
    collect(lake, small(tiny))
    assert reasons(lake, 2)["30"] == "vanished"
    assert_whole(lake)


@pytest.mark.long
def test_an_export_that_arrives_damaged_every_time_plans_nothing() -> None:
    def cut(tiny: Tiny) -> bytes:
        return tiny.export()[:-20]

    def damaged(tiny: Tiny) -> bytes:
        whole = bytearray(tiny.export())
        whole[-6] ^= 0xFF
        return bytes(whole)

    def no_gzip(tiny: Tiny) -> bytes:
        return b'{"id":1}\n' * 30

    def refused(spoil: Callable[[Tiny], bytes]) -> None:
        with tiny_tmdb() as tiny:
            tiny.export_instead = _only(tiny, spoil(tiny))
            _refused(tiny, MemoryStorage(), "so it is not used")
            assert tiny.listings["export"] > 3

    # Each waits for seconds between its attempts.
    with ThreadPoolExecutor() as pool:
        list(pool.map(refused, (cut, damaged, no_gzip)))


def test_an_export_in_several_gzip_members_is_read_to_its_end(tiny: Tiny) -> None:
    lines = gzip.decompress(tiny.export()).splitlines(keepends=True)
    tiny.export_instead = _only(tiny, b"".join(gzip.compress(line) for line in lines))
    assert collect(MemoryStorage(), small(tiny)).plan.counts.listed == 30


def _only(tiny: Tiny, body: bytes) -> Callable[[web.BaseRequest], web.StreamResponse | None]:
    """Serve *body* as today's export."""
    today = f"_{tiny.today[5:7]}_{tiny.today[8:]}_{tiny.today[:4]}."
    return lambda request: web.Response(body=body) if today in request.path else None
