"""What a build reads, what it leaves alone, and that little by little comes out as all at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.delta.engine import TASKS_AT_ONCE, open_engine, same_rows
from reelhouse.delta.log import DataFile, Mode, log_key, put_commit, rows_held
from reelhouse.engines.session import session_factory
from reelhouse.entities.schema import Table
from reelhouse.errors import LakeError, ReelhouseError
from reelhouse.marts import REGISTRY, movies
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.receipt import ChunkRef, Receipt
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from reelhouse.tables import registry as registry_module
from reelhouse.tables.popularity import POPULARITY, popularity
from reelhouse.tables.registry import Registry
from reelhouse.tables.select import rows_of
from reelhouse.warehouse import fingerprints, materialize, pending, popularity_daily
from reelhouse.warehouse.pending import ReceiptPart
from reelhouse.warehouse.run import build
from reelhouse.warehouse.staging import BATCH_BYTES, batches
from reelhouse.warehouse.verify import check_tables
from tests.lakes import Noting
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, Answer, LakeInTheMaking, a_movie, filtered, gone, quarantined

_RICH = {
    "genres": [{"id": 18, "name": "Drama"}],
    "credits": {"cast": [{"id": 7, "name": "A", "credit_id": "c", "order": 0}], "crew": []},
    "release_date": "2020-01-02",
    "budget": 5,
}


def _no_engine() -> object:
    raise AssertionError("the engine was started for nothing")


def _made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tables and marts whose rows builds make from now on, whether or not they then write them."""
    made: list[str] = []
    rows = materialize.BuildPass.rows

    def noted(self: materialize.BuildPass, table: Table) -> DataFrame:
        made.append(table.name)
        return rows(self, table)

    monkeypatch.setattr(materialize.BuildPass, "rows", noted)
    return made


def _files(lake: LakeInTheMaking, folder: str) -> set[str]:
    return {key for key in lake.storage.keys(f"{folder}/") if key.endswith(".parquet")}


def test_a_table_whose_rows_did_not_change_keeps_its_version_and_what_reads_it_is_not_made(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(a_movie(1, **_RICH), a_movie(2, **_RICH), export=[1, 2])
    lake.build()
    before, files = lake.current.tables, _files(lake, "tables/movie_cast")
    # The rows of a removed movie are not part of its tables; other quarantined answers are not part of any but theirs.
    lake.land(quarantined(2), export=[1, 2], day="2026-11-02")
    made = _made(monkeypatch)
    assert set(lake.build().rebuilt) == {"quarantine", "popularity_daily"}
    assert {"movie", "movie_cast"} <= set(made) and not {"dim_movie", "dim_genre"} & set(made)
    after = lake.current.tables
    assert {name for name, pin in after.items() if pin.version != before[name].version} == {
        "quarantine",
        "popularity_daily",
    }
    # What was written to be compared is gone.
    assert _files(lake, "tables/movie_cast") == files
    assert check_tables(lake.storage) == []
    assert not lake.build().done


def test_rows_are_the_same_in_any_order_but_not_with_a_null_elsewhere_or_a_row_more() -> None:
    rows = SAIL().createDataFrame([(1, 7, None), (2, None, 7), (2, None, 7)], "id bigint, a bigint, b bigint")
    moved = SAIL().createDataFrame([(1, None, 7), (2, 7, None), (2, 7, None)], rows.schema)
    assert same_rows(rows, rows.orderBy(F.desc("id")))
    assert not same_rows(rows, moved)
    assert not same_rows(rows, rows.distinct())
    assert same_rows(rows.limit(0), moved.limit(0))


def test_a_pinned_table_that_cannot_be_read_any_more_is_replaced(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_RICH), export=[1])
    lake.build()
    (path,) = (lake.root / key for key in _files(lake, "tables/movie_cast"))
    path.write_bytes(b"x" * path.stat().st_size)
    lake.land(quarantined(2), export=[1], day="2026-11-02")
    assert "movie_cast" in lake.build().rebuilt
    assert len(lake.values("movie_cast", "movie_id")) == 1


