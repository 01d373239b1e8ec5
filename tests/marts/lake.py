"""A small lake written by hand: rows by table, marts computed from them on the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import STAGING, Table
from reelhouse.entities.tv import TV
from reelhouse.marts.star import MARTS
from reelhouse.tables.registry import Registry, input_of
from reelhouse.tables.schemas import schema_of
from reelhouse.tables.select import rows_of
from reelhouse.tables.staging import OUTCOMES

Row = dict[str, Any]
MONDAY = datetime(2026, 11, 23, 12, 0)
EARLIER = MONDAY - timedelta(days=1)

_SCHEMAS = {
    **{table.name: schema_of(table.columns) for table in Registry.of({**ENTITIES, TV.name: TV}).tables},
    # What marts read of staging.
    **{input_of(name, STAGING): OUTCOMES for name in ENTITIES},
}


class Lake:
    """Tables given as rows; a column that a row lacks is NULL, `fetched_at` is Monday noon."""

    def __init__(self, spark: SparkSession, tables: Mapping[str, Sequence[Row]], marts: tuple[Table, ...] = MARTS):
        self._spark = spark
        self._tables = tables
        self._marts = {mart.name: mart for mart in marts}

    def frame(self, name: str) -> DataFrame:
        mart = self._marts.get(name)
        if mart is None:
            return self._table(name)
        return rows_of(mart, *(self.frame(each) for each in mart.inputs))

    def rows(self, name: str) -> list[Row]:
        return [row.asDict() for row in self.frame(name).collect()]

    def by(self, name: str, key: str) -> dict[Any, Row]:
        found = self.rows(name)
        assert len({row[key] for row in found}) == len(found)
        return {row[key]: row for row in found}

    def _table(self, name: str) -> DataFrame:
        schema = _SCHEMAS[name]
        given = [{"fetched_at": MONDAY, **row} for row in self._tables.get(name, ())]
        assert all(row.keys() <= set(schema.names) for row in given)
        return self._spark.createDataFrame([tuple(row.get(each) for each in schema.names) for row in given], schema)
