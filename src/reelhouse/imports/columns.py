"""Columns of what is imported: their names as a table can have them, and whether they are those of last time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reelhouse.errors import ReelhouseError
from reelhouse.warehouse.import_registry import LONGEST_NAME, ImportColumn

# Delta and Spark take more, but not unquoted, or not everywhere.
_ODD = re.compile(r"\W+")

SAME = "files of one table have the same columns"
NEW_SCHEMA = "nothing is changed; --new-schema takes other columns and types than last time"


def named(headings: Sequence[str], where: str) -> list[ImportColumn]:
    """Columns, as yet without a type, for *headings*; `ReelhouseError` where a name is too long or there twice."""
    columns = [_named(heading, at) for at, heading in enumerate(headings, 1)]
    for column in columns:
        if len(column.name) > LONGEST_NAME:
            raise ReelhouseError(
                f"{where}: column {column.name[:40]}... has a name of {len(column.name):,} letters, and a table's may "
                f"have {LONGEST_NAME}: shorten it there"
            )
    first: dict[str, int] = {}
    for at, (column, heading) in enumerate(zip(columns, headings, strict=True)):
        other = headings[first.setdefault(column.name.casefold(), at)]
        if first[column.name.casefold()] != at:
            problem = (
                f"{heading!r} is there twice" if other == heading else f"{other!r} and {heading!r} would be one name"
            )
            raise ReelhouseError(f"{where}: column {problem} in a table; rename one of them")
    return columns


def _named(heading: str, at: int) -> ImportColumn:
    plain = heading.strip()
    name = plain if plain and not _ODD.search(plain) else _ODD.sub("_", plain).strip("_") or f"column_{at}"
    # `select 3D` is a number to SQL.
    name = f"_{name}" if name[0].isdigit() else name
    return ImportColumn(name, "", heading if name != heading else "")


def check_same(wanted: Iterable[str], found: Iterable[str], where: str, what: str, hint: str) -> None:
    """Raise `ReelhouseError` unless *found* are the names that are *wanted* because *what* has them."""
    wanted, found = list(wanted), list(found)
    for name in wanted:
        if name not in found:
            raise ReelhouseError(f"{where} has no column {name}, which {what} has; {hint}")
    for name in found:
        if name not in wanted:
            raise ReelhouseError(f"{where} has a column {name}, which {what} has not; {hint}")


def misfit(where: str, column: str, value: object, kind: str) -> ReelhouseError:
    """What to say where a *value* does not fit the pinned type of a *column*."""
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:76]}...'"
    return ReelhouseError(f"{where}: {column} is {shown}, which is not of type {kind}; {NEW_SCHEMA}")