def _three_runs(lake: LakeInTheMaking, after: object = None) -> None:
    """A little history with every state; calls *after* after each run."""
    built = after if callable(after) else lambda: None
    lake.land(*(a_movie(n, **_RICH) for n in range(1, 8)), export=range(1, 8), day="2026-11-01")
    built()
    odd = a_movie(1, release_date="2020-13-01")
    lake.land(odd, filtered(2), gone(3), quarantined(4), export=[1, 2], day="2026-11-02")
    built()
    renamed = {**_RICH, "genres": [{"id": 18, "name": "Tragedy"}]}
    lake.land(a_movie(2, **renamed), gone(5), Answer(9, {"title": "x"}, key="tt0000009"), parts=3)
    built()


@pytest.mark.long
def test_step_by_step_is_the_same_as_all_at_once_and_as_full(lake: LakeInTheMaking, tmp_path: Path) -> None:
    _three_runs(lake, lake.build)
    at_once = LakeInTheMaking(tmp_path / "other", registry=FEW)
    _three_runs(at_once)
    at_once.build()
    assert lake.everything() == at_once.everything()
    before = lake.everything()
    assert lake.build(full=True).done
    assert lake.everything() == before
    assert check_tables(lake.storage) == []


def test_a_build_of_nothing_new_does_nothing_and_starts_no_engine(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1])
    first = lake.build()
    found = build(lake.storage, _no_engine, registry=FEW)  # type: ignore[arg-type]
    assert (first.done, found.done, found.build, found.rows) == (True, False, 1, first.rows)


def test_an_open_run_is_built_part_by_part(lake: LakeInTheMaking) -> None:
    plan = lake.land(a_movie(1), close=False)
    lake.build()
    assert lake.current.inputs.stream("movie").receipts.through == 0
    lake.append(plan, [a_movie(2)])
    lake.append(plan, [a_movie(3)])
    lake.append(plan, [a_movie(1001)], unit=0)
    assert lake.build().rows["movie"] == 4
    lake.close(plan)
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3, 1001]


@pytest.mark.long
def test_a_run_that_only_closed_changes_no_table(lake: LakeInTheMaking) -> None:
    plan = lake.land(a_movie(1), close=False)
    lake.build()
    lake.close(plan)
    assert build(lake.storage, _no_engine, registry=FEW).done is False  # type: ignore[arg-type]


