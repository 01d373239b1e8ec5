"""Files that are written beside the ones they replace, so that what is there stays whole until all is done."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelhouse.errors import ConfigError, ReelhouseError

_SCRATCH = ".reelhouse-new-"


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder of one's own in *folder*, for what will be moved into it; what a killed export left is cleared away."""
    with in_one_line(folder):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"to: {folder} is no folder")
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"{_SCRATCH}{os.getpid()}-{secrets.token_hex(4)}"
        made.mkdir()
    try:
        with in_one_line(folder):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Remove the scratch folders of exports whose process has ended."""
    for left in folder.glob(f"{_SCRATCH}*"):
        pid = left.name.removeprefix(_SCRATCH).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def put_in_place(made: Path, place: Path) -> None:
    """Replace *place* by *made*, which is on the same disk, durably."""
    sync(made)
    made.replace(place)
    sync(place.parent)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """By this a file is known that was written to or replaced; None where there is none."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


def sync(path: Path) -> None:
    """Have the disk hold what was written."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def in_one_line(place: Path) -> Iterator[None]:
    """What the disk says becomes a `ReelhouseError`."""
    try:
        yield
    except OSError as exc:
        raise ReelhouseError(
            f"{place} cannot be written, and what is there stays as it was: {exc.strerror or exc}"
        ) from exc
