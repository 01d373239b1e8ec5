"""What is purged is gone for everybody, everything else stays as it was, and a kill leaves nothing half said."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from reelhouse.collect.status import status
from reelhouse.collect.verify import Verdict, verify
from reelhouse.course.layout import COPIES, file_number
from reelhouse.errors import LakeError
from reelhouse.raw.chunk import ChunkWriter, read_answers
from reelhouse.raw.json_objects import encode
from reelhouse.raw.keys import PURGES, chunk_key, purged_key, receipt_key, reconciliation_key
from reelhouse.raw.ledger import drop_ledgers, open_ledger
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import ChunkRef, Receipt, State, read_part, read_purged, read_receipts, readable
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.retention.erasure import preview, purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.lakes import a_outcome, a_plan, settle
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import answers, assert_whole, collect, collect_small, plans, reasons, small
from tests.runs.scenes import copied, two_days
from tests.runs.tiny import Tiny, tiny_tmdb

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)

OLDER = PurgeSelection("older than 18d", before="2026-03-02T12:00:00Z")
MOVIES = PurgeSelection("entity movie", entity="movie")
ALL = PurgeSelection("all")
# By TMDB's id, by the IMDb id that was asked, and by one that only an answer tells.
IDS = PurgeSelection("3 ids", keys=frozenset({"20", "tt0000012", "tt0000027"}))
NAMED = {"20", "12", "tt0000012", "27"}

CHOICES = [IDS, OLDER, MOVIES, ALL]


@pytest.fixture
def lived() -> MemoryStorage:
    """Two whole runs of which the second asked a part again, on the day after."""
    return two_days()


@pytest.fixture(params=["memory", "folder"])
def lake(request: pytest.FixtureRequest, lived: MemoryStorage, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return copied(lived)
    folder = FolderStorage(tmp_path / "lake")
    for key in lived.keys(""):
        folder.put(key, lived.get(key))
    return folder


def _bytes(storage: Storage) -> dict[str, bytes]:
    """Everything of TMDB's that lies there, unpacked."""
    return {
        key: _unpacked(storage.get(key)) for key in storage.list_all_versions("") if key.startswith(("raw/", "Raw/"))
    }


def _unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _lying(storage: Storage) -> set[tuple[int, str]]:
    """The runs and asks whose answers lie in chunks, no matter which receipts name them."""
    lines = (line for key, body in _bytes(storage).items() if "/movie/" in key for line in body.splitlines())
    return {(envelope["run"], envelope["key"]) for envelope in map(msgspec.json.decode, lines)}


def _read(storage: Storage) -> set[tuple[int, str]]:
    """The runs and asks whose answers readers find."""
    return {place for place, body in _outcomes(storage).items() if body is not None}


def _taken(chosen: PurgeSelection, run: int, key: str) -> bool:
    if chosen is IDS:
        return key in NAMED
    return chosen is not OLDER or run == 1


def _kept(storage: Storage, chosen: PurgeSelection) -> dict[tuple[int, str], bytes | None]:
    """What is to stay as it is."""
    return {place: body for place, body in _outcomes(storage).items() if not _taken(chosen, *place)}


def _outcomes(storage: Storage) -> dict[tuple[int, str], bytes | None]:
    """The body of every answer of every run that a reader sees, None where it has none."""
    found: dict[tuple[int, str], bytes | None] = {}
    for plan in plans(storage):
        for receipt in _parts(storage, plan.run):
            lines = {(line.line, line.key): line.bytes for line in read_answers(storage, receipt)}
            for outcome in receipt.outcomes:
                found[plan.run, outcome.key] = None if outcome.line is None else lines[outcome.line, outcome.key]
    return found


def _whole(storage: Storage) -> Verdict:
    verdict = verify(storage)
    assert verdict.problems == []
    assert verdict.requested == sum(verdict.states.values()) + verdict.pending
    return verdict


@pytest.mark.parametrize("chosen", CHOICES, ids=lambda chosen: chosen.words)
def test_what_is_chosen_is_gone_and_everything_else_lies_as_it_was(lake: Storage, chosen: PurgeSelection) -> None:
    before, kept = _outcomes(lake), _kept(lake, chosen)
    foreseen = preview(lake, chosen, NOW)
    assert _outcomes(lake) == before
    found = purge(lake, chosen, NOW)
    assert found == foreseen
    assert found.problems == []
    assert _outcomes(lake) == kept
    assert found.answers == len(before) - len(kept) > 0
    assert _lying(lake) == _read(lake)
    verdict = _whole(lake)
    assert verdict.states["purged"] == found.answers
    assert verdict.unclaimed == 0


