"""Measures as a person reads them: a table on the terminal and docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench"
_PAGE = ROOT / "docs" / "benchmarks.md"


class Measure(msgspec.Struct, frozen=True):
    """One line of the table. *met* is None for what has no target and is only told."""

    what: str
    target: str
    measured: str
    met: bool | None = None
    how: str = ""

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "–"}[self.met]


class Section(msgspec.Struct, frozen=True):
    """What one measurement found; *told* are further paragraphs or tables in Markdown."""

    name: str
    command: str
    measures: list[Measure]
    told: list[str] = []


_TITLES = {
    "collecting": "Collecting",
    "pacing": "The rate",
    "planning": "Planning",
    "many_ids": "Millions of ids",
    "everything": "All of TMDB",
    "months": "Months of exports",
    "starting": "Starting",
    "storing": "Storing",
    "counting": "Requests to a bucket",
    "building": "Building tables",
    "steps": "Building tables, step by step",
    "exporting": "Exporting",
    "growing": "Building ever more movies",
    "importing": "Importing",
    "looking": "Looking",
    "serverless": "In Lambda",
}
# Sections that a person wrote; they come last and stay as they are.
_BY_HAND = (
    "A short build on Apache Spark",
    "Before and after the rebuild",
)


def show(section: Section) -> None:
    """Print a section."""
    table = Table("measure", "target", "measured", "verdict", title=_TITLES[section.name])
    for one in section.measures:
        table.add_row(one.what, one.target, one.measured, one.verdict.strip("*"))
    console = Console(width=160)
    console.print(table)
    for text in section.told:
        console.print(text, markup=False)


def keep(section: Section) -> None:
    """Write a section into the page, in place of what stood there of it; all others stay as they are."""
    written = _written() | {_TITLES[section.name]: _told(section)}
    titles = (*_TITLES.values(), *_BY_HAND)
    parts = [_HEAD, *(f"## {title}\n\n{written[title]}" for title in titles if title in written)]
    _PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _written() -> dict[str, str]:
    """What the page says, section by section: measured in other hours, perhaps by somebody else."""
    _, *sections = _PAGE.read_text(encoding="utf-8").split("\n## ")
    return {title: text.strip() for title, _, text in (section.partition("\n") for section in sections)}


_HEAD = f"""\
# Benchmarks

Written by `make bench` (`python -m bench`); each section names the command that measures it. Measured on a
machine with {os.cpu_count()} shared cores, Python {platform.python_version()}, on {platform.system()}, where other
programs ran at the same time. So **CPU seconds** (user and system of the process under test), peak resident memory and
ratios are what counts; wall time stands only where a person waits. The figures say what was seen on that machine, and
nothing about another one. TMDB is the bundled emulator or a tiny server, always in a process of its own that is not
counted. Nothing here is TMDB's data."""


def _told(section: Section) -> str:
    rows = [f"| {one.what} | {one.target} | {one.measured} | {one.verdict} | {one.how} |" for one in section.measures]
    table = "\n".join(["| measure | target | measured | verdict | how |", "|---|---|---|---|---|", *rows])
    return "\n\n".join([f"`{section.command}`", *([table] if rows else []), *section.told])
