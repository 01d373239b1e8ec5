"""What there is to export: tables and marts of the last whole build and imports, in the versions that are pinned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from reelhouse.entities.schema import Table
from reelhouse.errors import ConfigError, LakeError
from reelhouse.marts import REGISTRY
from reelhouse.raw.purges import purge_count
from reelhouse.serve.dictionary import where_to_find
from reelhouse.storage.protocol import Storage
from reelhouse.tables.popularity import POPULARITY
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.fingerprints import rows_fingerprint, wanted_fingerprints
from reelhouse.warehouse.import_registry import ZONE as IMPORTS
from reelhouse.warehouse.import_registry import Import, import_spec, imported
from reelhouse.warehouse.manifest import BuildManifest, TableVersion, believed, is_erased, why_unbuilt

# Another number makes every target load everything again: for when rows are written in another form.
_FORM = 1


@dataclass(frozen=True)
class ExportTable:
    """One table as it is pinned.

    Equal *marks* mean equal rows. *answer* names the columns that say which answer of TMDB's a row comes from, where it
    comes from one alone; two versions of equal *form* (never empty) then have equal rows for equal answers.
    """

    spec: Table
    pin: TableVersion
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
        """Whether rows say when TMDB gave them; a person's own column of that name says something else."""
        return self.pin.zone != IMPORTS and "fetched_at" in self.spec.column_names


def check_columns(table: ExportTable, program: str, most: int) -> None:
    """Raise `ConfigError` where *program* has no tables of so many columns."""
    count = len(table.spec.columns)
    if count > most:
        raise ConfigError(
            f"tables: {program} has tables of up to {most:,} columns, and {table.name} has {count:,}: name other "
            "tables with --tables, or export it to parquet:FOLDER"
        )


@dataclass(frozen=True)
class LakeSnapshot:
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


def look(storage: Storage, names: tuple[str, ...] | None = None, registry: Registry = REGISTRY) -> LakeSnapshot:
    """The tables of these *names*, or all of *registry* and imports; `ConfigError` for a name that there is none of."""
    purges = purge_count(storage)
    own = imported(storage)
    current = believed(storage)
    more = names is None or not own.keys() >= set(names)
    # While a purge erases and builds tables, imports stay, but a target must not keep the other tables as they were.
    if current is None and (not own or (more and is_erased(storage))):
        raise LakeError(why_unbuilt(storage))
    found = {**_imports(own), **(_built(storage, current, registry) if current else {})}
    for name in names or ():
        if name not in found:
            raise ConfigError(f"tables: there is no table {name!r}{where_to_find(name, found)}")
    if names is not None and not names:
        raise ConfigError("tables: no name is given; leave it out for all of them")
    chosen = found if names is None else {name: found[name] for name in names}
    return LakeSnapshot(storage, current.build if current else 0, purges, tuple(chosen.values()))


def _imports(own: dict[str, Import]) -> dict[str, ExportTable]:
    return {
        name: ExportTable(import_spec(name, one), one, _hash(one.fingerprint, one.schema_fingerprint, str(one.version)))
        for name, one in own.items()
    }


def _built(storage: Storage, current: BuildManifest, registry: Registry) -> dict[str, ExportTable]:
    registry = registry.only(current.inputs.streams)
    reads = {name: current.inputs.stream(name).receipts for name in registry.entities}
    wanted = wanted_fingerprints(registry, reads, current.inputs.exports, current.purges)
    known = [spec for spec in (*registry.tables, *registry.marts) if spec.name in current.tables]
    return {spec.name: _of_build(storage, current, spec, wanted) for spec in known}


def _of_build(storage: Storage, current: BuildManifest, spec: Table, wanted: dict[str, str]) -> ExportTable:
    pin = current.tables[spec.name]
    answer = _answer(spec)
    form = ""
    # A build of older code made its rows in a way that is not known here.
    if answer and pin.fingerprint == wanted[spec.name]:
        parsed = (one.parsing_fingerprint for _, one in sorted(current.inputs.streams.items()))
        form = _hash(storage.url, rows_fingerprint(spec), pin.schema_fingerprint, *parsed)
    return ExportTable(spec, pin, _hash(pin.fingerprint, pin.schema_fingerprint), form, answer)


def _answer(spec: Table) -> tuple[str, ...]:
    if spec.name == POPULARITY.name:
        return ("kind", "day")
    if not spec.of_answers:
        return ()
    if spec.make:
        return ("entity", "id")
    return (spec.id_column,) if spec.id_column else ()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join((str(_FORM), *parts)).encode()).hexdigest()[:16]
