"""Planning: which ids are asked and why, against a plain account of the same rules."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelhouse.collect import planning
from reelhouse.collect.planning import RunSpec, _land_export
from reelhouse.collect.run import finalize
from reelhouse.entities.schema import Discovered
from reelhouse.errors import ListingError
from reelhouse.raw.inbox import put_message
from reelhouse.raw.keys import export_key
from reelhouse.raw.plan import ExportRef, Selection, last_run
from reelhouse.raw.receipt import State
from reelhouse.storage.memory import MemoryStorage
from reelhouse.tmdb.clock import ServerClock
from tests.collect.worlds import MOVIE, NOW, Row, World, a_world, lines, packed, planned, wanted
from tests.lakes import ASKING, a_outcome, a_plan, settle
from tests.serving import Server

WORLD = World()
OTHER = msgspec.structs.replace(ASKING, language="de-DE")

# Around every limit there is: stale, the feed's memory, eight in the morning, now.
INSTANTS = (
    "2026-10-11T19:59:59Z",
    "2026-10-11T20:00:00Z",
    "2027-02-24T23:00:00Z",
    "2027-02-25T07:59:59Z",
    "2027-02-25T08:00:00Z",
    "2027-03-09T08:00:00Z",
    "2027-03-09T08:00:01Z",
    "2027-03-10T07:00:00Z",
    "2027-03-10T08:00:01Z",
    "2027-03-10T19:59:59Z",
)
CURSORS = (None, "2027-01-01T00:00:00Z", "2027-02-25T02:00:00Z", "2027-02-26T02:00:00Z", "2027-03-10T19:00:00Z")

IDS = st.integers(1, 14)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_world(WORLD) as server:
        yield server


class Known(msgspec.Struct, frozen=True):
    """What an earlier run learnt of an id; *request_profile* tells whether it was asked as it would be today."""

    state: State
    fetched_at: str
    same_settings: bool


knowns = st.dictionaries(
    IDS, st.builds(Known, st.sampled_from(list(State)), st.sampled_from(INSTANTS), st.booleans()), max_size=12
)
rows = st.dictionaries(
    IDS,
    st.builds(
        lambda popularity, adult, video: {"popularity": popularity, "adult": adult, "video": video},
        st.none() | st.sampled_from((0.0, 0.5, 1.0, 7.25)),
        st.booleans() | st.none(),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
selections = st.builds(
    Selection,
    top=st.none() | st.integers(1, 6),
    min_popularity=st.none() | st.sampled_from((0.5, 1.0)),
    include_adult=st.booleans(),
    include_video=st.booleans(),
)
feeds = st.dictionaries(
    st.sampled_from(("2027-02-24", "2027-02-25", "2027-03-08", "2027-03-09", "2027-03-10")),
    st.lists(IDS, max_size=5),
)


def _history(storage: MemoryStorage, known: dict[int, Known], export: list[Row] | None, cursor: str | None) -> None:
    """Two earlier runs: one asked with other settings, the newer one with today's and from *export*."""
    for run, same in ((1, False), (2, True)):
        keys = {id_: one for id_, one in known.items() if one.same_settings == same}
        reference: ExportRef | None = None
        if same and export is not None:
            body = packed(export)
            sha256 = hashlib.sha256(body).hexdigest()
            key = export_key("movie_ids", date(2027, 3, 1), sha256)
            reference = ExportRef(key, sha256, "2027-03-01", len(export), '"e1"')
            _land_export(storage, reference, body)
        plan = a_plan(
            storage,
            [str(id_) for id_ in keys],
            run=run,
            request_profile=ASKING if same else OTHER,
            export=reference,
            changes_read_to=cursor,
        )
        settle(storage, plan, [a_outcome(str(id_), one.state, fetched_at=one.fetched_at) for id_, one in keys.items()])


def _why_not(row: Row, selection: Selection) -> str | None:
    if row["adult"] and not selection.include_adult:
        return "adult"
    if row["video"] and not selection.include_video:
        return "video"
    if selection.min_popularity is not None and (row["popularity"] or 0.0) < selection.min_popularity:
        return "min_popularity"
    return None


