"""From settled asks to rows of one table, as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T

from reelhouse.build.engine import arrow_schema
from reelhouse.ids import tmdb_id
from reelhouse.raw.receipt import State
from reelhouse.runtimes.data_source_asking import Settled
from reelhouse.tables.catalogue import ANSWERS
from reelhouse.tables.columns import TableSpec
from reelhouse.tables.movie_shape import MOVIE
from reelhouse.tables.plain import ANSWERED, PlainAnswer, Row, plain_rows
from reelhouse.tables.salvage import salvage
from reelhouse.tables.staging import staged_name

# Rows of a batch: a movie may have a thousand of them in one table.
_BATCH_ROWS = 5000

# The state that a table of claims is about; `record` holds every ask that is known to mean an id.
_STATES = {"quarantine": State.QUARANTINED, "tombstone": State.GONE}


def batches_of(
    asked: Iterable[list[Settled]], spec: TableSpec, schema: T.StructType, elsewhere: frozenset[int]
) -> Iterator[pa.RecordBatch]:
    """The rows of *spec* with the columns of *schema*; an id that was asked under two names is there once."""
    arrow = arrow_schema(schema)
    seen: set[int] = set()
    rows: list[Row] = []
    for settled in asked:
        for one in settled:
            if _again(one, seen, elsewhere):
                continue
            rows += _rows(one, spec)
            if len(rows) >= _BATCH_ROWS:
                yield _batch(rows, arrow)
                rows = []
    if rows:
        yield _batch(rows, arrow)


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    made = pa.RecordBatch.from_pylist(rows, schema=schema)
    return pa.RecordBatch.from_arrays([_null_throughout(column) for column in made.columns], schema=schema)


def _null_throughout(values: pa.Array) -> pa.Array:
    """*values* with NULL in each field of what is NULL: Sail 0.7.2 takes what pyarrow puts there, 0, for a value."""
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


def _again(one: Settled, seen: set[int], elsewhere: frozenset[int]) -> bool:
    id_ = one.claim.id
    if id_ is None:
        return False
    if id_ in seen or (id_ in elsewhere and tmdb_id(one.claim.ask) is None):
        return True
    seen.add(id_)
    return False


def _rows(one: Settled, spec: TableSpec) -> Iterator[Row]:
    claim = one.claim
    if spec.name == ANSWERS:
        if one.body is not None and claim.id is not None:
            yield _whole_answer(one, one.body)
    elif spec.name not in ANSWERED:
        if claim.state is _STATES.get(spec.name, claim.state) and (claim.id is not None or spec.name == "quarantine"):
            yield _of_claim(one)
    elif one.body is not None and claim.id is not None:
        values, rejected = _read(one.body)
        yield from plain_rows(spec, PlainAnswer(claim.id, _instant(claim.fetched_at), values, rejected))


def _read(body: bytes) -> tuple[dict[str, Any], list[dict[str, str]]]:
    found = salvage(body, MOVIE)
    return {name: found.values.get(name) for name in MOVIE}, [each._asdict() for each in found.rejected]


def _whole_answer(one: Settled, body: bytes) -> Row:
    """A row of staging: the answer as it came, typed, from which every table can be made."""
    values, rejected = _read(body)
    return {
        **_of_claim(one),
        "reason": one.claim.reason.value,
        "rejected": rejected,
        **{staged_name(name): value for name, value in values.items()},
    }


def _of_claim(one: Settled) -> Row:
    """What tables of claims say of it; where its answer lies in a lake, nothing does."""
    claim = one.claim
    return {
        "entity": "movie",
        "id": claim.id,
        "ask": claim.ask,
        "state": claim.state.value,
        "why": claim.why,
        "fetched_at": _instant(claim.fetched_at),
        "sha256": one.sha256,
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
