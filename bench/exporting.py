"""What exporting costs: rows per second into each target, and that memory does not follow the size of a lake."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench.building import add_raw, build, working_copy
from bench.lakes import CHANGED_EVERY, lake_of
from bench.measuring import MB, REELHOUSE, Usage, measured
from bench.report import CACHE, Measure, Section
from tests.postgres import started

_FILES = ("films.duckdb", "films.sqlite", "csv:csv", "parquet:parquet")


def measure(*, full: bool, quick: bool) -> Section:
    sizes = [2_500] if quick else [10_000, 200_000] if full else [10_000, 50_000]
    measures = [one for size in sizes for one in _of(size)]
    return Section("exporting", "python -m bench exporting [--full]", measures)


def _of(size: int) -> list[Measure]:
    with working_copy(lake_of(size)) as lake, tempfile.TemporaryDirectory(dir=CACHE) as out, started() as server:
        build(lake)
        url = server.database().url
        measures = [_told(size, "PostgreSQL", _export(lake, url))]
        measures += [_told(size, to, _export(lake, _inside(Path(out), to))) for to in _FILES]
        add_raw(lake_of(size, runs=2), lake)
        build(lake)
        measures.append(_told(size, f"PostgreSQL, 1 of {CHANGED_EVERY} changed", _export(lake, url)))
        measures.append(_told(size, "PostgreSQL, nothing changed", _export(lake, url)))
    return measures


def _inside(folder: Path, to: str) -> str:
    prefix, colon, name = to.rpartition(":")
    return f"{prefix}{colon}{folder / name}"


def _export(lake: Path, to: str) -> Usage:
    return measured([REELHOUSE, "--lake", str(lake), "export", "--to", to, "--json"])


def _told(size: int, what: str, usage: Usage) -> Measure:
    tables = json.loads(usage.output)["tables"]
    rows, written = sum(one["rows"] for one in tables), sum(one["written"] for one in tables)
    return Measure(
        f"{size:,} movies to {what}",
        "",
        f"{usage.cpu:.1f} CPU s, {usage.peak / MB:.0f} MB, {usage.wall:.1f} s",
        None,
        f"{written:,} of {rows:,} rows written; PostgreSQL's own CPU is not counted"
        if "PostgreSQL" in what
        else f"{rows:,} rows, {rows / usage.wall:,.0f} a second",
    )
