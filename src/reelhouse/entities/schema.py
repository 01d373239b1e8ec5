"""How a kind of thing is declared: where TMDB has it, and its tables, each column written once.

What follows from a declaration: the type that answers are parsed with, the rows of each table in an engine and in plain
Python, comments, the data dictionary, what exports and catalogues create, and which fields are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from reelhouse.entities.paths import (
    ITEMS,
    NUMBERED,
    Keyed,
    Level,
    Shape,
    Tree,
    ValuePath,
    around,
    full_path,
    levels_of,
    place_of,
)

# What tables can be made of: the landed answers, staging as a whole, the outcome that speaks for each id.
ANSWERS = "answers"
STAGING = "staging"
CURRENT = "current"
# Of each id and day (UTC) the newest landed answer: tables that keep every day are made of these.
DAILY = "daily"


@dataclass(frozen=True)
class ColumnSpec:
    """One column. *unit* is what a number counts, *path* where TMDB sends the value.

    Of a declared column *at* is its path from the item of its row (`paths.py`); *zero_is_null* where TMDB writes 0 for
    unknown, as it writes "" in texts, which is NULL everywhere. With *presence* it says whether there is a value, which
    another column must declare. *fixed* is the text that all rows of one entity have. *references* is the table whose
    key it holds: there is a row for every value.
    """

    name: str
    type: Shape
    about: str
    unit: str = ""
    path: str = ""
    at: str = ""
    zero_is_null: bool = False
    presence: bool = False
    fixed: str = ""
    references: str = ""

    @property
    def comment(self) -> str:
        """Everything a reader of the table should know, in one line."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        path = f" TMDB: {self.path}" if self.path else ""
        return f"{self.about}{unit}{path}"


def col(name: str, type: str, at: str, about: str, unit: str = "", *, zero_is_null: bool = False) -> ColumnSpec:  # noqa: A002
    """A column of a declared table."""
    return ColumnSpec(name, type, about, unit, at=at, zero_is_null=zero_is_null)


def presence(name: str, at: str, about: str) -> ColumnSpec:
    """A column that says whether an answer has a value at all, as it has not where nobody requested it."""
    return ColumnSpec(name, "boolean", about, at=at, presence=True)


def fixed(name: str, value: str, about: str) -> ColumnSpec:
    """A text column with the same *value* in all rows of one entity; by it several entities share a table."""
    return ColumnSpec(name, "string", about, fixed=value)


def key_of(parent: str, name: str, type: str, about: str = "", note: str = "", *, path: str = "") -> ColumnSpec:  # noqa: A002
    """A column that holds the key of *parent* in every row where it is known, as its description says."""
    said = f"{about}; key of {parent}" if about else f"Key of {parent}"
    return ColumnSpec(name, type, f"{said}{note and '; '}{note}.", path=path, references=parent)


FETCHED_AT = ColumnSpec("fetched_at", "timestamp", "When TMDB gave the answer this comes from.")
POSITION = ColumnSpec("position", "bigint", "Place in TMDB's list, from 0.")
DAY = ColumnSpec("day", "date", "Day (UTC) of the answer.")
RANK = ColumnSpec("rank", "bigint", "Place in TMDB's list over all pages, from 1.")

# Rows of a page of a list. A page may have fewer, and the next one begins where it would be with all of them.
PAGE_ROWS = 20


@dataclass(frozen=True)
class Table:
    """A table: what a row is and its columns in order.

    Declared, it has *rows*, the path of what each row is made of ("" for one row per answer), without entries under
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

    @property
    def is_daily(self) -> bool:
        """Whether it is made of the answers of all days."""
        return self.inputs == (DAILY,)

    def shares_with(self, other: Table) -> bool:
        """Whether *other*, of another entity, has rows of this same table: fixed columns tell them apart."""
        # Most pairs differ in this.
        if self.name != other.name or self.key != other.key:
            return False
        columns, others = ([(one.name, one.type) for one in table.columns] for table in (self, other))
        values, its = ([one.fixed for one in table.columns] for table in (self, other))
        return columns == others and values != its

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The way from an answer to its rows."""
        return levels_of(self.rows)

    @cached_property
    def keyed(self) -> Keyed | None:
        """The list whose items the key tells apart by their values; None where the places of items do."""
        lists = [number for number, level in enumerate(self.levels) if not level.column]
        if {POSITION.name, RANK.name} & {*self.key}:
            lists.pop()
        if not lists:
            return None
        outside = around(self.levels) - 1 if self.outer else -1
        places = (self.placed[name] for name in self.key if name in self.placed)
        key = tuple(one.members for one in places if (outside if one.around else len(self.levels) - 1) == lists[-1])
        return Keyed(self.levels[: lists[-1] + 1], key, anywhere=len(lists) > 1) if key else None

    @cached_property
    def outer(self) -> dict[str, ValuePath]:
        """Those of `placed` that are members of the object around an item."""
        return {name: place for name, place in self.placed.items() if place.around}

    @cached_property
    def placed(self) -> dict[str, ValuePath]:
        """Where each value is, for the columns that have a path of their own; the others come with the row."""
        return {column.name: place_of(column.at) for column in self.columns if column.at}

    def grow(self, tree: Tree) -> None:
        """Add to *tree* what answers look like, as far as the columns tell."""
        for column in self.columns:
            if column.at and not column.presence:
                tree.grow(self.levels, self.placed[column.name], str(column.type))


