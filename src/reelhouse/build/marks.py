"""Marks of what each table follows from: receipts and exports read, declared schema, code. Equal marks, equal rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files

import msgspec

from reelhouse.build.delta_log import schema_mark
from reelhouse.build.pins import ExportRead, Reads
from reelhouse.marts import MARTS
from reelhouse.tables import TABLES
from reelhouse.tables.catalogue import ANSWERS, CURRENT_MOVIE, POPULARITY, STAGING_MOVIE
from reelhouse.tables.columns import TableSpec
from reelhouse.tables.staging import STAGING

# What decides how an answer is parsed: only a change here costs a second look at raw.
_PARSING = frozenset(("shape.py", "movie_shape.py", "salvage.py", "staging.py"))

ZONES: dict[str, tuple[TableSpec, ...]] = {"tables": TABLES, "marts": MARTS}


@cache
def parsing_mark() -> str:
    """Changes when staging has to be parsed anew."""
    return _mark(schema_mark(STAGING), *_sources("reelhouse.tables", lambda name: name in _PARSING))


def code_of(mark: str, purges: int) -> str:
    """*mark* of what is made after so many purges."""
    return f"{mark} {purges}" if purges else mark


@cache
def code_mark(zone: str) -> str:
    """Changes with the code of a zone."""
    return _mark(*_sources(f"reelhouse.{zone}", lambda name: name not in _PARSING))


def wanted_marks(reads: Reads, exports: list[ExportRead], purges: int = 0) -> dict[str, str]:
    """The mark that each table and mart has when it reflects *reads* and *exports* as so many purges left them."""
    last = max((export.day for export in exports), default="")
    newest = [export.key for export in exports if export.day == last]
    marks = {STAGING_MOVIE: _mark(code_of(parsing_mark(), purges), reads.digest)}
    marks[CURRENT_MOVIE] = _mark(marks[STAGING_MOVIE], code_mark("tables"), *newest)
    marks[ANSWERS] = marks[CURRENT_MOVIE]
    for zone, specs in ZONES.items():
        for spec in specs:
            marks[spec.name] = _spec_mark(zone, spec, marks)
            if spec.name == POPULARITY.name:
                marks[spec.name] = _mark(code_of(marks[spec.name], purges), msgspec.json.encode(exports).decode())
    return marks


def _spec_mark(zone: str, spec: TableSpec, marks: dict[str, str]) -> str:
    settings = json.dumps(spec.settings, sort_keys=True)
    return _mark(code_mark(zone), schema_mark(spec.schema), settings, *(marks[name] for name in spec.inputs))


def _sources(package: str, wanted: Callable[[str], bool]) -> list[str]:
    found = sorted((one for one in files(package).iterdir() if one.name.endswith(".py")), key=lambda one: one.name)
    return [one.read_text(encoding="utf-8") for one in found if wanted(one.name)]


def _mark(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
