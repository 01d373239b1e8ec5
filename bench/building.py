"""What building costs, beside a DuckDB program written by hand that makes the same rows (`duckdb_baseline.py`)."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.lakes import CHANGED_EVERY, lake_of
from bench.measuring import MB, REELHOUSE, Family, Usage, least_of, measured, median_of
from bench.report import CACHE, Measure, Section, keep
from bench.sameness import differences
from reelhouse.engines.session import session_factory
from reelhouse.raw.keys import MANIFEST
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.run import build as build_tables

_GB = 1 << 30
_TARGET_PEAK = 3 * _GB
_TARGET_PEAK_OF_ALL = 8 * _GB
_ALL = 1_200_000
_TARGET_AGAIN = 0.4
_TARGET_NOTHING = 4.0


class Built(NamedTuple):
    """One lake's life: built, built after one percent changed, built with nothing new; and the same by hand."""

    movies: int
    first: Usage
    again: Usage
    nothing: Usage
    by_hand: Usage
    differing: list[str]


# The program by hand keeps no history.
_NOT_BY_HAND = frozenset(
    ("movie_daily", "movie_offer_daily", "dim_movie_history", "fact_movie_snapshot", "fact_watch_availability")
)


def build_all(count: int, *, times: int = 1) -> Built:
    """Measure everything about *count* movies; the rows are compared after the second build."""
    with working_copy(lake_of(count)) as lake, tempfile.TemporaryDirectory(dir=CACHE) as out:
        first = median_of(times, lambda: _anew(lake))
        add_raw(lake_of(count, runs=2), lake)
        again = build(lake)
        nothing = least_of(3, lambda: build(lake))
        by_hand = median_of(times, lambda: build_by_hand(lake_of(count, runs=2), Path(out)))
        differing = [name for name in differences(lake, Path(out)) if name not in _NOT_BY_HAND]
        return Built(count, first, again, nothing, by_hand, differing)


