"""What CSV files become: every value comes back, and what cannot be read is said by file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reelhouse
from reelhouse import strict_csv
from reelhouse.imports.csv_files import CsvFiles
from reelhouse.imports.files import source
from reelhouse.imports.run import mark_of
from reelhouse.imports.values import TextBatch, Values
from reelhouse.strict_csv import CsvError, Dialect, LineCounts, check, read_rows
from reelhouse.warehouse.import_registry import ImportColumn
from tests.imports.conftest import Importer

_NO_QUOTES = "(--no-quotes takes quotes as text)"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("1 -2 30", "bigint"),
        ("9007199254740992 0.5", "double"),
        ("0.5 9007199254740992", "double"),
        ("-9223372036854775808 1", "bigint"),
        ("1995-12-22 infinity", "string"),
        ("infinity infinity", "string"),
        ("12026-01-01 1995-12-22", "string"),
        ("1995-1-2 1995-12-22", "string"),
        ("2026-11-23T24:00:00Z 2026-11-23T08:00:00Z", "string"),
        ("2026-11-23T08:00:00+25:00 2026-11-23T08:00:00Z", "string"),
        ("2026-11-23T08:00:60Z 2026-11-23T08:00:00Z", "string"),
        ("9223372036854775807 1", "bigint"),
        ("964982703 0", "bigint"),
        ("9223372036854775808 1", "string"),
        ("4.0 0.5 3", "double"),
        ("-0.25 1e-3 .5", "double"),
        ("0114709 0113497", "string"),
        ("1 007", "string"),
        ("007.5 1.5", "string"),
        ("0x1F 12", "string"),
        ("+5 6", "string"),
        ("-0 1", "string"),
        ("1_000 2", "string"),
        ("1,5 2,5", "string"),
        ("9007199254740993 0.5", "string"),
        ("0.5 9007199254740993", "string"),
        ("123456789012345678 1.5", "string"),
        ("nan 1.5", "string"),
        ("inf 1.5", "string"),
        ("1e400 1.5", "string"),
        ("true false", "boolean"),
        ("True FALSE", "boolean"),
        ("true 1", "string"),
        ("t f", "string"),
        ("1995-12-22 2026-11-23", "date"),
        ("1995-12-22 1995-02-30", "string"),
        ("0000-01-01 1995-12-22", "string"),
        ("0000-01-01T00:00:00Z 1995-12-22T00:00:00Z", "string"),
        ("0001-01-01T00:00:00+05:00 1995-12-22T00:00:00Z", "string"),
        ("1995-12-22T00:00:00Z 9999-12-31T23:59:59-01:00", "string"),
        ("0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999Z", "timestamp"),
        ("19951222 19951223", "bigint"),
        ("22/12/1995 23/12/1995", "string"),
        ("1995-12-22T10:00:00Z 2026-11-23T08:00:00.5+02:00", "timestamp"),
        ("1995-12-22T10:00:00 2026-11-23T08:00", "timestamp"),
        ("1995-12-22T10:00:00.123456789Z 1995-12-22T10:00:00Z", "string"),
        ("1995-12-22 1995-12-22T10:00:00Z", "string"),
        ("1995-12-22 7", "string"),
        ("tt0114709 tt1", "string"),
    ],
)
def test_a_column_gets_the_type_that_all_its_values_fit_unchanged(lake: Importer, values: str, kind: str) -> None:
    lines = "\n".join(f'"{value}",' for value in values.split())
    (found, _) = CsvFiles([Path(lake.file("t.csv", f"a,b\n{lines}\n"))]).columns(None)
    assert (found.name, found.type) == ("a", kind)


def test_types_follow_from_all_values_and_not_from_the_first(lake: Importer) -> None:
    path = lake.file("t.csv", "a,b\n" + "12345678,12345678\n" * 600_000 + "n/a,0.5\n")
    reading = CsvFiles([Path(path)])
    columns = reading.columns(None)
    assert [column.type for column in columns] == ["string", "double"]
    *_, last = reading.batches(columns)
    assert last.slice(len(last) - 2).to_pylist() == [{"a": "12345678", "b": 12345678.0}, {"a": "n/a", "b": 0.5}]


class Given(Values):
    """One column of these texts, each batch a list of them."""

    marked = False

    def __init__(self, *batches: list[str]) -> None:
        super().__init__([ImportColumn("a", "")])
        self._batches = [pa.RecordBatch.from_pydict({"a": pa.array(batch, pa.string())}) for batch in batches]

    def read(self) -> Iterator[TextBatch]:
        for batch in self._batches:
            yield TextBatch(batch, "row {}".format)


def test_large_numbers_seen_before_the_first_fraction_count_as_well() -> None:
    assert Given(["9007199254740993"]).columns(None)[0].type == "bigint"
    assert Given(["9007199254740993"], ["0.5"]).columns(None)[0].type == "string"


def test_nothing_between_two_commas_is_null(lake: Importer) -> None:
    found = lake.bring("t", lake.file("t.csv", 'a,b,c\n1,,x\n,"",\n3,4.5," "\n'))
    assert lake.rows("t") == [
        {"a": 1, "b": None, "c": "x"},
        {"a": 3, "b": 4.5, "c": " "},
        {"a": None, "b": None, "c": None},
    ]
    assert [(one["name"], one["type"], one["nulls"], one["example"]) for one in found["columns"]] == [
        ("a", "bigint", 1, "1"),
        ("b", "double", 2, "4.5"),
        ("c", "string", 1, "x"),
    ]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_nothing_behind_the_last_comma_is_null_however_the_file_ends(lake: Importer, end: str) -> None:
    lake.bring("t", lake.file("t.csv", f'id,title,note\n1,"A",x\n2,"B, or C",{end}'))
    lake.bring("u", lake.file("u.csv", f'id,note\n1,x\n2,""{end}'))
    assert [row["note"] for row in lake.rows("t")] == ["x", None]
    assert [row["note"] for row in lake.rows("u")] == ["x", ""]


def test_a_column_without_any_value_is_text(lake: Importer) -> None:
    assert lake.types("t", lake.file("t.csv", "a,b\n1,\n2,\n"))["b"] == "string"


def test_dates_and_instants_are_those_that_were_written(lake: Importer) -> None:
    lines = "1995-12-22,2026-11-23T08:00:00.5+02:00,true\n2026-01-02,2026-11-23 08:00:00,False\n"
    found = lake.bring("t", lake.file("t.csv", f"day,seen_at,yes\n{lines}"))
    assert lake.rows("t") == [
        {"day": date(1995, 12, 22), "seen_at": datetime(2026, 11, 23, 6, 0, 0, 500_000, UTC), "yes": True},
        {"day": date(2026, 1, 2), "seen_at": datetime(2026, 11, 23, 8, tzinfo=UTC), "yes": False},
    ]
    assert found["notes"] == ["seen_at: instants without a time zone are taken as UTC"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_stands_between_values_is_found(lake: Importer, delimiter: str) -> None:
    rows = [["title", "note", "n"], ["Se7en", "a, b; c | d", "1"], ["Alien", "x", "2"]]
    text = "\n".join(delimiter.join(f'"{value}"' for value in row) for row in rows)
    assert lake.types("t", lake.file("t.txt", text)) == {"title": "string", "note": "string", "n": "bigint"}
    assert lake.rows("t")[1] == {"title": "Se7en", "note": "a, b; c | d", "n": 1}


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"a,b\r\n1,2\n3,4\r\n5,6\n", [(1, 2), (3, 4), (5, 6)]),
        (b"a,b\r1,2\r3,4\r", [(1, 2), (3, 4)]),
        (b"a\n1\n\n2\n\n", [(1,), (2,)]),
        (b'a\n1\n""\n2\n', [(1,), (2,), (None,)]),
        (b"#a,b\n#1,2\n3,4\n", [("#1", 2), ("3", 4)]),
    ],
)
def test_lines_end_as_they_like_and_blank_ones_are_no_rows(lake: Importer, body: bytes, rows: list[tuple[Any]]) -> None:
    lake.bring("t", lake.file("t.csv", body))
    assert [tuple(row.values()) for row in lake.rows("t")] == rows


@pytest.mark.parametrize("name", ["t[1].csv", "t*.csv", "t?.csv"])
def test_a_file_is_never_taken_for_a_pattern_of_others(lake: Importer, name: str) -> None:
    lake.file("t1.csv", "a\n1\n")
    lake.bring("t", lake.file(name, "a\n2\n"))
    assert lake.rows("t") == [{"a": 2}]


def test_a_semicolon_wins_over_commas_in_titles(lake: Importer) -> None:
    text = "titulo;ano\nBacurau;2019\nEu, Tu, Eles;2000\nO Auto, da Compadecida;2000\n"
    assert lake.types("t", lake.file("t.csv", text)) == {"titulo": "string", "ano": "bigint"}


def test_quotes_line_ends_and_the_mark_of_utf8_are_taken_as_everybody_does(lake: Importer) -> None:
    body = '\ufeffa,b\r\n"Léon: ""The Professional""","two\nlines"\r\n\r\n"x, y","5"" disc"\r\n'
    lake.bring("t", lake.file("t.csv", body))
    assert lake.rows("t") == [{"a": 'Léon: "The Professional"', "b": "two\nlines"}, {"a": "x, y", "b": '5" disc'}]


