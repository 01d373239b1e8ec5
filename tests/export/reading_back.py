"""Run by the Python of Apache Spark: exports in one process, so that Java starts once.

`python -m tests.export.reading_back LAKE STATE SCHEMA URL NAME...`: exports the tables of these names (all if none) of
LAKE, then some of what STATE has become of it, and prints what was done as JSON, a line an export.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from reelhouse.runtimes.jdbc import load_by_jdbc
from reelhouse.serve.export import jdbc
from reelhouse.serve.export.places import target_of
from reelhouse.serve.export.tables import look
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage

AGAIN = ("movie", "movie_genre", "dim_genre")


def main(lake: str, state: str, schema: str, url: str, *names: str) -> None:
    # So few rows would travel by one connection each.
    jdbc._ROWS_EACH = 50
    settings = Settings(lake=lake, engine="local[2]", spark_conf={"spark.driver.memory": "1g"})
    storage = FolderStorage(Path(lake))
    target = target_of(url, schema, load_by_jdbc(settings, storage, url))
    for chosen in (names or None, AGAIN):
        done = target.export(look(storage, chosen), full=False, step=lambda text: None)
        print(json.dumps([[one.name, one.rows, one.how, list(one.notes)] for one in done]))
        shutil.rmtree(lake)
        shutil.copytree(state, lake)
    # A table that Spark cannot write: the error is one line and names no password.
    try:
        broken = target_of(url, schema, load_by_jdbc(settings, storage, url.replace("127.0.0.1", "127.0.0.2")))
        broken.export(look(storage, ("movie",)), full=True, step=lambda text: None)
    except Exception as exc:
        print(json.dumps(f"{type(exc).__name__}: {exc}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