@pytest.mark.parametrize("chosen", CHOICES, ids=lambda chosen: chosen.words)
def test_purging_twice_takes_nothing_more_and_writes_nothing(lake: Storage, chosen: PurgeSelection) -> None:
    purge(lake, chosen, NOW)
    before = {key: lake.get(key) for key in lake.keys("")}
    again = purge(lake, chosen, NOW)
    assert (again.runs, again.answers, again.chunks, again.exports, again.problems) == (0, 0, 0, 0, [])
    assert {key: lake.get(key) for key in lake.keys("")} == before


def test_one_purge_after_another_takes_more_of_the_same_chunks(lake: Storage) -> None:
    before = _outcomes(lake)
    gone: set[str] = set()
    for key in ("11", "13", "14", "16", "18"):
        gone.add(key)
        found = purge(lake, PurgeSelection("1 id", keys=frozenset({key})), NOW)
        assert found.problems == []
        assert _outcomes(lake) == {place: body for place, body in before.items() if place[1] not in gone}
        _whole(lake)
    # No rest of a rest is left behind.
    named = {part.chunk.key for plan in plans(lake) for part in _parts(lake, plan.run) if part.chunk}
    assert set(lake.list_all_versions("raw/movie/")) == named
    purge(lake, ALL, NOW)
    assert _outcomes(lake) == {}
    assert list(lake.list_all_versions("raw/")) == []
    assert _whole(lake).states == {"purged": len(before)}


@pytest.mark.parametrize(
    ("chosen", "each"),
    [(IDS, 4), *(pytest.param(chosen, 1, marks=pytest.mark.long) for chosen in (IDS, OLDER, ALL))],
    ids=lambda given: getattr(given, "words", None),
)
def test_a_purge_that_is_killed_at_any_step_is_completed_by_the_next(
    lived: MemoryStorage, chosen: PurgeSelection, each: int
) -> None:
    undisturbed = Stepping(copied(lived), counts)
    purge(undisturbed, chosen, NOW)
    before, kept = _outcomes(lived), _kept(lived, chosen)
    assert undisturbed.steps > 10
    named = 0
    for step in range(0, undisturbed.steps, each):
        lake = copied(lived)
        with pytest.raises(KilledError):
            purge(Stepping(lake, dies_at(step)), chosen, NOW)
        # A reader sees each answer whole or not at all, and never again what was said to be purged.
        seen = _outcomes(lake)
        assert kept.items() <= seen.items() <= before.items(), f"killed at step {step}"
        left = [problem for problem in verify(lake).problems if "was purged, but its bytes are still there" in problem]
        named += len(left)
        assert verify(lake).problems == left, f"killed at step {step}"
        assert left or seen == before or _lying(lake) == _read(lake), f"killed at step {step}"
        assert purge(lake, chosen, NOW).problems == []
        assert _outcomes(lake) == kept, f"killed at step {step}"
        assert _lying(lake) == _read(lake), f"killed at step {step}"
        _whole(lake)
    assert named


def test_bytes_that_come_back_are_named(lived: MemoryStorage) -> None:
    for chosen in (IDS, ALL):
        lake = copied(lived)
        purge(lake, chosen, NOW)
        for key in sorted(set(lived.keys("raw/")) - set(lake.keys("raw/"))):
            lake.put(key, lived.get(key))
            assert [key in problem for problem in verify(lake).problems] == [True], key
            assert purge(lake, OLDER if chosen is ALL else chosen, NOW).problems == []
            assert lake.size(key) is None
            _whole(lake)


def test_an_id_that_is_still_listed_is_asked_again_as_new(tiny: Tiny, lived: MemoryStorage) -> None:
    lake = copied(lived)
    _on_the_second_day(tiny)
    purge(lake, IDS, NOW)
    with open_ledger(lake, "movie", 2) as ledger:
        assert ledger.db.execute("select id from known where id in (12, 20, 27)").fetchall() == []
        assert ledger.db.execute("select ask from alias where ask = 'tt0000012'").fetchall() == []
    collect_small(lake, small(tiny))
    assert {key: reason for key, reason in reasons(lake, 3).items() if key in NAMED} == {
        "12": "new",
        "20": "new",
        "27": "new",
    }
    assert answers(lake)["12"].body == tiny.body(12)
    assert_whole(lake)
    # What was asked again is purged by the next one, and only that is left to take.
    found = purge(lake, IDS, NOW)
    assert (found.runs, found.answers) == (1, 3)
    _whole(lake)


