"""Which answer speaks for an id: one table of cases, which every place that carries out the rule must agree with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from reelhouse.engines.session import session_factory
from reelhouse.maintenance.superseded import outcomes_needed
from reelhouse.raw.current import SETTLED, in_order, sequence_of
from reelhouse.raw.keys import receipt_key
from reelhouse.raw.ledger import SHOWN, keep_run, open_ledger
from reelhouse.raw.receipt import State
from reelhouse.storage.memory import MemoryStorage
from reelhouse.tables.current_record import current_outcomes
from tests.lakes import a_outcome, a_plan, settle

L, F, G, Q = State.LANDED, State.FILTERED, State.GONE, State.QUARANTINED


class CurrentPositions(NamedTuple):
    """The positions, in order, of the answer that tables show and of the newest one."""

    shown: int
    newest: int
    tombstoned: bool


def current(states: Sequence[State], *, listed: bool | None) -> CurrentPositions:
    """Of an id's answers, newest last and at least one; *listed* in the newest export, None where there is none."""
    newest = len(states) - 1
    settled = max((at for at, state in enumerate(states) if state in SETTLED), default=-1)
    gone = max((at for at, state in enumerate(states) if state is State.GONE), default=-1)
    tombstoned = gone > settled and not listed
    if tombstoned or (gone >= 0 and settled < 0):
        return CurrentPositions(gone, newest, tombstoned)
    return CurrentPositions(settled if settled >= 0 else newest, newest, tombstoned)


class Case(NamedTuple):
    """An id's answers, newest last, whether the newest export lists it (None: there is none), and what follows."""

    states: tuple[State, ...]
    listed: bool | None
    expected: CurrentPositions


CASES = [
    Case((L,), True, CurrentPositions(0, 0, False)),
    Case((L, L), True, CurrentPositions(1, 1, False)),
    Case((L, F), True, CurrentPositions(1, 1, False)),
    Case((F, L), False, CurrentPositions(1, 1, False)),
    Case((L, Q), True, CurrentPositions(0, 1, False)),
    Case((F, Q, Q), True, CurrentPositions(0, 2, False)),
    Case((Q, Q), True, CurrentPositions(1, 1, False)),
    Case((L, G), True, CurrentPositions(0, 1, False)),
    Case((L, G), False, CurrentPositions(1, 1, True)),
    Case((L, G), None, CurrentPositions(1, 1, True)),
    Case((G,), True, CurrentPositions(0, 0, False)),
    Case((G,), False, CurrentPositions(0, 0, True)),
    Case((G, Q), True, CurrentPositions(0, 1, False)),
    Case((G, Q), False, CurrentPositions(0, 1, True)),
    Case((L, G, Q), False, CurrentPositions(1, 2, True)),
    Case((L, G, Q), True, CurrentPositions(0, 2, False)),
    Case((G, L), False, CurrentPositions(1, 1, False)),
    Case((L, G, L), False, CurrentPositions(2, 2, False)),
    Case((Q, G), True, CurrentPositions(1, 1, False)),
]

