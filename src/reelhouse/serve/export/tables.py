"""What there is to export: tables and marts of the last whole build and imports, in the versions that are pinned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from reelhouse.build.import_specs import import_spec
from reelhouse.build.imports import Import, imported
from reelhouse.build.marks import ZONES, code_mark, wanted_marks
from reelhouse.build.pins import Current, Pin, believed, built
from reelhouse.errors import ConfigError, LakeError, did_you_mean
from reelhouse.raw.purges import purge_count
from reelhouse.storage.protocol import Storage
from reelhouse.tables.catalogue import ANSWERS, POPULARITY
from reelhouse.tables.columns import TableSpec

# Another number makes every target load everything anew: for when rows are written in another form.
_FORM = 1


@dataclass(frozen=True)
class ExportTable:
    """One table as it is pinned.

    Equal *marks* mean equal rows. *answer* names the columns that say which answer of TMDB's a row comes from, where it
    comes from one alone; two versions of equal *form* (never empty) then have equal rows for equal answers.
    """

    spec: TableSpec
    pin: Pin
    mark: str
    form: str = ""
    answer: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def rows(self) -> int:
        return self.pin.rows

    @property
    def folder(self) -> str:
        return f"{self.pin.zone}/{self.name}"

    @property
    def indexed(self) -> list[str]:
        """Columns by which others find rows of this table: ids of other things."""
        return [
            column.name
            for column in self.spec.columns
            if column.name.endswith(("_id", "_key")) and self.spec.key[:1] != (column.name,)
        ]

    @property
    def dated(self) -> bool:
        """Whether rows say when TMDB gave them."""
        return "fetched_at" in self.spec.column_names


@dataclass(frozen=True)
class Snapshot:
    """Tables of one moment of a lake: those of *build*, as so many purges left them, and imports."""

    storage: Storage
    build: int
    purges: int
    tables: tuple[ExportTable, ...]

    def check(self) -> None:
        """Raise `LakeError` where answers were purged since: what was read must not be shown any more."""
        if purge_count(self.storage) != self.purges:
            raise LakeError(
                "answers were purged while they were exported, so nothing is changed there: run `reelhouse build`, "
                "then export again"
            )


def look(storage: Storage, names: tuple[str, ...] | None = None) -> Snapshot:
    """The tables of these *names*, or all; `ConfigError` for a name that there is none of."""
    purges = purge_count(storage)
    own = imported(storage)
    current = believed(storage) if own else built(storage)
    found = {**_imports(own), **(_built(storage, current) if current else {})}
    for name in names or ():
        if name not in found:
            hint = did_you_mean(name, found) or f"; there are: {', '.join(sorted(found))}"
            raise ConfigError(f"tables: there is no table {name!r}{hint}")
    if names is not None and not names:
        raise ConfigError("tables: no name is given; leave it out for all of them")
    chosen = found if names is None else {name: found[name] for name in names}
    return Snapshot(storage, current.build if current else 0, purges, tuple(chosen.values()))


def _imports(own: dict[str, Import]) -> dict[str, ExportTable]:
    return {
        name: ExportTable(import_spec(name, one), one, _hash(one.made_from, one.schema, str(one.version)))
        for name, one in own.items()
    }


def _built(storage: Storage, current: Current) -> dict[str, ExportTable]:
    wanted = wanted_marks(current.read.receipts, current.read.exports, current.purges)
    specs = [(zone, spec) for zone, specs in ZONES.items() for spec in specs if spec.name in current.tables]
    return {spec.name: _of_build(storage, current, zone, spec, wanted) for zone, spec in specs}


def _of_build(storage: Storage, current: Current, zone: str, spec: TableSpec, wanted: dict[str, str]) -> ExportTable:
    pin = current.tables[spec.name]
    answer = _answer(spec)
    form = ""
    # A build of older code made its rows in a way that is not known here.
    if answer and pin.made_from == wanted[spec.name]:
        settings = json.dumps(spec.settings, sort_keys=True)
        form = _hash(storage.url, code_mark(zone), pin.schema, settings, current.read.code)
    return ExportTable(spec, pin, _hash(pin.made_from, pin.schema), form, answer)


def _answer(spec: TableSpec) -> tuple[str, ...]:
    if spec.name == POPULARITY.name:
        return ("kind", "day")
    if spec.inputs != (ANSWERS,):
        return ()
    return ("movie_id",) if "movie_id" in spec.column_names else ("entity", "id")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join((str(_FORM), *parts)).encode()).hexdigest()[:16]
