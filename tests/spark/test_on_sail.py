"""The data source on Sail, in this very process: the rows of collecting and building the same ids, under faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException

import reelhouse
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress
from reelhouse.emulator import Emulator
from reelhouse.engines.session import session_factory
from reelhouse.errors import ConfigError
from reelhouse.marts import REGISTRY
from reelhouse.settings import Settings
from reelhouse.spark.api_partitions import ask_partition, partitions_of
from reelhouse.spark.options import Options, from_api
from reelhouse.spark.rows import batches_of
from reelhouse.storage.folder import FolderStorage
from reelhouse.tables.schemas import schema_of
from reelhouse.tables.staging import staging_schema
from reelhouse.warehouse.run import build
from tests.end_to_end.equal_tables import table_paths
from tests.runs.lakes import TOKEN, collect, collected, of
from tests.runs.tiny import tiny_tmdb
from tests.serving import verdict
from tests.spark.reading import asking, counted, read
from tests.warehouse.few import FEW

SAIL = session_factory("sail")
MOVIES = 150


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=MOVIES, seed=5, fault_share=0.15, retry_after=0.05, process=True) as emulator:
        yield emulator


@pytest.fixture
def settings(tmdb: Emulator) -> Settings:
    return of(tmdb, attempts=3)


@pytest.fixture(scope="module")
def keys(tmdb: Emulator) -> list[str]:
    """All ids that there are, some that there are not, and two titles by their IMDb ids as well."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in asking(tmdb).items():
            patch.setenv(name, value)
        found = read(_registered(), top=MOVIES).to_pylist()
    named = [row["imdb_id"] for row in found if row["imdb_id"]]
    return [*(str(row["movie_id"]) for row in found), "900000001", "900000002", *named[:2]]


def _registered() -> Any:
    spark = SAIL()
    spark.dataSource.register(reelhouse.TmdbSource)
    return spark


