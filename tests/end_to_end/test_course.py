"""A lake in the course layout gives the tables of any other, and anybody can read its files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from reelhouse.emulator import Emulator
from tests.end_to_end.conftest import REPOSITORY, environment, printed_json, unset
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.in_process import reelhouse

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"
SPARK_IS_HERE = pytest.mark.skipif(
    not SPARK.exists() or shutil.which("java") is None,
    reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark",
)
COURSE = {"REELHOUSE_LAYOUT": "course", "REELHOUSE_COURSE_KINDS": "true"}
COUNT = 250

PAGE = (REPOSITORY / "docs" / "course.md").read_text(encoding="utf-8")

# What stands around the page's own line.
STUDENT = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
{line}
print(json.dumps({{"rows": movies.count(), "ids": movies.select("id").distinct().count(), "columns": movies.columns}}))
"""


# As a student goes on from what lies under Trusted and Refined.
READER = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
{lines}
both = movies.join(facts, "movie_id").count()
print(json.dumps({{"movies": movies.count(), "facts": facts.count(), "both": both, "types": dict(movies.dtypes)}}))
"""


def _block(language: str, number: int = 1) -> list[str]:
    """The lines of the page's first block in a language, or another one's."""
    return PAGE.split(f"```{language}\n")[number].partition("```")[0].splitlines()


@pytest.fixture(scope="module")
def course(catalogue: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in the course layout after one run."""
    folder = tmp_path_factory.mktemp("course")
    lake = folder / "lake"
    done = reelhouse("sync", "--top", str(COUNT), "--json", env=environment(catalogue, lake, **COURSE), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (printed_json(done)["landed"], printed_json(done)["verify"]["problems"]) == (COUNT, [])
    return lake


def _files(lake: Path) -> list[Path]:
    return sorted(lake.glob("Raw/TMDB/JSON/Movies/*/*/*/*.json"))


@pytest.mark.long
def test_its_tables_equal_those_of_an_ordinary_lake_also_after_a_run_in_the_other_layout(
    course: Path, catalogue: Emulator, tmp_path: Path
) -> None:
    lake, plain = tmp_path / "course" / "lake", tmp_path / "plain" / "lake"
    shutil.copytree(course, lake)
    plain.parent.mkdir()
    more = str(COUNT + 50)
    done = reelhouse("sync", "--top", more, "--json", env=environment(catalogue, lake), cwd=tmp_path)
    assert (done.returncode, printed_json(done)["landed"]) == (0, 50), done.stderr
    assert reelhouse("sync", "--top", more, env=environment(catalogue, plain), cwd=tmp_path).returncode == 0
    assert differences(lake, plain, without=LINEAGE) == []


def test_every_file_is_an_array_of_a_hundred_movies_at_most(course: Path) -> None:
    found = [json.loads(path.read_bytes()) for path in _files(course)]
    assert sum(len(records) for records in found) == COUNT
    assert max(len(records) for records in found) == 100
    asked = f"select count(distinct id), count(title) from read_json('{course}/Raw/**/*.json')"
    rows = duckdb.connect().execute(asked).fetchall()
    assert rows == [(COUNT, COUNT)]


@pytest.mark.long
def test_a_folder_that_reelhouse_filled_passes_as_others_would(
    course: Path, catalogue: Emulator, tmp_path: Path
) -> None:
    keys = tmp_path / "ids.txt"
    ids = [record["id"] for path in _files(course) for record in json.loads(path.read_bytes())]
    keys.write_text("\n".join(str(id_) for id_ in ids))
    env = environment(catalogue, tmp_path / "nowhere")
    done = reelhouse("verify", "--layout", "course", str(course), "--ids", str(keys), "--json", env=env, cwd=tmp_path)
    assert (done.returncode, printed_json(done)["problems"], printed_json(done)["records"]) == (0, [], COUNT), (
        done.stderr
    )
    keys.write_text(f"{ids[0]}\n900000001\n")
    done = reelhouse("verify", "--layout", "course", str(course), "--ids", str(keys), "--json", env=env, cwd=tmp_path)
    assert (done.returncode, printed_json(done)["missing"]) == (1, ["900000001"])


@pytest.mark.long
def test_the_pages_three_commands_fill_and_check_a_lake(course: Path, catalogue: Emulator, tmp_path: Path) -> None:
    movies = [record for path in _files(course) for record in json.loads(path.read_bytes())][:40]
    known = [movie["imdb_id"] for movie in movies if movie["imdb_id"]]
    assert len(known) > 20
    # As the course's table has it: an id stands once for each of its actors.
    (tmp_path / "movies.csv").write_text("id|titulo|ator\n" + "".join(f"{id_}|x|a\n{id_}|x|b\n" for id_ in known))
    (tmp_path / "reelhouse.toml").write_text("\n".join(_block("toml")))
    env = environment(catalogue, tmp_path / "lake")
    commands = [line.split()[1:] for line in _block("sh")]
    assert [command[0] for command in commands] == ["upload", "collect", "verify"]
    for command in commands:
        done = reelhouse(*command, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    (uploaded,) = tmp_path.glob("lake/Raw/Local/CSV/Movies/*/*/*/movies.csv")
    assert uploaded.read_bytes() == (tmp_path / "movies.csv").read_bytes()
    found = [
        record for path in tmp_path.glob("lake/Raw/TMDB/JSON/*/*/*/*.json") for record in json.loads(path.read_bytes())
    ]
    assert sorted(record["imdb_id"] for record in found) == sorted(known)


def _day(lake: Path) -> str:
    """The day of the only copy, as its folders name it."""
    (mark,) = lake.glob("Trusted/TMDB/Parquet/movie/*/*/*/_SUCCESS")
    return "/".join(mark.parts[-4:-1])


def test_sync_copies_tables_and_marts_for_readers_of_parquet(course: Path) -> None:
    day = _day(course)
    assert day in {"/".join(path.parts[-4:-1]) for path in _files(course)}
    db = duckdb.connect()
    for folder in ("Trusted/TMDB/Parquet/movie", "Refined/fact_movie"):
        asked = f"select count(*), count(distinct movie_id) from '{course}/{folder}/{day}/*.parquet'"
        assert db.execute(asked).fetchone() == (COUNT, COUNT)
    # The page's SQL names these folders.
    (line, *_) = [line for line in _block("sql") if "movie_id" in line]
    named = [part.split()[0] for part in line.partition("(")[2].split(",")]
    described = db.execute(f"describe from '{course}/Trusted/TMDB/Parquet/movie/{day}/*.parquet'").fetchall()
    assert set(named) <= {row[0] for row in described}


@pytest.mark.long
@SPARK_IS_HERE
def test_apache_spark_reads_trusted_and_refined_with_the_pages_lines(course: Path, tmp_path: Path) -> None:
    day = _day(course)
    script = tmp_path / "reader.py"
    lines = "\n".join(_block("python", 2)).replace("2026/11/23", day).replace("s3a://your-bucket", str(course))
    script.write_text(READER.format(lines=lines))
    command = [str(SPARK), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path, env=unset())
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["movies"], found["facts"], found["both"]) == (COUNT, COUNT, COUNT)
    assert (found["types"]["movie_id"], found["types"]["release_date"]) == ("bigint", "date")
    assert "timestamp" in found["types"].values()


@pytest.mark.long
@SPARK_IS_HERE
def test_apache_spark_reads_the_arrays_with_the_students_own_line(course: Path, tmp_path: Path) -> None:
    script = tmp_path / "student.py"
    (line,) = _block("python")
    script.write_text(STUDENT.format(line=line.replace('"s3a://your-bucket/Raw/TMDB/JSON/*/*/*"', "sys.argv[1]")))
    command = [str(SPARK), str(script), f"{course}/Raw/TMDB/JSON/Movies/*/*/*"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path, env=unset())
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["rows"], found["ids"]) == (COUNT, COUNT)
    assert {"title", "genres", "release_date", "credits", "imdb_id"} <= set(found["columns"])
    assert "_corrupt_record" not in found["columns"]
