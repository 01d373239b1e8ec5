"""Query results as text: CSV for spreadsheets, one JSON array of objects for programs."""

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
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"json: two columns of the query are named {twice!r}; give one another name by AS")
    rows = [dict(zip(names, row, strict=True)) for row in _rows(table)]
    return msgspec.json.encode(rows).decode() + "\n"


FORMS: dict[str, Callable[[Any], str]] = {"csv": as_csv, "json": as_json}


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
