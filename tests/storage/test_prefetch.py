"""Prefetching: in order, no further than allowed, and an early stop leaves nothing running."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from reelhouse.storage.prefetch import prefetch


def test_results_come_in_the_order_of_their_items() -> None:
    chance = random.Random(7)

    def slow(item: int) -> int:
        time.sleep(chance.uniform(0, 0.005))
        return -item

    assert list(prefetch(slow, range(60), at_once=8)) == [-item for item in range(60)]


def test_no_more_items_are_taken_than_are_on_their_way() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    found = prefetch(abs, items(), at_once=4)
    assert next(found) == 0
    assert len(taken) == 4
    before = threading.active_count()
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before


def test_an_error_comes_where_its_result_would() -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise ValueError(item)
        return item

    found = prefetch(fails, range(9), at_once=4)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(found)
