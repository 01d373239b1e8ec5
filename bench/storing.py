"""What lies in the lake after collecting: objects and bytes per thousand movies, and the share of receipts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.collecting import Given, given
from bench.measuring import REELHOUSE, measured
from bench.report import Measure, Section

# 15 s at 99 % of 40 a second.
_ANSWERS_AT_RATE = 594

_ZONES = {
    "chunks": "raw/movie/**/*.jsonl.gz",
    "receipts": "_reelhouse/runs/movie/*/receipts/*.json",
    "plan, ids, reconciliation": "_reelhouse/runs/movie/*/*",
    "ledger": "_reelhouse/ledger/movie/*",
}


class Zone(NamedTuple):
    objects: int
    size: int


def measure(*, full: bool, quick: bool) -> Section:
    count = 1000 if quick else 5000
    with given(count) as bench:
        zones = _collected(bench, {})
        # At TMDB's rate a chunk is closed by its age, before it holds a thousand answers.
        paced = _collected(bench, {"REELHOUSE_CHUNK_ANSWERS": str(_ANSWERS_AT_RATE)})
    thousands = count / 1000
    total, total_paced = (sum(zone.size for zone in each.values()) for each in (zones, paced))
    measures = [
        Measure("Objects per 1,000 movies", "", f"{_objects(zones) / thousands:.1f}", None, f"{count:,} in one run"),
        Measure(
            "Objects per 1,000 movies at 40 a second",
            "",
            f"{_objects(paced) / thousands:.1f}",
            None,
            f"chunks of {_ANSWERS_AT_RATE}, as 15 s make them",
        ),
        Measure(
            "Bytes per 1,000 movies",
            "",
            f"{total / thousands / 1e6:.2f} MB",
            None,
            f"{bench.size / 1000:.1f} KB a body as TMDB sends it: {total / count / bench.size:.0%} of it at rest",
        ),
        Measure(
            "Share of receipts",
            "",
            f"{zones['receipts'].size / total:.1%}",
            None,
            f"of all bytes; at 40 a second {paced['receipts'].size / total_paced:.1%}",
        ),
    ]
    rows = [
        f"| {name} | {zone.objects / thousands:.1f} | {zone.size / thousands / 1000:.0f} | {zone.size / total:.1%} |"
        for name, zone in zones.items()
    ]
    table = "\n".join(["| per 1,000 movies | objects | KB | share of bytes |", "|---|---|---|---|", *rows])
    return Section("storing", "python -m bench storing", measures, [table])


def _collected(bench: Given, env: dict[str, str]) -> dict[str, Zone]:
    with tempfile.TemporaryDirectory() as folder:
        command = [REELHOUSE, "--lake", folder, "collect", "--ids", str(bench.ids), "--json"]
        measured(command, {**bench.env, **env})
        return {name: _zone(Path(folder), pattern) for name, pattern in _ZONES.items()}


def _objects(zones: dict[str, Zone]) -> int:
    return sum(zone.objects for zone in zones.values())


def _zone(lake: Path, pattern: str) -> Zone:
    found = [path.stat().st_size for path in lake.glob(pattern) if path.is_file()]
    return Zone(len(found), sum(found))
