"""Reconciliation: what was asked is what came of it, or it is said by name what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.errors import LakeError
from reelhouse.raw.keys import receipt_key, reconciliation_key
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import ChunkRef, State
from reelhouse.raw.reconciliation import read_reconciliation, reconcile, tally
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import a_chunk, a_outcome, a_plan, settle


@settings(max_examples=60, deadline=None)
@given(
    states=st.lists(st.none() | st.sampled_from(list(State)), max_size=40),
    unit_size=st.integers(1, 12),
    cut=st.integers(1, 5),
)
def test_states_and_what_is_pending_always_add_up_to_what_was_asked(
    states: list[State | None], unit_size: int, cut: int
) -> None:
    storage = MemoryStorage()
    keys = [str(number + 1) for number in range(len(states))]
    plan = a_plan(storage, keys, unit_size=unit_size)
    for unit in range(plan.units):
        start = unit * unit_size
        settled = [
            (key, state)
            for key, state in zip(keys[start : start + unit_size], states[start : start + unit_size], strict=True)
            if state is not None
        ]
        for at in range(0, len(settled), cut):
            settle(storage, plan, [a_outcome(key, state) for key, state in settled[at : at + cut]], unit=unit)
    counted = tally(storage, plan)
    assert counted.settled + counted.pending == len(keys)
    assert counted.pending == states.count(None)
    assert {state: counted.states[state] for state in State} == {state: states.count(state) for state in State}
    assert counted.problems == []
    made, _ = reconcile(storage, plan)
    if None in states:
        assert made is None
        assert read_reconciliation(storage, "movie", 1) is None
    else:
        assert made is not None
        assert made.landed + made.filtered + made.gone + made.quarantined == made.requested == len(keys)
        assert made.complete
        assert made.clean == (State.QUARANTINED not in states)
        assert read_reconciliation(storage, "movie", 1) == made


def _lake() -> tuple[MemoryStorage, Plan, ChunkRef]:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2", "3"])
    chunk = a_chunk(storage, plan, 0, [("1", b"{}"), ("2", b"{}")])
    settle(storage, plan, [a_outcome("1", line=0), a_outcome("2", line=1)], chunk=chunk, drift={"unknown:x": 2})
    settle(storage, plan, [a_outcome("3", State.GONE)], drift={"unknown:x": 1, "missing:credits": 1})
    return storage, plan, chunk


def test_chunks_bytes_and_drift_are_counted_over_all_receipts() -> None:
    storage, plan, chunk = _lake()
    made, _ = reconcile(storage, plan)
    assert made is not None
    assert (made.chunks, made.bytes) == (1, chunk.size)
    assert made.drift == {"missing:credits": 1, "unknown:x": 3}
    assert made.complete
    assert made.clean


def _claimed_twice(storage: MemoryStorage, plan: Plan, chunk: ChunkRef) -> None:
    third = storage.get(receipt_key("movie", 1, 0, 1)).replace(b'"part":1', b'"part":2')
    storage.put(receipt_key("movie", 1, 0, 2), third)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (_claimed_twice, "id 3 is claimed by part 2 of unit 0"),
        (
            lambda storage, plan, chunk: storage.delete(chunk.key),
            "raw/movie/2026/11/23/000001-00000-t.jsonl.gz is gone",
        ),
        (lambda storage, plan, chunk: storage.put(chunk.key, b"cut"), "has another size than its receipt says"),
        (lambda storage, plan, chunk: storage.put(receipt_key("movie", 1, 0, 2), b"?"), "00000-2.json names nothing"),
    ],
    ids=["claimed twice", "chunk gone", "chunk cut", "unreadable receipt"],
)
def test_what_does_not_add_up_is_named_and_the_run_is_not_whole(
    harm: Callable[[MemoryStorage, Plan, ChunkRef], None], named: str
) -> None:
    storage, plan, chunk = _lake()
    harm(storage, plan, chunk)
    (problem,) = tally(storage, plan).problems
    assert named in problem
    made, _ = reconcile(storage, plan)
    assert made is not None
    assert not made.complete


def test_pending_ids_are_named_but_not_without_end() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, [str(number) for number in range(100, 150)], unit_size=7)
    counted = tally(storage, plan)
    assert counted.pending == 50
    assert len(counted.pending_keys) == 20
    assert counted.pending_keys[0] == "100"


def test_a_run_is_reconciled_once_and_the_first_word_stays() -> None:
    storage, plan, chunk = _lake()
    first, _ = reconcile(storage, plan)
    storage.delete(chunk.key)
    assert reconcile(storage, plan)[0] == first
    assert read_reconciliation(storage, "movie", 1) == first


def test_a_damaged_or_newer_one_is_a_damage_and_no_open_run() -> None:
    storage = MemoryStorage()
    storage.put(reconciliation_key("movie", 1), b"{")
    with pytest.raises(LakeError, match=r"reconciliation\.json cannot be read"):
        read_reconciliation(storage, "movie", 1)
    storage.put(reconciliation_key("movie", 1), b'{"format":4}')
    with pytest.raises(LakeError, match="upgrade reelhouse"):
        read_reconciliation(storage, "movie", 1)


def test_a_run_that_asks_nothing_is_whole_at_once() -> None:
    storage = MemoryStorage()
    made, _ = reconcile(storage, a_plan(storage, []))
    assert made is not None
    assert (made.requested, made.complete, made.clean) == (0, True, True)


def test_a_turn_s_end_looks_no_further_than_units_are_begun() -> None:
    class Counting(MemoryStorage):
        looks = 0

        def get(self, key: str) -> bytes:
            self.looks += "/receipts/" in key
            return super().get(key)

    storage = Counting()
    keys = [str(number + 1) for number in range(5001)]
    plan = a_plan(storage, keys, unit_size=10)
    for unit in (0, 1, 40):
        settle(storage, plan, [a_outcome(key) for key in keys[unit * 10 : unit * 10 + 10]], unit=unit)
    storage.looks = 0
    made, counted = reconcile(storage, plan)
    assert (made, counted.settled, counted.pending) == (None, 30, len(keys) - 30)
    assert counted.checkpoint.units == 41
    assert storage.looks < 150
    # A check of the lake looks at all.
    settle(storage, plan, [a_outcome(keys[-1])], unit=500)
    assert tally(storage, plan).settled == 31
    for unit in sorted(set(range(500)) - {0, 1, 40}):
        settle(storage, plan, [a_outcome(key) for key in keys[unit * 10 : unit * 10 + 10]], unit=unit)
    made, counted = reconcile(storage, plan, counted.checkpoint)
    assert made is not None
    assert (made.requested, made.landed, counted.pending) == (5001, 5001, 0)
