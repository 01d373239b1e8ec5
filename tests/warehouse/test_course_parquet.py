"""With the course's layout a build is copied as plain Parquet: `Trusted/` and `Refined/`, a folder per day."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from msgspec.structs import replace

from reelhouse.delta.delta_rs import write_delta
from reelhouse.errors import LakeError, StorageError
from reelhouse.raw.json_objects import encode
from reelhouse.raw.purges import PurgeNote, put_note
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.course import local as course_local
from reelhouse.warehouse.course import parquet as course_parquet
from reelhouse.warehouse.course.local import LOCAL_COPIES, LocalCopies, LocalCopy, copy_local, read_local_copies
from reelhouse.warehouse.course.parquet import COPIES, KEPT_DAYS, check_copies, copy_out, prune, read_copies
from reelhouse.warehouse.manifest import BuildInputs, pin
from reelhouse.warehouse.purged_tables import erase_tables, leftovers
from reelhouse.warehouse.run import build
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie, gone

DAY = "2026/11/01"


def built(lake: LakeInTheMaking, **options: Any) -> list[str]:
    return build(lake.storage, SAIL, course=True, registry=FEW, **options).problems


def copied(lake: LakeInTheMaking, *, quotes: bool = True) -> list[str]:
    """What the end of a build says."""
    assert copy_out(lake.storage) is not None
    return copy_local(lake.storage, lambda name: None, quotes=quotes).problems


def next_build(lake: LakeInTheMaking, *ids: int, day: str | None = None) -> None:
    """As if a build had pinned a table of movies with these as well, and a run of another day; without an engine."""
    pins = lake.current
    movies = DeltaTable(str(lake.root / "tables/movie"), version=pins.tables["movie"].version).to_pyarrow_table()
    more = pa.Table.from_pylist([{**movies.to_pylist()[0], "movie_id": id_} for id_ in ids], schema=movies.schema)
    found = pa.concat_tables([movies, more])
    version = write_delta(lake.storage, "tables/movie", found.to_reader(), mode="overwrite", user={})
    tables = {**pins.tables, "movie": replace(pins.tables["movie"], version=version, rows=found.num_rows)}
    read = pins.inputs
    if day is not None:
        plan = lake.land(a_movie(1000), at=f"{day.replace('/', '-')}T08:00:00Z")
        stream = read.stream("movie")
        stream = replace(stream, receipts=replace(stream.receipts, through=plan.run))
        read = replace(read, streams={"movie": stream})
    assert pin(lake.storage, replace(pins, build=pins.build + 1, tables=tables, inputs=read), encode(pins))


def files(lake: LakeInTheMaking, top: str = "") -> list[str]:
    return [key for key in lake.storage.keys("") if key.startswith(("Trusted/", "Refined/")) and key.startswith(top)]


def folder_of(lake: LakeInTheMaking, name: str, day: str = DAY) -> Path:
    zone = {"tables": "Trusted/TMDB/Parquet", "marts": "Refined"}[lake.current.tables[name].zone]
    return lake.root / zone / name / day


def rows(lake: LakeInTheMaking, name: str, day: str = DAY) -> list[dict[str, Any]]:
    """The rows as anybody reads them: every Parquet file in the folder."""
    found = [row for path in folder_of(lake, name, day).glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: json.dumps(row, default=str))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    """Three movies, one of which is gone, built and copied as of the first day."""
    lake = LakeInTheMaking(tmp_path_factory.mktemp("first") / "lake", registry=FEW)
    cast = {"cast": [{"id": 7, "name": "Ada", "order": 0, "credit_id": "c"}]}
    lake.land(a_movie(1, credits=cast, release_date="1999-03-30"), a_movie(2), gone(3), export=[1, 2])
    assert built(lake) == []
    return lake


@pytest.fixture
def world(first: LakeInTheMaking, tmp_path: Path) -> LakeInTheMaking:
    """A lake of this test's own that is the same."""
    shutil.copytree(first.root, tmp_path / "lake")
    return LakeInTheMaking(tmp_path / "lake", runs=first.runs, chunks=first.chunks, registry=FEW)


@pytest.fixture
def uncopied(world: LakeInTheMaking) -> LakeInTheMaking:
    """The same, as a build leaves it that ended before anything was copied."""
    for top in ("Trusted", "Refined"):
        shutil.rmtree(world.root / top)
    (world.root / COPIES).unlink()
    return world


