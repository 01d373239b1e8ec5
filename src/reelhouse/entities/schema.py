"""How a kind of thing is declared: where TMDB has it, and its tables, each column written once.

What follows from a declaration: the type that answers are parsed with, the rows of each table in an engine and in plain
Python, comments, the data dictionary, what exports and catalogues create, and which fields are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from reelhouse.entities.paths import Level, Place, Shape, Tree, full_path, levels_of, place_of

# What tables can be made of: the landed answers, staging as a whole, the claim that speaks for each id.
ANSWERS = "answers"
STAGING = "staging"
CURRENT = "current"


@dataclass(frozen=True)
class ColumnSpec:
    """One column. *unit* is what a number counts, *path* where TMDB sends the value.

    Of a declared column *at* is its path from the item of its row (`paths.py`); *zero_is_null* where TMDB writes 0 for
    unknown, as it writes "" in texts, which is NULL everywhere.
    """

    name: str
    type: Shape
    about: str
    unit: str = ""
    path: str = ""
    at: str = ""
    zero_is_null: bool = False

    @property
    def comment(self) -> str:
        """Everything a reader of the table should know, in one line."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        path = f" TMDB: {self.path}" if self.path else ""
        return f"{self.about}{unit}{path}"


def col(name: str, type: str, at: str, about: str, unit: str = "", *, zero_is_null: bool = False) -> ColumnSpec:  # noqa: A002
    """A column of a declared table."""
    return ColumnSpec(name, type, about, unit, at=at, zero_is_null=zero_is_null)


FETCHED_AT = ColumnSpec("fetched_at", "timestamp", "When TMDB gave the answer this comes from.")
POSITION = ColumnSpec("position", "bigint", "Place in TMDB's list, from 0.")


@dataclass(frozen=True)
class Table:
    """A table: what a row is and its columns in order.

    Declared, it has *rows*, the path of what each row is made of ("" for one row an answer), without entries under
    *except_keys* and without those where the column *required* is NULL. Or *make*, a function by hand, gets one
    DataFrame for each of *inputs*, in that order, and *settings* as keyword arguments; its *version* goes up when its
    rows may change.
    """

    name: str
    about: str
    columns: tuple[ColumnSpec, ...]
    make: Callable[..., Any] | None = None
    inputs: tuple[str, ...] = (ANSWERS,)
    key: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    rows: str = ""
    except_keys: tuple[str, ...] = ()
    required: str = ""
    # What the entity adds: the shape of its answers, and the column that holds their id.
    shape: Shape = field(default="", repr=False, compare=False)
    id_column: str = ""

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def of_answers(self) -> bool:
        """Whether it is made of landed answers alone."""
        return self.inputs == (ANSWERS,)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The way from an answer to its rows."""
        return levels_of(self.rows)

    @cached_property
    def placed(self) -> dict[str, Place]:
        """Where each value is, for the columns that have a path of their own; the others come with the row."""
        return {column.name: place_of(column.at) for column in self.columns if column.at}


@dataclass(frozen=True)
class Export:
    """Listed in TMDB's daily export of this *name*; one with fewer rows than *least_rows* is a fault."""

    name: str
    least_rows: int


class Reference(NamedTuple):
    """One of TMDB's reference lists: *rows* is the key of its rows ("" for a bare array), *code* that of a row's code.

    *region* is the filter that says for which country it is asked.
    """

    path: str
    rows: str
    code: str
    localized: bool = False
    region: str = ""


class Filter(NamedTuple):
    """What a discover filter takes: a *kind* of value, or one of *choices*, one or *many*, as *reference* lists them.

    TMDB ignores it unless one of *needs* comes with it.
    """

    kind: str
    choices: tuple[str, ...] = ()
    many: bool = False
    reference: Reference | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Discover:
    """Found by the filters of *path*, which can be split by *date*. TMDB ignores a filter that is none of *filters*."""

    path: str
    date: str
    filters: Mapping[str, Filter]


@dataclass(frozen=True)
class Entity:
    """One kind of thing: where it is asked, listed and watched for changes, and its tables.

    *priority* says whose run goes first: that of the smaller number.

    *core* are fields that no answer lacks, so many that no other body is taken for one.

    *tables* are given without the columns that all have; here they get them: the id and what else is in the key first,
    in its order, and the instant last.
    """

    name: str
    path: str
    id_column: str
    listing: Export
    changes: str
    discover: Discover
    appends: tuple[str, ...]
    default_appends: tuple[str, ...]
    core: frozenset[str]
    tables: tuple[Table, ...]
    priority: int = 5

    def __post_init__(self) -> None:
        tables = [replace(self._completed(table), shape=self.shape) for table in self.tables]
        object.__setattr__(self, "tables", tuple(tables))

    @cached_property
    def shape(self) -> dict[str, Shape]:
        """What an answer looks like, as far as columns tell."""
        tree = Tree()
        for table in self.tables:
            for column in table.columns:
                if column.name in table.placed:
                    tree.grow(table.levels, table.placed[column.name], str(column.type))
        shape = tree.shape()
        assert isinstance(shape, dict)
        return shape

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields of an answer beside its appends; one that is not here is counted as drift, never refused."""
        return frozenset(("id", *self.shape)) - frozenset(self.appends)

    def _completed(self, table: Table) -> Table:
        if table.id_column:
            return table
        id_column = ColumnSpec(self.id_column, "bigint", f"The {self.name}.", path="id")
        own = {
            column.name: replace(column, path=full_path(table.rows, column.name, column.at)) for column in table.columns
        }
        known = {id_column.name: id_column, POSITION.name: POSITION, **own}
        if unknown := set(table.key) - known.keys():
            raise ValueError(f"{table.name}: the key names no columns: {', '.join(sorted(unknown))}")
        rest = [column for name, column in own.items() if name not in table.key]
        columns = (*(known[name] for name in table.key), *rest, FETCHED_AT)
        return replace(table, columns=columns, id_column=self.id_column)