@pytest.mark.long
def test_parsing_twice_does_no_harm(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_RICH), a_movie(2, release_date="x"), quarantined(3))
    lake.build()
    before = lake.everything()
    log = sorted((lake.root / "_reelhouse/staging/movie/_delta_log").glob("*.json"))
    # Another builder, slower, appends what this one had: the very same files once more.
    for number, commit in enumerate(log, len(log)):
        again = commit.read_text().replace('"mode":"Overwrite"', '"mode":"Append"')
        (commit.parent / f"{number:020d}.json").write_text(again)
    lake.land(filtered(4))
    lake.build()
    after = lake.everything()
    assert {name: after[name] for name in ("movie", "movie_cast", "quarantine", "rejected_value")} == {
        name: before[name] for name in ("movie", "movie_cast", "quarantine", "rejected_value")
    }
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_a_new_version_rebuilds_its_table_and_what_reads_it_and_parses_nothing_again(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(a_movie(1, **_RICH))
    lake.build()
    staging = lake.current.inputs.stream("movie").staging
    dim_movie = next(mart for mart in FEW.marts if mart.name == "dim_movie")

    def renamed(*inputs: DataFrame, **settings: Any) -> DataFrame:
        return movies.dim_movie(*inputs, **settings).withColumn("title", F.lit("other"))

    newer_mart = replace(dim_movie, version=dim_movie.version + 1, make=renamed)
    newer = replace(FEW, marts=tuple(newer_mart if mart is dim_movie else mart for mart in FEW.marts))
    made = _made(monkeypatch)
    assert lake.build(registry=newer).rebuilt == ["dim_movie"]
    assert made == ["dim_movie", "dim_genre"]
    assert lake.current.inputs.stream("movie").staging == staging
    assert not lake.build(registry=newer).done


def test_another_declaration_rebuilds_its_table(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.land(a_movie(1, **_RICH))
    lake.build()
    staging = lake.current.inputs.stream("movie").staging
    changed = (
        replace(one, columns=tuple(replace(each, zero_is_null=True) for each in one.columns))
        if one.name == "movie_genre"
        else one
        for one in FEW.tables
    )
    made = _made(monkeypatch)
    found = lake.build(registry=replace(FEW, tables=tuple(changed)))
    # Its rows are the same, so nothing that reads it is made.
    assert (made, found.rebuilt) == (["movie_genre"], [])
    assert lake.current.inputs.stream("movie").staging == staging


@pytest.mark.long
def test_what_a_registry_has_is_what_is_built(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_RICH), export=[1])
    few = [table for table in REGISTRY.tables if table.name in ("movie", "movie_genre", "record", "popularity_daily")]
    small = replace(REGISTRY, tables=tuple(few), marts=())
    assert set(lake.build(registry=small).rows) == {"movie", "movie_genre", "record", "popularity_daily"}
    assert check_tables(lake.storage) == []
    assert not lake.build(registry=small).done
    assert lake.build(registry=REGISTRY).rows.keys() == REGISTRY.only({"movie"}).names


def test_changed_parsing_starts_staging_again(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.land(a_movie(1, **_RICH), a_movie(2))
    lake.build()
    before, code = lake.everything(), lake.current.inputs.stream("movie").parsing_fingerprint
    monkeypatch.setattr("reelhouse.tables.staging.VERSION", "other")
    assert lake.build().done
    assert lake.current.inputs.stream("movie").parsing_fingerprint != code
    assert lake.everything() == before
    assert build(lake.storage, _no_engine, registry=FEW).done is False  # type: ignore[arg-type]


@pytest.mark.long
def test_popularity_grows_by_day_and_the_later_export_of_a_day_wins(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1, 2], day="2026-11-01")
    lake.build()
    lake.land(a_movie(2), export=[2], day="2026-11-02")
    lake.build()
    assert [(str(day), id_) for day, id_ in lake.values("popularity_daily", "day", "id")] == [
        ("2026-11-01", 1),
        ("2026-11-01", 2),
        ("2026-11-02", 2),
    ]
    lake.land(a_movie(3), export=[2, 3], day="2026-11-02")
    lake.build()
    rows = lake.values("popularity_daily", "day", "id", "popularity", "kind")
    assert [(str(day), id_, popularity, kind) for day, id_, popularity, kind in sorted(rows)] == [
        ("2026-11-01", 1, 0.5, "movie"),
        ("2026-11-01", 2, 1.0, "movie"),
        ("2026-11-02", 2, 1.0, "movie"),
        ("2026-11-02", 3, 1.5, "movie"),
    ]
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_a_new_version_of_the_function_reads_all_exports_again(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(a_movie(1), export=[1, 2], day="2026-11-01")
    lake.build()

    def doubled(lines: DataFrame, **about: str) -> DataFrame:
        return popularity(lines, **about).withColumn("popularity", F.col("popularity") * 2)

    newer = replace(POPULARITY, version=POPULARITY.version + 1)
    monkeypatch.setattr(popularity_daily, "popularity", doubled)
    for module in (fingerprints, materialize, registry_module):
        monkeypatch.setattr(module, "POPULARITY", newer)
    tables = tuple(newer if one.name == newer.name else one for one in REGISTRY.tables)
    assert newer.name in lake.build(registry=Registry(REGISTRY.entities, tables, ())).rebuilt
    assert sorted(lake.values(newer.name, "id", "popularity")) == [(1, 1.0), (2, 2.0)]


@pytest.mark.long
def test_an_empty_lake_builds_empty_tables(lake: LakeInTheMaking) -> None:
    found = lake.build()
    assert found.rows["movie"] == 0
    assert lake.build().done is False


@pytest.mark.long
def test_a_folder_with_blanks_and_umlauts(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "mein süßer lake 100%", registry=FEW)
    lake.land(a_movie(1), export=[1])
    assert lake.build().rows["movie"] == 1
    assert lake.rows("movie")[0]["movie_id"] == 1


def test_a_lake_in_memory_cannot_be_built() -> None:
    with pytest.raises(ReelhouseError, match="memory:"):
        build(MemoryStorage(), SAIL, registry=FEW)


def _damage(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


@pytest.mark.long
def test_a_damaged_object_is_named_and_the_old_build_stays(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1], day="2026-11-01")
    lake.build()
    before = (lake.root / "_reelhouse/manifest.json").read_bytes()
    lake.land(a_movie(2), export=[1, 2], day="2026-11-02")
    new = [path for path in (lake.root / "raw").rglob("*.gz") if "000002-" in path.name or "11_02" in path.name]
    assert len(new) == 2
    # The chunk first: once it is parsed, raw is not asked for it again.
    for path in sorted(new, key=lambda path: "exports" in path.parts):
        saved = path.read_bytes()
        for harm in (_damage, Path.unlink):
            harm(path)
            with pytest.raises(LakeError, match=path.name):
                lake.build()
            assert (lake.root / "_reelhouse/manifest.json").read_bytes() == before
            assert lake.values("movie", "movie_id") == [1]
            path.write_bytes(saved)
    assert lake.build().rows["movie"] == 2


@pytest.mark.parametrize(("number", "then"), [(9, "upgrade"), (2, "collect again")])
def test_a_build_of_another_format_is_not_overwritten(lake: LakeInTheMaking, number: int, then: str) -> None:
    lake.land(a_movie(1))
    lake.storage.put("_reelhouse/manifest.json", json.dumps({"format": number, "everything": "else"}).encode())
    with pytest.raises(LakeError, match=then):
        lake.build()


@pytest.mark.long
def test_a_current_that_does_not_parse_is_made_again_from_what_is_there(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1])
    lake.build()
    before = lake.everything()
    lake.storage.put("_reelhouse/manifest.json", b'{"half')
    found = lake.build()
    assert (found.done, found.rebuilt) == (True, [])
    assert lake.everything() == before


@pytest.mark.long
def test_tables_that_somebody_removed_come_back(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_RICH), export=[1])
    lake.build()
    before = lake.everything()
    for gone_folder in ("tables/movie", "_reelhouse/staging/movie", "marts/dim_movie"):
        shutil.rmtree(lake.root / gone_folder)
    lake.build()
    assert lake.everything() == before


