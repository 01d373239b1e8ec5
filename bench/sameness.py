"""Whether two builds hold the same rows: counts, a sum over every column, and one over a hash of every row."""

from __future__ import annotations

from pathlib import Path

import duckdb
from deltalake import DeltaTable

# What each kind of column is summed as.
_SUMS = {
    "VARCHAR": "sum(hash({0})::hugeint)",
    "DOUBLE": "sum(hash({0})::hugeint)",
    "BOOLEAN": "count(*) filter ({0}) * 2 + count({0})",
    "DATE": "sum(epoch({0})::hugeint)",
    "TIMESTAMP": "sum(epoch_us({0})::hugeint)",
    "TIMESTAMP WITH TIME ZONE": "sum(epoch_us({0})::hugeint)",
}
# How much their texts say differs.
_LOOSE = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}


def differences(lake: Path, other: Path) -> list[str]:
    """The tables and marts that differ between a lake's newest versions and another's, or files made by hand."""
    ours, theirs = _tables(lake), _tables(other)
    both = sorted(ours.keys() & theirs.keys())
    return sorted(ours.keys() ^ theirs.keys()) + [name for name in both if _differ(ours[name], theirs[name])]


def _tables(folder: Path) -> dict[str, Path]:
    return {path.stem: path for zone in ("tables", "marts") for path in (folder / zone).iterdir()}


def _differ(table: Path, other: Path) -> bool:
    ours, theirs = _summed(_files(table)), _summed(_files(other))
    if not ours["rows"] or not theirs["rows"]:
        return ours["rows"] != theirs["rows"]
    return ours != theirs


def _files(table: Path) -> list[str]:
    return list(DeltaTable(table).file_uris()) if table.is_dir() else [str(table)]


def _summed(files: list[str]) -> dict[str, int | None]:
    if not files:
        return {"rows": 0}
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        rows = db.execute("select column_name, column_type from (describe from read_parquet(?))", [files]).fetchall()
        sums = [_SUMS.get(kind, "sum({0})").format(f'"{name}"') for name, kind in rows]
        whole = ", ".join(f'"{name}"::varchar' for name, kind in rows if kind not in _LOOSE)
        sums.append(f"sum(hash({whole})::hugeint)")
        found = db.execute(f"select count(*), {', '.join(sums)} from read_parquet(?)", [files]).fetchall()[0]
    return dict(zip(["rows", *(name for name, _ in rows), "whole rows"], found, strict=True))
