"""What files alone have: other people's tables beside ours, programs that have them open, what a killed export left."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.serve.export import folders
from reelhouse.serve.export.atomic_files import check_outside, put_in_place
from reelhouse.serve.export.sqlite_file import SqliteFile
from reelhouse.serve.export.tables import look
from reelhouse.serve.export.targets import target_of
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.warehouse.purged_tables import erase_tables
from tests.export.lakes import OWN, bring, moved, own_rows
from tests.export.targets import export
from tests.warehouse.few import FEW
from tests.warehouse.landing import LakeInTheMaking, a_movie

SOME = ("movie_genre", "dim_genre")


def test_what_else_is_in_a_duckdb_file_stays(lake: Path, states: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "films.duckdb"
    export(lake, str(path), *SOME)
    with duckdb.connect(str(path)) as file:
        file.execute("create table mine as select 1 as one")
        file.execute("create view genres as select name from dim_genre")
    moved(lake, states[1])
    export(lake, str(path), *SOME)
    with duckdb.connect(str(path), read_only=True) as file:
        assert file.sql("select one from mine").fetchall() == [(1,)]
        assert (
            file.sql("select count(*) from genres").fetchall() == file.sql("select count(*) from dim_genre").fetchall()
        )
        keys = file.sql(
            "select constraint_column_names from duckdb_constraints() where constraint_type = 'PRIMARY KEY'"
        )
        assert (["movie_id", "position"],) in keys.fetchall()
        about = file.sql("select comment from duckdb_tables() where table_name = 'dim_genre'").fetchall()
        assert about == [("Genres.",)]
        columns = "select comment from duckdb_columns() where table_name = 'dim_genre' and column_name = 'genre_id'"
        assert "genre" in file.sql(columns).fetchall()[0][0].lower()


def test_a_duckdb_file_that_somebody_writes_to_is_left_alone(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "films.duckdb"
    export(lake, str(path), *SOME)
    body = path.read_bytes()
    program = f"import duckdb; file = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(ReelhouseError, match=r"films\.duckdb is open in another program"):
            export(lake, str(path), *SOME, full=True)
        other.communicate(b"\n")
    assert path.read_bytes() == body
    export(lake, str(path), *SOME, full=True)


def test_what_a_killed_program_left_in_duckdbs_log_stays(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "films.duckdb"
    export(lake, str(path), *SOME)
    program = (
        f"import duckdb, os; file = duckdb.connect({str(path)!r}); "
        "file.execute('set checkpoint_threshold = \\'1GB\\'');"
        "file.execute('create table mine as select 7 as seven'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    assert path.with_name("films.duckdb.wal").exists()
    export(lake, str(path), *SOME, full=True)
    assert not path.with_name("films.duckdb.wal").exists()
    with duckdb.connect(str(path), read_only=True) as file:
        assert file.sql("select seven from mine").fetchall() == [(7,)]


def test_what_else_is_in_a_sqlite_file_stays(lake: Path, states: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "films.sqlite"
    export(lake, str(path), *SOME)
    with closing(sqlite3.connect(path)) as file:
        file.executescript("pragma journal_mode = wal; create table mine (one); insert into mine values (1);")
    moved(lake, states[1])
    export(lake, str(path), *SOME)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("select one from mine").fetchall() == [(1,)]
        indexes = {name for (name,) in file.execute("select name from sqlite_master where type = 'index'")}
        assert "movie_genre_genre_id_idx" in indexes
        key = [name for _, name, *_, place in file.execute("pragma table_info(movie_genre)") if place]
        assert key == ["movie_id", "position"]
        assert file.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_a_sqlite_file_whose_log_somebody_holds_is_left_alone(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "films.sqlite"
    export(lake, str(path), *SOME)
    with closing(sqlite3.connect(path)) as file:
        file.executescript("pragma journal_mode = wal; create table mine (one);")
        with pytest.raises(ReelhouseError, match=r"films\.sqlite is open in another program"):
            export(lake, str(path), *SOME, full=True)
    export(lake, str(path), *SOME, full=True)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("select count(*) from mine").fetchall() == [(0,)]


_ADDITIONS = {
    ".sqlite": "select name, sql from sqlite_master where name in ('mine', 'watching') order by name",
    ".duckdb": "select index_name, sql from duckdb_indexes()",
}


def opened(path: Path) -> Any:
    return closing(duckdb.connect(str(path)) if path.suffix == ".duckdb" else sqlite3.connect(path))


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_a_table_of_somebody_elses_is_known_in_capitals_too(lake: Path, tmp_path: Path, name: str) -> None:
    with opened(tmp_path / name) as file:
        file.execute('create table "Movie" as select 7 as mine')
        file.commit()
    with pytest.raises(ConfigError, match="has a table Movie that reelhouse did not make"):
        export(lake, str(tmp_path / name), "movie")
    with opened(tmp_path / name) as file:
        assert file.execute("select mine from movie").fetchall() == [(7,)]


def _metadata_of_others(folder: Path, kind: str, ours: bytes) -> bytes:
    """What a person has in the place of the metadata, and what it holds."""
    place, body = folder / "films.metadata.yml", b"title: mine\n"
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
        return b""
    if kind == "edited":
        body = ours.replace(b'"source": "TMDB"', b'"source": "mine"')
        assert body != ours
    if kind == "link":
        (folder / "profile").write_bytes(body)
        place.symlink_to("profile")
    else:
        place.write_bytes(body)
    return body


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["text", "edited", "link", "pipe"])
def test_metadata_that_reelhouse_did_not_write_stays(lake: Path, tmp_path: Path, kind: str) -> None:
    path, place = tmp_path / "films.sqlite", tmp_path / "films.metadata.yml"
    for _ in range(2):
        export(lake, str(path), *SOME, full=True)
    before, ours = path.read_bytes(), place.read_bytes()
    body = _metadata_of_others(tmp_path, kind, ours)
    with pytest.raises(ConfigError, match=r"^to: .*films\.metadata\.yml (was not made by reelhouse|is a pipe)"):
        export(lake, str(path), *SOME, full=True)
    assert path.read_bytes() == before
    assert kind == "pipe" or place.read_bytes() == body


def test_a_link_in_the_place_of_metadata_is_not_written_through(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "films.metadata.yml").symlink_to("missing")
    export(lake, str(tmp_path / "films.sqlite"), *SOME)
    assert not (tmp_path / "missing").exists()
    assert (tmp_path / "films.metadata.yml").is_file()


@pytest.mark.parametrize("name", ["it's a.duckdb", "films.sqlite"])
def test_no_byte_of_what_was_purged_stays_in_a_file(tmp_path: Path, name: str) -> None:
    lake, path = LakeInTheMaking(tmp_path / "lake", registry=FEW), tmp_path / name
    titles = {id_: hashlib.sha256(bytes([id_])).hexdigest() * 20 for id_ in range(1, 200)}
    lake.land(*(a_movie(id_, title=title, genres=[{"id": 18, "name": "Drama"}]) for id_, title in titles.items()))
    lake.build()
    export(lake.root, str(path))
    assert titles[2][:64].encode() in path.read_bytes()
    kind: Any = duckdb if path.suffix == ".duckdb" else sqlite3
    with closing(kind.connect(str(path))) as file:
        file.execute("create view mine as select title from movie")
    purge(
        lake.storage,
        PurgeSelection("all but one", keys=frozenset(map(str, range(2, 200)))),
        datetime(2026, 12, 20, tzinfo=UTC),
    )
    erase_tables(lake.storage)
    lake.build()
    export(lake.root, str(path))
    held = path.read_bytes()
    assert [id_ for id_, title in titles.items() if title[:64].encode() in held and id_ > 1] == []
    with closing(kind.connect(str(path))) as file:
        assert file.execute("select title from mine").fetchall() == [(titles[1],)]


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_nobody_writes_into_a_file_while_it_is_replaced(lake: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    export(lake, str(path), *SOME)
    module = "duckdb" if name.endswith("duckdb") else "sqlite3"
    program = (
        f"import {module} as module; file = module.connect({str(path)!r}); "
        "file.execute('create table mine as select 7 as seven'); file.commit()"
    )
    ended: list[int] = []

    def step(text: str) -> None:
        if not ended:
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
            assert "lock" in done.stderr
            ended.append(done.returncode)

    target_of(str(path)).export(look(FolderStorage(lake), SOME), full=True, step=step)
    assert ended == [1]
    with opened(path) as file:
        assert file.execute("select count(*) from movie_genre").fetchone() > (0,)


def test_an_open_transaction_of_another_program_keeps_the_file(lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "films.sqlite"
    export(lake, str(path), *SOME)
    with closing(sqlite3.connect(path)) as file:
        file.execute("create table mine (one)")
        file.commit()
        file.execute("insert into mine values (1)")
        with pytest.raises(ReelhouseError, match=r"films\.sqlite: database is locked"):
            export(lake, str(path), *SOME, full=True)
        file.commit()
    export(lake, str(path), *SOME, full=True)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("select one from mine").fetchall() == [(1,)]


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_what_a_program_without_locks_wrote_meanwhile_is_not_lost(lake: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    export(lake, str(path), *SOME)

    def step(text: str) -> None:
        os.utime(path, (0, 0))

    with pytest.raises(ReelhouseError, match=f"{name} was changed by another program meanwhile"):
        target_of(str(path)).export(look(FolderStorage(lake), SOME), full=True, step=step)


@pytest.mark.parametrize("to", ["films.duckdb", "films.sqlite", "csv:out", "parquet:out"])
def test_a_file_that_others_may_not_read_stays_so(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.chdir(tmp_path)
    export(lake, to, "dim_genre")
    kind, _, folder = to.partition(":")
    path = Path(folder, f"dim_genre.{kind}") if folder else Path(to)
    path.chmod(0o600)
    export(lake, to, "dim_genre", full=True)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_a_file_of_another_kind_is_left_alone(lake: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is not a database at all" * 100)
    with pytest.raises(ReelhouseError, match=name):
        export(lake, str(tmp_path / name), *SOME)
    assert (tmp_path / name).read_text().startswith("this is not a database")


def test_what_else_is_in_a_folder_stays_and_what_a_killed_export_left_goes(lake: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    left = folder / ".reelhouse-new-999999999-abcd"
    left.mkdir(parents=True)
    (left / "half.csv").write_text("x")
    (folder / "mine.csv").write_text("mine")
    export(lake, f"csv:{folder}", *SOME)
    assert (folder / "mine.csv").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == [
        "dim_genre.csv",
        "mine.csv",
        "movie_genre.csv",
        "reelhouse_export.json",
    ]


@pytest.mark.parametrize("put", range(1, 5))
def test_after_a_kill_while_files_take_their_places_the_next_export_goes_on(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: int
) -> None:
    real, puts = put_in_place, iter(range(1, 10))

    def put_or_end(made: Path, place: Path) -> None:
        if next(puts) == put:
            raise KeyboardInterrupt
        real(made, place)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folders, "put_in_place", put_or_end)
        export(lake, f"csv:{tmp_path}/out", *SOME)
    assert {one.how for one in export(lake, f"csv:{tmp_path}/out", *SOME).values()} == {"full"}
    assert {one.how for one in export(lake, f"csv:{tmp_path}/out", *SOME).values()} == {"unchanged"}


def test_of_two_exports_into_a_folder_at_a_time_one_is_refused(lake: Path, tmp_path: Path) -> None:
    to = f"csv:{tmp_path}/out"

    def step(text: str) -> None:
        export(lake, to, "movie")

    with pytest.raises(ReelhouseError, match=r"another export into csv:.* has ended meanwhile"):
        target_of(to).export(look(FolderStorage(lake), ("dim_genre",)), full=False, step=step)
    export(lake, to, "dim_genre")
    assert {one.how for one in export(lake, to, "movie", "dim_genre").values()} == {"unchanged"}


def test_a_file_that_somebody_removed_is_written_again(lake: Path, tmp_path: Path) -> None:
    export(lake, f"csv:{tmp_path}/out", *SOME)
    (tmp_path / "out" / "dim_genre.csv").unlink()
    done = export(lake, f"csv:{tmp_path}/out", *SOME)
    assert {name: one.how for name, one in done.items()} == {"movie_genre": "unchanged", "dim_genre": "full"}


def test_parquet_files_and_the_manifest_say_what_columns_are(lake: Path, tmp_path: Path) -> None:
    export(lake, f"parquet:{tmp_path}/out", "movie")
    schema = pq.read_schema(tmp_path / "out" / "movie.parquet")
    assert schema.metadata[b"comment"] == b"One row per movie, as TMDB shows it now."
    assert schema.metadata[b"key"] == b"movie_id"
    assert b"not endorsed" in schema.metadata[b"terms"]
    assert schema.field("budget").metadata[b"comment"].startswith(b"Production budget")
    manifest = json.loads((tmp_path / "out" / "reelhouse_export.json").read_text())
    assert manifest["tables"]["movie"]["key"] == ["movie_id"]
    assert manifest["tables"]["movie"]["columns"][0] == {
        "name": "movie_id",
        "type": "bigint",
        "comment": "The movie. TMDB: id",
    }
    assert manifest["tables"]["movie"]["note"]["oldest_answer"].startswith("2026-")


def test_null_and_an_empty_text_differ_in_csv(lake: Path, tmp_path: Path) -> None:
    export(lake, f"csv:{tmp_path}/out", "my_ratings")
    lines = (tmp_path / "out" / "my_ratings.csv").read_text().splitlines()
    assert lines[0] == '"movie_id","rating","fee","seen","seen_on","noted_at","remark"'
    assert lines[1] == '0,0,0.00,true,1582-10-05,2026-10-05 20:00:00.123456Z,"plain"'
    assert lines[2].endswith(',""')
    assert lines[-1] == ",,,,,,"


def test_a_place_that_cannot_be_written_is_named(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for to in (f"csv:{tmp_path}/file", f"{tmp_path}/file/films.duckdb"):
        with pytest.raises((ConfigError, ReelhouseError), match="file"):
            export(lake, to, *SOME)
    with pytest.raises(ReelhouseError, match=r"/proc/films.sqlite|/proc cannot be written"):
        export(lake, "/proc/films.sqlite", *SOME)


def _devices(folder: Path) -> dict[str, Path]:
    """What is not a regular file, by what an error calls it."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
    made = {name: folder / name for name in ("pipe", "folder", "socket")}
    if os.geteuid() != 0:
        # Who is not root can replace none, whatever the code does.
        return {"device": Path(os.devnull), **made}
    with suppress(PermissionError):
        os.mknod(folder / "device", stat.S_IFCHR | 0o666, Path(os.devnull).stat().st_rdev)
        made["device"] = folder / "device"
    return made


