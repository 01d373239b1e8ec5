"""What importing costs: ratings in MovieLens' form, of several sizes, so that memory is seen not to follow them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from bench.measuring import MB, REELHOUSE, Usage, measured
from bench.report import Measure, Section

_BLOCK = 100_000


def measure(*, full: bool, quick: bool) -> Section:
    """Import 1, 5 and, when *full*, 32 million ratings: as many as MovieLens' largest file has."""
    sizes = [200_000] if quick else [1_000_000, 5_000_000, *([32_000_000] if full else [])]
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:
        lake = {"REELHOUSE_LAKE": f"{folder}/lake"}
        for rows in sizes:
            path = written(Path(folder), rows)
            usage = measured([REELHOUSE, "import", f"ratings_{rows}", str(path), "--json"], lake)
            again = measured([REELHOUSE, "import", f"ratings_{rows}", str(path), "--json"], lake)
            measures += _measures(rows, path.stat().st_size, usage, again)
            path.unlink()
    return Section("importing", "python -m bench importing", measures)


def _measures(rows: int, size: int, usage: Usage, again: Usage) -> list[Measure]:
    title = f"{rows:,} ratings as CSV, {size / 1e6:.0f} MB"
    return [
        Measure(
            title,
            "",
            f"{usage.cpu:.1f} CPU s, {usage.peak / MB:.0f} MB, {usage.wall:.1f} s",
            None,
            "read twice, for types and for rows, into one Delta table",
        ),
        Measure(f"{title}, again", "", f"{again.cpu:.1f} CPU s", None, "the same file by its sha256: nothing to do"),
    ]


def written(folder: Path, rows: int) -> Path:
    """A file of *rows* ratings, the same for the same number."""
    path = folder / f"ratings_{rows}.csv"
    chance = Random(rows)
    with path.open("w") as file:
        file.write("userId,movieId,rating,timestamp\n")
        for start in range(0, rows, _BLOCK):
            file.writelines(
                f"{at // 100 + 1},{chance.randrange(1, 290_000)},{chance.randrange(1, 11) / 2},"
                f"{chance.randrange(789_652_004, 1_700_000_000)}\n"
                for at in range(start, min(start + _BLOCK, rows))
            )
    return path