@pytest.mark.long
def test_a_lake_keeps_the_last_two_builds_and_no_more(lake: LakeInTheMaking) -> None:
    builds = []
    for number in range(1, 4):
        lake.land(a_movie(number, **_RICH), export=range(1, number + 1), day=f"2026-11-0{number}")
        lake.build()
        builds.append(lake.storage.get("_reelhouse/manifest.json"))
    assert check_tables(lake.storage) == []
    assert len(list((lake.root / "tables/movie").glob("*/*.parquet"))) == 2
    assert len(lake.rows("popularity_daily")) == 6
    # What the build before this one pinned is still there to be read, whole.
    lake.storage.put("_reelhouse/manifest.json", builds[-2])
    assert {name: len(rows) for name, rows in lake.everything().items()} == {
        name: pin.rows for name, pin in lake.current.tables.items()
    }
    assert len(lake.rows("movie")) == 2


def test_a_log_gets_a_checkpoint_now_and_then(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelhouse.delta.engine._CHECKPOINT_EVERY", 2)
    for number in range(1, 4):
        lake.land(a_movie(number, **_RICH), export=range(1, number + 1), day=f"2026-11-0{number}")
        lake.build()
    for folder in ("tables/movie", "tables/popularity_daily", "_reelhouse/staging/movie"):
        assert json.loads(lake.storage.get(f"{folder}/_delta_log/_last_checkpoint"))["version"] == 2
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3]
    assert check_tables(lake.storage) == []


