"""How the cost of building grows with the movies, on Sail and on Apache Spark `local[2]`, and whether rows are equal.

What was measured is remembered size by size, so that a large one need not be measured in the same hour as a small one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.building import add_raw, working_copy
from bench.lakes import CHANGED_EVERY, lake_of
from bench.measuring import measured_with_children
from bench.report import CACHE, ROOT, Measure, Section
from bench.sameness import differences

_SIZES = (3_000, 200_000)
_ALL_SIZES = (*_SIZES, 1_000_000)
_QUICK_SIZES = (2_500,)
# Beyond, a second build takes long and says nothing that smaller sizes do not.
_TWICE_UP_TO = 200_000
_REMEMBERED = CACHE / "growing.json"
_GB = 1 << 30
_SPARK = str(ROOT / ".venv-spark" / "bin" / "python")


class Engine(NamedTuple):
    """*python* is that of the environment the engine is installed in, *options* are those of `reelhouse build`."""

    name: str
    python: str
    options: tuple[str, ...] = ()


ENGINES = (
    Engine("Sail", sys.executable),
    Engine("Apache Spark local[2]", _SPARK, ("--spark", "local[2]", "--conf", "spark.driver.memory=2g")),
)


class Cost(msgspec.Struct, frozen=True):
    """CPU and wall seconds, and the most bytes that all processes of the build held at once."""

    cpu: float
    wall: float
    peak: int


class Grown(msgspec.Struct, frozen=True):
    """One size on one engine: the first build, and the build after one percent changed, where that was measured."""

    engine: str
    movies: int
    first: Cost
    again: Cost | None


class Size(msgspec.Struct, frozen=True):
    """One size on the engines it was built on; *differing* names the tables whose rows differ, after each build."""

    movies: int
    grown: list[Grown]
    differing: list[str]


def grow(count: int, engines: Sequence[Engine] = ENGINES) -> Size:
    """Build *count* movies on each of *engines*, and again after one percent changed; compare all with the first's.

    Above 200,000 there is no second build.
    """
    with ExitStack() as stack:
        lakes = [stack.enter_context(working_copy(lake_of(count))) for _ in engines]
        first = [_build(engine, lake) for engine, lake in zip(engines, lakes, strict=True)]
        differing = _differing(lakes)
        again: list[Cost | None] = [None for _ in engines]
        if count <= _TWICE_UP_TO:
            for lake in lakes:
                add_raw(lake_of(count, runs=2), lake)
            again = [_build(engine, lake) for engine, lake in zip(engines, lakes, strict=True)]
            differing += _differing(lakes)
    grown = [Grown(engine.name, count, one, two) for engine, one, two in zip(engines, first, again, strict=True)]
    return Size(count, grown, sorted(set(differing)))


def _build(engine: Engine, lake: Path) -> Cost:
    build = ["--lake", str(lake), "build", "--json", *engine.options]
    found = measured_with_children([engine.python, "-m", "reelhouse.cli.main", *build])
    return Cost(found.cpu, found.wall, found.peak)


def _differing(lakes: Sequence[Path]) -> list[str]:
    return [name for lake in lakes[1:] for name in differences(lakes[0], lake)]


def measure(*, full: bool, quick: bool) -> Section:
    sizes = _ALL_SIZES if full else _QUICK_SIZES if quick else _SIZES
    for count in sizes:
        found = grow(count)
        if quick:
            return section([found])
        remember(found)
    return section(remembered())


def remember(found: Size) -> None:
    """Keep what was measured in place of what was known of that size."""
    known = [one for one in remembered() if one.movies != found.movies]
    _REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
    _REMEMBERED.write_bytes(msgspec.json.encode([*known, found]))


def remembered() -> list[Size]:
    """Every size that was ever measured here, the smallest first."""
    try:
        found = msgspec.json.decode(_REMEMBERED.read_bytes(), type=list[Size])
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda one: one.movies)


def section(sizes: list[Size]) -> Section:
    """What is told of *sizes*."""
    both = [size for size in sizes if len(size.grown) > 1]
    return Section(
        "growing",
        "python -m bench growing [--full]",
        [*(_sameness(size) for size in both), *_linear(sizes)],
        [_table(sizes), _NOTES],
    )


_NOTES = (
    "Whole processes, their start included; of Apache Spark the JVM too, which may take 2 GB of heap. Peak memory is "
    "that of all processes of a build together. The second build follows new editions of "
    f"1 of {CHANGED_EVERY} movies. A million movies are those of 200,000 five times, each time under ids and with "
    "people of their own."
)


def _sameness(size: Size) -> Measure:
    said = f"{len(size.differing)} differ{': ' + ', '.join(size.differing) if size.differing else ''}"
    how = "counts, a sum over every column and over a hash of every row, after each build"
    return Measure(f"Rows of {size.movies:,} movies on both engines", "the same", said, not size.differing, how)


def _linear(sizes: list[Size]) -> list[Measure]:
    """CPU per movie of the largest size beside that of the next smaller one: more than the same means not linear."""
    found = []
    for engine in ENGINES:
        costs = [one for size in sizes for one in size.grown if one.engine == engine.name]
        if len(costs) < 2:
            continue
        small, large = costs[-2:]
        ratio = (large.first.cpu / large.movies) / (small.first.cpu / small.movies)
        what = f"{engine.name}: CPU per movie, {large.movies:,} against {small.movies:,}"
        found.append(Measure(what, "≤ 1.2", f"{ratio:.2f}", ratio <= 1.2, "first builds; a start's share falls"))
    return found


def _table(sizes: list[Size]) -> str:
    head = "| movies | engine | CPU ms a movie | CPU s | wall s | peak GB | 1 % later: CPU s | wall s | peak GB |"
    rows = [_row(one) for size in sizes for one in size.grown]
    return "\n".join([head, "|" + "---|" * 9, *rows])


def _row(one: Grown) -> str:
    each = one.first.cpu / one.movies * 1000
    return f"| {one.movies:,} | {one.engine} | {each:.2f} | {_told(one.first)} | {_told(one.again)} |"


def _told(cost: Cost | None) -> str:
    if cost is None:
        return "– | – | –"
    return f"{cost.cpu:,.0f} | {cost.wall:,.0f} | {cost.peak / _GB:.2f}"
