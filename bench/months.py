"""What two months of all exports cost: 6.7 million rows of `popularity_daily` more with each day.

Every day's exports hold the same lines, so that writing them takes minutes, not hours.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from bench.bodies import Body
from bench.everything import COUNTS
from bench.lakes import land
from bench.measuring import MB, REELHOUSE, Usage, least_of, measured_with_children
from bench.report import CACHE, Measure, Section
from bench.tiny_server import export_of, tiny_body
from reelhouse.entities.registry import ENTITIES
from reelhouse.raw.keys import export_key
from reelhouse.raw.plan import ExportRef
from reelhouse.storage.folder import FolderStorage

_FIRST = date(2026, 10, 1)
_QUERIES = {
    "One title, every day": ("select day, popularity from popularity_daily where kind = 'movie' and id = 603", 10),
    "The ten most popular of the last day, every day": (
        """
        with top as (
          select id from popularity_daily
          where kind = 'movie' and day = (select max(day) from popularity_daily where kind = 'movie')
          order by popularity desc, id limit 10)
        select p.day, p.id, p.popularity from popularity_daily p join top t on t.id = p.id
        where p.kind = 'movie' order by 1, 2""",
        10,
    ),
    # It reads every row.
    "A count and a mean of each kind and day": (
        "select kind, day, count(*), avg(popularity) from popularity_daily group by 1, 2 order by 1, 2",
        0,
    ),
}


def measure(*, full: bool, quick: bool) -> Section:
    smaller, days = (1, 60) if full else (100, 60) if not quick else (1000, 3)
    rows = sum(COUNTS.values()) // smaller
    lake = CACHE / "months.part"
    shutil.rmtree(lake, ignore_errors=True)
    try:
        return Section("months", "python -m bench months [--full]", list(_measured(lake, smaller, days, rows)))
    finally:
        shutil.rmtree(lake, ignore_errors=True)


def _measured(lake: Path, smaller: int, days: int, rows: int) -> Iterator[Measure]:
    exports = {name: export_of(range(1, count // smaller + 1)) for name, count in COUNTS.items()}
    for run in range(1, days):
        _land(lake, run, smaller, exports)
    yield _row(f"Building {days - 1} days of {rows:,} rows", _build(lake))
    before = _bytes(lake)
    _land(lake, days, smaller, exports)
    yield _row("Building one day more", _build(lake))
    grown = (_bytes(lake) - before) / MB
    yield Measure("Its rows at rest", "", f"{grown:,.1f} MB", None, "tables and marts")
    for what, (query, seconds) in _QUERIES.items():
        command = [REELHOUSE, "--lake", str(lake), "sql", query, "--format", "csv"]
        yield _row(what, least_of(3, partial(measured_with_children, command)), seconds=seconds)


def _row(what: str, usage: Usage, *, seconds: float = 0) -> Measure:
    found = f"{usage.wall:.1f} s, {usage.cpu:.1f} s CPU, {usage.peak / MB:,.0f} MB"
    print(f"{what}: {found}", flush=True)
    return Measure(what, f"< {seconds:g} s" if seconds else "", found, usage.wall < seconds if seconds else None)


def _build(lake: Path) -> Usage:
    return measured_with_children([REELHOUSE, "--lake", str(lake), "build", "--json"])


def _bytes(lake: Path) -> int:
    return sum(path.stat().st_size for zone in ("tables", "marts") for path in (lake / zone).rglob("*.parquet"))


def _land(lake: Path, run: int, smaller: int, exports: dict[str, bytes]) -> None:
    """A day on which every kind is listed; ten records of each are landed on the first and none after."""
    storage = FolderStorage(lake)
    for name, body in exports.items():
        listed = range(1, COUNTS[name] // smaller + 1)
        ids = listed[:10] if run == 1 else listed[:0]
        sha256 = hashlib.sha256(body).hexdigest()
        day = _FIRST + timedelta(days=run)
        export = ExportRef(export_key(ENTITIES[name].export, day, sha256), sha256, day.isoformat(), len(listed))
        storage.put(export.key, body)
        bodies = (Body(id_, tiny_body(name, id_)) for id_ in ids)
        land(storage, run, listed, ids, bodies, ENTITIES[name], export)
