"""Paths of declarations, and the shape of an answer that they imply.

Where rows come from: `a.b[]` is a row for each item of a list, `a.{column}` one for each entry of an object whose keys
are data, with the key in that column, and `a.{column=x,y}s` one for each of the members `xs` and `ys`, with `x` or `y`
in that column. `{column=x/*}` is a row for each member of the answer that is named `x/…`, with the rest of its name in
that column, and `[]` one for each item of an answer that is a list. Levels may follow one another:
`results[].release_dates[]`.

Where a column's value is, seen from the item of its row: `a.b` a member, `.` the item itself, `^x` a member of the
object around it, `a[]` all texts of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True)
class MapOf:
    """An object whose keys are data (countries, kinds of offer): all values look like *values*, but for *fields*."""

    values: Shape
    fields: tuple[str, ...] = ()


class KeyedList(list["Shape"]):
    """A list whose items a table's key tells apart by their *key*: of several with equal members there one is kept.

    With *anywhere* that holds for all such lists of an answer together.
    """

    def __init__(self, items: Shape, key: tuple[tuple[str, ...], ...], *, anywhere: bool) -> None:
        super().__init__([items])
        self.key = key
        self.anywhere = anywhere


# What an answer, or a part of it, looks like: a scalar's type, a list, an object, an object whose keys are data.
Shape: TypeAlias = "str | list[Shape] | dict[str, Shape] | MapOf"

SCALARS = frozenset(("bigint", "double", "string", "boolean", "date", "timestamp"))

_SEGMENT = re.compile(
    r"(?:\{(?P<column>\w+)(?:=(?P<keys>[\w,]+|\w+/\*))?\}(?P<suffix>\w*)|(?P<name>[^{}\[\].]*))(?P<list>\[\])?"
)

# The field that stands for the whole of an answer that is a list.
ITEMS = ""
# Ends the field that stands for all members of an answer that are named so: `season/*`.
NUMBERED = "/*"


class Level(NamedTuple):
    """One step towards rows: through *members* to a list, or to an object whose keys go into *column*.

    Of an object only the members of *named* count, where there are any: member by key.
    """

    members: tuple[str, ...]
    column: str = ""
    named: tuple[tuple[str, str], ...] = ()

    @property
    def begins_at_object(self) -> bool:
        """Whether it starts from an object, which `^` then means, rather than from a list itself."""
        return bool(self.column or (self.members and self.members != (ITEMS,)))


class Keyed(NamedTuple):
    """The list that *levels* lead to, whose items a table's key tells apart by *key*; *anywhere* as in `KeyedList`."""

    levels: tuple[Level, ...]
    key: tuple[tuple[str, ...], ...]
    anywhere: bool


class ValuePath(NamedTuple):
    """Where a value is: *members* of the item, or of the object *around* it; *joined* for the texts of a list."""

    members: tuple[str, ...]
    around: bool = False
    joined: bool = False


def levels_of(rows: str) -> tuple[Level, ...]:
    """The levels of a table's `rows`, empty if each answer is one row. `ValueError` if *rows* is not such a path."""
    levels: list[Level] = []
    members: list[str] = []
    for segment in rows.split(".") if rows else ():
        found = _SEGMENT.fullmatch(segment)
        if found is None:
            raise ValueError(f"rows {rows!r}: {segment!r} is neither a member nor a list nor keys")
        if column := found["column"]:
            levels.append(_level_of_keys(tuple(members), column, found["keys"] or "", found["suffix"]))
            members = []
        elif found["name"]:
            members.append(found["name"])
        if found["list"]:
            levels.append(Level(tuple(members) if members or levels else (ITEMS,)))
            members = []
    if members:
        raise ValueError(f"rows {rows!r}: ends in a member, so there is nothing to make rows of")
    return tuple(levels)


def _level_of_keys(members: tuple[str, ...], column: str, keys: str, suffix: str) -> Level:
    if not keys.endswith(NUMBERED):
        return Level(members, column, tuple((f"{key}{suffix}", key) for key in keys.split(",") if key))
    if members or suffix:
        raise ValueError(f"{{{column}={keys}}}: only members of the answer itself are named so")
    return Level((keys,), column)


def place_of(path: str) -> ValuePath:
    """The place that a column's path means."""
    inner = path.removeprefix("^").removesuffix("[]")
    members = tuple(name for name in inner.split(".") if name)
    return ValuePath(members, path.startswith("^"), path.endswith("[]"))


def around(levels: tuple[Level, ...]) -> int:
    """Which of *levels* starts from the object that `^` means; `ValueError` where none does."""
    found = [number for number, level in enumerate(levels) if level.begins_at_object]
    if not found:
        raise ValueError("`^` means the object around a list or around keys, and rows lead through none")
    return found[-1]