@pytest.mark.timeout(60)
@pytest.mark.parametrize("form", ["duckdb", "sqlite"])
def test_what_is_no_regular_file_is_not_replaced_by_one(lake: Path, tmp_path: Path, form: str) -> None:
    for kind, path in _devices(tmp_path).items():
        (tmp_path / f"{kind}.link").symlink_to(path)
        for name in (path, tmp_path / f"{kind}.link"):
            before = os.lstat(path)
            with pytest.raises(ConfigError, match=f"^to: .* is a {kind}, not a regular file"):
                export(lake, f"{form}:{name}", *SOME)
            after = os.lstat(path)
            assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert not list(tmp_path.glob(".reelhouse-new-*"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_no_regular_file_in_a_folder_is_not_replaced_by_one(lake: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "target"
    export(lake, f"{form}:{target}", *SOME)
    for name in (f"dim_genre.{form}", "reelhouse_export.json"):
        kept = (target / name).read_bytes()
        for kind, path in _devices(Path(tempfile.mkdtemp(dir=tmp_path))).items():
            (target / name).unlink()
            (target / name).symlink_to(path)
            with pytest.raises(ConfigError, match=f"^to: .*{name} is a {kind}, not a regular file"):
                export(lake, f"{form}:{target}", *SOME, full=True)
            assert (target / name).readlink() == path
        (target / name).unlink()
        (target / name).write_bytes(kept)
    for path in (tmp_path / "file", _devices(tmp_path)["pipe"]):
        path.touch()
        with pytest.raises(ConfigError, match=f"^to: {path} is not a folder"):
            export(lake, f"{form}:{path}", *SOME)


def test_what_becomes_a_pipe_while_an_export_runs_stays_one(lake: Path, tmp_path: Path) -> None:
    place, made = tmp_path / "place", tmp_path / "made"
    made.write_text("new")
    os.mkfifo(place)
    with pytest.raises(ConfigError, match="is a pipe"):
        put_in_place(made, place)
    assert place.is_fifo()


@pytest.mark.parametrize("form", ["duckdb", "sqlite", "csv", "parquet"])
def test_nothing_is_exported_into_the_lake_itself(lake: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "link").symlink_to(lake / "tables")
    (tmp_path / "other").mkdir()
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*")}
    inside = (lake, lake / "x", lake / "tables" / "movie" / "x", tmp_path / "link" / "x", tmp_path / "other/../link/x")
    for path in inside:
        with pytest.raises(ConfigError, match=f"^to: .* lies in the lake at {lake}"):
            export(lake, f"{form}:{path}", *SOME)
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*")} == before
    # Beside it, with a name that begins like the lake's.
    beside = lake.with_name(f"{lake.name}-export")
    export(lake, f"{form}:{beside}", *SOME)
    assert beside.exists()


@pytest.mark.parametrize("form", ["duckdb", "sqlite", "csv", "parquet"])
def test_nothing_is_exported_into_another_lake(lake: Path, tmp_path: Path, form: str) -> None:
    other = tmp_path / "other"
    (other / "_reelhouse" / "runs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(other)
    for path in (other, other / "x", other / "tables" / "new" / "x", tmp_path / "link" / "x"):
        with pytest.raises(ConfigError, match=f"^to: .* lies in the lake at {other}: take a place outside"):
            export(lake, f"{form}:{path}", *SOME)
    # A lake in a bucket or in memory has no folder of its own, and others have theirs.
    with pytest.raises(ConfigError, match=f"lies in the lake at {other}"):
        check_outside(other / "x", MemoryStorage())
    assert [path.name for path in other.iterdir()] == ["_reelhouse"]


def test_a_table_that_is_wider_than_sqlite_has_any_is_refused_before_anything_is_written(
    lake: Path, tmp_path: Path
) -> None:
    snapshot = look(FolderStorage(lake), SOME)
    columns = tuple(replace(snapshot.tables[0].spec.columns[0], name=f"c{at}") for at in range(2001))
    wide = replace(snapshot.tables[0], spec=replace(snapshot.tables[0].spec, columns=columns))
    with pytest.raises(ConfigError, match=r"^tables: SQLite has tables of up to 2,000 columns, and \w+ has 2,001"):
        SqliteFile(tmp_path / "x.sqlite").export(replace(snapshot, tables=(wide,)), full=False, step=lambda text: None)
    assert not (tmp_path / "x.sqlite").exists()


def test_a_link_that_leads_round_in_a_circle_is_an_error_in_one_line(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ReelhouseError, match="cannot be written"):
        export(lake, f"sqlite:{tmp_path}/a", *SOME)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_was_cut_or_edited_since_is_written_again(lake: Path, tmp_path: Path, kind: str) -> None:
    to, path = f"{kind}:{tmp_path}/out", tmp_path / "out" / f"dim_genre.{kind}"
    export(lake, to, *SOME)
    body = path.read_bytes()
    for other in (b"", body[:-1] + bytes([body[-1] ^ 1])):
        path.write_bytes(other)
        assert {name: one.how for name, one in export(lake, to, *SOME).items()} == {
            "movie_genre": "unchanged",
            "dim_genre": "full",
        }
        assert path.read_bytes() == body


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_indexes_and_triggers_of_others_stay_or_the_export_is_refused(lake: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    bring(lake, own_rows("a"))
    export(lake, str(path), OWN)
    with opened(path) as file:
        file.execute(f"create index mine on {OWN} (remark)")
        if name.endswith("sqlite"):
            file.execute(f"create trigger watching after delete on {OWN} begin select 1; end")
            file.commit()
        before = file.execute(_ADDITIONS[path.suffix]).fetchall()
    bring(lake, own_rows("a", "b"))
    assert export(lake, str(path), OWN)[OWN].how == "full"
    with opened(path) as file:
        assert file.execute(_ADDITIONS[path.suffix]).fetchall() == before
        file.execute("drop index mine")
        file.execute(f"create index mine on {OWN} (rating)")
        file.execute(f"create unique index other on {OWN} (remark)")
        file.commit()
    body = path.read_bytes()
    bring(lake, own_rows("a", "a"))
    with pytest.raises(ReelhouseError, match=r"your index other cannot be made again .*: drop it, then export"):
        export(lake, str(path), OWN)
    assert path.read_bytes() == body


@pytest.mark.parametrize("name", ["lake.duckdb", "lake.sqlite"])
def test_a_table_with_a_column_of_somebody_elses_is_not_replaced(lake: Path, tmp_path: Path, name: str) -> None:
    to = tmp_path / name
    connect = duckdb.connect if name.endswith("duckdb") else sqlite3.connect
    export(lake, str(to), "movie")
    with closing(connect(str(to))) as file:
        file.execute("alter table movie add column my_note varchar default 'seen'")
        file.commit()
    with pytest.raises(ReelhouseError, match="movie has a column my_note that reelhouse did not make, and its"):
        export(lake, str(to), "movie", full=True)
    with closing(connect(str(to))) as file:
        assert file.execute("select distinct my_note from movie").fetchall() == [("seen",)]
        # As a version of reelhouse left it that did not note columns down.
        file.execute("alter table reelhouse_export drop column columns")
        file.commit()
    with pytest.raises(ReelhouseError, match="movie has a column my_note that reelhouse did not make"):
        export(lake, str(to), "movie", full=True)
    with closing(connect(str(to))) as file:
        file.execute("alter table movie drop column my_note")
        file.commit()
    export(lake, str(to), "movie", full=True)
    with closing(connect(str(to))) as file:
        assert file.execute("select columns like '[\"movie_id\"%' from reelhouse_export").fetchall() == [(True,)]


def test_a_foreign_key_of_somebody_elses_on_a_table_is_named(lake: Path, tmp_path: Path) -> None:
    to = tmp_path / "lake.duckdb"
    export(lake, str(to), "movie")
    with closing(duckdb.connect(str(to))) as file:
        file.execute("create table mine (movie_id bigint references movie (movie_id))")
    with pytest.raises(ReelhouseError, match=r"a table of yours refers to movie by a foreign key .*mine.*: make it"):
        export(lake, str(to), "movie", full=True)


def test_values_that_sqlite_does_not_hold_are_counted(lake: Path, tmp_path: Path) -> None:
    rows = own_rows("a", "b").to_pylist()
    rows[0]["rating"] = float("nan")
    bring(lake, pa.Table.from_pylist(rows, own_rows().schema))
    done = export(lake, str(tmp_path / "x.sqlite"), OWN)[OWN]
    assert done.notes == ("1 values were NaN, which SQLite does not hold: now NULL",)
    assert export(lake, str(tmp_path / "x.duckdb"), OWN)[OWN].notes == ()


def test_no_text_of_an_excel_safe_csv_is_a_formula(lake: Path, tmp_path: Path) -> None:
    bring(lake, own_rows('=HYPERLINK("http://x")', "+1", "-1", "@x", "\t=1", "＝1", "a=1"))
    to = f"csv:{tmp_path}/out"
    plain = {one.rstrip('"').rpartition('"')[2] for one in _lines(lake, to)}
    assert {"+1", "-1", "@x", "a=1"} <= plain
    target = target_of(to, excel_safe=True)
    snapshot = look(FolderStorage(lake), (OWN,))
    assert [one.how for one in target.export(snapshot, full=False, step=lambda text: None)] == ["full"]
    found = pc_csv.read_csv(tmp_path / "out" / f"{OWN}.csv")["remark"].to_pylist()
    assert found[:-1] == ['\'=HYPERLINK("http://x")', "'+1", "'-1", "'@x", "'\t=1", "'＝1", "a=1"]
    assert [one.how for one in target.export(snapshot, full=False, step=lambda text: None)] == ["unchanged"]
    with pytest.raises(ConfigError, match="excel-safe: this is about CSV files"):
        target_of("parquet:x", excel_safe=True)


def _lines(lake: Path, to: str) -> list[str]:
    export(lake, to, OWN)
    return (Path(to.removeprefix("csv:")) / f"{OWN}.csv").read_text().splitlines()


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_keys_and_foreign_keys_are_those_that_are_declared(lake: Path, tmp_path: Path, name: str) -> None:
    done = export(lake, str(tmp_path / name), "movie", "dim_movie", *SOME)
    assert [one.notes for one in done.values()] == [()] * len(done)
    with opened(tmp_path / name) as file:
        if name.endswith(".duckdb"):
            found = file.execute(
                "select constraint_column_names[1], referenced_table from duckdb_constraints() "
                "where table_name = 'movie_genre' and constraint_type = 'FOREIGN KEY'"
            ).fetchall()
            assert found == [("movie_id", "movie")]
        else:
            found = [(row[3], row[2]) for row in file.execute("pragma foreign_key_list(movie_genre)")]
            # SQLite holds nobody to it: the dimension leads a reader on.
            assert sorted(found) == [("genre_id", "dim_genre"), ("movie_id", "movie")]
            assert [row[1] for row in file.execute("pragma table_info(movie)") if row[5]] == ["movie_id"]
            assert file.execute("pragma foreign_key_check").fetchall() == []


def test_a_table_that_others_refer_to_can_be_exported_again_alone(
    lake: Path, states: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "films.duckdb"
    export(lake, str(path), "movie", "movie_cast", *SOME)
    moved(lake, states[1])
    # The result names what else had to be loaded.
    assert set(export(lake, str(path), "movie", full=True)) == {"movie", "movie_cast", "movie_genre"}
    with duckdb.connect(str(path), read_only=True) as file:
        orphans = "select count(*) from {} anti join movie using (movie_id)".format
        assert [file.sql(orphans(name)).fetchall() for name in ("movie_cast", "movie_genre")] == [[(0,)], [(0,)]]
        assert len(file.sql("from duckdb_constraints() where constraint_type = 'FOREIGN KEY'").fetchall()) == 2


@pytest.mark.parametrize("name", ["films.duckdb", "films.sqlite"])
def test_rows_without_the_declared_keys_are_exported_without_them(lake: Path, tmp_path: Path, name: str) -> None:
    storage = FolderStorage(lake)
    some = look(storage, ("movie", "movie_genre"))
    keyed = [replace(one, spec=replace(one.spec, key=("genre_id",))) for one in some.tables if one.name != "movie"]
    wrong = replace(some, tables=(*(one for one in some.tables if one.name == "movie"), *keyed))
    done = target_of(str(tmp_path / name)).export(wrong, full=False, step=lambda text: None)
    notes = {one.name: one.notes for one in done}
    assert notes["movie"] == ()
    assert notes["movie_genre"][-1].startswith("no primary key: (genre_id) is not unique")
    with opened(tmp_path / name) as file:
        rows = file.execute("select count(*) from movie_genre").fetchone()
        assert rows == (next(one.rows for one in done if one.name == "movie_genre"),)
        if name.endswith(".sqlite"):
            assert file.execute("pragma integrity_check").fetchall() == [("ok",)]