@pytest.mark.parametrize("before", ["\n", "\n\n", "\ufeff\r\n\r\n\r\n"])
def test_blank_lines_before_the_header_make_it_no_row(lake: Importer, before: str) -> None:
    assert lake.types("t", lake.file("t.csv", f"{before}a,b\n1,2\n")) == {"a": "bigint", "b": "bigint"}
    assert lake.rows("t") == [{"a": 1, "b": 2}]
    said = lake.refused("t", lake.file("t.csv", f"{before}a,b\n1,2\n\n3\n"))
    line = before.count("\n") + 4
    assert said == f"t.csv: line {line} has 1 values, the header names 2"


def test_packed_files_are_unpacked_whatever_they_are_called(lake: Importer) -> None:
    lake.bring("t", lake.file("t.csv.gz", gzip.compress(b"a\n1\n")), lake.file("u.csv", gzip.compress(b"a\n2\n")))
    assert lake.rows("t") == [{"a": 1}, {"a": 2}]


def test_words_for_null_and_plain_quotes_can_be_named(lake: Importer) -> None:
    text = 'tconst\ttitle\truntime\ntt1\t"Quoted\t\\N\ntt2\tIt\'s "it"\t90\n'
    path = lake.file("title.basics.tsv", text)
    assert lake.types("basics", path, "--null", "\\N", "--no-quotes")["runtime"] == "bigint"
    assert [row["title"] for row in lake.rows("basics")] == ['"Quoted', 'It\'s "it"']
    assert [row["runtime"] for row in lake.rows("basics")] == [None, 90]


