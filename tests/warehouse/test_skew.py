"""Lopsided lakes: one movie with a cast of 1,500, one person in 5,000 credits, and a rest of small ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bench.measuring import Family
from reelhouse.marts import REGISTRY
from tests.warehouse.landing import Answer, LakeInTheMaking, a_movie

_MOVIES = 5_000
_CAST = 1_500
_STAR = 1
_CREDITS = 2 * _MOVIES + _CAST


def _credit(person: int, order: int) -> dict[str, Any]:
    name = f"Person {person}"
    return {"id": person, "name": name, "credit_id": f"{person}-{order}", "order": order, "character": f"Role {order}"}


def _movie(id_: int, people: list[int]) -> Answer:
    cast = [_credit(person, order) for order, person in enumerate(people)]
    genres = [{"id": 18, "name": "Drama"}]
    return a_movie(id_, genres=genres, release_date="2020-01-02", credits={"cast": cast, "crew": []})


def _skewed() -> Iterator[Answer]:
    """A person in every movie, and a movie with everybody."""
    extras = count(_STAR + 1)
    for id_ in range(1, _MOVIES + 1):
        yield _movie(id_, [_STAR, next(extras)])
    yield _movie(_MOVIES + 1, [next(extras) for _ in range(_CAST)])


def _even() -> Iterator[Answer]:
    """As many movies and credits, all alike."""
    people = count(1)
    for id_ in range(_MOVIES + 1):
        size = _CREDITS * (id_ + 1) // (_MOVIES + 1) - _CREDITS * id_ // (_MOVIES + 1)
        yield _movie(id_ + 1, [next(people) for _ in range(size)])


@pytest.mark.long
def test_a_star_and_a_cast_of_thousands_come_out_whole(lake: LakeInTheMaking) -> None:
    lake.land(*_skewed(), parts=6, close=False)
    rows = lake.build(registry=REGISTRY).rows
    people = 1 + _MOVIES + _CAST
    found = {name: rows[name] for name in ("movie", "movie_cast", "fact_credit", "dim_person", "bridge_movie_genre")}
    assert found == {
        "movie": _MOVIES + 1,
        "movie_cast": _CREDITS,
        "fact_credit": _CREDITS,
        "dim_person": people,
        "bridge_movie_genre": _MOVIES + 1,
    }
    sizes = dict(lake.values("fact_movie", "movie_id", "cast_size"))
    assert sizes.pop(_MOVIES + 1) == _CAST
    assert set(sizes.values()) == {2}
    pairs = lake.values("fact_credit", "movie_id", "person_id")
    assert sorted(movie for movie, person in pairs if person == _STAR) == list(range(1, _MOVIES + 1))
    positions = [place for movie, place in lake.values("movie_cast", "movie_id", "position") if movie == _MOVIES + 1]
    assert sorted(positions) == list(range(_CAST))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_they_cost_no_more_than_an_even_lake_of_the_same_size(tmp_path: Path) -> None:
    """In CPU seconds; measured: the same."""
    skewed, even = LakeInTheMaking(tmp_path / "skewed"), LakeInTheMaking(tmp_path / "even")
    skewed.land(*_skewed(), parts=6, close=False)
    even.land(*_even(), parts=6, close=False)
    assert even.build().rows["movie_cast"] == skewed.build().rows["movie_cast"] == _CREDITS
    assert min(_full(skewed) for _ in range(3)) < 1.5 * min(_full(even) for _ in range(3))


def _full(lake: LakeInTheMaking) -> float:
    began = _cpu()
    lake.build(full=True)
    return _cpu() - began


def _cpu() -> float:
    """CPU seconds of this process and of the engine's, which it started."""
    family = Family(os.getpid())
    family.look()
    return sum(family.cpu.values())