def full_path(rows: str, column: str, path: str) -> str:
    """Where the value of *column* is, seen from the whole answer; without a *path* it is a key among *rows*."""
    segments = rows.split(".")
    if not path:
        ends = [number for number, one in enumerate(segments, 1) if re.match(rf"\{{{column}\b", one)]
        if not ends:
            raise ValueError(f"column {column} has no path, and is not a key in rows {rows!r}")
        return ".".join(segments[: ends[0]]).removesuffix("[]")
    if path.startswith("^"):
        # Behind the segment that leads to the object around.
        ends = [0, *(number for number, one in enumerate(segments, 1) if one.endswith("[]") or "{" in one)]
        return ".".join([*segments[: ends[around(levels_of(rows))]], path[1:]])
    return ".".join(part for part in (rows, path if path != "." else "") if part)


@dataclass
class Tree:
    """A shape that grows as paths are added; what they say must agree."""

    types: set[str] = field(default_factory=set)
    members: dict[str, Tree] = field(default_factory=dict)
    items: Tree | None = None
    values: Tree | None = None
    keyed: Keyed | None = None

    def grow(self, levels: tuple[Level, ...], place: ValuePath, kind: str) -> None:
        """Add the value of type *kind* that is at *place* of the rows of *levels*."""
        starts: list[Tree] = [self]
        objects: list[list[Tree]] = []
        for level in levels:
            objects.append(starts)
            starts = [end for start in starts for end in start.below(level)]
        for start in objects[around(levels)] if place.around else starts:
            leaf = start.at(place.members)
            leaf = leaf.item() if place.joined else leaf
            leaf.types.add(kind)

    def tell_apart(self, keyed: Keyed) -> None:
        """Note what tells the items of a list apart; `ValueError` where another table's key says otherwise."""
        starts: list[Tree] = [self]
        for level in keyed.levels[:-1]:
            starts = [end for start in starts for end in start.below(level)]
        for start in starts:
            found = start.at(keyed.levels[-1].members)
            if found.keyed not in (None, keyed):
                name = ".".join(keyed.levels[-1].members)
                raise ValueError(f"two tables tell the items of {name} apart by other keys")
            found.keyed = keyed

    def at(self, members: Iterable[str]) -> Tree:
        """The member of a member and so on."""
        found = self
        for name in members:
            found = found.members.setdefault(name, Tree())
        return found

    def item(self) -> Tree:
        """What the items of a list are."""
        self.items = self.items or Tree()
        return self.items

    def below(self, level: Level) -> list[Tree]:
        """What the rows of *level* are made of."""
        start = self.at(level.members)
        if level.named:
            return [start.at((name,)) for name, _ in level.named]
        if not level.column:
            return [start.item()]
        start.values = start.values or Tree()
        return [start.values]

    def shape(self, path: str = "$") -> Shape:
        """The shape that was said; `ValueError` where it contradicts itself."""
        kinds = (self.types, self.items, self.members if self.values is None else None, self.values)
        if sum(bool(kind) for kind in kinds) != 1:
            raise ValueError(f"{path} is declared as nothing, or as several of a value, a list and an object")
        if self.types:
            return _type_of(self.types, path)
        if self.items is not None:
            items = self.items.shape(f"{path}[]")
            return KeyedList(items, self.keyed.key, anywhere=self.keyed.anywhere) if self.keyed else [items]
        members = {name: inner.shape(f"{path}.{name}") for name, inner in self.members.items()}
        if self.values is None:
            return members
        if odd := [name for name, inner in members.items() if inner != "string"]:
            raise ValueError(f"{path}.{odd[0]}: beside keys that are data only texts can be read")
        return MapOf(self.values.shape(f"{path}.*"), tuple(members))


def _type_of(kinds: set[str], path: str) -> str:
    # An instant may be shown as its day too.
    found = kinds - {"date"} if kinds == {"date", "timestamp"} else kinds
    if len(found) != 1 or not found <= SCALARS:
        raise ValueError(f"{path} is declared as {' and '.join(sorted(found))}; one of {', '.join(sorted(SCALARS))}")
    return next(iter(found))


def member_of(shape: Shape, members: Iterable[str]) -> Shape:
    """The shape of a member of a member and so on."""
    for name in members:
        assert isinstance(shape, (dict, MapOf)), f"{name} is a member of no object"
        shape = shape[name] if isinstance(shape, dict) else "string"
    return shape


def row_of(shape: Shape, level: Level) -> Shape:
    """The shape of what the rows of *level* are made of, where *shape* is what it starts from."""
    found = member_of(shape, level.members)
    if level.named:
        return member_of(found, level.named[0][:1])
    if isinstance(found, MapOf):
        return found.values
    assert isinstance(found, list)
    return found[0]


def staged_name(field: str) -> str:
    """The column of a field of the answer: TMDB's name, without the slash that paths of files cannot hold."""
    return field.removesuffix(NUMBERED).replace("/", "_") if field != ITEMS else "items"
