"""Declared types as Spark's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import types as T

from reelhouse.entities.paths import Shape
from reelhouse.entities.schema import ColumnSpec

_TYPES: dict[str, T.DataType] = {
    "bigint": T.LongType(),
    "int": T.IntegerType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def data_type(shape: Shape) -> T.DataType:
    """The type of a column or of a part of an answer; an object whose keys are data is a list of key and value."""
    if isinstance(shape, str):
        decimal = _DECIMAL.fullmatch(shape)
        return T.DecimalType(int(decimal[1]), int(decimal[2])) if decimal else _TYPES[shape]
    if isinstance(shape, list):
        return T.ArrayType(data_type(shape[0]))
    if isinstance(shape, dict):
        return T.StructType([T.StructField(name, data_type(inner)) for name, inner in shape.items()])
    entries = data_type([{"key": "string", "value": shape.values}])
    if not shape.fields:
        return entries
    fields = [T.StructField(name, T.StringType()) for name in shape.fields]
    return T.StructType([*fields, T.StructField("rest", entries)])


def schema_of(columns: Iterable[ColumnSpec]) -> T.StructType:
    """The declared schema, everything nullable: a later merge by any engine then finds nothing to refuse."""
    return T.StructType(
        [T.StructField(column.name, data_type(column.type), True, {"comment": column.comment}) for column in columns]
    )