def test_names_that_no_table_can_have_are_changed_visibly(lake: Importer) -> None:
    path = lake.file("t.csv", ",Box Office ($),título, x ,a.b,ok\n1,2,3,4,5,6\n")
    found = lake.bring("t", path)
    assert {one["name"]: one["source"] for one in found["columns"]} == {
        "column_1": "column_1",
        "Box_Office": "Box Office ($)",
        "título": "título",
        "x": " x ",
        "a_b": "a.b",
        "ok": "ok",
    }
    assert lake.rows("t") == [{"column_1": 1, "Box_Office": 2, "título": 3, "x": 4, "a_b": 5, "ok": 6}]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a,b,a", "column 'a' is there twice in a table; rename one of them"),
        ("a,A", "column 'a' and 'A' would be one name in a table; rename one of them"),
        ("a b,a.b", "column 'a b' and 'a.b' would be one name in a table; rename one of them"),
    ],
)
def test_names_that_would_meet_are_refused(lake: Importer, header: str, said: str) -> None:
    row = ",".join("1" for _ in header.split(","))
    assert lake.refused("t", lake.file("t.csv", f"{header}\n{row}\n")) == f"t.csv: {said}"


def test_a_column_whose_name_no_catalogue_takes_is_refused(lake: Importer) -> None:
    said = lake.refused("t", lake.file("t.csv", f"{'é' * 201},b\n1,2\n"))
    assert (
        said == f"t.csv: column {'é' * 40}... has a name of 201 letters, and a table's may have 200: shorten it there"
    )
    said = lake.refused("t", lake.parquet("t.parquet", **{"y" * 300: pa.array([1])}))
    assert "has a name of 300 letters" in said
    said = lake.refused("t", lake.file("t.json", json.dumps([{"z" * 300: 1}])))
    assert "has a name of 300 letters" in said
    assert lake.types("t", lake.file("t.csv", f"{'é' * 200},b\n1,2\n"))["é" * 200] == "bigint"


