"""Sail, Apache Spark and Arrow commit to one table at a time, and no commit is lost."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from reelhouse.delta.delta_rs import open_delta, put_checkpoint, read_delta, write_delta
from reelhouse.delta.engine import Engine, open_engine
from reelhouse.delta.log import Mode, latest_version
from reelhouse.engines.session import session_factory
from reelhouse.errors import KeyTakenError
from reelhouse.storage.credentials import Accessible
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.cluster.sparks import Spark, spark
from tests.cluster.standalone import needs_spark
from tests.commits import commit
from tests.s3proxy import CONFLICT, Answer, Fault, Proxy, Request, done_and_says, lost, proxied

# The first to need Apache Spark waits for its start, which a busy machine makes long.
pytestmark = [pytest.mark.timeout(900)]

# By each of four writers.
COMMITS = 12


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
    return commit(engine, engine.spark.range(first, last), "t", cast(Mode, mode)).version


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
def test_deltas_own_reader_and_delta_rs_read_what_the_engines_wrote(here: Engine, beside: Spark) -> None:
    _write(here, 0, 10, "overwrite")
    assert beside.does("write", lake=here.storage.url, table="t", mode="append", first=100, last=103) == {"version": 1}
    put_checkpoint(here.storage, "t")
    assert beside.does("delta_rows", lake=here.storage.url, table="t") == {
        "ids": [*range(10), 100, 101, 102],
        "few": [100, 101, 102],
    }
    rows = read_delta(here.storage, "t", 1).read_all()
    assert sorted(rows.column("id").to_pylist()) == [*range(10), 100, 101, 102]
    assert beside.does("write", lake=here.storage.url, table="t", mode="overwrite", first=7, last=7) == {"version": 2}
    assert beside.does("delta_rows", lake=here.storage.url, table="t") == {"ids": [], "few": []}
    assert open_delta(here.storage, "t").schema().fields[0].name == "id"


@needs_spark
@pytest.mark.long
def test_one_process_asks_s3_as_one_caller(here: Engine, beside: Spark) -> None:
    lake = here.storage.url
    assert beside.does("open_as", lake=lake, profile="") == {"opened": True}
    failed = beside.does("open_as", lake=lake, profile="somebody-else")["failed"]
    assert "open the lake in a separate process" in failed


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
        answers = [one.answer(), other.answer()]
        versions = [version for each in answers for version in each["versions"]]
        versions += by_sail.result() + by_delta_rs.result()
    assert len(versions) == len(set(versions)) == 4 * COMMITS
    newest = max(versions)
    assert latest_version(storage, "t") == newest
    ids = [each for batch in read_delta(storage, "t", newest) for each in batch.column("id").to_pylist()]
    expected = set(range(10)).union(*(range(first, first + COMMITS) for first in range(1000, 5000, 1000)))
    assert sorted(ids) == sorted(expected)


def _by_delta_rs(storage: Storage, each: int) -> int:
    rows = pa.table({"id": pa.array([each], pa.int64())})
    while True:
        try:
            return write_delta(storage, "t", rows.to_reader(), mode="append", user={})
        except KeyTakenError:
            continue
