"""What the commands print and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import deltalake
import pytest

from reelhouse.emulator import Emulator
from tests.end_to_end.conftest import environment, printed_json
from tests.in_process import reelhouse


class World:
    """A synced lake and the way to ask it."""

    def __init__(self, tmdb: Emulator, lake: Path) -> None:
        self.lake = lake
        self.env = environment(tmdb, lake)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        done = reelhouse(*arguments, env=self.env, cwd=self.lake.parent)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def world(catalogue: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(catalogue, tmp_path_factory.mktemp("commands") / "lake")
    code, _, errors = made.run("sync", "--top", "300")
    assert code == 0, errors
    yield made


@pytest.mark.long
def test_sql_prints_one_array_of_objects_as_json(world: World) -> None:
    code, out, _ = world.run("sql", "select movie_id, title from movie order by movie_id limit 2", "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert [sorted(row) for row in rows] == [["movie_id", "title"]] * 2


@pytest.mark.long
def test_sql_writes_csv_to_a_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    code, out, _ = world.run("sql", "select count(*) as n from movie", "--format", "csv", "--output", str(path))
    assert (code, out) == (0, "")
    assert list(csv.DictReader(io.StringIO(path.read_text()))) == [{"n": "300"}]


def test_the_name_of_the_file_decides_the_format(world: World, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    query = "select 1 as n, 'a' as t union all select 2, null order by 1"
    rows = [{"n": 1, "t": "a"}, {"n": 2, "t": None}]
    for name in ("out.csv", "out.json", "out.JSONL", "out.parquet", "out.txt"):
        code, out, errors = world.run("sql", query, "--output", str(tmp_path / name))
        assert (code, out) == (0, ""), errors
    assert (tmp_path / "out.csv").read_text() == "n,t\n1,a\n2,\n"
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    assert [json.loads(line) for line in (tmp_path / "out.JSONL").read_text().splitlines()] == rows
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows
    assert "2 rows, 2 columns" in (tmp_path / "out.txt").read_text()
    code, out, errors = world.run("sql", query, "--output", str(tmp_path / "out.jsnl"))
    assert (code, out) == (2, "")
    assert "(did you mean '.jsonl'?)" in errors
    assert not (tmp_path / "out.jsnl").exists()


def test_a_query_comes_from_a_file_or_from_stdin_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "query.sql").write_text("select 'é' as letter -- one\n;\n")
    code, out, errors = world.run("sql", "-f", str(tmp_path / "query.sql"), "--json")
    assert (code, json.loads(out)) == (0, {"rows": [{"letter": "é"}]}), errors
    (tmp_path / "odd.sql").write_bytes(b"select '\xe9'")
    for given, expected in (("query.sql", (0, "letter\né\n")), ("odd.sql", (2, ""))):
        stdin = (tmp_path / given).read_bytes()
        done = reelhouse("sql", "-", "--format", "csv", env=world.env, cwd=tmp_path, given=stdin)
        assert (done.returncode, done.stdout) == expected
    code, out, errors = world.run("sql")
    assert (code, out) == (2, "")
    assert "a query is expected" in errors


@pytest.mark.parametrize("form", ["table", *(pytest.param(form, marks=pytest.mark.long) for form in ("csv", "json"))])
def test_a_closed_output_is_no_traceback(world: World, form: str) -> None:
    command = f"{sys.executable} -m reelhouse.cli.main sql 'select 1' --format {form} >&-"
    done = subprocess.run(command, shell=True, env=world.env, stderr=subprocess.PIPE, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.startswith("reelhouse: ")) == (1, True)


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet"])
def test_two_columns_of_one_name_are_refused_where_one_would_be_lost(world: World, form: str) -> None:
    code, out, errors = world.run("sql", "select 1 as n, 2 as n", "--format", form)
    assert (code, out) == (2, "")
    assert "two columns of the query are named 'n'; give one another name by AS" in errors
    assert world.run("sql", "select 1 as n, 2 as n", "--format", "csv")[1] == "n,n\n1,2\n"


@pytest.mark.long
def test_sql_writes_into_no_device_and_not_into_the_lake(world: World, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(world.lake / "raw")
    os.mkfifo(tmp_path / "pipe")
    for path in (os.devnull, tmp_path / "pipe", world.lake / "reelhouse.toml", tmp_path / "link" / "out.csv"):
        code, out, errors = world.run("sql", "select 1", "--format", "csv", "--output", str(path))
        assert (code, out) == (2, "")
        assert errors.startswith(f"reelhouse: output: {path} ")
    assert not (world.lake / "reelhouse.toml").exists()


@pytest.mark.parametrize(
    "query",
    ["insert overwrite directory '/tmp/x' select 1", "select * from text.`/etc/passwd`", "select sum( from movie"],
)
def test_sql_that_is_no_query_over_the_lake_is_one_line_and_exit_code_2(world: World, query: str) -> None:
    code, out, errors = world.run("sql", query)
    assert (code, out) == (2, "")
    assert errors.startswith("reelhouse: sql: ")
    assert errors.count("\n") == 1


def test_a_mistake_in_sql_is_one_line_and_exit_code_1(world: World) -> None:
    code, out, errors = world.run("sql", "select nothing from nowhere")
    assert (code, out) == (1, "")
    assert "nowhere" in errors
    assert "Traceback" not in errors


def test_status_and_verify_agree_with_the_run(world: World) -> None:
    code, out, _ = world.run("status", "--json")
    assert code == 0
    assert json.loads(out)["entities"]["movie"]["landed"] == 300
    code, out, _ = world.run("verify", "--json")
    assert (code, json.loads(out)["problems"]) == (0, [])


def test_the_data_dictionary_counts_rows_and_names_units(world: World) -> None:
    code, out, _ = world.run("tables", "--json")
    rows = {each["name"]: each["rows"] for each in json.loads(out)["tables"]}
    assert (code, rows["movie"], rows["dim_movie"]) == (0, 300, rows["movie_flat"])
    code, out, _ = world.run("tables", "movie", "--json")
    columns = {each["name"]: each for each in json.loads(out)["columns"]}
    assert (code, columns["budget"]["type"]) == (0, "bigint")


def test_the_data_dictionary_shows_keys_joins_and_how_other_programs_read_a_table(world: World) -> None:
    code, out, _ = world.run("tables", "bridge_movie_genre", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["key"] == ["movie_id", "genre_id"]
    assert found["joins"] == {"movie_id": ["dim_movie", "fact_movie"], "genre_id": ["dim_genre"]}
    files = found["files"]
    assert Path(files["folder"]) == world.lake / "marts/bridge_movie_genre"
    frame = eval(files["pandas"], {"deltalake": deltalake})
    assert (len(frame), list(frame.columns)) == (found["rows"], [each["name"] for each in found["columns"]])
    code, out, _ = world.run("sql", found["example"], "--json")
    assert (code, len(json.loads(out)["rows"])) == (0, 10)
    code, out, _ = world.run("tables", "bridge_movie_genre")
    lines = out.splitlines()
    assert f"files    {files['folder']} (Delta Lake, version {files['version']})" in lines
    assert f"DuckDB   select * from delta_scan('{files['folder']}') -- the newest version" in lines
    assert f"Polars   polars.read_delta('{files['folder']}', version={files['version']})" in lines


def test_a_build_of_nothing_new_does_nothing(world: World) -> None:
    code, out, _ = world.run("build", "--json")
    assert (code, json.loads(out)["done"]) == (0, False)


@pytest.mark.long
def test_without_a_build_sql_says_what_to_do(world: World, tmp_path: Path) -> None:
    lake = str(tmp_path / "unbuilt")
    assert reelhouse("--lake", lake, "collect", "--top", "5", env=world.env, cwd=tmp_path).returncode == 0
    done = reelhouse("--lake", lake, "sql", "select 1", env=world.env, cwd=tmp_path)
    assert done.returncode == 1
    assert "reelhouse build" in done.stderr


def test_a_table_that_lost_rows_turns_verify_red(world: World, catalogue: Emulator, tmp_path: Path) -> None:
    lake = Path(shutil.copytree(world.lake, tmp_path / "lake"))
    env = environment(catalogue, lake)
    victim = next((lake / "tables" / "movie").glob("**/*.parquet"))
    victim.unlink()
    done = reelhouse("verify", "--json", env=env, cwd=tmp_path)
    assert done.returncode == 1
    assert any("movie" in problem for problem in printed_json(done)["problems"])


def test_the_demo_answers_three_questions(tmp_path: Path, world: World) -> None:
    done = reelhouse("demo", "--movies", "100", env=world.env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo-lake" / "marts" / "fact_movie").is_dir()
    assert str(tmp_path / "demo-lake.html") in done.stderr
    assert "What it says" in (tmp_path / "demo-lake.html").read_text(encoding="utf-8")
    assert "complete, no quarantine" in done.stdout


@pytest.mark.long
def test_a_table_for_a_person_shows_ids_years_and_brackets_as_they_are(world: World) -> None:
    code, out, _ = world.run("sql", "select 2020 as year, 1234567 as id, '[REC]' as title")
    assert code == 0
    assert all(shown in out for shown in (" 2020 ", " 1234567 ", " [REC] "))


@pytest.mark.long
def test_a_list_with_an_imdb_id_that_tmdb_does_not_know_is_whole_and_clean(catalogue: Emulator, tmp_path: Path) -> None:
    links = tmp_path / "links.csv"
    known = next(iter(popular(catalogue)))
    links.write_text(f"movieId,imdbId,tmdbId\n1,9999998,\n2,,{known}\n3,,\n")
    done = reelhouse("sync", "--ids", str(links), "--json", env=environment(catalogue, tmp_path / "lake"), cwd=tmp_path)
    found = printed_json(done)
    assert (done.returncode, found["verify"]["problems"]) == (0, []), done.stderr
    assert (found["landed"], found["gone"], found["build"]["rows"]["quarantine"]) == (1, 1, 0)


def popular(catalogue: Emulator) -> list[int]:
    """Some ids of the catalogue, from its list of popular titles."""
    request = urllib.request.Request(f"{catalogue.url}/movie/popular", headers={"Authorization": "Bearer x"})
    with urllib.request.urlopen(request) as answer:
        return [row["id"] for row in json.load(answer)["results"]]
