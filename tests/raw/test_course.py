"""Files of the course: plain arrays that anybody reads, in which each body lies as it came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.errors import LakeError
from reelhouse.raw.chunk import Envelope
from reelhouse.raw.course import (
    MOST_BYTES,
    MOST_RECORDS,
    CourseWriter,
    drop_unclaimed,
    legible_records,
    read_answers,
    read_records,
)
from reelhouse.raw.keys import COURSE, Layout, course_key, is_course, receipt_key
from reelhouse.raw.plan import Cause
from reelhouse.raw.receipt import ChunkRef, Outcome, Receipt, State
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import a_plan, settle, tmdb_data

KEY = "Raw/TMDB/JSON/2026/11/23/000007-00003-0badcafe.json"


def _written(bodies: Sequence[bytes], key: str = KEY) -> tuple[ChunkRef, bytes]:
    writer = CourseWriter(key)
    for body in bodies:
        writer.add(body, parses=True, key="1", path="/movie/1", status=200, fetched_at="")
    size = writer.size
    reference, made = writer.close()
    assert (reference.size, reference.lines) == (len(made), len(bodies)) == (size, len(bodies))
    assert reference.sha256 == hashlib.sha256(made).hexdigest()
    return reference, made


def _receipt(chunk: ChunkRef, keys: Sequence[str]) -> Receipt:
    outcomes = [
        Outcome(key, State.LANDED, Cause.NEW, "2026-11-23T09:00:00Z", id=550 + line, line=line, etag='W/"1"')
        for line, key in enumerate(keys)
    ]
    return Receipt(run=7, unit=3, part=0, entity="movie", outcomes=outcomes, chunk=chunk)


def test_a_file_is_an_array_with_a_record_on_each_line() -> None:
    _, made = _written([b'{"id":1, "title":"\\u00e9"}', '{"id":2,"title":"é\u2028"}'.encode()])
    assert made.decode() == '[\n{"id":1, "title":"\\u00e9"},\n{"id":2,"title":"é\u2028"}\n]\n'
    assert [record["title"] for record in json.loads(made)] == ["é", "é\u2028"]


@pytest.mark.parametrize(
    ("kinds", "key"),
    [
        (False, "Raw/TMDB/JSON/2026/11/23/000007-00003-0badcafe.json"),
        (True, "Raw/TMDB/JSON/Movies/2026/11/23/000007-00003-0badcafe.json"),
    ],
)
def test_the_level_for_the_kind_stands_above_the_date(kinds: bool, key: str) -> None:
    assert course_key(Layout(True, kinds), "movie", date(2026, 11, 23), 7, 3, "0badcafe") == key
    assert is_course(key)


@pytest.mark.parametrize(
    "key",
    [
        "raw/movie/2026/11/23/000007-00003-0badcafe.jsonl.gz",
        "Raw/TMDB/JSON/2026/11/23/movies.json",
        "Raw/TMDB/JSON/Movies/2026/11/23/000007-00003-0badcafe.json.bak",
        "x/Raw/TMDB/JSON/2026/11/23/000007-00003-0badcafe.json",
    ],
)
def test_what_others_laid_beside_it_is_none_of_ours(key: str) -> None:
    assert not is_course(key)


def test_a_hundred_records_fit_and_no_more() -> None:
    writer = CourseWriter(KEY)
    for _ in range(MOST_RECORDS):
        assert writer.fits(b"{}")
        writer.add(b"{}")
    assert not writer.fits(b"{}")


def test_a_file_may_weigh_ten_megabytes_and_not_a_byte_more() -> None:
    whole = MOST_BYTES - len(b"[\n\n]\n")
    first = b'{"a":"%b"}' % (b"x" * 5_000_000)
    rest = whole - len(first) - len(b",\n")
    writer = CourseWriter(KEY)
    writer.add(first)
    assert not writer.fits(b"x" * (rest + 1))
    assert writer.fits(b"x" * rest)
    writer.add(b"x" * rest)
    assert writer.close()[0].size == MOST_BYTES


def test_a_record_that_is_larger_than_a_file_may_be_is_alone_in_its_own() -> None:
    writer = CourseWriter(KEY)
    large = b'{"a":"%b"}' % (b"x" * (MOST_BYTES + 1))
    assert writer.fits(large)
    writer.add(large)
    assert not writer.fits(b"{}")
    _, made = writer.close()
    assert read_records(KEY, made) == [large]


_BLANKS = st.text(" \t\r\n", max_size=3)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.builds(
            lambda value, before, after, indent: (before + json.dumps({"v": value}, indent=indent) + after).encode(),
            _VALUES,
            _BLANKS,
            _BLANKS,
            st.none() | st.integers(0, 2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_bodies_come_back_byte_for_byte_with_line_ends_and_blanks(bodies: list[bytes]) -> None:
    _, made = _written(bodies)
    assert read_records(KEY, made) == bodies
    assert json.loads(made) == [json.loads(body) for body in bodies]


def test_all_recorded_movies_come_back_as_they_came() -> None:
    files = sorted(path for path in tmdb_data("recorded", "movie").iterdir() if path.is_file())[:MOST_RECORDS]
    bodies = [path.read_bytes() for path in files]
    _, made = _written(bodies)
    assert read_records(KEY, made) == bodies


def test_a_receipt_makes_envelopes_of_its_records() -> None:
    storage = MemoryStorage()
    bodies = [b'{"id":550}', b'{\n"id":551}', b' {"id":552}']
    reference, made = _written(bodies)
    storage.put_new(KEY, made)
    found = list(read_answers(storage, _receipt(reference, ["550", "551", "tt0000552"])))
    assert [one.bytes for one in found] == bodies
    assert [one.sha256 for one in found] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert [(one.chunk, one.run, one.entity, one.line, one.key, one.id, one.etag) for one in found] == [
        (KEY, 7, "movie", 0, "550", 550, 'W/"1"'),
        (KEY, 7, "movie", 1, "551", 551, 'W/"1"'),
        (KEY, 7, "movie", 2, "tt0000552", 552, 'W/"1"'),
    ]
    assert {one.fetched_at for one in found} == {"2026-11-23T09:00:00Z"}


def test_a_record_that_no_claim_names_does_not_exist() -> None:
    storage = MemoryStorage()
    reference, made = _written([b'{"id":550}', b'{"id":551}'])
    storage.put_new(KEY, made)
    receipt = _receipt(reference, ["550", "551"])
    del receipt.outcomes[0]
    assert [one.key for one in read_answers(storage, receipt)] == ["551"]


def test_a_receipt_without_a_chunk_has_no_answers() -> None:
    receipt = Receipt(run=7, unit=3, part=0, entity="movie", outcomes=[])
    assert list(read_answers(MemoryStorage(), receipt)) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: made[:-1],
        lambda made: made[: len(made) // 2],
        lambda made: b"",
        lambda made: made + b"\n",
        lambda made: made.replace(b'"id":551', b'"id":559'),
        lambda made: made.replace(b"550", b"xxx").replace(b"551", b"550").replace(b"xxx", b"551"),
    ],
    ids=["cut by a byte", "cut in half", "emptied", "grown", "a byte changed", "two swapped"],
)
def test_a_file_that_is_not_what_was_put_is_a_damage(damage: Any) -> None:
    storage = MemoryStorage()
    reference, made = _written([b'{"id":550}', b'{"id":551}'])
    storage.put(KEY, damage(made))
    with pytest.raises(LakeError, match=KEY):
        list(_answers(storage, reference))


def _answers(storage: MemoryStorage, reference: ChunkRef) -> list[Envelope]:
    return list(read_answers(storage, _receipt(reference, ["550", "551"])))


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"[]",
        b"[\n]\n",
        b"{}",
        b'[\n{"id":1}',
        b'[\n{"id":1}, {"id":2}\n]\n',
        b"[\n\xff\n]\n",
        b"[\n" + b"[" * 99_999,
    ],
    ids=["empty", "empty array", "no record", "an object", "cut", "two on a line", "no utf-8", "too deep"],
)
def test_what_reelhouse_did_not_write_is_not_read_as_its_own(made: bytes) -> None:
    with pytest.raises(LakeError, match=KEY):
        read_records(KEY, made)


def test_of_a_damaged_file_the_lines_that_are_whole_can_still_be_read() -> None:
    _, made = _written([b'{"id":550}', b'{"id":551}', b'{"id":552}'])
    assert legible_records(made[:-8]) == [b'{"id":550}', b'{"id":551}', b""]
    assert legible_records(made.replace(b'"id":550', b'"id"550')) == [b"", b'{"id":551}', b'{"id":552}']


def test_files_that_no_receipt_of_a_reconciled_run_names_are_removed_and_nobody_elses() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    bodies = {"1": b'{"id":1}', "2": b'{"id":2}'}
    mine, left, other, theirs = (
        f"{COURSE}2026/11/23/{name}"
        for name in ("000001-00000-aa.json", "000001-00000-bb.json", "000002-00000-cc.json", "000001-my-own.json")
    )
    reference, made = _written(list(bodies.values()), mine)
    for key in (mine, left, other, theirs):
        storage.put_new(key, made)
    outcomes = [Outcome(key, State.LANDED, Cause.NEW, "", id=int(key), line=int(key) - 1) for key in bodies]
    settle(storage, plan, outcomes, chunk=reference)
    assert drop_unclaimed(storage, plan) == 1
    assert list(storage.keys(COURSE)) == sorted([mine, other, theirs])


def test_nothing_is_removed_while_a_receipt_cannot_be_read() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1"])
    storage.put_new(f"{COURSE}2026/11/23/000001-00000-aa.json", b"")
    storage.put_new(receipt_key("movie", 1, 0, 0), b"{half")
    assert drop_unclaimed(storage, plan) == 0
    assert len(list(storage.keys(COURSE))) == 1
