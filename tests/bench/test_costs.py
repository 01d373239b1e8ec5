"""Gates on costs: ratios and memory only, since other programs share the machine (docs/benchmarks.md has the rest)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.collecting import collect_tiny, given
from bench.measuring import MB, Usage, measured
from bench.planning import first_run
from bench.starting import show_help


def least(measure: Callable[[], Usage], times: int = 2) -> float:
    """CPU seconds of the run that was disturbed least."""
    return min(measure().cpu for _ in range(times))


@pytest.mark.long
def test_collecting_costs_a_small_multiple_of_downloading() -> None:
    """Measured: 5 times. A second parse of each body, or a copy of it in Python, would show here."""
    with given(3000) as bench:
        download = least(bench.download) - least(bench.nothing)
        collect = least(bench.collect) - least(_start)
    assert collect < 9 * download, f"{collect:.2f} s of CPU for what a bare download does in {download:.2f} s"


def _start() -> Usage:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "none.txt").write_text("1\n")
        return measured([sys.executable, "-c", "import reelhouse.cli.pipeline, reelhouse.collect.run"])


@pytest.mark.long
def test_memory_of_collecting_does_not_grow_with_the_ids() -> None:
    few, many = collect_tiny(500), collect_tiny(8_000)
    assert many.peak < 120 * MB
    assert many.peak < few.peak + 25 * MB


@pytest.mark.long
def test_planning_holds_no_listing_in_memory() -> None:
    """Measured: 58 MB; a hundred thousand rows as Python objects would be some 40 MB more."""
    assert first_run(100_000).peak < 90 * MB


def test_the_help_imports_little() -> None:
    """Measured: twice of what the library costs that prints it."""
    click = least(lambda: measured([sys.executable, "-c", "import click"]), 3)
    assert least(show_help, 3) < 5 * click
