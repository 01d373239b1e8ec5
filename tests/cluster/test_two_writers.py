"""Sail, Apache Spark, delta-rs and reelhouse itself commit to one table at a time, and no commit is lost."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from jvm.build_jar import HERE, JAR, sources, sources_sha256
from reelhouse.delta.delta_rs import read_delta, write_delta
from reelhouse.delta.engine import Engine, open_engine
from reelhouse.delta.log import latest_version, log_key
from reelhouse.engines.session import session_factory
from reelhouse.errors import KeyTakenError
from reelhouse.storage.credentials import Accessible
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.cluster.sparks import Spark, spark
from tests.cluster.standalone import needs_spark
from tests.s3proxy import CONFLICT, Answer, Fault, Proxy, Request, done_and_says, lost, proxied

# The first to need Apache Spark waits for its start, which a busy machine makes long.
pytestmark = [pytest.mark.timeout(900)]

# By each of four writers.
COMMITS = 12

_FOLDER_STORE = "reelhouse.delta.FolderLogStore"
_S3_STORE = "reelhouse.delta.S3LogStore"


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with proxied(s3servers.started("moto")) as found:
        yield found


@pytest.fixture(scope="module")
def bucket(proxy: Proxy) -> str:
    return s3servers.fresh_bucket(proxy.server)


@pytest.fixture(scope="module")
def beside(proxy: Proxy, bucket: str) -> Iterator[Spark]:
    """One Apache Spark for all tests here: it takes its time to start."""
    environ = {**proxy.server.environ, "AWS_ENDPOINT_URL": proxy.endpoint}
    with spark(f"s3://{bucket}/lake", **environ) as found:
        yield found


@pytest.fixture
def here(proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Sail on an empty lake, straight to the server and not by way of the proxy."""
    s3servers.aim(monkeypatch, proxy.server)
    proxy.forget()
    storage = S3Storage(f"s3://{bucket}/{secrets.token_hex(6)}", S3Options())
    return open_engine(storage, session_factory("sail", storage.access())())


def _write(engine: Engine, first: int, last: int, mode: str = "append") -> int:
    return engine.write(engine.spark.range(first, last), "t", mode=mode, user={}).version


@needs_spark
@pytest.mark.long
@pytest.mark.parametrize(("mode", "rows"), [("append", 18), ("overwrite", 5)])
def test_sparks_commit_that_meets_anothers_in_s3_comes_after_it(
    here: Engine, beside: Spark, proxy: Proxy, mode: str, rows: int
) -> None:
    _write(here, 0, 10, "overwrite")

    def other_first(_: Request, on: Callable[[], Answer]) -> Answer:
        assert _write(here, 100, 103) == 1
        return on()

    proxy.when(other_first, kind="PUT", key=r"_delta_log/0*1\.json$")
    made = beside.does("write", lake=here.storage.url, table="t", mode=mode, first=20, last=25)
    assert latest_version(here.storage, "t") == made["version"] > 1
    assert here.table("t", 1).count() == 13
    assert here.table("t", made["version"]).count() == rows


@needs_spark
@pytest.mark.long
@pytest.mark.parametrize("fault", [lost, done_and_says(500, "InternalError"), CONFLICT], ids=["lost", "500", "409"])
def test_sparks_commit_whose_answer_did_not_come_is_there_once(
    here: Engine, beside: Spark, proxy: Proxy, fault: Fault
) -> None:
    _write(here, 0, 10, "overwrite")
    proxy.when(fault, kind="PUT", key=r"_delta_log/\d+\.json$")
    made = beside.does("write", lake=here.storage.url, table="t", mode="append", first=20, last=25)
    assert made == {"version": 1}
    assert here.table("t", 1).count() == 15
    assert latest_version(here.storage, "t") == 1


@needs_spark
@pytest.mark.long
def test_of_two_commits_to_one_version_in_a_folder_one_wins(beside: Spark, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "lake")
    log, scratch = tmp_path / "lake" / "tables" / "t" / "_delta_log", tmp_path / "lake" / ".scratch"
    for folder in (log, scratch):
        folder.mkdir(parents=True)
    commits = 400
    beside.tell("commit_all", lake=storage.url, folder="tables/t/_delta_log", commits=commits, store=_FOLDER_STORE)
    ours = [version for version in range(commits) if _put(storage, version)]
    said = beside.answer()
    assert sorted(ours + said["won"]) == list(range(commits))
    assert set(said["failures"]) <= {"java.nio.file.FileAlreadyExistsException"}
    by_spark = [version for version in range(commits) if b"by Spark" in storage.get(log_key("tables/t", version))]
    assert by_spark == said["won"]
    # Nothing that was written beside stays behind.
    assert (len(list(log.iterdir())), list(scratch.iterdir())) == (commits, [])


