"""Run by the Python of Apache Spark: exports in one process, so that Java starts once.

`python -m tests.export.reading_back LAKE STATE SCHEMA URL NAME...`: exports the tables of these names (all if none) of
LAKE, then some of what STATE has become of it, then over broken lines, and prints what was done as JSON, a line an
export.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from reelhouse.engines.postgres_jdbc import load_by_jdbc
from reelhouse.serve.export.postgresql import jdbc
from reelhouse.serve.export.tables import look
from reelhouse.serve.export.targets import target_of
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from tests.broken_lines import line_to

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
    # Nobody listens, and a line that breaks when some rows have passed: one line each, and no password.
    port = int(re.findall(r":(\d+)/", url)[0])
    with line_to(port, after=8_000) as line:
        for there, other in (("127.0.0.1", "127.0.0.2"), (f":{port}/", f":{line.port}/")):
            try:
                broken = target_of(url, schema, load_by_jdbc(settings, storage, url.replace(there, other)))
                broken.export(look(storage, ("movie",)), full=True, step=lambda text: None)
                print(json.dumps("not broken"))
            except Exception as exc:
                print(json.dumps(f"{type(exc).__name__}: {exc}"))
        assert line.cuts


if __name__ == "__main__":
    main(*sys.argv[1:])
