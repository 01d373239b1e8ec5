"""From outcomes to batches: an id has one row, whatever key requested it, and batches stay small."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from reelhouse.entities.schema import Table
from reelhouse.marts import REGISTRY
from reelhouse.raw.plan import Cause
from reelhouse.raw.receipt import Outcome, State
from reelhouse.spark.api_partitions import SettledKey
from reelhouse.spark.options import from_api
from reelhouse.spark.rows import batches_of
from reelhouse.tables.schemas import schema_of

AT = "2026-03-02T12:00:00Z"


def _landed(key: str, id_: int, **fields: object) -> SettledKey:
    body = json.dumps({"id": id_, **fields}).encode()
    return SettledKey(Outcome(key, State.LANDED, Cause.LISTED, AT, id=id_, line=0), body, "0" * 64)


def _batches(
    settled: list[list[SettledKey]], table: Table, elsewhere: frozenset[int] = frozenset()
) -> Iterator[pa.RecordBatch]:
    return batches_of(settled, REGISTRY.entities["movie"], table, schema_of(table.columns), elsewhere)


def _ids(*settled: SettledKey, table: str = "movie", elsewhere: frozenset[int] = frozenset()) -> list[int]:
    spec = from_api(REGISTRY, "movie")[table]
    column = "movie_id" if table == "movie" else "id"
    return [row[column] for batch in _batches([[one] for one in settled], spec, elsewhere) for row in batch.to_pylist()]


def test_an_id_requested_under_two_names_has_one_row() -> None:
    both = _landed("tt0000001", 1), _landed("tt0000009", 1), _landed("2", 2)
    for table in ("movie", "record", "answers"):
        assert _ids(*both, table=table) == [1, 2]
        # Another partition asks 1 by its own id.
        assert _ids(*both, table=table, elsewhere=frozenset((1, 2))) == [2]


def test_unanswered_ids_are_in_quarantine_only() -> None:
    lost = SettledKey(Outcome("tt0000001", State.QUARANTINED, Cause.LISTED, AT, reason="unavailable"))
    assert _ids(lost, lost, table="quarantine") == [None, None]
    assert _ids(lost, table="record") == _ids(lost) == _ids(lost, table="answers") == []


def test_a_movie_of_many_rows_does_not_wait_for_others() -> None:
    spec = from_api(REGISTRY, "movie")["movie_keyword"]
    many = {"keywords": {"keywords": [{"id": number, "name": "k"} for number in range(4000)]}}
    settled = [[_landed(str(number), number, **many) for number in range(1, 4)]]
    sizes = [batch.num_rows for batch in _batches(settled, spec)]
    assert sizes == [8000, 4000]
