"""Results of queries become files piece by piece, whatever batches they came in."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pytest

from reelhouse.errors import ReelhouseError
from reelhouse.serve.files import FORMS

ROWS = 25_000


def test_a_date_that_python_does_not_have_is_an_error_with_the_remedy() -> None:
    day = pa.table({"at": pa.array([4_000_000], "int32").cast("date32")})
    instant = pa.table({"at": pa.array([400_000_000_000_000_000]).cast(pa.timestamp("us", "UTC"))})
    assert made("csv", day) == "at\n12921-08-18\n"
    for form, table in (("json", day), ("jsonl", day), ("csv", instant), ("json", instant)):
        with pytest.raises(ReelhouseError, match="cast it to string"):
            made(form, table)


def made(form: str, table: pa.Table) -> str:
    pieces = [piece if isinstance(piece, str) else piece.decode() for piece in FORMS[form](table)]
    whole = "".join(pieces)
    assert max(map(len, pieces), default=0) <= max(len(whole) // 2, 100)
    return whole


@pytest.mark.parametrize("rows", [0, 1, ROWS])
def test_a_large_result_is_never_held_as_one_text(rows: int) -> None:
    part = pa.table({"id": range(rows), "name": [f"{number}, a" for number in range(rows)]})
    table = pa.concat_tables([part.slice(0, 0), part.slice(0, rows // 3), part.slice(0, 0), part.slice(rows // 3)])
    wanted = part.to_pylist()
    lines = made("csv", table).splitlines()
    assert [{"id": int(one["id"]), "name": one["name"]} for one in csv.DictReader(lines)] == wanted
    assert json.loads(made("json", table)) == wanted
    assert [json.loads(line) for line in made("jsonl", table).splitlines()] == wanted
    assert made("json", table).endswith("]\n")