@pytest.mark.long
def test_every_table_and_mart_lies_there_with_the_rows_and_types_of_the_build(world: LakeInTheMaking) -> None:
    for zone, specs in FEW.zones.items():
        for spec in specs:
            assert rows(world, spec.name) == world.rows(spec.name), (zone, spec.name)
            schema = pq.read_schema(next(folder_of(world, spec.name).glob("*.parquet")))
            assert schema.names == spec.column_names
    assert files(world, "Refined/dim_movie/") == [
        f"Refined/dim_movie/{DAY}/_SUCCESS",
        f"Refined/dim_movie/{DAY}/part-00000.parquet",
    ]
    assert files(world, "Trusted/TMDB/Parquet/movie/") == [
        f"Trusted/TMDB/Parquet/movie/{DAY}/_SUCCESS",
        f"Trusted/TMDB/Parquet/movie/{DAY}/part-00000.parquet",
    ]
    asked = f"describe from read_parquet('{folder_of(world, 'movie')}/*.parquet')"
    kinds = duckdb.connect().execute(asked).fetchall()
    assert {"BIGINT", "VARCHAR", "DATE", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"} <= {kind[1] for kind in kinds}
    assert check_tables(world.storage) == []


def test_what_is_copied_is_not_put_again(world: LakeInTheMaking, putting: list[str]) -> None:
    assert built(world) == []
    assert putting == []


def test_without_the_layout_there_is_none(uncopied: LakeInTheMaking) -> None:
    uncopied.build()
    assert files(uncopied) == []
    assert check_tables(uncopied.storage) == []


def test_a_build_that_has_nothing_to_do_completes_it(uncopied: LakeInTheMaking) -> None:
    assert built(uncopied) == []
    assert all(rows(uncopied, name) == uncopied.rows(name) for name in uncopied.current.tables)


def test_a_lake_in_which_nothing_was_asked_has_none_yet(world: LakeInTheMaking) -> None:
    before = world.current
    assert pin(world.storage, replace(before, build=9, inputs=BuildInputs()), encode(before))
    assert copy_out(world.storage) is None


@pytest.mark.long
def test_each_day_has_a_folder_of_its_own_and_the_newest_days_stay(world: LakeInTheMaking) -> None:
    for day in range(2, KEPT_DAYS + 3):
        next_build(world, day + 10, day=f"2026/11/{day:02}")
        copied(world)
        assert len(rows(world, "movie", f"2026/11/{day:02}")) == 1 + day
    days = sorted(path.name for path in (world.root / "Refined/dim_movie/2026/11").iterdir() if any(path.iterdir()))
    assert days == [f"{day:02}" for day in range(3, KEPT_DAYS + 3)]
    assert prune(world.storage, keep=1) > 0
    found = read_copies(world.storage)
    assert found is not None
    assert {key.rpartition("/")[0] for key in files(world)} == {one.folder for one in found.tables.values()}


def test_a_second_build_of_a_day_takes_the_place_of_the_first(world: LakeInTheMaking) -> None:
    next_build(world, 5)
    copied(world)
    assert [row["movie_id"] for row in rows(world, "movie")] == [1, 2, 5]
    assert len(files(world, "Trusted/TMDB/Parquet/movie/")) == 2


def test_large_tables_have_several_parts_and_smaller_ones_after_them_fewer(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_parquet, "_PART_BYTES", 1)
    monkeypatch.setattr(course_parquet, "_GROUP_ROWS", 1)
    monkeypatch.setattr("reelhouse.delta.delta_rs.BATCH_ROWS", 1)
    next_build(world, 5)
    copied(world)
    assert [path.name for path in sorted(folder_of(world, "movie").glob("part*"))] == [
        "part-00000.parquet",
        "part-00001.parquet",
        "part-00002.parquet",
    ]
    assert rows(world, "movie") == world.rows("movie")
    monkeypatch.undo()
    next_build(world, 6)
    copied(world)
    assert len([*folder_of(world, "movie").glob("part*")]) == 1
    assert rows(world, "movie") == world.rows("movie")


class _Dying(Exception):
    pass


def test_killed_at_any_put_the_next_build_completes_it(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.land(a_movie(1))
    lake.build()
    real = FolderStorage.put
    left = 0

    def put(storage: FolderStorage, key: str, body: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Dying
        real(storage, key, body)

    monkeypatch.setattr(FolderStorage, "put", put)
    for survived in (0, 1, 2, 3, len(FEW.names) - 1):
        left = survived
        with pytest.raises(_Dying):
            copy_out(lake.storage)
        assert read_copies(lake.storage) is None
        # What a marker says is there, is there.
        for mark in lake.root.glob("*/**/_SUCCESS"):
            said = json.loads(mark.read_bytes())
            assert {path.name for path in mark.parent.glob("part*")} == {part["name"] for part in said["parts"]}
    monkeypatch.undo()
    assert copied(lake) == []
    assert all(rows(lake, name) == lake.rows(name) for name in lake.current.tables)


def test_while_a_copy_is_replaced_no_marker_says_that_it_is_whole(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_build(world, 5)
    real = FolderStorage.put

    def put(storage: FolderStorage, key: str, body: bytes) -> None:
        real(storage, key, body)
        if "part-" in key:
            raise _Dying

    monkeypatch.setattr(FolderStorage, "put", put)
    with pytest.raises(_Dying):
        copy_out(world.storage)
    assert not (folder_of(world, "movie") / "_SUCCESS").exists()
    assert (folder_of(world, "movie_cast") / "_SUCCESS").exists()


def test_a_builder_that_was_overtaken_puts_again_what_it_put_below_the_other(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_build(world, 5)
    real = course_parquet._copy
    late: list[str] = []

    def copy(storage: Any, table: str, *rest: Any) -> Any:
        if table == "tables/movie" and not late:
            late.append(table)
            # Another builder pins and copies the next build; then this one puts what it had in its hands.
            next_build(world, 6)
            copied(world)
            mark = folder_of(world, "movie") / "_SUCCESS"
            theirs = mark.read_bytes()
            made = real(storage, table, *rest)
            # The other one's marker came last of all, on top of this one's part.
            mark.write_bytes(theirs)
            return made
        return real(storage, table, *rest)

    monkeypatch.setattr(course_parquet, "_copy", copy)
    copy_out(world.storage)
    assert late
    assert [row["movie_id"] for row in rows(world, "movie")] == [1, 2, 5, 6]
    assert list(check_copies(world.storage)) == []


def test_fewer_rows_than_were_built_are_an_error_and_no_whole_copy(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_build(world, 5)
    real = course_parquet._packed

    def short(reader: Any) -> Iterator[Any]:
        return (one._replace(rows=one.rows - 1) for one in real(reader))

    monkeypatch.setattr(course_parquet, "_packed", short)
    with pytest.raises(LakeError, match=r"has -?\d+ rows for .*, \d+ were built"):
        copy_out(world.storage)
    found = read_copies(world.storage)
    assert found is not None
    assert found.build == world.current.build - 1


@pytest.mark.long
def test_verify_names_a_part_that_is_gone_or_cut(world: LakeInTheMaking) -> None:
    movie, cast = (next(folder_of(world, name).glob("*.parquet")) for name in ("movie", "movie_cast"))
    movie.unlink()
    cast.write_bytes(cast.read_bytes()[:-1])
    problems = check_tables(world.storage)
    assert len(problems) == 2
    assert f"{movie.relative_to(world.root)} is gone, though {COPIES} names it" in problems[0]
    assert "bytes instead of" in problems[1]
    built(world, full=True)
    assert check_tables(world.storage) == []


@pytest.mark.long
def test_a_purge_leaves_no_copy_and_what_others_put_there_stays(world: LakeInTheMaking) -> None:
    others = world.root / "Refined/dim_movie/2026/11/01/part-00000-6f1c-c000.snappy.parquet"
    others.write_bytes(b"a student's own")
    put_note(world.storage, PurgeNote("2026-11-20T00:00:00Z", "all", {"movie": [1]}, []))
    old = leftovers(world.storage)
    assert f"Refined/dim_movie/{DAY}" in old
    assert f"Trusted/TMDB/Parquet/movie/{DAY}" in old
    assert any("from before the last purge" in problem for problem in check_tables(world.storage))
    erase_tables(world.storage)
    assert leftovers(world.storage) == []
    assert files(world) == [str(others.relative_to(world.root))]
    assert read_copies(world.storage) is None
    built(world, full=True)
    assert leftovers(world.storage) == []
    # Never under a name that something from before the purge had.
    assert [key for key in files(world, "Trusted/TMDB/Parquet/movie/") if key.endswith("parquet")] == [
        f"Trusted/TMDB/Parquet/movie/{DAY}/part-00000-p1.parquet"
    ]


CSV = 'id|titulo|ator\ntt1|Um|Ana\ntt1|Um|Bia\ntt2||"de|sc"\n'


def put_csv(lake: LakeInTheMaking, name: str, body: bytes) -> None:
    lake.storage.put(f"Raw/Local/CSV/Movies/2026/10/31/{name}", body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("movies.csv", CSV.encode()),
        ("movies.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("movies.tsv", b"\xef\xbb\xbf" + CSV.replace("|", "\t").encode()),
        ("movies.TXT", CSV.replace("|", ";").replace("\n", "\r\n").encode()),
    ],
)
def test_a_persons_own_tables_become_parquet_of_text(world: LakeInTheMaking, name: str, body: bytes) -> None:
    lake = world
    put_csv(lake, name, body)
    assert copied(lake) == []
    path = lake.root / "Trusted/Local/Parquet/Movies/2026/10/31/movies.parquet"
    found = pq.read_table(path)
    assert {str(field.type) for field in found.schema} == {"string"}
    assert [row["titulo"] for row in found.to_pylist()] == ["Um", "Um", None]
    assert found.to_pylist()[2]["ator"][:2] == "de"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"id,title\n1,a,b\n", "it is not a table: CSV parse error: Expected 2 columns, got 3"),
        (b"id,title\n1,caf\xe9\n", "it is not a table"),
        ("id,título\n".encode("latin-1"), "it is not UTF-8"),
        (b"550\n551\n", "a list, no table"),
        (b"id,id\n1,2\n", "its first line names 'id' twice"),
        (b"", "its first line names no column"),
        (b"\x1f\x8bnothing", "it is no"),
        (gzip.compress(b"id,title\n1,a\n", mtime=0)[:10] + b"\xff" * 20, "it is not a table"),
        (b"x" * 200_000, "its first line is not a header"),
        (
            b'id|t\ntt1|Fine\ntt2|"Unbalanced\ntt3|Plain\n',
            "it is not a table: line 3 opens a quote that is never closed",
        ),
        (b'id|t\ntt1|"A\ntt2|B\ntt3|"C\n', "line 2 opens a quote, and text stands behind the one that closes it"),
        (b'id|t\ntt1|"Alpha" Beta\n', "line 2 opens a quote, and text stands behind the one that closes it"),
        (b'id|t\ntt1|5" disc\n', "line 2: a quote stands inside a value"),
    ],
)
def test_one_that_is_no_table_is_named_and_costs_tmdbs_tables_nothing(
    uncopied: LakeInTheMaking, body: bytes, problem: str, putting: list[str]
) -> None:
    lake = uncopied
    put_csv(lake, "movies.csv.gz" if body[:2] == b"\x1f\x8b" else "movies.csv", body)
    (said,) = copied(lake)
    assert said.startswith("Raw/Local/CSV/Movies/2026/10/31/movies.csv")
    assert problem in said
    assert rows(lake, "movie") == lake.rows("movie")
    putting.clear()
    # It is said as long as it lies there, and not read again.
    assert copied(lake) == [said]
    assert putting == []
    lake.storage.delete("Raw/Local/CSV/Movies/2026/10/31/movies.csv")
    lake.storage.delete("Raw/Local/CSV/Movies/2026/10/31/movies.csv.gz")
    assert copied(lake) == []


@pytest.mark.parametrize("name", ["películas.csv", "movies\x07.csv", "pipe.csv"])
def test_one_that_cannot_be_read_is_named_and_costs_the_others_nothing(world: LakeInTheMaking, name: str) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    odd = world.root / "Raw/Local/CSV/Movies/2026/10/31" / name
    if name == "pipe.csv":
        os.mkfifo(odd)
    else:
        odd.write_bytes(b"id,title\n1,a\n")
    (said,) = copied(world)
    assert said.startswith(f"Raw/Local/CSV/Movies/2026/10/31/{name}: ")
    assert (world.root / TARGET).exists()
    odd.unlink()
    assert copied(world) == []


TARGET = "Trusted/Local/Parquet/Movies/2026/10/31/movies.parquet"


def test_a_stray_quote_takes_no_row_away_and_quotes_may_be_set_to_be_text(world: LakeInTheMaking) -> None:
    put_csv(
        world, "movies.csv", b'id|ano|titulo\ntt1|1986|Fine\ntt2|1986|"Unbalanced\ntt3|1990|Plain\ntt4|1991|Other\n'
    )
    (said,) = copied(world)
    assert "line 3 opens a quote that is never closed (`course_quotes = false`" in said
    assert not (world.root / TARGET).exists()
    assert copied(world, quotes=False) == []
    found = pq.read_table(world.root / TARGET).to_pylist()
    assert [row["titulo"] for row in found] == ["Fine", '"Unbalanced', "Plain", "Other"]
    # Quotes that enclose values again are the fault again, and no copy of the other reading is left.
    assert copied(world) == [said]
    assert not (world.root / TARGET).exists()


def test_what_imdb_writes_for_nothing_is_null(world: LakeInTheMaking) -> None:
    put_csv(world, "movies.csv", b"id|titulo\ntt1|\\N\ntt2|\ntt3|N\n")
    assert copied(world) == []
    assert [row["titulo"] for row in pq.read_table(world.root / TARGET).to_pylist()] == [None, None, "N"]


def test_what_an_earlier_version_took_in_is_read_again(world: LakeInTheMaking) -> None:
    put_csv(world, "movies.csv", b'id|titulo\ntt1|"Unbalanced\ntt2|Plain\n')
    size = world.storage.size("Raw/Local/CSV/Movies/2026/10/31/movies.csv")
    known = LocalCopies({"Raw/Local/CSV/Movies/2026/10/31/movies.csv": LocalCopy(size or 0, TARGET, 1)})
    world.storage.put(LOCAL_COPIES, encode(known))
    (said,) = copied(world)
    assert "line 2 opens a quote" in said


def test_values_that_span_lines_or_are_long_are_taken_over_and_the_former_are_noted(world: LakeInTheMaking) -> None:
    long = b"x" * 200_000
    put_csv(world, "movies.csv", b'id|titulo\ntt1|"two\nlines"\ntt2|' + long + b'\ntt3|"A\ntt4|B\ntt5|C"\n')
    assert copied(world) == []
    assert [len(row["titulo"]) for row in pq.read_table(world.root / TARGET).to_pylist()] == [9, 200_000, 13]
    (note,) = read_local_copies(world.storage).notes
    assert "2 values span lines, the longest 3 lines from line 5 on; 2 of the lines inside have as many columns" in note


def test_two_that_would_become_one_are_named_and_the_first_stays(world: LakeInTheMaking) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    put_csv(world, "movies.tsv", b"id\ttitulo\ntt9\tNove\n")
    (said,) = copied(world)
    folder = "Raw/Local/CSV/Movies/2026/10/31"
    assert said.startswith(f"{folder}/movies.tsv: {folder}/movies.csv becomes ")
    target = world.root / "Trusted/Local/Parquet/Movies/2026/10/31/movies.parquet"
    assert [row["id"] for row in pq.read_table(target).to_pylist()] == ["tt1", "tt1", "tt2"]
    world.storage.delete(f"{folder}/movies.csv")
    assert copied(world) == []
    assert [row["id"] for row in pq.read_table(target).to_pylist()] == ["tt9"]


SOURCE = "Raw/Local/CSV/Movies/2026/10/31/movies.csv"


def test_a_bomb_is_named_within_bounded_memory_and_the_other_files_are_taken_over(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_local, "_MOST_UNPACKED", 32 << 20)
    put_csv(world, "a.csv.gz", gzip.compress(b"id,title\n" + b"1,a\n" * (12 << 20), mtime=0))
    put_csv(world, "movies.csv", CSV.encode())
    tracemalloc.start()
    (said,) = copied(world)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said.startswith("Raw/Local/CSV/Movies/2026/10/31/a.csv.gz: it has more than 32 MB, unpacked: split it")
    assert (world.root / TARGET).exists()
    # Python before 3.11.5 needs patterns that hold more.
    assert peak < (24 if sys.version_info >= (3, 11, 5) else 64) << 20


def test_a_file_that_is_larger_than_memory_may_hold_is_named_and_never_read(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_local, "_MOST_STORED", 5)
    put_csv(world, "movies.csv", CSV.encode())
    (said,) = copied(world)
    assert "it has more than 0 MB: split it into several files" in said


@pytest.mark.parametrize("start", [b"\n" * (1 << 20), b"x" * (2 << 20), b"id,title" + b" " * (1 << 20) + b"\n1,a\n"])
def test_a_table_without_a_header_in_its_first_megabyte_is_none(world: LakeInTheMaking, start: bytes) -> None:
    put_csv(world, "movies.csv.gz", gzip.compress(start, mtime=0))
    (said,) = copied(world)
    assert "its first line" in said


def test_the_copy_of_a_file_that_was_removed_goes_with_the_next_build(world: LakeInTheMaking) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    put_csv(world, "others.csv", CSV.encode())
    copied(world)
    # A purge makes everything of TMDB's again, and forgets nothing of what is a person's own.
    put_note(world.storage, PurgeNote("2026-11-20T00:00:00Z", "all", {"movie": [1]}, []))
    erase_tables(world.storage)
    world.storage.delete(SOURCE)
    made = copy_local(world.storage, lambda name: None)
    assert (made.problems, made.notes) == ([], [])
    assert files(world, "Trusted/Local/") == [TARGET.replace("movies", "others")]


def test_a_removed_files_copy_that_somebody_changed_stays_and_is_noted(world: LakeInTheMaking) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    copied(world)
    (world.root / TARGET).write_bytes(b"a student's own")
    world.storage.delete(SOURCE)
    for _ in range(2):
        made = copy_local(world.storage, lambda name: None)
        assert made.problems == []
        assert made.notes == [f"{TARGET} was changed after reelhouse wrote it, and {SOURCE} is gone: it stays"]
    world.storage.delete(TARGET)
    assert copy_local(world.storage, lambda name: None).notes == []


def test_a_persons_own_parquet_of_that_name_is_neither_replaced_nor_removed(world: LakeInTheMaking) -> None:
    world.storage.put(TARGET, b"a student's own")
    put_csv(world, "movies.csv", CSV.encode())
    (said,) = copied(world)
    assert said == f"{SOURCE}: {TARGET} was written or changed by somebody else: move or remove it"
    put_csv(world, "movies.csv", b'id|t\ntt1|"A\n')
    (said,) = copied(world)
    assert said.endswith(f"; {TARGET} is of another time, or yours, and stays")
    world.storage.delete(SOURCE)
    assert copied(world) == []
    assert world.storage.get(TARGET) == b"a student's own"


def test_a_copy_that_was_put_before_a_kill_is_known_again(
    world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    real = FolderStorage.put

    def put(storage: FolderStorage, key: str, body: bytes) -> None:
        real(storage, key, body)
        if key == TARGET:
            raise _Dying

    monkeypatch.setattr(FolderStorage, "put", put)
    with pytest.raises(_Dying):
        copied(world)
    monkeypatch.undo()
    assert copied(world) == []
    world.storage.delete(SOURCE)
    assert copied(world) == []
    assert not (world.root / TARGET).exists()


def test_a_listing_that_lacks_a_file_costs_it_no_copy(world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    put_csv(world, "movies.csv", CSV.encode())
    copied(world)
    real = FolderStorage.keys
    monkeypatch.setattr(FolderStorage, "keys", lambda self, prefix: (k for k in real(self, prefix) if k != SOURCE))
    copied(world)
    assert (world.root / TARGET).exists()


@pytest.fixture
def putting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were put."""
    keys: list[str] = []
    real = FolderStorage.put

    def put(storage: FolderStorage, key: str, body: bytes) -> None:
        keys.append(key)
        real(storage, key, body)

    monkeypatch.setattr(FolderStorage, "put", put)
    return keys


def test_a_store_that_fails_in_the_middle_is_said(world: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    next_build(world, 5)

    def full(storage: FolderStorage, key: str, body: bytes) -> None:
        raise StorageError(f"cannot write {key}: the disk is full")

    monkeypatch.setattr(FolderStorage, "put", full)
    with pytest.raises(StorageError, match="the disk is full"):
        copied(world)
