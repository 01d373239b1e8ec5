"""A build on a standalone cluster whose executors are killed costs time and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.cluster.lakes import Bucket, collected, commits, run
from tests.cluster.standalone import Cluster, driver, environ_of_driver, needs_spark, standalone
from tests.end_to_end.conftest import environment
from tests.end_to_end.equal_tables import differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), needs_spark]

_KILLS = 3


@pytest.mark.parametrize("server", ["folder", "seaweedfs"])
def test_executors_killed_in_the_middle_of_a_build_change_no_row(server: str, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours" / "lake", tmp_path / "theirs" / "lake"
    with Emulator(movies=3000, seed=31, process=True) as tmdb:
        collected(tmdb, ours, 500)
        lake: Path | Bucket = _copy(ours, theirs) if server == "folder" else _bucket(server, ours)
        assert run(tmdb, ours, "build").returncode == 0
        # Machines of a cluster reach S3 with credentials of their own.
        machines = {} if isinstance(lake, Path) else lake.server.environ
        with standalone(machines) as cluster:
            place = str(lake) if isinstance(lake, Path) else lake.lake
            # A build runs no Python on executors.
            given = environ_of_driver(**machines, PYSPARK_PYTHON="there-is-none")
            env = environment(tmdb, Path(), REELHOUSE_LAKE=place, **given)
            # Spark's two hundred are for more cores than two.
            options = ("--spark", cluster.address, "--conf", "spark.sql.shuffle.partitions=4")
            building = driver("build", *options, env=env, cwd=tmp_path, said=tmp_path / "said")
            killed = _killing(building, cluster, lake)
    assert building.returncode == 0, (tmp_path / "said").read_text()[-3000:]
    assert len(killed) == _KILLS
    if isinstance(lake, Bucket):
        lake.downloaded(theirs)
    assert differences(ours, theirs) == []


def _copy(lake: Path, to: Path) -> Path:
    shutil.copytree(lake, to)
    return to


def _bucket(server: str, lake: Path) -> Bucket:
    made = Bucket(s3servers.started(server))
    made.upload(lake)
    return made


def _killing(building: subprocess.Popen[bytes], cluster: Cluster, lake: Path | Bucket) -> list[int]:
    """Kill an executor when the first runs, and after each ten commits; the killed ones once the build has ended."""
    killed: list[int] = []
    at = 0
    while building.poll() is None:
        if len(killed) < _KILLS and commits(lake) >= at and (pid := cluster.kill_an_executor()):
            killed.append(pid)
            # Declarations come all at once and first.
            at = commits(lake) + 10
        time.sleep(0.1)
    return killed
