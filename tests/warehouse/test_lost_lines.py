"""A receipt that names a line its chunk does not have: the title keeps its row, and the build says why it is empty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reelhouse.delta.engine import Engine
from tests.warehouse.landing import LakeInTheMaking, a_movie, filtered, gone, quarantined

_MOVIE = {"genres": [{"id": 18, "name": "Drama"}]}


class Died(BaseException):
    """Stands for the end of the process."""


def _lose_last_line(lake: LakeInTheMaking) -> str:
    """Let the only receipt name a line behind the end for its last answer; the chunk's key."""
    (path,) = (lake.root / "_reelhouse/runs").rglob("receipts/*.json")
    receipt = json.loads(path.read_bytes())
    last = max(receipt["outcomes"], key=lambda outcome: outcome.get("line", -1))
    last["line"] += 1
    path.write_text(json.dumps(receipt))
    return str(receipt["chunk"]["key"])


def _expected(key: str) -> list[tuple[Any, ...]]:
    return [(3, "$", key, "has no such line")]


def _rejected(lake: LakeInTheMaking) -> list[tuple[Any, ...]]:
    return lake.values("rejected_value", "id", "path", "raw", "reason")


@pytest.fixture
def key(lake: LakeInTheMaking) -> str:
    """A lake whose third movie has no line; the key of its chunk."""
    lake.land(filtered(7), quarantined(8), gone(9), a_movie(1, **_MOVIE), a_movie(2, **_MOVIE), a_movie(3, **_MOVIE))
    return _lose_last_line(lake)


def test_its_row_stays_and_says_why_it_is_empty(lake: LakeInTheMaking, key: str) -> None:
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3]
    assert sorted(lake.values("movie_genre", "movie_id")) == [1, 2]
    assert _rejected(lake) == _expected(key)
    assert sorted(lake.values("record", "id")) == [1, 2, 3, 7, 8, 9]


@pytest.mark.long
def test_a_chunk_with_no_line_left_loses_no_row_either(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(3, **_MOVIE))
    key = _lose_last_line(lake)
    lake.build()
    assert lake.values("movie", "movie_id") == [3]
    assert _rejected(lake) == _expected(key)


@pytest.mark.long
def test_who_dies_before_the_row_is_added_has_read_nothing(
    lake: LakeInTheMaking, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Engine.write

    def write(self: Engine, *args: Any, **kwargs: Any) -> Any:
        commit(self, *args, **kwargs)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "write", write)
        with pytest.raises(Died):
            lake.build()
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3]
    assert _rejected(lake) == _expected(key)
    # Once reported, it is not reported again.
    lake.land(a_movie(4))
    lake.build()
    assert _rejected(lake) == _expected(key)
