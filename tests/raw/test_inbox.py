"""The inbox: what was put down is there until a plan that took it is reconciled, however often it is delivered."""

from __future__ import annotations

import time

import msgspec
import pytest

from reelhouse.errors import StorageError
from reelhouse.raw.inbox import clear, count_waiting, put_message, read_inbox, waiting
from reelhouse.raw.keys import inbox_key
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import a_plan


def test_a_message_waits_with_its_asks() -> None:
    storage = MemoryStorage()
    key = put_message(storage, "event-1", "movie", ("550", "tt0137523"))
    ((found, message),) = waiting(storage, "movie")
    assert found == key
    assert message.keys == ["550", "tt0137523"]


def test_the_same_event_delivered_again_changes_nothing() -> None:
    storage = MemoryStorage()
    first = put_message(storage, "event-1", "movie", ("550",))
    before = storage.get(first)
    assert put_message(storage, "event-1", "movie", ("551",)) == first
    assert storage.get(first) == before
    assert len(list(waiting(storage, "movie"))) == 1


def test_messages_of_another_entity_wait_for_their_own_plan() -> None:
    storage = MemoryStorage()
    put_message(storage, "event-1", "person", ("287",))
    assert list(waiting(storage, "movie")) == []
    assert len(list(waiting(storage, "person"))) == 1


def test_messages_are_counted_by_entity_with_those_that_nobody_can_read_left_out() -> None:
    lake = MemoryStorage()
    for at, entity in enumerate(("tv", "tv", "movie")):
        put_message(lake, f"e{at}", entity, ["1"])
    lake.put_new(inbox_key("odd"), b"{")
    assert count_waiting(lake) == {"tv": 2, "movie": 1}


def test_only_messages_that_the_plan_took_are_cleared_and_clearing_twice_is_no_error() -> None:
    storage = MemoryStorage()
    taken = put_message(storage, "event-1", "movie", ("1",))
    later = put_message(storage, "event-2", "movie", ("2",))
    plan = msgspec.structs.replace(a_plan(storage, ["1"]), inbox=[taken])
    clear(storage, plan)
    clear(storage, plan)
    assert [key for key, _ in waiting(storage, "movie")] == [later]


@pytest.mark.parametrize(
    "body",
    [b"?", b'{"format":7}', b'{"format":1,"event":"\xff"}', b'{"format":1,"event":"e","entity":"movie","keys":"1"}'],
)
def test_a_message_that_cannot_be_read_is_named_and_not_lost_and_the_others_wait(body: bytes) -> None:
    storage = MemoryStorage()
    storage.put("_reelhouse/inbox/event-1.json", body)
    put_message(storage, "event-2", "movie", ["1"])
    found = read_inbox(storage, "movie")
    assert [message.event for _, message in found.messages] == ["event-2"]
    (odd,) = found.set_aside
    assert odd.key == "_reelhouse/inbox/event-1.json"
    assert odd.key in odd.reason
    assert storage.get(odd.key) == body


def test_asks_are_ids_as_they_are_asked_and_what_is_none_is_counted_and_shown_in_one_line() -> None:
    storage = MemoryStorage()
    put_message(storage, "event-1", "movie", [" 0550 ", "TT137523", "1\n2", "²", *("x" * 500 for _ in range(40))])
    found = read_inbox(storage, "movie")
    assert [message.keys for _, message in found.messages] == [["550", "tt0137523"]]
    (odd,) = found.set_aside
    assert odd.count == 42
    assert odd.shown[:2] == ["1\\n2", "²"]
    assert len(odd.shown) == 20
    assert max(map(len, odd.shown)) <= 60


def test_a_message_may_ask_for_a_run_and_one_from_before_there_were_such_still_reads() -> None:
    storage = MemoryStorage()
    put_message(storage, "wish", "movie", run="full")
    storage.put("_reelhouse/inbox/old.json", b'{"format":1,"event":"old","entity":"movie","keys":["1"]}')
    assert [(message.event, message.keys, message.run) for _, message in waiting(storage, "movie")] == [
        ("old", ["1"], ""),
        ("wish", [], "full"),
    ]


def test_a_message_that_no_run_would_ever_take_is_set_aside() -> None:
    storage = MemoryStorage()
    put_message(storage, "wish", "movie", run="weekly")
    assert list(waiting(storage, "movie")) == []
    assert (
        "_reelhouse/inbox/wish.json requests a run of an unknown kind, 'weekly'"
        in read_inbox(storage, "movie").set_aside[0].reason
    )


def test_a_message_about_what_nobody_collects_is_set_aside_where_that_is_known() -> None:
    storage = MemoryStorage()
    put_message(storage, "wish", "person", ["287"])
    assert "'person', which" in read_inbox(storage, "movie", ("movie",)).set_aside[0].reason
    assert read_inbox(storage, "movie").set_aside == []


def test_many_messages_are_cleared_at_once() -> None:
    class Counting(MemoryStorage):
        at_once = most = 0

        def delete(self, key: str) -> None:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            time.sleep(0.01)
            self.at_once -= 1
            super().delete(key)

    storage = Counting()
    keys = [put_message(storage, f"event-{number}", "movie", ("1",)) for number in range(40)]
    clear(storage, msgspec.structs.replace(a_plan(storage, ["1"]), inbox=keys))
    assert list(waiting(storage, "movie")) == []
    assert storage.most > 1


def test_a_message_that_goes_while_messages_are_read_is_no_error() -> None:
    class Clearing(MemoryStorage):
        def get(self, key: str) -> bytes:
            self.delete("_reelhouse/inbox/b.json")
            return super().get(key)

    storage = Clearing()
    for event in ("a", "b"):
        put_message(storage, event, "movie", ["1"])
    assert [message.event for _, message in waiting(storage, "movie")] == ["a"]


@pytest.mark.parametrize("event", ["", "a/../../b", ".hidden"])
def test_an_odd_event_cannot_leave_the_inbox(event: str) -> None:
    with pytest.raises(StorageError):
        put_message(MemoryStorage(), event, "movie", ("1",))
