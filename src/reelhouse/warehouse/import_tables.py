"""Imported tables declared as all others are: columns with types and comments."""

from __future__ import annotations

from reelhouse.entities.schema import ColumnSpec, Table
from reelhouse.warehouse.import_registry import Import, ImportColumn


def import_spec(name: str, one: Import) -> Table:
    """The declaration of an imported table."""
    sources = ", ".join(source.name for source in one.sources[:3]) + (", ..." if len(one.sources) > 3 else "")
    return Table(name, f"Imported from {sources}.", column_specs(one.columns), inputs=())


def column_specs(columns: list[ImportColumn]) -> tuple[ColumnSpec, ...]:
    """The declared columns of an import."""
    return tuple(ColumnSpec(each.name, each.type, each.comment) for each in columns)
