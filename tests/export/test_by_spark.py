"""Apache Spark exports by JDBC what this process exports by COPY."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reelhouse.engines.postgres_jdbc import DRIVER, jdbc_of, with_driver
from reelhouse.errors import ConfigError
from reelhouse.serve.export.tables import look
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from tests.end_to_end.conftest import REPOSITORY
from tests.export.lakes import OWN, bring, counted, own_rows, rows_of
from tests.export.reading_back import AGAIN
from tests.export.targets import export
from tests.postgres import PASSWORD, Postgres

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"


SOME = ("movie", "movie_genre", "dim_genre", OWN)


@pytest.fixture(scope="session")
def states(states_of_all: tuple[Path, Path]) -> tuple[Path, Path]:
    return states_of_all


@pytest.mark.skipif(
    not (SPARK.exists() and shutil.which("java")),
    reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark",
)
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [SOME, pytest.param((), marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_spark_exports_the_rows_that_copy_exports(
    lake: Path, states: tuple[Path, Path], postgres: Postgres, tmp_path: Path, names: tuple[str, ...]
) -> None:
    database = postgres.database()
    texts = own_rows("a\0b", "", None, "ünïcödé 🎬", 'with "quotes"\n')
    bring(lake, texts)
    after = Path(shutil.copytree(states[1], tmp_path / "after"))
    bring(after, texts)
    export(lake, database.url, *names, schema="by_copy")
    first, second, *broken = _by_spark(lake, after, database.url, tmp_path, *names)
    assert {how for _, _, how, _ in first} == {"full"}
    assert {how for name, _, how, _ in second if name != "dim_genre"} == {"incremental"}
    assert [notes for name, _, _, notes in first if name == OWN] == [
        ["1 texts had NUL characters, which PostgreSQL refuses: now \ufffd"]
    ]
    assert len(broken) == 2
    for said in broken:
        assert said.startswith("LostError: movie: Spark lost its connection to the database, whose tables are as they")
        assert PASSWORD not in said
    export(lake, database.url, *AGAIN, schema="by_copy")
    tables = look(FolderStorage(lake), names or None).tables
    for table in tables:
        columns = ", ".join(f'"{name}"' for name in table.spec.column_names)
        by_spark = counted(database.arrow(f'select {columns} from by_spark."{table.name}"'))
        assert by_spark == counted(database.arrow(f'select {columns} from by_copy."{table.name}"')), table.name
        if table.name in AGAIN:
            assert by_spark == counted(rows_of(lake, table.name)), table.name
    indexes = "select indexname::text, replace(indexdef, schemaname, '') from pg_indexes where schemaname = "
    assert sorted(database.rows(f"{indexes}'by_spark'")) == sorted(database.rows(f"{indexes}'by_copy'"))


def _by_spark(lake: Path, after: Path, url: str, cwd: Path, *names: str) -> list[Any]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "REELHOUSE_", "PG"))}
    env.pop("XDG_CACHE_HOME", None)
    env["PYTHONPATH"] = str(REPOSITORY)
    command = [str(SPARK), "-m", "tests.export.reading_back", str(lake), str(after), "by_spark", url, *names]
    done = subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, timeout=1700 if not names else 840, check=False
    )
    if "UNRESOLVED DEPENDENCIES" in (done.stderr + done.stdout).upper():
        pytest.skip("the jars of Delta and of PostgreSQL's driver cannot be had here")
    assert done.returncode == 0, done.stderr[-3000:]
    assert PASSWORD not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()[-4:]]


def test_spark_is_given_the_address_that_libpq_would_take(tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text("# none\nother:*:*:me:wrong\nhost:5433:some\\:db:me:right\\:one\n*:*:*:*:last\n")
    environ = {"PGPASSFILE": str(passwords), "PGPORT": "5433", "PGUSER": "me", "PGSSLMODE": "require"}
    found = jdbc_of("postgresql://host/some%3Adb", environ)
    assert found.url.startswith("jdbc:postgresql://host:5433/some%3Adb?sslmode=require&")
    assert found.properties == {"user": "me", "password": "right:one"}
    assert jdbc_of("postgresql://you@host/db", environ).properties == {"user": "you", "password": "last"}
    stated = jdbc_of("postgresql://you:s%40me@host:1/db?sslmode=disable", environ)
    assert stated.properties["password"] == "s@me"
    assert "s@me" not in repr(stated)
    assert "s%40me" not in stated.url
    assert "sslmode=disable" in stated.url
    assert jdbc_of("postgresql://you@host/db", {"PGPASSFILE": "/nowhere"}).properties == {"user": "you"}
    assert jdbc_of("postgresql://you@[::1]:5433/db", {}).url.startswith("jdbc:postgresql://[::1]:5433/db?")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://me@/db?host=/run/postgresql", "socket"),
        ("postgresql://host/db", "the user"),
        ("postgresql://me@host/db?options=-csearch_path", "not options"),
        ("postgresql://me@host:port/db", "postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://me:se/cret@host/db", r"^postgresql://\.\.\.: it contains reserved characters"),
    ],
)
def test_addresses_that_spark_cannot_use_are_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        jdbc_of(url, {})


def test_spark_gets_the_driver_unless_it_is_stated() -> None:
    assert with_driver(Settings()).spark_conf["spark.jars.packages"] == DRIVER
    own = Settings(spark_conf={"spark.jars.packages": "a:b:1"})
    assert with_driver(own).spark_conf["spark.jars.packages"] == f"a:b:1,{DRIVER}"
    other = Settings(spark_conf={"spark.jars": "/opt/postgresql-42.7.1.jar"})
    assert with_driver(other) is other
