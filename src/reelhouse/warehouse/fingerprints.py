"""What each table follows from: receipts and exports, its declaration, versions. Equal fingerprints, equal rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import chain

import msgspec

from reelhouse.delta.log import schema_fingerprint
from reelhouse.entities.schema import ANSWERS, CURRENT, DAILY, STAGING, Entity, Table
from reelhouse.tables import current_record, select, staging
from reelhouse.tables.popularity import POPULARITY
from reelhouse.tables.registry import Registry, input_of
from reelhouse.tables.schemas import schema_of
from reelhouse.warehouse.manifest import ExportRead, Watermark, newest_exports


def parsing_fingerprint(entity: Entity, purges: int) -> str:
    """Changes when staging has to be parsed again: with what columns and keys tell of answers, and with every purge."""
    keyed = [str(table.keyed) for table in entity.tables if table.keyed]
    return after_purges(_hash(str(staging.VERSION), schema_fingerprint(staging.staging_schema(entity)), *keyed), purges)


def after_purges(fingerprint: str, purges: int) -> str:
    """*fingerprint* of what is made after so many purges."""
    return f"{fingerprint} {purges}" if purges else fingerprint


def rows_fingerprint(table: Table) -> str:
    """Changes when a table's rows may be others though its inputs are the same."""
    declared = [table.rows, table.except_keys, table.required]
    columns = [(column.name, column.at, column.fixed, column.zero_is_null) for column in table.columns]
    way = [table.version, dict(table.settings)] if table.make else [select.VERSION, *declared, columns]
    return _hash(json.dumps(way, sort_keys=True), schema_fingerprint(schema_of(table.columns)))


def wanted_fingerprints(
    registry: Registry, reads: Mapping[str, Watermark], exports: list[ExportRead], purges: int = 0
) -> dict[str, str]:
    """The fingerprint of each table that reflects *reads*, by entity, and *exports* as so many purges left them."""
    found: dict[str, str] = {}
    for name, entity in registry.entities.items():
        staged, current = input_of(name, STAGING), input_of(name, CURRENT)
        found[staged] = _hash(parsing_fingerprint(entity, purges), reads[name].digest)
        found[input_of(name, DAILY)] = _hash(found[staged], str(current_record.VERSION))
        newest = (export.key for export in newest_exports(exports, name))
        found[current] = _hash(found[staged], str(current_record.VERSION), *newest)
        found[input_of(name, ANSWERS)] = found[current]
    for table in (*registry.tables, *registry.marts):
        found[table.name] = made_of(registry, table, found)
        if table.name == POPULARITY.name:
            known = msgspec.json.encode(exports).decode()
            found[table.name] = _hash(after_purges(found[table.name], purges), known)
    return found


def made_of(registry: Registry, table: Table, inputs: Mapping[str, str]) -> str:
    """The fingerprint of a *table* that is made of *inputs*, by name with their own."""
    made = ((rows_fingerprint(part), *map(inputs.__getitem__, names)) for part, names in registry.parts_of(table))
    return _hash(*chain.from_iterable(made))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
