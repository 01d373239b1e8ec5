"""`python -m bench.plans`: write docs/plans.md, the plans that Apache Spark makes of the main tables, and Sail's shape.

`python -m bench.plans ENGINE LAKE` prints the plans of everything that a full build of a built lake would write, as one
JSON object by folder. Nothing is written then: a commit that is there stands for each one that would be made.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from unittest import mock

import msgspec
from pyspark.sql import DataFrame

from bench.report import ROOT
from reelhouse.delta.engine import Engine
from reelhouse.delta.log import Commit, DataFile, latest_version, read_commit
from reelhouse.engines.session import session_factory
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.run import build

SPARK = ROOT / ".venv-spark" / "bin" / "python"
_PAGE = ROOT / "docs" / "plans.md"
_MOVIES = 300
_WIDTH = 120

_EXPLAINED = {
    "_reelhouse/staging/movie": (
        "The parse",
        "One read of the chunks, one `from_json`, one write. The entries of receipts are a local table that is "
        "broadcast to every task, so no body is shuffled or sorted. An outer join could not broadcast its outer "
        "side; therefore an entry whose line is missing is found by counting the rows that were written, and then "
        "added. Partitions are the chunks, packed together by size. Quarantined answers are written by Arrow.",
    ),
    "_reelhouse/staging/movie_current": (
        "The current answer of each id",
        "Four narrow columns of staging, read for the newest outcome of each id and for the rows that hold it, and the "
        "ids of the newest export: three shuffles by id, which all joins and the aggregation after them use. No id is "
        "skewed, because it has only one row for each time it was requested. A window would save a shuffle, and cost "
        "Sail four times as much.",
    ),
    "tables/popularity_daily": (
        "An export",
        "One read, one write, no shuffle. An export that the table already holds is not read again.",
    ),
    "tables/movie": (
        "One row per movie",
        "Of the 165 leaves of staging the scan reads the columns of the table, and who speaks for an id: here every "
        "answer does, so there is no join. Where staging holds answers that newer ones replaced, the current record, "
        "two numbers per title, is broadcast to every task. Either way there is no shuffle, and one file for each "
        "partition of staging.",
    ),
    "tables/movie_cast": (
        "One row per role",
        "As above; of `credits` only `cast` is read (`ReadSchema`). A movie with a cast of a thousand is one row "
        "before `explode` and a thousand after it, in one task. They are not gathered again.",
    ),
    "marts/dim_person": (
        "One row per person",
        "Two shuffles. The first aggregation makes one row for each person and day. It begins before the shuffle, so a "
        "person in thousands of films is at most one row per day in each task. The window over days follows.",
    ),
    "marts/fact_movie": (
        "One row per movie with its measures",
        "Credits and releases are each counted by movie. Counting begins before the shuffle, so a movie is one row in "
        "each task, however long its cast. The mean over all titles is one row.",
    ),
    "marts/bridge_movie_genre": (
        "A bridge",
        "One shuffle by movie, to count its genres. The titles that count are one number each, broadcast to every "
        "task.",
    ),
}


# Spark would cut the columns that a scan reads after a hundred characters.
_WHOLE = {"spark.sql.maxMetadataStringLength": "100000"}


def plans_of(lake: Path, engine: str) -> dict[str, str]:
    """What *engine* would do for each folder that a full build of *lake* writes; the lake must be built."""
    found: dict[str, str] = {}

    def write(self: Engine, frame: DataFrame, folder: str) -> list[DataFile]:
        found.setdefault(folder, explained(frame))
        newest = _newest(self.storage, folder)
        # What is not read of the files is their bounds.
        stats = {"numRecords": newest.rows, "nullCount": {}}
        return [
            DataFile(path, 0, stats if not at else {**stats, "numRecords": 0}) for at, path in enumerate(newest.files)
        ]

    def commit(self: Engine, folder: str, *_: object, **__: object) -> Commit:
        return _newest(self.storage, folder)

    with mock.patch.multiple(Engine, write=write, commit=commit):
        build(FolderStorage(lake), session_factory(engine, stated=_WHOLE), full=True)
    return found


def _newest(storage: Storage, folder: str) -> Commit:
    version = latest_version(storage, folder)
    assert version is not None, f"{folder} is not built"
    return read_commit(storage, folder, version)


def explained(frame: DataFrame) -> str:
    """The physical plan as the engine prints it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        frame.explain()
    return printed.getvalue().partition("== Physical Plan ==\n")[2].rstrip()