def _on_the_second_day(tiny: Tiny) -> None:
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed = [*range(1, 3), *range(5, 35)]
    tiny.gone = {3, 7, 17}
    tiny.edition.update({1, 2, *range(10, 25)})


def test_a_purged_id_that_the_next_plan_forgets_is_named(tiny: Tiny, lived: MemoryStorage) -> None:
    lake = copied(lived)
    _on_the_second_day(tiny)
    purge(lake, IDS, NOW)
    # A plan that knows what was purged, as one made from an old ledger would.
    for key in lived.keys("_reelhouse/ledger/"):
        lake.put(key, lived.get(key))
    kept = lake.get(PURGES)
    lake.delete(PURGES)
    collect_small(lake, small(tiny))
    lake.put(PURGES, kept)
    assert "20" not in reasons(lake, 3)
    assert any("id 20 was listed in movie run 3, but was neither" in problem for problem in verify(lake).problems)


def test_a_ledger_that_was_kept_before_a_purge_is_not_used_after_it(lived: MemoryStorage) -> None:
    lake = copied(lived)
    old = {key: lake.get(key) for key in lake.keys("_reelhouse/ledger/movie/")}
    assert old
    purge(lake, ALL, NOW)
    assert list(lake.list_all_versions("_reelhouse/ledger/movie/")) == []
    # One that a slow collector puts after all.
    for key, body in old.items():
        lake.put(key, body)
    assert [one.known for one in status(lake, 0).entities] == []
    assert verify(lake).problems == []


def test_status_counts_only_what_is_left(lived: MemoryStorage) -> None:
    lake = copied(lived)
    (before,) = status(lake, 0).entities
    purge(lake, IDS, NOW)
    (after,) = status(lake, 0).entities
    assert (after.known, after.landed) == (before.known - 3, before.landed - 3)
    purge(lake, OLDER, NOW)
    (last,) = status(lake, 0).entities
    assert last.oldest_answer == "2026-03-02T12:00:00Z"


def test_a_run_that_is_open_does_not_ask_again_what_was_purged_of_it(tiny: Tiny) -> None:
    lake = MemoryStorage()
    chosen = small(tiny, chunk_answers=2)
    with pytest.raises(KilledError):
        collect_small(Stepping(lake, dies_at(25)), chosen)
    seen = {key for _, key in _outcomes(lake)}
    assert 2 < len(seen) < 20
    found = purge(lake, PurgeSelection("older than 1h", before="2030-01-01T00:00:00Z"), NOW)
    assert (found.answers, len(found.problems), found.abandoned) == (len(seen), 0, 0)
    assert status(lake, 0).open is not None
    tiny.forget()
    assert collect_small(lake, chosen).complete
    assert set(tiny.asked) == {str(id_) for id_ in range(1, 31)} - seen
    verdict = verify(lake)
    assert [problem for problem in verdict.problems if not any(key in problem for key in _young(lake))] == []
    assert verdict.states["purged"] == len(seen)
    assert sum(verdict.states.values()) == 30
    collect_small(lake, chosen)
    assert {key for key, reason in reasons(lake, 2).items() if reason == "new"} == seen