def _rank(popularity: float | None, id_: int) -> tuple[bool, float, int]:
    return (popularity is None, -(popularity or 0.0), id_)


class Account:
    """The rules of planning in plain Python, one id at a time."""

    def __init__(
        self,
        known: dict[int, Known],
        export: dict[int, Row],
        before: dict[int, Row] | None,
        feed: dict[str, list[int]],
        cursor: str | None,
        selection: Selection,
        named: list[int],
    ) -> None:
        self.known = known
        self.excluded = {id_: _why_not(row, selection) for id_, row in export.items()}
        self.popularity: dict[int, float | None] = {id_: row["popularity"] for id_, row in export.items()}
        if selection.top is not None:
            left = sorted((id_ for id_, reason in self.excluded.items() if not reason), key=self._order)
            self.excluded.update((id_, "top") for id_ in left[selection.top :])
        self.vanished = set(before or {}) - set(export) if before != export else set()
        for id_ in named:
            self.excluded[id_] = None
        self.named = set(named)
        self.listed = set(export) | self.named
        today = date.fromisoformat(NOW[:10])
        self.stale_before = f"{today - timedelta(days=150)}{NOW[10:]}"
        self.sure_after: dict[int, str] = {}
        if cursor is not None and any(one.state is not State.GONE for one in known.values()):
            self._read(feed, date.fromisoformat(cursor[:10]) - timedelta(days=1), today)

    def _order(self, id_: int) -> tuple[bool, float, int]:
        return _rank(self.popularity.get(id_), id_)

    def _read(self, feed: dict[str, list[int]], first: date, today: date) -> None:
        oldest = today - timedelta(days=13)
        if first < oldest:
            self.stale_before = f"{oldest}T08:00:00Z"
        for day in sorted(feed):
            if max(first, oldest).isoformat() <= day:
                sure = f"{date.fromisoformat(day) + timedelta(days=1)}T08:00:00Z"
                self.sure_after.update((id_, sure) for id_ in feed[day])

    def cause(self, id_: int) -> str | None:
        one, listed = self.known.get(id_), id_ in self.listed
        wanted = listed and not self.excluded.get(id_)
        if one is None:
            return ("listed" if id_ in self.named else "new") if wanted else None
        if one.state is State.QUARANTINED:
            return "retry"
        if one.state is State.GONE:
            return "retry" if wanted else None
        if id_ in self.vanished:
            return "vanished"
        if not one.same_settings:
            return "settings"
        if id_ in self.sure_after and one.fetched_at <= self.sure_after[id_]:
            return "changed"
        return "stale" if one.fetched_at < self.stale_before else None

    def asked(self) -> list[str]:
        reasons = {id_: self.cause(id_) for id_ in self.listed | set(self.known)}

        def order(id_: int) -> tuple[bool, bool, tuple[bool, float, int]]:
            return (reasons[id_] != "changed", reasons[id_] == "new", self._order(id_))

        return [f"{id_} {reasons[id_]}" for id_ in sorted(reasons, key=order) if reasons[id_]]


