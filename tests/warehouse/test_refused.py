"""One value that an engine's parser refuses costs a movie that value, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reelhouse.raw.receipt import State
from reelhouse.warehouse import staging
from tests.warehouse.few import FEW
from tests.warehouse.landing import Answer, LakeInTheMaking
from tests.warehouse.refused import FIRST, REFUSED, refused_answers

_ASIDE = Answer(5, b'{"id":6,"x":1e400}', state=State.QUARANTINED, reason="wrong_id")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    lake = LakeInTheMaking(tmp_path_factory.mktemp("refused") / "lake", registry=FEW)
    lake.land(*refused_answers(), _ASIDE)
    lake.build()
    yield lake


def test_all_other_values_stay(built: LakeInTheMaking) -> None:
    ids = range(FIRST, FIRST + len(REFUSED))
    assert sorted(built.values("movie", "movie_id", "title")) == [(id_, "T") for id_ in ids]
    assert sorted(built.values("movie_genre", "movie_id", "name")) == [(id_, "Drama") for id_ in ids]


def test_the_one_value_is_named_as_it_came(built: LakeInTheMaking) -> None:
    expected = [(id_, *one.rejected) for id_, one in enumerate(REFUSED.values(), FIRST) if one.rejected]
    assert sorted(built.values("rejected_value", "id", "path", "raw", "reason")) == expected


def test_what_was_set_aside_is_set_aside(built: LakeInTheMaking) -> None:
    assert built.values("quarantine", "id", "reason") == [(5, "wrong_id")]


@pytest.mark.long
def test_many_are_read_a_few_at_a_time(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_REREAD_AT_ONCE", 2)
    monkeypatch.setattr(staging, "_REREAD_BYTES", 1000)
    bodies: list[dict[str, Any]] = [{"id": id_, "title": "T" * 400 * id_} for id_ in range(1, 8)]
    lake.land(*(Answer(body["id"], json.dumps(body)[:-1].encode() + b',"x":1e400}') for body in bodies), parts=2)
    lake.build()
    found = lake.values("movie", "movie_id", "title")
    assert sorted(found) == [(body["id"], body["title"]) for body in bodies]
    assert lake.values("rejected_value", "id") == []


@pytest.mark.long
def test_a_line_that_nobody_can_read_is_not_called_missing(lake: LakeInTheMaking) -> None:
    lake.land(Answer(1, b'{"id":1,"title":"T"', parses=True), Answer(2, {"id": 2, "title": "U"}))
    lake.build()
    assert sorted(lake.values("movie", "movie_id", "title")) == [(1, None), (2, "U")]
    ((id_, path, raw, reason),) = lake.values("rejected_value", "id", "path", "raw", "reason")
    assert (id_, path, reason) == (1, "$", "cannot be read")
    assert '"body":{"id":1' in raw
