"""One collector at a time: who holds the lease, until when by S3's clock, and how a holder is notified of its loss."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest

from reelhouse.errors import LockedError, StorageError
from reelhouse.storage.lease import LeaseTiming, held
from reelhouse.storage.opening import S3Options
from reelhouse.storage.protocol import unheard
from reelhouse.storage.s3 import S3Storage
from tests.s3proxy import (
    BROKEN,
    CONFLICT,
    SLOW_DOWN,
    Answer,
    Fault,
    Proxy,
    Request,
    cut,
    done_and_says,
    late,
    lost,
    passes,
)
from tests.s3servers import client

# Renews as quickly as a test likes it; the lease itself outlives the test.
BRISK = LeaseTiming(ttl=60.0, every=0.05, again=0.05, margin=20.0)


def _later(seconds: float) -> Fault:
    """S3's clock is that much further."""

    def fault(_: Request, on: Callable[[], Answer]) -> Answer:
        answer = on()
        moved = [(name, _moved(value, seconds) if name.lower() == "date" else value) for name, value in answer.headers]
        return answer._replace(headers=moved)

    return fault


def _moved(date: str, seconds: float) -> str:
    return format_datetime(parsedate_to_datetime(date) + timedelta(seconds=seconds), usegmt=True)


def _record(lake: S3Storage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lake.get("_reelhouse/lease.json"))
    return found


def _again(lake: S3Storage) -> S3Storage:
    """The same lake, from another machine."""
    return S3Storage(lake.url, S3Options())


def _wait(until: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_the_lease_stays_after_a_release_and_its_epoch_grows(lake: S3Storage) -> None:
    owners = set()
    for epoch in (1, 2, 3):
        with lake.lock():
            found = _record(lake)
            assert (found["epoch"], found["state"], found["ttl_seconds"]) == (epoch, "held", 120)
            owners.add(found["owner"])
        assert (_record(lake)["epoch"], _record(lake)["state"]) == (epoch, "free")
    assert len(owners) == 3


def test_a_loser_writes_nothing(lake: S3Storage, proxy: Proxy) -> None:
    with lake.lock():
        before = lake.get("_reelhouse/lease.json")
        proxy.forget()
        by = rf"`[^`]+`, process {os.getpid()} on \S+, since 20\d\d-.* UTC"
        said = rf"locked by another collector \({lake.url}: {by}\); if .* was killed, its lock ends in 1\d\d s; retry"
        with pytest.raises(LockedError, match=said):
            _again(lake).lock().__enter__()
        assert proxy.counts == {"GET": 1}
        assert lake.get("_reelhouse/lease.json") == before


@pytest.mark.parametrize("seconds", [None, 200.0])
def test_it_ends_by_the_clock_of_s3_whatever_the_clock_here_says(
    lake: S3Storage, proxy: Proxy, seconds: float | None
) -> None:
    ttl = seconds or 120.0
    with ExitStack() as stack:
        stack.enter_context(lake.lock(seconds=seconds))
        for clock in (0, ttl - 60, ttl - 5, -3600):
            proxy.when(_later(clock), kind="GET", key="_reelhouse/lease.json")
            with pytest.raises(LockedError), _again(lake).lock():
                pass
        proxy.when(_later(ttl + 5), _later(ttl + 5), kind="GET", key="_reelhouse/lease.json")
        stack.enter_context(_again(lake).lock())
        assert _record(lake)["epoch"] == 2


def _dated(date: str) -> Fault:
    """S3's answer has this `Date`."""

    def fault(_: Request, on: Callable[[], Answer]) -> Answer:
        answer = on()
        return answer._replace(headers=[(name, date if name.lower() == "date" else v) for name, v in answer.headers])

    return fault


def test_one_response_with_a_wrong_clock_does_not_end_a_lease(lake: S3Storage, proxy: Proxy) -> None:
    with lake.lock():
        proxy.when(_later(10 * 365 * 86400), kind="GET", key="_reelhouse/lease.json")
        with pytest.raises(LockedError, match=r"ends in 1\d\d s"), _again(lake).lock():
            pass
        # Nor does one from long ago say that it will take years.
        proxy.when(_later(-10 * 365 * 86400), kind="GET", key="_reelhouse/lease.json")
        with pytest.raises(LockedError, match=r"ends in 1\d\d s"), _again(lake).lock():
            pass
        assert _record(lake)["epoch"] == 1


@pytest.mark.parametrize("date", ["Sun, 06 Nov 0999 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 -0000"])
def test_a_strange_date_of_s3_is_no_traceback(lake: S3Storage, proxy: Proxy, date: str) -> None:
    with lake.lock():
        proxy.when(_dated(date), kind="GET", key="_reelhouse/lease.json")
        with pytest.raises(LockedError), _again(lake).lock():
            pass


def test_a_holder_that_lost_the_lease_is_notified_once_and_does_nothing_more(lake: S3Storage, proxy: Proxy) -> None:
    heard: list[str] = []
    slow = LeaseTiming(ttl=60.0, every=0.5, again=0.5, margin=20.0)
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=slow):
        # More than once: a renewal between a look and a swap makes the other one look again.
        proxy.always(_later(100), kind="GET", key="_reelhouse/lease.json")
        with _again(lake).lock():
            taken = _record(lake)
            _wait(lambda: heard)
            time.sleep(0.2)
            assert heard == [f"another collector took over {lake.url}"]
            assert _record(lake) == taken
    assert _record(lake)["state"] == "free"


