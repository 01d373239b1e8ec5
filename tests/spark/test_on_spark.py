"""The data source on Apache Spark: classic, through Spark Connect, lost workers, and the change feed as a stream."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException

import reelhouse
from reelhouse.emulator import Emulator
from reelhouse.engines.session import session_factory
from tests.end_to_end.conftest import REPOSITORY
from tests.runs.lakes import TOKEN
from tests.spark import dying
from tests.spark.reading import asking, counted, read
from tests.spark.test_docs import examples
from tests.warehouse.landing import LakeInTheMaking, a_movie

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"
SPARK_40 = REPOSITORY / ".venv-spark40" / "bin" / "python"
IDS = 40
RATE = 30
# Connections of all tasks together: so many requests at most can arrive later than they should.
AT_ONCE = 4

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not SPARK.exists() or shutil.which("java") is None,
        reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark",
    ),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Served:
    """Apache Spark as a classic session saw it, and a session through Connect."""

    report: dict[str, Any]
    spark: Any
    ids: list[int]


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with Emulator(movies=200, seed=8, now=noon, fault_share=0.3, process=True) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def ids(tmdb: Emulator) -> list[int]:
    return sorted(tmdb.edit(count=IDS))


@contextmanager
def serving(python: Path, tmdb: Emulator, ids: list[int], folder: Path) -> Iterator[Served]:
    """Apache Spark in the environment of *python*."""
    # What a session of Sail in this process has left there, Apache Spark would follow.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "REELHOUSE_", "TMDB_"))}
    env = {
        **kept,
        **asking(tmdb, REELHOUSE_CONNECTIONS=str(AT_ONCE)),
        "PYSPARK_PYTHON": str(python),
        "PYTHONPATH": str(REPOSITORY),
        dying.MARK: str(folder / "mark"),
        dying.ASK: str(ids[0]),
    }
    listed = ",".join(map(str, ids))
    (example,) = examples("python classic")
    command = [str(python), "-m", "tests.spark.serving_spark", listed, example.replace("603,550", listed)]
    with (folder / "complaints").open("w") as complaints:
        server = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
        )
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, (folder / "complaints").read_text()[-3000:]
            report = json.loads(line)
            spark = session_factory(f"sc://127.0.0.1:{report['port']}")()
            spark.dataSource.register(reelhouse.TmdbSource)
            yield Served(report, spark, ids)
            spark.stop()
            server.communicate(timeout=120)
        finally:
            server.kill()
    assert TOKEN not in (folder / "complaints").read_text()


@pytest.fixture(scope="module")
def served(tmdb: Emulator, ids: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(SPARK, tmdb, ids, tmp_path_factory.mktemp("spark")) as found:
        yield found


def test_a_classic_session_reads_partitions_that_an_rdd_shows(served: Served) -> None:
    assert served.report["ids"] == served.ids
    assert served.report["partitions"] == 4
    assert "DataSourceRDD" in served.report["lineage"]
    assert "DataSourceRDD" in served.report["printed"]
    assert "('en', " in served.report["printed"]
    assert served.report["comment"] == "Production budget; NULL where TMDB has 0. Unit: US dollars. TMDB: budget"


@pytest.mark.parametrize("table", ["movie_cast", "record"])
def test_connect_reads_what_sail_reads(
    served: Served, tmdb: Emulator, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in asking(tmdb).items():
        monkeypatch.setenv(name, value)
    sail = session_factory("sail")()
    sail.dataSource.register(reelhouse.TmdbSource)
    options = {"ids": ",".join(map(str, served.ids)), "table": table, "partition_ids": 15}
    here, there = read(sail, **options), read(served.spark, **options)
    assert counted(here) == counted(there)
    assert here.num_rows >= IDS
    assert here.schema == there.schema


def test_a_classic_session_streams_what_changed_today(served: Served) -> None:
    assert served.report["streaming_failed"] == ""
    assert served.report["streamed"] == served.ids


def test_a_lost_worker_costs_its_own_ids_once_more_and_no_others(served: Served, tmdb: Emulator) -> None:
    served.spark.dataSource.register(dying.DyingSource)
    tmdb.reset_stats()
    reader = served.spark.read.format("dying").options(ids=",".join(map(str, served.ids)), partition_ids="10")
    found = reader.load().toArrow().column("movie_id").to_pylist()
    asked = tmdb.stats().asked
    assert sorted(found) == served.ids
    assert sorted(number for number, times in asked.items() if times == 2) == served.ids[:10]
    assert sorted(number for number, times in asked.items() if times == 1) == served.ids[10:]


def test_tasks_together_keep_to_the_rate_also_when_some_are_tried_again(served: Served, tmdb: Emulator) -> None:
    keys = [number for number in range(2, 400) if number not in served.ids][:90]
    tmdb.reset_stats()
    # Some answers cannot be believed for so long that their task fails first.
    tmdb.set_faults("wrong-ids")
    found = read(
        served.spark, ids=",".join(map(str, keys)), rate=RATE, concurrency=2, partition_ids=30, append="credits"
    )
    tmdb.set_faults(None)
    stats = tmdb.stats()
    assert len(set(found.column("movie_id").to_pylist())) == found.num_rows > 50
    assert max(stats.asked.values()) > 6
    # Each on its own at the whole rate, two of them would come to twice as many.
    assert stats.busiest_second <= RATE + AT_ONCE


def test_a_token_as_an_option_is_in_no_error_and_no_plan(served: Served) -> None:
    with pytest.raises(PySparkException, match="looks like a secret") as refused:
        read(served.spark, ids="603", token=TOKEN)
    assert TOKEN not in str(refused.value)


def test_errors_begin_with_the_message(served: Served, tmp_path: Path) -> None:
    with pytest.raises(PySparkException, match=r"instance: reelhouse\.errors\.ConfigError: option table: 'movis'"):
        read(served.spark, ids="603", table="movis")
    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(a_movie(1))
    lake.build()
    rows = served.spark.read.format("tmdb").option("table", "movie").load(str(lake.root))
    for file in (lake.root / "tables" / "movie").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(PySparkException, match=r"reelhouse\.errors\.LakeError: ") as failed:
        rows.count()
    assert "Traceback" not in str(failed.value)


def _stream(served: Served, folder: Path, **options: str) -> list[dict[str, Any]]:
    """Start a stream, or go on with the one of *folder*, until it has nothing left; the rows that it has brought."""
    before = set((folder / "rows").glob("*.parquet"))
    stream = served.spark.readStream.format("tmdb").options(table="movie", **options).load()
    query = (
        stream.writeStream.format("parquet")
        .option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(300)
    assert query.exception() is None
    files = sorted(path for path in (folder / "rows").glob("*.parquet") if path not in before)
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def _offsets(folder: Path) -> list[Any]:
    files = sorted((folder / "checkpoint" / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))
    return [json.loads(path.read_text().splitlines()[-1]) for path in files]


def test_a_stream_brings_each_days_changes_once_and_resumes(served: Served, tmdb: Emulator, tmp_path: Path) -> None:
    # It is noon of the second of March, when `ids` were edited.
    assert _stream(served, tmp_path, since="2026-03-02") == []
    assert tmdb.next_day() == date(2026, 3, 3)
    (gone,) = tmdb.delete([served.ids[0]])
    edited = tmdb.edit(served.ids[-2:])
    assert sorted(row["movie_id"] for row in _stream(served, tmp_path, since="2026-03-02")) == served.ids[1:]
    assert _stream(served, tmp_path, since="2026-03-02") == []
    tmdb.next_day()
    again = _stream(served, tmp_path, since="2026-03-02")
    assert sorted(row["movie_id"] for row in again) == sorted(edited)
    assert gone not in edited
    assert all(row["tagline"] == "Edition 3." for row in again)
    assert [offset["day"] for offset in _offsets(tmp_path)][-2:] == ["2026-03-02", "2026-03-03"]
    # A stream that was left for longer than the feed reaches back does not skip what it missed.
    tmdb.next_day(16)
    with pytest.raises(PySparkException, match="reaches back 14 days"):
        _stream(served, tmp_path, since="2026-03-02")


def test_the_example_of_a_stream_has_rows_at_once(served: Served, tmdb: Emulator, tmp_path: Path) -> None:
    edited = tmdb.edit(served.ids[-2:])
    first = tmdb.next_day() - timedelta(days=1)
    (example,) = (one for one in examples() if "readStream" in one)
    for name in ("changed", "checkpoint"):
        example = example.replace(f'"{name}")', f'"{tmp_path}/{name}")')
    # The emulator has a clock of its own.
    example, replaced = re.subn(r"^since = .*$", f'since = "{first}"', example, flags=re.MULTILINE)
    assert replaced == 1
    known: dict[str, Any] = {"spark": served.spark}
    exec(example, known)
    assert known["query"].exception() is None
    # Others may have been edited that day.
    assert set(edited) <= set(pq.read_table(tmp_path / "changed")["movie_id"].to_pylist())


@pytest.mark.slow
@pytest.mark.skipif(not SPARK_40.exists(), reason=".venv-spark40 is not set up: `make test-slow` does")
def test_spark_4_0_reads_the_same(tmp_path: Path) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with Emulator(movies=200, seed=8, now=noon, process=True) as tmdb:
        ids = sorted(tmdb.edit(count=IDS))
        with serving(SPARK_40, tmdb, ids, tmp_path) as served:
            assert served.report["version"].startswith("4.0")
            assert served.report["ids"] == ids
            assert read(served.spark, ids=",".join(map(str, ids)), table="movie_cast").num_rows > IDS
            assert _stream(served, tmp_path, since="2026-03-02") == []
            tmdb.next_day()
            assert sorted(row["movie_id"] for row in _stream(served, tmp_path, since="2026-03-02")) == ids
            assert _stream(served, tmp_path, since="2026-03-02") == []


def test_a_lake_is_read_on_spark_without_its_engine(served: Served, tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(*(a_movie(number, budget=number, release_date="1999-10-15") for number in range(1, 30)))
    lake.build()
    for table in ("movie", "dim_movie"):
        found = read(served.spark, lake=lake.root, table=table)
        assert counted(found) == counted(pa.Table.from_pylist(lake.rows(table), schema=found.schema))
        assert found.num_rows >= 29