@pytest.mark.parametrize("what", ["ids", "entity", "all"])
def test_a_run_that_is_open_does_not_request_what_was_purged_before_it_got_there(tiny: Tiny, what: str) -> None:
    lake = MemoryStorage()
    chosen = small(tiny, chunk_answers=2)
    with pytest.raises(KilledError):
        collect_small(Stepping(lake, dies_at(25)), chosen)
    seen = {key for _, key in _outcomes(lake)}
    pending = {str(id_) for id_ in range(1, 31)} - seen
    named = frozenset({min(seen), min(pending), max(pending), "9999"})
    wanted = {"ids": PurgeSelection("4 ids", keys=named), "entity": MOVIES, "all": ALL}[what]
    abandoned = pending & named if what == "ids" else pending
    assert preview(lake, wanted, NOW).abandoned == len(abandoned)
    assert purge(lake, wanted, NOW).abandoned == len(abandoned)
    assert purge(lake, wanted, NOW).abandoned == 0
    opened = verify(lake)
    assert (opened.pending, opened.states["abandoned"]) == (len(pending - abandoned), len(abandoned))
    assert not [problem for problem in opened.problems if not any(key in problem for key in _young(lake))]
    tiny.forget()
    result = collect_small(lake, chosen)
    assert set(tiny.asked) == pending - abandoned
    assert result.complete
    assert result.reconciliation is not None
    assert result.reconciliation.abandoned == len(abandoned)
    verdict = verify(lake)
    assert verdict.requested == sum(verdict.states.values()) == 30
    assert not [problem for problem in verdict.problems if not any(key in problem for key in _young(lake))]
    # A receipt that is lost later does not hide behind them.
    lost = next(key for key in lake.keys("_reelhouse/runs/movie/000001/receipts/"))
    lake.delete(lost)
    assert any("has no receipt, though the run is reconciled" in problem for problem in verify(lake).problems)


def _young(lake: Storage) -> list[str]:
    """Chunks that nobody claims."""
    named = {part.chunk.key for plan in plans(lake) for part in _parts(lake, plan.run) if part.chunk}
    return [key for key in lake.keys("raw/movie/") if key not in named]


def test_an_export_stays_as_long_as_one_run_that_keeps_it_names_it(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny))
    tiny.now = "2026-03-01T18:00:00+00:00"
    collect_small(lake, small(tiny))
    first, second = plans(lake)
    assert first.export == second.export
    assert first.export is not None
    # The lake of the day after, in which the same day's file was fetched again.
    purge(lake, ALL, NOW)
    assert lake.size(first.export.key) is None
    collect_small(lake, small(tiny))
    (*_, third) = plans(lake)
    assert third.export is not None
    assert third.export.key == first.export.key
    assert lake.size(first.export.key) is not None
    verdict = _whole(lake)
    assert [note[:11] for note in verdict.notes] == ["movie run 1", "movie run 2"]
    one = PurgeSelection("1 id", keys=frozenset({"1"}))
    assert (preview(lake, one, NOW).exports, purge(lake, one, NOW).exports) == (0, 0)
    assert purge(lake, MOVIES, NOW).exports == 1
    _whole(lake)


def test_exports_that_no_run_names_go_by_their_own_day(lived: MemoryStorage) -> None:
    lake = copied(lived)
    old, young = (
        f"raw/exports/movie_ids/2026/03/{day}/movie_ids_03_{day}_2026-00ff00ff00ff.json.gz" for day in ("01", "03")
    )
    for key in (old, young):
        lake.put(key, gzip.compress(b'{"id":1,"original_title":"One"}\n'))
    purge(lake, IDS, NOW)
    assert lake.size(old) is not None
    purge(lake, OLDER, NOW)
    assert lake.size(old) is None
    assert lake.size(young) is not None
    lake.put(old, b"again")
    assert any(old in problem for problem in verify(lake).problems)
    purge(lake, ALL, NOW)
    assert list(lake.keys("raw/exports/")) == []
    _whole(lake)


def test_chunks_that_no_receipt_names_go_when_they_are_a_day_old(lived: MemoryStorage) -> None:
    lake = copied(lived)
    old, young = (_loose(lake, day) for day in ("2026-03-18", "2026-03-20"))
    found = purge(lake, OLDER, NOW)
    assert found.problems == []
    assert [lake.size(key) is None for key in (old, young)] == [True, False]
    _whole(lake)
    # It may hold what is chosen, and its receipt may still come.
    found = purge(lake, IDS, NOW)
    assert [young in problem for problem in found.problems] == [True]
    assert any(young in problem for problem in verify(lake).problems)
    assert purge(lake, OLDER, datetime(2026, 3, 22, 12, tzinfo=UTC)).problems == []
    assert lake.size(young) is None
    _whole(lake)


def _loose(lake: Storage, day: str, run: int = 1) -> str:
    key = chunk_key("movie", datetime.fromisoformat(day).date(), run, 0, "00c0ffee")
    writer = ChunkWriter(key, run, "movie", "")
    writer.add(
        b'{"id":20,"title":"Title 20"}',
        parses=True,
        key="20",
        path="",
        status=200,
        fetched_at=f"{day}T00:00:00Z",
        id=20,
    )
    lake.put(key, writer.close()[1])
    return key