def test_it_is_renewed_and_no_two_writings_are_alike(lake: S3Storage) -> None:
    heard: list[str] = []
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=BRISK):
        first = lake.look("_reelhouse/lease.json")
        versions = {first.version}

        def renewed() -> bool:
            versions.add(lake.look("_reelhouse/lease.json").version)
            return len(versions) > 3

        _wait(renewed)
        assert _record(lake)["epoch"] == 1
    assert (heard, _record(lake)["state"]) == ([], "free")


def test_with_a_known_lifetime_no_thread_renews_the_lease(lake: S3Storage, proxy: Proxy) -> None:
    with lake.lock(seconds=90):
        assert _record(lake)["ttl_seconds"] == 90
        ours = [thread.name for thread in threading.enumerate() if "_renew" in thread.name or "_watch" in thread.name]
        assert ours == []
    with lake.lock():
        assert any("_renew" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("fault", [CONFLICT, SLOW_DOWN, BROKEN, cut, lost, done_and_says(500, "InternalError")])
def test_an_answer_that_fails_or_is_lost_changes_nothing(lake: S3Storage, proxy: Proxy, fault: Fault) -> None:
    heard: list[str] = []

    def spoil(*faults: Fault) -> None:
        proxy.forget()
        proxy.when(*faults, kind="PUT", key="_reelhouse/lease.json")

    spoil(fault)
    with lake.lock():
        spoil(fault)
    spoil(fault)
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=BRISK):
        before = _record(lake)["write"]
        with pytest.raises(LockedError), _again(lake).lock():
            pass
        spoil(fault, passes, fault)
        _wait(lambda: _record(lake)["write"] != before)
        spoil(fault)
    assert (heard, _record(lake)["epoch"], _record(lake)["state"]) == ([], 2, "free")


def test_a_lost_response_is_resolved_on_an_s3_without_metadata(lake: S3Storage, proxy: Proxy) -> None:
    def bare(_: Request, on: Callable[[], Answer]) -> Answer:
        answer = on()
        return answer._replace(
            headers=[pair for pair in answer.headers if not pair[0].lower().startswith("x-amz-meta")]
        )

    proxy.always(bare, kind="HEAD")
    proxy.when(lost, kind="PUT")
    with lake.lock():
        assert _record(lake)["state"] == "held"


def test_a_renewal_with_a_lost_response_is_recognized(lake: S3Storage, proxy: Proxy) -> None:
    heard: list[str] = []
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=BRISK):
        before = _record(lake)["write"]
        proxy.when(*[cut] * 8, kind="HEAD", key="_reelhouse/lease.json")
        proxy.when(*[lost] * 4, kind="PUT", key="_reelhouse/lease.json")
        _wait(lambda: proxy.counts["HEAD"] > 1)
        _wait(lambda: _record(lake)["write"] != before)
        seen = _record(lake)["write"]
        _wait(lambda: _record(lake)["write"] != seen)
    assert (heard, _record(lake)["state"]) == ([], "free")


def test_a_holder_that_cannot_renew_is_notified_before_expiry(lake: S3Storage, proxy: Proxy) -> None:
    heard: list[str] = []
    began = time.monotonic()
    with held(
        lake, lake.url, seconds=None, lost=heard.append, pace=LeaseTiming(ttl=2.0, every=0.1, again=0.1, margin=1.0)
    ):
        proxy.off()
        _wait(lambda: heard)
        took = time.monotonic() - began
        time.sleep(0.3)
    assert len(heard) == 1
    assert heard[0].startswith("the lease could not be renewed")
    # A second after the last renewal, which may have been a moment after the beginning.
    assert 0.5 < took < 10