@pytest.fixture
def spark(tmdb: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in asking(tmdb).items():
        monkeypatch.setenv(name, value)
    return _registered()


@pytest.fixture(scope="module")
def lake(tmdb: Emulator, keys: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What collecting and building make of the same ids under the same faults."""
    folder = tmp_path_factory.mktemp("collected") / "lake"
    storage = FolderStorage(folder)
    tmdb.set_faults("all")
    assert collect(storage, of(tmdb, attempts=3), keys=tuple(keys)).complete
    tmdb.set_faults(None)
    build(storage, SAIL, registry=FEW)
    return folder


@pytest.mark.long
def test_every_table_has_the_rows_of_collecting_and_building_the_same_ids_under_faults(
    tmdb: Emulator, settings: Settings, keys: list[str], lake: Path
) -> None:
    build(FolderStorage(lake), SAIL)
    tmdb.set_faults("all")
    partitions = partitions_of(keys, Options(partition_ids=40), settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMDB_TOKEN", settings.token)
        movie = REGISTRY.entities["movie"]
        asked = [(one, list(ask_partition(one, movie, keep_quarantined=True))) for one in partitions]
    tmdb.set_faults(None)
    compared = 0
    for name, table in from_api(REGISTRY, "movie").items():
        if name == "answers":
            continue
        batches = [
            batch
            for one, settled in asked
            for batch in batches_of(settled, REGISTRY.entities["movie"], table, schema_of(table.columns), one.elsewhere)
        ]
        ours = counted(pa.Table.from_batches(batches)) if batches else {}
        theirs = rows_of_lake(lake, name)
        assert ours == theirs, name
        compared += len(ours)
    assert compared > 3000
    assert rows_of_lake(lake, "quarantine")
    assert rows_of_lake(lake, "tombstone")


def rows_of_lake(lake: Path, name: str) -> Any:
    from deltalake import DeltaTable

    return counted(DeltaTable(str(table_paths(lake)[name])).to_pyarrow_table())


@pytest.mark.parametrize("table", ["movie", "movie_cast", "record", "rejected_value"])
def test_a_read_gives_the_rows_and_the_columns_of_the_lakes_table(
    spark: Any, tmdb: Emulator, keys: list[str], lake: Path, table: str
) -> None:
    tmdb.set_faults("all")
    found = read(spark, ids=",".join(keys), table=table, partition_ids=40, quarantined="skip")
    tmdb.set_faults(None)
    assert counted(found) == rows_of_lake(lake, table)
    declared = read(spark, lake=lake, table=table)
    assert found.schema == declared.schema
    assert counted(declared) == rows_of_lake(lake, table)


@pytest.mark.parametrize(("entity", "column"), [("tv", "tv_id"), ("person", "person_id")])
def test_a_read_of_another_entity_requests_its_records_alone(
    spark: Any, tmdb: Emulator, settings: Settings, tmp_path: Path, entity: str, column: str
) -> None:
    top = sorted(read(spark, entity=entity, top=5).column(column).to_pylist())
    assert len(top) == 5
    tmdb.reset_stats()
    ids = ",".join(map(str, top))
    tables = {name: read(spark, entity=entity, ids=ids, table=name) for name in (entity, f"{entity}_external_id")}
    asked = tmdb.stats().asked_by_kind
    assert (sorted(asked[entity]), asked.get("movie", {})) == (top, {})
    storage = FolderStorage(tmp_path / "lake")
    one = settings.overridden(entities=[entity])
    assert collected(storage, one, CollectOptions(keys=tuple(ids.split(",")), names=(entity,)), Progress())
    build(storage, SAIL)
    for name, found in tables.items():
        assert counted(found) == rows_of_lake(tmp_path / "lake", name), name


def test_ids_of_other_services_are_found_and_pages_of_a_list_are_read(spark: Any) -> None:
    known = read(spark, entity="tv", top=5, table="tv_external_id").to_pylist()
    begins = {"imdb_id": "", "tvdb_id": "tvdb:"}
    named = {f"{begins[row['source']]}{row['external_id']}": row["tv_id"] for row in known if row["source"] in begins}
    found = read(spark, entity="tv", ids=",".join(named), table="tv").to_pylist()
    assert {row["source"] for row in known} >= begins.keys()
    assert sorted(row["tv_id"] for row in found) == sorted(set(named.values())) != []
    pages = read(spark, entity="movie_popular", ids="1,2").to_pylist()
    assert {(row["list"], row["media_type"]) for row in pages} == {("popular", "movie")}
    assert max(row["rank"] for row in pages) > 20


@pytest.mark.parametrize("entity", ["movie", "tv"])
def test_a_table_that_entities_share_is_made_as_the_one_that_answered_has_it(spark: Any, entity: str) -> None:
    schema = staging_schema(REGISTRY.entities[entity])
    known = {"id": 5, "rejected": [{"path": "status", "raw": "{}", "reason": "type"}]}
    answers = spark.createDataFrame([tuple(known.get(name) for name in schema.names)], schema)
    (row,) = reelhouse.table_of(answers, "rejected_value").toArrow().to_pylist()
    assert (row["entity"], row["id"], row["path"]) == (entity, 5, "status")
    other = {"movie": "tv", "tv": "movie"}[entity]
    with pytest.raises(ConfigError, match=f"is made from answers of {other}, and these have other columns"):
        reelhouse.table_of(answers, other)


def test_a_discover_slice_is_what_the_filters_select(spark: Any, tmdb: Emulator) -> None:
    found = read(spark, discover__with_original_language="en", table="movie")
    languages = found.column("original_language").to_pylist()
    assert set(languages) == {"en"}
    everything = read(spark, top=MOVIES).column("original_language").to_pylist()
    assert len(languages) == everything.count("en") > 5


def test_a_schema_may_leave_columns_out_and_change_none(spark: Any, keys: list[str], lake: Path) -> None:
    for options in ({"ids": ",".join(keys[:10])}, {"lake": str(lake)}):
        slim = spark.read.format("tmdb").schema("title string, movie_id bigint").options(**options)
        found = slim.load().toArrow()
        assert found.column_names == ["title", "movie_id"]
        assert found.num_rows >= 10
    for wrong in ("movie_id string", "id bigint"):
        with pytest.raises(PySparkException, match="schema: column"):
            spark.read.format("tmdb").schema(wrong).option("ids", "603").load().toArrow()


def test_a_lakes_marts_are_there_too_and_a_lake_without_tables_is_an_error(
    spark: Any, lake: Path, tmp_path: Path
) -> None:
    assert counted(read(spark, lake=lake, table="dim_movie")) == rows_of_lake(lake, "dim_movie")
    with pytest.raises(PySparkException, match="did you mean 'dim_movie'"):
        read(spark, lake=lake, table="dim_movies")
    with pytest.raises(PySparkException, match="nothing is built in this lake yet"):
        read(spark, lake=tmp_path / "empty")


def test_executors_without_a_token_say_so(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMDB_TOKEN")
    with pytest.raises(PySparkException, match="token is missing"):
        read(spark, ids="603")


def test_a_refused_token_is_not_shown(spark: Any, tmdb: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with tiny_tmdb() as tiny:
        tiny.instead = lambda request: verdict(401, 7, f"{TOKEN} is not valid.")
        monkeypatch.setenv("REELHOUSE_TMDB_URL", f"{tiny.url}/3")
        # Executors ask, and where filters select so does the driver.
        for options in ({"ids": "1"}, {"discover__year": "1999"}):
            with pytest.raises(PySparkException, match=r"TMDB refuses the token .* \*\*\* is not valid") as refused:
                read(spark, **options)
            assert TOKEN not in str(refused.value)


def test_an_id_without_a_trusted_answer_fails_the_read_unless_skipped(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 7 is gone, 9 is broken.
    with tiny_tmdb() as tiny:
        monkeypatch.setenv("REELHOUSE_TMDB_URL", f"{tiny.url}/3")
        monkeypatch.setenv("REELHOUSE_APPEND", "credits")
        with pytest.raises(PySparkException, match=r"1 of 4 ids have no answer that can be trusted: 9 \(not_json\)"):
            read(spark, ids="1,7,8,9")
        assert sorted(read(spark, ids="1,7,8,9", quarantined="skip").column("movie_id").to_pylist()) == [1, 8]
        states = read(spark, ids="1,7,8,9", table="record").to_pylist()
        assert {row["id"]: row["state"] for row in states} == {1: "landed", 7: "gone", 8: "landed", 9: "quarantined"}
        (aside,) = read(spark, ids="1,7,8,9", table="quarantine").to_pylist()
        assert (aside["id"], aside["requested_key"], aside["reason"]) == (9, "9", "not_json")
        (dead,) = read(spark, ids="1,7,8,9", table="tombstone").to_pylist()
        assert dead["id"] == 7


def test_an_outage_fails_the_read(spark: Any, tmdb: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELHOUSE_OUTAGE_MINUTES", "0.005")
    tmdb.set_faults("outage")
    try:
        with pytest.raises(PySparkException, match="2 of 2 ids have no answer: TMDB has answered nobody for"):
            read(spark, ids="2,3")
    finally:
        tmdb.set_faults(None)


@pytest.mark.long
def test_concurrent_partitions_keep_the_rate(
    spark: Any, tmdb: Emulator, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One for each of four partitions: so many requests at most can arrive later than they should.
    monkeypatch.setenv("REELHOUSE_CONNECTIONS", "4")
    tmdb.reset_stats()
    assert read(spark, ids=",".join(keys[:80]), rate=20, partition_ids=20, append="credits").num_rows == 80
    # Each on its own at the whole rate, they would come to four times as many.
    assert tmdb.stats().busiest_second <= 24


def test_each_id_is_asked_once_and_nothing_else_is(spark: Any, tmdb: Emulator, keys: list[str]) -> None:
    tmdb.reset_stats()
    read(spark, ids=",".join(keys[:60]), partition_ids=20)
    stats = tmdb.stats()
    assert set(stats.asked.values()) == {1}
    assert (stats.requests, stats.distinct_ids) == (60, 60)


def test_a_stream_that_sail_would_read_once_is_refused(spark: Any) -> None:
    stream = spark.readStream.format("tmdb").options(table="movie", since="today")
    with pytest.raises(PySparkException, match="Sail runs it as a `read`"):
        stream.load().writeStream.format("console").start().awaitTermination(60)


def test_whole_answers_make_every_table_of_a_slice(spark: Any, tmdb: Emulator, keys: list[str]) -> None:
    options = {"ids": ",".join(keys), "partition_ids": 40}
    answers = spark.read.format("tmdb").options(table="answers", **options).load()
    for name in ("movie", "movie_crew", "watch_provider_offer", "movie_external_id"):
        made = reelhouse.table_of(answers, name).toArrow()
        assert counted(made) == counted(read(spark, table=name, **options))
        assert made.num_rows >= MOVIES
    with pytest.raises(ConfigError, match="did you mean 'movie_cast'"):
        reelhouse.table_of(answers, "movie_kast")


def test_answers_that_are_read_once_make_all_tables(
    spark: Any, tmdb: Emulator, keys: list[str], tmp_path: Path
) -> None:
    tmdb.reset_stats()
    reader = spark.read.format("tmdb").options(ids=",".join(keys), table="answers")
    reader.load().write.format("delta").save(str(tmp_path / "answers"))
    answers = spark.read.format("delta").load(str(tmp_path / "answers"))
    assert sum(reelhouse.table_of(answers, name).count() for name in REGISTRY.only({"movie"}).of_answers) > 3000
    assert set(tmdb.stats().asked.values()) == {1}