def test_a_chunk_whose_receipt_cannot_be_read_is_not_taken_for_one_that_nobody_names(lived: MemoryStorage) -> None:
    lake = copied(lived)
    part = read_part(lake, "movie", 1, 0, 0)
    assert isinstance(part, Receipt)
    assert part.chunk is not None
    lake.put(receipt_key("movie", 1, 0, 0), b"{half")
    found = purge(lake, ALL, NOW)
    assert any(receipt_key("movie", 1, 0, 0) in problem for problem in found.problems)
    assert lake.size(part.chunk.key) is not None
    # Nor is one of a run whose plan is lost.
    loose = _loose(lake, "2026-03-01", run=7)
    assert any(loose in problem for problem in purge(lake, ALL, NOW).problems)
    assert lake.size(loose) is not None


def test_the_same_answer_that_another_worker_landed_too_goes_with_it(lived: MemoryStorage) -> None:
    lake = copied(lived)
    part = next(part for part in _parts(lake, 1) if part.unit == 1 and "20" not in {one.key for one in part.outcomes})
    assert part.chunk is not None
    more = msgspec.json.encode({**msgspec.json.decode(_line(lake, "20")), "line": part.chunk.lines})
    body = gzip.compress(gzip.decompress(lake.get(part.chunk.key)) + more + b"\n")
    chunk = ChunkRef(part.chunk.key, len(body), hashlib.sha256(body).hexdigest(), part.chunk.lines + 1)
    lake.put(chunk.key, body)
    lake.put(receipt_key("movie", 1, 1, part.part), encode(msgspec.structs.replace(part, chunk=chunk)))
    made = read_reconciliation(lake, "movie", 1)
    assert made is not None
    made = msgspec.structs.replace(made, bytes=made.bytes - part.chunk.size + chunk.size)
    lake.put(reconciliation_key("movie", 1), encode(made))
    drop_ledgers(lake)
    _whole(lake)
    before = _outcomes(lake)
    found = purge(lake, PurgeSelection("1 id", keys=frozenset({"20"})), NOW)
    assert (found.problems, found.rewritten) == ([], 3)
    assert _lying(lake) == _read(lake)
    assert _outcomes(lake) == {place: body for place, body in before.items() if place[1] != "20"}
    _whole(lake)


def _parts(lake: Storage, run: int) -> Iterator[Receipt]:
    plan = read_plan(lake, "movie", run)
    assert plan is not None
    return readable(read_receipts(lake, plan))


def _line(lake: Storage, key: str) -> bytes:
    lines = (line for key, body in _bytes(lake).items() if "/movie/" in key for line in body.splitlines())
    return next(line for line in lines if msgspec.json.decode(line)["key"] == key)


