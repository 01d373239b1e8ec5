"""Files that are written beside the ones they replace, so that what is there stays whole until all is done."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.storage.protocol import HOUSE, Storage

_SCRATCH = ".reelhouse-new-"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder of one's own in *folder*, for what will be moved into it; what a killed export left is cleared away."""
    with in_one_line(folder):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"to: {folder} is not a folder")
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
    if os.name == "nt":
        # There `os.kill` with 0 would send Ctrl-C.
        return _lives_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lives_on_windows(pid: int) -> bool:
    import ctypes

    kernel: Any = ctypes.__dict__["windll"].kernel32
    if not (handle := kernel.OpenProcess(_QUERY, False, pid)):
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == _STILL_ACTIVE


_QUERY, _STILL_ACTIVE = 0x1000, 259


def check_file(path: Path, option: str = "to") -> None:
    """Raise `ConfigError` where *path*, or what it links to, is there and no regular file."""
    with in_one_line(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise ConfigError(f"{option}: {path} is {kind}, not a regular file: take another name")


def check_outside(path: Path, storage: Storage, option: str = "to") -> None:
    """Raise `ConfigError` where *path* lies in the folder of this lake or of another one, by whichever name."""
    url = urlsplit(storage.url)
    own = Path(url2pathname(url.path)) if url.scheme == "file" else None
    real = Path(os.path.realpath(path.expanduser()))
    for each in (real, *real.parents):
        # The same folder can have several names beside links: a mount, or other letters on a disk that takes them as
        # equal.
        lake = own if own and each.exists() and each.samefile(own) else each
        if lake is own or (each / HOUSE).is_dir():
            raise ConfigError(f"{option}: {path} lies in the lake at {lake}: take a place outside")


def check_output(path: Path, storage: Storage) -> None:
    """Raise `ConfigError` where a command could not write its --output to *path*, before it works for long."""
    check_outside(path, storage, "output")
    check_file(path, "output")
    if not (folder := path.absolute().parent).is_dir():
        raise ConfigError(f"output: there is no folder {folder}: make it, or take another place")


def put_in_place(made: Path, place: Path) -> None:
    """Replace *place* by *made*, which is on the same disk, durably. Who may read *place* may read it afterwards."""
    check_file(place)
    with suppress(FileNotFoundError):
        shutil.copymode(place, made)
    sync(made)
    made.replace(place)
    sync(place.parent)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """By this a file is known that was written to or replaced; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def sync(path: Path) -> None:
    """Have the disk hold what was written."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        # Windows opens no folders.
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
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
