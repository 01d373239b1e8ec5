"""A declaration that cannot work is refused where it is written, with what is wrong in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reelhouse.entities.schema import (
    ColumnSpec,
    Discovered,
    Entity,
    Export,
    FromColumn,
    GivenIds,
    Numbered,
    Single,
    Table,
    col,
)

NAME = col("name", "string", "name", "Its name.")
GADGET = Table("gadget", "One row per gadget.", key=("gadget_id",), columns=(NAME,))
PARTS = Table(
    "part",
    "Parts.",
    rows="{part=part/*}",
    key=("gadget_id", "part"),
    columns=(col("part", "bigint", "", "Its number."), NAME),
)
LIST = Table("gadget", "One row per gadget.", rows="[]", key=("name",), columns=(NAME,))
CLASHING = replace(GADGET, columns=(col("n", "bigint", "a/b", "A."), col("m", "bigint", "a_b", "A.")))
_BY_NAME = replace(GADGET, rows="parts[]", key=("gadget_id", "name"))
OTHERWISE = (_BY_NAME, replace(_BY_NAME, name="code", key=("gadget_id", "c"), columns=(col("c", "string", "c", "C."),)))
NUMBERED = Numbered("part/{n}", of="parts[].number")


def _declared(**given: Any) -> Entity:
    usual = {
        "name": "gadget",
        "path": "/gadget/{id}",
        "id_column": "gadget_id",
        "listing": GivenIds(),
        "tables": (GADGET,),
    }
    return Entity(**{**usual, **given})


def _table(**given: Any) -> Table:
    return replace(GADGET, **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Gad get"}, "small letters"),
        ({"path": "/gadget"}, r"must hold \{id\} once"),
        ({"path": "/gadget/{id}/{id}"}, r"must hold \{id\} once"),
        ({"id_column": ""}, "id_column must name"),
        ({"listing": Single()}, "a single answer has no ids"),
        ({"listing": Single(), "path": "/gadgets", "id_column": "", "changes": "/gadget/changes"}, "no changes"),
        ({"listing": Discovered()}, "declares none"),
        ({"listing": FromColumn("movie_cast")}, "table.column"),
        ({"listing": FromColumn(".person_id")}, "table.column"),
        ({"default_appends": ("parts",)}, "not among appends: parts"),
        ({"appends": tuple("abcdefghijklmnopqrstu"), "default_appends": tuple("abcdefghijklmnopqrstu")}, "at most 20"),
        ({"numbered": Numbered("part", of="parts[].number"), "tables": (GADGET, PARTS)}, r"such as season/\{n\}"),
        ({"numbered": Numbered("part/{n}", of=""), "tables": (GADGET, PARTS)}, "the path of its numbers"),
        ({"tables": (GADGET, PARTS)}, r"differ in part/\*"),
        ({"stale_after_days": 0}, "is 1 to 180"),
        ({"stale_after_days": 181}, "is 1 to 180"),
        ({"numbered": NUMBERED}, r"differ in part/\*"),
        ({"tables": (GADGET, GADGET)}, "two tables are called gadget"),
        ({"core": frozenset(("name", "colour"))}, "no column reads: colour"),
        ({"tables": (_table(key=("gadget_id", "colour")),)}, "names no columns: colour"),
        ({"tables": (_table(key=("gadget_id", "position")),)}, "a position needs rows that end in a list"),
        ({"tables": (_table(key=("gadget_id", "name"), rows="a[].b[].c[]"),)}, "so the key needs a position"),
        ({"tables": OTHERWISE}, "two tables tell the items of parts apart by other keys"),
        ({"tables": (_table(columns=(NAME, NAME)),)}, "two columns are called name"),
        ({"tables": (_table(required="colour"),)}, "required names no column: colour"),
        ({"tables": (_table(except_keys=("x",)),)}, "except_keys needs rows that end in the keys"),
        ({"tables": (LIST,)}, "has no other fields and no ids"),
        ({"tables": (GADGET, replace(GADGET, name="b", columns=(col("n", "bigint", "name", "A."),)))}, "declared as"),
        ({"tables": (CLASHING,)}, "one column of staging: a_b"),
        ({"tables": (_table(columns=(ColumnSpec("colour", "string", "A."),)),)}, "has no path"),
    ],
)
def test_what_cannot_work_is_refused_and_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _declared(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"listing": Export("gadget_ids", least_rows=1)},
        {"listing": FromColumn("movie_cast.person_id")},
        {"listing": Single(), "path": "/gadgets", "id_column": "", "tables": (LIST,)},
        {"listing": Single(), "path": "/gadgets", "id_column": "", "tables": (_table(key=()),)},
        {"numbered": NUMBERED, "tables": (GADGET, PARTS)},
    ],
)
def test_what_works_is_taken(given: dict[str, Any]) -> None:
    assert _declared(**given).shape


def test_numbers_are_read_where_they_are_declared_and_nothing_else_is_taken_for_one() -> None:
    odd = [{"number": True}, {"number": -1}, {"number": 1.5}, {"number": "²"}, 5, {}]
    answer = {"parts": [{"number": 3}, {"number": 3}, {"number": "4"}, {"number": 5.0}, *odd]}
    assert list(NUMBERED.promised(answer)) == [3, 4, 5]
    assert NUMBERED.promised({"parts": None}) == {}