@dataclass(frozen=True)
class Export:
    """Listed in TMDB's daily export of this *name*; one with fewer rows than *least_rows* is a fault.

    *adult* is the export of those that are marked as adult, which a user may add. *popularity* says whether its rows
    have one.
    """

    name: str
    least_rows: int
    adult: str = ""
    popularity: bool = True


@dataclass(frozen=True)
class Discovered:
    """Listed by what `discover` finds for the filters of the settings; fewer than *least_rows* ids are a fault."""

    least_rows: int = 0


@dataclass(frozen=True)
class GivenIds:
    """Not listed by TMDB: a user or the inbox names the ids."""


@dataclass(frozen=True)
class FromColumn:
    """Listed by a *column* of another entity's table, `table.column`; fewer than *least_rows* ids are a fault."""

    column: str
    least_rows: int = 1


@dataclass(frozen=True)
class Single:
    """No ids: one request to the entity's path gives all there is, as a reference list does.

    An answer of fewer than *least_rows* rows of one of its tables is a fault.
    """

    least_rows: int = 1


@dataclass(frozen=True)
class Pages:
    """A list that TMDB ranks: its ids are the numbers of its first *last* pages, which are requested each day."""

    last: int


Listing: TypeAlias = Export | Discovered | GivenIds | FromColumn | Single | Pages

# TMDB takes at most so many appends in one request.
MOST_APPENDS = 20


@dataclass(frozen=True)
class Numbered:
    """Parts of a record that are appended by number: *append*, such as `season/{n}`, for each number at *of*.

    *of* is where the answer lists them, such as `seasons[].season_number`. A number that an answer lacks is ignored by
    TMDB, so the first request takes as many as fit beside the other appends; further requests fetch the rest.

    A part gives its number by the same name, and may have a list *rows*, each of which names its *record*. Then the
    answer's list has the *count* of a part's rows, and the answer their *total*.
    """

    append: str
    of: str
    rows: str = ""
    record: str = ""
    count: str = ""
    total: str = ""

    @property
    def listed_in(self) -> str:
        """The field of the answer that lists the parts."""
        return self.of.partition("[]")[0]

    @property
    def number(self) -> str:
        """What the number of a part is called."""
        return self.of.rpartition(".")[2]

    @property
    def field(self) -> str:
        """The field that stands for all these parts."""
        return self.append.replace("{n}", "*")

    @property
    def name_start(self) -> str:
        """What the names of all these parts begin with."""
        return self.append.removesuffix("{n}")

    def name(self, number: int) -> str:
        """What is appended for *number*."""
        return self.append.replace("{n}", str(number))

    def number_in(self, name: str) -> int | None:
        """The number in the *name* of a part; None in other names."""
        digits = name.removeprefix(self.name_start)
        return int(digits) if digits != name and digits == str(_number(digits)) else None

    def promised(self, answer: Mapping[str, Any]) -> dict[int, Any]:
        """The numbers that *answer* lists, in its order, with the count of rows that it gives for each."""
        listed = answer.get(self.listed_in)
        parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
        numbers = ((_number(part.get(self.number)), part.get(self.count)) for part in parts)
        return {number: count for number, count in numbers if number is not None}


