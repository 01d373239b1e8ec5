"""Sessions on Sail, which runs in its own process."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelhouse.engines.credential_server import engine_environ
from reelhouse.engines.machine_users import other_people
from reelhouse.engines.spark_connect import connected_by, main_with_a_file
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.storage.credentials import S3Access

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The longest path of a Unix socket is 107 bytes.
_LONGEST_FOLDER = 90

# Engines of this process: one for each access to S3, one for folders.
_engines: dict[Any, EngineProcess] = {}
_starting = threading.Lock()


def sail_session(
    access: S3Access | None, shared_machine_ok: bool = False, gone: Callable[[set[str]], list[str]] | None = None
) -> SparkSession:
    """A new session on Sail, which is started if it does not run yet; *gone* as for `Channels`.

    Raises `ConfigError` as `check_private` does.
    """
    key = (access.endpoint, access.region, access.options) if access else None
    with main_with_a_file():
        with _starting:
            if key not in _engines:
                _engines[key] = _started(access, shared_machine_ok)
        engine = _engines[key]
        # Late: both load all of gRPC, while the engine starts.
        from pyspark.sql.connect.client.retries import DefaultPolicy

        from reelhouse.engines.sail_calls import Channels

        session = connected_by(Channels(engine, gone))
        engine.clients.append(session.client)

    # The error that follows says it for a person.
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]")
    # The engine is local: if it does not answer it has ended, and ten minutes of retries would be useless.
    session.client.set_retry_policies([DefaultPolicy(max_retries=4)])
    return session


def check_private() -> None:
    """Raise `ConfigError` if other people, whose processes run on this machine, could reach Sail."""
    people = other_people()
    if people and (reason := _closed()):
        raise _not_private(people, reason)


@cache
def _closed() -> str:
    """Why Sail cannot be hidden from others; empty if it can."""
    done = _server("--check", _environ(None))
    reply, _ = done.communicate()
    return str(json.loads(reply)["closed"]) if reply else ""


def _server(door: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    # Not imported from the working directory, where others may have put modules. In a new process session, so that
    # Ctrl-C at a prompt ends the query and not the engine.
    return subprocess.Popen(  # noqa: S603 (it starts this Python and a module of ours)
        [sys.executable, "-P", "-m", "reelhouse.engines.sail_server", door],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        start_new_session=True,
    )


def _not_private(people: list[str], reason: str) -> ConfigError:
    return ConfigError(
        f"shared_machine_ok: processes of other people run on this machine ({', '.join(people)}), and all of them "
        f"could read and write your files through the table engine: it cannot be hidden here ({reason}). Let them "
        "end, or trust them with --shared-machine-ok (REELHOUSE_SHARED_MACHINE_OK=1); see docs/security.md"
    )


def _started(access: S3Access | None, shared_machine_ok: bool) -> EngineProcess:
    engine = EngineProcess(access, private=True)
    if not engine.closed:
        return engine
    people = other_people()
    if people and not shared_machine_ok:
        raise _not_private(people, engine.closed)
    return EngineProcess(access, private=False)


class EngineProcess:
    """Sail in its own process; *closed* says why it did not start, if it had to be private and cannot be."""

    def __init__(self, access: S3Access | None, *, private: bool) -> None:
        self._folder = _new_folder() if private else None
        self._process = _server(f"{self._folder}/engine" if self._folder else "", _environ(access))
        atexit.register(self._end, os.getpid())
        # Kept while it starts.
        import pyspark.sql.connect.session  # noqa: F401

        line = self._read()
        if not line:
            raise ReelhouseError(f"the table engine ended with code {self._process.wait()} before it was ready")
        reply = json.loads(line)
        self.address: str = reply.get("address", "")
        self.closed: str = reply.get("closed", "")
        if self.closed:
            atexit.unregister(self._end)
            self._end(os.getpid())
        # An engine for S3 has its own environment. For folders it is as if Sail ran in this process.
        self._follows = access is None
        self._sent: dict[str, Any] = {}
        self._telling = threading.Lock()
        self.clients: list[Any] = []

    def stop(self) -> None:
        """End the engine and the sessions on it; the next session starts another."""
        with _starting:
            for key in [key for key, engine in _engines.items() if engine is self]:
                del _engines[key]
        # Closed first: calls on an open channel would be repeated for seconds.
        for client in self.clients:
            client.close()
        atexit.unregister(self._end)
        self._end(os.getpid())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def follow(self) -> None:
        """Pass this process's current environment and working directory to the engine."""
        if not self._follows:
            return
        with self._telling:
            now = {"environ": dict(os.environ), "cwd": _cwd(), "path": list(sys.path)}
            if now == self._sent:
                return
            assert self._process.stdin is not None
            try:
                print(json.dumps(now), file=self._process.stdin, flush=True)
            except BrokenPipeError:
                # The call that follows reports that the engine has ended.
                return
            self._read()
            self._sent = now

    def _end(self, owner: int) -> None:
        if os.getpid() != owner:
            # This process is a fork of the engine's owner.
            return
        # The engine ends with its input anyway; this waits for it.
        self._process.kill()
        self._process.communicate()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _new_folder() -> Path:
    """A new folder that only this user may enter."""
    folder = tempfile.mkdtemp(prefix="reelhouse-")
    if len(os.fsencode(folder)) <= _LONGEST_FOLDER:
        return Path(folder)
    Path(folder).rmdir()
    return Path(tempfile.mkdtemp(prefix="reelhouse-", dir="/tmp"))


def _environ(access: S3Access | None) -> dict[str, str]:
    environ = engine_environ(access, os.environ) if access else dict(os.environ)
    # It imports what this process imports.
    return {**environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return os.curdir