def test_a_table_made_with_other_columns_than_declared_is_refused(lake: LakeInTheMaking) -> None:
    genre = REGISTRY.of_answers["movie_genre"]

    def with_one_more(answers: DataFrame) -> DataFrame:
        return rows_of(genre, answers).withColumn("extra", F.lit(1))

    tables = (*REGISTRY.tables[:1], replace(genre, make=with_one_more), *REGISTRY.tables[2:])
    lake.land(a_movie(1, **_RICH), export=[1])
    with pytest.raises(LakeError, match=r"movie_genre is made with columns .*'extra'"):
        lake.build(registry=replace(REGISTRY, tables=tables))


def test_rows_of_a_version_are_counted_from_what_is_known() -> None:
    """An export a day would else cost a read for every day there ever was."""
    noting = Noting()
    for version in range(5):
        file = DataFile(f"{version}", 1, {"numRecords": 10**version})
        mode: Mode = "overwrite" if version == 1 else "append"
        put_commit(noting, "t", [file], mode=mode, user={}, schema="{}", over=version - 1 if version else None)
    noting.read.clear()
    assert rows_held(noting, "t", 4) == 11110
    noting.read.clear()
    assert rows_held(noting, "t", 4, (3, 1110)) == 11110
    assert noting.read == [log_key("t", 4), log_key("t", 3)]
    # What was known before everything was overwritten counts no more.
    assert rows_held(noting, "t", 4, (0, 1)) == 11110


@pytest.mark.parametrize(("tasks", "chunks"), [(1, 64), (32, 64), (64, 128), (128, 256), (1000, 256)])
def test_an_append_takes_more_chunks_where_more_tasks_run_at_once(tasks: int, chunks: int) -> None:
    size = BATCH_BYTES // 64
    parts = [
        ReceiptPart(1, unit, 0, Receipt(1, unit, 0, "movie", [], ChunkRef(f"chunk {unit}", size, "", 0)))
        for unit in range(600)
    ]
    found = list(batches(iter(parts), tasks))
    assert [part for batch in found for part in batch] == parts
    assert {len(batch) for batch in found[:-1]} == {chunks}


def test_a_session_says_how_many_tasks_run_at_once(tmp_path: Path) -> None:
    session = session_factory("sail")()
    engine = open_engine(LakeInTheMaking(tmp_path / "lake").storage, session)
    assert engine.tasks_at_once == 1
    session.conf.set(TASKS_AT_ONCE, "128")
    assert engine.tasks_at_once == 128


def test_an_engine_of_many_tasks_hashes_the_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(storage: Storage, key: str, *named: str) -> bytes:
        read.append(key)
        return get_named(storage, key, *named)

    def many() -> Any:
        session = SAIL()
        session.conf.set(TASKS_AT_ONCE, "16")
        return session

    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(a_movie(1), a_movie(2), parts=2)
    monkeypatch.setattr(pending, "get_named", noting)
    build(lake.storage, many)
    assert (sorted(lake.values("movie", "movie_id")), read) == ([1, 2], [])
    lake.land(a_movie(3))
    chunk = max((lake.root / "raw" / "movie").rglob("*.gz"))
    chunk.write_bytes(chunk.read_bytes() + b"\0")
    with pytest.raises(LakeError, match=f"{chunk.name} is not what a receipt names: the sha256 differs"):
        build(lake.storage, many)
    chunk.unlink()
    with pytest.raises(LakeError, match=f"{chunk.name} is gone"):
        build(lake.storage, many)
