"""The spool: answers that the lake could not take wait in a folder of this machine until the next start."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from reelhouse.errors import ConfigError, LakeError, ReelhouseError, StorageError
from reelhouse.raw.json_objects import decode, encode
from reelhouse.raw.keys import FORMAT
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt
from reelhouse.storage.folder import FolderStorage

_HASHED = 16


class SpoolEntry(msgspec.Struct, frozen=True):
    """The first line of a spooled object: a receipt that is in no log yet. The bytes of its chunk follow.

    *ids* and *planned_at* are those of the plan that was carried out: a lake that holds another one is another lake.
    """

    lake: str
    ids: str
    planned_at: str
    receipt: Receipt
    format: int = FORMAT

    def is_of(self, plan: Plan) -> bool:
        return (self.ids, self.planned_at) == (plan.ids.sha256, plan.planned_at)


class Spool:
    """What waits for one lake. *folder* is made when something is first kept, for this user's eyes only."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder.expanduser().absolute()
        self._objects = FolderStorage(self.folder)
        self._most = most
        self._guard = threading.Lock()

    def keep(self, entry: SpoolEntry, body: bytes) -> None:
        """Put *entry* and the *body* of its chunk down durably; `StorageError` where there is no room, or no place."""
        whole = encode(entry) + body
        # The hash in its name tells later whether it is still what was put.
        name = f"{entry.receipt.run:06d}-{entry.receipt.unit:05d}-{_hash(whole)}.spooled"
        with self._guard:
            held = sum(self._objects.size(name) or 0 for name in self.waiting())
            if held + len(whole) > self._most:
                raise StorageError(f"spool_megabytes = {self._most / (1 << 20):g} does not hold more")
            self._objects.check()
            try:
                self.folder.chmod(0o700)
                self._objects.put(name, whole)
                (self.folder / name).chmod(0o600)
            except OSError as exc:
                raise StorageError(f"cannot write {self.folder}: {exc.strerror}") from exc

    def waiting(self) -> list[str]:
        """The names of what waits, by run and unit; `StorageError` where somebody else laid it there."""
        # On Windows a user's cache folder is open to that user alone.
        if hasattr(os, "geteuid") and self.folder.is_dir() and self.folder.stat().st_uid != os.geteuid():
            raise StorageError(f"{self.folder} belongs to another user")
        return [name for name in self._objects.keys("") if name.endswith(".spooled")]

    def read(self, name: str) -> tuple[SpoolEntry, bytes]:
        """What waits under *name*; `LakeError` where it is damaged or of a newer reelhouse."""
        whole = self._objects.get(name)
        if f"-{_hash(whole)}." not in name:
            raise LakeError(f"{self.folder / name} is damaged")
        head, _, body = whole.partition(b"\n")
        return decode(str(self.folder / name), head, SpoolEntry), body

    def answers(self) -> int:
        """How many answers wait; those of damaged entries are not known."""
        found = 0
        for name in self.waiting():
            with suppress(LakeError):
                found += len(self.read(name)[0].receipt.outcomes)
        return found

    def remove(self, name: str) -> None:
        """Delete an object that is in the lake by now."""
        self._objects.delete(name)


def _hash(whole: bytes) -> str:
    return hashlib.sha256(whole).hexdigest()[:_HASHED]


class RunSpool:
    """What becomes of the answers of one run once its lake has failed. Safe from threads.

    *alarm* is called at the failure, so that nothing more is requested.
    """

    def __init__(self, spool: Spool | None, lake: str, plan: Plan, alarm: Callable[[str], None]) -> None:
        self._spool = spool
        self._lake = lake
        self._plan = plan
        self._alarm = alarm
        self._guard = threading.Lock()
        self._failure: ReelhouseError | None = None
        self._kept = 0
        self._lost = 0
        self._no_room = ""

    @property
    def failed(self) -> bool:
        """Whether the lake is not tried any more."""
        return self._failure is not None

    def fail(self, failure: ReelhouseError) -> None:
        """The lake did not take something; the first reason is the one that is reported."""
        with self._guard:
            self._failure = self._failure or failure
        self._alarm("the lake cannot be written")

    def keep(self, receipt: Receipt, body: bytes) -> None:
        """Spool a chunk that could not be landed, and its receipt; where that fails too, its answers are lost."""
        count = len(receipt.outcomes)
        try:
            if self._spool is None:
                raise StorageError("there is no folder for them")
            self._spool.keep(SpoolEntry(self._lake, self._plan.ids.sha256, self._plan.planned_at, receipt), body)
        except StorageError as exc:
            with self._guard:
                self._lost += count
                self._no_room = self._no_room or str(exc)
        else:
            with self._guard:
                self._kept += count

    def check(self) -> None:
        """Raise what the lake failed with, and say where the answers are that it did not take."""
        if self._failure is None:
            return
        said = [str(self._failure)]
        if self._kept and self._spool is not None:
            said.append(
                f"{self._kept:,} answers wait in {self._spool.folder}, the next `reelhouse collect` brings them in"
            )
        if self._lost:
            said.append(f"{self._lost:,} responses are lost and will be requested again: {self._no_room}")
        kind = ConfigError if isinstance(self._failure, ConfigError) else StorageError
        raise kind("; ".join(said)) from self._failure
