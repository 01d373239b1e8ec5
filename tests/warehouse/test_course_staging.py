"""Files of the course become lines for the time of one append."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from reelhouse.errors import LakeError
from reelhouse.raw.chunk import read_lines
from reelhouse.raw.course import CourseWriter
from reelhouse.raw.keys import COURSE
from reelhouse.raw.plan import Cause
from reelhouse.raw.receipt import Outcome, Receipt, State
from reelhouse.storage.memory import MemoryStorage
from reelhouse.warehouse.course_staging import TURNED, as_lines, sweep_turned
from tests.lakes import a_chunk, a_plan


def test_a_record_with_line_ends_stays_one_line() -> None:
    lake = MemoryStorage()
    writer = CourseWriter(f"{COURSE}2026/11/23/000001-00000-aa.json")
    body = b'{\r\n "id": 1}\n'
    outcome = Outcome("1", State.LANDED, Cause.NEW, "", id=1, line=writer.add(body))
    chunk, made = writer.close()
    lake.put_new(chunk.key, made)
    with as_lines(lake, [Receipt(1, 0, 0, "movie", [outcome], chunk)]) as (key,):
        assert len(gzip.decompress(lake.get(key)).splitlines()) == 1
        assert [line.bytes for line in read_lines(key, lake.get(key))] == [body]


def _course(lake: MemoryStorage, part: int, *ids: int) -> Receipt:
    writer = CourseWriter(f"{COURSE}2026/11/23/000001-00000-{part:08x}.json")
    outcomes = [
        Outcome(str(id_), State.LANDED, Cause.NEW, "", id=id_, line=writer.add(b'{"id":%d}' % id_)) for id_ in ids
    ]
    chunk, body = writer.close()
    lake.put_new(chunk.key, body)
    return Receipt(1, 0, part, "movie", outcomes, chunk)


def test_records_become_envelopes_that_name_their_file_and_go_again() -> None:
    lake = MemoryStorage()
    plain = a_chunk(lake, a_plan(lake, ["7"]), 0, [("7", b'{"id":7}')])
    receipts = [_course(lake, 0, 1, 2), Receipt(1, 0, 1, "movie", [], plain), _course(lake, 2, 3)]
    with as_lines(lake, receipts) as keys:
        assert plain.key in keys
        lines = [line for key in keys if key != plain.key for line in read_lines(key, lake.get(key))]
        raw = gzip.decompress(lake.get(next(key for key in keys if key.startswith(TURNED)))).splitlines()
    assert [(line.chunk[-6:], line.line, line.id, line.bytes) for line in lines] == [
        ("0.json", 0, 1, b'{"id":1}'),
        ("0.json", 1, 2, b'{"id":2}'),
        ("2.json", 0, 3, b'{"id":3}'),
    ]
    assert json.loads(raw[0])["body"] == {"id": 1}
    assert list(lake.keys(TURNED)) == []


def test_a_damaged_file_is_named_and_leaves_nothing_behind() -> None:
    lake = MemoryStorage()
    receipts = [_course(lake, 0, 1), _course(lake, 1, 2)]
    key = f"{COURSE}2026/11/23/000001-00000-00000001.json"
    lake.put(key, b"[]")
    with pytest.raises(LakeError, match=key), as_lines(lake, receipts):
        pass
    assert list(lake.keys(TURNED)) == []


def test_what_a_killed_build_left_goes_after_a_day_and_what_is_in_use_stays() -> None:
    lake = MemoryStorage()
    old, young = (f"{TURNED}{int(time.time()) - age:012d}-aa/00000.jsonl.gz" for age in (90_000, 3_000))
    lake.put(old, b"")
    lake.put(young, b"")
    sweep_turned(lake)
    assert list(lake.keys(TURNED)) == [young]
