"""A lake in a local folder: write a temporary file, sync it, link it into place, sync the folder."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from reelhouse.errors import ConfigError, KeyTakenError, LockedError, MissingKeyError, StorageError, UnreadableError
from reelhouse.storage.file_lock import lock_file
from reelhouse.storage.holder import named, this_process
from reelhouse.storage.protocol import (
    COLLECTOR,
    UNREADABLE,
    Lost,
    Versioned,
    Work,
    check_key,
    check_prefix,
    is_key,
    unheard,
)

# Names that start with a dot belong to this module and are never keys.
_SCRATCH = ".scratch"
_LOCKS: dict[Work, str] = {"collector": ".lock", "build": ".build.lock"}
_SWAP = ".swap"

_WINDOWS = os.name == "nt"
_NO_NAME = re.compile(r'[<>:"|?*]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
_READERS_SECONDS = 5.0

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is a file",
}


# What exFAT, FAT and some network file systems answer to a hard link.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class FolderStorage:
    """Objects as files below *root*, which is created by the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()

    @property
    def root(self) -> Path:
        """The folder, which need not exist."""
        return self._root

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def get(self, key: str) -> bytes:
        path = self._path(key)
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise UnreadableError(f"cannot read {path}: it is not a regular file")
                return file.read()
        except (FileNotFoundError, IsADirectoryError):
            raise MissingKeyError(f"{path}: no such file") from None
        except OSError as exc:
            raise _failed("read", path, exc) from exc

    def get_versioned(self, key: str) -> Versioned:
        body = self.get(key)
        return Versioned(body, hashlib.sha256(body).hexdigest())

    def size(self, key: str) -> int | None:
        path = self._path(key, last=False)
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _failed("read", path, exc) from exc
        if stat.S_ISDIR(found.st_mode):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else UNREADABLE

    def put(self, key: str, body: bytes) -> None:
        self._place(key, body, _replace)

    def put_new(self, key: str, body: bytes) -> None:
        try:
            # A link, unlike a rename, never replaces a file, so there is one winner.
            self._place(key, body, lambda scratch, path: path.hardlink_to(scratch))
        except FileExistsError:
            raise KeyTakenError(f"{self._path(key)}: exists already") from None

    def put_if(self, key: str, body: bytes, version: str) -> None:
        check_key(key)
        with self._locked(_SWAP, block=True):
            try:
                current = self.get_versioned(key).version
            except MissingKeyError:
                current = None
            if current != version:
                raise KeyTakenError(f"{self._path(key)}: another writer changed it")
            self.put(key, body)

    def delete(self, key: str) -> None:
        self._remove(self._path(key))

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            if path.suffix == ".parquet":
                # Each writing of a table has a folder of its own, which goes with its last file.
                with suppress(OSError):
                    path.parent.rmdir()
        except OSError as exc:
            raise _failed("delete", path, exc) from exc

    def keys(self, prefix: str) -> Iterator[str]:
        return self._names(prefix, lambda name: not name.startswith("."))

    def _names(self, prefix: str, wanted: Callable[[str], bool]) -> Iterator[str]:
        inner, _, _ = check_prefix(prefix).rpartition("/")
        found: list[str] = []
        for folder, folders, names in os.walk(self.inside(inner), onerror=_unlisted):
            folders[:] = [name for name in folders if wanted(name)]
            inside = Path(folder).relative_to(self._root)
            for name in folders:
                self.inside((inside / name).as_posix())
            found.extend((inside / name).as_posix() for name in names if wanted(name))
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        # It may have been removed since it was listed; a name that is not a key was never put by a lake.
        return ((key, size) for key in self.keys(prefix) if is_key(key) and (size := self.size(key)) is not None)

    def delete_all_versions(self, key: str) -> None:
        # Engines leave files behind whose names are not keys, and a purge must erase those too.
        if key.startswith("/") or ".." in key.split("/"):
            raise StorageError(f"{key!r} is not a key")
        self._remove(self.inside(key))

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        return self._names(prefix, lambda name: name not in (_SCRATCH, _SWAP, *_LOCKS.values()))

    def delete_unfinished(self) -> None:
        self._sweep(older_than=0)

    def check(self) -> None:
        with self._scratch_file() as scratch:
            _check_links(scratch)

    def now(self) -> datetime:
        with self._scratch_file() as scratch:
            return datetime.fromtimestamp(scratch.stat().st_mtime, UTC)

    @contextmanager
    def _scratch_file(self) -> Iterator[Path]:
        """A new empty file, which is removed afterwards; what fails with it is a `StorageError`."""
        scratch = self.inside(_SCRATCH) / secrets.token_hex(8)
        try:
            _make_folder(scratch.parent)
            scratch.touch()
            try:
                yield scratch
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as exc:
            raise _failed("write", self._root, exc) from exc

    @contextmanager
    def lock(self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR) -> Iterator[None]:
        # The kernel releases the lock when the process ends, and only then.
        with self._locked(_LOCKS[of], block=False, of=of):
            # An hour, because a writer without the lock may be active.
            self._sweep(older_than=3600)
            yield

    def _path(self, key: str, *, last: bool = True) -> Path:
        if _WINDOWS and _NO_NAME.search(key):
            # `a:b` would be a second stream of the file `a`.
            raise StorageError(f"{key!r} is not a valid file name on Windows")
        folder, _, name = check_key(key).rpartition("/")
        return self.inside(key) if last else self.inside(folder) / name

    def inside(self, key: str) -> Path:
        """The path of *key*; `UnreadableError` if a part of it is a link: a lake's author could lead it anywhere."""
        place = str(self._root)
        for part in key.split("/") if key else ():
            place = os.path.join(place, part)  # noqa: PTH118 (this is called for each object)
            if os.path.islink(place):  # noqa: PTH114 (as above)
                raise UnreadableError(f"{place} is a link, which a lake must not contain: put the files in its place")
        return Path(place)

    def _place(self, key: str, body: bytes, into: Callable[[Path, Path], object]) -> None:
        path = self._path(key)
        scratch = self.inside(_SCRATCH) / secrets.token_hex(8)
        try:
            _make_folder(scratch.parent)
            _make_folder(path.parent)
            try:
                with scratch.open("xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                into(scratch, path)
            finally:
                scratch.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except FileExistsError:
            raise
        except OSError as exc:
            raise _failed("write", path, exc) from exc

    @contextmanager
    def _locked(self, name: str, *, block: bool, of: Work = COLLECTOR) -> Iterator[None]:
        path = self.inside(name)
        try:
            _make_folder(self._root)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise _failed("write", path, exc) from exc
        try:
            try:
                lock_file(handle, block=block)
                if not block:
                    os.ftruncate(handle, 0)
                    os.write(handle, msgspec.json.encode(this_process()))
            except BlockingIOError:
                by = named(os.read(handle, 4096))
                raise LockedError(
                    f"the lake is locked by another {of} ({self._root}{by}); retry when it has finished"
                ) from None
            except OSError as exc:
                raise _failed("lock", path, exc) from exc
            yield
        finally:
            os.close(handle)

    def _sweep(self, older_than: float) -> None:
        """Remove incomplete files of killed writers of so many seconds ago; nothing refers to them."""
        scratch = self.inside(_SCRATCH)
        there = list(scratch.iterdir()) if scratch.is_dir() else []
        # All of them if any age will do: the clock of a file system advances in steps of milliseconds.
        old = self.now().timestamp() - older_than if there and older_than else math.inf
        for left in there:
            try:
                if left.stat().st_mtime <= old:
                    left.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise _failed("delete", left, exc) from exc


def _open_at_once(path: str, flags: int) -> int:
    """As `os.open`, which would wait for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _replace(scratch: Path, path: Path) -> None:
    """Put *scratch* in the place of *path*."""
    end = time.monotonic() + _READERS_SECONDS
    while True:
        try:
            scratch.replace(path)
            return
        except PermissionError:
            # On Windows a file cannot be replaced while another reads it.
            if not _WINDOWS or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _unlisted(exc: OSError) -> None:
    """A missing folder is empty; an unreadable one must not look empty."""
    if not isinstance(exc, (FileNotFoundError, NotADirectoryError)):
        raise _failed("read", Path(exc.filename), exc) from exc


def _check_links(path: Path) -> None:
    """Raise `ConfigError` where *path* cannot be linked: only a link never replaces an object."""
    link = path.with_name(f"{path.name}-link")
    try:
        os.link(path, link)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        raise ConfigError(
            f"lake: the file system of {path.parent.parent} has no hard links: put the lake elsewhere ({exc.strerror})"
        ) from exc
    link.unlink()


def _make_folder(path: Path) -> None:
    if path.is_dir():
        return
    _make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as exc:
        raise NotADirectoryError(errno.ENOTDIR, "there is a file of this name", str(path)) from exc
    # Without this a power cut could lose the folder, and with it a synced file.
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        # Windows opens no folders; NTFS keeps a journal of names.
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(verb: str, path: Path, exc: OSError) -> StorageError:
    reason = _REASONS.get(exc.errno or 0, exc.strerror or str(exc))
    kind = UnreadableError if verb == "read" else StorageError
    return kind(f"cannot {verb} {path}: {reason}")