@contextmanager
def working_copy(lake: Path) -> Iterator[Path]:
    """A lake of one's own with the same raw files; they are never changed, so links will do."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        add_raw(lake, Path(folder))
        yield Path(folder)


def add_raw(lake: Path, to: Path) -> None:
    """Link the raw files of one lake into another."""
    for path in lake.rglob("*"):
        target = to / path.relative_to(lake)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            os.link(path, target)


def _anew(lake: Path) -> Usage:
    for zone in ("_reelhouse/staging", "tables", "marts", "_reelhouse/builds"):
        shutil.rmtree(lake / zone, ignore_errors=True)
    (lake / MANIFEST).unlink(missing_ok=True)
    return build(lake)


def build(lake: Path) -> Usage:
    return measured([REELHOUSE, "--lake", str(lake), "build", "--json"])


def build_by_steps(lake: Path) -> dict[str, float]:
    """CPU seconds of a build on Sail by what it was doing, all processes together, as `reelhouse build` shows it."""
    family, spent, step, before = Family(os.getpid()), defaultdict[str, float](float), "starting", 0.0

    def begin(name: str) -> None:
        nonlocal step, before
        family.look()
        now = sum(family.cpu.values())
        spent[step] += now - before
        # What is parsed first is told when it is done.
        step, before = "parsing" if name.startswith(("starting", "parsed")) else name, now

    begin("starting")
    spent.clear()
    build_tables(FolderStorage(lake), session_factory("sail"), progress=begin)
    begin("")
    return spent


def build_by_hand(lake: Path, out: Path) -> Usage:
    shutil.rmtree(out)
    return measured([sys.executable, "-m", "bench.duckdb_baseline", str(lake), str(out)])


def measure(*, full: bool, quick: bool) -> Section:
    count = 200_000 if full else 10_000 if quick else 50_000
    built = build_all(count, times=1 if full else 3)
    measures = [*_against(built), _peak(built)]
    if full:
        # Below the size of one batch of staging, memory says nothing about more.
        fewer = [Peak(size, _first_build(size).peak) for size in (50_000, 100_000)]
        measures.append(_peak_of_all([*fewer, Peak(count, built.first.peak)]))
    return Section("building", "python -m bench building [--full]", measures, [_notes(built)])


_DEAREST = 12


def steps_section(movies: int) -> Section:
    """What the steps of a first build of so many *movies* cost."""
    with working_copy(lake_of(movies)) as lake:
        spent = build_by_steps(lake)
    ranked = sorted(spent.items(), key=lambda one: -one[1])
    rows = [f"| {name} | {cpu:.1f} |" for name, cpu in ranked[:_DEAREST]]
    rest = sum(cpu for _, cpu in ranked[_DEAREST:])
    table = ["| step | CPU s |", "|---|---|", *rows, f"| the other {len(spent) - _DEAREST} | {rest:.1f} |"]
    total = sum(spent.values())
    about = f"A first build of {movies:,} movies on Sail, {total:.0f} CPU s in all, one run; `parsing` with the start."
    return Section("steps", f"python -m bench.building {movies}", [], [about, "\n".join(table)])


class Peak(NamedTuple):
    movies: int
    bytes: int


def _first_build(count: int) -> Usage:
    with working_copy(lake_of(count)) as lake:
        return build(lake)


def _against(built: Built) -> list[Measure]:
    ratio = built.first.cpu / built.by_hand.cpu
    share = built.again.cpu / built.first.cpu
    return [
        Measure(
            f"CPU of building {built.movies:,} movies of 12 KB",
            "≤ DuckDB by hand",
            f"{built.first.cpu:.0f} s against {built.by_hand.cpu:.0f} s: {ratio:.2f}",
            ratio <= 1,
            "`reelhouse build` of a fresh lake; `python -m bench.duckdb_baseline LAKE OUT`",
        ),
        Measure(
            "Rows and sums of all tables and marts",
            "the same",
            f"{len(built.differing)} differ{': ' + ', '.join(built.differing) if built.differing else ''}",
            not built.differing,
            "counts, a sum over every column and over a hash of every row, after both builds; without tables of days",
        ),
        Measure(
            f"Build after 1 of {CHANGED_EVERY} changed",
            f"≤ {_TARGET_AGAIN} of a full one",
            f"{built.again.cpu:.1f} s CPU, {share:.2f}",
            share <= _TARGET_AGAIN,
            "new editions of one percent, landed by a second run",
        ),
        Measure(
            "Build of nothing new",
            "< 4 s",
            f"{built.nothing.wall:.1f} s, {built.nothing.cpu:.1f} s CPU",
            built.nothing.wall < _TARGET_NOTHING,
            f"{built.movies:,} movies; the least of 3",
        ),
    ]


def _peak(built: Built) -> Measure:
    return Measure(
        f"Peak memory, {built.movies:,} movies",
        "≤ 3 GB",
        f"{built.first.peak / _GB:.2f} GB",
        built.first.peak <= _TARGET_PEAK,
        f"DuckDB by hand, limited to 3 GB: {built.by_hand.peak / _GB:.2f} GB",
    )


def _peak_of_all(peaks: Sequence[Peak]) -> Measure:
    slope, start = statistics.linear_regression([peak.movies for peak in peaks], [peak.bytes for peak in peaks])
    expected = start + slope * _ALL
    seen = ", ".join(f"{peak.movies:,}: {peak.bytes / MB:,.0f} MB" for peak in peaks)
    return Measure(
        f"Peak memory, {_ALL:,} movies",
        "≤ 8 GB",
        f"{expected / _GB:.1f} GB, not measured",
        expected <= _TARGET_PEAK_OF_ALL,
        f"a line through {seen}; single runs, which differ by a third, so this is a guess",
    )


def _notes(built: Built) -> str:
    return (
        f"Per 1,000 movies: {built.first.cpu / built.movies * 1e6:.0f} ms of CPU by reelhouse, "
        f"{built.by_hand.cpu / built.movies * 1e6:.0f} by hand. What the program by hand does not do: it "
        "parses straight into exact types, so one value of another type ends it, where reelhouse keeps the row and "
        "names the value in `rejected_value`; it knows five kinds of offer, where reelhouse makes a row of any; it "
        "keeps no versions, checks no hash, and starts from nothing each time."
    )


if __name__ == "__main__":
    keep(steps_section(int(sys.argv[1])))
