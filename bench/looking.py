"""What looking at a lake costs: a report, one record, and a browser."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.bodies import popular_ids
from bench.building import build, working_copy
from bench.lakes import lake_of
from bench.measuring import MB, REELHOUSE, high_water, measured
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
        browsed = _browsed(lake, Path(out), size)
        page = Path(out) / "lake.html"
        report = measured([REELHOUSE, "--lake", str(lake), "report", "--output", str(page)])
        weight = page.stat().st_size
        shown = measured([REELHOUSE, "--lake", str(lake), "show", "movie", str(popular_ids(size)[0]), "--json"])
    met = report.cpu < _SECONDS and report.peak < _MEMORY and weight < _BYTES
    return [
        Measure(
            f"a report of {size:,} movies",
            f"under {_SECONDS} CPU s, 1 GB, 5 MB of HTML",
            f"{report.wall:.1f} s, {report.cpu:.1f} CPU s, {report.peak / MB:.0f} MB, {weight / MB:.1f} MB of HTML",
            met if size >= 200_000 else None,
            "memory of the command itself; the engine is a process of its own",
        ),
        Measure(
            f"one record of {size:,} movies",
            "",
            f"{shown.wall:.1f} s, {shown.cpu:.1f} CPU s, {shown.peak / MB:.0f} MB",
        ),
        *browsed,
    ]


def _browsed(lake: Path, folder: Path, size: int) -> list[Measure]:
    """What `browse` costs until its server is ready, and a page with a search."""
    command = [REELHOUSE, "--lake", str(lake), "browse", "--no-images", "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}) as ran:
        assert ran.stderr is not None
        address = next(found[0] for line in ran.stderr if (found := re.search(r"http://127\S+", line)))
        wall, peak = time.perf_counter() - began, high_water(ran.pid)
        copy = next(folder.glob("*/lake.sqlite")).stat().st_size
        began = time.perf_counter()
        with urllib.request.urlopen(f"{address}/lake/dim_movie?_search=night") as answer:
            answer.read()
        page = time.perf_counter() - began
        ran.terminate()
        spent = os.wait4(ran.pid, 0)[2]
        ran.returncode = 0
    return [
        Measure(
            f"`browse` of {size:,} movies, until it serves",
            "",
            f"{wall:.1f} s, {spent.ru_utime + spent.ru_stime:.1f} CPU s, {peak / MB:.0f} MB, "
            f"{copy / MB:.0f} MB of temporary disk",
            how="a copy in SQLite with all keys, indexes and the search; CPU includes the server",
        ),
        Measure(f"its page of a search among {size:,} movies", "", f"{page:.1f} s"),
    ]
