"""From outcomes to rows of one table, as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T

from reelhouse.delta.engine import arrow_schema
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.paths import staged_name
from reelhouse.entities.python_rows import Row, TypedAnswer, python_rows
from reelhouse.entities.schema import ANSWERS, Entity, Table
from reelhouse.raw.receipt import State
from reelhouse.spark.api_partitions import SettledKey
from reelhouse.spark.options import OF_OUTCOMES

# Rows of a batch: an answer may have a thousand of them in one table.
_BATCH_ROWS = 5000

# The state that each table of outcomes holds; `record` holds every outcome with a known id.
_STATES = {"quarantine": State.QUARANTINED, "tombstone": State.GONE}


def batches_of(
    asked: Iterable[list[SettledKey]], entity: Entity, table: Table, schema: T.StructType, elsewhere: frozenset[int]
) -> Iterator[pa.RecordBatch]:
    """The rows of a *table* with the columns of *schema*; an id requested under two names has one row."""
    arrow = arrow_schema(schema)
    seen: set[int] = set()
    rows: list[Row] = []
    for settled in asked:
        for one in settled:
            if _again(one, seen, elsewhere):
                continue
            rows += _rows(one, entity, table)
            if len(rows) >= _BATCH_ROWS:
                yield _batch(rows, arrow)
                rows = []
    if rows:
        yield _batch(rows, arrow)


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    made = pa.RecordBatch.from_pylist(rows, schema=schema)
    return pa.RecordBatch.from_arrays([_null_throughout(column) for column in made.columns], schema=schema)


def _null_throughout(values: pa.Array) -> pa.Array:
    """*values* with NULL in each field of a NULL struct: pyarrow puts 0 there, which Sail 0.7.2 takes for a value."""
    if pa.types.is_struct(values.type):
        there = values.is_valid()
        fields = list(values.type)
        parts = [pc.if_else(there, values.field(at), pa.scalar(None, field.type)) for at, field in enumerate(fields)]
        inner = [_null_throughout(part) for part in parts]
        return pa.StructArray.from_arrays(inner, fields=fields, mask=values.is_null())
    if pa.types.is_list(values.type):
        inner = _null_throughout(values.values)
        return pa.ListArray.from_arrays(values.offsets, inner, type=values.type, mask=values.is_null())
    return values


def _again(one: SettledKey, seen: set[int], elsewhere: frozenset[int]) -> bool:
    id_ = one.outcome.id
    if id_ is None:
        return False
    if id_ in seen or (id_ in elsewhere and one.outcome.by_external_id):
        return True
    seen.add(id_)
    return False


def _rows(one: SettledKey, entity: Entity, table: Table) -> Iterator[Row]:
    outcome = one.outcome
    if table.name in OF_OUTCOMES:
        if outcome.state is _STATES.get(table.name, outcome.state) and (
            outcome.id is not None or table.name == "quarantine"
        ):
            yield _of_outcome(one, entity)
    elif one.body is not None and outcome.id is not None:
        values, rejected = _read(one.body, entity)
        if table.name == ANSWERS:
            yield _whole_answer(one, entity, values, rejected)
        else:
            yield from python_rows(table, TypedAnswer(outcome.id, _instant(outcome.fetched_at), values, rejected))


def _read(body: bytes, entity: Entity) -> tuple[dict[str, Any], list[dict[str, str]]]:
    found = lenient_parse(body, entity.shape)
    return {name: found.values.get(name) for name in entity.shape}, [each._asdict() for each in found.rejected]


def _whole_answer(one: SettledKey, entity: Entity, values: dict[str, Any], rejected: list[dict[str, str]]) -> Row:
    """A row of staging: the whole typed answer, from which every table can be made."""
    return {
        **_of_outcome(one, entity),
        "cause": one.outcome.cause.value,
        "rejected": rejected,
        **{staged_name(name): value for name, value in values.items()},
    }


def _of_outcome(one: SettledKey, entity: Entity) -> Row:
    """The columns of tables of outcomes, without those that locate an answer in a lake."""
    outcome = one.outcome
    return {
        "entity": entity.name,
        "id": outcome.id,
        "requested_key": outcome.key,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "fetched_at": _instant(outcome.fetched_at),
        "sha256": one.sha256,
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
