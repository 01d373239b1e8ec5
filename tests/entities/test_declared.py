"""A kind of thing that nobody knows becomes tables by its declaration alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.movie import MOVIE
from reelhouse.entities.python_rows import TypedAnswer, python_rows
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity, Table, col
from reelhouse.marts import REGISTRY as EVERYTHING
from reelhouse.serve import dictionary
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.landing import Answer as Landed
from tests.warehouse.landing import LakeInTheMaking

GADGET = Entity(
    name="gadget",
    path="/gadget/{id}",
    id_column="gadget_id",
    listing=MOVIE.listing,
    changes="/gadget/changes",
    discover=MOVIE.discover,
    appends=("parts",),
    default_appends=("parts",),
    core=frozenset(("name", "price")),
    tables=(
        Table(
            "gadget",
            "One row per gadget.",
            key=("gadget_id",),
            columns=(
                col("name", "string", "name", "Its name."),
                col("price", "bigint", "price", "Its price.", "cents", zero_is_null=True),
                col("weight", "bigint", "weight", "Its weight.", "grams"),
                col("made_on", "date", "made", "Its day."),
                col("made_at", "timestamp", "made", "Its instant."),
            ),
        ),
        Table(
            "gadget_part",
            "Parts, by supplier.",
            rows="parts.{supplier}.{grade=good,bad}_ones[].pieces[]",
            key=("gadget_id", "supplier", "grade", "position"),
            columns=(
                col("supplier", "string", "", "Who has it."),
                col("grade", "string", "", "good or bad."),
                col("batch", "string", "^batch", "The batch it is of."),
                col("label", "string", "labels[]", "Its labels, joined by ', '."),
                col("made_on", "date", "at", "Its day."),
            ),
        ),
        Table(
            "gadget_code",
            "Codes on other sites.",
            rows="codes.{site}",
            except_keys=("own",),
            required="code",
            key=("gadget_id", "site"),
            columns=(col("site", "string", "", "The site."), col("code", "string", ".", "The code there.")),
        ),
    ),
)
REGISTRY = Registry.of({"gadget": GADGET})

BODY: dict[str, Any] = {
    "id": 7,
    "name": "",
    "price": 0,
    "weight": 0,
    "made": "2024-02-29T23:30:00Z",
    "codes": {"own": "7", "a": "x", "b": "", "c": None},
    "parts": {
        "acme": {
            "good_ones": [
                {"batch": "1", "pieces": [{"labels": ["p", "q"], "at": "2024-01-02"}, None, {"labels": []}]},
                {"batch": "", "pieces": [{"at": "2024-13-02"}]},
            ],
            "bad_ones": None,
        },
        "zeta": {"good_ones": [], "bad_ones": [{"batch": "3", "pieces": None}, {"pieces": [{}]}]},
    },
}
AT = datetime(2026, 11, 1, 8, tzinfo=UTC)


def _part(supplier: str, grade: str, position: int, *rest: Any) -> dict[str, Any]:
    names = ("gadget_id", "supplier", "grade", "position", "batch", "label", "made_on", "fetched_at")
    return dict(zip(names, (7, supplier, grade, position, *rest, AT), strict=True))


ROWS: dict[str, list[dict[str, Any]]] = {
    "gadget": [
        {
            "gadget_id": 7,
            "name": None,
            "price": None,
            "weight": 0,
            "made_on": date(2024, 2, 29),
            "made_at": datetime(2024, 2, 29, 23, 30, tzinfo=UTC),
            "fetched_at": AT,
        }
    ],
    "gadget_part": [
        _part("acme", "good", 0, "1", "p, q", date(2024, 1, 2)),
        _part("acme", "good", 1, "1", None, None),
        _part("acme", "good", 0, None, None, None),
        _part("zeta", "bad", 0, None, None, None),
    ],
    "gadget_code": [{"gadget_id": 7, "site": "a", "code": "x", "fetched_at": AT}],
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_plain_python(name: str) -> None:
    parsed = lenient_parse(json.dumps(BODY).encode(), GADGET.shape)
    answer = TypedAnswer(7, AT, parsed.values, [one._asdict() for one in parsed.rejected])
    assert list(python_rows(REGISTRY.of_answers[name], answer)) == ROWS[name]


def test_a_lake_of_it_is_built_checked_and_described(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "lake", entity="gadget")
    lake.land(Landed(7, BODY), Landed(8, {"id": 8, "name": "plain"}), export=[7, 8])
    built = lake.build(registry=REGISTRY)
    assert built.rows == {
        "gadget": 2,
        "gadget_part": 4,
        "gadget_code": 1,
        "popularity_daily": 2,
        "record": 2,
        "quarantine": 0,
        "rejected_value": 1,
        "tombstone": 0,
    }
    for name, rows in ROWS.items():
        found = [row for row in lake.rows(name) if row["gadget_id"] == 7]
        assert sorted(found, key=repr) == sorted(rows, key=repr)
    assert lake.values("rejected_value", "entity", "path", "raw") == [
        ("gadget", "parts.acme.good_ones[1].pieces[0].at", "2024-13-02")
    ]
    assert not lake.build(registry=REGISTRY).done
    assert check_tables(lake.storage, REGISTRY.entities) == []
    assert dictionary.describe(lake.storage, "gadget", REGISTRY)["columns"][2] == {
        "name": "price",
        "type": "bigint",
        "unit": "cents",
        "path": "price",
        "comment": "Its price.",
    }


def test_what_is_declared_is_known_and_nothing_else() -> None:
    assert GADGET.fields == {"id", "name", "price", "weight", "made", "codes"}


def test_a_key_of_no_column_is_refused() -> None:
    columns = (col("name", "string", "name", "Its name."),)
    with pytest.raises(ValueError, match="gadget: the key names no columns: size"):
        replace(GADGET, tables=(Table("gadget", "One row per gadget.", columns, key=("gadget_id", "size")),))


def test_an_entity_that_is_changed_keeps_its_tables() -> None:
    other = replace(GADGET, changes="/other")
    assert (other.tables, other.shape) == (GADGET.tables, GADGET.shape)
    fewer = replace(GADGET, tables=GADGET.tables[:1])
    assert fewer.shape.keys() == {"name", "price", "weight", "made"}


def test_a_registry_that_could_not_tell_what_is_gone_is_refused() -> None:
    with pytest.raises(ValueError, match="popularity_daily"):
        replace(REGISTRY, tables=REGISTRY.tables[:2])


def test_what_is_followed_is_a_column_of_ids_of_a_declared_table() -> None:
    ids = {f"{table.name}.{one.name}" for table in EVERYTHING.tables for one in table.columns if one.type == "bigint"}
    followed = {column for one in ENTITIES.values() for columns in one.follow.values() for column in columns}
    assert followed
    assert followed <= ids


@pytest.mark.parametrize("name", sorted(ENTITIES))
def test_each_entity_makes_a_registry_alone_and_beside_movies(name: str) -> None:
    for names in ({name}, {name, MOVIE.name}):
        assert {*EVERYTHING.only(names).entities} == names