def test_a_holder_whose_renewal_hangs_is_notified_too(lake: S3Storage, proxy: Proxy) -> None:
    heard: list[str] = []
    answered = threading.Event()

    def hangs(_: Request, on: Callable[[], Answer]) -> Answer:
        answered.wait(60)
        return on()

    with held(
        lake, lake.url, seconds=None, lost=heard.append, pace=LeaseTiming(ttl=2.0, every=0.1, again=0.1, margin=1.0)
    ):
        proxy.always(hangs, kind="PUT", key="_reelhouse/lease.json")
        _wait(lambda: heard)
        assert not answered.is_set()
        answered.set()
    assert len(heard) == 1


def test_after_a_release_nothing_is_notified(lake: S3Storage, proxy: Proxy) -> None:
    heard: list[str] = []
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=BRISK):
        proxy.forget()
        proxy.always(late(0.4), kind="GET", key="_reelhouse/lease.json")
        lake.delete("_reelhouse/lease.json")
        # The renewal that finds it gone is on its way.
        _wait(lambda: proxy.counts["GET"])
    assert heard == []


def test_a_removed_lease_is_lost(lake: S3Storage) -> None:
    heard: list[str] = []
    with held(lake, lake.url, seconds=None, lost=heard.append, pace=BRISK):
        lake.delete("_reelhouse/lease.json")
        _wait(lambda: heard)
    assert heard == [f"the lease of {lake.url} was removed"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"owner": 1}', b"\xff"])
def test_a_foreign_object_counts_as_held_for_the_usual_time(lake: S3Storage, proxy: Proxy, body: bytes) -> None:
    lake.put("_reelhouse/lease.json", body)
    with pytest.raises(LockedError), lake.lock():
        pass
    proxy.when(_later(130), _later(130), kind="GET", key="_reelhouse/lease.json")
    with lake.lock():
        assert _record(lake)["epoch"] == 1


@pytest.mark.parametrize("date", ["", "soon"])
def test_an_s3_without_the_time_of_day_holds_nothing(lake: S3Storage, proxy: Proxy, date: str) -> None:
    with lake.lock():
        pass

    def timeless(_: Request, on: Callable[[], Answer]) -> Answer:
        answer = on()
        return answer._replace(
            headers=[("Date", date) if pair[0].lower() == "date" else pair for pair in answer.headers]
        )

    proxy.when(timeless, kind="GET")
    with pytest.raises(StorageError, match="sends no valid time"), lake.lock():
        pass


def test_a_failed_release_hides_no_result(lake: S3Storage, proxy: Proxy) -> None:
    done = []
    with lake.lock():
        done.append(1)
        proxy.off()
    assert done == [1]
    proxy.on()
    assert _record(lake)["state"] == "held"
    with suppress(LockedError), lake.lock():
        raise AssertionError("nobody let it go")


def test_an_error_inside_is_raised(lake: S3Storage, proxy: Proxy) -> None:
    def fail() -> None:
        with lake.lock():
            proxy.off()
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()


def test_an_unreachable_storage_is_not_locked(lake: S3Storage, proxy: Proxy) -> None:
    proxy.off()
    with pytest.raises(StorageError, match="cannot be reached"), lake.lock():
        pass


def test_of_many_that_find_it_expired_one_takes_over(lake: S3Storage, proxy: Proxy) -> None:
    stack = ExitStack()
    stack.enter_context(lake.lock(seconds=50))

    def expired(request: Request, on: Callable[[], Answer]) -> Answer | None:
        answer = on()
        return _later(60)(request, lambda: answer) if b'"epoch":1,' in answer.body else answer

    proxy.always(expired, kind="GET", key="_reelhouse/lease.json")
    start, over = threading.Barrier(6), threading.Barrier(6)
    took: list[int] = []

    def work(number: int) -> None:
        start.wait(10)
        try:
            with held(lake, lake.url, seconds=50, lost=unheard):
                took.append(number)
                over.wait(20)
        except LockedError:
            over.wait(20)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(took) == 1
    bucket = lake.url.removeprefix("s3://").partition("/")[0]
    now = client(proxy.server).get_object(Bucket=bucket, Key="lake/_reelhouse/lease.json")
    assert json.loads(now["Body"].read())["epoch"] == 2
    stack.close()
