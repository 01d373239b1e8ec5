"""A lake in memory, for experiments and tests. It ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import get_args

from reelhouse.errors import KeyTakenError, LockedError, MissingKeyError
from reelhouse.storage.protocol import COLLECTOR, Lost, Versioned, Work, check_key, check_prefix, unheard


class MemoryStorage:
    """Objects in a dict. No table engine can open it: `url` is only a name."""

    url = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, Versioned] = {}
        self._count = 0
        self._guard = threading.Lock()
        self._held = {of: threading.Lock() for of in get_args(Work)}

    def get(self, key: str) -> bytes:
        return self.get_versioned(key).body

    def get_versioned(self, key: str) -> Versioned:
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise MissingKeyError(f"{self.url}{key}: no such object") from None

    def size(self, key: str) -> int | None:
        found = self._objects.get(check_key(key))
        return None if found is None else len(found.body)

    def put(self, key: str, body: bytes) -> None:
        with self._guard:
            self._set(key, body)

    def put_new(self, key: str, body: bytes) -> None:
        with self._guard:
            if check_key(key) in self._objects:
                raise KeyTakenError(f"{self.url}{key}: exists already")
            self._set(key, body)

    def put_if(self, key: str, body: bytes, version: str) -> None:
        with self._guard:
            found = self._objects.get(check_key(key))
            if found is None or found.version != version:
                raise KeyTakenError(f"{self.url}{key}: another writer changed it")
            self._set(key, body)

    def delete(self, key: str) -> None:
        with self._guard:
            self._objects.pop(check_key(key), None)

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        with self._guard:
            found = list(self._objects)
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        check_prefix(prefix)
        with self._guard:
            found = list(self._objects.items())
        return ((key, len(one.body)) for key, one in found if key.startswith(prefix))

    def delete_all_versions(self, key: str) -> None:
        self.delete(key)

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        return self.keys(prefix)

    def delete_unfinished(self) -> None:
        """A put is one request: nothing unfinished is ever kept."""

    def check(self) -> None:
        pass

    def now(self) -> datetime:
        return datetime.now(UTC)

    @contextmanager
    def lock(self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR) -> Iterator[None]:
        if not self._held[of].acquire(blocking=False):
            raise LockedError(f"the lake is locked by another {of}")
        try:
            yield
        finally:
            self._held[of].release()

    def _set(self, key: str, body: bytes) -> None:
        self._count += 1
        self._objects[check_key(key)] = Versioned(bytes(body), str(self._count))
