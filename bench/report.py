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
_KEPT = CACHE / "results.json"


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
    "starting": "Starting",
    "storing": "Storing",
    "counting": "Requests to a bucket",
    "building": "Building tables",
    "exporting": "Exporting",
    "growing": "Building ever more movies",
    "importing": "Importing",
    "serverless": "In Lambda",
}


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
    """Remember a section and write the page anew from all that are remembered."""
    kept = _remembered()
    kept[section.name] = section
    CACHE.mkdir(parents=True, exist_ok=True)
    _KEPT.write_bytes(msgspec.json.encode(kept))
    _PAGE.write_text(_page([kept[name] for name in _TITLES if name in kept]), encoding="utf-8")


def _remembered() -> dict[str, Section]:
    try:
        return msgspec.json.decode(_KEPT.read_bytes(), type=dict[str, Section])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _page(sections: list[Section]) -> str:
    parts = [
        "# Benchmarks",
        f"""\
Written by `make bench` (`python -m bench`); each section names the command that makes its figures anew. Measured on a
machine with {os.cpu_count()} shared cores, Python {platform.python_version()}, on {platform.system()}, where other
programs ran at the same time. So **CPU seconds** (user and system of the process under test), peak resident memory and
ratios are what counts; wall time stands only where a person waits. The figures say what was seen on that machine, and
nothing about another one. TMDB is the bundled emulator or a tiny server, always in a process of its own that is not
counted. Nothing here is TMDB's data.""",
    ]
    for section in sections:
        rows = [
            f"| {one.what} | {one.target} | {one.measured} | {one.verdict} | {one.how} |" for one in section.measures
        ]
        parts += [
            f"## {_TITLES[section.name]}",
            f"`{section.command}`",
            "\n".join(["| measure | target | measured | verdict | how |", "|---|---|---|---|---|", *rows]),
            *section.told,
        ]
    return "\n\n".join(parts) + "\n"