def plans_by(python: Path, lake: Path, engine: str) -> dict[str, str]:
    """As `plans_of`, by the Python of another environment."""
    printed = _run([str(python), "-m", "bench.plans", engine, str(lake)])
    return msgspec.json.decode(printed.splitlines()[-1], type=dict[str, str])


def _run(command: list[str]) -> str:
    """What *command* prints, in another environment. A session on Sail in this process must not decide its mode."""
    environ = {name: value for name, value in os.environ.items() if name != "SPARK_CONNECT_MODE_ENABLED"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-3000:]}")
    return done.stdout


_WRITES = re.compile(r"Arguments: file:\S*?/((?:_reelhouse/staging|tables|marts)/\w+)/[0-9a-f]+-[0-9a-f]+")


def jobs_of(events: Path) -> Counter[str]:
    """How many jobs a build took for each folder that it wrote, by Spark's event log below *events*.

    What wrote no folder is under "".
    """
    jobs: Counter[str] = Counter()
    folders: dict[str, str] = {}
    for line in (line for path in sorted(events.rglob("events_*")) for line in path.read_text().splitlines()):
        event = msgspec.json.decode(line)
        if event["Event"].endswith("SparkListenerSQLExecutionStart"):
            written = _WRITES.search(event["physicalPlanDescription"])
            folders[str(event["executionId"])] = written[1] if written else ""
        elif event["Event"] == "SparkListenerJobStart":
            jobs[folders.get(event["Properties"].get("spark.sql.execution.id"), "")] += 1
    return jobs


def jobs_by(python: Path, lake: Path, engine: str) -> Counter[str]:
    """As `jobs_of`, of a build of *lake* by the Python of another environment."""
    with tempfile.TemporaryDirectory() as events:
        conf = ("spark.eventLog.enabled=true", f"spark.eventLog.dir=file://{events}", "spark.eventLog.compress=false")
        options = [word for one in conf for word in ("--conf", one)]
        _run([str(python), "-m", "reelhouse.cli.main", "--lake", str(lake), "build", "--spark", engine, *options])
        return jobs_of(Path(events))


_ID = re.compile(r"#\d+L?|, \[plan_id=\d+\]")
_SCAN = re.compile(r"(FileScan \w+) .*?(?:PartitionFilters.*?)?ReadSchema: (.*)")


def trimmed(plan: str) -> str:
    """A plan of Apache Spark without numbers of expressions and paths, long lines cut."""
    lines = []
    for line in plan.splitlines():
        short = _SCAN.sub(r"\1 ReadSchema: \2", _ID.sub("", line))
        lines.append(short if len(short) <= _WIDTH else f"{short[: _WIDTH - 1]}…")
    return "\n".join(lines)


def _jobs_section(jobs: Counter[str]) -> list[str]:
    about = (
        f"A first build of {_MOVIES} movies on `local[2]` takes {jobs.total()} jobs: one to write a table, one more "
        "for each broadcast, and for what is sorted or counted before it can be written, or that this process "
        "reads back. Above 20,000 answers adaptive execution makes a job of each shuffle too. "
        "`tests/bench/test_plans.py` keeps the jobs of every table within these bounds."
    )
    rows = [f"| `{folder}` | {count} |" for folder, count in sorted(jobs.items()) if folder]
    rest = f"| read back, or asked of the engine | {jobs['']} |"
    return ["## Jobs of each table", fill(about, _WIDTH), "\n".join(["| written | jobs |", "|---|---|", *rows, rest])]


