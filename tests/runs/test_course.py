"""The course layout: copies for people beside the raw zone, made from receipts, whole at the end of each run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from aiohttp import web

from reelhouse.collect.verify import verify
from reelhouse.course.checker import check_course
from reelhouse.course.copies import CopyState, read_state
from reelhouse.course.layout import COPIES, MOST_BYTES, SUCCESS
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import LakeError, StorageError
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.retention.erasure import preview, purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from tests.runs.commands import Reelhouse
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import CHUNK, CONNECTIONS, Known, answers, assert_whole, collect, collect_small, plans, small
from tests.runs.scenes import copied, second_day
from tests.runs.tiny import Tiny, tiny_tmdb
from tests.s3servers import aim, fresh_bucket, started

DAY = f"{COPIES}2026/03/01/"
COURSE = {"layout": "course"}
MOVIE = ENTITIES["movie"]
NOW = datetime(2026, 3, 5, tzinfo=UTC)


def _files(storage: Storage, below: str = COPIES) -> dict[str, list[dict[str, Any]]]:
    """What somebody who knows nothing of reelhouse reads there."""
    return {key: json.loads(storage.get(key)) for key in storage.keys(below) if key.endswith(".json")}


def _ids(storage: Storage, below: str = COPIES) -> Counter[int]:
    return Counter(record["id"] for records in _files(storage, below).values() for record in records)


def _landed(storage: Storage) -> Counter[int]:
    return Counter(int(key) for key, known in answers(storage).items() if known.state == "landed")


def _settled(tiny: Tiny, **more: Any) -> dict[str, Known]:
    """What an ordinary lake says of the same titles."""
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **more))
    return answers(lake)


def _assert_right(storage: Storage) -> None:
    """The lake is whole, and a stranger's checker finds nothing in the copies."""
    assert_whole(storage)
    assert check_course(storage).problems == []


def test_landed_answers_are_copied_into_arrays_and_nothing_else_is(tiny: Tiny) -> None:
    lake = MemoryStorage()
    assert collect_small(lake, small(tiny, **COURSE)).complete
    assert answers(lake) == _settled(tiny)
    assert _ids(lake) == _landed(lake)
    assert list(lake.keys(COPIES)) == [f"{DAY}{SUCCESS}", f"{DAY}movies_0001.json"]
    for known in answers(lake).values():
        assert (
            known.state != "landed"
            or f"\n{(known.body or b'').decode()}" in lake.get(f"{DAY}movies_0001.json").decode()
        )
    _assert_right(lake)


def test_with_kinds_the_files_are_below_movies(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny, layout="course", course_kinds=True))
    assert list(_files(lake)) == ["Raw/TMDB/JSON/Movies/2026/03/01/movies_0001.json"]
    _assert_right(lake)


def test_a_day_stays_in_its_folder_when_the_level_for_kinds_is_switched_on(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **COURSE))
    tiny.listed.append(31)
    collect_small(lake, small(tiny, layout="course", course_kinds=True))
    assert list(_files(lake)) == [f"{DAY}movies_0001.json", f"{DAY}movies_0002.json"]
    _assert_right(lake)


def test_files_are_filled_to_a_hundred_records() -> None:
    lake = MemoryStorage()
    with tiny_tmdb(Tiny(range(1, 251))) as tiny:
        collect(lake, small(tiny, chunk_answers=70, **COURSE))
    assert [len(records) for records in _files(lake).values()] == [100, 100, 45]
    assert list(_files(lake)) == [f"{DAY}movies_000{number}.json" for number in (1, 2, 3)]
    _assert_right(lake)


def test_a_file_holds_at_most_ten_megabytes_and_a_larger_record_is_alone() -> None:
    padding = {1: 4_000_000, 2: 4_000_000, 3: 4_000_000, 4: 11_000_000, 6: 3_000_000, 8: 10}

    def padded(request: web.BaseRequest) -> web.StreamResponse | None:
        name = request.path.removeprefix("/3/movie/")
        if not name.isdigit():
            return None
        return web.json_response({"id": int(name), "x": "x" * padding[int(name)]})

    lake = MemoryStorage()
    world = Tiny()
    world.listed = list(padding)
    world.instead = padded
    with tiny_tmdb(world) as tiny:
        collect(lake, small(tiny, record_filter="", chunk_answers=1000, chunk_megabytes=100.0, **COURSE))
    assert _ids(lake) == Counter(list(padding))
    for key, records in _files(lake).items():
        assert (lake.size(key) or 0) <= MOST_BYTES or [record["id"] for record in records] == [4]
    assert len(_files(lake)) <= 4
    assert_whole(lake)


