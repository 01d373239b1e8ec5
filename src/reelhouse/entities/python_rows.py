"""The rows of declared tables in plain Python, from one answer, where there is no engine.

The declarations are those that `tables/select.py` follows; a test holds the rows equal for every table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from reelhouse.entities.paths import Level, around
from reelhouse.entities.schema import DAY, FETCHED_AT, PAGE_ROWS, POSITION, RANK, ColumnSpec, Table

Row = dict[str, Any]


class TypedAnswer(NamedTuple):
    """One landed answer: *values* and *rejected* as `lenient_parse` gives them, instants with a time zone."""

    id: int
    fetched_at: datetime | None
    values: dict[str, Any]
    rejected: list[dict[str, str]]


def python_rows(table: Table, answer: TypedAnswer) -> Iterator[Row]:
    """The rows of a table that is made of answers, with all its columns; lineage, of which there is none, is NULL."""
    # By hand there is only one, `rejected_value`.
    return _rejected(table, answer) if table.make else _declared(table, answer)


def _declared(table: Table, answer: TypedAnswer) -> Iterator[Row]:
    known: Row = {table.id_column: answer.id} if table.id_column else {}
    known[FETCHED_AT.name] = answer.fetched_at
    if table.is_daily:
        known[DAY.name] = _day(answer.fetched_at)
    for item, found in _items(table, 0, answer.values, known):
        if RANK.name in table.key:
            found = {**found, RANK.name: (answer.id - 1) * PAGE_ROWS + found[POSITION.name] + 1}
        row = {column.name: _value(table, column, found, item) for column in table.columns}
        if not table.required or row[table.required] is not None:
            yield row


def _items(table: Table, number: int, item: Any, known: Row) -> Iterator[tuple[Any, Row]]:
    """Each item from level *number* on, with the columns that come from around it."""
    if number == len(table.levels):
        yield item, known
        return
    level = table.levels[number]
    if table.outer and number == around(table.levels):
        known = {**known, **{name: _member(item, place.members) for name, place in table.outer.items()}}
    for place, inner in _entries(_member(item, level.members), level):
        if place not in table.except_keys:
            yield from _items(table, number + 1, inner, {**known, level.column or POSITION.name: place})


def _entries(container: Any, level: Level) -> Iterator[tuple[Any, Any]]:
    """Key and value of an object's entries, place and item of a list's."""
    if container is None:
        return
    if level.named:
        yield from ((key, container[name]) for name, key in level.named)
    elif level.column:
        pairs = container["rest"] if isinstance(container, dict) else container
        yield from ((pair["key"], pair["value"]) for pair in pairs or ())
    else:
        yield from ((place, item) for place, item in enumerate(container) if item is not None)


def _member(item: Any, members: tuple[str, ...]) -> Any:
    for name in members:
        item = None if item is None else item[name]
    return item


def _value(table: Table, column: ColumnSpec, known: Row, item: Any) -> Any:
    if column.fixed:
        return column.fixed
    place = table.placed.get(column.name)
    if place is None:
        key = known[column.name]
        return _number(key) if column.type == "bigint" and isinstance(key, str) else key
    value = known[column.name] if place.around else _member(item, place.members)
    if column.presence:
        return value is not None
    if column.type == "string":
        return _text(value)
    if column.type == "date":
        return _day(value)
    return value or None if column.zero_is_null else value


def _number(key: str) -> int | None:
    """A key of an object that is a number; None where it is none."""
    return int(key) if key.isascii() and key.isdigit() and len(key) < 19 else None


def _text(value: Any) -> str | None:
    """A text; TMDB writes "" where it knows none. Several are joined."""
    joined = ", ".join(each for each in value if each is not None) if isinstance(value, list) else value
    return joined or None


def _day(value: date | datetime | None) -> date | None:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


def _rejected(table: Table, answer: TypedAnswer) -> Iterator[Row]:
    lineage = {FETCHED_AT.name: answer.fetched_at, "run": None, "chunk": None, "line": None}
    for one in answer.rejected:
        yield {**table.settings, "id": answer.id, **one, **lineage}
