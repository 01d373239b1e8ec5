"""A lake that was kept up is read and built on by Apache Spark as by Sail, and kept up again after it."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.bodies import Bodies
from reelhouse.delta.log import log_key
from reelhouse.maintenance import run
from reelhouse.warehouse.verify import check_tables
from tests.end_to_end.conftest import REPOSITORY
from tests.warehouse.landing import Answer, LakeInTheMaking, a_movie, gone, quarantined

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"


# Whole movies for each run: a table whose rows come out the same keeps its version, and has no log to cut.
RUNS, EACH = 5, 4
MOVIES = list(Bodies(RUNS * EACH))


def _land(lake: LakeInTheMaking) -> None:
    number = lake.runs + 1
    known = MOVIES[: number * EACH]
    answers = (Answer(movie.id, movie.content) for movie in known[-EACH:])
    others = a_movie(100, budget=number), gone(1000 + number), quarantined(2000 + number)
    lake.land(*answers, *others, export=[*(movie.id for movie in known), 100], day=f"2026-11-{number:02}")


def _keep_up(lake: LakeInTheMaking) -> run.Removal:
    """Twice, and much later, so that logs are cut to their checkpoints."""
    removed = run.Removal()
    for _ in range(2):
        removed = run.maintain(lake.storage, datetime.now(UTC) + timedelta(days=30), timedelta(days=7)).removed
    return removed


@pytest.mark.slow
@pytest.mark.skipif(not SPARK.exists() or shutil.which("java") is None, reason="Apache Spark is not here")
@pytest.mark.timeout(1800)
def test_apache_spark_goes_on_from_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_MANY", 2)
    monkeypatch.setattr(run, "_COMMITS", 2)
    lake = LakeInTheMaking(tmp_path / "lake")
    for _ in range(3):
        _land(lake)
        lake.build()
    assert _keep_up(lake).logs > 90
    assert lake.storage.size(log_key("tables/movie", 0)) is None
    _land(lake)
    shutil.copytree(lake.root, tmp_path / "other")
    other = LakeInTheMaking(tmp_path / "other", lake.runs, lake.chunks)
    lake.build()
    command = [str(SPARK), "-m", "reelhouse.cli.main", "--lake", str(other.root), "build", "--spark", "local[2]"]
    # The client that this process runs on leaves word of itself there.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert other.everything() == lake.everything()
    _keep_up(other)
    assert check_tables(other.storage) == []
    assert other.everything() == lake.everything()
    # And back to Sail.
    for one in (lake, other):
        _land(one)
        one.build()
    assert other.everything() == lake.everything()
