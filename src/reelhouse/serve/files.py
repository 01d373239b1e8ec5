"""Query results in the formats of files."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from reelhouse.errors import ConfigError, ReelhouseError

if TYPE_CHECKING:
    import pyarrow as pa


# In batches, so that a large result is never held as Python objects or as text at once.
_BATCH = 10_000


def as_csv(table: pa.Table) -> Iterator[str]:
    """CSV with a header; NULL is empty, an empty text is `""`, nested values are JSON, timestamps are ISO in UTC."""
    yield _csv_line(map(_csv_text, table.column_names))
    for batch in table.to_batches(max_chunksize=_BATCH):
        yield "".join(map(_csv_line, zip(*map(_csv_cells, batch.columns), strict=True)))


def _csv_line(cells: Iterable[str]) -> str:
    # A blank line would not be a row to many readers.
    return (",".join(cells) or '""') + "\n"


def _csv_cells(column: pa.Array) -> Iterable[str]:
    import pyarrow.types as of

    if of.is_integer(column.type) or of.is_boolean(column.type) or of.is_date32(column.type):
        # No such text needs quotes.
        cells: list[str] = column.cast("string").fill_null("").to_pylist()
        return cells
    return ("" if value is None else _csv_text(cell(value)) for value in _plain_values(column))


def _csv_text(shown: str) -> str:
    return '"' + shown.replace('"', '""') + '"' if not shown or _QUOTED.search(shown) else shown


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


def as_json(table: pa.Table) -> Iterator[str]:
    """A JSON array with one object per row, in the columns' order, without a line end."""
    _check_names(table, "json")
    return _json_array(table)


def _json_array(table: pa.Table) -> Iterator[str]:
    before = "["
    for rows in _objects(table):
        yield before + msgspec.json.encode(rows).decode()[1:-1]
        before = ","
    yield "[]" if before == "[" else "]"


def as_json_lines(table: pa.Table) -> Iterator[str]:
    """One JSON object per row and line."""
    _check_names(table, "json")
    return (msgspec.json.Encoder().encode_lines(rows).decode() for rows in _objects(table))


def as_parquet(table: pa.Table) -> Iterable[bytes]:
    """A Parquet file."""
    import pyarrow.parquet as pq

    _check_names(table, "parquet")
    body = io.BytesIO()
    pq.write_table(table, body)
    return (body.getvalue(),)


# What a value in a CSV cannot hold without quotes around it.
_QUOTED = re.compile('[",\r\n]')
# What spreadsheets take for a formula, by OWASP's list.
_FORMULA = r"\A[=+\-@\t\r\n＝＋－＠]"

# Each gives a file piece by piece.
FORMS: dict[str, Callable[[Any], Iterable[str | bytes]]] = {
    "csv": as_csv,
    "json": lambda table: itertools.chain(as_json(table), "\n"),
    "jsonl": as_json_lines,
    "parquet": as_parquet,
}


def _objects(table: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of *table*, some thousand at a time, none of them empty."""
    for batch in filter(len, table.to_batches(max_chunksize=_BATCH)):
        columns = map(_plain_values, batch.columns)
        yield [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _check_names(table: pa.Table, form: str) -> None:
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{form}: two columns of the query are named {twice!r}; give one another name by AS")


def python_values(column: pa.Array) -> list[Any]:
    """The values of a column; `ReelhouseError` for dates that Python does not have."""
    try:
        values: list[Any] = column.to_pylist()
        return values
    except (OverflowError, ValueError) as exc:
        raise ReelhouseError(f"a date outside the years 1 to 9999 ({exc}): cast it to string in the query") from exc


def _plain_values(column: pa.Array) -> list[Any]:
    """The values of a column as `plain` has them."""
    import pyarrow.types as of

    values = python_values(column)
    known = of.is_integer(column.type) or of.is_string(column.type) or of.is_boolean(column.type)
    return values if known else list(map(plain, values))


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
