"""What every storage promises. Written against the protocol only."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelhouse.errors import KeyTakenError, LockedError, MissingKeyError, StorageError
from reelhouse.storage import folder, s3
from reelhouse.storage.protocol import BUILD, Storage

ODD_KEYS = (
    "",
    "/",
    "/absolute",
    "trailing/",
    "a//b",
    ".",
    "..",
    "../outside",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.scratch/b",
    "nul\0inside",
    "line\nbreak",
    "Amélie",
    "back\\slash",
)


def at_once(crowd: int, work: Callable[[int], bool]) -> list[bool]:
    """Run *work* in so many threads that start together."""
    barrier = Barrier(crowd)

    def started(number: int) -> bool:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(crowd) as pool:
        return list(pool.map(started, range(crowd)))


def test_what_was_put_is_got_back(storage: Storage) -> None:
    storage.put("raw/movie/2026/11/23/a.jsonl.gz", b"\x00\xff\r\n body")
    assert storage.get("raw/movie/2026/11/23/a.jsonl.gz") == b"\x00\xff\r\n body"
    assert storage.get_versioned("raw/movie/2026/11/23/a.jsonl.gz").body == b"\x00\xff\r\n body"
    assert storage.size("raw/movie/2026/11/23/a.jsonl.gz") == 9


def test_put_replaces_what_is_there(storage: Storage) -> None:
    storage.put("a", b"first, and longer")
    storage.put("a", b"second")
    assert storage.get("a") == b"second"
    assert storage.size("a") == 6


def test_put_new_keeps_the_first(storage: Storage) -> None:
    storage.put_new("a/b", b"1")
    with pytest.raises(KeyTakenError):
        storage.put_new("a/b", b"2")
    assert storage.get("a/b") == b"1"


def test_put_new_refuses_what_put_wrote_too(storage: Storage) -> None:
    storage.put("a", b"1")
    with pytest.raises(KeyTakenError):
        storage.put_new("a", b"2")


@pytest.mark.parametrize("round_", range(2))
def test_of_many_writers_of_a_new_key_one_wins_and_its_bytes_stay(storage: Storage, crowd: int, round_: int) -> None:
    def write(number: int) -> bool:
        try:
            storage.put_new(f"runs/{round_}/plan.json", f"{number}".encode() * 1000)
        except KeyTakenError:
            return False
        return True

    won = at_once(crowd, write)
    assert sum(won) == 1
    assert storage.get(f"runs/{round_}/plan.json") == f"{won.index(True)}".encode() * 1000


def test_many_new_keys_in_one_new_folder_are_all_put(storage: Storage, crowd: int) -> None:
    def write(number: int) -> bool:
        storage.put_new(f"deep/er/and/deeper/{number:02d}", b"x")
        return True

    assert all(at_once(crowd, write))
    assert len(list(storage.keys("deep/"))) == crowd


def test_a_reader_sees_one_writing_or_the_other_and_never_a_mixture(storage: Storage, crowd: int) -> None:
    storage.put("a", bytes(200_000))

    def work(number: int) -> bool:
        for _ in range(8):
            if number % 2:
                storage.put("a", bytes([number]) * 200_000)
            else:
                body = storage.get("a")
                if len(body) != 200_000 or len(set(body)) != 1:
                    return False
        return True

    assert all(at_once(crowd, work))


def test_put_if_replaces_what_still_has_the_version(storage: Storage) -> None:
    storage.put("lease", b"1")
    version = storage.get_versioned("lease").version
    storage.put_if("lease", b"2", version)
    assert storage.get("lease") == b"2"


def test_put_if_refuses_a_replaced_version(storage: Storage) -> None:
    storage.put("lease", b"1")
    version = storage.get_versioned("lease").version
    storage.put("lease", b"2")
    with pytest.raises(KeyTakenError):
        storage.put_if("lease", b"3", version)
    assert storage.get("lease") == b"2"


def test_put_if_does_not_bring_back_what_was_deleted(storage: Storage) -> None:
    storage.put("lease", b"1")
    version = storage.get_versioned("lease").version
    storage.delete("lease")
    with pytest.raises(KeyTakenError):
        storage.put_if("lease", b"2", version)
    assert storage.size("lease") is None


def test_a_counter_under_put_if_loses_no_increment(storage: Storage, crowd: int) -> None:
    storage.put("count", b"0")
    each = 3

    def count(number: int) -> bool:
        for _ in range(each):
            while True:
                found = storage.get_versioned("count")
                try:
                    storage.put_if("count", str(int(found.body) + 1).encode(), found.version)
                    break
                except KeyTakenError:
                    continue
        return True

    at_once(crowd, count)
    assert storage.get("count") == str(crowd * each).encode()


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(storage: Storage) -> None:
    storage.put("a/b", b"1")
    storage.delete("a/b")
    storage.delete("a/b")
    storage.delete("never/was/there")
    assert storage.size("a/b") is None
    with pytest.raises(MissingKeyError):
        storage.get("a/b")
    storage.put_new("a/b", b"2")
    assert storage.get("a/b") == b"2"


def test_a_missing_key_is_said_to_be_missing_by_its_name(storage: Storage) -> None:
    for read in (storage.get, storage.get_versioned):
        with pytest.raises(MissingKeyError, match=r"runs/000001/plan\.json"):
            read("runs/000001/plan.json")
    assert storage.size("runs/000001/plan.json") is None


def test_what_only_begins_the_name_of_a_key_is_no_key(storage: Storage) -> None:
    storage.put("runs/000001/plan.json", b"{}")
    assert storage.size("runs/000001") is None
    with pytest.raises(MissingKeyError):
        storage.get("runs/000001")


def test_an_empty_lake_has_no_keys(storage: Storage) -> None:
    assert list(storage.keys("")) == []
    assert list(storage.keys("raw/")) == []


def test_keys_come_sorted_and_by_prefix(storage: Storage) -> None:
    names = ["a", "b/1", "b/10", "b/2", "b/c/d", "b-1", "ba", "c/x.json"]
    for name in random.Random(7).sample(names, len(names)):
        storage.put(name, b"")
    assert list(storage.keys("")) == sorted(names)
    assert list(storage.keys("b/")) == ["b/1", "b/10", "b/2", "b/c/d"]
    assert list(storage.keys("b/1")) == ["b/1", "b/10"]
    assert list(storage.keys("b")) == ["b-1", "b/1", "b/10", "b/2", "b/c/d", "ba"]
    assert list(storage.keys("nothing/here/")) == []


def test_sizes_come_with_every_key_of_a_prefix(storage: Storage) -> None:
    bodies = {"b/1": b"", "b/10": b"ten bytes.", "b-1": b"beside", "b/c/d": b"deep"}
    for key, body in bodies.items():
        storage.put(key, body)
    assert dict(storage.sizes("")) == {key: len(body) for key, body in bodies.items()}
    assert dict(storage.sizes("b/1")) == {"b/1": 0, "b/10": 10}
    assert dict(storage.sizes("nothing/here/")) == {}


def test_keys_can_be_read_while_others_write(storage: Storage, crowd: int) -> None:
    # versitygw fails now and then where a folder comes and goes with its only key.
    storage.put("k/anchor", b"")

    def work(number: int) -> bool:
        for step in range(10):
            if number % 2:
                storage.put(f"k/{number}-{step}", b"")
                storage.delete(f"k/{number}-{step}")
            else:
                list(storage.keys("k/"))
        return True

    assert all(at_once(crowd, work))


def test_an_odd_key_is_refused_by_whatever_takes_one(storage: Storage) -> None:
    for key in ODD_KEYS:
        for take in (storage.get, storage.get_versioned, storage.size, storage.delete):
            with pytest.raises(StorageError, match="is not a key"):
                take(key)
        for put in (storage.put, storage.put_new):
            with pytest.raises(StorageError, match="is not a key"):
                put(key, b"")
        with pytest.raises(StorageError, match="is not a key"):
            storage.put_if(key, b"", "1")
    assert list(storage.keys("")) == []


def test_an_odd_prefix_shows_nothing_from_elsewhere(storage: Storage) -> None:
    storage.put("a/b", b"")
    for prefix in ("/", "../", ".scratch/", "a/../../", "a/../", "é"):
        for find in (storage.keys, storage.list_all_versions):
            with pytest.raises(StorageError, match="is not a key"):
                list(find(prefix))


def test_an_empty_body_is_a_body(storage: Storage) -> None:
    storage.put_new("a", b"")
    assert storage.get("a") == b""
    assert storage.size("a") == 0
    with pytest.raises(KeyTakenError):
        storage.put_new("a", b"")


def test_a_large_body_comes_back_whole(storage: Storage) -> None:
    body = random.Random(1).randbytes(24 << 20)
    storage.put_new("large", body)
    assert storage.size("large") == len(body)
    assert storage.get("large") == body


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=2000))
def test_any_bytes_come_back(storage: Storage, body: bytes) -> None:
    storage.put("any", body)
    assert storage.get("any") == body


def test_a_locked_lake_refuses_a_second_lock_until_release(storage: Storage) -> None:
    with storage.lock():
        with pytest.raises(LockedError), storage.lock():
            pass
        storage.put("a", b"holding stops no writer")
    with storage.lock():
        assert storage.get("a") == b"holding stops no writer"


def test_a_build_keeps_out_builds_and_no_collector(storage: Storage) -> None:
    with storage.lock(of=BUILD):
        with pytest.raises(LockedError, match="is locked by another build"), storage.lock(of=BUILD):
            pass
        with storage.lock():
            pass
    with storage.lock(), storage.lock(of=BUILD):
        pass


def test_a_lock_is_released_when_its_holder_fails(storage: Storage) -> None:
    with pytest.raises(RuntimeError), storage.lock():
        raise RuntimeError
    with storage.lock():
        pass


def test_of_many_lockers_one_succeeds(storage: Storage, crowd: int) -> None:
    over = Barrier(crowd)

    def take(number: int) -> bool:
        try:
            with storage.lock():
                over.wait(10)
        except LockedError:
            over.wait(10)
            return False
        return True

    assert sum(at_once(crowd, take)) == 1


def test_a_caller_with_limited_time_locks_too(storage: Storage) -> None:
    with storage.lock(seconds=30), pytest.raises(LockedError), storage.lock():
        pass
    with storage.lock(seconds=30):
        pass


class _WrongClock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime(1999, 1, 1, tzinfo=tz)


def test_the_clock_of_a_storage_leaves_no_key_and_is_not_that_of_this_process(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.check()
    before = datetime.now(UTC)
    for module in (folder, s3):
        monkeypatch.setattr(module, "datetime", _WrongClock)
    assert abs(storage.now() - before) < timedelta(seconds=30)
    assert list(storage.keys("")) == []


def test_locking_and_checking_leave_no_key(storage: Storage) -> None:
    storage.check()
    with storage.lock():
        storage.check()
    assert list(storage.keys("")) == []
    assert list(storage.list_all_versions("")) == []


def test_what_is_erased_leaves_nothing(storage: Storage) -> None:
    for body in (b"1", b"2"):
        storage.put("raw/a", body)
    storage.put("raw/ab", b"stays")
    storage.delete_all_versions("raw/a")
    storage.delete_all_versions("raw/a")
    storage.delete_all_versions("never/was/there")
    assert storage.size("raw/a") is None
    assert list(storage.list_all_versions("")) == ["raw/ab"]
    assert storage.get("raw/ab") == b"stays"
    storage.put_new("raw/a", b"3")
    assert storage.get("raw/a") == b"3"


def test_what_remains_comes_sorted_and_by_prefix(storage: Storage) -> None:
    names = ["b/1", "b/10", "b/2", "b-1", "c/x.json"]
    for name in random.Random(7).sample(names, len(names)):
        storage.put(name, b"")
    assert list(storage.list_all_versions("")) == sorted(names)
    assert list(storage.list_all_versions("b/1")) == ["b/1", "b/10"]