_FEW_CHANGES = (
    "A table whose rows come out the same keeps its version, and a mart whose inputs all kept theirs is not made. But "
    "each answer brings another `fetched_at`, so after one movie was answered again most tables differ, and each is "
    "made and written as a whole. Writing only what changed needs the following, none of which is there:",
    """\
* **A commit that replaces some files.** `put_commit` knows appends and overwrites. `sweep_table`, `verify` and
  maintenance take everything before the last overwrite for replaced; they would have to go by files.
* **Files that a change touches seldom.** Buckets of ids do not give them: if 1 of 100 ids changes anywhere, 63 of 100
  buckets of 100 ids are touched, and nearly all buckets of a thousand. Only files of changed rows, with the replaced
  rows marked as deleted, are small. Deletion vectors need Delta's protocol 3/7, which older readers refuse;
  a view over the newest row of each id would leave the tables of the lake unlike a copy.
* **Or copying.** Rows of unchanged titles could be copied from the table's last version, and those of the changed ones
  made of staging. That saves `explode` and the conversion of types, and still writes every table. Reading and writing
  all tables of 200,000 movies, with nothing changed, costs 20 CPU s on Sail, where a full build costs 140 and one after
  1 of 100 changed 59: so 0.15 of a full build is the least that copying can reach.
* **A fingerprint by title** instead of one by table, to know whose rows are to be made again.
* **Marts over many titles in two steps.** The newest name of a person or company is a maximum, so partial results by
  title would have to be kept. The mean in `fact_movie` changes with each vote, and with it every weighted rating.""",
)


def page(plans: Mapping[str, str], jobs: Counter[str]) -> str:
    """docs/plans.md."""
    parts = [
        "# Plans",
        f"""\
These are Apache Spark's plans for the main steps of a build, as `explain` prints them, without numbers of
expressions and paths, and with long lines cut. `python -m bench.plans` makes this page from a lake of {_MOVIES} movies.
`tests/bench/test_plans.py` keeps the shuffles and the columns read of every table within bounds. Each table is one lazy
plan from staging or from other tables to its write, and that write is the only action. Above 10 MB, joins without a
broadcast hint become sort-merge joins by the key that their sides are grouped by already; adaptive execution then
splits skewed partitions and merges small ones.""",
        """\
Sail's plans have the same shape under DataFusion's names: `HashJoinExec: mode=CollectLeft` is the broadcast join,
`RepartitionExec: Hash` the exchange, `DataSourceExec: projection=[…]` the columns read. Sail reads whole columns of
staging (`credits`, not `credits.cast`) and ignores hints. It shuffles both sides of a join if it estimates the smaller
side above 1 MB; in one process that is a copy in memory.""",
    ]
    for folder, (title, why) in _EXPLAINED.items():
        parts += [f"## {title}: `{folder}`", fill(why, 120), f"```text\n{trimmed(plans[folder])}\n```"]
    about, needed = _FEW_CHANGES
    parts += [*_jobs_section(jobs), "## After few changes", fill(about, _WIDTH), needed]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    if len(sys.argv) == 3:
        found = plans_of(Path(sys.argv[2]), sys.argv[1])
        print(msgspec.json.encode(found).decode())
        return
    from bench.building import build as build_lake
    from bench.building import working_copy
    from bench.lakes import lake_of

    with working_copy(lake_of(_MOVIES)) as lake:
        build_lake(lake)
        plans = plans_by(SPARK, lake, "local[2]")
    with working_copy(lake_of(_MOVIES)) as lake:
        _PAGE.write_text(page(plans, jobs_by(SPARK, lake, "local[2]")), encoding="utf-8")


if __name__ == "__main__":
    main()
