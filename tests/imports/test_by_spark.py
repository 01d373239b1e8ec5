"""The same table of PostgreSQL, by ADBC and by Apache Spark's JDBC: the same columns and rows, of one snapshot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.import_registry import imported
from tests.end_to_end.conftest import REPOSITORY
from tests.imports.conftest import Importer
from tests.imports.test_databases import ROWS, TABLE, TYPES
from tests.postgres import PASSWORD, Postgres

SPARK = REPOSITORY / ".venv-spark" / "bin" / "python"

MORE = """
insert into movies.box_office (id, gross, title, released, announced, score)
select i, i * 1.01, 'Movie ' || i, date '0900-05-05' + i, timestamptz '1960-01-01 00:00+00' + i * interval '1 second',
       i / 3.0
from generate_series(-500, -1) i
union all select i, null, repeat('é', 40), date '9999-12-31', timestamptz '1500-03-01 12:00:00.123456+00', 1e30
from generate_series(1000000, 1000999) i
union all select i, null, 'a day that Java does not have', date '1582-10-04' + i - 2000000,
       timestamptz '1582-10-04 12:00+00' + (i - 2000000) * interval '1 day', 1
from generate_series(2000000, 2000011) i
"""

# One process, so that one JVM is started: the table, one without a key, a pinned one that does not fit.
PROGRAM = """
import json, sys
from click.testing import CliRunner
from reelhouse.cli.main import main
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, ["import", *arguments, "--spark", "local[2]", "--json"])
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not SPARK.exists() or shutil.which("java") is None,
    reason="Apache Spark is not here: it needs Java, and `make test` sets up .venv-spark",
)
@pytest.mark.timeout(900)
def test_spark_imports_the_rows_that_adbc_imports(lake: Importer, postgres: Postgres, tmp_path: Path) -> None:
    database = postgres.database()
    database.run("create schema movies", TABLE, ROWS, MORE, "create table keyless as select * from movies.box_office")
    key = ("--from", database.url, "--table", "movies.box_office")
    ours = lake.bring("box", *key)

    theirs = Importer(tmp_path / "spark")
    (tmp_path / "spark").mkdir()
    keyless = ("--from", database.url, "--table", "keyless")
    asked = [
        ("box", *key),
        ("box", *key),
        ("keyless", *keyless),
        ("split", *keyless, "--split-by", "id"),
        ("nope", *keyless, "--split-by", "title"),
    ]
    ended = _on_spark(theirs, asked)
    first, second, third, fourth, last = ended
    assert [one[0] for one in ended] == [0, 0, 0, 0, 2], ended
    assert not [text for one in ended for text in one[1:] if PASSWORD in str(text)]
    found = json.loads(str(first[1]))
    assert found["columns"] == ours["columns"] or _without_examples(found) == _without_examples(ours)
    assert {one["name"]: one["type"] for one in found["columns"]} == TYPES
    assert found["notes"] == ours["notes"]
    rows = lake.rows("box")
    assert len(rows) == 1514
    for name in ("box", "keyless", "split"):
        assert theirs.rows(name) == rows
    assert json.loads(str(second[1]))["version"] > found["version"]
    hint = "one task read all rows: there is no key of one column of numbers; see --split-by"
    assert (hint in json.loads(str(third[1]))["notes"], hint in json.loads(str(fourth[1]))["notes"]) == (True, False)
    assert "has no column title of whole numbers" in str(last[2])
    assert sorted(imported(FolderStorage(theirs.root))) == ["box", "keyless", "split"]
    # And back: what Spark wrote is replaced without it.
    theirs.bring("box", *key)
    assert theirs.rows("box") == rows


def _without_examples(found: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    return [{name: value for name, value in one.items() if name != "example"} for one in found["columns"]]


def _on_spark(lake: Importer, asked: list[tuple[str, ...]]) -> list[list[object]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_", "SPARK_"))}
    done = subprocess.run(
        [str(SPARK), "-c", PROGRAM, json.dumps(asked)],
        env={**kept, "REELHOUSE_LAKE": str(lake.root)},
        cwd=lake.folder,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    if "could not be fetched from Maven" in done.stdout + done.stderr:
        pytest.skip("the jars for Apache Spark cannot be had here")
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