def _put(storage: FolderStorage, version: int) -> bool:
    try:
        storage.put_new(log_key("tables/t", version), b"by us")
    except KeyTakenError:
        return False
    return True


@needs_spark
@pytest.mark.long
def test_a_file_system_without_conditional_puts_is_refused_and_nothing_is_committed(
    beside: Spark, tmp_path: Path
) -> None:
    # The local one does not know the option, as S3A did not before hadoop-aws 3.4.2.
    (tmp_path / "lake" / "t" / "_delta_log").mkdir(parents=True)
    said = beside.does("commit_all", lake=str(tmp_path / "lake"), folder="t/_delta_log", commits=2, store=_S3_STORE)
    assert said["won"] == []
    assert said["said"].startswith("hadoop-aws 3.4.2 or newer is needed")
    assert list((tmp_path / "lake" / "t" / "_delta_log").iterdir()) == []


@needs_spark
@pytest.mark.long
def test_one_process_asks_s3_as_one_caller(here: Engine, beside: Spark) -> None:
    lake = here.storage.url
    assert beside.does("open_as", lake=lake, profile="") == {"opened": True}
    failed = beside.does("open_as", lake=lake, profile="somebody-else")["failed"]
    assert "open the lake in a separate process" in failed


@needs_spark
@pytest.mark.long
def test_a_session_has_our_settings_of_delta_though_spark_did_not_know_them_yet(here: Engine, beside: Spark) -> None:
    name = "spark.databricks.delta.snapshotPartitions"
    assert beside.does("setting", lake=here.storage.url, name=name) == {"value": "2"}


@needs_spark
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("place", ["folder", "versitygw", "seaweedfs"])
def test_of_many_commits_by_everybody_at_once_none_is_lost(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = None if place == "folder" else s3servers.started(place)
    if server:
        s3servers.aim(monkeypatch, server)
    lake = f"s3://{s3servers.fresh_bucket(server)}/lake" if server else str(tmp_path / "lake")
    storage = open_storage(lake)
    access = storage.access() if isinstance(storage, Accessible) else None
    sail = open_engine(storage, session_factory("sail", access)())
    _write(sail, 0, 10, "overwrite")
    environ = server.environ if server else {}
    with spark(lake, **environ) as one, spark(lake, **environ) as other, ThreadPoolExecutor(2) as pool:
        one.tell("append_each", table="t", first=1000, last=1000 + COMMITS)
        other.tell("append_each", table="t", first=2000, last=2000 + COMMITS)
        by_sail = pool.submit(lambda: [_write(sail, each, each + 1) for each in range(3000, 3000 + COMMITS)])
        by_delta_rs = pool.submit(lambda: [_by_delta_rs(storage, each) for each in range(4000, 4000 + COMMITS)])
        told = [one.answer(), other.answer()]
        versions = [version for each in told for version in each["versions"]]
        versions += by_sail.result() + by_delta_rs.result()
    assert len(versions) == len(set(versions)) == 4 * COMMITS
    newest = max(versions)
    assert latest_version(storage, "t") == newest
    ids = [each for batch in read_delta(storage, "t", newest) for each in batch.column("id").to_pylist()]
    expected = set(range(10)).union(*(range(first, first + COMMITS) for first in range(1000, 5000, 1000)))
    assert sorted(ids) == sorted(expected)


def _by_delta_rs(storage: Storage, each: int) -> int:
    batch = pa.record_batch({"id": pa.array([each], pa.int64())})
    rows = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    return write_delta(storage, "t", rows, mode="append", user={})


def test_what_a_killed_commit_left_beside_the_log_is_no_commit(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "lake")
    sail = open_engine(storage, session_factory("sail")())
    _write(sail, 0, 10, "overwrite")
    log = tmp_path / "lake" / "t" / "_delta_log"
    # As jvm/reelhouse/delta/FolderLogStore.java names what it writes before it links.
    left = log / ".00000000000000000001.json.7a0d8d0e-0f0e-4a59-8f0e-6f3f3e0d7c11.tmp"
    left.write_text('{"add":')
    assert _write(sail, 20, 25) == 1
    assert sail.table("t", 1).count() == 15
    assert _by_delta_rs(storage, 30) == 2
    assert sum(batch.num_rows for batch in read_delta(storage, "t", 2)) == 16


def test_the_jar_was_made_from_these_sources() -> None:
    with zipfile.ZipFile(JAR) as packed:
        manifest = packed.read("META-INF/MANIFEST.MF").decode()
        classes = {name for name in packed.namelist() if name.endswith(".class")}
    assert f"Sources-SHA-256: {sources_sha256()[:48]}\n" in manifest, "run `make jar`"
    assert {f"{path.relative_to(HERE).with_suffix('.class')}" for path in sources()} <= classes
