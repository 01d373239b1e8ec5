"""Ten times the ids take no more memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests.runs.lakes import TOKEN

_PEAK = """
import json, os, resource, sys
from reelhouse.collect.reporting import Progress
from reelhouse.bootstrap.collecting import CollectOptions, collect_each
from reelhouse.settings import load
from reelhouse.storage.opening import open_storage
settings = load()
done = collect_each(open_storage(settings.lake), settings, CollectOptions(names=("movie",)), Progress())
print(json.dumps({"clean": done.results[-1].clean, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def _peak(folder: Path, movies: int) -> int:
    """Kilobytes that collecting so many titles takes at most, in a process of its own."""
    with Emulator(movies=movies, seed=1, process=True) as emulator:
        environ = {
            **os.environ,
            "TMDB_TOKEN": TOKEN,
            "REELHOUSE_LAKE": str(folder / str(movies)),
            "REELHOUSE_TMDB_URL": emulator.url,
            "REELHOUSE_EXPORTS_URL": emulator.exports_url,
            "REELHOUSE_RATE": "0",
            "REELHOUSE_APPEND": "external_ids",
        }
        made = subprocess.run([sys.executable, "-c", _PEAK], env=environ, capture_output=True, check=True, cwd=folder)
    found = json.loads(made.stdout)
    assert found["clean"]
    return int(found["peak"])


@pytest.mark.slow
def test_memory_is_flat_between_two_thousand_and_twenty_thousand_ids(tmp_path: Path) -> None:
    few, many = _peak(tmp_path, 2_000), _peak(tmp_path, 20_000)
    assert many < 1.25 * few, (few, many)


@pytest.mark.long
def test_memory_is_nearly_flat_between_three_hundred_and_three_thousand_ids(tmp_path: Path) -> None:
    few, many = _peak(tmp_path, 300), _peak(tmp_path, 3_000)
    assert many < 1.4 * few, (few, many)
