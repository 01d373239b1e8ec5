"""Processes that collect and really die: at a chosen system call, with nothing cleaned up behind them."""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from tests.runs.lakes import collect_small

# What changes a folder; the hook runs before the call.
_CHANGES = frozenset(("os.mkdir", "os.link", "os.rename", "os.remove"))
_DIED = 9

# Forks of a server that has everything imported start in milliseconds, and without this process's threads.
_processes = get_context("forkserver")
_processes.set_forkserver_preload(["tests.runs.children"])


def collect_in_child(folder: Path, chosen: Settings, die_at: int | None) -> int:
    """Collect in a process that dies before its *die_at*-th change of *folder*; None: count the changes."""
    here, there = _processes.Pipe(duplex=False)
    child = _processes.Process(target=_collect, args=(str(folder), chosen, die_at, there))
    child.start()
    there.close()
    child.join(60)
    if die_at is not None:
        assert child.exitcode == _DIED
        return die_at
    assert child.exitcode == 0
    counted: int = here.recv()
    return counted


def _collect(folder: str, chosen: Settings, die_at: int | None, tell: Any) -> None:
    reached = 0

    def audit(event: str, args: tuple[object, ...]) -> None:
        nonlocal reached
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in _CHANGES or writes) and str(args[0]).startswith(folder):
            if reached == die_at:
                os._exit(_DIED)
            reached += 1

    sys.addaudithook(audit)
    collect_small(FolderStorage(Path(folder)), chosen)
    tell.send(reached)
