"""The course's layout: plain arrays for whoever reads the folder, with the same receipts, resume and verify behind."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.collect.verify import verify
from reelhouse.raw.course import MOST_BYTES
from reelhouse.raw.keys import COURSE, receipt_key
from reelhouse.raw.receipt import Receipt, read_part
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import Chosen
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from tests.runs.commands import Reelhouse
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.lakes import CHUNK, CONNECTIONS, Known, answers, assert_whole, collect, collect_small, small
from tests.runs.scenes import copied, second_day
from tests.runs.tiny import Tiny, tiny_tmdb
from tests.s3servers import aim, fresh_bucket, started

COURSE_SETTINGS = {"layout": "course"}


def _files(storage: Storage) -> dict[str, list[dict[str, Any]]]:
    """What somebody who knows nothing of reelhouse reads there."""
    return {key: json.loads(storage.get(key)) for key in storage.keys(COURSE)}


def _ids(storage: Storage) -> Counter[int]:
    return Counter(record["id"] for records in _files(storage).values() for record in records)


def _settled(tiny: Tiny, **more: Any) -> dict[str, Known]:
    """What an ordinary lake says of the same titles."""
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **more))
    return answers(lake)


def test_landed_answers_lie_in_arrays_and_everything_else_apart(tiny: Tiny) -> None:
    lake = MemoryStorage()
    assert collect_small(lake, small(tiny, **COURSE_SETTINGS)).whole
    assert answers(lake) == _settled(tiny)
    landed = {int(key) for key, known in answers(lake).items() if known.state == "landed"}
    assert _ids(lake) == Counter(landed)
    (keys,) = {frozenset(record) for records in _files(lake).values() for record in records}
    assert keys == frozenset(msgspec.json.decode(tiny.body(1)))
    assert all(key.startswith("Raw/TMDB/JSON/2026/03/01/000001-") for key in _files(lake))
    assert list(lake.keys("raw/movie/"))
    verdict = assert_whole(lake)
    assert (verdict.states["landed"], verdict.unclaimed) == (len(landed), 0)


def test_with_kinds_the_files_lie_below_movies(tiny: Tiny) -> None:
    lake = MemoryStorage()
    collect_small(lake, small(tiny, layout="course", course_kinds=True))
    assert {key.rpartition("/")[0] for key in _files(lake)} == {"Raw/TMDB/JSON/Movies/2026/03/01"}
    assert_whole(lake)


def test_a_file_holds_at_most_a_hundred_records() -> None:
    lake = MemoryStorage()
    with tiny_tmdb(Tiny(range(1, 251))) as tiny:
        collect(lake, small(tiny, chunk_answers=1000, **COURSE_SETTINGS))
    sizes = sorted(len(records) for records in _files(lake).values())
    assert (sum(sizes), sizes[-2:]) == (245, [100, 100])
    assert_whole(lake)


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
        chosen = small(tiny, record_filter="", chunk_answers=1000, chunk_megabytes=100.0, **COURSE_SETTINGS)
        collect(lake, chosen)
    assert _ids(lake) == Counter(list(padding))
    for key, records in _files(lake).items():
        assert (lake.size(key) or 0) <= MOST_BYTES or [record["id"] for record in records] == [4]
    assert len(_files(lake)) <= 4
    assert_whole(lake)


def test_a_body_with_line_ends_is_kept_byte_for_byte_among_the_others(tiny: Tiny) -> None:
    body = b' {\n  "id": 3,\r\n  "runtime": 90 }\n'
    tiny.instead = lambda request: web.Response(body=body) if request.path.endswith("/movie/3") else None
    lake = MemoryStorage()
    collect_small(lake, small(tiny, **COURSE_SETTINGS))
    assert answers(lake)["3"].body == body
    assert _ids(lake)[3] == 1
    assert_whole(lake)


def test_a_kill_at_any_step_loses_nothing_and_leaves_no_record_twice(tiny: Tiny) -> None:
    chosen = small(tiny, **COURSE_SETTINGS)
    whole = Stepping(MemoryStorage(), counts)
    collect_small(whole, chosen)
    wanted, asked = answers(whole), Counter(tiny.asked)
    assert whole.steps > 40
    left = 0
    for step in range(whole.steps):
        lake = MemoryStorage()
        tiny.forget()
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), chosen)
        left += verify(lake).unclaimed
        collect_small(lake, chosen)
        assert sum((Counter(tiny.asked) - asked).values()) <= 2 * CHUNK + CONNECTIONS, f"killed at step {step}"
        assert answers(lake) == wanted, f"killed at step {step}"
        assert_whole(lake)
        assert set(_ids(lake).values()) == {1}, f"killed at step {step}"
    assert left, "no kill left a file behind, so nothing was shown"


def test_what_kills_left_goes_even_if_the_last_answer_uses_up_what_was_allowed(tiny: Tiny) -> None:
    tiny.broken = set()
    chosen = small(tiny, **COURSE_SETTINGS)
    for step in range(40):
        lake = MemoryStorage()
        with pytest.raises(KilledError):
            collect_small(Stepping(lake, dies_at(step)), chosen)
        if verify(lake).unclaimed:
            break
    result = collect(lake, chosen, max_requests=verify(lake).pending)
    assert result.whole
    assert set(_ids(lake).values()) == {1}
    assert assert_whole(lake).unclaimed == 0


def test_a_lake_may_change_its_layout_between_runs_and_within_one(tiny: Tiny) -> None:
    before, plain = MemoryStorage(), MemoryStorage()
    for lake, more in ((before, COURSE_SETTINGS), (plain, {})):
        tiny.now, tiny.listed, tiny.gone = "2026-03-01T12:00:00+00:00", list(range(1, 31)), {7, 17}
        tiny.changed, tiny.edition = {}, Counter()
        collect_small(lake, small(tiny, **more))
        second_day(tiny, lake)
        if lake is before:
            with pytest.raises(KilledError):
                collect_small(Stepping(lake, dies_at(20)), small(tiny))
            collect_small(lake, small(tiny, **COURSE_SETTINGS))
        else:
            collect_small(lake, small(tiny))
        assert_whole(lake)
    assert answers(before) == answers(plain)
    assert list(before.keys("raw/movie/2026/03/02/"))
    assert list(before.keys(f"{COURSE}2026/03/02/"))


@pytest.fixture(scope="module")
def collected() -> MemoryStorage:
    lake = MemoryStorage()
    with tiny_tmdb() as tiny:
        collect_small(lake, small(tiny, **COURSE_SETTINGS))
    return lake


def _of_unit(lake: Storage, key: str) -> tuple[Receipt, str]:
    for unit in range(3):
        for part in range(9):
            found = read_part(lake, "movie", 1, unit, part)
            if isinstance(found, Receipt) and any(outcome.key == key for outcome in found.outcomes):
                return found, receipt_key("movie", 1, unit, part)
    raise AssertionError(f"no receipt claims {key}")


def _swapped(body: bytes) -> bytes:
    first, second, *rest = body.split(b"\n")[1:]
    return b"\n".join([b"[", second.removesuffix(b",") + b",", first, *rest])


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda body: body[: len(body) // 2],
    "emptied": lambda body: b"",
    "gone": lambda body: None,
    "a byte changed": lambda body: body.replace(b'"id":12,', b'"id":19,'),
    "a record less": lambda body: b"[\n" + body.split(b"\n", 2)[2],
    "two swapped": _swapped,
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("refit", [False, True], ids=["receipt as it was", "receipt made to fit"])
def test_damage_is_named(collected: MemoryStorage, how: str, refit: bool) -> None:
    lake = copied(collected)
    receipt, key = _of_unit(lake, "12")
    assert receipt.chunk is not None
    chunk = receipt.chunk.key
    spoilt = DAMAGES[how](lake.get(chunk))
    if spoilt is None:
        lake.delete(chunk)
    else:
        assert spoilt != lake.get(chunk)
        lake.put(chunk, spoilt)
    if refit and spoilt is not None:
        stated = msgspec.json.decode(lake.get(key))
        stated["chunk"] |= {"size": len(spoilt), "sha256": hashlib.sha256(spoilt).hexdigest()}
        lake.put(key, msgspec.json.encode(stated))
    problems = verify(lake).problems
    assert any(chunk in problem for problem in problems)
    named = {
        outcome.key for outcome in receipt.outcomes if any(f"id {outcome.key}:" in problem for problem in problems)
    }
    assert named, problems
    if how == "a record less" and refit:
        assert any(f"{chunk} has {receipt.chunk.lines - 1} records, its receipt says" in each for each in problems)
    if how == "a byte changed":
        assert named == {"12"}


def test_a_pipe_separated_list_of_imdb_ids_fills_the_course(tiny: Tiny, reelhouse: Reelhouse) -> None:
    path = reelhouse.lake.parent / "movies.csv"
    path.write_text("id|tituloPincipal|anoLancamento\ntt0000001|Um|1999\ntt0000002|Dois|2001\ntt0000950|Nenhum|2002\n")
    course = {"REELHOUSE_LAYOUT": "course", "REELHOUSE_COURSE_KINDS": "true"}
    code, said, told = reelhouse("collect", "--ids", str(path), "--json", **course)
    assert (code, said["landed"], said["gone"]) == (0, 2, 1), told
    lake = FolderStorage(reelhouse.lake)
    ((key, records),) = _files(lake).items()
    assert key.startswith("Raw/TMDB/JSON/Movies/2026/03/01/")
    assert sorted(record["imdb_id"] for record in records) == ["tt0000001", "tt0000002"]
    assert reelhouse("verify", "--json", **course)[0] == 0
    code, said, _ = reelhouse("status", "--json", **course)
    assert said["entities"]["movie"]["landed"] == 2


def test_a_folder_holds_the_arrays_as_files(tiny: Tiny, tmp_path: Path) -> None:
    collect_small(FolderStorage(tmp_path), small(tiny, **COURSE_SETTINGS))
    found = [record for path in tmp_path.glob("Raw/TMDB/JSON/*/*/*/*.json") for record in json.loads(path.read_text())]
    assert len(found) == 25


def test_a_purged_answer_leaves_the_files_and_the_others_stay(collected: MemoryStorage) -> None:
    lake = copied(collected)
    before = answers(lake)
    chosen = Chosen("ids 12 and 13", keys=frozenset(("12", "13")))
    done = purge(lake, chosen, datetime(2026, 3, 5, tzinfo=UTC))
    assert (done.answers, done.problems) == (2, [])
    left = {key: known for key, known in before.items() if key not in ("12", "13")}
    assert _ids(lake) == Counter(int(key) for key, known in left.items() if known.state == "landed")
    assert {key: known for key, known in answers(lake).items() if key in left} == left
    assert not any(b"Title 12," in lake.get(key) for key in lake.keys(COURSE))
    assert verify(lake).problems == []


def test_a_bucket_is_filled_and_verified_as_a_folder_is(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started("moto")
    aim(monkeypatch, server)
    lake = open_storage(f"s3://{fresh_bucket(server)}/lake")
    assert collect_small(lake, small(tiny, **COURSE_SETTINGS)).whole
    assert answers(lake) == _settled(tiny)
    assert set(_ids(lake).values()) == {1}
    assert_whole(lake)
