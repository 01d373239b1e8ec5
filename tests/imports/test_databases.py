"""Tables of databases: PostgreSQL by ADBC, DuckDB and SQLite by their own libraries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelhouse.imports.postgres import Postgres as Source
from reelhouse.imports.postgres import opened
from reelhouse.warehouse.import_registry import ImportColumn
from tests.broken_lines import line_to
from tests.imports.conftest import Importer
from tests.postgres import PASSWORD, Database, Postgres, hijacked

TABLE = """
create table movies.box_office (
    id integer primary key, gross numeric(12, 2), exact numeric, title varchar(40), released date, seen timestamp,
    announced timestamptz, tags text[], about jsonb, hit boolean, score real, raw bytea, at time, "Studio Name" text
)
"""
ROWS = """
insert into movies.box_office values
    (1, 373554033.50, 3.14159, 'Toy Story', '1995-12-22', '2026-01-01 10:00', '2026-01-01 10:00+02',
     '{toys,friends}', '{"a": 1}', true, 0.5, '\\x00ff', '10:30', 'Pixar'),
    (2, null, null, 'É o "Fim"', null, null, null, null, null, null, null, null, null, null)
"""
TYPES = {
    "id": "bigint",
    "gross": "decimal(12,2)",
    "exact": "string",
    "title": "string",
    "released": "date",
    "seen": "timestamp",
    "announced": "timestamp",
    "tags": "string",
    "about": "string",
    "hit": "boolean",
    "score": "double",
    "raw": "string",
    "at": "string",
    "Studio_Name": "string",
}


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    made = postgres.database()
    made.run("create schema movies", TABLE, ROWS)
    yield made


def test_a_table_of_postgresql_comes_with_types_that_lose_nothing(lake: Importer, database: Database) -> None:
    found = lake.bring("box", "--from", database.url, "--table", "movies.box_office")
    assert {one["name"]: one["type"] for one in found["columns"]} == TYPES
    assert found["notes"] == [
        "exact: numeric has more digits than a column can hold: kept as text",
        "seen: instants without a time zone are taken as UTC",
    ]
    first, second = lake.rows("box")
    assert first == {
        "id": 1,
        "gross": Decimal("373554033.50"),
        "exact": "3.14159",
        "title": "Toy Story",
        "released": date(1995, 12, 22),
        "seen": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "announced": datetime(2026, 1, 1, 8, tzinfo=UTC),
        "tags": "{toys,friends}",
        "about": '{"a": 1}',
        "hit": True,
        "score": 0.5,
        "raw": "\\x00ff",
        "at": "10:30:00",
        "Studio_Name": "Pixar",
    }
    assert (second["title"], {*second.values()}) == ('É o "Fim"', {2, 'É o "Fim"', None})


def test_texts_do_not_depend_on_the_styles_of_a_role(lake: Importer, database: Database) -> None:
    database.run(
        "create table t (a date[], b interval, c bytea, d float8[])",
        "insert into t values ('{2026-11-30}', '1 day 2 hours', '\\x00ff', '{0.1234567890123456}')",
        *(
            f"alter role postgres in database {database.name} set {style}"
            for style in (
                "datestyle = 'German'",
                "intervalstyle = 'iso_8601'",
                "bytea_output = 'escape'",
                "extra_float_digits = -10",
            )
        ),
    )
    lake.bring("t", "--from", database.url, "--table", "t")
    assert lake.rows("t") == [{"a": "{2026-11-30}", "b": "1 day 02:00:00", "c": "\\x00ff", "d": "{0.1234567890123456}"}]


def test_a_pooler_that_drops_the_search_path_is_refused(lake: Importer, database: Database) -> None:
    database.run("create table t (a int)")
    with line_to(database.port, replaced=(b"-csearch_path=pg_catalog", b"-capplication_name=apool")) as line:
        done = lake.run("t", "--from", database.as_user("postgres", port=line.port), "--table", "t")
    assert done.exit_code == 2
    assert "a pooler refuses or drops the search path" in done.stderr


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_texts_come_as_they_are_whatever_the_encoding_of_the_database_or_of_the_client(
    lake: Importer, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    database = postgres.database(f"encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'")
    monkeypatch.setenv("PGCLIENTENCODING", "UTF8")
    database.run("create table t (title text)", "insert into t values ('a'), ('Amélie'), ('z')")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    lake.bring("t", "--from", database.url, "--table", "t")
    assert {row["title"] for row in lake.rows("t")} == {"a", "Amélie", "z"}


def test_a_text_that_is_not_utf_8_is_refused(lake: Importer, tmp_path: Path) -> None:
    texts = pa.array([b"a", b"Am\xe9lie", b"z"]).view(pa.string())
    pq.write_table(pa.table({"title": texts}), tmp_path / "t.parquet")
    assert "title has a text that is not UTF-8" in lake.refused("t", str(tmp_path / "t.parquet"))


def test_functions_that_somebody_else_put_into_the_search_path_are_not_called(
    lake: Importer, database: Database
) -> None:
    with hijacked(database):
        lake.bring("box", "--from", database.url, "--table", "movies.box_office")
    assert len(lake.rows("box")) == 2


def test_the_pin_names_the_database_without_its_password(lake: Importer, database: Database) -> None:
    done = lake.run("box", "--from", database.url, "--table", "movies.box_office")
    assert done.exit_code == 0, done.output
    found = f"postgresql://postgres@127.0.0.1:{database.port}/{database.name} movies.box_office"
    assert [source.name for source in lake.pin("box").sources] == [found]
    assert PASSWORD not in done.output + lake.storage.get("_reelhouse/imports.json").decode()


def test_a_database_is_asked_again_each_time_and_its_columns_are_pinned(lake: Importer, database: Database) -> None:
    key = ("box", "--from", database.url, "--table", "movies.box_office")
    lake.bring(*key)
    database.run("delete from movies.box_office where id = 1")
    assert lake.bring(*key)["imported"]
    assert [row["id"] for row in lake.rows("box")] == [2]
    database.run("alter table movies.box_office alter id type text")
    said = lake.refused(*key)
    assert "column id is string, which is not of type bigint; nothing is changed; --new-schema" in said
    database.run("alter table movies.box_office drop id")
    assert "has no column id, which box has; nothing is changed" in lake.refused(*key)
    assert "id" not in lake.types(*key, "--new-schema")


def test_an_empty_table_is_a_table(lake: Importer, database: Database) -> None:
    database.run("delete from movies.box_office")
    assert lake.bring("box", "--from", database.url, "--table", "movies.box_office")["rows"] == 0


@pytest.mark.long
def test_many_rows_are_streamed_from_one_snapshot(lake: Importer, database: Database) -> None:
    database.run("create table big as select i, i % 7 as w, repeat('x', 100) as t from generate_series(1, 300000) i")
    assert lake.bring("big", "--from", database.url, "--table", "big")["rows"] == 300_000
    assert sum(row["i"] for row in lake.rows("big")) == 300_000 * 300_001 // 2


def test_the_time_zone_of_a_database_moves_no_instant(lake: Importer, database: Database) -> None:
    database.run(f"alter database {database.name} set timezone = 'America/Sao_Paulo'")
    lake.bring("box", "--from", database.url, "--table", "movies.box_office")
    first = lake.rows("box")[0]
    assert first["seen"] == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_numbers_with_more_digits_than_a_decimal_has_are_text(lake: Importer, database: Database) -> None:
    database.run("create table n (a numeric(50, 2), b numeric(2, 5), c numeric(5, -2), d numeric(38, 38))")
    types = lake.types("n", "--from", database.url, "--table", "n")
    assert types == {"a": "string", "b": "string", "c": "string", "d": "decimal(38,38)"}


def test_an_address_that_is_none_is_refused_without_its_password(lake: Importer) -> None:
    url = f"postgresql://postgres:{PASSWORD}@[::1/movies"
    said = lake.refused("t", "--from", url, "--table", "t", code=2)
    assert said.startswith("postgresql://...: ")
    assert PASSWORD not in said


@pytest.mark.parametrize("password", ["not/shown", "12/not-shown", "not?shown", "not@shown", "n%zzot-shown"])
@pytest.mark.parametrize("form", ["postgresql://me:{}@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db?password={}"])
def test_a_password_that_is_written_wrongly_is_not_shown_either(lake: Importer, form: str, password: str) -> None:
    said = lake.refused("t", "--from", form.format(password), "--table", "t", code=2)
    assert "shown" not in said
    assert "zz" not in said


def test_what_others_change_meanwhile_is_not_seen(database: Database) -> None:
    with opened(database.url, "movies.box_office") as table:
        columns = table.columns(None)
        database.run("delete from movies.box_office")
        assert table.count() == sum(map(len, table.batches(columns))) == 2


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("nope", "table: postgresql://postgres@127.0.0.1:*/* has no table 'nope' for this user"),
        ("movies.nope", "table: postgresql://postgres@127.0.0.1:*/* has no table 'movies.nope' for this user"),
    ],
)
def test_a_table_that_is_not_there_is_said(lake: Importer, database: Database, table: str, said: str) -> None:
    found = lake.refused("box", "--from", database.url, "--table", table, code=2)
    assert found == said.replace("*/*", f"{database.port}/{database.name}")


def test_names_are_read_as_sql_reads_them_or_as_they_are_written(lake: Importer, database: Database) -> None:
    database.run('create table "Box Office" as select 1 as a')
    assert lake.bring("a", "--from", database.url, "--table", "Box Office")["rows"] == 1
    assert lake.bring("b", "--from", database.url, "--table", '"Box Office"')["rows"] == 1
    assert lake.bring("c", "--from", database.url, "--table", "MOVIES.Box_Office")["rows"] == 2


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
@pytest.mark.parametrize("column", ["released", "announced"])
def test_days_that_never_come_are_refused(lake: Importer, database: Database, value: str, column: str) -> None:
    database.run(f"update movies.box_office set {column} = '{value}' where id = 2")
    said = lake.refused("box", "--from", database.url, "--table", "movies.box_office")
    assert f"column {column} holds infinity, or a year" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((":*@", ":wrong-one@"), 'password authentication failed for user "postgres"'),
        (("127.0.0.1:", "127.0.0.1:1"), 'invalid port number: "1'),
        (("/test_", "/nope_"), 'database "nope_'),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line_without_a_password(
    lake: Importer, database: Database, change: tuple[str, str], said: str
) -> None:
    url = database.url.replace(change[0].replace("*", PASSWORD), change[1])
    found = lake.refused("box", "--from", url, "--table", "movies.box_office", code=2)
    assert said in found
    assert not {PASSWORD, "wrong-one"} & set(found.replace("@", " ").replace(":", " ").split())


def test_missing_rights_are_one_line(lake: Importer, database: Database) -> None:
    role = f"reader_{database.name}"
    database.run(f"create role {role} login password '{PASSWORD}'", f"grant usage on schema movies to {role}")
    said = lake.refused("box", "--from", database.as_user(role), "--table", "movies.box_office")
    assert said.endswith("permission denied for table box_office")


@pytest.mark.long
def test_a_line_that_breaks_in_the_middle_leaves_the_old_table(
    lake: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("create table big as select i, repeat('x', 500) as t from generate_series(1, 100000) i")
    key = ("big", "--table", "big", "--from")
    lake.bring(*key, database.url)
    before = lake.pin("big")
    batches = Source.batches
    with line_to(database.port) as line:

        def cut_after_one(self: Source, columns: Sequence[ImportColumn]) -> Iterator[Any]:
            found = batches(self, columns)
            yield next(found)
            line.cut()
            yield from found

        monkeypatch.setattr(Source, "batches", cut_after_one)
        said = lake.refused(*key, database.as_user("postgres", port=line.port))
    assert said.startswith(f"postgresql://postgres@127.0.0.1:{line.port}/{database.name}: ")
    assert PASSWORD not in said
    assert lake.pin("big") == before
    assert len(lake.rows("big")) == 100_000


def test_a_table_of_a_duckdb_file_comes_with_its_types(lake: Importer) -> None:
    path = lake.folder / "x.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create schema s")
        connection.execute(
            "create table s.t as select 1::utinyint as a, 1.5::decimal(9,2) as b, '007' as c, date '1995-12-22' as d, "
            "timestamp '2026-01-01 10:00' as e, timestamptz '2026-01-01 10:00+02' as f, [1, 2] as g, {'h': 1} as h, "
            "true as i, 0.5::float as j, 170141183460469231731687303715884105727::hugeint as k"
        )
    found = lake.bring("t", "--from", str(path), "--table", "s.t")
    types = {one["name"]: one["type"] for one in found["columns"]}
    assert types == {
        "a": "bigint",
        "b": "decimal(9,2)",
        "c": "string",
        "d": "date",
        "e": "timestamp",
        "f": "timestamp",
        "g": "string",
        "h": "string",
        "i": "boolean",
        "j": "double",
        "k": "string",
    }
    (row,) = lake.rows("t")
    assert (row["c"], row["e"], row["g"]) == ("007", datetime(2026, 1, 1, 10, tzinfo=UTC), "[1,2]")
    assert "nope" in lake.refused("u", "--from", str(path), "--table", "nope")
    lake.file("y.duckdb", "no database")
    assert lake.refused("u", "--from", str(lake.folder / "y.duckdb"), "--table", "t").startswith("y.duckdb t: ")


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        ("340282366920938463463374607431768211455::uhugeint", "string", "340282366920938463463374607431768211455"),
        ("'-170141183460469231731687303715884105728'::hugeint", "string", "-170141183460469231731687303715884105728"),
        ("7::hugeint", "decimal(38,0)", Decimal(7)),
        ("7::uhugeint", "decimal(38,0)", Decimal(7)),
        ("'01:02:03+01'::timetz", "string", "01:02:03+01"),
    ],
)
def test_what_duckdb_hands_on_changed_is_taken_as_it_is(lake: Importer, value: str, kind: str, found: Any) -> None:
    path = lake.folder / "x.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute(f"create table t as select {value} as a union all select null")
    assert lake.types("t", "--from", str(path), "--table", "t") == {"a": kind}
    assert [row["a"] for row in lake.rows("t")] == [found, None]


@pytest.mark.parametrize(
    "value", ["timestamptz 'infinity'", "timestamp '12026-01-01'", "date '12026-01-01'", "date '0044-03-15 (BC)'"]
)
def test_days_that_never_come_are_refused_from_duckdb_too(lake: Importer, value: str) -> None:
    path = lake.folder / "x.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute(f"create table t as select {value} as a")
    said = lake.refused("t", "--from", str(path), "--table", "t")
    assert said == "x.duckdb t: column a holds infinity, or a year before 1 or after 9999"


def _sqlite(path: Path, *statements: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return str(path)


def test_a_table_of_an_sqlite_file_is_typed_by_its_values(lake: Importer) -> None:
    path = _sqlite(
        lake.folder / "x.sqlite",
        "create table t (a, b, c text, d text, e)",
        "insert into t values (1, 0.5, '007', '1995-12-22', 1), (2, 3, null, '2026-01-01', 'x')",
    )
    types = lake.types("t", "--from", path, "--table", "t")
    assert types == {"a": "bigint", "b": "double", "c": "string", "d": "date", "e": "string"}
    assert lake.rows("t") == [
        {"a": 1, "b": 0.5, "c": "007", "d": date(1995, 12, 22), "e": "1"},
        {"a": 2, "b": 3.0, "c": None, "d": date(2026, 1, 1), "e": "x"},
    ]
    _sqlite(Path(path), "insert into t values ('three', 0, null, null, null)")
    said = lake.refused("t", "--from", path, "--table", "t")
    assert said.startswith("x.sqlite t: row 3: a is 'three', which is not of type bigint; nothing is changed")


def test_what_an_sqlite_file_cannot_give_is_said(lake: Importer) -> None:
    path = _sqlite(lake.folder / "x.sqlite", "create table t (a)", "insert into t values (x'00')")
    assert lake.refused("t", "--from", path, "--table", "t") == (
        "x.sqlite t: column a holds bytes, which no table here does"
    )
    assert lake.refused("t", "--from", path, "--table", "u") == "x.sqlite u: no such table: u"
    lake.file("y.db", "no database at all, only a text that is long enough")
    assert lake.refused("t", "--from", str(lake.folder / "y.db"), "--table", "t") == ("y.db t: file is not a database")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "mysql://host/db", "--table", "t"], "from: postgresql://user@host/database, x.duckdb or x.sqlite"),
        (["--from", "nope.duckdb", "--table", "t"], "nope.duckdb: this file does not exist"),
        (["--from", "x.sqlite"], "import: --from names a database and --table its table: give both"),
        (["--table", "t"], "import: --from names a database and --table its table: give both"),
        (["a.csv", "--from", "x.sqlite", "--table", "t"], "import: files or --from, not both"),
        (
            ["--from", "x.sqlite", "--table", "t", "--null", "-"],
            "import: --null, --no-quotes and --escape are about CSV files",
        ),
    ],
)
def test_what_does_not_go_together_is_said(lake: Importer, arguments: list[str], said: str) -> None:
    assert lake.refused("t", *arguments, code=2).startswith(said)


def test_a_connection_that_is_lost_says_so_and_keeps_what_was_there(lake: Importer, database: Database) -> None:
    database.run(
        "create table t (a int, b text)", "insert into t select i, repeat('x', 99) from generate_series(1, 20000) i"
    )
    lake.bring("t", "--from", database.url, "--table", "t")
    for after in (400, 2_000, 4_000):
        with line_to(database.port, after=after) as line:
            done = lake.run("t", "--from", database.as_user("postgres", port=line.port), "--table", "t")
            assert line.cuts, after
        assert (done.exit_code, "the connection was lost: import again" in done.stderr) == (1, True), done.stderr
    assert len(lake.rows("t")) == 20_000
