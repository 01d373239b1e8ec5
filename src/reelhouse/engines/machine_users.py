"""Finds out whether other people's processes run on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Lower uids are system accounts; root can do everything anyway.
_FIRST_PERSON = 500 if sys.platform == "darwin" else 1000
# Shells of accounts that cannot log in.
_NO_SHELLS = {"nologin", "false", "true", "sync"}

UNSEEN = "unknown, processes are hidden"


def other_people() -> list[str]:
    """The names of other people with processes here: accounts that can log in, neither ours nor root's.

    If the system hides other people's processes, one name that says so.
    """
    if not hasattr(os, "getuid"):
        return [UNSEEN]
    try:
        uids = set(_uids())
    except OSError:
        return [UNSEEN]
    return sorted(name for uid in uids - {os.getuid(), os.geteuid()} if (name := _person(uid)))


def _uids() -> Iterator[int]:
    """The uids of all processes, four of each."""
    proc = Path("/proc")
    if not (proc / "self").exists():
        shown = subprocess.run(["ps", "-axo", "uid=,ruid="], capture_output=True, text=True, check=False)  # noqa: S607
        if shown.returncode:
            raise OSError("ps failed")
        yield from map(int, shown.stdout.split())
        return
    # If this is not visible, other people's processes are hidden too.
    (proc / "1").stat()
    for process in proc.iterdir():
        if process.name.isdecimal():
            yield from _uids_of(process)


def _uids_of(process: Path) -> list[int]:
    try:
        # A process names itself, and the kernel escapes line feeds in a name alone.
        lines = (process / "status").read_bytes().split(b"\n")
    except PermissionError:
        return [process.stat().st_uid]
    except (FileNotFoundError, ProcessLookupError):
        # The process has ended meanwhile.
        return []
    return [int(uid) for line in lines if line.startswith(b"Uid:") for uid in line.split()[1:]]


def _person(uid: int) -> str | None:
    """The name of an account that a person can log in to."""
    import pwd

    if uid < _FIRST_PERSON:
        return None
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        # No account: the uid of a container or a service.
        return None
    return None if Path(account.pw_shell).name in _NO_SHELLS else account.pw_name
