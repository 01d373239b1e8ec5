"""Which columns of a table are the key of another one, from the declarations of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import NamedTuple

from reelhouse.entities.schema import Table


class ForeignKey(NamedTuple):
    """*columns* of *table* hold values of *parent_columns*, the key of *parent*.

    One that is *whole* holds for every row. Otherwise the parent may lack values: TMDB names people of every title, and
    a lake has collected some of them.
    """

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    whole: bool

    def orphans(self) -> str:
        """SQL that counts the rows whose value the parent lacks."""
        pairs = zip(self.columns, self.parent_columns, strict=True)
        joined = " and ".join(f"c.{column} = p.{key}" for column, key in pairs)
        known = " and ".join(f"c.{column} is not null" for column in self.columns)
        return (
            f"select count(*) as orphans from {self.table} c where {known} "
            f"and not exists (select 1 from {self.parent} p where {joined})"
        )


def references(tables: Iterable[Table]) -> list[ForeignKey]:
    """The references between *tables*, those of a table together; of each column the surest first."""
    known = {table.name: table for table in tables}
    return [one for table in known.values() for one in _of(table, known)]


def _of(table: Table, known: dict[str, Table]) -> Iterator[ForeignKey]:
    for column in table.columns:
        if column.references in known and column.references != table.name:
            yield ForeignKey(table.name, (column.name,), column.references, known[column.references].key, True)
            continue
        for parent in known.values():
            if parent.key == (column.name,) != table.key and _names_it(parent, column.name):
                # Tables of days have rows of what TMDB has removed since.
                own = column.name == table.id_column == parent.id_column and not table.is_daily
                yield ForeignKey(table.name, (column.name,), parent.name, parent.key, own)
    for parent in known.values():
        width = len(parent.key)
        if 1 < width < len(table.key) and table.key[:width] == parent.key and parent.id_column == table.id_column != "":
            yield ForeignKey(table.name, parent.key, parent.name, parent.key, True)


def _names_it(parent: Table, column: str) -> bool:
    """Whether *parent* is where the things of a column are listed: `person_id` of `person`, then of `dim_person`."""
    return parent.name.removeprefix("dim_") == column.removesuffix("_id") or (
        column.startswith("iso_") and parent.name in ("country", "language", "dim_country", "dim_language")
    )


def declarable(tables: Sequence[Table], *, enforced: bool) -> dict[str, list[ForeignKey]]:
    """Of each table what a database is given as foreign keys, one for a set of columns at most.

    Those that hold for every row come first. Where keys are not *enforced*, others help readers too: there a dimension,
    which knows every value, is preferred to an entity's own table.
    """
    chosen: dict[tuple[str, tuple[str, ...]], ForeignKey] = {}
    for one in references(tables):
        before = chosen.get((one.table, one.columns))
        if not (before and before.whole) and (one.whole or not enforced):
            chosen[one.table, one.columns] = one
    found: dict[str, list[ForeignKey]] = {}
    for one in chosen.values():
        found.setdefault(one.table, []).append(one)
    return found


def parents_first(names: Iterable[str], keys: Mapping[str, Sequence[ForeignKey]]) -> list[str]:
    """*names* in an order in which each is after those that it refers to."""
    wanted = list(names)
    parents = {name: {one.parent for one in keys.get(name, ())} & set(wanted) - {name} for name in wanted}
    return list(TopologicalSorter(parents).static_order())
