"""The same tables and marts by hand: one DuckDB program, what `reelhouse build` is measured against.

It reads the outcomes of the receipts, parses every landed answer once into a nested staging table of its exact types,
and projects and joins everything else from that, all written as Parquet. It makes the same rows, but promises less: it
fails on a value of another type, keeps only kinds of offer that it knows, and has neither versions nor a next time.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

_SQL = Path(__file__).parent / "baseline"
_NAMED = re.compile(r"^-- (\w+)\n", re.MULTILINE)


def build(lake: Path, out: Path, *, memory: str = "3GB") -> None:
    """Make all tables and marts of *lake* below *out*."""
    lake = lake.absolute()
    out.mkdir(parents=True)
    # Relative names in the SQL are below *out*.
    os.chdir(out)
    with duckdb.connect() as db:
        db.execute(f"set memory_limit = '{memory}'; set timezone = 'UTC'; set preserve_insertion_order = false")
        db.execute("set variable receipts = ?", [_found(lake, "_reelhouse/runs/movie/*/receipts/*.json")])
        db.execute("set variable plans = ?", [_found(lake, "_reelhouse/runs/movie/*/plan.json")])
        outcomes, staging = (_SQL / "staging.sql").read_text().split("copy (", 1)
        db.execute(outcomes)
        keys = db.execute("select distinct chunk from outcome where chunk is not null").fetchall()
        db.execute("set variable chunks = ?", [sorted(str(lake / key) for (key,) in keys)])
        exports = db.execute("select distinct export.key from plan where export is not null").fetchall()
        db.execute("set variable exports = ?", [sorted(str(lake / key) for (key,) in exports)])
        db.execute("copy (" + staging)
        for zone in ("tables", "marts"):
            Path(zone).mkdir()
            for name, query in _named_queries(db, zone):
                db.execute(f"copy ({query}) to '{zone}/{name}.parquet' (compression zstd)")
                db.execute(f"create view {name} as select * from '{zone}/{name}.parquet'")


def _found(lake: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in lake.glob(pattern))


def _named_queries(db: duckdb.DuckDBPyConnection, zone: str) -> Iterator[tuple[str, str]]:
    """The queries of a file, each under the comment that names it; what stands before the first is executed."""
    head, *rest = _NAMED.split((_SQL / f"{zone}.sql").read_text())
    db.execute(head)
    for name, query in zip(rest[::2], rest[1::2], strict=True):
        yield name, query.strip().rstrip(";")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lake", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    build(given.lake, given.out)


if __name__ == "__main__":
    main()
