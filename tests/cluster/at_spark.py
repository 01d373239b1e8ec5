"""Apache Spark in a process of its own, which obeys commands: one JSON object per line in, one per line out.

`python -m tests.cluster.at_spark` runs where Apache Spark is installed, reads settings as `reelhouse` does, and
answers `{}` once it is ready. What fails is answered with `failed`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, cast

from pyspark.sql import SparkSession

from reelhouse.bootstrap.storage import load_settings, storage_of
from reelhouse.delta.engine import Engine, open_engine
from reelhouse.delta.log import Mode
from reelhouse.engines.session import session_factory, session_of
from reelhouse.errors import ReelhouseError
from reelhouse.storage.credentials import Accessible
from tests.commits import commit

# A build needs none of it; here Delta's own reader reads what was built.
_DELTA = {
    "spark.jars.packages": "io.delta:delta-spark_4.2_2.13:4.4.0",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


def write(engine: Engine, table: str, mode: str, first: int, last: int) -> dict[str, Any]:
    """One commit of the ids from *first* up to and without *last*."""
    return {"version": commit(engine, engine.spark.range(first, last), table, cast(Mode, mode)).version}


def append_each(engine: Engine, table: str, first: int, last: int) -> dict[str, Any]:
    """A commit for each id."""
    return {"versions": [write(engine, table, "append", each, each + 1)["version"] for each in range(first, last)]}


def count(engine: Engine, table: str, version: int) -> dict[str, Any]:
    """Rows of a version, and how many ids they hold."""
    ids = engine.table(table, version).select("id")
    return {"rows": ids.count(), "ids": ids.distinct().count()}


def delta_rows(engine: Engine, table: str) -> dict[str, Any]:
    """The ids of the newest version, as Delta's own reader reads them, and those that it finds by a filter."""
    found = engine.spark.read.format("delta").load(engine.address(table))
    few = found.filter("id >= 100")
    return {"ids": sorted(row["id"] for row in found.collect()), "few": sorted(row["id"] for row in few.collect())}


def open_as(engine: Engine, profile: str) -> dict[str, Any]:
    """Another session in this process, for the same place or as another AWS caller."""
    assert isinstance(engine.storage, Accessible)
    access = engine.storage.access()
    session_factory("local[2]", access._replace(options=access.options._replace(profile=profile)))()
    return {"opened": True}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": write,
    "append_each": append_each,
    "count": count,
    "delta_rows": delta_rows,
    "open_as": open_as,
}


def main() -> None:
    """Answer until the input ends."""
    settings = load_settings().overridden(spark_conf=_DELTA)
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
