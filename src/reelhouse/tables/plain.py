"""Rows of tables in plain Python, made of one answer and a table's declared columns, where there is no engine.

A column's `path` says where its value stands, so what the DataFrames of this folder select is not written down twice. A
test holds the two equal for every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple

from reelhouse.tables.catalogue import ANSWERS, TABLES
from reelhouse.tables.columns import ColumnSpec, TableSpec

Row = dict[str, Any]

# What TMDB writes 0 for where it knows none: money and minutes.
_AMOUNTS = frozenset(("minutes", "US dollars"))


class PlainAnswer(NamedTuple):
    """One landed answer: *values* and *rejected* as `salvage` gives them, instants with a time zone."""

    id: int
    fetched_at: datetime | None
    values: dict[str, Any]
    rejected: list[dict[str, str]]


class _Item(NamedTuple):
    """What one row is made of: a value of the answer, and columns that come from where it stands."""

    value: Any
    known: Row


class _Column(NamedTuple):
    name: str
    path: tuple[str, ...]
    read: Callable[[Any], Any]


def plain_rows(spec: TableSpec, answer: PlainAnswer) -> Iterator[Row]:
    """The rows of a table of `ANSWERED`, with all its columns; lineage, of which there is none, is NULL."""
    columns = _columns(spec.name)
    walk = _WALKS.get(spec.name) or _listed
    for item in walk(spec, answer):
        known = {"movie_id": answer.id, "fetched_at": answer.fetched_at, **item.known}
        yield {
            one.name: known[one.name] if one.name in known else one.read(_at(item.value, one.path)) for one in columns
        }


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = None if value is None else value[name]
    return value


@cache
def _columns(table: str) -> tuple[_Column, ...]:
    spec = ANSWERED[table]
    return tuple(_Column(one.name, _beyond_list(one.path), _reader(one)) for one in spec.columns)


def _beyond_list(path: str) -> tuple[str, ...]:
    """The names after the list whose items are rows: `credits.cast[].name` is `name` of an item."""
    # A list at the end holds values of one row.
    inner = path.removesuffix("[]").rpartition("[].")[2] if "[]." in path else "" if path.endswith("[]") else path
    return tuple(name for name in inner.split(".") if name)


def _reader(column: ColumnSpec) -> Callable[[Any], Any]:
    if column.type == "string":
        return _text
    if column.type == "date":
        return _day
    return _amount if column.unit in _AMOUNTS else _same


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str | None:
    """A text; TMDB writes "" where it knows none. Several are joined."""
    joined = ", ".join(each for each in value if each is not None) if isinstance(value, list) else value
    return joined or None


def _amount(value: int | None) -> int | None:
    return value or None


def _day(value: date | datetime | None) -> date | None:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


def _whole(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    yield _Item(answer.values, {})


def _listed(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    """A row for each item of the list that the columns' paths name."""
    path = next(one.path for one in spec.columns if "[]" in one.path)
    yield from _numbered(_at(answer.values, tuple(path.partition("[]")[0].split("."))), {})


def _numbered(items: list[Any] | None, known: Row) -> Iterator[_Item]:
    for position, item in enumerate(items or ()):
        if item is not None:
            yield _Item(item, {**known, "position": position})


def _releases(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    for country in _at(answer.values, ("release_dates", "results")) or ():
        yield from _numbered(country["release_dates"], {"iso_3166_1": _text(country["iso_3166_1"])})


def _images(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    for kind in ("backdrop", "logo", "poster"):
        yield from _numbered(_at(answer.values, ("images", f"{kind}s")), {"kind": kind})


def _external_ids(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    for pair in answer.values["external_ids"] or ():
        # Asked alone, the answer carries TMDB's own id too.
        if pair["key"] != "id" and pair["value"]:
            yield _Item(None, {"source": pair["key"], "external_id": pair["value"]})


def _offers(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    for country in _at(answer.values, ("watch/providers", "results")) or ():
        found = country["value"] or {"link": None, "rest": None}
        known = {"iso_3166_1": country["key"], "link": _text(found["link"])}
        for kind in found["rest"] or ():
            yield from _numbered(kind["value"], {**known, "monetization_type": kind["key"]})


def _rejected(spec: TableSpec, answer: PlainAnswer) -> Iterator[_Item]:
    lineage = {"entity": "movie", "id": answer.id, "run": None, "chunk": None, "line": None}
    for one in answer.rejected:
        yield _Item(None, {**lineage, **one})


_WALKS: dict[str, Callable[[TableSpec, PlainAnswer], Iterator[_Item]]] = {
    "movie": _whole,
    "movie_release_date": _releases,
    "movie_image": _images,
    "movie_external_id": _external_ids,
    "watch_provider_offer": _offers,
    "rejected_value": _rejected,
}

# The tables that are made of answers alone.
ANSWERED = {spec.name: spec for spec in TABLES if spec.inputs == (ANSWERS,)}
