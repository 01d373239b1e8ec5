"""`reelhouse` as a person starts it: in this process, or in one of its own where it is to be interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.in_process import reelhouse
from tests.runs.lakes import TOKEN


class Reelhouse:
    """Starts commands against one lake and one TMDB."""

    def __init__(self, url: str, folder: Path) -> None:
        self.lake = folder / "lake"
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))},
            "TMDB_TOKEN": TOKEN,
            "REELHOUSE_LAKE": str(self.lake),
            "REELHOUSE_TMDB_URL": f"{url}/3",
            "REELHOUSE_EXPORTS_URL": f"{url}/p/exports",
            "REELHOUSE_RATE": "0",
            "REELHOUSE_RETRY_WAIT": "0.01",
        }

    def __call__(self, *words: str, **environ: str) -> tuple[int, Any, str]:
        """Run a command in this process: its exit code, the JSON that it printed and what stderr holds."""
        done = reelhouse(*words, env={**self._environ, **environ}, cwd=self._folder)
        return _ended(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        running = subprocess.Popen(
            [sys.executable, "-m", "reelhouse.cli.main", *words],
            cwd=self._folder,
            env={**self._environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(running)
        return running

    def end_all(self) -> None:
        """Leave no process behind, whatever a test came to."""
        for running in self._started:
            running.kill()
            running.communicate()

    def end(self, running: subprocess.Popen[str]) -> tuple[int, Any, str]:
        """Wait for it."""
        said, stderr = running.communicate(timeout=60)
        return _ended(running.returncode, said, stderr)


def _ended(code: int, printed: str, stderr: str) -> tuple[int, Any, str]:
    assert TOKEN not in printed + stderr
    assert "Traceback" not in stderr, stderr
    return code, json.loads(printed) if printed else None, stderr
