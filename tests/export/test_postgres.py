"""What PostgreSQL alone has: keys, comments, other people's views and grants, lost connections, rights, passwords."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace as replace_pin

from reelhouse.delta.delta_rs import write_delta
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.export.postgresql.connection import Link, LostError
from reelhouse.serve.export.postgresql.ddl import check_fits, type_of
from reelhouse.serve.export.postgresql.swap import Loaded
from reelhouse.serve.export.postgresql.target import PostgresTarget, load_by_copy
from reelhouse.serve.export.result import Exported
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot, look
from reelhouse.serve.export.targets import target_of
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.postgres_address import shown, why_refused
from reelhouse.warehouse.import_registry import ImportColumn, imported, pin_import
from tests.broken_lines import line_to
from tests.export.lakes import OWN, bring, counted, moved, own_rows, rows_of
from tests.export.targets import export
from tests.postgres import PASSWORD, Database, Postgres, hijacked

SOME = ("movie", "movie_genre", "dim_genre")


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return postgres.database()


def check_equal(lake: Path, database: Database, *names: str) -> None:
    for name in names:
        expected = rows_of(lake, name)
        columns = ", ".join(f'"{each}"' for each in expected.column_names)
        assert counted(database.arrow(f'select {columns} from tmdb."{name}"')) == counted(expected), name


def names_of(database: Database) -> set[str]:
    return {
        name
        for (name,) in database.rows(
            "select table_name::text from information_schema.tables where table_schema = 'tmdb'"
        )
    }


def test_keys_indexes_and_comments_are_those_that_are_declared(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie_cast", "movie")
    found = dict(database.rows("select indexname::text, indexdef from pg_indexes where schemaname = 'tmdb'"))
    assert '(movie_id, "position")' in found["movie_cast_pkey"]
    assert "(person_id)" in found["movie_cast_person_id_idx"]
    assert "(imdb_id)" in found["movie_imdb_id_idx"]
    about = database.rows("select obj_description('tmdb.movie'::regclass)")[0][0]
    assert about == "One row per movie, as TMDB shows it now."
    column = database.rows("select col_description('tmdb.movie'::regclass, 1)")[0][0]
    assert column == "The movie. TMDB: id"
    terms = database.rows("select obj_description('tmdb.reelhouse_export'::regclass)")[0][0]
    assert "not endorsed" in terms
    assert "six months" in terms


def test_an_index_whose_name_is_taken_is_named(lake: Path, database: Database) -> None:
    database.run("create schema tmdb")
    database.run("create table tmdb.movie_imdb_id_idx (mine text)")
    done = export(lake, database.url, "movie")["movie"]
    assert done.notes == ("no index movie_imdb_id_idx: something else has this name",)


def test_a_pooler_that_drops_the_search_path_is_refused(lake: Path, database: Database) -> None:
    with line_to(database.port, replaced=(b"-csearch_path=pg_catalog", b"-capplication_name=apool")) as line:
        address = database.as_user("postgres", port=line.port)
        with pytest.raises(ConfigError, match="a pooler refuses or drops the search path"):
            export(lake, address, "movie")
        database.run(f"alter role postgres in database {database.name} set search_path = pg_catalog")
        export(lake, address, "movie")


def test_a_role_whose_queries_end_too_soon_is_named(lake: Path, database: Database) -> None:
    database.run(f"alter role postgres in database {database.name} set statement_timeout = '1ms'")
    with pytest.raises(ConfigError, match="statement_timeout"):
        export(lake, database.url, "movie")


def test_every_declared_type_has_one_there(lake: Path) -> None:
    for table in look(FolderStorage(lake)).tables:
        assert all(type_of(column) for column in table.spec.columns)


@pytest.mark.long
def test_only_answers_that_changed_are_loaded(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    names = ("movie", "movie_genre", "rejected_value")
    export(lake, database.url, *names)
    moved(lake, states[1])
    done = export(lake, database.url, *names)
    assert {one.how for one in done.values()} == {"incremental"}
    assert 0 < done["movie"].written < done["movie"].rows / 2
    check_equal(lake, database, *names)
    moved(lake, states[0])
    export(lake, database.url, *names)
    check_equal(lake, database, *names)


def test_an_answer_that_came_late_is_loaded_too(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    # Its fetched_at is older than the newest that was exported: it waited in a spool.
    moved(lake, states[1])
    export(lake, database.url, "movie")
    database.run(
        "update tmdb.movie set title = 'old', fetched_at = fetched_at - interval '3 days' "
        "where movie_id = (select min(movie_id) from tmdb.movie)",
        "update tmdb.reelhouse_export set mark = ''",
    )
    assert export(lake, database.url, "movie")["movie"].written == 1
    check_equal(lake, database, "movie")


def test_where_counts_do_not_add_up_all_rows_are_loaded(
    lake: Path, states: tuple[Path, Path], database: Database
) -> None:
    export(lake, database.url, "movie_genre")
    # Rows of no movie, which no comparison of answers finds.
    database.run(
        "alter table tmdb.movie_genre drop constraint movie_genre_pkey",
        "alter table tmdb.movie_genre alter movie_id drop not null",
        "insert into tmdb.movie_genre (position) values (1)",
    )
    moved(lake, states[1])
    assert export(lake, database.url, "movie_genre")["movie_genre"].how == "full"
    check_equal(lake, database, "movie_genre")


def test_another_form_of_rows_is_loaded_whole(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    export(lake, database.url, "movie")
    database.run("update tmdb.reelhouse_export set form = 'of older code'")
    moved(lake, states[1])
    assert export(lake, database.url, "movie")["movie"].how == "full"
    check_equal(lake, database, "movie")


@pytest.mark.long
def test_views_grants_and_policies_of_others_stay(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    bring(lake, own_rows("some").drop_columns("fee"))
    export(lake, database.url, *SOME, OWN)
    database.run(
        "create view tmdb.titles as select movie_id, title from tmdb.movie",
        f"create view public.remarks as select remark from tmdb.{OWN}",
        "drop role if exists reader",
        "create role reader",
        "grant select on tmdb.movie to reader",
        "create index mine on tmdb.movie (title)",
    )
    moved(lake, states[1])
    bring(lake, own_rows("other").drop_columns("rating"))
    export(lake, database.url, *SOME, OWN, full=True)
    check_equal(lake, database, *SOME, OWN)
    assert database.rows("select count(*) from tmdb.titles") == [(rows_of(lake, "movie").num_rows,)]
    assert database.rows("select has_table_privilege('reader', 'tmdb.movie', 'select')") == [(True,)]
    assert database.rows("select count(*) from pg_indexes where indexname = 'mine'") == [(1,)]
    database.run("drop owned by reader", "drop role reader")


def test_rows_of_others_that_refer_to_a_table_are_not_deleted_with_its_rows(
    lake: Path, states: tuple[Path, Path], database: Database
) -> None:
    export(lake, database.url, "movie")
    both = {*rows_of(states[0], "movie")["movie_id"].to_pylist()} & {
        *rows_of(states[1], "movie")["movie_id"].to_pylist()
    }
    database.run(
        "create table public.watched (movie_id bigint constraint seen references tmdb.movie on delete cascade)",
        f"insert into public.watched values {', '.join(f'({each})' for each in both)}",
    )
    moved(lake, states[1])
    with pytest.raises(ReelhouseError, match=r"watched would lose rows: its foreign key seen on tmdb\.movie acts"):
        export(lake, database.url, "movie")
    database.run(
        "alter table public.watched drop constraint seen",
        "alter table public.watched add foreign key (movie_id) references tmdb.movie deferrable initially deferred",
    )
    export(lake, database.url, "movie")
    check_equal(lake, database, "movie")
    assert database.rows("select count(*) from public.watched") == [(len(both),)]


def test_a_view_on_a_column_that_is_no_more_is_named(lake: Path, database: Database) -> None:
    export(lake, database.url, OWN)
    database.run(f"create view public.fees as select fee from tmdb.{OWN}")
    bring(lake, own_rows("other").drop_columns("fee"))
    with pytest.raises(ReelhouseError, match=r"view .*fees depends on column fee"):
        export(lake, database.url, OWN)
    assert database.rows("select count(fee) from public.fees") == [(6,)]


def test_a_reader_sees_all_of_one_export(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    export(lake, database.url, *SOME)
    builds: set[tuple[int, ...]] = set()
    over = threading.Event()

    def read() -> None:
        counts = ", ".join(f"(select coalesce(sum(hashtext(t::text)), 0) from tmdb.{name} t)" for name in SOME)
        while not over.is_set():
            builds.add(database.rows(f"select {counts}")[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for state in (states[1], states[0], states[1]):
            moved(lake, state)
            export(lake, database.url, *SOME)
    finally:
        over.set()
        reader.join()
    assert 1 <= len(builds) <= 2


def test_rows_whose_key_is_not_unique_are_exported_without_it(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keyed(names: tuple[str, ...]) -> Exported:
        (table,) = look(FolderStorage(lake), ("movie_genre",)).tables
        object.__setattr__(table.spec, "key", names)
        try:
            return export(lake, database.url, "movie_genre", full=True)["movie_genre"]
        finally:
            object.__setattr__(table.spec, "key", ("movie_id", "position"))

    assert keyed(("movie_id",)).notes == ("no primary key: (movie_id) is not unique, or NULL somewhere",)
    check_equal(lake, database, "movie_genre")
    assert keyed(("movie_id", "position")).notes == ()
    assert keyed(("position",)).notes != ()
    check_equal(lake, database, "movie_genre")
    assert keyed(("movie_id", "position")).notes == ()
    keys = database.rows(
        "select count(*) from pg_constraint where conrelid = 'tmdb.movie_genre'::regclass and contype = 'p'"
    )
    assert keys == [(1,)]


def test_a_character_that_postgresql_refuses_is_replaced_and_counted(lake: Path, database: Database) -> None:
    bring(lake, own_rows("a\0b", "\0", "plain"))
    done = export(lake, database.url, OWN)[OWN]
    assert done.notes == ("2 texts had NUL characters, which PostgreSQL refuses: now \ufffd",)
    texts = {text for (text,) in database.rows(f"select remark from tmdb.{OWN}")}
    assert texts == {"a\ufffdb", "\ufffd", "plain", None}


def test_what_postgresql_would_cut_or_refuse_is_refused_with_what_to_do(lake: Path) -> None:
    (table,) = look(FolderStorage(lake), (OWN,)).tables
    check_fits(table)
    spec = replace(table.spec, name="x" * 64)
    with pytest.raises(ConfigError, match=r"names of up to 63 bytes, and x+ is longer: import it under a shorter name"):
        check_fits(replace(table, spec=spec))
    spec = replace(table.spec, columns=(replace(table.spec.columns[0], name="ü" * 32),))
    with pytest.raises(ConfigError, match=r"names of up to 63 bytes, and 'ü+' of my_ratings is longer: shorten it in"):
        check_fits(replace(table, spec=spec))
    spec = replace(table.spec, columns=(replace(table.spec.columns[0], name="xmin"),))
    with pytest.raises(ConfigError, match="has a column xmin, a name that PostgreSQL keeps for itself: rename it"):
        check_fits(replace(table, spec=spec))
    spec = replace(table.spec, columns=tuple(replace(table.spec.columns[0], name=f"c{at}") for at in range(1601)))
    with pytest.raises(ConfigError, match="up to 1,600 columns, and my_ratings has 1,601: name other tables with"):
        check_fits(replace(table, spec=spec))


@pytest.mark.parametrize("schema", ["s" * 64, "ü" * 32])
def test_a_schema_that_postgresql_would_cut_is_refused_before_anything_is_asked(lake: Path, schema: str) -> None:
    with pytest.raises(ConfigError, match=r"^schema: PostgreSQL has names of up to 63 bytes, and this one has 64: sho"):
        target_of("postgresql://nobody@127.0.0.1:1/none", schema)


def test_the_longest_schema_and_the_widest_table_are_taken(lake: Path, database: Database) -> None:
    storage = FolderStorage(lake)
    to = target_of(database.url, "ü" * 31 + "s")

    def put(value: object, kind: str) -> None:
        wide = pa.table({f"c{at}": pa.array([value]) for at in range(1600)})
        version = write_delta(storage, "imports/wide", wide.to_reader(), mode="overwrite", user={}, new_schema=True)
        columns = [ImportColumn(name, kind) for name in wide.column_names]
        pin = replace_pin(imported(storage)[OWN], version=version, rows=1, columns=columns, fingerprint=kind)
        pin_import(storage, "wide", pin, imported(storage).get("wide"))
        to.export(look(storage, ("wide",)), full=False, step=lambda text: None)

    put(True, "boolean")
    assert database.rows(f'select c1599 from "{"ü" * 31}s".wide') == [(True,)]
    with pytest.raises(
        ReelhouseError, match=r"too wide for PostgreSQL .row is too big: .*: name other tables with --ta"
    ):
        put(1, "bigint")
    assert database.rows(f'select c1599 from "{"ü" * 31}s".wide') == [(True,)]


def test_a_key_that_a_person_gave_to_an_import_stays(lake: Path, database: Database) -> None:
    bring(lake, own_rows("a", "b").slice(0, 2))
    export(lake, database.url, OWN)
    database.run(f"alter table tmdb.{OWN} add primary key (movie_id)")
    bring(lake, own_rows("c", "d", "e").slice(0, 3))
    export(lake, database.url, OWN)
    check_equal(lake, database, OWN)
    query = f"select count(*) from pg_constraint where conrelid = 'tmdb.{OWN}'::regclass and contype = 'p'"
    assert database.rows(query) == [(1,)]


def test_two_exports_at_a_time_do_not_meet(lake: Path, database: Database) -> None:
    inside: list[str] = []

    def load(
        link: Link, schema: str, name: str, snapshot: LakeSnapshot, table: ExportTable, keep: pa.Table | None
    ) -> Loaded:
        with pytest.raises(ReelhouseError, match="another export into schema tmdb is under way"):
            export(lake, database.url, "dim_genre")
        inside.append(name)
        return load_by_copy(link, schema, name, snapshot, table, keep)

    PostgresTarget(database.url, "tmdb", load).export(look(FolderStorage(lake), ("movie",)), full=False, step=print)
    assert inside
    check_equal(lake, database, "movie")


@pytest.mark.long
@pytest.mark.parametrize("how", ["line", "backend"])
def test_a_connection_lost_in_the_middle_changes_nothing(
    lake: Path, states: tuple[Path, Path], database: Database, how: str
) -> None:
    export(lake, database.url, *SOME)
    moved(lake, states[1])
    with line_to(database.port) as line:
        url = database.as_user("postgres", port=line.port)
        loads = iter(range(10))

        def load(
            link: Link, schema: str, name: str, snapshot: LakeSnapshot, table: ExportTable, keep: pa.Table | None
        ) -> Loaded:
            if next(loads) == 1:
                if how == "line":
                    line.cut()
                else:
                    query = (
                        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reelhouse'"
                    )
                    assert database.rows(query) == [(True,)]
            return load_by_copy(link, schema, name, snapshot, table, keep)

        with pytest.raises(LostError, match=r"was lost, and its tables are as they were") as raised:
            PostgresTarget(url, "tmdb", load).export(look(FolderStorage(lake), SOME), full=True, step=print)
    assert PASSWORD not in str(raised.value)
    check_equal(states[0], database, *SOME)
    _when_free(lambda: export(lake, database.url, *SOME))
    check_equal(lake, database, *SOME)
    assert names_of(database) == {*SOME, "reelhouse_export"}


@pytest.mark.long
@pytest.mark.parametrize("after", [2_000, 10_000, 30_000, 60_000, 75_000])
def test_a_line_cut_anywhere_leaves_all_or_nothing(
    lake: Path, states: tuple[Path, Path], database: Database, after: int
) -> None:
    export(lake, database.url, *SOME)
    moved(lake, states[1])
    with line_to(database.port, after=after) as line:
        try:
            export(lake, database.as_user("postgres", port=line.port), *SOME, full=True)
        except ReelhouseError:
            assert line.cuts
            check_equal(states[0], database, *SOME)
    _when_free(lambda: export(lake, database.url, *SOME))
    check_equal(lake, database, *SOME)


def _when_free(work: object) -> None:
    """Call *work* once the server has noticed that the other connection is gone."""
    assert callable(work)
    for _ in range(200):
        try:
            work()
        except ReelhouseError as exc:
            if "under way" not in str(exc):
                raise
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("the server keeps a lost connection's lock")


def test_what_an_ended_export_left_is_cleared_away(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run("create table tmdb.reelhouse_new__movie (a int)", "create table tmdb.reelhouse_touched__x (a int)")
    export(lake, database.url, "movie")
    assert names_of(database) == {"movie", "reelhouse_export"}


@contextmanager
def _role(database: Database, *grants: str) -> Iterator[str]:
    database.run("drop role if exists clerk", f"create role clerk login password '{PASSWORD}'", *grants)
    try:
        yield database.as_user("clerk")
    finally:
        database.run("drop owned by clerk", "drop role clerk")


def test_without_rights_an_export_says_so_and_changes_nothing(
    lake: Path, states: tuple[Path, Path], database: Database
) -> None:
    with _role(database) as url, pytest.raises(ConfigError, match=r"permission denied for database .*grant it"):
        export(lake, url, "movie")
    export(lake, database.url, "movie")
    moved(lake, states[1])
    with (
        _role(
            database, "grant usage on schema tmdb to clerk", "grant select on all tables in schema tmdb to clerk"
        ) as url,
        pytest.raises(ConfigError, match="permission denied for schema tmdb"),
    ):
        export(lake, url, "movie")
    check_equal(states[0], database, "movie")


def test_a_schema_of_ones_own_is_all_that_a_user_needs(lake: Path, database: Database) -> None:
    with _role(database, "create schema clerks authorization clerk") as url:
        export(lake, url, "movie", schema="clerks")
        assert export(lake, url, "movie", schema="clerks")["movie"].how == "unchanged"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda url: url.replace(PASSWORD, "wrong-and-not-shown"), "password authentication failed"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", 'database "nowhere" does not exist'),
        (lambda url: url.replace("@127.0.0.1", "@127.0.0.1:1/x?host=127.0.0.1&port=1&x="), "cannot be reached"),
        (lambda url: url.replace(PASSWORD, "wrong and-not-shown"), "cannot be reached"),
        (lambda url: url + "?password=wrong-and-not-shown", "password authentication failed"),
        (lambda url: url.replace("127.0.0.1", "[127.0.0.1"), "cannot be reached"),
    ],
)
def test_an_address_that_does_not_work_is_named_without_its_password(
    lake: Path, database: Database, change: object, why: str
) -> None:
    assert callable(change)
    with pytest.raises(ConfigError, match=why) as raised:
        export(lake, change(database.url), "movie")
    assert PASSWORD not in str(raised.value)
    assert "not-shown" not in str(raised.value)


MISREAD = ("not/shown", "12/not-shown", "not?shown", "not#shown", "not@shown", "n:o@t/shown", "n%zzot-shown")


@pytest.mark.parametrize("password", MISREAD)
def test_a_password_that_is_written_wrongly_is_not_shown_either(lake: Path, database: Database, password: str) -> None:
    with pytest.raises(ConfigError) as raised:
        export(lake, database.url.replace(PASSWORD, password), "movie")
    assert "shown" not in str(raised.value)
    assert "zz" not in str(raised.value)
    assert str(raised.value).startswith("postgresql://")
    assert "%" in password or "write %40 for @, %2F for /" in str(raised.value)


@pytest.mark.parametrize("address", ["postgresql:/me:secret@host/db", "host=localhost user=me password=secret"])
def test_a_mistyped_address_is_not_repeated_with_its_password(address: str) -> None:
    with pytest.raises(ConfigError, match=r"is expected$"):
        target_of(address)


def test_libpq_completes_an_address_from_the_environment(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in database.environ.items():
        monkeypatch.setenv(name, value)
    export(lake, "postgresql://", "movie")
    check_equal(lake, database, "movie")


def test_what_is_shown_of_an_address_has_no_password() -> None:
    assert shown(f"postgresql://me:{PASSWORD}@host:5432/db?password={PASSWORD}&sslmode=require") == (
        "postgresql://me@host:5432/db?sslmode=require"
    )
    for query in (f"sslpassword={PASSWORD}", f"password%20={PASSWORD}", f"user=me;password={PASSWORD}"):
        assert shown(f"postgresql://host/db?{query}") == "postgresql://host/db"
        assert PASSWORD not in why_refused(f"postgresql://host/db?{query}", f'invalid "{PASSWORD}"')
    assert PASSWORD not in target_of(f"postgresql://me:{PASSWORD}@host/db").place


def test_texts_are_the_same_whatever_the_encoding_of_the_database_or_of_the_client(
    lake: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    bring(lake, own_rows("Amélie"))
    for encoding in ("UTF8", "LATIN1"):
        database = postgres.database(f"encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'")
        export(lake, database.url, OWN)
        found = database.rows(f"select convert_to(remark, 'UTF8') from tmdb.{OWN} where remark is not null")
        assert found == [("Amélie".encode(),)]
    bring(lake, own_rows("七人の侍"))
    with pytest.raises(ReelhouseError, match=r"no equivalent in encoding .LATIN1.: export into a database of `"):
        export(lake, database.url, OWN)


def test_columns_of_others_stay_or_the_export_is_refused(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run(
        "alter table tmdb.movie add column search tsvector generated always as (to_tsvector('simple', title)) stored",
        "create index words on tmdb.movie using gin (search)",
    )
    export(lake, database.url, "movie", full=True)
    check_equal(lake, database, "movie")
    assert database.rows("select count(*) from tmdb.movie where search @@ to_tsquery('simple', 'the')")[0][0] > 0
    assert database.rows("select count(*) from pg_indexes where indexname = 'words'") == [(1,)]
    database.run("alter table tmdb.movie add column my_note text", "update tmdb.movie set my_note = 'seen'")
    with pytest.raises(ReelhouseError, match="tmdb: movie has a column my_note that reelhouse did not make, and"):
        export(lake, database.url, "movie", full=True)
    assert database.rows("select distinct my_note from tmdb.movie") == [("seen",)]


def test_an_export_of_an_older_version_is_gone_on_with(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run("alter table tmdb.reelhouse_export drop column columns", "alter table tmdb.movie add column mine text")
    with pytest.raises(ReelhouseError, match="movie has a column mine that reelhouse did not make"):
        export(lake, database.url, "movie", full=True)
    database.run("alter table tmdb.movie drop column mine")
    export(lake, database.url, "movie", full=True)
    check_equal(lake, database, "movie")
    assert database.rows("select count(*) from tmdb.reelhouse_export where columns like '[\"movie_id\"%'") == [(1,)]


def test_a_table_that_was_renamed_keeps_the_name_of_its_key(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run("alter table tmdb.movie rename to movie_of_monday")
    export(lake, database.url, "movie")
    check_equal(lake, database, "movie")
    query = "select count(*) from pg_constraint where conrelid = 'tmdb.movie'::regclass and contype = 'p'"
    assert database.rows(query) == [(1,)]


def test_a_row_that_no_export_noted_is_named(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run("insert into tmdb.reelhouse_export (table_name) values ('mine')")
    with pytest.raises(ReelhouseError, match=r"tmdb\.reelhouse_export has a row that no export wrote"):
        export(lake, database.url, "movie")


def test_rows_of_a_table_that_inherits_are_not_deleted(lake: Path, database: Database) -> None:
    export(lake, database.url, "movie")
    database.run(
        "create table public.my_movies () inherits (tmdb.movie)",
        "insert into public.my_movies (movie_id) values (-1)",
    )
    with pytest.raises(ReelhouseError, match=r"my_movies would lose its rows: it inherits from tmdb.movie, .*; end"):
        export(lake, database.url, "movie")
    assert database.rows("select movie_id from public.my_movies") == [(-1,)]
    database.run("alter table public.my_movies no inherit tmdb.movie")
    export(lake, database.url, "movie")
    check_equal(lake, database, "movie")


def test_functions_that_somebody_else_put_into_the_search_path_are_not_called(
    lake: Path, states: tuple[Path, Path], database: Database
) -> None:
    with hijacked(database):
        for state in (states[0], states[1]):
            moved(lake, state)
            bring(lake, own_rows(str(state)))
            export(lake, database.url, *SOME, OWN)
        export(lake, database.url, *SOME, OWN, full=True)
    check_equal(lake, database, *SOME, OWN)


@pytest.mark.parametrize("change", ["alter column vote_average type integer", "drop column tagline"])
def test_columns_that_somebody_changed_are_made_again(
    lake: Path, states: tuple[Path, Path], database: Database, change: str
) -> None:
    export(lake, database.url, "movie")
    database.run(f"alter table tmdb.movie {change}")
    moved(lake, states[1])
    assert export(lake, database.url, "movie")["movie"].how == "full"
    check_equal(lake, database, "movie")


@pytest.mark.parametrize(
    "guard",
    [
        ("create rule kept as on delete to tmdb.movie do instead nothing",),
        (
            "create function kept() returns trigger language plpgsql as $$ begin return null; end $$",
            "create trigger kept before delete on tmdb.movie for each row execute function kept()",
        ),
    ],
)
def test_rows_that_the_database_does_not_let_go_are_an_error(
    lake: Path, states: tuple[Path, Path], database: Database, guard: tuple[str, ...]
) -> None:
    export(lake, database.url, "movie")
    database.run(*guard)
    moved(lake, states[1])
    with pytest.raises(ReelhouseError, match="rows of movie in tmdb that are out of date were not deleted"):
        export(lake, database.url, "movie")


def test_triggers_find_what_they_use_as_for_every_program_of_the_user(
    lake: Path, states: tuple[Path, Path], database: Database
) -> None:
    export(lake, database.url, "movie")
    database.run(
        "create schema mine",
        "create table mine.seen (movie_id bigint)",
        "create function mine.note() returns trigger language plpgsql as "
        "$$ begin insert into seen values (new.movie_id); return new; end $$",
        "create trigger note after insert on tmdb.movie for each row execute function mine.note()",
        f'alter role postgres in database {database.name} set search_path = mine, "$user"',
    )
    moved(lake, states[1])
    export(lake, database.url, "movie")
    assert database.rows("select count(*) > 0 from mine.seen") == [(True,)]
