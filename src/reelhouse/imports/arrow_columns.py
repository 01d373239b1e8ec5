"""Columns that come typed, from Parquet or a database: which type of a table holds all that theirs can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from reelhouse.errors import ReelhouseError
from reelhouse.imports.columns import NEW_SCHEMA, named
from reelhouse.imports.types import TEXT, arrow_type, within_years
from reelhouse.warehouse.import_registry import ImportColumn

_LONGEST = 38


def kind_of(kind: Any) -> str | None:
    """The table's type for an Arrow type; None where there is none. What is nested becomes JSON."""
    if pt.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pt.is_uint64(kind):
        return "decimal(20,0)"
    if pt.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision <= _LONGEST else TEXT
    for test, name in _KINDS:
        if test(kind):
            return name
    return None


def is_zoneless(kind: Any) -> bool:
    """Whether instants of an Arrow type name no zone."""
    return bool(pt.is_timestamp(kind) and kind.tz is None)


def may_become(found: str, wanted: str) -> bool:
    """Whether values of type *found* may be brought into a column that is pinned as *wanted*, each checked."""
    return found == wanted or wanted == TEXT or (found == "bigint" and wanted.startswith(("double", "decimal")))


def as_pinned(found: Sequence[ImportColumn], pinned: Sequence[ImportColumn] | None, where: str) -> list[ImportColumn]:
    """The columns that are *found*, or those that are *pinned*, where the types of the former may become theirs."""
    kinds = {column.name: column.type for column in found}
    for column in pinned or ():
        if not may_become(kinds[column.name], column.type):
            raise ReelhouseError(
                f"{where}: column {column.name} is {kinds[column.name]}, which is no {column.type}; {NEW_SCHEMA}"
            )
    return list(found if pinned is None else pinned)


def typed(array: Any, column: ImportColumn, where: str) -> Any:
    """An array as *column* is, or `ReelhouseError` where a value does not fit."""
    try:
        found = converted(array, column.type)
    except pa.ArrowInvalid as exc:
        said = str(exc).splitlines()[0]
        raise ReelhouseError(f"{where}: column {column.name} is no {column.type}: {said}; {NEW_SCHEMA}") from exc
    if not within_years(found, column.type):
        raise ReelhouseError(f"{where}: column {column.name} holds infinity, or a year before 1 or after 9999")
    return found


def columns_of(schema: Any, where: str) -> tuple[list[ImportColumn], list[str]]:
    """The columns that those of an Arrow schema become, and what a person should know of it."""
    columns, notes = [], []
    for column, field in zip(named(schema.names, where), schema, strict=True):
        kind = kind_of(field.type)
        if kind is None:
            raise ReelhouseError(
                f"{where}: column {field.name} is {field.type}, which no table here holds: leave it out"
            )
        if is_zoneless(field.type):
            notes.append(f"{column.name}: instants without a time zone are taken as UTC")
        columns.append(ImportColumn(column.name, kind, column.source))
    return columns, notes


def converted(column: Any, kind: str) -> Any:
    """An array as *kind*; `pa.ArrowInvalid` where a value does not fit."""
    if pt.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pt.is_nested(column.type):
        texts = (None if value is None else msgspec.json.encode(value).decode() for value in column.to_pylist())
        return pa.array(texts, pa.string())
    if pt.is_timestamp(column.type):
        # What is finer than a microsecond no engine of a lake would show.
        zone = column.type.tz
        column = column.cast(pa.timestamp("us", zone), safe=False)
    return column.cast(arrow_type(kind))


def _is_text(kind: Any) -> bool:
    return any(test(kind) for test in (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_time, pt.is_null))


_KINDS = (
    (pt.is_boolean, "boolean"),
    (pt.is_integer, "bigint"),
    (pt.is_floating, "double"),
    (pt.is_date, "date"),
    (pt.is_timestamp, "timestamp"),
    (_is_text, TEXT),
    (pt.is_nested, TEXT),
)
