"""What native Windows lacks is absent in a process: a folder is collected, locked and verified there all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from reelhouse.errors import StorageError
from reelhouse.storage import folder
from reelhouse.storage.folder import FolderStorage
from tests.runs.lakes import TOKEN

# Imported first is what the standard library of this system itself needs. `msvcrt` locks by this system's locks.
_WINDOWS = """
import asyncio, errno, importlib, os, signal, subprocess, sys, tempfile, time, types
import fcntl as system
def locking(handle, mode, count):
    assert (mode, count) == (2, 1)
    try:
        system.flock(handle, system.LOCK_EX | system.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None
msvcrt = types.ModuleType("msvcrt")
msvcrt.locking, msvcrt.LK_NBLCK = locking, 2
sys.modules["msvcrt"] = msvcrt
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "readline"):
    sys.modules[name] = None
for name in ("fork", "O_DIRECTORY", "getuid", "geteuid", "getgid", "getegid", "killpg", "setsid", "O_NOFOLLOW"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGALRM", "pthread_sigmask"):
    delattr(signal, name)
for name in [name for name in dir(time) if name.startswith(("CLOCK_", "clock_"))]:
    delattr(time, name)
def absent(*_):
    raise NotImplementedError
asyncio.BaseEventLoop.add_signal_handler = absent
asyncio.SelectorEventLoop.add_signal_handler = absent
import reelhouse.storage.folder
reelhouse.storage.folder._WINDOWS = True
"""


def _there(program: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WINDOWS + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **env}, timeout=60)


def _settings(tmdb: Emulator, **more: Any) -> str:
    urls = {"tmdb_url": tmdb.url, "exports_url": tmdb.exports_url, "token": TOKEN}
    return json.dumps({**urls, "rate": 0.0, "retry_wait": 0.01, "layout": "course", **more})


def test_a_folder_is_collected_and_verified(tmp_path: Path) -> None:
    program = (
        "import json, reelhouse\n"
        "settings = json.loads(sys.argv[1])\n"
        "done = reelhouse.collect('lake', settings=settings)\n"
        "again = reelhouse.collect('lake', ids=[1, 2], settings=settings)\n"
        "print(done.runs[0].landed, again.ok, reelhouse.verify('lake').clean, reelhouse.status('lake').runs)\n"
        "seen = reelhouse.purge('lake', everything=True, settings=settings)\n"
        "print(seen.gone)"
    )
    with Emulator(movies=30) as tmdb:
        done = _there(program, _settings(tmdb, engine="local[1]"), cwd=tmp_path)
    landed, ok, clean, runs, gone = done.stdout.split() or pytest.fail(done.stderr)
    assert (int(landed) > 20, ok, clean, runs, gone) == (True, "True", "True", "2", "True")


def test_a_second_collector_is_kept_out_and_builds_wait(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from reelhouse.errors import LockedError, KeyTakenError\n"
        "from reelhouse.storage.folder import FolderStorage\n"
        "one, two = FolderStorage(Path('lake')), FolderStorage(Path('lake'))\n"
        "with one.lock():\n"
        "    try:\n"
        "        with two.lock(): print('both')\n"
        "    except LockedError as exc: print('locked', f'process {os.getpid()} on' in str(exc))\n"
        "with two.lock(): print('free')\n"
        "one.put_new('a', b'1')\n"
        "one.put_if('a', b'2', one.get_versioned('a').version)\n"
        "try: one.put_new('a', b'3')\n"
        "except KeyTakenError: print(two.get('a'))"
    )
    done = _there(program, cwd=tmp_path)
    assert done.stdout == "locked True\nfree\nb'2'\n", done.stderr


def test_commands_start(tmp_path: Path) -> None:
    program = (
        "from reelhouse.cli.main import main\n"
        "for command in sys.argv[1:]:\n"
        "    main(command.split(), standalone_mode=False)\n"
        "    print('ended')"
    )
    commands = ("--help", "status --help", "init", "tables")
    done = _there(program, *commands, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines().count("ended")) == (0, len(commands)), done.stderr


def test_the_engine_is_open_to_others_and_says_so(tmp_path: Path) -> None:
    program = (
        "from reelhouse.engines.machine_users import other_people\n"
        "from reelhouse.engines.sail_server import check_namespaces\n"
        "print(other_people()); check_namespaces()"
    )
    people, reply = _there(program, cwd=tmp_path).stdout.splitlines()
    assert "hidden" in people
    assert "no namespaces" in json.loads(reply)["closed"]


@pytest.mark.parametrize("key", ["a:b", "a/b?c", "nul", "raw/CON.json", "com1/x", "a.", "a /b", 'a"b', "x|y"])
def test_a_key_that_cannot_name_a_file_is_refused(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_WINDOWS", True)
    with pytest.raises(StorageError, match="not a valid file name on Windows"):
        FolderStorage(tmp_path).put(key, b"")
    FolderStorage(tmp_path).put("_reelhouse/console/nullable.1/x.json", b"")


def test_a_file_that_is_read_is_replaced_when_its_reader_has_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_WINDOWS", True)
    busy = [True, True]
    replace = Path.replace

    def sometimes(self: Path, target: Path) -> Path:
        if busy:
            busy.pop()
            raise PermissionError(13, "in use")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", sometimes)
    FolderStorage(tmp_path).put("a", b"1")
    assert FolderStorage(tmp_path).get("a") == b"1"
