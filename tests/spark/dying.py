"""A TMDB source whose worker dies once: after the requests of one partition, before Spark has its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql.datasource import DataSourceReader, InputPartition

from reelhouse.spark.api_partitions import AskedPartition
from reelhouse.spark.data_source import TmdbReader, TmdbSource

# Where it is noted that the worker has died already, and the ask whose partition it dies with.
MARK, ASK = "DYING_MARK", "DYING_ASK"


class DyingReader(TmdbReader):
    """Reads as the real one."""

    def read(self, partition: InputPartition) -> Iterator[Any]:
        batches = list(super().read(partition))
        mark = Path(os.environ[MARK])
        assert isinstance(partition, AskedPartition)
        if os.environ[ASK] in partition.keys and not mark.exists():
            mark.touch()
            os._exit(1)
        return iter(batches)


class DyingSource(TmdbSource):
    """The same options and rows."""

    @classmethod
    def name(cls) -> str:
        return "dying"

    def reader(self, schema: Any) -> DataSourceReader:
        return DyingReader(self._read, schema)
