"""What maintenance leaves out of staging changes nothing that is made of it, now or after later answers."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.maintenance.superseded import COLUMNS, Outcomes, outcomes_needed


class Row(NamedTuple):
    sequence: int
    append_id: int
    id: int | None
    state: str
    requested_key: str


_SCHEMA = pa.schema(
    [
        ("sequence", pa.int64()),
        ("append_id", pa.int64()),
        ("id", pa.int64()),
        ("state", pa.string()),
        ("requested_key", pa.string()),
    ]
)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row._asdict() for row in rows], schema=_SCHEMA)


def _needed(rows: list[Row]) -> tuple[Outcomes, list[Row]]:
    # In two batches, as a table has several.
    some = [_batch(rows[::2]), _batch(rows[1::2])]
    outcomes = outcomes_needed(pa.RecordBatchReader.from_batches(_SCHEMA, some))
    return outcomes, [Row(**row) for batch in some for row in outcomes.of(batch).to_pylist()]


def _outcome(place: int, id_: int | None, state: str, key: int) -> tuple[int, int | None, str, str]:
    # One that has no id was never answered, and what was answered has one.
    if id_ is None or state == "quarantined":
        return place, id_ if state == "quarantined" else 1, state, f"tt{key}"
    return place, id_, state, str(id_) if key else f"tt{id_}"


_outcomes = st.lists(
    st.builds(
        _outcome,
        st.integers(0, 40),
        st.one_of(st.none(), st.integers(1, 4)),
        st.sampled_from(["landed", "filtered", "gone", "quarantined"]),
        st.integers(0, 3),
    ),
    max_size=25,
    unique_by=lambda outcome: outcome[0],
)


def _repeated(outcomes: list[tuple[int, int | None, str, str]], append_ids: list[int]) -> list[Row]:
    """Each claim appended once or more, as two builders do."""
    return [
        Row(place, batch, id_, state, key)
        for at, (place, id_, state, key) in enumerate(outcomes)
        for batch in range(1 + append_ids[at % len(append_ids)])
    ]


def _made(rows: list[Row]) -> tuple[object, ...]:
    """What `tables/current_record.py` and `tables/metadata_tables.py` make of rows, in plain words."""
    newest: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: row.append_id):
        newest[row.sequence] = row
    named = [row for row in newest.values() if row.id is not None]
    chosen = {
        (id_, kind): max((row for row in named if row.id == id_ and row.state in states), default=None)
        for id_ in {row.id for row in named}
        for kind, states in (
            ("any", ("landed", "filtered", "gone", "quarantined")),
            ("settled", ("landed", "filtered")),
            ("gone", ("gone",)),
        )
    }
    answered = {row.requested_key for row in named}
    mute: dict[str, Row] = {}
    for row in newest.values():
        if row.requested_key not in answered and (row.requested_key not in mute or mute[row.requested_key] < row):
            mute[row.requested_key] = row
    return chosen, mute


@given(_outcomes, st.lists(st.integers(0, 2), min_size=1, max_size=5), _outcomes)
def test_whatever_lands_later_the_same_is_made(
    outcomes: list[tuple[int, int | None, str, str]],
    append_ids: list[int],
    later: list[tuple[int, int | None, str, str]],
) -> None:
    rows = _repeated(outcomes, append_ids)
    found, kept = _needed(rows)
    assert sorted(kept) == sorted(set(kept)), "no row is there twice"
    assert set(kept) <= set(rows)
    assert (found.rows, found.superseded) == (len(rows), len(rows) - len(kept))
    # A later claim has a place of its own.
    more = [Row(100 + place, 9, id_, state, key) for place, id_, state, key in later]
    assert _made([*kept, *more]) == _made([*rows, *more])


def test_what_newer_answers_replaced_is_left_out() -> None:
    rows = [Row(place, 1, 7, "landed", "7") for place in range(10)]
    found, kept = _needed(rows)
    assert kept == [Row(9, 1, 7, "landed", "7")]
    assert found.superseded == 9


def test_what_answered_an_imdb_id_stays_so_that_the_same_ask_set_aside_later_is_known() -> None:
    rows = [Row(0, 1, 7, "landed", "tt7"), Row(1, 1, 7, "landed", "7"), Row(2, 1, 7, "landed", "7")]
    assert _needed(rows)[1] == [rows[0], rows[2]]


@pytest.mark.long
def test_of_nothing_nothing_is_kept() -> None:
    found, kept = _needed([])
    assert (found.rows, found.superseded, kept) == (0, 0, [])
    assert tuple(_SCHEMA.names) == COLUMNS
