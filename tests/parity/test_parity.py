"""The same code on Sail and on Apache Spark makes the same rows of every table and mart."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests.whole.conftest import REPOSITORY, environment, reelhouse
from tests.whole.equal_tables import differences

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"


def _works() -> bool:
    return SPARK.exists() and shutil.which("java") is not None


@pytest.mark.skipif(not _works(), reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark")
@pytest.mark.timeout(600)
def test_apache_spark_builds_the_rows_that_sail_builds(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "sail" / "lake", tmp_path / "spark" / "lake"
    with Emulator(movies=3000, seed=21, faults="vanishing-ids", process=True) as tmdb:
        ours.parent.mkdir()
        env = environment(tmdb, ours)
        # Two runs, so that there is something to replace, and something that is gone.
        assert reelhouse("collect", "--top", "600", env=env, cwd=tmp_path).returncode == 0
        tmdb.edit(count=40)
        tmdb.delete(count=10)
        tmdb.next_day()
        assert reelhouse("collect", "--top", "600", env=env, cwd=tmp_path).returncode == 0
        shutil.copytree(ours, theirs)
        assert reelhouse("build", env=env, cwd=tmp_path).returncode == 0
        env = environment(tmdb, theirs, REELHOUSE_ENGINE="local[2]")
        built = _build_on_spark(env, tmp_path)
    assert built.returncode == 0, built.stderr[-3000:]
    assert differences(ours, theirs) == []


def _build_on_spark(env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SPARK), "-m", "reelhouse.runtimes.cli", "build"]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=540, check=False)
    if "Could not find artifact" in done.stderr or "UNRESOLVED DEPENDENCIES" in done.stderr.upper():
        pytest.skip("Delta's jars for Apache Spark cannot be had here")
    return done
