"""Sessions on Sail: in this process, or beside it where the lake is in S3."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from reelhouse.errors import ReelhouseError
from reelhouse.runtimes import sail_server
from reelhouse.runtimes.connecting import connected
from reelhouse.runtimes.lending import engine_environ
from reelhouse.storage.access import S3Access

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Servers that this process started, and what keeps them alive: one for each way to S3, one for folders.
_servers: dict[Any, str] = {}
_alive: list[Any] = []


def sail_session(access: S3Access | None) -> SparkSession:
    """A session of its own on Sail. With *access* Sail runs in a process beside this one, since it finds its way to S3
    by an environment."""
    session = connected(_sail(access))
    from pyspark.sql.connect.client.retries import DefaultPolicy

    # Nothing lies between: what does not answer has ended, and ten minutes of asking would not bring it back.
    session.client.set_retry_policies([DefaultPolicy(max_retries=4)])
    return session


def _sail(access: S3Access | None) -> str:
    """The address of Sail, started where it does not run yet."""
    key = (access.endpoint, access.region, access.options) if access else None
    if key not in _servers:
        _servers[key] = f"sc://127.0.0.1:{_start() if access is None else _start_beside(access)}"
    return _servers[key]


def _start() -> int:
    server, port = sail_server.start()
    _alive.append(server)
    return port


def _start_beside(access: S3Access) -> int:
    # A session of its own, so that a Ctrl-C at a prompt ends the query and not the engine.
    server = subprocess.Popen(
        [sys.executable, "-m", "reelhouse.runtimes.sail_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=engine_environ(access, os.environ),
        start_new_session=True,
    )
    atexit.register(_end, server)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port:
        raise ReelhouseError(f"the table engine ended with code {server.wait()} before it was ready")
    return int(port)


def _end(server: subprocess.Popen[str]) -> None:
    # Its input ends with this process anyway; this waits for it.
    server.kill()
    server.communicate()
