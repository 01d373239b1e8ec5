"""Results of queries become files piece by piece, whatever batches they came in."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pytest

from reelhouse.serve.files import FORMS

ROWS = 25_000


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
