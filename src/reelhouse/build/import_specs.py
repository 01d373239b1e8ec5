"""Imported tables declared as all others are: columns with types and comments."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from reelhouse.build.imports import Import, ImportColumn
from reelhouse.tables.columns import TYPES, ColumnSpec, TableSpec

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def import_spec(name: str, one: Import) -> TableSpec:
    """The declaration of an imported table."""
    sources = ", ".join(source.name for source in one.sources[:3]) + (", ..." if len(one.sources) > 3 else "")
    return TableSpec(name, f"Imported from {sources}.", column_specs(one.columns), _not_made, ())


def column_specs(columns: list[ImportColumn]) -> tuple[ColumnSpec, ...]:
    """The declared columns of an import."""
    return tuple(ColumnSpec(each.name, _type(each.type), each.comment) for each in columns)


def _type(name: str) -> T.DataType:
    found = _DECIMAL.fullmatch(name)
    return T.DecimalType(int(found[1]), int(found[2])) if found else TYPES[name]


def _not_made(*frames: DataFrame) -> DataFrame:
    raise AssertionError("an import is written from files or a database, never from other tables")
