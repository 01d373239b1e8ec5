"""`reelhouse` as a person starts it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
        """Exit code, the JSON that it said and what stderr holds."""
        return self.end(self.start(*words, **environ))

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
        assert TOKEN not in said + stderr
        assert "Traceback" not in stderr, stderr
        return running.returncode, json.loads(said) if said else None, stderr