@pytest.mark.parametrize("first", ["1,296,5.0,1147880044", "2020-01-01,7", "1995,Toy Story"])
def test_a_first_line_of_values_is_no_header(lake: Importer, first: str) -> None:
    said = lake.refused("t", lake.file("t.csv", f"{first}\n{first}\n"))
    value = first.split(",")[0]
    said_first = f"t.csv: the first line is not a header, it holds {value!r}: put a line with the columns' names first"
    assert said == f"{said_first}, or leave out the lines above it: --skip-lines N"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "t.csv is empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "t.csv is empty"),
        (b"a,b\n", "t.csv holds no rows; nothing is changed"),
        (b"a,b\n1,2\n\n1,2,3\n", "t.csv: line 4 has 3 values, the header names 2"),
        (b"a,b\n1,2,\n", "t.csv: line 2 has 3 values, the header names 2"),
        (b'a,b\n1, "x"\n', f"t.csv: line 2: a quote stands inside a value that does not begin with one {_NO_QUOTES}"),
        (b'a,b\n1,"x\ny"\n7\n', "t.csv: line 4 has 1 values, the header names 2"),
        (
            b"a,b\n1,x\n2,L\xe9on\n",
            "t.csv: line 3, byte 4 is 0xe9, which is not UTF-8: save the file as UTF-8, or name its own: "
            "--encoding latin-1",
        ),
        (
            b'a,b\n1,x\n2,"y\n3,z\n',
            "t.csv: line 3 opens a quote that is never closed (--no-quotes takes quotes as text)",
        ),
        (
            b'id,t\n1,"A\n2,B\n3,"C\n4,D\n',
            "t.csv: line 2 opens a quote, and text stands behind the one that closes it in line 4 "
            "(--no-quotes takes quotes as text)",
        ),
        (
            b'id,t\n1,"Alpha" Beta\n2,plain\n',
            "t.csv: line 2 opens a quote, and text stands behind the one that closes it "
            "(--no-quotes takes quotes as text)",
        ),
        (
            b'id,t\n1,plain\n2,5" disc\n3,12" disc\n',
            "t.csv: line 3: a quote stands inside a value that does not begin with one "
            "(--no-quotes takes quotes as text)",
        ),
        (
            b'id,t\n1,"\n2,B\n',
            "t.csv: line 2 opens a quote that is never closed (--no-quotes takes quotes as text)",
        ),
        (
            b'id,t\n1,A\n"',
            "t.csv: line 3 opens a quote that is never closed (--no-quotes takes quotes as text)",
        ),
        (b'id,"' + b"x" * 300_000 + b'"\n1,2\n', "t.csv: the first line is longer than 256 KB, so it is not a header"),
        (
            b'id,overview,votes\n1,"He said \\"hi\\" and left",5\n',
            "t.csv: line 2 opens a quote, and text stands behind the one that closes it "
            "(--escape '\\' takes \\\" as a quote inside a value; --no-quotes takes quotes as text)",
        ),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "t.csv: the gzip file is cut short or damaged"),
    ],
)
def test_what_cannot_be_read_is_said_by_file_and_line(lake: Importer, body: bytes, said: str) -> None:
    assert lake.refused("t", lake.file("t.csv", body)) == said


def test_backslashes_before_quotes_are_read_where_they_are_named(lake: Importer) -> None:
    path = lake.file("t.csv", 'id,t,n\n1,"He said \\"hi\\", and left",5\n2,"a ""b"" c",6\n3,x\\,y,7\n')
    for escape in ("\\", "\\\\"):
        lake.bring("t", path, "--escape", escape, "--new-schema")
        assert [row["t"] for row in lake.rows("t")] == ['He said "hi", and left', 'a "b" c', "x,y"]
    assert lake.refused("t", path, "--escape", "ab", code=2).startswith("escape: one character")
    assert "no value would ever be it" in lake.refused("t", path, "--escape", "\\", "--null", "\\N", code=2)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ('"said \\', "opens a quote that is never closed (--no-quotes takes quotes as text)"),
        ('"said \\"', "opens a quote that is never closed (--no-quotes takes quotes as text)"),
        ("said \\", "ends in an escape that nothing follows"),
    ],
)
def test_a_file_that_is_cut_behind_an_escape_is_refused(lake: Importer, end: str, said: str) -> None:
    path = lake.file("t.csv", f'id,t\n1,"abc"\n2,{end}')
    assert lake.refused("t", path, "--escape", "\\") == f"t.csv: line 3 {said}"


