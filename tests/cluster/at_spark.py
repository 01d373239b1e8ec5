"""Apache Spark in a process of its own, which does what it is told: one JSON object a line in, one a line out.

`python -m tests.cluster.at_spark` runs where Apache Spark is installed, reads settings as `reelhouse` does, and
answers `{}` once it is ready. What fails is answered with `failed`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from reelhouse.bootstrap.storage import load_settings, storage_of
from reelhouse.delta.engine import Engine, open_engine
from reelhouse.engines.session import session_factory, session_of
from reelhouse.errors import ReelhouseError
from reelhouse.storage.credentials import Accessible


def write(engine: Engine, table: str, mode: str, first: int, last: int) -> dict[str, Any]:
    """One commit of the ids from *first* up to and without *last*."""
    frame = engine.spark.range(first, last)
    return {"version": engine.write(frame, table, mode=mode, user={}).version}


def append_each(engine: Engine, table: str, first: int, last: int) -> dict[str, Any]:
    """A commit for each id."""
    return {"versions": [write(engine, table, "append", each, each + 1)["version"] for each in range(first, last)]}


def count(engine: Engine, table: str, version: int) -> dict[str, Any]:
    """Rows of a version, and how many ids they hold."""
    ids = engine.table(table, version).select("id")
    return {"rows": ids.count(), "ids": ids.distinct().count()}


def commit_all(engine: Engine, folder: str, commits: int, store: str = "") -> dict[str, Any]:
    """Put each of so many versions into a log by a log store, Delta's own choice unless named; which ones it won."""
    context = engine.spark.sparkContext
    java: Any = context._jvm
    conf = context._jsc.hadoopConfiguration()
    made = java
    for part in store.split("."):
        made = getattr(made, part)
    log = made(conf)
    won, failures, said = [], set(), ""
    for version in range(commits):
        lines = java.java.util.ArrayList()
        lines.add(f"{engine.root} by Spark, version {version}")
        path = java.org.apache.hadoop.fs.Path(f"{engine.address(folder)}/{version:020d}.json")
        try:
            log.write(path, lines.iterator(), False, conf)
            won.append(version)
        except Py4JJavaError as exc:
            failures.add(exc.java_exception.getClass().getName())
            said = exc.java_exception.getMessage()
    return {"won": won, "failures": sorted(failures), "said": said}


def open_as(engine: Engine, profile: str) -> dict[str, Any]:
    """Another session in this process, for the same place or as another AWS caller."""
    assert isinstance(engine.storage, Accessible)
    access = engine.storage.access()
    session_factory("local[2]", access._replace(options=access.options._replace(profile=profile)))()
    return {"opened": True}


def setting(engine: Engine, name: str) -> dict[str, Any]:
    """What the session has for a setting of Spark's."""
    return {"value": engine.spark.conf.get(name, None)}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": write,
    "append_each": append_each,
    "count": count,
    "commit_all": commit_all,
    "open_as": open_as,
    "setting": setting,
}


def main() -> None:
    """Answer until the input ends."""
    settings = load_settings()
    here = storage_of(settings)
    spark: SparkSession = session_of(settings, here)()
    # The first job of a session pays for much that the following ones do not.
    spark.range(1).count()
    say({})
    for line in sys.stdin:
        job = json.loads(line)
        place = job.pop("lake", settings.lake)
        engine = open_engine(storage_of(settings.overridden(lake=place)), spark)
        try:
            say(JOBS[job.pop("do")](engine, **job))
        except ReelhouseError as exc:
            say({"failed": str(exc)})


def say(answer: dict[str, Any]) -> None:
    """One line; this process's stdout holds nothing else."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
