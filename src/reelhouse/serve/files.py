"""Query results in the formats of files."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from reelhouse.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa


def as_csv(table: pa.Table) -> str:
    """CSV with a header; NULL is empty, an empty text is `""`, nested values are JSON, timestamps are ISO in UTC."""
    text = io.StringIO()
    for row in itertools.chain([table.column_names], _rows(table)):
        # A blank line would not be a row to many readers.
        text.write((",".join(map(_csv_cell, row)) or '""') + "\n")
    return text.getvalue()


def _csv_cell(value: Any) -> str:
    shown = "" if value is None else cell(value)
    return '"' + shown.replace('"', '""') + '"' if value == "" or _QUOTED.search(shown) else shown


def without_formulas(rows: Any) -> Any:
    """A table or batch in which no text, in no header either, is a formula to a spreadsheet: `'` is put before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring_regex(column, _FORMULA, r"'\0") if pa.types.is_string(column.type) else column
        for column in rows.columns
    ]
    names = [re.sub(_FORMULA, r"'\g<0>", name) for name in rows.schema.names]
    return type(rows).from_arrays(columns, names)


def as_json(table: pa.Table) -> str:
    """A JSON array with one object per row, in the columns' order."""
    return msgspec.json.encode(list(_objects(table))).decode() + "\n"


def as_json_lines(table: pa.Table) -> str:
    """One JSON object per row and line."""
    return "".join(f"{msgspec.json.encode(row).decode()}\n" for row in _objects(table))


def as_parquet(table: pa.Table) -> bytes:
    """A Parquet file."""
    import pyarrow.parquet as pq

    _check_names(table, "parquet")
    body = io.BytesIO()
    pq.write_table(table, body)
    return body.getvalue()


# What a value in a CSV cannot hold without quotes around it.
_QUOTED = re.compile('[",\r\n]')
# What spreadsheets take for a formula, by OWASP's list.
_FORMULA = r"\A[=+\-@\t\r\n＝＋－＠]"

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
