"""Query results in the formats of files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from reelhouse.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa


def as_csv(table: pa.Table) -> str:
    """CSV with a header; NULL is empty, nested values are JSON, timestamps are ISO in UTC."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in _rows(table):
        writer.writerow(["" if value is None else cell(value) for value in row])
    return text.getvalue()


def as_json(table: pa.Table) -> str:
    """A JSON array with one object a row, in the columns' order."""
    return msgspec.json.encode(list(_objects(table))).decode() + "\n"


def as_json_lines(table: pa.Table) -> str:
    """One JSON object a row and line."""
    return "".join(f"{msgspec.json.encode(row).decode()}\n" for row in _objects(table))


def as_parquet(table: pa.Table) -> bytes:
    """A Parquet file."""
    import pyarrow.parquet as pq

    _check_names(table, "parquet")
    body = io.BytesIO()
    pq.write_table(table, body)
    return body.getvalue()


FORMS: dict[str, Callable[[Any], str | bytes]] = {
    "csv": as_csv,
    "json": as_json,
    "jsonl": as_json_lines,
    "parquet": as_parquet,
}


def _objects(table: pa.Table) -> Iterator[dict[str, Any]]:
    _check_names(table, "json")
    return (dict(zip(table.column_names, row, strict=True)) for row in _rows(table))


def _check_names(table: pa.Table, form: str) -> None:
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{form}: two columns of the query are named {twice!r}; give one another name by AS")


def _rows(table: pa.Table) -> Iterator[list[Any]]:
    # In batches, so that a large result is never held as Python objects at once.
    for batch in table.to_batches(max_chunksize=10_000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield [plain(value) for value in row]


def plain(value: Any) -> Any:
    """A JSON value: no NaN, timestamps as `2026-11-23T20:00:00Z`, decimals exact as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def cell(value: Any) -> str:
    """A `plain` value that is not None, as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode() if isinstance(value, (list, dict)) else str(value)
