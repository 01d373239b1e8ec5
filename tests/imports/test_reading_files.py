"""Files as people have them: other encodings, lines above the header, names like numbers, pages of an API."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.imports.conftest import Importer


@pytest.mark.parametrize(
    ("body", "options", "rows"),
    [
        ("id,título\n1,é\n".encode("latin-1"), ("--encoding", "latin-1"), [{"id": 1, "título": "é"}]),
        ("id,t\n1,é\n".encode("utf-16"), (), [{"id": 1, "t": "é"}]),
        (gzip.compress("id,t\n1,€\n".encode("cp1252")), ("--encoding", "cp1252"), [{"id": 1, "t": "€"}]),
        (b"sep=;\nid;t\n1;A\n", (), [{"id": 1, "t": "A"}]),
        (b"List v7\nDate,Name\n\nid,t\n1,A\n", ("--skip-lines", "3"), [{"id": 1, "t": "A"}]),
        (b"List v7\rDate,Name\r\rid,t\r1,A\r", ("--skip-lines", "3"), [{"id": 1, "t": "A"}]),
        (b"List v7\r\nDate,Name\r\n\r\nid,t\r\n1,A", ("--skip-lines", "3"), [{"id": 1, "t": "A"}]),
        (b"x" * (2**20 - 1) + b"\r\nDate,Name\nid,t\n1,A\n", ("--skip-lines", "2"), [{"id": 1, "t": "A"}]),
        (b"id,t\r1,A\r2,B\r", (), [{"id": 1, "t": "A"}, {"id": 2, "t": "B"}]),
        (b"t,2019,2020\nA,1,2\n", (), [{"t": "A", "_2019": 1, "_2020": 2}]),
        (b"t,3D,1e5x\nA,1,2\n", (), [{"t": "A", "_3D": 1, "_1e5x": 2}]),
    ],
)
def test_csv_files_are_read_as_people_have_them(
    lake: Importer, body: bytes, options: tuple[str, ...], rows: object
) -> None:
    lake.bring("t", lake.file("t.csv", body), *options)
    assert lake.rows("t") == rows


@pytest.mark.parametrize("cut", [1, 3])
def test_a_file_that_is_cut_in_its_last_character_is_refused(lake: Importer, cut: int) -> None:
    body = "id,t\n1,A\n2,\U0001f3ac".encode("utf-16")
    assert lake.refused("t", lake.file("t.csv", body[:-cut])).startswith("t.csv is cut in the middle of a character")


def test_what_is_wrong_with_a_file_is_said_by_its_own_line_and_with_its_remedy(lake: Importer) -> None:
    latin = lake.file("l.csv", "id,título\n1,A\n".encode("latin-1"))
    said = lake.refused("t", latin)
    assert said.startswith("l.csv: line 1, byte 5 is 0xed, which is not UTF-8")
    assert said.endswith("--encoding latin-1")
    preamble = lake.file("p.csv", b"List v7\nid,t\n1,A\n2\n")
    assert lake.refused("t", preamble, "--skip-lines", "1") == "p.csv: line 4 has 1 values, the header names 2"
    titled = lake.file("d.csv", b"List v7\nDate,Name\n\nPosition,Name,Year\n1,A,1999\n")
    assert lake.refused("t", titled).endswith("leave them out: --skip-lines N")
    assert "--skip-lines N" in lake.refused("t", lake.file("v.csv", b"1,A\n2,B\n"))
    for name in ("klingon", "hex", "rot13"):
        assert f"'{name}' is not known" in lake.refused("t", preamble, "--encoding", name, code=2)
    assert "is not utf-8" in lake.refused("t", latin, "--encoding", "utf-8")
    assert "sqlite_" in lake.refused("sqlite_t", preamble, code=2)
    assert "a letter first" in lake.refused("_delta_log", preamble, code=2)


def test_rows_in_a_list_of_a_json_object_are_imported_by_its_name(lake: Importer) -> None:
    page = {"page": 1, "results": [{"id": 603, "t": "A"}, {"id": 550}]}
    path = lake.file("page.json", json.dumps(page))
    assert lake.bring("t", path)["notes"] == ["each file is one row; --records results imports the list in 'results'"]
    lake.bring("u", path, "--records", "results")
    assert lake.rows("u") == [{"id": 550, "t": None}, {"id": 603, "t": "A"}]
    said = lake.refused("v", path, "--records", "rows")
    assert said == "page.json: line 1: 'rows' is not a list of objects; lists of objects: results"


def test_a_key_that_one_of_several_json_files_lacks_is_null_there(lake: Importer) -> None:
    lake.bring("t", lake.file("a.json", '[{"id": 1, "a": 1}]'), lake.file("b.json", '[{"id": 2, "b": "x"}]'))
    assert lake.rows("t") == [{"id": 1, "a": 1, "b": None}, {"id": 2, "a": None, "b": "x"}]


def test_a_column_without_values_gets_its_type_from_the_first_import_that_has_some(lake: Importer) -> None:
    assert lake.types("t", lake.file("a.csv", "id,n\n1,\n"))["n"] == "string"
    assert lake.types("t", lake.file("b.csv", "id,n\n1,5\n"))["n"] == "bigint"
    assert "is not of type bigint" in lake.refused("t", lake.file("c.csv", "id,n\n1,x\n")).replace("which is", "is")


def test_options_that_are_about_other_files_are_refused(lake: Importer) -> None:
    table, page = lake.file("t.csv", "a\n1\n"), lake.file("t.json", '[{"a": 1}]')
    assert "--records names a list in JSON files" in lake.refused("t", table, "--records", "results", code=2)
    for option in (("--encoding", "latin-1"), ("--skip-lines", "1")):
        assert "--encoding and --skip-lines are about CSV files" in lake.refused("t", page, *option, code=2)
        said = lake.refused("t", "--from", "x.sqlite", "--table", "t", *option, code=2)
        assert "are about files" in said