@pytest.mark.long
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    known=knowns,
    export=rows,
    before=st.none() | rows,
    feed=feeds,
    cursor=st.sampled_from(CURSORS),
    selection=selections,
    named=st.lists(IDS, max_size=3, unique=True),
)
def test_every_id_is_asked_for_the_reason_that_a_plain_account_gives_and_all_counts_balance(
    server: Server,
    known: dict[int, Known],
    export: dict[int, Row],
    before: dict[int, Row] | None,
    feed: dict[str, list[int]],
    cursor: str | None,
    selection: Selection,
    named: list[int],
) -> None:
    storage = MemoryStorage()
    _history(storage, known, None if before is None else [{"id": id_, **row} for id_, row in before.items()], cursor)
    if named:
        put_message(storage, "event", "movie", [str(id_) for id_ in named])
    WORLD.export = [{"id": id_, **row} for id_, row in export.items()]
    WORLD.changes = feed
    WORLD.etag = ""
    plan = planned(storage, server, wanted(selection=selection, min_export_share=0.0))
    account = Account(known, export, before, feed, cursor, selection, named)
    expected = account.asked()
    assert lines(storage, plan) == expected
    assert plan.ids.count == len(expected)
    counts = plan.counts
    assert counts.balanced
    assert counts.requested == Counter(line.partition(" ")[2] for line in expected)
    assert counts.listed == len(account.listed)
    asked = {int(line.partition(" ")[0]) for line in expected}
    assert counts.not_in_listing == len(asked - account.listed)
    left = account.listed - asked
    assert counts.excluded == Counter(reason for id_ in left if (reason := account.excluded.get(id_)))
    assert counts.up_to_date == sum(1 for id_ in left if not account.excluded.get(id_))
    assert plan.inbox == (["_reelhouse/inbox/event.json"] if named else [])
    assert plan.planned_at == plan.changes_read_to == NOW


def _lake(known: dict[int, Known], export: list[Row], cursor: str | None = "2027-03-10T19:00:00Z") -> MemoryStorage:
    storage = MemoryStorage()
    _history(storage, known, export, cursor)
    WORLD.export = export
    WORLD.changes = {}
    WORLD.etag = ""
    return storage


def _row(id_: int, popularity: float = 1.0) -> Row:
    return {"id": id_, "popularity": popularity, "adult": False, "video": False}


FRESH = Known(State.LANDED, "2027-03-10T19:59:59Z", True)


def test_what_is_known_and_fresh_is_not_asked(server: Server) -> None:
    storage = _lake({1: FRESH, 2: FRESH}, [_row(1), _row(2)])
    plan = planned(storage, server)
    assert lines(storage, plan) == []
    assert plan.counts.up_to_date == 2


@pytest.mark.parametrize(
    ("fetched_at", "asked"),
    [("2027-03-08T20:00:00Z", True), ("2027-03-09T08:00:00Z", True), ("2027-03-09T08:00:01Z", False)],
)
def test_what_changed_on_a_day_is_asked_unless_it_came_after_eight_the_next_morning(
    server: Server, fetched_at: str, asked: bool
) -> None:
    storage = _lake({1: Known(State.LANDED, fetched_at, True)}, [_row(1)], "2027-03-09T09:00:00Z")
    WORLD.changes = {"2027-03-08": [1]}
    assert lines(storage, planned(storage, server)) == (["1 changed"] if asked else [])


@pytest.mark.parametrize(
    ("fetched_at", "asked"),
    [("2027-02-24T12:00:00Z", True), ("2027-02-25T07:59:59Z", True), ("2027-02-25T08:00:00Z", False)],
)
def test_after_a_gap_what_came_before_the_feed_surely_begins_is_stale(
    server: Server, fetched_at: str, asked: bool
) -> None:
    storage = _lake({1: Known(State.LANDED, fetched_at, True)}, [_row(1)], "2027-02-25T02:00:00Z")
    assert lines(storage, planned(storage, server)) == (["1 stale"] if asked else [])


def test_most_popular_come_first_and_unknown_popularity_last(server: Server) -> None:
    storage = _lake({}, [_row(1, 0.5), {**_row(2), "popularity": None}, _row(3, 9.0), _row(4, 9.0)])
    assert lines(storage, planned(storage, server)) == ["3 new", "4 new", "1 new", "2 new"]


def test_what_changed_comes_before_what_is_stale_and_new_ids_come_last(server: Server) -> None:
    old = Known(State.LANDED, "2026-03-01T12:00:00Z", True)
    recent = Known(State.LANDED, "2027-03-09T12:00:00Z", True)
    storage = _lake({1: recent, 2: old, 3: recent, 4: old}, [_row(id_, float(id_)) for id_ in range(1, 7)])
    WORLD.changes = {"2027-03-09": [1, 3]}
    expected = ["3 changed", "1 changed", "4 stale", "2 stale", "6 new", "5 new"]
    assert lines(storage, planned(storage, server)) == expected


