"""Builds on Apache Spark that are killed, that meet other builds, and that take turns with Sail's."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reelhouse.delta.delta_rs import read_delta
from reelhouse.emulator import Emulator
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import BuildManifest, read_manifest
from reelhouse.warehouse.verify import check_tables
from tests import s3servers
from tests.cluster.lakes import Bucket, collected, commits, run
from tests.cluster.standalone import driver, environ_of_driver, needs_spark
from tests.end_to_end.conftest import environment, reelhouse
from tests.end_to_end.equal_tables import differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), needs_spark]

COUNT = 60
PLACES = ("folder", "versitygw", "seaweedfs")


class Twins:
    """A lake that only Sail builds, undisturbed, and another that holds the same answers."""

    def __init__(self, tmdb: Emulator, place: str, folder: Path) -> None:
        self.tmdb = tmdb
        self.folder = folder
        self.ours = folder / "ours" / "lake"
        self._theirs: Path | Bucket = folder / "theirs" / "lake"
        if place != "folder":
            self._theirs = Bucket(s3servers.started(place))

    @property
    def environ(self) -> dict[str, str]:
        """In which a command works on the second lake."""
        theirs = self._theirs
        if isinstance(theirs, Path):
            return environment(self.tmdb, theirs)
        return environment(self.tmdb, Path(), REELHOUSE_LAKE=theirs.lake, **theirs.server.environ)

    @property
    def storage(self) -> Storage:
        """The second lake; where it is a bucket, boto3 must have been aimed at its server."""
        return open_storage(str(self._theirs) if isinstance(self._theirs, Path) else self._theirs.lake)

    def aim(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if isinstance(self._theirs, Bucket):
            s3servers.aim(monkeypatch, self._theirs.server)

    def collect(self) -> None:
        """One run, whose answers lie in both lakes from then on."""
        collected(self.tmdb, self.ours, COUNT)
        if isinstance(self._theirs, Bucket):
            self._theirs.upload(self.ours)
            return
        for part in ("raw", "_reelhouse/runs"):
            shutil.copytree(self.ours / part, self._theirs / part, dirs_exist_ok=True)

    def change(self) -> None:
        """Another day, with something new in it, collected."""
        self.tmdb.edit(count=15)
        self.tmdb.delete(count=3)
        self.tmdb.next_day()
        self.collect()

    def build_undisturbed(self) -> None:
        done = run(self.tmdb, self.ours, "build")
        assert done.returncode == 0, done.stderr

    def sail(self, *arguments: str) -> None:
        """A command on the second lake without Java."""
        done = reelhouse(*arguments, env=self.environ, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def spark(self, said: str = "said") -> subprocess.Popen[bytes]:
        """A build of the second lake on Apache Spark, started."""
        self.events.mkdir(exist_ok=True)
        stated = ("driver.memory=1g", "eventLog.enabled=true", f"eventLog.dir={self.events}", "eventLog.compress=false")
        conf = [word for each in stated for word in ("--conf", f"spark.{each}")]
        env = {**self.environ, **environ_of_driver()}
        return driver("build", "--spark", "local[2]", *conf, env=env, cwd=self.folder, said=self.folder / said)

    @property
    def events(self) -> Path:
        """Where Spark's event logs lie."""
        return self.folder / "events"

    def secrets_in_events(self) -> list[str]:
        """Secrets of the second lake's place that Spark wrote down."""
        written = "".join(path.read_text() for path in self.events.rglob("*") if path.is_file())
        assert "spark.driver.memory" in written
        keys = [self._theirs.server.secret_key] if isinstance(self._theirs, Bucket) else []
        return [key for key in keys if key in written]

    def builds_on_spark(self) -> None:
        with self.spark() as building:
            assert building.wait(900) == 0, (self.folder / "said").read_text()[-3000:]

    def commits(self) -> int:
        return commits(self._theirs)

    def differences(self) -> list[str]:
        """What the two lakes' newest tables do not share."""
        theirs = self._theirs
        if isinstance(theirs, Bucket):
            into = self.folder / "downloaded"
            shutil.rmtree(into, ignore_errors=True)
            theirs = theirs.downloaded(into)
        return differences(self.ours, theirs)


@pytest.fixture(params=PLACES)
def twins(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    with Emulator(movies=400, seed=51, process=True) as tmdb:
        made = Twins(tmdb, request.param, tmp_path)
        made.aim(monkeypatch)
        made.collect()
        yield made


def _kill(building: subprocess.Popen[bytes]) -> None:
    """End the driver, Java first, as a machine that loses power ends both."""
    for child in psutil.Process(building.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    building.kill()
    building.wait()


def _pinned(storage: Storage) -> BuildManifest:
    found = read_manifest(storage)
    assert found is not None
    return found


def _rows(storage: Storage) -> dict[str, int]:
    """Rows of every table as the last whole build pinned it, counted by another reader than the engine."""
    tables = _pinned(storage).tables
    return {
        name: sum(batch.num_rows for batch in read_delta(storage, f"{pin.zone}/{name}", pin.version))
        for name, pin in tables.items()
    }


def test_a_driver_killed_at_any_instant_leaves_one_build_and_the_next_completes(twins: Twins) -> None:
    twins.sail("build")
    twins.build_undisturbed()
    twins.change()
    pinned, rows = _pinned(twins.storage), _rows(twins.storage)
    deaths = 0
    for further in (1, 4, 12, 20):
        at = twins.commits() + further
        building = twins.spark()
        while building.poll() is None and twins.commits() < at:
            time.sleep(0.02)
        if building.poll() is None:
            _kill(building)
        if _pinned(twins.storage) != pinned:
            break
        deaths += 1
        assert _rows(twins.storage) == rows == {name: pin.rows for name, pin in pinned.tables.items()}
        assert check_tables(twins.storage) == []
    assert deaths >= 2
    twins.builds_on_spark()
    twins.build_undisturbed()
    assert twins.differences() == []
    assert check_tables(twins.storage) == []


def test_of_two_builds_by_spark_at_once_one_is_whole_and_the_other_waits_or_says_so(twins: Twins) -> None:
    twins.sail("build")
    twins.change()
    with twins.spark("one") as one, twins.spark("other") as other:
        ended = {"one": one.wait(900), "other": other.wait(900)}
    said = {name: (twins.folder / name).read_text()[-2000:] for name in ended}
    assert 0 in ended.values(), said
    assert all(code == 0 or "is locked by another build" in said[name] for name, code in ended.items()), said
    assert check_tables(twins.storage) == []
    assert _rows(twins.storage) == {name: pin.rows for name, pin in _pinned(twins.storage).tables.items()}
    twins.sail("build", "--full")
    twins.build_undisturbed()
    assert twins.differences() == []


def test_sail_and_spark_in_turns_make_the_rows_of_one_alone(twins: Twins) -> None:
    twins.sail("build")
    twins.change()
    twins.builds_on_spark()
    twins.sail("maintain")
    twins.change()
    twins.sail("build")
    twins.change()
    twins.builds_on_spark()
    twins.build_undisturbed()
    assert twins.differences() == []
    assert check_tables(twins.storage) == []
    assert twins.secrets_in_events() == []
