"""TMDB as a data source of Spark: `spark.dataSource.register(TmdbSource)`, then `spark.read.format("tmdb")`.

All of this runs in Python workers of the driver and of executors, which have no Spark session; `reelhouse` must be
installed there. docs/data_source.md lists the options.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema

from reelhouse.bootstrap.storage import load_settings
from reelhouse.delta.engine import arrow_schema
from reelhouse.engines import sail_server
from reelhouse.errors import ConfigError, did_you_mean
from reelhouse.marts import REGISTRY
from reelhouse.spark.api_partitions import partitions_of, selected
from reelhouse.spark.change_stream import FeedReader
from reelhouse.spark.lake_partitions import lake_partitions
from reelhouse.spark.options import Options, from_api, read_options
from reelhouse.spark.reading import check_columns, known_columns, message_first, read_partition
from reelhouse.tables.registry import Registry
from reelhouse.tables.select import rows_of
from reelhouse.tables.staging import staging_columns
from reelhouse.warehouse.materialize import as_declared

if TYPE_CHECKING:
    import pyarrow as pa


class TmdbSource(DataSource):
    """Tables of a lake, or tables made straight from TMDB's API for a slice of its titles."""

    registry: ClassVar[Registry] = REGISTRY

    @message_first()
    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        # Check options before Spark shows them anywhere.
        self._read = read_options(options, self.registry)

    @classmethod
    def name(cls) -> str:
        return "tmdb"

    @message_first()
    def schema(self) -> Any:
        known = known_columns(self._read)
        # Sail 0.7.2 accepts neither a `StructType` with a timestamp nor, in SQL, a timestamp for one.
        return arrow_schema(known) if sail_server.runs_here() else known

    @message_first()
    def reader(self, schema: T.StructType) -> DataSourceReader:
        return TmdbReader(self._read, _spark_schema(schema))

    @message_first()
    def streamReader(self, schema: T.StructType) -> DataSourceStreamReader:  # noqa: N802
        return FeedReader(self._read, _spark_schema(schema))


def table_of(answers: DataFrame, table: str, registry: Registry = REGISTRY) -> DataFrame:
    """A table from what `option("table", "answers")` has read, lazily; several tables then cost one request per id.

    Raises `ConfigError` if *table* is not made from answers alone, or not from answers with these columns.
    """
    known = registry.of_answers
    if table not in known:
        hint = did_you_mean(table, known) or f"; choose one of {', '.join(sorted(known))}"
        raise ConfigError(f"table {table!r} is not made from answers alone{hint}")
    # Several entities may have a table of this name, each with its own rows.
    parts = {name: one for name in registry.entities if (one := from_api(registry, name).get(table))}
    there = set(answers.columns)
    fit = [name for name in parts if {one.name for one in staging_columns(registry.entities[name])} <= there]
    same = [name for name in fit if {one.name for one in staging_columns(registry.entities[name])} == there]
    if len(whose := same or fit) != 1:
        needs = f"these fit {' and '.join(whose)}" if whose else "these have other columns"
        raise ConfigError(f"table {table!r} is made from answers of {' or '.join(parts)}, and {needs}")
    spec = parts[whose[0]]
    return as_declared(rows_of(spec, answers), spec)


def _spark_schema(schema: Any) -> T.StructType:
    """A schema as Spark gives it; Sail gives Arrow's."""
    return schema if isinstance(schema, T.StructType) else from_arrow_schema(schema)


class TmdbReader(DataSourceReader):
    """Reads a table, or those of its columns that *schema* names."""

    def __init__(self, options: Options, schema: T.StructType) -> None:
        self._options = options
        self._schema = schema

    @message_first()
    def partitions(self) -> Sequence[InputPartition]:
        options = self._options
        options.check_batch()
        check_columns(self._schema, known_columns(options))
        if not options.asks_tmdb:
            return lake_partitions(options.lake, options.table)
        settings = load_settings(options.settings)
        keys = options.keys if options.keys is not None else selected(settings, options.declared)
        return partitions_of(keys, options, settings)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        return read_partition(partition, self._options, self._schema)
