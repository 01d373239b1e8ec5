"""What a folder promises beyond the contract: kills, full disks, odd folders, the order that survives a power cut."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from reelhouse.errors import ConfigError, KeyTakenError, LockedError, MissingKeyError, StorageError
from reelhouse.storage.folder import FolderStorage

HOLDER = """
import sys, time
from pathlib import Path
from reelhouse.storage.folder import FolderStorage
with FolderStorage(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""

WRITER = """
import sys
from pathlib import Path
from reelhouse.storage.folder import FolderStorage
storage = FolderStorage(Path(sys.argv[1]))
body = bytes(4 << 20)
number = 0
while True:
    storage.put_new(f"raw/{number:06d}", body)
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def lake(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "lake")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB, mounted for one test."""
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _mount(*options: str) -> None:
    try:
        done = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def _started(program: str, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True)


def _killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_another_process_is_locked_out_and_a_killed_one_releases_the_lock(lake: FolderStorage, tmp_path: Path) -> None:
    holder = _started(HOLDER, tmp_path / "lake")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        by = rf": `-c`, process {holder.pid} on \S+, since 20\d\d-.* UTC\); retry when it has finished"
        with pytest.raises(LockedError, match=by), lake.lock():
            pass
    finally:
        _killed(holder)
    with lake.lock():
        pass


def test_a_writer_killed_in_the_middle_leaves_whole_objects_only(lake: FolderStorage, tmp_path: Path) -> None:
    for _ in range(3):
        root = tmp_path / f"lake-{_}"
        writer = _started(WRITER, root)
        assert writer.stdout is not None
        done = [int(writer.stdout.readline()) for _ in range(3)]
        time.sleep(0.005)
        _killed(writer)
        storage = FolderStorage(root)
        found = list(storage.keys("raw/"))
        assert {f"raw/{number:06d}" for number in done} <= set(found)
        assert {storage.size(key) for key in found} == {4 << 20}
        assert list(storage.keys("")) == found


def test_files_of_killed_writers_are_no_keys_and_are_removed_when_old(lake: FolderStorage, tmp_path: Path) -> None:
    lake.put("a", b"1")
    scratch = tmp_path / "lake" / ".scratch"
    old, young = scratch / "0011223344556677", scratch / "8899aabbccddeeff"
    for left in (old, young):
        left.write_bytes(b"half an obj")
    os.utime(old, (time.time() - 7200,) * 2)
    assert list(lake.keys("")) == ["a"]
    with lake.lock():
        # A writer that does not hold the lake may be at work in the young one.
        assert (old.exists(), young.exists()) == (False, True)
    assert list(lake.keys("")) == ["a"]


def test_what_killed_writers_left_goes_at_once_where_all_must_go(lake: FolderStorage, tmp_path: Path) -> None:
    lake.put("raw/a", b"a")
    left = lake.root / ".scratch" / "left"
    left.write_bytes(b"an answer")
    lake.delete_unfinished()
    assert not left.exists()
    assert lake.get("raw/a") == b"a"


@pytest.mark.parametrize("name", [".part-0.parquet", ".staging/part", "_temporary/0/.hidden/part", "título.parquet"])
def test_names_that_are_no_keys_are_found_and_erased_below_a_place(lake: FolderStorage, name: str) -> None:
    lake.put("tables/movie/part", b"a")
    odd = lake.root / "tables" / "movie" / name
    odd.parent.mkdir(parents=True, exist_ok=True)
    odd.write_bytes(b"left by an engine")
    assert f"tables/movie/{name}" in set(lake.list_all_versions("tables/"))
    for key in list(lake.list_all_versions("tables/")):
        lake.delete_all_versions(key)
    assert not odd.exists()
    assert list(lake.list_all_versions("tables/")) == []


def test_nothing_outside_a_lake_is_erased(lake: FolderStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    for key in ("../outside", "tables/../../outside", str(outside)):
        with pytest.raises(StorageError, match="is not a key"):
            lake.delete_all_versions(key)
    assert outside.exists()


@pytest.mark.parametrize("link", ["raw", "raw/movie", ".scratch", ".lock", "tables/a"])
def test_a_link_in_a_lake_leads_nowhere(lake: FolderStorage, tmp_path: Path, link: str) -> None:
    """A lake may come from somebody else, whose links lead to files of one's own."""
    own = tmp_path / "own"
    (own / "movie").mkdir(parents=True)
    for file in (own / "a", own / "movie/b"):
        file.write_bytes(b"precious")
        os.utime(file, (0, 0))
    place = lake.root / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(own / "a" if link in (".lock", "tables/a") else own)
    key = {"raw": "raw/a", "raw/movie": "raw/movie/movie/b", "tables/a": "tables/a"}.get(link, "x")
    top = key.partition("/")[0]

    def locked() -> None:
        with lake.lock():
            pass

    attempts: list[Callable[[], object]] = [
        lambda: list(lake.keys(f"{top}/")),
        lambda: list(lake.sizes(f"{top}/")),
        lambda: list(lake.list_all_versions(f"{top}/")),
        lambda: lake.get(key),
        lambda: lake.size(key),
        lambda: lake.put(key, b"x"),
        lambda: lake.put_new(f"{key}2", b"x"),
        lambda: lake.delete(key),
        lambda: lake.delete_all_versions(key),
        lake.delete_unfinished,
        locked,
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except StorageError as exc:
            refused += f"{place} is a link" in str(exc)
    assert refused >= {".lock": 1, ".scratch": 4, "tables/a": 4}.get(link, 6)
    assert {file.relative_to(own).as_posix(): file.read_bytes() for file in own.rglob("*") if file.is_file()} == {
        "a": b"precious",
        "movie/b": b"precious",
    }


def test_the_lake_itself_may_be_a_link(lake: FolderStorage, tmp_path: Path) -> None:
    lake.put("raw/a", b"1")
    (tmp_path / "link").symlink_to(lake.root)
    linked = FolderStorage(tmp_path / "link")
    assert (linked.get("raw/a"), list(linked.keys(""))) == (b"1", ["raw/a"])


def test_writing_leaves_no_scratch_behind(lake: FolderStorage, tmp_path: Path) -> None:
    lake.put("a", b"1")
    lake.put_new("b", b"1")
    with pytest.raises(KeyTakenError):
        lake.put_new("b", b"2")
    assert list((tmp_path / "lake" / ".scratch").iterdir()) == []


def _calls(work: object, *arguments: object) -> list[str]:
    """The system's functions that *work* calls, in order, of those that decide what survives a power cut."""
    seen: list[str] = []
    telling = {"write", "fsync", "link", "replace", "rename", "mkdir"}

    def watch(frame: FrameType, event: str, called: object) -> None:
        name = getattr(called, "__name__", "")
        if event == "c_call" and name in telling:
            seen.append(name)

    assert callable(work)
    sys.setprofile(watch)
    try:
        work(*arguments)
    finally:
        sys.setprofile(None)
    return seen


def test_bytes_are_synced_before_they_get_their_name_and_the_name_after(lake: FolderStorage) -> None:
    lake.put("folder/first", b"")
    assert _calls(lake.put_new, "folder/a", b"1") == ["write", "fsync", "link", "fsync"]
    assert _calls(lake.put, "folder/a", b"2") == ["write", "fsync", "replace", "fsync"]


def test_a_new_folder_is_synced_into_the_one_above_before_anything_lies_in_it(lake: FolderStorage) -> None:
    lake.put("first", b"")
    made = ["mkdir", "fsync"]
    assert _calls(lake.put_new, "x/y/a", b"1") == [*made, *made, "write", "fsync", "link", "fsync"]


def test_a_full_disk_is_reported_and_loses_no_object(small_disk: Path) -> None:
    storage = FolderStorage(small_disk / "lake")
    storage.put_new("kept", b"k" * 100_000)
    for put in (storage.put, storage.put_new):
        with pytest.raises(StorageError, match="the disk is full") as caught:
            put("raw/large", bytes(400_000))
        assert "raw/large" in str(caught.value)
        assert not isinstance(caught.value, KeyTakenError)
    with pytest.raises(StorageError, match="the disk is full"):
        storage.put("kept", bytes(400_000))
    assert storage.get("kept") == b"k" * 100_000
    assert list(storage.keys("")) == ["kept"]
    storage.put_new("raw/large", b"now it fits, for the failed writings left nothing" * 2000)


def test_a_read_only_disk_can_be_read_and_says_so_when_written(small_disk: Path) -> None:
    storage = FolderStorage(small_disk / "lake")
    storage.put("a", b"1")
    _mount("-o", "remount,ro", str(small_disk))
    assert storage.get("a") == b"1"
    assert list(storage.keys("")) == ["a"]
    with pytest.raises(StorageError, match="the disk is read-only"):
        storage.put("b", b"2")
    with pytest.raises(StorageError, match="the disk is read-only"):
        storage.delete("a")
    with pytest.raises(StorageError, match="the disk is read-only"), storage.lock():
        pass


def test_a_file_where_the_lake_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("I was here first")
    storage = FolderStorage(tmp_path / "lake")
    for attempt in (lambda: storage.put("a/b", b""), lambda: storage.get("a"), lambda: storage.size("a")):
        with pytest.raises(StorageError, match=r"lake.*: a part of the path is a file"):
            attempt()
    with pytest.raises(StorageError, match="a part of the path is a file"), storage.lock():
        pass
    assert (tmp_path / "lake").read_text() == "I was here first"


def test_a_file_where_a_folder_of_the_lake_should_be_is_named(lake: FolderStorage) -> None:
    lake.put("raw", b"")
    with pytest.raises(StorageError, match=r"raw/movie/a: a part of the path is a file"):
        lake.put_new("raw/movie/a", b"")


def test_a_folder_where_an_object_should_be_is_no_object(lake: FolderStorage) -> None:
    lake.put("a/b", b"")
    with pytest.raises(MissingKeyError):
        lake.get("a")
    with pytest.raises(StorageError):
        lake.put("a", b"")


def _words(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except StorageError as exc:
        return str(exc)
    return "was let in"


def _as_nobody(work: Callable[[], list[str]]) -> list[str]:
    """What *work* says in a child process that has no rights."""
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, "\n".join(work()).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    printed = os.read(reading, 1 << 16).decode()
    os.close(reading)
    return printed.splitlines()


def test_an_unreadable_folder_is_an_error_and_never_looks_empty() -> None:
    def lock() -> None:
        with storage.lock():
            pass

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        storage = FolderStorage(root)
        storage.put("shut/a", b"1")
        (root / "shut").chmod(0o700)
        attempts: list[Callable[[], object]] = [
            lambda: storage.get("shut/a"),
            lambda: storage.size("shut/a"),
            lambda: list(storage.keys("")),
            lambda: list(storage.keys("shut/")),
            lambda: storage.put("b", b""),
            lambda: storage.put_new("shut/b", b""),
            lambda: storage.delete("shut/a"),
            lock,
        ]
        printed = _as_nobody(lambda: [_words(attempt) for attempt in attempts])
        assert len(printed) == len(attempts)
        assert [line for line in printed if not (line.endswith("permission denied") and folder in line)] == []


def test_a_lake_may_be_named_by_its_address(tmp_path: Path) -> None:
    from reelhouse.storage.opening import open_storage

    storage = FolderStorage(tmp_path / "a lake, 100% mine")
    storage.put("a", b"1")
    assert open_storage(storage.url).get("a") == b"1"
    assert open_storage(str(tmp_path / "a lake, 100% mine")).get("a") == b"1"


def test_a_place_that_is_not_supported_is_refused_in_words() -> None:
    from reelhouse.errors import ConfigError
    from reelhouse.storage.opening import open_storage

    with pytest.raises(ConfigError, match="gopher://lake"):
        open_storage("gopher://lake")
    for scheme in ("s3", "s3a"):
        with pytest.raises(ConfigError, match=rf"lake = '{scheme}://\*\*\*@bucket/lake': ") as caught:
            open_storage(f"{scheme}://KEY:SEC/RET@bucket/lake")
        assert "RET" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_is_named_before_anything_is_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    lake = FolderStorage(tmp_path / "lake")
    lake.check()
    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(
        ConfigError, match=f"lake: the file system of {tmp_path}/lake.* has no hard links: put the lake"
    ):
        lake.check()
    assert list(lake.list_all_versions("")) == []
    assert [*(tmp_path / "lake" / ".scratch").iterdir()] == []
