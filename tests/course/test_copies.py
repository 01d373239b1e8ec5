"""Copies are made from receipts, in whatever order and however often these are offered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from reelhouse.collect.verify import verify
from reelhouse.course.copies import AnswerCopies, check_copies, read_state, state_key
from reelhouse.course.layout import COPIES, file_key, folder_of, is_file
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import StorageError
from reelhouse.raw.plan import put_ids, put_plan, read_plan
from reelhouse.raw.receipt import Receipt, State, put_receipt
from reelhouse.raw.reconciliation import reconcile
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.lakes import a_chunk, a_outcome, a_plan, settle
from tests.runs.dying import KilledError, Stepping, counts, dies_at
from tests.runs.scenes import copied

MOVIE = ENTITIES["movie"]
SERIES = replace(MOVIE, name="series", course_name="")
DAY = f"{COPIES}2026/11/23/"


def _parts(lake: MemoryStorage, *parts: tuple[str, ...], run: int = 1, asked: int = 0) -> list[Receipt]:
    """The receipts of one unit of a run, a part for each group of ids; with *asked* so many more stay pending."""
    ids = [id_ for part in parts for id_ in part]
    plan = a_plan(lake, [*ids, *(str(900 + number) for number in range(asked))], run=run)
    found = []
    for part, group in enumerate(parts):
        chunk = a_chunk(lake, plan, 0, [(id_, b'{"id":%s}' % id_.encode()) for id_ in group], token=f"{part:08x}")
        receipt = settle(lake, plan, [a_outcome(id_, line=line) for line, id_ in enumerate(group)], chunk=chunk)
        assert receipt is not None
        found.append(receipt)
    reconcile(lake, plan)
    return found


def _copied(lake: Storage) -> list[int]:
    files = [key for key in lake.keys(COPIES) if key.endswith(".json")]
    return [record["id"] for key in files for record in json.loads(lake.get(key))]


def _begun(lake: Storage, run: int = 0) -> AnswerCopies:
    copies = AnswerCopies(lake, MOVIE, kinds=False)
    copies.start(run, lambda: False)
    return copies


def test_a_part_whose_earlier_part_is_not_copied_waits_for_the_end() -> None:
    lake = MemoryStorage()
    copies = _begun(lake)
    first, second, third = _parts(lake, ("1", "2"), ("3",), ("4",))
    copies.take(third)
    copies.take(first)
    copies.take(first)
    assert _copied(lake) == [1, 2]
    copies.take(second)
    copies.finish(1)
    copies.check()
    assert _copied(lake) == [1, 2, 3, 4]
    assert list(check_copies(lake, [MOVIE])) == []


def test_what_another_worker_landed_is_copied_at_the_end() -> None:
    lake = MemoryStorage()
    copies = _begun(lake)
    _parts(lake, ("1",), ("2",))
    copies.finish(1)
    assert _copied(lake) == [1, 2]


def test_catching_up_stops_at_its_limit_and_goes_on_from_there() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1",), ("2",), ("3",))
    left = iter([False, True])
    copies = AnswerCopies(lake, MOVIE, kinds=False)
    copies.start(1, lambda: next(left))
    copies.leave()
    assert _copied(lake) == [1]
    _begun(lake, 1).finish(1)
    assert _copied(lake) == [1, 2, 3]
    assert list(check_copies(lake, [MOVIE])) == []


def test_a_day_of_which_everything_is_gone_keeps_a_mark_and_no_file() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1", "2"))
    _begun(lake, 1).finish(1)
    plan = a_plan(lake, ["1", "2"], run=2)
    settle(lake, plan, [a_outcome("1", State.GONE), a_outcome("2", State.FILTERED)])
    reconcile(lake, plan)
    _begun(lake, 2).finish(2)
    assert list(lake.keys(COPIES)) == [f"{COPIES}2026/11/23/_SUCCESS"]
    assert list(check_copies(lake, [MOVIE])) == []


def test_a_day_that_was_spoilt_is_written_again_when_it_is_completed() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1", "2"))
    _begun(lake, 1).finish(1)
    lake.put(f"{COPIES}2026/11/23/movies_0001.json", b"[]")
    _parts(lake, ("3",), run=2)
    _begun(lake, 2).finish(2)
    assert _copied(lake) == [1, 2, 3]
    assert list(check_copies(lake, [MOVIE])) == []


def test_a_state_that_cannot_be_read_stops_copying_and_says_what_to_do() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1",))
    lake.put(state_key(MOVIE), b"{half")
    copies = _begun(lake, 1)
    copies.finish(1)
    with pytest.raises(StorageError, match=rf"cannot be read.*remove the files below .* and {state_key(MOVIE)}"):
        copies.check()
    assert _copied(lake) == []


def test_an_open_run_keeps_what_it_copied_and_a_day_stays_incomplete() -> None:
    lake = MemoryStorage()
    copies = _begun(lake)
    for receipt in _parts(lake, ("1",), ("2",), asked=1):
        copies.take(receipt)
    copies.leave()
    state = read_state(lake, MOVIE)
    assert state is not None
    assert (state.through, state.open) == (0, {"0": 2})
    assert not any(day.complete for day in state.days.values())
    assert list(check_copies(lake, [MOVIE])) == []


def test_a_kill_at_any_step_of_completing_a_day_leaves_no_record_twice_and_none_of_before() -> None:
    lived = MemoryStorage()
    ids = tuple(str(id_) for id_ in range(1, 251))
    _parts(lived, ids[:150], ids[150:])
    _begun(lived, 1).finish(1)
    plan = a_plan(lived, ids, run=2)
    for part, group in enumerate((ids[100:], ids[:100])):
        bodies = [(id_, b'{"id":%s,"again":1}' % id_.encode()) for id_ in group]
        chunk = a_chunk(lived, plan, 0, bodies, token=f"{part + 8:08x}")
        outcomes = [a_outcome(id_, State.LANDED, line=line) for line, id_ in enumerate(group)]
        settle(lived, plan, [*outcomes[:-1], a_outcome(group[-1], State.GONE, line=len(group) - 1)], chunk=chunk)
    reconcile(lived, plan)
    undisturbed = Stepping(copied(lived), counts)
    _begun(undisturbed, 2).finish(2)
    assert undisturbed.steps > 10
    for step in range(undisturbed.steps):
        lake = copied(lived)
        with pytest.raises(KilledError):
            _begun(Stepping(lake, dies_at(step)), 2).finish(2)
        _begun(lake, 2).finish(2)
        files = [lake.get(key) for key in lake.keys(COPIES) if key.endswith(".json")]
        records = [record for body in files for record in json.loads(body)]
        assert sorted(record["id"] for record in records) == sorted({*range(1, 250)} - {100}), f"killed at step {step}"
        assert all("again" in record for record in records), f"killed at step {step}"
        assert list(check_copies(lake, [MOVIE])) == [], f"killed at step {step}"


def test_a_complete_day_loses_its_mark_while_a_later_run_adds_to_it() -> None:
    lake = MemoryStorage()
    mark = f"{COPIES}2026/11/23/_SUCCESS"
    _parts(lake, ("1",))
    _begun(lake, 1).finish(1)
    assert lake.size(mark)
    copies = _begun(lake, 1)
    (receipt,) = _parts(lake, ("2",), run=2, asked=1)
    copies.take(receipt)
    copies.leave()
    assert _copied(lake) == [1, 2]
    assert lake.size(mark) is None


def test_nothing_is_written_once_the_lake_is_held_no_longer() -> None:
    lake = MemoryStorage()
    held = True
    copies = AnswerCopies(lake, MOVIE, kinds=False, held=lambda: held)
    copies.start(0, lambda: False)
    first, second = _parts(lake, ("1",), ("2",))
    copies.take(first)
    held = False
    before = set(lake.keys(""))
    copies.take(second)
    copies.finish(1)
    copies.leave()
    copies.check()
    assert set(lake.keys("")) == before
    _begun(lake, 1).finish(1)
    assert _copied(lake) == [1, 2]


def _series(lake: MemoryStorage, ids: Iterable[str], run: int = 1) -> None:
    """An open run of series, all of which have landed; `_end` reconciles it."""
    made = a_plan(MemoryStorage(), ids, run=run)
    ids_object = put_ids(lake, "series", run, (f"{id_} new" for id_ in ids))
    put_plan(lake, msgspec.structs.replace(made, entity="series", ids=ids_object))
    bodies = [(id_, b'{"id":%s,"series":1}' % id_.encode()) for id_ in ids]
    chunk = a_chunk(lake, msgspec.structs.replace(made, entity="series", run=run), 7, bodies, token="5e1e5")
    outcomes = [a_outcome(id_, line=line) for line, id_ in enumerate(ids)]
    put_receipt(lake, Receipt(run=run, unit=0, part=0, entity="series", outcomes=outcomes, chunk=chunk), set(), 0)


def test_two_entities_share_a_day_and_its_mark_but_no_file() -> None:
    lake = MemoryStorage()
    _parts(lake, tuple(str(id_) for id_ in range(1, 251)))
    _begun(lake, 1).finish(1)
    _series(lake, ["1", "2"])
    copies = AnswerCopies(lake, SERIES, kinds=False)
    copies.start(1, lambda: False)
    copies.leave()
    # The day is not complete while the run of series is open, and that is not a fault of the movies.
    assert DAY + "_SUCCESS" not in lake.keys(COPIES)
    assert list(check_copies(lake, [MOVIE, SERIES])) == []
    # Movies that are fewer by now take no file of the series with them, and do not call the day complete.
    plan = a_plan(lake, [str(id_) for id_ in range(1, 250)], run=2)
    settle(lake, plan, [a_outcome(str(id_), State.GONE) for id_ in range(1, 250)])
    reconcile(lake, plan)
    _begun(lake, 2).finish(2)
    assert sorted(lake.keys(COPIES)) == [f"{DAY}movies_0001.json", f"{DAY}series_0001.json"]
    series_plan = read_plan(lake, "series", 1)
    assert series_plan is not None
    reconcile(lake, series_plan)
    copies = AnswerCopies(lake, SERIES, kinds=False)
    copies.start(1, lambda: False)
    copies.finish(1)
    copies.check()
    assert DAY + "_SUCCESS" in lake.keys(COPIES)
    assert list(check_copies(lake, [MOVIE, SERIES])) == []
    lake.delete(DAY + "_SUCCESS")
    assert len(list(check_copies(lake, [MOVIE, SERIES]))) == 2


def test_a_record_of_several_answers_is_copied_as_one() -> None:
    lake = MemoryStorage()
    plan = a_plan(lake, ["1", "2"])
    lines = [("1", b'{"id":1, "a":1}'), ("1", b'{"id":1, "b" : {"x":1.50}}'), ("2", b'{"id":2, "a":2}')]
    chunk = a_chunk(lake, plan, 0, lines)
    outcomes = [msgspec.structs.replace(a_outcome("1", line=0), lines=2), a_outcome("2", line=2)]
    settle(lake, plan, outcomes, chunk=chunk)
    reconcile(lake, plan)
    _begun(lake, 1).finish(1)
    body = lake.get(f"{DAY}movies_0001.json")
    assert json.loads(body) == [{"id": 1, "a": 1, "b": {"x": 1.5}}, {"id": 2, "a": 2}]
    assert b'{"x":1.50}' in body and b'{"id":2, "a":2}' in body


@pytest.mark.parametrize("name", ["watch_provider", "iso_3166"])
@pytest.mark.parametrize("kinds", [False, True])
def test_copies_are_known_as_such_whatever_their_entity_is_called(name: str, kinds: bool) -> None:
    assert is_file(file_key(folder_of(name, "2026/11/23", kinds=kinds), name, 1, 0))


def test_what_is_wrong_with_copies_is_said_once_however_many_entities_there_are() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1",))
    _begun(lake, 1).finish(1)
    lake.delete(DAY + "_SUCCESS")
    problems = verify(lake, entities=("movie", "series")).problems
    assert len([text for text in problems if COPIES in text]) == 1


def test_a_purge_writes_the_copies_of_all_its_entities_again() -> None:
    lake = MemoryStorage()
    _parts(lake, ("1", "2"))
    _begun(lake, 1).finish(1)
    _series(lake, ["1", "2"])
    copies = AnswerCopies(lake, SERIES, kinds=False)
    copies.start(1, lambda: False)
    copies.leave()
    both = {"movie": MOVIE, "series": SERIES}
    chosen = PurgeSelection("1 id", entity="movie", keys=frozenset({"1"}))
    assert purge(lake, chosen, datetime(2100, 1, 1, tzinfo=UTC), entities=both).problems == []
    assert sorted(lake.keys(COPIES)) == [f"{DAY}movies_0001-p1.json", f"{DAY}series_0001-p1.json"]
    assert list(check_copies(lake, both.values())) == []
