"""Progress: a start of an open run reads what is new, and a cache that lies delays the end but never decides it."""

from __future__ import annotations

import pytest

from reelhouse.raw.checkpoint import Checkpoint, empty_checkpoint, read_checkpoint, save_checkpoint
from reelhouse.raw.keys import checkpoint_key, receipt_key
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import State
from reelhouse.raw.reconciliation import reconcile, tally
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import Noting, a_outcome, a_plan, settle

UNITS, SIZE = 6, 3


def _settled(storage: MemoryStorage, units: range, plan: Plan | None = None) -> Plan:
    plan = plan or a_plan(storage, map(str, range(1, UNITS * SIZE + 1)), unit_size=SIZE)
    for unit in units:
        outcomes = [a_outcome(str(unit * SIZE + each + 1), State.GONE) for each in range(SIZE)]
        settle(storage, plan, outcomes, unit=unit, drift={"unknown:x": 1})
    return plan


def test_a_count_goes_on_where_the_last_one_came_to() -> None:
    storage = Noting()
    plan = _settled(storage, range(4))
    whole = tally(storage, plan)
    made, _ = reconcile(storage, plan)
    assert made is None
    done = read_checkpoint(storage, plan)
    assert done.units == 4
    storage.read.clear()
    assert tally(storage, plan, done)._replace(checkpoint=whole.checkpoint) == whole
    assert not [key for key in storage.read if "receipts/0000" in key and int(key[-8]) < 4]


def test_a_unit_that_stays_open_keeps_no_other_from_counting_as_done() -> None:
    storage = Noting()
    plan = _settled(storage, range(1, UNITS))
    settle(storage, plan, [a_outcome("1", State.GONE)], drift={"unknown:x": 1})
    whole = reconcile(storage, plan)[1]
    done = read_checkpoint(storage, plan)
    assert (done.units, done.open, done.first) == (UNITS, [0], 0)
    assert done.states == {"gone": (UNITS - 1) * SIZE}
    storage.read.clear()
    assert tally(storage, plan, done) == whole
    assert not [key for key in storage.read if "receipts/" in key and "receipts/00000-" not in key]
    settle(storage, plan, [a_outcome(str(each), State.GONE) for each in range(2, SIZE + 1)], known={"1"})
    made, _ = reconcile(storage, plan, done)
    assert made is not None
    assert (made.gone, made.complete) == (UNITS * SIZE, True)


def test_nothing_is_kept_while_no_unit_is_settled() -> None:
    storage = MemoryStorage()
    plan = _settled(storage, range(0))
    assert reconcile(storage, plan)[1].checkpoint == empty_checkpoint(plan)
    assert storage.size(checkpoint_key("movie", 1)) is None


def test_the_end_is_counted_from_the_receipts_and_a_progress_that_lies_goes() -> None:
    storage = MemoryStorage()
    plan = _settled(storage, range(4))
    lie = Checkpoint("movie", 1, plan.ids.sha256, UNITS, states={"gone": UNITS * SIZE})
    save_checkpoint(storage, lie)
    made, counted = reconcile(storage, plan, read_checkpoint(storage, plan))
    assert made is None
    assert counted.pending == 2 * SIZE
    assert storage.size(checkpoint_key("movie", 1)) is None


def test_a_unit_with_a_problem_is_looked_at_again_by_every_count() -> None:
    storage = MemoryStorage()
    plan = _settled(storage, range(4))
    storage.put(receipt_key("movie", 1, 1, 1), b"?")
    _, counted = reconcile(storage, plan)
    assert (counted.checkpoint.units, counted.checkpoint.open) == (4, [1])
    _settled(storage, range(4, UNITS), plan)
    made, _ = reconcile(storage, plan, read_checkpoint(storage, plan))
    assert made is not None
    assert not made.complete


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"format": 99, "run": 1, "ids": ""}', b'{"format": 3, "run": 2, "ids": "x"}']
)
def test_a_progress_that_is_damaged_newer_or_of_another_plan_counts_as_none(body: bytes) -> None:
    storage = MemoryStorage()
    plan = _settled(storage, range(2))
    storage.put(checkpoint_key("movie", 1), body)
    assert read_checkpoint(storage, plan) == empty_checkpoint(plan)
    reconcile(storage, plan, read_checkpoint(storage, plan))
    assert read_checkpoint(storage, plan).units == 2
