"""One collector at a time, by an object that is created and swapped conditionally.

The lease protects TMDB's rate; the data is protected by write-once objects alone. Whether it has expired is judged by
the storage's own clock, so no two machines need to agree on the time. The object stays when it is let go: its epoch
only grows.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple, Protocol

import msgspec

from reelhouse.errors import KeyTakenError, LockedError, MissingKeyError, StorageError
from reelhouse.storage.protocol import HOUSE, Lost

LEASE = f"{HOUSE}lease.json"

# A laptop that slept must notice: the plain monotonic clock stands still meanwhile.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# Who loses a swap looks again; more often than this, the others are at work.
_LOOKS = 5


class Found(NamedTuple):
    """An object with its version and the seconds since it was written, by the storage's clock."""

    body: bytes
    version: str
    age: float


class LeaseStore(Protocol):
    """What a lease asks of a storage; all may raise `StorageError`."""

    def look(self, key: str) -> Found:
        """The object, or `MissingKeyError`."""

    def create(self, key: str, body: bytes) -> str:
        """Put it where there is none and give its version, else `KeyTakenError`."""

    def swap(self, key: str, body: bytes, version: str) -> str:
        """Replace this version and give the new one, else `KeyTakenError`."""


class Pace(NamedTuple):
    """Seconds: what a holder may be silent, how often it renews, when it tries again, how early it gives up."""

    ttl: float = 120.0
    every: float = 30.0
    again: float = 5.0
    margin: float = 15.0


class _Record(msgspec.Struct):
    owner: str
    epoch: int
    ttl_seconds: float
    state: Literal["held", "free"]
    # Drawn for each write: an ETag is made of the bytes, and must never come back.
    write: str


@contextmanager
def held(
    shelf: LeaseStore,
    place: str,
    *,
    seconds: float | None,
    lost: Lost,
    pace: Pace = Pace(),  # noqa: B008 (a tuple)
) -> Iterator[None]:
    """Hold the lease of *place* while inside, or `LockedError`; as `Storage.hold` says."""
    lease = _Lease(shelf, place, pace.ttl if seconds is None else seconds, pace.ttl)
    lease.take()
    keeper = _Keeper(lease, lost, pace) if seconds is None else None
    try:
        yield
    finally:
        if keeper is not None:
            keeper.end()
        # What was done inside counts, not this: a lease that cannot be let go expires.
        with suppress(StorageError):
            lease.release()


class _Lease:
    """What one holder knows of the lease; *since* is when the write began that it is held by."""

    def __init__(self, shelf: LeaseStore, place: str, ttl: float, unreadable_ttl: float) -> None:
        self._shelf = shelf
        self._place = place
        self._unreadable_ttl = unreadable_ttl
        self._owner = secrets.token_hex(8)
        self._epoch = 0
        self._version = ""
        self.ttl = ttl
        self.since = 0.0

    def take(self) -> None:
        for _ in range(_LOOKS):
            since = clock()
            try:
                self._version = self._taken()
            except KeyTakenError:
                continue
            self.since = since
            return
        raise self._busy()

    def renew(self) -> None:
        """Write it anew; `LockedError` where it is somebody else's by now."""
        since = clock()
        self._swap("held")
        self.since = since

    def release(self) -> None:
        self._swap("free")

    def _taken(self) -> str:
        try:
            found = self._shelf.look(LEASE)
        except MissingKeyError:
            self._epoch = 1
            return self._shelf.create(LEASE, self._body("held"))
        record = _parsed(found.body)
        self._check_left(record, found.age)
        if record is None or record.state != "free":
            # One answer with a wrong time must not take it from a holder that works: the next one has to agree.
            again = self._shelf.look(LEASE)
            if again.version != found.version:
                raise KeyTakenError(f"{LEASE} was written meanwhile")
            self._check_left(record, again.age)
        self._epoch = record.epoch + 1 if record else 1
        return self._shelf.swap(LEASE, self._body("held"), found.version)

    def _swap(self, state: Literal["held", "free"]) -> None:
        body = self._body(state)
        try:
            self._version = self._shelf.swap(LEASE, body, self._version)
        except KeyTakenError:
            # An earlier write of ours may have come through although no answer did.
            self._version = self._shelf.swap(LEASE, body, self._own_version())

    def _own_version(self) -> str:
        try:
            found = self._shelf.look(LEASE)
        except MissingKeyError:
            raise LockedError(f"somebody removed the lease of {self._place}") from None
        record = _parsed(found.body)
        if record is None or record.owner != self._owner:
            raise LockedError(f"another collector took over {self._place}")
        return found.version

    def _check_left(self, record: _Record | None, age: float) -> None:
        left = self._left(record, age)
        if left >= 0:
            # By a clock that is wrong it could have been written in the future.
            free = min(left, record.ttl_seconds if record else self._unreadable_ttl) + 1
            raise self._busy(f"if it was cut off, this is free in {free:.0f} s; ")

    def _left(self, record: _Record | None, age: float) -> float:
        """Seconds for which it is still somebody else's; negative where it is free."""
        if record is not None and (record.state == "free" or record.owner == self._owner):
            return -1.0
        # Both times are whole seconds.
        return (record.ttl_seconds if record else self._unreadable_ttl) + 1 - age

    def _body(self, state: Literal["held", "free"]) -> bytes:
        return msgspec.json.encode(_Record(self._owner, self._epoch, self.ttl, state, secrets.token_hex(8)))

    def _busy(self, unless: str = "") -> LockedError:
        return LockedError(f"another collector works on {self._place}; {unless}it goes on by itself, come back later")


class _Keeper:
    """Renews a lease from a thread; another thread tells in time when that fails, whatever the first hangs in."""

    def __init__(self, lease: _Lease, lost: Lost, pace: Pace) -> None:
        self._lease = lease
        self._lost = lost
        self._pace = pace
        self._why = "the storage does not answer"
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._renew, self._watch)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Renew no more; a renewal that is on its way gets a moment."""
        with self._guard:
            self._over.set()
        for thread in self._threads:
            thread.join(self._pace.margin)

    def _renew(self) -> None:
        wait = self._pace.every
        while not self._over.wait(wait):
            try:
                self._lease.renew()
                wait = self._pace.every
            except (LockedError, KeyTakenError) as exc:
                self._lose(str(exc))
            except StorageError as exc:
                self._why = str(exc)
                wait = self._pace.again

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._pace.margin / 4)):
            if clock() > self._lease.since + self._lease.ttl - self._pace.margin:
                self._lose(f"the lease could not be renewed: {self._why}")

    def _lose(self, why: str) -> None:
        with self._guard:
            first = not self._over.is_set()
            self._over.set()
        if first:
            self._lost(why)


def clock() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def _parsed(body: bytes) -> _Record | None:
    """What the object says; None for what no collector wrote, which counts as held for the usual time."""
    try:
        return msgspec.json.decode(body, type=_Record)
    except msgspec.MsgspecError:
        return None