def test_values_that_span_lines_are_noted_and_those_that_look_like_rows_are_counted(lake: Importer) -> None:
    found = lake.bring("t", lake.file("t.csv", 'id,t\n1,"A\n2,B\n3,C"\n4,"x\ny"\n5,D\n'))
    assert found["rows"] == 3
    assert found["notes"] == [
        "t.csv: 2 values span lines, the longest 3 lines from line 2 on; 2 of the lines inside have as many columns as "
        "the header; if that is a stray quote, --no-quotes takes quotes as text"
    ]


def test_rows_that_the_parser_does_not_give_end_the_import(lake: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    from reelhouse.imports import csv_files

    parsed = csv_files._parsed

    def lossy(*args: Any) -> Iterator[Any]:
        return (batch.slice(1) for batch in parsed(*args))

    monkeypatch.setattr(csv_files, "_parsed", lossy)
    said = lake.refused("t", lake.file("t.csv", 'id,t\n1,"A\nB"\n2,B\n'))
    assert said.startswith("t.csv: 1 rows were read of LineCounts(lines=4, records=3, ")


def test_long_values_are_read_at_the_begin_of_a_file_too(lake: Importer) -> None:
    long = "x" * 400_000
    lake.bring("t", lake.file("t.csv", f'id,t\n603,"{long}"\n550,{long}\n'))
    assert [len(row["t"]) for row in lake.rows("t")] == [400_000, 400_000]


def test_a_file_that_was_read_by_looser_rules_is_read_again(lake: Importer) -> None:
    path = lake.file("t.csv", 'id,t\n1,"A\n2,B\n3,"C\n4,D\n')
    lake.bring("t", lake.file("u.csv", "id,t\n1,A\n"))
    pins = msgspec.json.decode(lake.storage.get("_reelhouse/imports.json"))
    pins["tables"]["t"]["fingerprint"] = mark_of([source(Path(path))], [""])
    lake.storage.put("_reelhouse/imports.json", msgspec.json.encode(pins))
    assert "opens a quote" in lake.refused("t", path)


@given(
    cells=st.lists(st.lists(st.text('a1 "\\,;\n\r\té', max_size=6), min_size=2, max_size=2), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_is_written_by_the_rules_comes_back_and_lines_add_up(cells: list[list[str]], delimiter: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["h", "i"], *cells])
    body = written.getvalue().encode()
    tally = LineCounts()
    rows = list(read_rows(io.BytesIO(body), Dialect(delimiter), tally))
    assert [row.cells for row in rows] == [["h", "i"], *cells]
    assert check([body[:3], body[3:]], Dialect(delimiter)) == tally
    assert tally.records == len(cells) + 1
    assert tally.lines == tally.records + tally.inside
    assert tally.spanning == sum("\n" in cell or "\r" in cell for row in cells for cell in row)


@given(st.text('a",\n\r', max_size=14), st.integers(1, 5))
def test_the_strict_reader_takes_only_what_python_s_strict_one_reads_alike(text: str, step: int) -> None:
    body = f"h,i\n{text}".encode()
    blocks = [body[at : at + step] for at in range(0, len(body), step)]
    try:
        tally = check(blocks, Dialect())
    except CsvError:
        return
    rows = [row.cells for row in read_rows(io.BytesIO(body), Dialect())]
    assert rows == [row for row in csv.reader(io.StringIO(body.decode(), newline=""), strict=True) if row]
    assert tally.records == len(rows)


def test_millions_of_blank_lines_are_counted_within_a_second() -> None:
    blocks = [b"id,title\n", *[b"\n" * (1 << 20)] * 2, b'"1\n\n",a\r\n\r', b"\n2,b\n\n"]
    began = time.process_time()
    tally = check(blocks, Dialect())
    assert time.process_time() - began < 1
    assert (tally.records, tally.inside, tally.blank) == (3, 2, (2 << 20) + 2)
    assert tally.lines == tally.records + tally.inside + tally.blank


@pytest.mark.long
def test_the_line_is_right_far_into_a_file_too(lake: Importer) -> None:
    said = lake.refused("t", lake.file("t.csv", "a,b\n" + "1234567890,1234567890\n" * 500_000 + "1,2,3\n"))
    assert said == "t.csv: line 500002 has 3 values, the header names 2"
    lake.bring("t", lake.file("u.csv", "a,b\n1,2\n"))
    said = lake.refused("t", lake.file("t.csv", "a,b\n" + "1234567890,1234567890\n" * 500_000 + "x,2\n"))
    assert said.startswith("t.csv: line 500002: a is 'x', which is not of type bigint; nothing is changed")


def test_a_header_that_is_cut_off_by_a_quote_is_said(lake: Importer) -> None:
    said = lake.refused("t", lake.file("t.csv", 'a,"b\n' + "1,2\n" * 100_000))
    assert said == "t.csv: line 1 opens a quote that is never closed (--no-quotes takes quotes as text)"
    said = lake.refused("t", lake.file("t.csv", 'a,"b\n1,2\n'))
    assert said == "t.csv: line 1 opens a quote that is never closed (--no-quotes takes quotes as text)"


def test_a_header_longer_than_what_is_looked_at_is_said_as_such(lake: Importer) -> None:
    # One that lacks but the end of its last name has the right number of columns.
    for header in (",".join(f"{at:_>40}" for at in range(10_000)), "a," + "b" * 256 * 1024):
        body = f"{header}\n{','.join('1' * len(header.split(',')))}\n"
        said = lake.refused("t", lake.file("t.csv", body))
        assert said == "t.csv: the first line is longer than 256 KB, so it is not a header"


def test_several_files_make_one_table_by_the_names_of_their_columns(lake: Importer) -> None:
    first, second = lake.file("in/a.csv", "id,v\n1,2\n"), lake.file("in/b.csv", "v;id\n0.5;3\n")
    assert lake.types("t", first, second) == {"id": "bigint", "v": "double"}
    assert lake.rows("t") == [{"id": 1, "v": 2.0}, {"id": 3, "v": 0.5}]
    lake.file("in/notes.md", "not a table")
    assert not lake.bring("t", str(lake.folder / "in"))["imported"]
    assert not lake.bring("t", str(lake.folder / "in" / "?.csv"))["imported"]


def test_files_of_other_columns_are_refused_by_name(lake: Importer) -> None:
    first, second = lake.file("a.csv", "id,v\n1,2\n"), lake.file("b.csv", "id,w\n1,2\n")
    hint = "files of one table have the same columns"
    assert lake.refused("t", first, second) == f"b.csv has no column v, which a.csv has; {hint}"
    third = lake.file("c.csv", "id,v,w\n1,2,3\n")
    assert lake.refused("t", first, third) == f"c.csv has a column w, which a.csv has not; {hint}"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "import: say what: files, or a database by --from and --table"),
        (["nope.csv"], "nope.csv: this file does not exist"),
        (["nope*.csv"], "nope*.csv: this file does not exist"),
        (["a.csv", "a.csv"], "import: a.csv is named twice"),
        (["a.csv", "b.json"], "b.json and a.csv are of different kinds: one table is made of files of one kind"),
        (["empty"], "empty: this folder holds no file that can be imported (.csv,"),
        (["x.zip"], "x.zip: unpack it first The ending of a name says what a file is: .csv,"),
    ],
)
def test_files_that_are_not_there_or_are_no_tables_are_refused(lake: Importer, files: list[str], said: str) -> None:
    for name in ("a.csv", "b.json", "x.zip"):
        lake.file(name, "a\n1\n")
    (lake.folder / "empty").mkdir()
    assert lake.refused("t", *(str(lake.folder / file) for file in files), code=2).startswith(said)


