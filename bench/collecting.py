"""What collecting costs: CPU per movie, the split of it by step, and memory that does not grow with the ids."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.bodies import SEED, Bodies, catalogue_size, popular_ids
from bench.measuring import MB, REELHOUSE, Usage, measured, median_of
from bench.report import Measure, Section
from bench.steps import Step, steps_of
from bench.tiny_server import export_of, tiny_server
from reelhouse.emulator import Emulator

_TARGET_MS = 0.8
_TARGET_RATE = 1000
_TARGET_PEAK = 120 * MB
_SAME = 16 * MB


class Given(NamedTuple):
    """An emulator with a file of ids to ask it; *size* is what a body of them weighs on average."""

    emulator: Emulator
    ids: Path
    number: int
    size: float

    @property
    def env(self) -> dict[str, str]:
        return settings_of(self.emulator.url, self.emulator.exports_url)

    def collect(self) -> Usage:
        """One collection of all ids into a new lake."""
        with tempfile.TemporaryDirectory() as folder:
            return measured([REELHOUSE, "--lake", folder, "collect", "--ids", str(self.ids), "--json"], self.env)

    def download(self, *options: str) -> Usage:
        """The same bodies, downloaded with bare aiohttp and dropped."""
        return measured([sys.executable, "-m", "bench.download", self.emulator.url, str(self.ids), *options])

    def nothing(self) -> Usage:
        """What the bare download costs before it asks for anything."""
        with tempfile.NamedTemporaryFile() as none:
            return measured([sys.executable, "-m", "bench.download", self.emulator.url, none.name])


def settings_of(url: str, exports_url: str) -> dict[str, str]:
    """The environment of a reelhouse that asks somebody else than TMDB, as fast as it can."""
    return {
        "REELHOUSE_TMDB_URL": url,
        "REELHOUSE_EXPORTS_URL": exports_url,
        "REELHOUSE_RATE": "0",
        "TMDB_TOKEN": "bench",
    }


@contextmanager
def given(count: int) -> Iterator[Given]:
    """A warm emulator: its bodies are rendered before anything is measured."""
    ids = popular_ids(count)
    sizes = [len(body.content) for body in islice(Bodies(count), 0, None, max(1, count // 500))]
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "ids.txt"
        named.write_text("\n".join(map(str, ids)))
        with Emulator(process=True, movies=catalogue_size(count), seed=SEED, cache_mb=512) as emulator:
            made = Given(emulator, named, count, statistics.mean(sizes))
            made.download()
            yield made


def measure(*, full: bool, quick: bool) -> Section:
    count = 2000 if quick else 5000
    with given(count) as bench:
        # A collection of one id costs what starting and ending does; the rest is what each movie adds.
        whole = median_of(3, bench.collect)
        bare = median_of(3, bench.download).cpu - median_of(3, bench.nothing).cpu
        size = bench.size
    per_movie = whole.cpu / count * 1000
    started = _start().cpu
    steps = [Step("HTTP client (bare aiohttp, no unpacking)", bare / count * 1000), *steps_of(list(Bodies(1000)))]
    rest = per_movie - started / count * 1000 - sum(step.cost for step in steps)
    steps += [
        Step("the rest: client, tasks, landing, receipts, ledger", rest),
        Step(f"starting, shared by {count:,} movies", started / count * 1000),
    ]
    measures = [
        Measure(
            f"CPU of the collector per movie of {size / 1000:.1f} KB",
            f"≤ {_TARGET_MS} ms",
            f"{per_movie:.2f} ms",
            per_movie <= _TARGET_MS,
            f"whole process, start and end included, {count:,} movies; median of 3",
        ),
        Measure(
            "Movies a second and core",
            f"≥ {_TARGET_RATE:,}",
            f"{1000 / per_movie:,.0f}",
            1000 / per_movie >= _TARGET_RATE,
            f"movies ÷ CPU seconds; wall, the emulator on the other core: {count / whole.wall:,.0f} a second",
        ),
        Measure(
            "Peak memory, bodies of 12 KB",
            "< 120 MB",
            f"{whole.peak / MB:.0f} MB",
            whole.peak < _TARGET_PEAK,
            f"{count:,} movies",
        ),
        *_flat(full=full, quick=quick),
    ]
    return Section("collecting", "python -m bench collecting [--full]", measures, [_split(steps, per_movie)])


def _start() -> Usage:
    """What `status` of an empty lake costs: the interpreter, the imports, the settings."""
    with tempfile.TemporaryDirectory() as folder:
        return median_of(3, lambda: measured([REELHOUSE, "--lake", folder, "status", "--json"]))


def collect_tiny(count: int) -> Usage:
    """A whole collection of *count* ids with tiny bodies: planned from an export, fetched, reconciled, ledger kept."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json.gz"
        export.write_bytes(export_of(range(1, count + 1)))
        with tiny_server(export) as address:
            env = settings_of(f"{address}/3", f"{address}/p/exports")
            usage = measured([REELHOUSE, "--lake", str(Path(folder) / "lake"), "collect", "--json"], env)
    told = json.loads(usage.output)
    assert told["complete"], told
    return usage


def _flat(*, full: bool, quick: bool) -> list[Measure]:
    few, many = (2_000, 50_000) if quick or not full else (10_000, 1_000_000)
    small, large = collect_tiny(few), collect_tiny(many)
    return [
        Measure(
            f"Peak memory, {many:,} tiny bodies",
            "< 120 MB",
            f"{large.peak / MB:.0f} MB",
            large.peak < _TARGET_PEAK,
            "planning, reconciliation and ledger included",
        ),
        Measure(
            f"The same for {few:,}",
            "the same",
            f"{small.peak / MB:.0f} MB",
            large.peak < small.peak + _SAME,
            f"within {_SAME / MB:.0f} MB; what grows is planning: the export's bytes, and SQLite's caches until full",
        ),
        Measure(
            "CPU per id with tiny bodies",
            "",
            f"{(large.cpu - small.cpu) / (many - few) * 1000:.2f} ms",
            None,
            f"slope between {few:,} and {many:,} ids; {large.wall:,.0f} s of wall time for all",
        ),
    ]


def _split(steps: list[Step], whole: float) -> str:
    rows = [f"| {step.name} | {step.cost:.3f} | {step.cost / whole:.0%} |" for step in steps]
    return "\n".join(["| step, CPU per movie | ms | share |", "|---|---|---|", *rows])
