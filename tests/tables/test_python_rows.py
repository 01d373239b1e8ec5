"""Rows in plain Python are the rows that the engine makes: every table, answers of all kinds of oddness."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from reelhouse.entities import python_rows
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.movie import MOVIE
from reelhouse.entities.paths import MapOf, Shape
from reelhouse.marts import REGISTRY
from tests.warehouse.landing import Answer, LakeInTheMaking

_TEXTS = ("", "x", "0", "null", "[REC]", "a\u2028b \U0001f3ac", " blank ", '{"a":1}', "true", "Amélie\n", "1.5", "\t")
_ODD: tuple[Any, ...] = (None, "", 0, 1, -1, 7.0, 7.5, "7", "7.0", True, False, "no", [], {}, ["x"], {"id": 1}, 2**63)
_GOOD: dict[str, tuple[Any, ...]] = {
    "string": _TEXTS,
    "bigint": (0, 1, 18, 2**31, 2**53 + 1, -4),
    "double": (0, 0.0, 1.5, 7, 1e-9, 123456.789),
    "boolean": (True, False),
    "date": ("", "1999-10-15", "0001-01-01", "2024-02-29", "9999-12-31"),
    "timestamp": ("2013-02-14T00:00:00.000Z", "2013-02-14 23:59:59 UTC", "1899-12-31T00:00:00.5Z", ""),
}
_BAD: dict[str, tuple[Any, ...]] = {
    "date": ("2023-02-29", "0000-00-00", "2025", "2025-1-1", 20250101),
    "timestamp": ("2013-02-14", "yesterday", "2013-02-30T00:00:00Z", 5),
    "double": ("NaN", "Infinity", "x", "1.25"),
}


_ODD_BODIES: tuple[Any, ...] = (
    b'{"id":241,"popularity":1.50,"budget":1E2,"runtime":90.0,"title":1.50,"homepage":true}',
    b'{"id":242,"title":"t","title":"u","external_ids":{"imdb_id":"a","imdb_id":"b"}}',
    b'{"id":243,"origin_country":[null,"US"],"genres":[null,{"id":1,"name":"x"}]}',
    b'{"id":244,"origin_country":[null,"US",{"a":1}]}',
    {"release_dates": {"results": [{"iso_3166_1": "US", "release_dates": [{"descriptors": [None, "a", "", "b"]}]}]}},
    {"unknown": [1]},
    [1],
    {},
)


class _Inventing:
    """Answers of the shape, each value odd with the probability *oddness*."""

    def __init__(self, seed: int, oddness: float) -> None:
        self._random = random.Random(seed)
        self._oddness = oddness

    def value(self, shape: Shape) -> Any:
        chance = self._random.random()
        if chance < self._oddness:
            leaf = shape if isinstance(shape, str) else ""
            return self._random.choice(_ODD + _BAD.get(leaf, ()))
        if chance > 0.95:
            return None
        if isinstance(shape, str):
            return self._random.choice(_GOOD[shape])
        if isinstance(shape, list):
            return [self.value(shape[0]) for _ in range(self._random.choice((0, 1, 2, 3)))]
        if isinstance(shape, MapOf):
            keys = self._random.sample(("id", "imdb_id", "US", "DE", "flatrate", "rent", "brand_new"), 3)
            return {
                **{name: self.value("string") for name in shape.fields},
                **{key: self.value(shape.values) for key in keys},
            }
        return {name: self.value(inner) for name, inner in shape.items() if self._random.random() < 0.97}


def _answers() -> list[Answer]:
    made = []
    for number in range(1, 241):
        inventing = _Inventing(number, (0.0, 0.002, 0.02, 0.2)[number % 4])
        body = {name: inventing.value(inner) for name, inner in MOVIE.shape.items() if number % 3 or number % 7 > 2}
        made.append(Answer(number, {**body, "id": number}))
    return [*made, *(Answer(number, body) for number, body in enumerate(_ODD_BODIES, 241))]


def _plain(answer: Answer, at: str) -> python_rows.TypedAnswer:
    found = lenient_parse(answer.bytes, MOVIE.shape)
    values = {name: found.values.get(name) for name in MOVIE.shape}
    assert answer.id is not None
    return python_rows.TypedAnswer(
        answer.id, datetime.fromisoformat(at), values, [one._asdict() for one in found.rejected]
    )


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    # Where an answer lies is nothing that an answer alone could tell.
    known = [{name: value for name, value in row.items() if name not in ("run", "chunk", "line")} for row in rows]
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in known)


ANSWERED = REGISTRY.only({"movie"}).of_answers
AT = "2026-11-20T08:00:00Z"


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return _answers()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, answers: list[Answer]) -> Iterator[LakeInTheMaking]:
    made = LakeInTheMaking(tmp_path_factory.mktemp("plain") / "lake")
    made.land(*answers, at=AT)
    made.build()
    yield made


@pytest.mark.parametrize("table", ANSWERED)
def test_python_rows_are_the_engines_rows(lake: LakeInTheMaking, answers: list[Answer], table: str) -> None:
    ours = [row for answer in answers for row in python_rows.python_rows(ANSWERED[table], _plain(answer, AT))]
    theirs = lake.rows(table)
    assert len(theirs) > 20
    assert {tuple(row) for row in ours} == {tuple(ANSWERED[table].column_names)}
    here, there = _counted(ours), _counted(theirs)
    assert (here - there, there - here) == (Counter(), Counter())
