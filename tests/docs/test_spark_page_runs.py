"""What docs/spark.md says to type is typed, as far as one machine goes: every way there makes the tables of Sail."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.package import EMR_PYTHON
from reelhouse.emulator import Emulator
from tests import s3servers
from tests.cluster.lakes import Bucket
from tests.cluster.standalone import PYTHON, needs_spark
from tests.end_to_end.conftest import REPOSITORY, environment, reelhouse
from tests.end_to_end.equal_tables import differences
from tests.s3servers import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), needs_spark]

TEXT = (REPOSITORY / "docs" / "spark.md").read_text(encoding="utf-8")
TITLES = 40


def blocks(heading: str) -> list[str]:
    """The commands below a heading, block by block."""
    found = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    made = re.findall(r"```sh\n(.*?)```", found, re.DOTALL)
    assert made, heading
    # A machine that runs tests has not the memory of one that works.
    return [block.replace("spark.driver.memory=8g", "spark.driver.memory=1g") for block in made]


class Desk:
    """A checkout as a reader of the page sits at it: `spark-env` beside the lake that was collected."""

    def __init__(self, folder: Path, collected: Path, env: dict[str, str]) -> None:
        self.folder = folder
        for name in ("src", "deploy", "examples"):
            (folder / name).symlink_to(REPOSITORY / name)
        (folder / "spark-env").symlink_to(PYTHON.parents[1])
        self.collected = collected
        self.env = {
            **env,
            "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
            # What it costs is to compile, not to carry out.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
        }
        self.restart()

    def restart(self) -> Path:
        """The lake as it was collected; nothing built."""
        shutil.rmtree(self.folder / "lake", ignore_errors=True)
        return Path(shutil.copytree(self.collected, self.folder / "lake"))

    def types(self, commands: str, **more: str) -> str:
        """Type commands and return what they print; AssertionError with what they said where one fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            env={**self.env, **more},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
        return done.stdout

    @contextmanager
    def typing(self, commands: str) -> Iterator[None]:
        """Commands that go on until they are ended, with all that they started."""
        with (self.folder / "said").open("w") as said:
            running = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", commands],
                env=self.env,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            yield
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(60)


@pytest.fixture(scope="module")
def sails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A lake that was collected, the same as Sail builds it, and an environment for commands."""
    folder = tmp_path_factory.mktemp("page")
    with Emulator(movies=400, seed=61, process=True) as tmdb:
        env = environment(tmdb, folder / "collected")
        assert reelhouse("collect", "--top", str(TITLES), env=env, cwd=folder).returncode == 0
        shutil.copytree(folder / "collected", folder / "sail")
        env["REELHOUSE_LAKE"] = str(folder / "sail")
        assert reelhouse("build", env=env, cwd=folder).returncode == 0
        # The page's commands say themselves which lake they mean.
        del env["REELHOUSE_LAKE"]
        yield folder / "collected", folder / "sail", env


@pytest.fixture
def desk(tmp_path: Path, sails: tuple[Path, Path, dict[str, str]]) -> Iterator[Desk]:
    made = Desk(tmp_path, sails[0], sails[2])
    yield made
    assert differences(sails[1], tmp_path / "lake") == []


def test_on_one_machine(desk: Desk) -> None:
    install_and_build, with_settings = blocks("One machine")
    *install, build = install_and_build.splitlines()
    assert [line.partition(" ")[0] for line in install] == ["python3", "spark-env/bin/pip"]
    desk.types(build)
    desk.restart()
    desk.types(with_settings)


def test_through_spark_connect(desk: Desk) -> None:
    server, build = blocks("Spark Connect")
    (port,) = free_ports(1)
    assert "15002" in build and server.rstrip().endswith("spark-internal")
    # Another may run here.
    server = server.replace("spark-internal", f"--conf spark.connect.grpc.binding.port={port} spark-internal")
    with desk.typing(server):
        desk.types(f"for each in $(seq 120); do (: < /dev/tcp/localhost/{port}) 2>/dev/null && break; sleep 1; done")
        desk.types(build.replace("15002", str(port)))


def test_as_a_job_from_a_checkout_and_from_the_package(desk: Desk, tmp_path: Path) -> None:
    from_checkout, packed, _ = blocks("spark-submit")
    assert '"done":true' in desk.types(from_checkout)
    assert '"done":false' in desk.types(from_checkout)
    desk.restart()
    make, *rest = packed.splitlines()
    assert make == "make spark-package"
    # For this Python instead of EMR's, and into the desk instead of the checkout.
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    package = [sys.executable, "-m", "deploy.package", "--python", version, "--out", str(tmp_path / "dist" / "spark")]
    assert subprocess.run(package, cwd=REPOSITORY, check=False, timeout=1200).returncode == 0
    # A Python with nothing installed: what is packed must be enough.
    bare = str(Path(sys.base_prefix, "bin", f"python{version}"))
    assert EMR_PYTHON in TEXT
    spark_home = desk.types('spark-env/bin/python -c "import pyspark; print(pyspark.__path__[0])"').strip()
    assert '"done":true' in desk.types("\n".join(rest), PYSPARK_PYTHON=bare, SPARK_HOME=spark_home)


def test_as_a_job_on_a_lake_in_s3(desk: Desk, tmp_path: Path) -> None:
    (submit,) = blocks("A lake in S3")
    bucket = Bucket(s3servers.started("seaweedfs"))
    bucket.upload(tmp_path / "lake")
    submit = submit.replace("s3://bucket/lake", bucket.lake)
    assert '"done":true' in desk.types(submit, **bucket.server.environ)
    shutil.rmtree(tmp_path / "lake")
    bucket.downloaded(tmp_path / "lake")


def test_on_a_cluster_on_one_machine(desk: Desk) -> None:
    whole = blocks("A cluster on one machine")[0]
    # Ports that are free, and a folder of the test's own.
    used = dict(zip(("7077", "7078", "7079"), map(str, free_ports(3)), strict=True))
    whole = re.sub("|".join(used), lambda found: used[found[0]], whole)
    whole = whole.replace("--webui-port 1$port", "--webui-port 0").replace("/tmp/spark-work", str(desk.folder / "work"))
    cluster, build = whole.rsplit("\n", 2)[0], whole.rsplit("\n", 2)[1]
    assert f"spark://127.0.0.1:{used['7077']}" in shlex.split(build)
    with desk.typing(f"{cluster}\nwait"):
        time.sleep(1)
        desk.types(
            f"for each in $(seq 120); do (: < /dev/tcp/127.0.0.1/{used['7077']}) 2>/dev/null && break; sleep 1; done"
        )
        desk.types(build, SPARK_LOCAL_IP="127.0.0.1")
        # Each with cores of its own, or the build would not have been a cluster's.
        assert len(list((desk.folder / "work").glob("app-*/*"))) >= 1


def test_rdds(desk: Desk) -> None:
    (submit,) = blocks("RDDs")
    assert "ShuffledRDD" in desk.types(submit)
    reelhouse("--lake", "lake", "build", env=desk.env, cwd=desk.folder)
