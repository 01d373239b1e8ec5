"""Plans: what was decided comes back, and a decision that was tampered with is refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.errors import KeyTakenError, LakeError
from reelhouse.raw.keys import plan_key
from reelhouse.raw.plan import (
    Cause,
    Plan,
    Request,
    RequestProfile,
    _gallop,
    last_run,
    pack_ids,
    put_plan,
    read_lines,
    read_plan,
    read_units,
    unpack_lines,
)
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import ASKING, a_plan


@given(lines=st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789 .", min_size=1), max_size=50))
def test_lines_come_back_in_order_and_counted(lines: list[str]) -> None:
    packed, count = pack_ids(lines)
    assert count == len(lines)
    assert list(unpack_lines(packed)) == lines
    assert pack_ids(lines)[0] == packed


def test_a_million_ids_come_back() -> None:
    lines = [f"{number} new" for number in range(1_000_000)]
    packed, count = pack_ids(lines)
    assert count == 1_000_000
    assert list(unpack_lines(packed)) == lines


def test_a_plan_comes_back_as_it_was_put() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "tt0137523"])
    assert read_plan(storage, "movie", 1) == plan
    assert read_plan(storage, "movie", 2) is None


@settings(max_examples=30)
@given(count=st.integers(0, 40), size=st.integers(1, 15))
def test_units_hold_every_question_once_in_the_plan_s_order(count: int, size: int) -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, [str(number) for number in range(count)], unit_size=size)
    units = list(read_units(storage, plan))
    assert [request for unit in units for request in unit.requests] == [
        Request(str(number), Cause.NEW) for number in range(count)
    ]
    assert [unit.number for unit in units] == list(range(plan.units))
    assert all(len(unit.requests) == size for unit in units[:-1])


def test_the_second_plan_of_a_run_is_refused_and_leaves_the_first_with_its_ids() -> None:
    storage = MemoryStorage()
    first = a_plan(storage, ["1", "2"])
    with pytest.raises(KeyTakenError):
        a_plan(storage, ["3"])
    assert read_plan(storage, "movie", 1) == first
    assert list(read_lines(storage, first.ids)) == ["1 new", "2 new"]


def test_a_plan_that_does_not_add_up_is_never_put() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1"], put=False)
    counts = msgspec.structs.replace(plan.counts, listed=2)
    with pytest.raises(LakeError, match="does not add up"):
        put_plan(storage, msgspec.structs.replace(plan, counts=counts))
    assert last_run(storage, "movie") == 0


def _changed(change: Callable[[MemoryStorage, Plan], None]) -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    change(storage, plan)
    list(read_units(storage, plan))


def test_ids_that_are_not_what_the_plan_names_are_refused() -> None:
    with pytest.raises(LakeError, match=r"ids-.*sha256 differs"):
        _changed(lambda storage, plan: storage.put(plan.ids.key, pack_ids(["1 new"])[0]))
    with pytest.raises(LakeError, match=r"ids-.*sha256 differs"):
        _changed(lambda storage, plan: storage.put(plan.ids.key, storage.get(plan.ids.key)[:-1]))
    with pytest.raises(LakeError, match=r"ids-.* is gone"):
        _changed(lambda storage, plan: storage.delete(plan.ids.key))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"format":1}',
        b'{"format":1,"run":"\xff"}',
        b'{"format":1,"a":' + b"[" * 99999,
    ],
    ids=["empty", "cut", "null", "a list", "no format", "fields missing", "no utf-8", "too deep"],
)
def test_a_damaged_plan_is_a_damage_and_no_missing_run(body: bytes) -> None:
    storage = MemoryStorage()
    storage.put(plan_key("movie", 1), body)
    assert last_run(storage, "movie") == 1
    with pytest.raises(LakeError, match=r"_reelhouse/runs/movie/000001/plan\.json"):
        read_plan(storage, "movie", 1)


@pytest.mark.parametrize(("number", "then"), [(4, "upgrade reelhouse"), (2, "name another place and collect again")])
def test_a_plan_of_another_format_is_refused_with_what_to_do(number: int, then: str) -> None:
    storage = MemoryStorage()
    # Nothing else of another format can be counted on.
    storage.put(plan_key("movie", 1), b'{"format":%d,"runs":[1],"things":null}' % number)
    with pytest.raises(LakeError, match=rf"plan\.json has format {number}, this reelhouse reads format 3: {then}"):
        read_plan(storage, "movie", 1)


def test_a_plan_with_fields_that_are_not_known_yet_reads() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1"])
    storage.put(plan_key("movie", 1), storage.get(plan_key("movie", 1)).replace(b"{", b'{"added_later":true,', 1))
    assert read_plan(storage, "movie", 1) == plan


@given(last=st.integers(0, 5000))
def test_the_last_run_is_found_in_few_look_ups(last: int) -> None:
    looks: list[int] = []

    def there(run: int) -> bool:
        looks.append(run)
        return 1 <= run <= last

    assert _gallop(there) == last
    assert len(looks) <= 2 * last.bit_length() + 1


def test_the_last_run_of_a_lake_is_that_of_its_newest_plan() -> None:
    storage = MemoryStorage()
    assert last_run(storage, "movie") == 0
    for run in range(1, 20):
        a_plan(storage, ["1"], run=run)
        assert last_run(storage, "movie") == run


def test_a_fingerprint_changes_with_what_changes_an_answer_and_with_nothing_else() -> None:
    same = msgspec.structs.replace(ASKING, append=("b", "a")).fingerprint
    assert msgspec.structs.replace(ASKING, append=("a", "b")).fingerprint == same
    others = [
        ASKING,
        RequestProfile(language="de-DE", append=("credits",)),
        RequestProfile(language="en-US", append=()),
        RequestProfile(language="en-US", append=("credits",), region="DE"),
        RequestProfile(language="en-US", append=("credits",), record_filter="DE"),
    ]
    assert len({other.fingerprint for other in others}) == len(others)
