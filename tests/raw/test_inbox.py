"""The inbox: what was put down is there until a plan that took it is reconciled, however often it is delivered."""

from __future__ import annotations

import time

import msgspec
import pytest

from reelhouse.errors import LakeError, StorageError
from reelhouse.raw.inbox import clear, put_letter, waiting
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import a_plan


def test_a_letter_waits_with_its_asks() -> None:
    storage = MemoryStorage()
    key = put_letter(storage, "event-1", "movie", ("550", "tt0137523"))
    ((found, letter),) = waiting(storage, "movie")
    assert found == key
    assert letter.asks == ["550", "tt0137523"]


def test_the_same_event_delivered_again_changes_nothing() -> None:
    storage = MemoryStorage()
    first = put_letter(storage, "event-1", "movie", ("550",))
    before = storage.get(first)
    assert put_letter(storage, "event-1", "movie", ("551",)) == first
    assert storage.get(first) == before
    assert len(list(waiting(storage, "movie"))) == 1


def test_letters_of_another_entity_wait_for_their_own_plan() -> None:
    storage = MemoryStorage()
    put_letter(storage, "event-1", "person", ("287",))
    assert list(waiting(storage, "movie")) == []
    assert len(list(waiting(storage, "person"))) == 1


def test_only_letters_that_the_plan_took_are_cleared_and_clearing_twice_is_no_error() -> None:
    storage = MemoryStorage()
    taken = put_letter(storage, "event-1", "movie", ("1",))
    later = put_letter(storage, "event-2", "movie", ("2",))
    plan = msgspec.structs.replace(a_plan(storage, ["1"]), inbox=[taken])
    clear(storage, plan)
    clear(storage, plan)
    assert [key for key, _ in waiting(storage, "movie")] == [later]


@pytest.mark.parametrize("body", [b"?", b'{"format":7}', b'{"format":1,"event":"\xff"}'])
def test_a_letter_that_cannot_be_read_is_an_error_and_not_lost(body: bytes) -> None:
    storage = MemoryStorage()
    storage.put("inbox/event-1.json", body)
    with pytest.raises(LakeError, match=r"inbox/event-1\.json"):
        list(waiting(storage, "movie"))


def test_a_letter_may_ask_for_a_run_and_one_from_before_there_were_such_still_reads() -> None:
    storage = MemoryStorage()
    put_letter(storage, "wish", "movie", run="full")
    storage.put("inbox/old.json", b'{"format":1,"event":"old","entity":"movie","asks":["1"]}')
    assert [(letter.event, letter.asks, letter.run) for _, letter in waiting(storage, "movie")] == [
        ("old", ["1"], ""),
        ("wish", [], "full"),
    ]


def test_a_letter_that_no_run_would_ever_take_is_an_error() -> None:
    storage = MemoryStorage()
    put_letter(storage, "wish", "movie", run="weekly")
    with pytest.raises(LakeError, match=r"inbox/wish\.json .*'weekly'"):
        list(waiting(storage, "movie"))


def test_many_letters_are_cleared_at_once() -> None:
    class Counting(MemoryStorage):
        at_once = most = 0

        def delete(self, key: str) -> None:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            time.sleep(0.01)
            self.at_once -= 1
            super().delete(key)

    storage = Counting()
    keys = [put_letter(storage, f"event-{number}", "movie", ("1",)) for number in range(40)]
    clear(storage, msgspec.structs.replace(a_plan(storage, ["1"]), inbox=keys))
    assert list(waiting(storage, "movie")) == []
    assert storage.most > 1


def test_a_letter_that_goes_while_letters_are_read_is_no_error() -> None:
    class Clearing(MemoryStorage):
        def get(self, key: str) -> bytes:
            self.delete("inbox/b.json")
            return super().get(key)

    storage = Clearing()
    for event in ("a", "b"):
        put_letter(storage, event, "movie", ["1"])
    assert [letter.event for _, letter in waiting(storage, "movie")] == ["a"]


@pytest.mark.parametrize("event", ["", "a/../../b", ".hidden"])
def test_an_odd_event_cannot_leave_the_inbox(event: str) -> None:
    with pytest.raises(StorageError):
        put_letter(MemoryStorage(), event, "movie", ("1",))
