"""The same code on Sail, on Apache Spark and through Spark Connect makes the same rows of every table and mart."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reelhouse.emulator import Emulator
from tests.end_to_end.conftest import REPOSITORY, environment, printed_json, reelhouse
from tests.end_to_end.equal_tables import differences
from tests.s3servers import free_ports
from tests.warehouse.landing import LakeInTheMaking
from tests.warehouse.refused import refused_answers

pytestmark = pytest.mark.long

TITLES = 150
# So few titles: what it costs is to compile plans and methods, not to carry them out.
CONF = (
    "spark.driver.memory=1500m",
    "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage=false",
    "spark.sql.shuffle.partitions=2",
)


class World(NamedTuple):
    """What was collected, once as it lies and once built by Sail; *env* starts commands."""

    folder: Path
    env: dict[str, str]

    def copy(self, name: str) -> Path:
        """A lake of its own with what was collected and nothing built."""
        return Path(shutil.copytree(self.folder / "collected", self.folder / name))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("parity")
    with Emulator(movies=1000, seed=21, faults="vanishing-ids", process=True) as tmdb:
        env = environment(tmdb, folder / "collected")
        # Two runs, so that there is something to replace, and something that is gone.
        assert reelhouse("collect", "--top", str(TITLES), env=env, cwd=folder).returncode == 0
        tmdb.edit(count=40)
        tmdb.delete(count=10)
        tmdb.next_day()
        assert reelhouse("collect", "--top", str(TITLES), env=env, cwd=folder).returncode == 0
    LakeInTheMaking(folder / "collected", runs=2).land(*refused_answers())
    made = World(folder, env)
    env["REELHOUSE_LAKE"] = str(made.copy("sail"))
    assert reelhouse("build", env=env, cwd=folder).returncode == 0
    return made


class Spark:
    """An Apache Spark that has built a lake, and serves Spark Connect."""

    def __init__(self, world: World, python: Path) -> None:
        (port,) = free_ports(1)
        self.address = f"sc://127.0.0.1:{port}"
        self.lake = world.copy(f"classic-{port}")
        command = [str(python), "-m", "tests.parity.spark_here", str(self.lake), str(port), *CONF]
        env = {**world.env, "PYTHONPATH": str(REPOSITORY)}
        self._noise = (world.folder / f"said-{port}").open("w+")
        self._process = subprocess.Popen(
            command,
            env=env,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
        )
        assert self._process.stdout is not None
        self.lines = []
        for line in self._process.stdout:
            if line == "ready\n":
                return
            self.lines.append(line)
        self.end()
        said = Path(self._noise.name).read_text()
        if "could not be fetched from Maven" in said:
            pytest.skip("the jars that Apache Spark needs cannot be had here")
        pytest.fail(said[-3000:])

    @property
    def summaries(self) -> list[Any]:
        """What the build said, and the one after it."""
        return [json.loads(line) for line in self.lines]

    def end(self) -> None:
        self._process.communicate()
        self._noise.close()


def python_of(venv: str) -> Path:
    """The Python of an environment with Apache Spark; skips where there is none, or no Java."""
    python = REPOSITORY / venv / "bin" / "python"
    if not python.exists() or shutil.which("java") is None:
        pytest.skip(f"Apache Spark is not here: it needs Java, and `make test` sets up {venv}")
    return python


@pytest.fixture(scope="module")
def spark(world: World) -> Iterator[Spark]:
    made = Spark(world, python_of(".venv-spark"))
    yield made
    made.end()


@pytest.mark.timeout(1500)
def test_apache_spark_builds_the_rows_that_sail_builds(world: World, spark: Spark) -> None:
    assert differences(world.folder / "sail", spark.lake) == []


@pytest.mark.timeout(1500)
def test_a_job_in_the_same_session_finds_nothing_left_to_do(spark: Spark) -> None:
    built, again = spark.summaries
    assert (built["done"], again["done"]) == (True, False)
    assert built["rows"] == again["rows"]


@pytest.mark.timeout(1500)
def test_spark_connect_builds_the_rows_that_sail_builds(world: World, spark: Spark) -> None:
    lake = world.copy("connect")
    command = ("--lake", str(lake), "build", "--json", "--spark", spark.address)
    conf = ("--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.executor.memory=4g")
    built = reelhouse(*command, *conf, env=world.env, cwd=world.folder, seconds=1400)
    assert (built.returncode, printed_json(built)["done"]) == (0, True), built.stderr
    assert "spark.executor.memory is ignored: it must be given when the server starts" in built.stderr
    assert "shuffle.partitions is ignored" not in built.stderr
    assert differences(world.folder / "sail", lake) == []


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_spark_of_emr_builds_the_rows_that_sail_builds(world: World) -> None:
    made = Spark(world, python_of(".venv-spark40"))
    try:
        assert differences(world.folder / "sail", made.lake) == []
        lake = world.copy("connect40")
        # The newer client, as on a laptop, against the older server.
        built = reelhouse(
            "--lake", str(lake), "build", "--spark", made.address, env=world.env, cwd=world.folder, seconds=1400
        )
        assert built.returncode == 0, built.stderr
        assert differences(world.folder / "sail", lake) == []
    finally:
        made.end()