def test_a_body_with_line_ends_is_kept_byte_for_byte_among_the_others(tiny: Tiny) -> None:
    body = b' {\n  "id": 3,\r\n  "runtime": 90 }\n'
    tiny.instead = lambda request: web.Response(body=body) if request.path.endswith("/movie/3") else None
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **COURSE))
    assert answers(lake)["3"].body == body
    assert body in lake.get(f"{DAY}movies_0001.json")
    assert _ids(lake)[3] == 1


def test_an_open_run_has_its_copies_and_no_mark_of_success(tiny: Tiny) -> None:
    lake = MemoryStorage()
    chosen = small(tiny, **COURSE)
    assert not collect(lake, chosen, max_requests=20).complete
    assert _ids(lake) == _landed(lake)
    assert 5 < _ids(lake).total() < 25
    assert lake.size(DAY + SUCCESS) is None
    assert verify(lake).problems == []
    assert collect(lake, chosen).complete
    assert _ids(lake) == _landed(lake)
    _assert_right(lake)


def test_the_newest_answer_of_the_day_wins_and_what_is_gone_or_filtered_by_then_leaves(tiny: Tiny) -> None:
    lake = MemoryStorage()
    chosen = small(tiny, **COURSE)
    collect_small(lake, chosen)
    before = _ids(lake)
    tiny.now = "2026-03-01T15:00:00+00:00"
    tiny.edition.update([1, 2, 30])
    tiny.gone.add(3)
    tiny.short.add(4)
    tiny.broken.add(10)
    collect(lake, chosen, full=True)
    assert _ids(lake) == before - Counter([3, 4])
    titles = {record["id"]: record["title"] for records in _files(lake).values() for record in records}
    assert [titles[id_].split()[-1] for id_ in (1, 2, 30, 20)] == ["1", "1", "1", "0"]
    assert 10 in titles, "an answer that cannot be believed replaces none"
    assert lake.size(DAY + SUCCESS)
    _assert_right(lake)
    tiny.now = "2026-03-01T18:00:00+00:00"
    tiny.gone.remove(3)
    collect(lake, chosen, full=True)
    assert _ids(lake) == before - Counter([4])
    _assert_right(lake)


def test_an_id_that_two_questions_of_a_run_came_to_has_one_record(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, **COURSE), keys=("12", "tt0000012", "13"))
    assert _ids(lake) == Counter([12, 13])
    _assert_right(lake)


def test_another_day_has_a_folder_of_its_own_and_the_older_records_stay(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **COURSE))
    first = _files(lake)
    second_day(tiny, lake)
    collect_small(lake, small(tiny, **COURSE))
    assert _files(lake, DAY) == first
    assert _ids(lake, f"{COPIES}2026/03/02/")[1] == 1
    _assert_right(lake)
    assert check_course(lake).repeats > 0


@pytest.mark.long
def test_a_kill_at_any_step_loses_nothing_and_leaves_no_record_twice(tiny: Tiny) -> None:
    chosen = small(tiny, **COURSE)
    whole = Stepping(MemoryStorage(), counts)
    collect_small(whole, chosen)
    wanted, asked = answers(whole), Counter(tiny.asked)
    assert whole.steps > 60
    begun = 0
    for step in range(whole.steps):
        lake = MemoryStorage()
        tiny.forget()
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), chosen)
        begun += bool(_files(lake)) and lake.size(DAY + SUCCESS) is None
        collect_small(lake, chosen)
        assert sum((Counter(tiny.asked) - asked).values()) <= 2 * CHUNK + CONNECTIONS, f"killed at step {step}"
        assert answers(lake) == wanted, f"killed at step {step}"
        assert _ids(lake) == _landed(lake), f"killed at step {step}"
        _assert_right(lake)
    assert begun, "no kill came while copies were written, so nothing was shown"


