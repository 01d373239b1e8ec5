"""Apache Spark beside a test, started with a lake and given commands."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.standalone import PYTHON, environ_of_driver
from tests.end_to_end.conftest import REPOSITORY


class Spark:
    """A process of `at_spark`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, do: str, **job: Any) -> None:
        """Let it begin; `answer` waits for the end."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **job}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The result of the last command."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"Apache Spark ended with {self._process.wait()}"
        found: dict[str, Any] = json.loads(line)
        return found

    def does(self, do: str, **job: Any) -> dict[str, Any]:
        """Tell it, and wait."""
        self.tell(do, **job)
        return self.answer()


@contextmanager
def spark(lake: str, **environ: str) -> Iterator[Spark]:
    """Apache Spark on two threads with *lake*, once it is ready."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "REELHOUSE_", "AWS_"))}
    given = {"REELHOUSE_LAKE": lake, "REELHOUSE_ENGINE": "local[2]", "TMDB_TOKEN": "none-is-needed"}
    process = subprocess.Popen(
        [str(PYTHON), "-m", "tests.cluster.at_spark"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**kept, **given, **environ_of_driver(**environ)},
    )
    try:
        started = Spark(process)
        assert started.answer() == {}
        yield started
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