# Every history of up to three answers; what is right for them is what the rule says, which the cases above pin.
HISTORIES = [states for length in (1, 2, 3) for states in product(State, repeat=length)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule(case: Case) -> None:
    assert current(case.states, listed=case.listed) == case.expected


def test_the_ledger_knows_the_newest_answer() -> None:
    storage = MemoryStorage()
    for run in (1, 2, 3):
        of_run = [(id_, states[run - 1]) for id_, states in enumerate(HISTORIES, 1) if len(states) >= run]
        plan = a_plan(storage, [str(id_) for id_, _ in of_run], run=run)
        settle(storage, plan, [a_outcome(str(id_), state) for id_, state in of_run])
    with open_ledger(storage, "movie", 3) as ledger:
        known = dict(ledger.db.execute("select id, state from known"))
    assert known == {id_: states[current(states, listed=True).newest].value for id_, states in enumerate(HISTORIES, 1)}


@pytest.mark.parametrize("pieces", ["receipts", "segments", "one run"])
def test_the_ledger_knows_when_the_landed_answer_was_fetched_that_tables_show(pieces: str) -> None:
    storage = MemoryStorage()
    for run in (1,) if pieces == "one run" else (1, 2, 3):
        ends = [
            (id_, at, state)
            for id_, states in enumerate(HISTORIES, 1)
            for at, state in enumerate(states)
            if pieces == "one run" or at + 1 == run
        ]
        # In one run only an IMDb id can answer for an id that was answered.
        keys = [f"tt{at}{id_:06d}" for id_, at, _ in ends]
        plan = a_plan(storage, keys, run=run)
        outcomes = [
            a_outcome(key, state, line=line, fetched_at=f"2026-11-0{at + 1}T00:00:00Z", found=id_)
            for line, (key, (id_, at, state)) in enumerate(zip(keys, ends, strict=True))
        ]
        settle(storage, plan, outcomes)
        if pieces != "receipts":
            keep_run(storage, plan)
            storage.delete(receipt_key("movie", run, 0, 0))
    with open_ledger(storage, "movie", run) as ledger:
        shown = dict(ledger.db.execute(f"select id, {SHOWN} from known"))
    expected = {id_: current(states, listed=True).shown for id_, states in enumerate(HISTORIES, 1)}
    assert shown == {
        id_: f"2026-11-0{at + 1}T00:00:00Z" if HISTORIES[id_ - 1][at] is L else None for id_, at in expected.items()
    }


def test_in_one_part_the_ledger_and_staging_have_one_order() -> None:
    landed = a_outcome("tt0000550", L, line=0, found=550)
    without_a_line = a_outcome("550", G)
    assert in_order([landed, without_a_line]) == [without_a_line, landed]
    storage = MemoryStorage()
    plan = a_plan(storage, ["tt0000550", "550"])
    settle(storage, plan, [landed, without_a_line])
    with open_ledger(storage, "movie", 1) as ledger:
        assert ledger.db.execute("select id, state from known").fetchall() == [(550, "landed")]


def test_a_greater_place_is_newer() -> None:
    places = [sequence_of(*at) for at in sorted(product((1, 2), (0, 1, 70_000), (0, 4_000), (0, 1, 30_000)))]
    assert places == sorted(set(places))


def _rows() -> list[dict[str, Any]]:
    return [
        {
            "id": id_,
            "sequence": sequence_of(at + 1, id_, 0, 0),
            "append_id": 1,
            "state": state.value,
            "requested_key": str(id_),
        }
        for id_, states in enumerate(HISTORIES, 1)
        for at, state in enumerate(states)
    ]


@pytest.mark.parametrize("listed", [True, False, None])
def test_tables_show_the_current_answer(listed: bool | None) -> None:
    spark = session_factory("sail")()
    staging = spark.createDataFrame(
        _rows(), "id bigint, sequence bigint, append_id bigint, state string, requested_key string"
    )
    ids = [(id_,) for id_ in range(1, len(HISTORIES) + 1)] if listed else [(0,)]
    export = spark.createDataFrame(ids, "id bigint")
    found = current_outcomes(staging, export, entity="movie", export_known=listed is not None).collect()
    assert {
        row["id"]: (row["sequence"], row["state"], row["newest_sequence"], row["newest_state"], row["tombstoned"])
        for row in found
    } == {
        id_: (
            sequence_of(one.shown + 1, id_, 0, 0),
            states[one.shown].value,
            sequence_of(one.newest + 1, id_, 0, 0),
            states[one.newest].value,
            one.tombstoned,
        )
        for id_, states in enumerate(HISTORIES, 1)
        for one in [current(states, listed=listed)]
    }


def test_what_is_superseded_never_speaks_again() -> None:
    rows = _rows()
    table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
    kept = set(outcomes_needed(table.to_reader()).sequences.tolist())
    for id_, states in enumerate(HISTORIES, 1):
        for later in [(), *((state,) for state in State)]:
            for listed in (True, False, None):
                one = current([*states, *later], listed=listed)
                for at in {one.shown, one.newest} - {len(states)}:
                    assert sequence_of(at + 1, id_, 0, 0) in kept