def test_a_lake_may_change_its_layout_between_runs_and_within_one(tiny: Tiny) -> None:
    before, plain = MemoryStorage(), MemoryStorage()
    for lake, more in ((before, COURSE), (plain, {})):
        tiny.now, tiny.listed, tiny.gone = "2026-03-01T12:00:00+00:00", list(range(1, 31)), {7, 17}
        tiny.changed, tiny.edition = {}, Counter()
        collect_small(lake, small(tiny, **more))
        second_day(tiny, lake)
        if lake is before:
            with pytest.raises(KilledError):
                collect_small(Stepping(lake, dies_at(20)), small(tiny))
            collect_small(lake, small(tiny, **COURSE))
        else:
            collect_small(lake, small(tiny))
        assert_whole(lake)
    assert answers(before) == answers(plain)
    assert not list(plain.keys(COPIES))
    # What had landed before the layout was chosen is copied as well, each day in its folder.
    collect_small(plain, small(tiny, **COURSE))
    for day in (DAY, f"{COPIES}2026/03/02/"):
        assert _ids(before, day) == _ids(plain, day)
        assert _ids(plain, day)
    _assert_right(before)
    _assert_right(plain)


def test_files_of_the_same_name_that_were_there_are_other_peoples(tiny: Tiny) -> None:
    lake = MemoryStorage()
    theirs = {f"{DAY}movies_0001.json": b"[]", f"{DAY}movies_0003.json": b"{}", f"{DAY}notes.json": b"[1]"}
    for key, body in theirs.items():
        lake.put(key, body)
    chosen = small(tiny, **COURSE)
    collect_small(lake, chosen)
    tiny.now = "2026-03-01T15:00:00+00:00"
    tiny.edition.update(range(1, 31))
    collect(lake, chosen, full=True)
    assert {key: lake.get(key) for key in theirs} == theirs
    assert sorted(_files(lake).keys() - theirs.keys()) == [f"{DAY}movies_0004.json"]
    assert_whole(lake)


