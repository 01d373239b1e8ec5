"""What JSON and Parquet files become."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import reelhouse
from reelhouse.imports.json_files import JsonFiles
from tests.imports.conftest import Importer

RECORDS: list[dict[str, Any]] = [
    {"id": 1, "imdb": "0114709", "score": 8.3, "day": "1995-12-22", "ok": True, "tags": ["toys", "friends"]},
    {"id": 2, "imdb": "0113497", "score": 7, "day": None, "ok": None, "at": "2026-11-23T08:00:00+02:00"},
]
TYPES = {
    "id": "bigint",
    "imdb": "string",
    "score": "double",
    "day": "date",
    "ok": "boolean",
    "tags": "string",
    "at": "timestamp",
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n".join(map(json.dumps, RECORDS)),
        "\ufeff" + "\r\n".join(map(json.dumps, RECORDS)) + "\r\n\r\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_objects_and_an_object_a_line_are_the_same_table(lake: Importer, text: str, packed: bool) -> None:
    body = gzip.compress(text.encode()) if packed else text.encode()
    assert lake.types("t", lake.file("t.json.gz" if packed else "t.jsonl", body)) == TYPES
    one, other = lake.rows("t")
    assert one == {
        "id": 1,
        "imdb": "0114709",
        "score": 8.3,
        "day": date(1995, 12, 22),
        "ok": True,
        "tags": '["toys", "friends"]',
        "at": None,
    }
    assert (other["score"], other["tags"], other["at"]) == (7.0, None, datetime(2026, 11, 23, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([1, 2], "bigint", [1, 2]),
        ([2**63 - 1, 1], "bigint", [1, 2**63 - 1]),
        ([2**63, 1], "string", ["1", "9223372036854775808"]),
        ([2**53 + 1, 0.5], "string", ["0.5", "9007199254740993"]),
        (["5", "6"], "string", ["5", "6"]),
        ([5, "6"], "string", ["5", "6"]),
        ([True, 1], "string", ["1", "true"]),
        ([True, None], "boolean", [None, True]),
        ([2**70, 1], "string", ["1", str(2**70)]),
        ([-0.0, 1e300], "double", [-0.0, 1e300]),
        (['"quoted', "'"], "string", ["'", '"quoted']),
        (["true", "false"], "string", ["false", "true"]),
        (["", "2020-01-01"], "string", ["", "2020-01-01"]),
        ([[1], {"b": []}], "string", ["[1]", '{"b": []}']),
        ([{"a": 1}, None], "string", ['{"a": 1}', None]),
        (["é😀", ""], "string", ["", "é😀"]),
        ([None, None], "string", [None, None]),
        (["2020-01-01", "soon"], "string", ["2020-01-01", "soon"]),
    ],
)
def test_a_key_gets_the_type_that_holds_all_its_values(
    lake: Importer, values: list[Any], kind: str, found: list[Any]
) -> None:
    path = lake.file("t.json", json.dumps([{"v": value} for value in values]))
    assert lake.types("t", path) == {"v": kind}
    assert [row["v"] for row in lake.rows("t")] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.json is empty"),
        ("[]", "t.json is empty"),
        ('[{"a": 1},\n{"a": 2]', "t.json: line 2: no JSON: Expecting ',' delimiter"),
        ('[{"a": 1},\n{"a": 2}', "t.json ends in the middle of its list: it is cut short"),
        ('{"a": 1}\n{"a": "x', "t.json: line 2: no JSON: Unterminated string starting at"),
        ('[{"a": 1},\nnull]', "t.json: line 2: an object is expected, not 'null]'"),
        ('{"a": 1}\n7\n', "t.json: line 2: an object is expected, not '7\\n'"),
        ('[{"a": 1}]\n{"a": 2}', "t.json: line 2: something follows the list: '{\"a\": 2}'"),
        ('{"a": 1}\n\n{"a": NaN}', "t.json: line 3: no JSON for a table: NaN is not a number in JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "t.json: line 1: no JSON for a table: the key 'a' is there twice in one object"),
        ('{"a": {"b": 1, "b": 2}}', "t.json: line 1: no JSON for a table: the key 'b' is there twice in one object"),
        ('{"a": 1e999}', "t.json: line 1: no JSON for a table: 1e999 is too large a number"),
        ('{"a": 1}\n{"a": "\\ud800"}', "t.json: line 2: half a character is not text"),
        ('{"a": 1, "A": 2}', "t.json: column 'a' and 'A' would be one name in a table; rename one of them"),
    ],
)
def test_what_is_no_table_in_json_is_said_by_line(lake: Importer, text: str, said: str) -> None:
    assert lake.refused("t", lake.file("t.json", text)) == said


def test_bytes_that_are_no_text_are_named_in_json_as_well(lake: Importer) -> None:
    said = lake.refused("t", lake.file("t.json", b'{"a": 1}\n{"a": "\xe9"}'))
    assert said == "t.json: line 2, byte 8 is 0xe9, which is not UTF-8: save the file as UTF-8"


def test_objects_are_read_wherever_a_block_of_the_file_ends(lake: Importer) -> None:
    rows = [{"n": number, "text": "é\n" * (number % 97)} for number in range(30_000)]
    lake.bring("t", lake.file("t.json", json.dumps(rows, ensure_ascii=False)))
    found = sorted(lake.rows("t"), key=lambda row: int(row["n"]))
    assert found == rows


def test_long_objects_are_held_some_at_a_time(lake: Importer) -> None:
    path = lake.file("t.jsonl", "".join(f'{{"a": {at}, "b": "{"x" * 1_000_000}"}}\n' for at in range(40)))
    reading = JsonFiles([Path(path)])
    sizes = [len(batch.texts) for batch in reading.read()]
    assert (sum(sizes), max(sizes)) == (40, 9)


def test_json_that_does_not_fit_what_is_pinned_is_refused_by_line_and_value(lake: Importer) -> None:
    lake.bring("t", lake.file("t.json", '[{"a": 1, "b": "x"}]'))
    said = lake.refused("t", lake.file("u.json", '[{"a": 2, "b": "y"},\n\n{"a": "3", "b": null}]'))
    assert said.startswith("u.json: line 3: a is '3', which is not of type bigint; nothing is changed")
    lake.bring("t", lake.file("v.json", '[{"a": 2, "b": 5}]'))
    assert lake.rows("t") == [{"a": 2, "b": "5"}]
    said = lake.refused("t", lake.file("w.json", '[{"a": 2}]'))
    assert said.startswith("what is there has no column b, which t has; nothing is changed")


def test_parquet_is_typed_as_it_says(lake: Importer) -> None:
    instant = datetime(2026, 11, 23, 8, 0, 0, 123456)
    path = lake.parquet(
        "t.parquet",
        small=pa.array([1], pa.int8()),
        unsigned=pa.array([2**64 - 1], pa.uint64()),
        real=pa.array([0.5], pa.float32()),
        money=pa.array([Decimal("1.50")], pa.decimal128(12, 2)),
        yes=pa.array([True]),
        day=pa.array([date(1995, 12, 22)], pa.date32()),
        zoneless=pa.array([instant], pa.timestamp("ns")),
        zoned=pa.array([instant.replace(tzinfo=UTC)], pa.timestamp("ms", "America/Sao_Paulo")),
        text=pa.array(["007"], pa.large_string()),
        word=pa.array(["drama"]).dictionary_encode(),
        nested=pa.array([{"a": [1, 2]}]),
        nothing=pa.array([None], pa.null()),
        long=pa.array([Decimal(10**40 + 1)], pa.decimal256(50, 2)),
    )
    found = lake.bring("t", path)
    assert {one["name"]: one["type"] for one in found["columns"]} == {
        "small": "bigint",
        "unsigned": "decimal(20,0)",
        "real": "double",
        "money": "decimal(12,2)",
        "yes": "boolean",
        "day": "date",
        "zoneless": "timestamp",
        "zoned": "timestamp",
        "text": "string",
        "word": "string",
        "nested": "string",
        "nothing": "string",
        "long": "string",
    }
    assert found["notes"] == ["zoneless: instants without a time zone are taken as UTC"]
    assert lake.rows("t") == [
        {
            "small": 1,
            "unsigned": Decimal(2**64 - 1),
            "real": 0.5,
            "money": Decimal("1.50"),
            "yes": True,
            "day": date(1995, 12, 22),
            "zoneless": instant.replace(tzinfo=UTC),
            "zoned": instant.replace(tzinfo=UTC, microsecond=123000),
            "text": "007",
            "word": "drama",
            "nested": '{"a":[1,2]}',
            "nothing": None,
            "long": f"{10**40 + 1}.00",
        }
    ]


def test_what_is_nested_in_parquet_becomes_json_or_is_refused_in_one_line(lake: Importer) -> None:
    path = lake.parquet("t.parquet", a=pa.array([[1_500]], pa.list_(pa.timestamp("ns", "UTC"))))
    assert lake.types("t", path) == {"a": "string"}
    assert lake.rows("t") == [{"a": '["1970-01-01T00:00:00.0000015Z"]'}]
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    said = lake.refused("u", lake.parquet("u.parquet", a=twice))
    assert said.startswith("u.parquet: column a is not of type string: ")
    assert "duplicate field names" in said


def test_parquet_files_of_other_types_or_none_are_refused(lake: Importer) -> None:
    first, second = lake.parquet("a.parquet", a=[1]), lake.parquet("b.parquet", a=["x"])
    said = lake.refused("t", first, second)
    assert said == (
        "b.parquet: column a is string, in a.parquet it is bigint; files of one table have the same columns"
    )
    said = lake.refused("t", lake.parquet("c.parquet", a=[1], A=[2]))
    assert said == "c.parquet: column 'a' and 'A' would be one name in a table; rename one of them"
    assert lake.refused("t", lake.parquet("c.parquet", a=[b"x"])) == (
        "c.parquet: column a is binary, which no table here holds: leave it out"
    )
    assert lake.refused("t", lake.file("d.parquet", b"PAR1 and no more")).startswith(
        "d.parquet is not a Parquet file, or damaged: "
    )
    assert lake.refused("t", lake.parquet("e.parquet", a=pa.array([], pa.int64()))).startswith(
        "e.parquet holds no rows"
    )


def test_parquet_comes_into_what_is_pinned_only_if_its_type_may(lake: Importer) -> None:
    lake.bring("t", lake.parquet("a.parquet", a=[0.5], b=["x"]))
    lake.bring("t", lake.parquet("b.parquet", b=[7], a=[2]))
    assert lake.rows("t") == [{"a": 2.0, "b": "7"}]
    said = lake.refused("t", lake.parquet("c.parquet", a=["0.5"], b=["x"]))
    assert said.startswith("c.parquet: column a is string, which is not of type double; nothing is changed")
    said = lake.refused("t", lake.parquet("d.parquet", a=[2**53 + 1], b=["x"]))
    assert said.startswith("d.parquet: column a is not of type double: Integer value 9007199254740993 not in range")


def test_nested_values_keep_their_nanoseconds_maps_and_nan(lake: Importer) -> None:
    at = pa.timestamp("ns", "UTC")
    kind = pa.struct(
        [("at", at), ("for", pa.duration("ms")), ("days", pa.list_(pa.date32())), ("time", pa.time64("ns"))]
    )
    row = {"at": 1_000_000_001, "for": 1500, "days": [0], "time": 1}
    path = lake.parquet(
        "t.parquet",
        s=pa.array([row], kind),
        m=pa.array([[("k", 1)]], pa.map_(pa.string(), at)),
        twice=pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())),
        f=pa.array([[float("nan"), float("inf"), 1.5]], pa.list_(pa.float64())),
    )
    lake.bring("t", path)
    assert {name: json.loads(text) for name, text in lake.rows("t")[0].items()} == {
        "s": {
            "at": "1970-01-01T00:00:01.000000001Z",
            "for": "PT1.5S",
            "days": ["1970-01-01"],
            "time": "00:00:00.000000001",
        },
        "m": {"k": "1970-01-01T00:00:00.000000001Z"},
        "twice": [["k", 1], ["k", 2]],
        "f": ["NaN", "Infinity", 1.5],
    }


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_an_instant_beyond_all_years_is_refused_and_does_not_wrap_around(lake: Importer, unit: str) -> None:
    never = pa.array([2**63 - 1, 18448444073709551], pa.int64()).cast(pa.timestamp(unit))
    assert "column at" in lake.refused("t", lake.parquet("t.parquet", at=never))


def test_nan_in_a_column_is_found_by_queries(lake: Importer) -> None:
    """Parquet's bounds leave NaN out, and Sail took a column for constant if its bounds were equal."""
    lake.bring("t", lake.parquet("t.parquet", id=[1, 2], r=[float("nan"), 1.5], s=[1.5, float("nan")]))
    with reelhouse.open(lake.root) as opened:
        found = opened.sql("select * from t order by id").toArrow().to_pylist()
        assert str([tuple(row.values()) for row in found]) == "[(1, nan, 1.5), (2, 1.5, nan)]"
        assert opened.sql("select id from t where r > 5").toArrow().to_pylist() == [{"id": 1}]


def test_nanoseconds_that_are_cut_are_counted(lake: Importer) -> None:
    values = pa.array([1_000, 1_001, None], pa.timestamp("ns", "UTC"))
    assert lake.bring("t", lake.parquet("t.parquet", at=values))["notes"] == ["at: 1 instants are cut to microseconds"]
    assert lake.bring("u", lake.parquet("u.parquet", at=values[:1]))["notes"] == []
