"""The whole product against an emulator: an environment of its own, and commands as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator

REPOSITORY = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("REELHOUSE_TMDB_DATA", REPOSITORY.parent / "shared" / "tmdb"))

Command = Callable[..., subprocess.CompletedProcess[str]]


def unset() -> dict[str, str]:
    """This machine's environment without what it has set for reelhouse or Spark."""
    # A session of Sail in this process leaves its mark in SPARK_…, and Apache Spark would follow it.
    ours = ("REELHOUSE_", "TMDB_", "SPARK_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def environment(tmdb: Emulator, lake: Path, **more: str) -> dict[str, str]:
    """An environment in which reelhouse asks *tmdb* and keeps *lake*, whatever this machine has set."""
    return {
        **unset(),
        "REELHOUSE_TMDB_URL": tmdb.url,
        "REELHOUSE_EXPORTS_URL": tmdb.exports_url,
        "REELHOUSE_LAKE": str(lake),
        "REELHOUSE_RATE": "0",
        "REELHOUSE_RETRY_WAIT": "0.01",
        "TMDB_TOKEN": "a-token-that-must-not-be-written",
        **more,
    }


def reelhouse(
    *arguments: str, env: dict[str, str], cwd: Path, python: str = sys.executable, seconds: float = 280
) -> subprocess.CompletedProcess[str]:
    """One command, as a person would type it."""
    command = [python, "-m", "reelhouse.cli.main", *arguments]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)


def printed_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON object that a command with `--json` prints."""
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def catalogue() -> Iterator[Emulator]:
    with Emulator(movies=1500, seed=11, process=True) as tmdb:
        yield tmdb