class Refusing(MemoryStorage):
    """Takes no copies while it refuses, after so many of them."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def put(self, key: str, body: bytes) -> None:
        if key.startswith((COPIES, "_reelhouse/course/")):
            self.left -= 1
            if self.left < 0:
                raise StorageError("the bucket takes no copies")
        super().put(key, body)


@pytest.mark.parametrize("after", range(12))
def test_copies_that_cannot_be_put_are_an_error_and_the_next_run_puts_them(tiny: Tiny, after: int) -> None:
    lake = Refusing(after)
    chosen = small(tiny, **COURSE)
    with pytest.raises(StorageError, match=r"the answers have landed, .* not complete: the bucket takes no copies"):
        collect_small(lake, chosen)
    assert answers(lake) == _settled(tiny)
    assert after < 2 or any("the next run completes it" in problem for problem in verify(lake).problems)
    lake.left = 1000
    tiny.forget()
    collect_small(lake, chosen)
    assert set(tiny.asked) <= {"9", "7", "17"}
    assert _ids(lake) == _landed(lake)
    _assert_right(lake)


def test_a_chunk_that_is_damaged_before_it_is_copied_is_named_and_the_others_are_copied(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny))
    receipt = _of(lake, "12")
    assert receipt.chunk is not None
    lake.put(receipt.chunk.key, b"")
    tiny.listed.append(31)
    with pytest.raises(LakeError, match=rf"lack answers: {receipt.chunk.key}"):
        collect_small(lake, small(tiny, **COURSE))
    lost = Counter(outcome.id for outcome in receipt.outcomes if outcome.state.value == "landed")
    assert _ids(lake) == Counter([*range(1, 32)]) - Counter([5, 15, 7, 17, 9]) - lost
    assert lake.size(DAY + SUCCESS)


def _of(lake: Storage, key: str) -> Receipt:
    for plan in plans(lake):
        for found in read_receipts(lake, plan):
            if isinstance(found, Receipt) and any(outcome.key == key for outcome in found.outcomes):
                return found
    raise AssertionError(f"no receipt claims {key}")


@pytest.fixture(scope="module")
def collected() -> MemoryStorage:
    lake = MemoryStorage()
    with tiny_tmdb() as tiny:
        collect_small(lake, small(tiny, **COURSE))
    return lake


DAMAGES: dict[str, Callable[[Storage], None]] = {
    "cut": lambda lake: lake.put(f"{DAY}movies_0001.json", lake.get(f"{DAY}movies_0001.json")[:-10]),
    "gone": lambda lake: lake.delete(f"{DAY}movies_0001.json"),
    "no mark": lambda lake: lake.delete(DAY + SUCCESS),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_to_copies_is_named(collected: MemoryStorage, how: str) -> None:
    lake = copied(collected)
    DAMAGES[how](lake)
    (problem,) = verify(lake).problems
    assert problem.startswith(f"{DAY} does not hold the 1 files of ")
    assert answers(lake) == answers(collected)


def test_what_the_message_on_damage_advises_repairs_it(collected: MemoryStorage, tiny: Tiny) -> None:
    lake = copied(collected)
    lake.put(f"{DAY}movies_0001.json", b"[]")
    for key in [*lake.keys(COPIES), *lake.keys("_reelhouse/course/")]:
        lake.delete(key)
    collect_small(lake, small(tiny, **COURSE))
    assert _files(lake).keys() == _files(collected).keys()
    assert _ids(lake) == _ids(collected)
    _assert_right(lake)


def test_a_pipe_separated_list_of_imdb_ids_fills_the_course(tiny: Tiny, reelhouse: Reelhouse) -> None:
    path = reelhouse.lake.parent / "movies.csv"
    path.write_text("id|tituloPincipal|anoLancamento\ntt0000001|Um|1999\ntt0000002|Dois|2001\ntt0000950|Nenhum|2002\n")
    course = {"REELHOUSE_LAYOUT": "course", "REELHOUSE_COURSE_KINDS": "true"}
    code, said, stderr = reelhouse("collect", "--ids", str(path), "--json", **course)
    assert (code, said["landed"], said["gone"]) == (0, 2, 1), stderr
    lake = FolderStorage(reelhouse.lake)
    ((key, records),) = _files(lake).items()
    assert key == "Raw/TMDB/JSON/Movies/2026/03/01/movies_0001.json"
    assert sorted(record["imdb_id"] for record in records) == ["tt0000001", "tt0000002"]
    assert reelhouse("verify", "--json", **course)[0] == 0
    code, said, _ = reelhouse("status", "--json", **course)
    assert said["entities"]["movie"]["landed"] == 2


def test_a_folder_holds_the_arrays_as_files(tiny: Tiny, tmp_path: Path) -> None:
    collect_small(FolderStorage(tmp_path), small(tiny, **COURSE))
    found = [record for path in tmp_path.glob("Raw/TMDB/JSON/*/*/*/*.json") for record in json.loads(path.read_text())]
    assert len(found) == 25


def test_names_of_other_people_that_are_no_keys_stand_in_nobodys_way(tiny: Tiny, tmp_path: Path) -> None:
    theirs = tmp_path / DAY / "Anota\u00e7\u00f5es 1.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[]")
    lake = FolderStorage(tmp_path)
    collect_small(lake, small(tiny, **COURSE))
    assert_whole(lake)
    assert purge(lake, PURGED, NOW).problems == []
    assert verify(lake).problems == []
    assert theirs.read_text() == "[]"


def test_a_bucket_is_filled_and_verified_as_a_folder_is(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started("moto")
    aim(monkeypatch, server)
    bucket = fresh_bucket(server)
    lake = open_storage(f"s3://{bucket}/lake")
    assert collect_small(lake, small(tiny, **COURSE)).complete
    assert answers(lake) == _settled(tiny)
    assert _ids(lake) == _landed(lake)
    _assert_right(lake)
    put = boto3.client("s3").head_object(Bucket=bucket, Key=f"lake/{DAY}movies_0001.json")
    assert put["ContentType"] == "application/json"


PURGED = PurgeSelection("ids 12 and 13", keys=frozenset(("12", "13")))


def test_a_purged_answer_leaves_the_copies_and_the_others_stay(collected: MemoryStorage) -> None:
    lake = copied(collected)
    before = answers(lake)
    assert preview(lake, PURGED, NOW).copies == 1
    done = purge(lake, PURGED, NOW)
    assert (done.answers, done.copies, done.exports, done.problems) == (2, 1, 0, [])
    left = {key: known for key, known in before.items() if key not in ("12", "13")}
    assert {key: known for key, known in answers(lake).items() if key in left} == left
    assert _ids(lake) == Counter(int(key) for key, known in left.items() if known.state == "landed")
    assert list(lake.keys(COPIES)) == [f"{DAY}{SUCCESS}", f"{DAY}movies_0001-p1.json"]
    _assert_right(lake)


def test_copies_that_hold_purged_answers_are_counted_and_the_next_purge_erases_them(collected: MemoryStorage) -> None:
    lake = copied(collected)
    purge(lake, PURGED, NOW)
    lake.put(f"{DAY}movies_0001.json", collected.get(f"{DAY}movies_0001.json"))
    (problem,) = verify(lake).problems
    assert problem.startswith(f"1 files under {COPIES} are from before the last purge")
    assert purge(lake, PurgeSelection("nothing", keys=frozenset(("999",))), NOW).copies == 1
    assert verify(lake).problems == []
    assert b"Title 12," not in b"".join(lake.get(key) for key in lake.keys(COPIES))


@pytest.mark.long
def test_a_purge_that_is_killed_leaves_no_purged_answer_unnamed_in_the_copies(
    collected: MemoryStorage, tiny: Tiny
) -> None:
    undisturbed = Stepping(copied(collected), counts)
    purge(undisturbed, PURGED, NOW)
    kept = _ids(undisturbed)
    named = 0
    for step in range(undisturbed.steps):
        for collects in (False, True):
            lake = copied(collected)
            with pytest.raises(KilledError):
                purge(Stepping(lake, dies_at(step)), PURGED, NOW)
            problems = verify(lake).problems
            purged = "12" not in answers(lake)
            remains = any(b"Title 12," in lake.get(key) for key in lake.keys(COPIES))
            counted = any("files under" in problem for problem in problems)
            assert counted or not (purged and remains), f"killed at step {step}"
            named += counted
            if collects and purged:
                # The collector must not erase; it writes what is left beside what is still to be erased.
                collect(lake, small(tiny, **COURSE), keys=("1",))
                assert b"Title 12," not in b"".join(lake.get(key) for key in _files(lake) if "-p1" in key)
            assert purge(lake, PURGED, NOW).problems == []
            assert not any(b"Title 12," in lake.get(key) for key in lake.keys(COPIES)), f"killed at step {step}"
            assert _ids(lake) == kept, f"killed at step {step}"
            _assert_right(lake)
    assert named


def test_everything_purged_leaves_no_copy_and_no_mark(collected: MemoryStorage) -> None:
    lake = copied(collected)
    lake.put(f"{DAY}mine.json", b"[]")
    assert purge(lake, PurgeSelection("all"), NOW).problems == []
    assert list(lake.list_all_versions(COPIES)) == [f"{DAY}mine.json"]
    assert verify(lake).problems == []


@pytest.mark.long
def test_old_versions_of_copies_in_a_bucket_are_purged_too(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started("moto")
    aim(monkeypatch, server)
    bucket = fresh_bucket(server)
    client = boto3.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    lake = open_storage(f"s3://{bucket}/lake")
    chosen = small(tiny, **COURSE)
    collect_small(lake, chosen)
    tiny.now = "2026-03-01T15:00:00+00:00"
    collect(lake, chosen, full=True)
    assert purge(lake, PURGED, NOW).problems == []
    entries = client.list_object_versions(Bucket=bucket, Prefix=f"lake/{COPIES}")["Versions"]
    bodies = {
        entry["Key"]: client.get_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])["Body"].read()
        for entry in entries
    }
    assert len(bodies) >= 2
    assert not any(b"Title 12," in body for body in bodies.values())
    assert set(_ids(lake).values()) == {1}


def test_the_state_of_copies_names_runs_and_days_and_no_titles(collected: MemoryStorage) -> None:
    state = read_state(collected, MOVIE)
    assert isinstance(state, CopyState)
    assert (state.through, state.open, list(state.days)) == (1, {}, [DAY])
    assert b"Title" not in msgspec.json.encode(state)
