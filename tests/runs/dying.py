"""Storages that do something at a chosen step: die like a killed process, or let somebody else go first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from reelhouse.storage.protocol import COLLECTOR, Lost, Storage, Versioned, Work, unheard


class KilledError(BaseException):
    """What nothing catches: the process is gone."""


class Stepping:
    """Counts the instants before and after each change, and calls *at* with each one's number, from 0 on.

    Once *at* has raised, nothing can be read or written any more, as after a kill. *locked* tells whether the lock is
    asked for, or taken away; with *reads* the instant before each reading is a step too.
    """

    def __init__(self, inner: Storage, at: Callable[[int], None], *, locked: bool = True, reads: bool = False) -> None:
        self._inner = inner
        self._at = at
        self._locked = locked
        self._reads = reads
        self._guard = threading.RLock()
        self.steps = 0
        self.dead = False

    @property
    def url(self) -> str:
        return self._inner.url

    def get(self, key: str) -> bytes:
        self._read()
        return self._inner.get(key)

    def get_versioned(self, key: str) -> Versioned:
        self._read()
        return self._inner.get_versioned(key)

    def size(self, key: str) -> int | None:
        self._read()
        return self._inner.size(key)

    def keys(self, prefix: str) -> Iterator[str]:
        self._read()
        return self._inner.keys(prefix)

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        self._read()
        return self._inner.sizes(prefix)

    def put(self, key: str, body: bytes) -> None:
        self._change(lambda: self._inner.put(key, body))

    def put_new(self, key: str, body: bytes) -> None:
        self._change(lambda: self._inner.put_new(key, body))

    def put_if(self, key: str, body: bytes, version: str) -> None:
        self._change(lambda: self._inner.put_if(key, body, version))

    def delete(self, key: str) -> None:
        self._change(lambda: self._inner.delete(key))

    def delete_all_versions(self, key: str) -> None:
        self._change(lambda: self._inner.delete_all_versions(key))

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        self._read()
        return self._inner.list_all_versions(prefix)

    def delete_unfinished(self) -> None:
        self._inner.delete_unfinished()

    def check(self) -> None:
        self._inner.check()

    def now(self) -> datetime:
        return self._inner.now()

    def lock(
        self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR
    ) -> AbstractContextManager[None]:
        return self._inner.lock(seconds=seconds, lost=lost, of=of) if self._locked else nullcontext()

    def _change(self, deed: Callable[[], None]) -> None:
        # One change at a time, so that a step's number means the same in every run.
        with self._guard:
            self._step()
            deed()
            self._step()

    def _read(self) -> None:
        if self._reads:
            with self._guard:
                self._step()
        else:
            self._alive()

    def _step(self) -> None:
        self._alive()
        step, self.steps = self.steps, self.steps + 1
        try:
            self._at(step)
        except KilledError:
            self.dead = True
            raise

    def _alive(self) -> None:
        if self.dead:
            raise KilledError


def dies_at(step: int) -> Callable[[int], None]:
    """Dies at that step."""

    def at(reached: int) -> None:
        if reached == step:
            raise KilledError

    return at


def counts(step: int) -> None:
    """Does nothing but count."""