def test_imdb_ids_that_are_not_known_yet_come_first_and_known_ones_are_their_tmdb_id(server: Server) -> None:
    storage = _lake({}, [_row(1)])
    plan = a_plan(storage, ["tt0137523"], run=3)
    settle(storage, plan, [a_outcome("tt0137523", found=550, fetched_at=FRESH.fetched_at)])
    want = wanted(keys=("tt0137523", "tt0000001", "7"), selection=Selection(source="list"))
    plan = planned(storage, server, want)
    assert lines(storage, plan) == ["tt0000001 listed", "7 listed"]
    assert (plan.counts.listed, plan.counts.up_to_date) == (3, 1)


def test_the_plan_that_is_only_shown_says_the_same_and_leaves_no_plan(server: Server) -> None:
    storage = _lake({1: FRESH}, [_row(1), _row(2)])
    keys = [key for key in storage.keys("") if key.startswith("_reelhouse/runs/movie/")]
    shown = planned(storage, server, put=False)
    assert [key for key in storage.keys("") if key.startswith("_reelhouse/runs/movie/")] == keys
    assert last_run(storage, "movie") == 2
    put = planned(storage, server)
    assert (shown.counts, shown.ids.sha256) == (put.counts, put.ids.sha256)


@pytest.mark.parametrize(("count", "believed"), [(95, True), (94, False), (1, False)])
def test_an_export_that_shrank_implausibly_is_refused_and_nothing_is_planned(
    server: Server, count: int, believed: bool
) -> None:
    storage = _lake({}, [_row(id_) for id_ in range(1, 101)])
    WORLD.export = WORLD.export[:count]
    if believed:
        assert planned(storage, server).counts.listed == count
        return
    with pytest.raises(ListingError, match=f"holds {count} ids where at least 95 are plausible"):
        planned(storage, server)
    assert last_run(storage, "movie") == 2


def test_an_export_without_a_row_is_never_believed(server: Server) -> None:
    storage = MemoryStorage()
    WORLD.export = []
    with pytest.raises(ListingError, match="holds 0 ids"):
        planned(storage, server)
    assert last_run(storage, "movie") == 0


def test_the_same_export_again_is_not_fetched_and_makes_nothing_vanish(server: Server) -> None:
    storage = _lake({}, [_row(1)])
    WORLD.etag = '"same"'
    first = planned(storage, server)
    settle(storage, first, [a_outcome("1", fetched_at=FRESH.fetched_at)])
    second = planned(storage, server)
    assert second.export == first.export
    assert lines(storage, second) == []


def test_an_export_that_was_damaged_here_is_fetched_again_and_replaced(server: Server) -> None:
    storage = _lake({}, [_row(1)])
    WORLD.etag = '"same"'
    first = planned(storage, server)
    assert first.export is not None
    storage.put(first.export.key, b"damaged")
    second = planned(storage, server)
    assert second.export == first.export
    assert storage.get(first.export.key) == packed(WORLD.export)


def test_an_earlier_export_that_was_damaged_stops_no_planning(server: Server) -> None:
    storage = _lake({1: FRESH, 2: FRESH}, [_row(1), _row(2)])
    (before,) = storage.keys("raw/exports/")
    storage.put(before, b"damaged")
    WORLD.export = [_row(1), _row(3)]
    # Without it, all that the new one lacks are asked whether they are still there.
    assert sorted(lines(storage, planned(storage, server))) == ["2 vanished", "3 new"]


