"""Shared by tests of the data source: comparable rows, and settings for an emulator."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from reelhouse.emulator import Emulator
from tests.end_to_end.equal_tables import LINEAGE
from tests.runs.lakes import TOKEN


def asking(tmdb: Emulator, **more: str) -> dict[str, str]:
    """The environment in which executors ask *tmdb*."""
    return {
        "REELHOUSE_TMDB_URL": tmdb.url,
        "REELHOUSE_EXPORTS_URL": tmdb.exports_url,
        "REELHOUSE_RATE": "0",
        "REELHOUSE_RETRY_WAIT": "0.005",
        "REELHOUSE_ATTEMPTS": "3",
        "TMDB_TOKEN": TOKEN,
        **more,
    }


def counted(rows: pa.Table) -> Counter[str]:
    """Rows as texts, with how often each occurs; without what says when and how an answer came."""
    kept = rows.select(sorted(name for name in rows.column_names if name not in LINEAGE))
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in kept.to_pylist())


def read(spark: Any, **options: Any) -> pa.Table:
    """What the source gives for *options*; `__` stands for the dot of a filter's name."""
    named = {name.replace("__", "."): str(value) for name, value in options.items()}
    return spark.read.format("tmdb").options(**named).load().toArrow()
