"""Who holds a lock: what a process writes beside its lock, for those who wait."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

import msgspec

from reelhouse import logs


class Holder(msgspec.Struct, frozen=True):
    """A process that took a lock; *since* by its own clock."""

    host: str
    process: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}`, process {self.process} on {self.host}, since {self.since}"


_decode = msgspec.json.Decoder(Holder).decode


def this_process() -> Holder:
    return Holder(platform.node(), os.getpid(), logs.command(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


def named(found: Holder | bytes | None) -> str:
    """`: `reelhouse build`, process 7 on host, since …`; empty where nobody wrote it."""
    if isinstance(found, bytes):
        try:
            found = _decode(found)
        except msgspec.MsgspecError:
            return ""
    return f": {found}" if found else ""