@pytest.mark.parametrize(
    ("source", "alike", "most"), [("list", True, 3), ("discover", True, 5), ("discover", False, 11)]
)
def test_a_run_that_is_listed_from_no_export_does_not_look_through_all_plans(
    server: Server, source: str, alike: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_RUNS_BACK", {"discover": 5})

    class Counting(MemoryStorage):
        plans = 0

        def get(self, key: str) -> bytes:
            self.plans += key.endswith("/plan.json")
            return super().get(key)

    storage = Counting()
    want = wanted(selection=Selection(source=source, discover={} if source == "list" else {"year": "1999"}))
    for number in range(12):
        monkeypatch.setattr(WORLD, "now", f"2027-02-{number + 10}T20:00:00Z")
        plan = planned(storage, server, want._replace(keys=(str(number + 1),)))
        settle(storage, plan, [a_outcome(str(number + 1))])
        finalize(storage, plan)
    storage.plans = 0
    if not alike:
        want = want._replace(selection=Selection(source=source, discover={"year": "2000"}))
    assert planned(storage, server, want).changes_read_to
    assert storage.plans <= most


@pytest.mark.parametrize(("most", "noticed"), [(1000, True), (20, False)])
def test_runs_of_lists_between_two_listings_do_not_hide_what_left_them(
    server: Server, most: int, noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_PLANS_READ", most)
    storage = MemoryStorage()
    want = wanted(selection=Selection(source="column"))
    plan = planned(storage, server, want._replace(keys=("1", "2")))
    settle(storage, plan, [a_outcome("1"), a_outcome("2")])
    finalize(storage, plan)
    for _ in range(32):
        finalize(storage, planned(storage, server, wanted(selection=Selection(source="list"), keys=("1",))))
    found = lines(storage, planned(storage, server, want._replace(keys=("1",))))
    assert ("2 vanished" in found) is noticed


@pytest.mark.parametrize("damaged", [False, True])
def test_an_id_that_no_table_mentions_any_more_is_requested_once_more(server: Server, damaged: bool) -> None:
    storage = MemoryStorage()
    want = wanted(selection=Selection(source="column"))
    plan = planned(storage, server, want._replace(keys=("1", "2")))
    settle(storage, plan, [a_outcome("1"), a_outcome("2")])
    finalize(storage, plan)
    if damaged:
        assert plan.listing is not None
        storage.put(plan.listing.key, b"damaged")
    found = lines(storage, planned(storage, server, want._replace(keys=("1",))))
    assert ("2 vanished" in found) is not damaged
    # Nothing is mentioned where a purge has emptied the tables.
    assert lines(storage, planned(storage, server, want)) == []


@pytest.mark.parametrize(
    ("gone", "requested"),
    [
        (["2027-03-10T09:00:00Z"], False),
        (["2027-03-09T23:59:59Z"], True),
        (["2027-03-09T08:00:00Z", "2027-03-09T09:00:00Z"], True),
        (["2027-03-08T08:00:00Z", "2027-03-09T09:00:00Z"], False),
    ],
)
@pytest.mark.parametrize(("landed", "excluded"), [(True, False), (False, False), (True, True), (False, True)])
def test_an_id_of_the_tables_that_no_listing_adds_is_requested_again_on_another_day_after_one_404(
    server: Server, gone: list[str], requested: bool, landed: bool, excluded: bool
) -> None:
    """One that a listing has, though a filter excludes it, is requested each time, as tables show it again."""
    storage = MemoryStorage()
    earlier = [a_outcome("1", State.LANDED if landed else State.GONE, fetched_at="2027-03-07T08:00:00Z")]
    for run, outcome in enumerate(earlier + [a_outcome("1", State.GONE, fetched_at=at) for at in gone], 1):
        plan = a_plan(storage, ["1"], run=run)
        settle(storage, plan, [outcome])
        finalize(storage, plan)
    # The export has 1 too, and a filter leaves it out.
    WORLD.export = [_row(1, popularity=0.5), _row(2, popularity=7.0)]
    selection = Selection(min_popularity=1.0) if excluded else Selection(source="list")
    found = lines(storage, planned(storage, server, wanted(selection=selection, keys=("2",))))
    assert sorted(found) == [*(["1 retry"] if (requested or excluded) and landed else []), "2 listed"]


def test_what_discover_does_not_find_any_more_is_requested_though_it_finds_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {1: 5.0}

    async def discovered(*_: object) -> dict[int, float]:
        return found

    monkeypatch.setattr(planning, "discover", discovered)
    storage, want = MemoryStorage(), wanted(selection=Selection(source="discover", discover={"year": "2000"}))
    plan = planned(storage, server, want)
    settle(storage, plan, [a_outcome("1")])
    finalize(storage, plan)
    found.clear()
    assert lines(storage, planned(storage, server, want)) == ["1 vanished"]


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize(("last_run", "cause"), [("2027-03-07", "changed"), ("2027-02-07", "stale")])
def test_a_removed_title_in_no_listing_is_requested_when_tmdb_says_that_it_has_changed(
    landed: bool, last_run: str, cause: str
) -> None:
    """Or when that is unknown: the feed of so long ago is not read."""
    storage = MemoryStorage()
    state = State.LANDED if landed else State.GONE
    times = ["2027-01-05T08:00:00Z", "2027-01-06T08:00:00Z", f"{last_run}T08:00:00Z"]
    for run, at in enumerate(times, 1):
        plan = a_plan(storage, ["1"], run=run, changes_read_to=at)
        settle(storage, plan, [a_outcome("1", state if run == 1 else State.GONE, fetched_at=at)])
        finalize(storage, plan)
    with a_world(World(changes={"2027-03-09": [1]} if cause == "changed" else {})) as server:
        found = lines(storage, planned(storage, server, wanted(selection=Selection(source="list"))))
    assert found == ([f"1 {cause}"] if landed else [])


def test_an_id_that_left_a_listing_is_requested_once_more_after_the_next_morning() -> None:
    storage, world = MemoryStorage(), World()
    listed = wanted(selection=Selection(source="column"), keys=("1",))
    with a_world(world) as tmdb:

        def requested(now: str, want: RunSpec = listed) -> list[str]:
            """What a run at that time requests; TMDB answers everything."""
            world.now = now
            plan = planned(storage, tmdb, want)
            found = lines(storage, plan)
            settle(storage, plan, [a_outcome(line.partition(" ")[0], fetched_at=now) for line in found])
            finalize(storage, plan)
            return found

        assert requested("2027-03-01T06:00:00Z", listed._replace(keys=("1", "2"))) == ["1 new", "2 new"]
        assert requested("2027-03-02T06:00:00Z") == ["2 vanished"]
        # It may be the answer of a server that has not heard yet.
        assert requested("2027-03-02T09:00:00Z") == []
        assert requested("2027-03-03T08:00:00Z") == []
        a_list = wanted(selection=Selection(source="list"), keys=("1",))
        assert requested("2027-03-03T09:00:00Z", a_list) == []
        assert requested("2027-03-03T10:00:00Z") == ["2 changed"]
        assert requested("2027-03-03T11:00:00Z") == []
        assert requested("2027-03-05T10:00:00Z") == []


FUTURE = "2036-03-01T00:00:00Z"


@pytest.mark.parametrize("odd", [FUTURE, "2031-01-01T00:00:00Z", "0999-11-06T08:49:37Z", "2027-03-10T21:00:00Z"])
@pytest.mark.parametrize("path", ["/p/exports/", "/3/configuration", "/3/movie/changes"])
def test_one_answer_with_an_implausible_time_decides_nothing(path: str, odd: str) -> None:
    storage = _lake({1: Known(State.LANDED, "2027-03-08T20:00:00Z", True)}, [_row(1)], "2027-03-09T09:00:00Z")
    world = World(export=[_row(1)], etag='"e1"', changes={"2027-03-08": [1]}, odd=[odd], odd_in=path)
    selection = Selection(source="export" if path == "/p/exports/" else "list")
    with a_world(world) as server:
        plan = planned(storage, server, wanted(selection=selection))
    assert world.odd == []
    assert (plan.planned_at, plan.changes_read_to) == (NOW, NOW)
    assert lines(storage, plan) == ["1 changed"]


def test_answers_that_never_agree_on_the_time_leave_the_cursor_where_it_was() -> None:
    cursor = "2027-03-09T09:00:00Z"
    storage = _lake({1: FRESH}, [_row(1)], cursor)
    years = [f"{year}-03-01T00:00:00Z" for year in range(2030, 2060)]
    with a_world(World(export=[_row(1), _row(2)], odd=years)) as server:
        plan = planned(storage, server, wanted(selection=Selection(source="list"), keys=("2",)))
        assert not [path for path in server.paths if "changes" in path]
        assert plan.changes_read_to == cursor
        assert lines(storage, plan) == ["2 listed"]
        # What is asked in any case is asked in that case too.
        full = planned(storage, server, wanted(selection=Selection(source="list"), stale_after_days=0), put=False)
        assert full.counts.requested == {"stale": 1}
        # The next run, by a clock that is right, reads all days since.
        server.seen.clear()
    with a_world(World(export=[_row(1)], changes={"2027-03-09": [1]})) as server:
        later = planned(storage, server, wanted(selection=Selection(source="list")), put=False)
        days = sorted(request.query["start_date"] for request in server.seen if "changes" in request.path)
    assert days == ["2027-03-08", "2027-03-09", "2027-03-10"]
    assert later.changes_read_to == NOW


def test_what_a_wrong_clock_left_in_a_lake_is_made_good() -> None:
    storage = _lake({1: Known(State.LANDED, FUTURE, True), 2: Known(State.LANDED, FUTURE, False)}, [_row(1)], FUTURE)
    with a_world(World(export=[_row(1), _row(2)], changes={"2027-03-09": [1]})) as server:
        plan = planned(storage, server)
        days = sorted(request.query["start_date"] for request in server.seen if "changes" in request.path)
    # No cursor before that one is known, so the feed is read as far back as it goes.
    assert len(days) == 14
    assert lines(storage, plan) == ["1 changed", "2 settings"]
    assert plan.changes_read_to == NOW
    # A title that no feed names would never grow old.
    with a_world(World(export=[_row(1), _row(2)])) as server:
        assert "1 stale" in lines(storage, planned(storage, server))


def test_after_a_cursor_from_the_future_the_feed_goes_on_at_the_last_one_that_is_plausible() -> None:
    storage = MemoryStorage()
    for run, cursor in ((1, "2027-03-06T09:00:00Z"), (2, FUTURE)):
        plan = a_plan(storage, [str(run)], run=run, changes_read_to=cursor)
        settle(storage, plan, [a_outcome(str(run), fetched_at="2027-03-06T09:00:00Z")])
    with a_world(World(export=[_row(1), _row(2)], changes={"2027-03-05": [1], "2027-03-07": [2]})) as server:
        plan = planned(storage, server)
        days = sorted(request.query["start_date"] for request in server.seen if "changes" in request.path)
    assert days == [f"2027-03-{day:02}" for day in range(5, 11)]
    assert lines(storage, plan) == ["2 changed"]


def test_a_tmdb_that_is_days_ahead_of_this_machine_in_all_its_answers_moves_no_cursor() -> None:
    here = datetime.now(UTC)
    cursor = f"{here - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    storage = _lake({1: Known(State.LANDED, cursor, True)}, [_row(1)], cursor)
    ahead = World(now=f"{here + timedelta(days=900):%Y-%m-%dT%H:%M:%SZ}", export=[_row(1), _row(2)])
    clock = ServerClock()
    with a_world(ahead) as server:
        plan = planned(storage, server, wanted(selection=Selection(source="list"), keys=("2",)), clock=clock)
    assert plan.changes_read_to == cursor
    assert abs((datetime.fromisoformat(plan.planned_at) - here).total_seconds()) < 60
    assert lines(storage, plan) == ["2 listed"]
    assert "set this machine's clock" in clock.take_notes()[1][-1]


def test_a_user_s_filter_may_find_fewer_titles_than_all_of_discover_has(server: Server) -> None:
    entity = replace(MOVIE, listing=Discovered(least_rows=10_000))
    with pytest.raises(ListingError, match="but at least 10000 are expected"):
        planned(MemoryStorage(), server, wanted(entity=entity, selection=Selection(source="discover")))
    chosen = Selection(source="discover", discover={"year": "1999"})
    assert planned(MemoryStorage(), server, wanted(entity=entity, selection=chosen)).counts.listed < 10_000