def _number(value: object) -> int | None:
    """A number from 0 on, also where TMDB sends it as a text or with a fraction of 0, as tables take it."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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
    """One kind of thing: where it is requested, listed and watched for changes, and its tables.

    *core* are fields that no answer lacks, so many that no other body is taken for one. A record is stale after
    *stale_after_days*; of several entities the one with the lowest *priority* is collected first.

    *follow* names ways to collect only what other entities' tables mention, each with its columns (`table.column`).

    *bytes_at_rest* is about what an answer takes in a lake, packed, with its part of a receipt: what a plan counts with
    until the lake has answers of its own.

    *group* is a name by which users select it together with others, such as all reference lists.

    *external* is how ids of other services begin that may be its own (`tt`, `tvdb:`; `ids.py` lists them). Its path
    takes them, unless *find* names the list of TMDB's `/find` that has it.

    *plural* is the name of several, *noun* that of one where it is not *name*. *words* are what lists call one, in
    letters only. *course_name* names the files of the course layout and the level above their date; without it the
    entity's *name* does.

    *tables* are given without the columns that all have; here they get them: the id (where there are ids) and what else
    is in the key first, in its order, and the instant last. Raises `ValueError` for what cannot work.
    """

    name: str
    path: str
    listing: Listing
    tables: tuple[Table, ...]
    id_column: str = ""
    changes: str = ""
    discover: Discover = Discover("", "", {})
    appends: tuple[str, ...] = ()
    default_appends: tuple[str, ...] = ()
    core: frozenset[str] = frozenset()
    numbered: Numbered | None = None
    stale_after_days: int = 150
    priority: int = 5
    bytes_at_rest: int = 400
    follow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group: str = ""
    external: tuple[str, ...] = ()
    find: str = ""
    plural: str = ""
    noun: str = ""
    words: str = ""
    course_name: str = ""

    def __post_init__(self) -> None:
        self._refuse(self._problems())
        object.__setattr__(self, "tables", tuple(self._completed(table) for table in self.tables))
        self._refuse(self._problems_of_answers())
        object.__setattr__(self, "tables", tuple(replace(table, shape=self.shape) for table in self.tables))

    @property
    def singular(self) -> str:
        """What texts call one."""
        return self.noun or self.name

    @property
    def several(self) -> str:
        """What texts call more than one."""
        return self.plural or self.name

    @property
    def id_field(self) -> str:
        """The field of an answer that says which id it is about."""
        return "page" if isinstance(self.listing, Pages) else "id"

    @property
    def keeps_days(self) -> bool:
        """Whether a table needs the answers of earlier days too."""
        return bool(self._fields_of_days)

    @cached_property
    def _fields_of_days(self) -> frozenset[str]:
        of_days = Tree()
        for table in self.tables:
            if table.is_daily:
                table.grow(of_days)
        return frozenset(of_days.members)

    @property
    def fields_of_today(self) -> frozenset[str]:
        """The fields of an answer that no table of days reads: nobody needs them once a newer answer is there."""
        return frozenset(self.shape.keys() - self._fields_of_days)

    @property
    def appends_of_days(self) -> list[str]:
        """The appends that tables of days read. An answer lacks them if they were not requested."""
        return [one for one in self.appends if one in self._fields_of_days]

    @property
    def has_ids(self) -> bool:
        return not isinstance(self.listing, Single)

    @property
    def export(self) -> str:
        """The name of the daily export that lists it; empty where none does."""
        return self.listing.name if isinstance(self.listing, Export) else ""

    @property
    def adult_export(self) -> str:
        """The name of the daily export of adult ones; empty where there is none."""
        return self.listing.adult if isinstance(self.listing, Export) else ""

    @property
    def has_popularity(self) -> bool:
        """Whether its listing says how popular each one is."""
        return isinstance(self.listing, Discovered) or (isinstance(self.listing, Export) and self.listing.popularity)

    @property
    def source(self) -> str:
        """Where a run's ids come from if a user selects none: a plan's `selection.source`."""
        sources = {
            Export: "export",
            Discovered: "discover",
            GivenIds: "list",
            FromColumn: "column",
            Single: "single",
            Pages: "pages",
        }
        return sources[type(self.listing)]

    @property
    def is_list(self) -> bool:
        """Whether an answer is a list, not an object."""
        return ITEMS in self.shape

    @cached_property
    def shape(self) -> dict[str, Shape]:
        """What an answer looks like, as far as columns tell."""
        tree = Tree()
        for table in self.tables:
            table.grow(tree)
            if table.keyed:
                tree.tell_apart(table.keyed)
        shape = tree.shape()
        assert isinstance(shape, dict)
        return shape

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields of an answer beside its appends; one that is not here is counted as drift, never refused."""
        if isinstance(self.listing, Pages):
            return frozenset({*self.shape, self.id_field, "total_pages", "total_results", "dates"})
        of = {self.numbered.listed_in} if self.numbered else set[str]()
        apart = {*self.appends, ITEMS, *(name for name in self.shape if name.endswith(NUMBERED))}
        return frozenset({"id", *self.shape, *of} - apart)

    def _refuse(self, problems: Iterator[str]) -> None:
        if found := next(problems, None):
            raise ValueError(f"{self.name}: {found}")

    def _problems(self) -> Iterator[str]:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            yield "a name has small letters, digits and _"
        yield from self._problems_of_listing()
        if unknown := set(self.default_appends) - set(self.appends):
            yield f"default_appends are not among appends: {', '.join(sorted(unknown))}"
        if len(self.default_appends) > MOST_APPENDS:
            yield f"TMDB takes at most {MOST_APPENDS} appends in one request"
        if self.numbered and (self.numbered.append[-4:] != "/{n}" or not self.numbered.of or not self.has_ids):
            yield "numbered needs an append such as season/{n}, the path of its numbers, and ids"
        if not 1 <= self.stale_after_days <= 180:
            yield "stale_after_days is 1 to 180: TMDB's terms end caching at six months"
        if again := _repeated(table.name for table in self.tables):
            yield f"two tables are called {again}"

    def _problems_of_listing(self) -> Iterator[str]:
        if self.has_ids and (self.path.count("{id}") != 1 or not self.id_column):
            yield f"it has ids, so its path {self.path!r} must hold {{id}} once, and id_column must name their column"
        if not self.has_ids and ("{id}" in self.path or self.id_column or self.changes or self.discover.path):
            yield "a single answer has no ids: no {id} in its path, no id_column, no changes, no discover"
        if self.find and not self.external:
            yield "find needs external, how ids of other services begin that may be its own"
        if isinstance(self.listing, Discovered) and not self.discover.path:
            yield "it is listed by discover, and declares none"
        if isinstance(self.listing, FromColumn) and not re.fullmatch(r"\w+\.\w+", self.listing.column):
            yield f"it is listed from {self.listing.column!r}, which is not written as table.column"

    def _problems_of_answers(self) -> Iterator[str]:
        fields = {*self.shape}
        if ITEMS in fields and (len(fields) > 1 or self.has_ids):
            yield "an answer that is a list has no other fields and no ids"
        if unknown := self.core - self.fields:
            yield f"core names what no column reads: {', '.join(sorted(unknown))}"
        wanted = {self.numbered.field} if self.numbered else set()
        if odd := {name for name in fields if name.endswith(NUMBERED)} ^ wanted:
            yield f"numbered and the tables must name the same parts, and differ in {', '.join(sorted(odd))}"
        if again := _repeated(name.removesuffix(NUMBERED).replace("/", "_") for name in fields):
            yield f"two fields would be one column of staging: {again}"

    def _completed(self, table: Table) -> Table:
        if FETCHED_AT in table.columns:
            return table
        own = {
            one.name: one if one.fixed else replace(one, path=full_path(table.rows, one.name, one.at))
            for one in table.columns
        }
        known = {one.name: one for one in (POSITION, DAY, RANK)} | own
        if self.has_ids:
            about = f"The {self.singular}."
            known = {self.id_column: ColumnSpec(self.id_column, "bigint", about, path="id"), **known}
        self._refuse(self._problems_of_table(table, known))
        rest = [column for name, column in own.items() if name not in table.key]
        columns = (*(known[name] for name in table.key), *rest, FETCHED_AT)
        return replace(table, columns=columns, id_column=self.id_column)

    def _problems_of_table(self, table: Table, known: Mapping[str, ColumnSpec]) -> Iterator[str]:
        if unknown := set(table.key) - known.keys():
            yield f"{table.name}: the key names no columns: {', '.join(sorted(unknown))}"
        if again := _repeated(column.name for column in table.columns):
            yield f"{table.name}: two columns are called {again}"
        if table.required and table.required not in known:
            yield f"{table.name}: required names no column: {table.required}"
        if table.except_keys and not (table.levels and table.levels[-1].column):
            yield f"{table.name}: except_keys needs rows that end in the keys of an object"
        if {POSITION.name, RANK.name} & {*table.key} and not (table.levels and not table.levels[-1].column):
            yield f"{table.name}: a position needs rows that end in a list"
        if table.keyed and table.keyed.anywhere and len(table.keyed.levels) > 2:
            yield f"{table.name}: rows lead through several lists, so the key needs a position"


def _repeated(names: Iterable[str]) -> str:
    """The first of *names* that comes twice; empty where none does."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), "")  # type: ignore[func-returns-value]
