"""Whether two lakes hold equal tables: every table and mart, row by row."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from deltalake import DeltaTable

# What says where an answer lies or when it came differs between lakes that hold the same.
LINEAGE = frozenset(("fetched_at", "run", "chunk", "line", "sha256", "unit", "part", "batch", "place"))

# What answers said on which day: two lakes that asked on other days, or more often, hold other rows.
OF_DAYS = frozenset(
    ("movie_daily", "tv_daily", "movie_offer_daily", "tv_offer_daily", "dim_movie_history", "dim_tv_history",
     "fact_movie_snapshot", "fact_watch_availability")
)  # fmt: skip


def table_paths(lake: Path) -> dict[str, Path]:
    """Every table and mart of a lake by name."""
    return {
        path.parent.name: path.parent for zone in ("tables", "marts") for path in (lake / zone).glob("*/_delta_log")
    }


def rows_of(path: Path, without: frozenset[str] = frozenset()) -> Counter[str]:
    """The rows of a Delta table as texts, with how often each occurs; doubles to their last bit."""
    found = DeltaTable(str(path)).to_pyarrow_table()
    found = found.select(sorted(name for name in found.column_names if name not in without))
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in found.to_pylist())


def differences(
    left: Path, right: Path, without: frozenset[str] = frozenset(), skip: frozenset[str] = frozenset()
) -> list[str]:
    """What two lakes' tables do not share, by table, with an example of each side.

    *without* names columns that differ between lakes that were collected apart; tables of days are left out then too.
    """
    skip |= OF_DAYS if without else frozenset()
    here, there = table_paths(left), table_paths(right)
    found = [f"{name} is only in one of them" for name in sorted(here.keys() ^ there.keys())]
    for name in sorted((here.keys() & there.keys()) - skip):
        one, other = rows_of(here[name], without), rows_of(there[name], without)
        if one != other:
            more, fewer = one - other, other - one
            found.append(
                f"{name}: {sum(more.values())} rows only left, {sum(fewer.values())} only right, for instance "
                f"{next(iter(more), None)} and {next(iter(fewer), None)}"
            )
    return found
