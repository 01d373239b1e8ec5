"""One collector at a time, and one build, each by an object that is created and swapped conditionally.

The leases protect TMDB's rate and a build's work; write-once objects protect the data. The storage's own clock decides
whether a lease has expired, so machines need not agree on the time. The object stays after a release: its epoch only
grows.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple, Protocol

import msgspec

from reelhouse.elapsed import elapsed
from reelhouse.errors import KeyTakenError, LockedError, MissingKeyError, StorageError
from reelhouse.storage.holder import Holder, named, this_process
from reelhouse.storage.protocol import COLLECTOR, HOUSE, Lost, Work

LEASES: dict[Work, str] = {"collector": f"{HOUSE}lease.json", "build": f"{HOUSE}build-lease.json"}

# A collector that loses a swap looks again; after this many losses others are active.
_LOOKS = 5


class LeaseObject(NamedTuple):
    """An object with its version and its age in seconds, by the storage's clock."""

    body: bytes
    version: str
    age: float


class LeaseStore(Protocol):
    """What a lease needs of a storage; all methods may raise `StorageError`."""

    def look(self, key: str) -> LeaseObject:
        """The object, or `MissingKeyError`."""

    def create(self, key: str, body: bytes) -> str:
        """Put it if there is none and return its version, else raise `KeyTakenError`."""

    def swap(self, key: str, body: bytes, version: str) -> str:
        """Replace this version and return the new one, else raise `KeyTakenError`."""


class LeaseTiming(NamedTuple):
    """Seconds: how long a lease lasts without renewal, between renewals, before a retry, before giving up early."""

    ttl: float = 120.0
    every: float = 30.0
    again: float = 5.0
    margin: float = 15.0


class _LeaseRecord(msgspec.Struct):
    owner: str
    epoch: int
    ttl_seconds: float
    state: Literal["held", "free"]
    # Random for each write: an ETag is made from the bytes, and must never repeat.
    write: str
    holder: Holder | None = None


@contextmanager
def held(
    store: LeaseStore,
    place: str,
    *,
    seconds: float | None,
    lost: Lost,
    of: Work = COLLECTOR,
    pace: LeaseTiming = LeaseTiming(),  # noqa: B008 (a tuple)
) -> Iterator[None]:
    """Hold the lease of *place* inside the context, or raise `LockedError`; see `Storage.lock`."""
    lease = _Lease(store, place, pace.ttl if seconds is None else seconds, pace.ttl, of)
    lease.take()
    keeper = _Renewer(lease, lost, pace) if seconds is None else None
    try:
        yield
    finally:
        if keeper is not None:
            keeper.end()
        # Not an error of the work inside: a lease that cannot be released expires.
        with suppress(StorageError):
            lease.release()


class _Lease:
    """A holder's knowledge of the lease; *since* is when the write that holds it began."""

    def __init__(self, store: LeaseStore, place: str, ttl: float, unreadable_ttl: float, of: Work) -> None:
        self._store = store
        self._of = of
        self._key = LEASES[of]
        self._place = place
        self._unreadable_ttl = unreadable_ttl
        self._owner = secrets.token_hex(8)
        self._holder = this_process()
        self._epoch = 0
        self._version = ""
        self.ttl = ttl
        self.since = 0.0

    def take(self) -> None:
        for _ in range(_LOOKS):
            since = elapsed()
            try:
                self._version = self._taken()
            except KeyTakenError:
                continue
            self.since = since
            return
        raise self._busy()

    def renew(self) -> None:
        """Renew it; `LockedError` if another collector has it by now."""
        since = elapsed()
        self._swap("held")
        self.since = since

    def release(self) -> None:
        self._swap("free")

    def _taken(self) -> str:
        try:
            found = self._store.look(self._key)
        except MissingKeyError:
            self._epoch = 1
            return self._store.create(self._key, self._body("held"))
        record = _parsed(found.body)
        self._check_left(record, found.age)
        if record is None or record.state != "free":
            # One response with a wrong time must not take the lease from an active holder: the next one must agree.
            again = self._store.look(self._key)
            if again.version != found.version:
                raise KeyTakenError(f"{self._key} was changed meanwhile")
            self._check_left(record, again.age)
        self._epoch = record.epoch + 1 if record else 1
        return self._store.swap(self._key, self._body("held"), found.version)

    def _swap(self, state: Literal["held", "free"]) -> None:
        body = self._body(state)
        try:
            self._version = self._store.swap(self._key, body, self._version)
        except KeyTakenError:
            # An earlier write of ours may have succeeded although its response was lost.
            self._version = self._store.swap(self._key, body, self._own_version())

    def _own_version(self) -> str:
        try:
            found = self._store.look(self._key)
        except MissingKeyError:
            raise LockedError(f"the lease of {self._place} was removed") from None
        record = _parsed(found.body)
        if record is None or record.owner != self._owner:
            raise LockedError(f"another {self._of} took over {self._place}")
        return found.version

    def _check_left(self, record: _LeaseRecord | None, age: float) -> None:
        left = self._left(record, age)
        if left >= 0:
            # With a wrong clock it could have been written in the future.
            free = min(left, record.ttl_seconds if record else self._unreadable_ttl) + 1
            holder = record.holder if record else None
            raise self._busy(f"if that {self._of} was killed, its lock ends in {free:.0f} s; ", holder)

    def _left(self, record: _LeaseRecord | None, age: float) -> float:
        """Seconds for which another collector still has it; negative if it is free."""
        if record is not None and (record.state == "free" or record.owner == self._owner):
            return -1.0
        # Both times are whole seconds.
        return (record.ttl_seconds if record else self._unreadable_ttl) + 1 - age

    def _body(self, state: Literal["held", "free"]) -> bytes:
        record = _LeaseRecord(self._owner, self._epoch, self.ttl, state, secrets.token_hex(8), self._holder)
        return msgspec.json.encode(record)

    def _busy(self, unless: str = "", holder: Holder | None = None) -> LockedError:
        by = f"another {self._of} ({self._place}{named(holder)})"
        return LockedError(f"the lake is locked by {by}; {unless}retry when it has finished")


class _Renewer:
    """Renews a lease from a thread; another thread reports a failure in time, even if the first one hangs."""

    def __init__(self, lease: _Lease, lost: Lost, pace: LeaseTiming) -> None:
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
        """Stop renewing; a renewal on its way gets a moment."""
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
            if elapsed() > self._lease.since + self._lease.ttl - self._pace.margin:
                self._lose(f"the lease could not be renewed: {self._why}")

    def _lose(self, why: str) -> None:
        with self._guard:
            first = not self._over.is_set()
            self._over.set()
        if first:
            self._lost(why)


_decode = msgspec.json.Decoder(_LeaseRecord).decode


def _parsed(body: bytes) -> _LeaseRecord | None:
    """The parsed object; None if no collector wrote it, in which case it counts as held for the usual time."""
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None