@pytest.mark.long
@settings(deadline=None)
@given(st.lists(st.text("0123456789+-.eExinfaTZ: ", min_size=1, max_size=20), min_size=1, max_size=6))
def test_a_number_or_an_instant_is_only_what_comes_back_as_it_was(values: list[str]) -> None:
    given = Given(values)
    columns = given.columns(None)
    kind, (batch,) = columns[0].type, given.batches(columns)
    for text, value in zip(values, batch.column(0).to_pylist(), strict=True):
        if kind == "bigint":
            assert str(value) == text
        elif kind == "double":
            assert float(text) == value
        elif kind == "string":
            assert value == text


def test_memory_does_not_grow_with_the_file(lake: Importer) -> None:
    # Batches, not the file, are held.
    reading = CsvFiles([Path(lake.file("t.csv", "a,b\n" + "1,some text here\n" * 2_000_000))])
    batches = [batch.nbytes for batch in reading.batches(reading.columns(None))]
    assert len(batches) > 3
    assert max(batches) < 16 * 1024 * 1024


def test_columns_in_any_number_get_their_own_types_and_values(lake: Importer) -> None:
    names = [f"c{number}" for number in range(101)]
    rows = [[("x", f"{row}", f"{row}.5")[number % 3] for number in range(101)] for row in (1, 2)]
    text = "\n".join(",".join(line) for line in (names, *rows))
    imported = lake.bring("t", lake.file("t.csv", f"{text}\n"))
    types = [("string", "bigint", "double")[number % 3] for number in range(101)]
    assert [one["type"] for one in imported["columns"]] == types
    assert lake.rows("t")[1] == {name: ("x", 2, 2.5)[number % 3] for number, name in enumerate(names)}


