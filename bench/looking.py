"""What looking at a lake costs: a report, and one record."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.bodies import popular_ids
from bench.building import build, working_copy
from bench.lakes import lake_of
from bench.measuring import MB, REELHOUSE, measured
from bench.report import CACHE, Measure, Section

_SECONDS = 20
_BYTES = 5 * MB
_MEMORY = 1024 * MB


def measure(*, full: bool, quick: bool) -> Section:
    sizes = [2_500] if quick else [10_000, 200_000] if full else [10_000]
    return Section("looking", "python -m bench looking [--full]", [one for size in sizes for one in _of(size)])


def _of(size: int) -> list[Measure]:
    with working_copy(lake_of(size)) as lake, tempfile.TemporaryDirectory(dir=CACHE) as out:
        build(lake)
        page = Path(out) / "lake.html"
        report = measured([REELHOUSE, "--lake", str(lake), "report", "--output", str(page)])
        weight = page.stat().st_size
        shown = measured([REELHOUSE, "--lake", str(lake), "show", "movie", str(popular_ids(size)[0]), "--json"])
    met = report.wall < _SECONDS and report.peak < _MEMORY and weight < _BYTES
    return [
        Measure(
            f"a report of {size:,} movies",
            f"under {_SECONDS} s, 1 GB, 5 MB of HTML",
            f"{report.wall:.1f} s, {report.cpu:.1f} CPU s, {report.peak / MB:.0f} MB, {weight / MB:.1f} MB of HTML",
            met if size >= 200_000 else None,
            "memory of the command itself; the engine is a process of its own",
        ),
        Measure(
            f"one record of {size:,} movies",
            "",
            f"{shown.wall:.1f} s, {shown.cpu:.1f} CPU s, {shown.peak / MB:.0f} MB",
        ),
    ]