def test_what_is_to_stay_is_not_lost_over_what_is_to_go(lived: MemoryStorage) -> None:
    lake = copied(lived)
    claimed = next(part for part in _parts(lake, 1) if any(outcome.key == "20" for outcome in part.outcomes))
    assert claimed.chunk is not None
    spoilt = bytearray(lake.get(claimed.chunk.key))
    spoilt[len(spoilt) // 2] ^= 1
    lake.put(claimed.chunk.key, bytes(spoilt))
    found = purge(lake, PurgeSelection("1 id", keys=frozenset({"20"})), NOW)
    assert any(claimed.chunk.key in problem for problem in found.problems)
    assert lake.get(claimed.chunk.key) == bytes(spoilt)
    # Said to be purged it would be believed to be gone.
    assert claimed in list(_parts(lake, 1))
    # Where nothing of it is to stay, nothing has to be read.
    assert purge(lake, ALL, NOW).problems == []
    _whole(lake)


def test_what_discover_said_of_popularity_goes_with_the_run(tiny: Tiny) -> None:
    lake = MemoryStorage()
    plan = a_plan(lake, ["1"])
    settle(lake, plan, [a_outcome("1", line=0)])
    listing = "_reelhouse/runs/movie/000001/ids-feedfeedfeedfeed.gz"
    lake.put(listing, gzip.compress(b"1 7.5\n"))
    found = msgspec.json.decode(lake.get("_reelhouse/runs/movie/000001/plan.json"))
    found["listing"] = {"key": listing, "sha256": "", "count": 1}
    found["selection"]["source"] = "discover"
    lake.put("_reelhouse/runs/movie/000001/plan.json", msgspec.json.encode(found))
    purge(lake, ALL, NOW)
    assert lake.size(listing) is None
    _whole(lake)
    lake.put(listing, b"again")
    assert any(listing in problem for problem in verify(lake).problems)


def test_ids_that_no_answer_is_about_are_named(lived: MemoryStorage) -> None:
    lake = copied(lived)
    found = purge(lake, PurgeSelection("3 ids", keys=frozenset({"20", "999", "tt0000888"})), NOW)
    assert found.unknown == ["999", "tt0000888"]
    assert found.answers == 2


def test_what_was_set_aside_under_an_imdb_id_goes_with_the_title() -> None:
    lake = MemoryStorage()
    for run, state, found in ((1, State.QUARANTINED, None), (2, State.LANDED, 5)):
        plan = a_plan(lake, ["tt0000005", "6"], run=run)
        settle(lake, plan, [a_outcome("tt0000005", state, found=found), a_outcome("6")])
    assert purge(lake, PurgeSelection("1 id", keys=frozenset({"5"})), NOW).answers == 2
    assert {key for _, key in _outcomes(lake)} == {"6"}


def test_nothing_goes_where_a_plan_is_lost(lived: MemoryStorage) -> None:
    lake = copied(lived)
    lake.delete("_reelhouse/runs/movie/000001/plan.json")
    before = {key: lake.get(key) for key in lake.keys("")}
    # Without its first plan a lake looks as if it had none.
    assert any("has no plan" in problem for problem in purge(lake, ALL, NOW).problems)
    assert {key: lake.get(key) for key in lake.keys("raw/movie/")}.items() <= before.items()
    assert list(lake.keys("raw/movie/")) == [key for key in before if key.startswith("raw/movie/")]


def test_a_damaged_word_on_what_was_purged_stops_readers_and_is_named(lived: MemoryStorage) -> None:
    lake = copied(lived)
    purge(lake, IDS, NOW)
    for body, text in ((b"{half", "cannot be read"), (lake.get(purged_key("movie", 2)), "speaks for another run")):
        spoilt = copied(lake)
        spoilt.put(purged_key("movie", 1), body)
        assert any(text in problem for problem in verify(spoilt).problems)
        with pytest.raises(LakeError):
            purge(spoilt, ALL, NOW)
        with pytest.raises(LakeError), open_ledger(spoilt, "movie", 2):
            pass
    lake.delete(PURGES)
    assert any("no list of purges names run 1" in problem for problem in verify(lake).problems)


def test_receipts_keep_ids_states_and_times_and_no_title() -> None:
    with tiny_tmdb() as tiny:
        lake = MemoryStorage()
        collect_small(lake, small(tiny))
    receipts = {key: lake.get(key) for key in lake.keys("_reelhouse/runs/movie/") if "/receipts/" in key}
    purge(lake, ALL, NOW)
    assert {key: lake.get(key) for key in lake.keys("_reelhouse/runs/movie/") if "/receipts/" in key} == receipts
    for key in lake.list_all_versions(""):
        assert b"Title" not in _unpacked(lake.get(key)), key
    assert read_purged(lake, "movie", 1).purges[0].parts["0-0"] is None


def test_files_of_the_course_are_purged_too(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, layout="course"))
    others = "Raw/TMDB/JSON/2020/01/01/000001-somebody-else.json"
    lake.put(others, b"[]")
    before = _outcomes(lake)
    keys = {"1", "2", "20"}
    assert purge(lake, PurgeSelection("3 ids", keys=frozenset(keys)), NOW).problems == []
    assert _outcomes(lake) == {place: body for place, body in before.items() if place[1] not in keys}
    files = [key for key in lake.list_all_versions(COPIES) if key.endswith(".json") and key != others]
    assert files and all(file_number(key, 1) for key in files)
    assert not any(b'"title":"Title 20,' in body for body in _bytes(lake).values())
    _whole(lake)
    assert purge(lake, ALL, NOW).problems == []
    assert list(lake.list_all_versions("Raw/")) == [others]
    _whole(lake)