def test_an_empty_text_is_kept_and_said_where_a_type_has_none(lake: Importer) -> None:
    found = lake.bring("t", lake.file("t.csv", 'id,t,n\n1,"",""\n2,,5\n3,"\\N",\n'))
    assert lake.rows("t") == [
        {"id": 1, "t": "", "n": None},
        {"id": 2, "t": None, "n": 5},
        {"id": 3, "t": "\\N", "n": None},
    ]
    assert found["notes"] == ['n: 1 empty texts ("") are read as NULL']
    lake.bring("t", lake.file("u.csv", 'id,t,n\n1,"","6"\n2,"NA",""\n'), "--null", "NA")
    assert lake.rows("t") == [{"id": 1, "t": "", "n": 6}, {"id": 2, "t": None, "n": None}]


def test_types_that_an_export_wrote_next_to_its_file_hold_for_it(lake: Importer) -> None:
    columns = [{"name": name, "type": kind} for name, kind in (("n", "int"), ("t", "string"), ("d", "double"))]
    exported = {"tables": {"movie": {"file": "movie.csv", "columns": columns}}}
    lake.file("reelhouse_export.json", json.dumps(exported))
    path = lake.file("movie.csv", 'n,t,d\n1,"12",3\n')
    assert lake.types("t", path) == {"n": "bigint", "t": "string", "d": "double"}
    assert lake.types("other", lake.file("other.csv", 'n,t,d\n1,"12",3\n'))["t"] == "bigint"
    edited = lake.bring("edited", lake.file("movie.csv", 'n,t,d\nx,"12",3\n'))
    assert edited["columns"][0]["type"] == "string"
    assert "types are not those that reelhouse_export.json names, because a value does not fit" in edited["notes"][0]


def test_an_export_comes_back_as_it_was(lake: Importer, tmp_path: Path) -> None:
    digits = [Decimal("12345678901234567890.123456789012345678"), Decimal("12345678901234567890.123456789012345679")]
    rows = {
        "m": pa.array(digits, pa.decimal128(38, 18)),
        "d": pa.array([math.nan, -0.0]),
        "e": pa.array([math.inf, -math.inf]),
        "code": pa.array(["1", "2"]),
    }
    lake.bring("t", lake.parquet("t.parquet", **rows))
    reelhouse.export(lake.root, to=f"csv:{tmp_path}/out", tables=["t"])
    assert lake.bring("u", f"{tmp_path}/out/t.csv")["notes"] == ["types are those that reelhouse_export.json names"]
    assert lake.types("v", f"{tmp_path}/out/t.csv") == lake.types("w", str(lake.folder / "t.parquet"))
    assert repr(lake.rows("u")) == repr(lake.rows("t"))


@pytest.mark.parametrize("escape", ["", "\\"])
@pytest.mark.parametrize("possessive", [True, False])
def test_what_python_before_3_11_5_is_given_finds_the_same(
    possessive: bool, escape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if possessive and sys.version_info < (3, 11, 5):
        pytest.skip("this Python needs the other form")
    monkeypatch.setattr(strict_csv, "_POSSESSIVE", possessive)
    dialect = Dialect(",", escape=escape)
    text = b'a,b\n"x, ""y""",1\nplain,"2\n3"\n"Alien","x"'
    assert [row.cells for row in read_rows(io.BytesIO(text), dialect)] == [
        ["a", "b"], ['x, "y"', "1"], ["plain", "2\n3"], ["Alien", "x"]
    ]  # fmt: skip
    assert check([text], dialect).records == 4
    with pytest.raises(CsvError, match="line 2: a quote stands inside a value"):
        check([b'a,b\n1,5" disc\n'], dialect)
