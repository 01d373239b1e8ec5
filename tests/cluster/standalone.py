"""A Spark cluster on this machine: a standalone master and its workers, each a process of its own, as in docs/spark.md.

Executors are processes of the workers, so one can be killed as on a machine that goes away.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.conftest import REPOSITORY
from tests.s3servers import GUARD, free_ports

PYTHON = REPOSITORY / ".venv-spark" / "bin" / "python"

needs_spark = pytest.mark.skipif(
    not PYTHON.exists() or shutil.which("java") is None,
    reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark",
)

_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


class Cluster:
    """A running master with its workers: *address* is `spark://host:port`."""

    def __init__(self, address: str, ui: str, guards: list[subprocess.Popen[bytes]]) -> None:
        self.address = address
        self._ui = ui
        self._guards = guards

    def state(self) -> dict[str, Any]:
        """What the master says: workers, running and ended applications."""
        with urllib.request.urlopen(f"{self._ui}/json/", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def workers(self) -> int:
        """How many workers the master counts on."""
        try:
            return sum(worker["state"] == "ALIVE" for worker in self.state()["workers"])
        except OSError:
            return 0

    def executors(self) -> list[psutil.Process]:
        """Processes that run tasks now, whatever program they run them for."""
        found = [child for guard in self._guards for child in _descendants(guard.pid)]
        return [one for one in found if _EXECUTOR in _command(one)]

    def kill_an_executor(self) -> int | None:
        """End one of them as a power cut would; its process id, None where none runs."""
        running = self.executors()
        if not running:
            return None
        oldest = min(running, key=lambda one: float(one.create_time()))
        oldest.kill()
        return int(oldest.pid)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@contextmanager
def standalone(environ: dict[str, str] | None = None, workers: int = 2) -> Iterator[Cluster]:
    """A cluster of *workers* with a core and a gigabyte each; *environ* is what its machines know beyond ours."""
    environ = environ or {}
    port, ui, *others = free_ports(2 + 2 * workers)
    address = f"spark://127.0.0.1:{port}"
    guards = [_started("master.Master", environ, *_at(port, ui))]
    cluster = Cluster(address, f"http://127.0.0.1:{ui}", guards)
    try:
        wait_until(lambda: _answers(cluster), "the master does not answer")
        for each in range(workers):
            place = _at(*others[2 * each : 2 * each + 2])
            guards.append(_started("worker.Worker", environ, *place, "--cores", "1", "--memory", "1g", address))
        wait_until(lambda: cluster.workers() == workers, "the workers do not come")
        yield cluster
    finally:
        # Workers first, so that none looks for its master; their executors end with them.
        for guard in reversed(guards):
            _end(guard)


def _at(port: int, ui: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(ui)]


def _answers(cluster: Cluster) -> bool:
    try:
        return bool(cluster.state()["status"] == "ALIVE")
    except (OSError, ValueError):
        # While it starts, it answers by another page than JSON's.
        return False


def _started(part: str, environ: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    home = next((REPOSITORY / ".venv-spark" / "lib").glob("*/site-packages/pyspark"))
    folder = tempfile.mkdtemp(prefix="spark-")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "AWS_"))}
    given = {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": f"{folder}/work",
        "SPARK_LOCAL_DIRS": f"{folder}/local",
        # What a task of ours in Python would be run with.
        "PYSPARK_PYTHON": str(PYTHON),
        **environ,
    }
    # The guard ends what it started when our end of its input closes, even if this process is killed.
    return subprocess.Popen(
        [sys.executable, "-c", GUARD, folder, f"{home}/bin/spark-class", f"org.apache.spark.deploy.{part}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**kept, **given},
        start_new_session=True,
    )


def _end(guard: subprocess.Popen[bytes]) -> None:
    below = _descendants(guard.pid)
    assert guard.stdin is not None
    guard.stdin.close()
    guard.wait(30)
    for left in below:
        if left.is_running():
            left.kill()


def wait_until(holds: Callable[[], bool], otherwise: str, seconds: float = 120) -> None:
    """Return once it *holds*; AssertionError after so many *seconds*."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def environ_of_driver(**more: str) -> dict[str, str]:
    """What a driver on this machine needs beyond its lake: its cluster calls back on loopback."""
    return {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(PYTHON), **more}


def driver(*arguments: str, env: dict[str, str], cwd: Path, said: Path) -> subprocess.Popen[bytes]:
    """A `reelhouse` command on Apache Spark, started; what it says goes into the file *said*."""
    with said.open("wb") as out:
        command = [str(PYTHON), "-m", "reelhouse.cli.main", *arguments]
        return subprocess.Popen(command, env=env, cwd=cwd, stdout=out, stderr=subprocess.STDOUT)
