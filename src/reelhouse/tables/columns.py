"""How a table is declared: its columns with type, unit, TMDB path and a sentence, and the schema made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import types as T

TYPES: dict[str, T.DataType] = {
    "bigint": T.LongType(),
    "int": T.IntegerType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
}


@dataclass(frozen=True)
class ColumnSpec:
    """One column; *path* is where TMDB sends the value, *unit* what a number counts."""

    name: str
    type: str | T.DataType
    about: str
    unit: str = ""
    path: str = ""

    @property
    def data_type(self) -> T.DataType:
        return TYPES[self.type] if isinstance(self.type, str) else self.type

    @property
    def comment(self) -> str:
        """Everything a reader of the table should know, in one line."""
        unit = f" Unit: {self.unit}." if self.unit else ""
        path = f" TMDB: {self.path}" if self.path else ""
        return f"{self.about}{unit}{path}"


@dataclass(frozen=True)
class TableSpec:
    """A table: what a row is, its columns in order, what it is made of and how.

    *make* gets one DataFrame for each of *inputs*, in that order. A function's keyword arguments are the measures'
    settings (`marts/measures.py`).
    """

    name: str
    about: str
    columns: tuple[ColumnSpec, ...]
    make: Callable[..., DataFrame]
    inputs: tuple[str, ...]
    key: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> T.StructType:
        return schema_of(self.columns)

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


def schema_of(columns: tuple[ColumnSpec, ...]) -> T.StructType:
    """The declared schema, everything nullable: a later merge by any engine then finds nothing to refuse."""
    return T.StructType(
        [T.StructField(column.name, column.data_type, True, {"comment": column.comment}) for column in columns]
    )
