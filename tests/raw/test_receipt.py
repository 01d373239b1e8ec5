"""Receipts: a log that many may append to, in which no answer is claimed twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.errors import KeyTakenError
from reelhouse.raw.keys import receipt_key
from reelhouse.raw.receipt import (
    Receipt,
    State,
    Unreadable,
    put_receipt,
    read_part,
    read_parts,
    read_receipts,
    readable,
)
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.lakes import a_chunk, a_outcome, a_plan, settle


def _keys(receipt: Receipt | Unreadable | None) -> list[str]:
    assert isinstance(receipt, Receipt)
    return [outcome.key for outcome in receipt.outcomes]


def test_a_receipt_comes_back_as_it_was_put() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2", "3"])
    chunk = a_chunk(storage, plan, 0, [("1", b"{}")])
    outcomes = [a_outcome("1", line=0), a_outcome("2", State.GONE), a_outcome("3", State.FILTERED)]
    put = settle(storage, plan, outcomes, chunk=chunk, drift={"unknown:new_field": 1})
    assert put is not None
    assert (put.part, put.outcomes, put.chunk, put.drift) == (0, outcomes, chunk, {"unknown:new_field": 1})
    assert list(read_parts(storage, "movie", 1, 0)) == [put]
    assert list(read_receipts(storage, plan)) == [put]


def test_the_next_part_follows_the_last_without_a_listing() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    settle(storage, plan, [a_outcome("1")])
    settle(storage, plan, [a_outcome("2")])
    assert [_keys(part) for part in read_parts(storage, "movie", 1, 0)] == [["1"], ["2"]]
    assert read_part(storage, "movie", 1, 0, 2) is None


def test_who_comes_second_claims_only_what_the_first_left() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2", "3"])
    settle(storage, plan, [a_outcome("1"), a_outcome("2")])
    known: set[str] = set()
    put = settle(storage, plan, [a_outcome("2"), a_outcome("3")], known=known)
    assert put is not None
    assert (put.part, _keys(put)) == (1, ["3"])
    assert known == {"1", "2", "3"}


def test_who_comes_second_with_nothing_new_puts_nothing() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    settle(storage, plan, [a_outcome("1"), a_outcome("2")])
    assert settle(storage, plan, [a_outcome("2"), a_outcome("1")]) is None
    assert read_part(storage, "movie", 1, 0, 1) is None


def test_what_is_known_from_parts_before_is_not_claimed_again() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    put = settle(storage, plan, [a_outcome("1"), a_outcome("2")], known={"1"})
    assert _keys(put) == ["2"]


def test_a_second_writer_with_every_receipt_before_it_walks_past_them_all() -> None:
    storage = MemoryStorage()
    keys = [str(number) for number in range(10)]
    plan = a_plan(storage, keys)
    for key in keys[:9]:
        settle(storage, plan, [a_outcome(key)])
    put = settle(storage, plan, [a_outcome(key) for key in keys])
    assert put is not None
    assert (put.part, _keys(put)) == (9, ["9"])


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\1", b'{"format":1}', b'{"format":1,"run":"\xff\xfe"}', b'{"format":1,"x":' + b"[" * 99_999, b"[]"],
    ids=["empty", "bytes", "fields missing", "no utf-8", "too deep", "a list"],
)
def test_a_part_that_cannot_be_read_names_nothing_is_reported_and_stops_nobody(body: bytes) -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    storage.put(receipt_key("movie", 1, 0, 0), body)
    put = settle(storage, plan, [a_outcome("1"), a_outcome("2")])
    assert put is not None
    assert (put.part, _keys(put)) == (1, ["1", "2"])
    first, second = read_parts(storage, "movie", 1, 0)
    assert isinstance(first, Unreadable)
    assert first.key == receipt_key("movie", 1, 0, 0)
    assert first.key in first.reason
    assert list(readable(iter([first, second]))) == [second]


def test_a_receipt_of_a_newer_reelhouse_says_so() -> None:
    storage = MemoryStorage()
    storage.put(receipt_key("movie", 1, 0, 0), b'{"format":9}')
    (part,) = read_parts(storage, "movie", 1, 0)
    assert isinstance(part, Unreadable)
    assert "upgrade reelhouse" in part.reason


def test_a_receipt_that_lies_in_another_s_place_names_nothing() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1"])
    settle(storage, plan, [a_outcome("1")])
    storage.put(receipt_key("movie", 1, 0, 1), storage.get(receipt_key("movie", 1, 0, 0)))
    _, copied = read_parts(storage, "movie", 1, 0)
    assert isinstance(copied, Unreadable)
    assert "another place" in copied.reason


class Contended:
    """A storage in which everybody else is always quicker: before each new object another writer puts one."""

    def __init__(self, inner: MemoryStorage, rivals: list[list[str]]) -> None:
        self._inner = inner
        self._rivals = rivals

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def put_new(self, key: str, body: bytes) -> None:
        if self._rivals:
            run, _, rest = key.removeprefix("_reelhouse/runs/movie/").partition("/receipts/")
            unit, _, part = rest.removesuffix(".json").partition("-")
            outcomes = [a_outcome(key) for key in self._rivals.pop(0)]
            rival = Receipt(run=int(run), unit=int(unit), part=int(part), entity="movie", outcomes=outcomes)
            put_receipt(self._inner, rival, set(), int(part))
            raise KeyTakenError(key)
        self._inner.put_new(key, body)


def test_losing_again_and_again_costs_neither_ids_nor_order() -> None:
    from typing import cast

    storage = MemoryStorage()
    a_plan(storage, ["1", "2", "3", "4"])
    contended = cast(Storage, Contended(storage, [["1"], ["2", "9"], ["3"]]))
    outcomes = [a_outcome(key) for key in ("1", "2", "3", "4")]
    put = put_receipt(contended, Receipt(run=1, unit=0, part=0, entity="movie", outcomes=outcomes), set(), 0)
    assert put is not None
    assert (put.part, _keys(put)) == (3, ["4"])
    assert [_keys(part) for part in read_parts(storage, "movie", 1, 0)] == [["1"], ["2", "9"], ["3"], ["4"]]


@settings(max_examples=25, deadline=None)
@given(
    workers=st.lists(
        st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), min_size=1, max_size=4),
        min_size=2,
        max_size=6,
    )
)
def test_many_who_write_receipts_of_one_unit_never_claim_an_id_twice_and_lose_none(
    workers: list[list[list[int]]],
) -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, [str(number) for number in range(31)])
    barrier = Barrier(len(workers))

    def work(batches: list[list[int]]) -> None:
        barrier.wait(10)
        known: set[str] = set()
        for batch in batches:
            settle(storage, plan, [a_outcome(str(number)) for number in batch], known=known)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(work, workers))
    claimed = [key for part in read_parts(storage, "movie", 1, 0) for key in _keys(part)]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == {str(number) for batches in workers for batch in batches for number in batch}
