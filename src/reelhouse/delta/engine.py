"""What a build needs of Spark beyond DataFrames: addresses of tables, reading a version, writing files, committing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.delta.address import engine_root
from reelhouse.delta.delta_rs import put_checkpoint
from reelhouse.delta.engine_errors import ENGINE_ERRORS, first_line
from reelhouse.delta.log import (
    Commit,
    DataFile,
    Mode,
    damaged_files,
    list_sizes,
    live_files,
    put_commit,
    schema_at,
    schema_fingerprint,
)
from reelhouse.delta.parquet import files_in, new_folder
from reelhouse.errors import ConfigError, KeyTakenError, LakeError, OvertakenError
from reelhouse.raw.purges import purge_count
from reelhouse.storage.protocol import Storage

# The setting of a session that says how many tasks its cluster runs at the same time.
TASKS_AT_ONCE = "reelhouse.tasksAtOnce"
# So many tasks read objects sooner than this process.
_MANY_TASKS = 16

# Readers of the newest version read this many commits at most one by one.
_CHECKPOINT_EVERY = 50

# Spark gives files their final names as tasks end, and adds none that is not data. Sail would also state the NULLs and
# bounds of each page, which no table needs.
_WRITING = {
    "compression": "snappy",
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "statistics_enabled": "chunk",
}
# In a folder without a hidden file of checksums beside each file, which nothing would remove. S3A needs them for its
# buffers.
_IN_A_FOLDER = {"fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem", "fs.file.impl.disable.cache": "true"}


@dataclass(frozen=True)
class Engine:
    """A session with its lake; *purges* is how many purges the lake has had."""

    spark: SparkSession
    storage: Storage
    root: str
    purges: int = 0

    @property
    def at_once(self) -> int:
        """How many tables to make at a time. With a bucket an engine mostly waits; in a folder one keeps it busy."""
        return 1 if self.root.startswith("file://") else 4

    @property
    def tasks_at_once(self) -> int:
        """How many tasks run at the same time on a cluster; 1 if the session does not say."""
        return int(self.spark.conf.get(TASKS_AT_ONCE, None) or 1)

    def address(self, key: str) -> str:
        """Where the engine finds an object or a folder of the lake."""
        return f"{self.root}/{key}"

    def lines(self, keys: list[str]) -> DataFrame:
        """The lines (`value`) of text objects, gzip or not."""
        return self.spark.read.text([self.address(key) for key in keys])

    def hashes(self, keys: list[str]) -> dict[str, str]:
        """The sha256 of objects, by their keys, where the engine has many tasks for it; else there are none.

        Nor are there if one cannot be read: the caller, who reads it then, names it.
        """
        if not keys or self.tasks_at_once < _MANY_TASKS:
            return {}
        try:
            files = self.spark.read.format("binaryFile").load([self.address(key) for key in keys])
            rows = files.select("path", F.sha2("content", 256).alias("sha256")).toArrow().to_pylist()
        except ENGINE_ERRORS:
            return {}
        # Engines write addresses in ways of their own, but for the key.
        found = {row["path"]: row["sha256"] for row in rows}
        return {key: found[path] for key in keys for path in found if path.endswith(f"/{key}")}

    def rows(self, rows: list[dict[str, Any]], schema: T.StructType) -> DataFrame:
        """Rows from this process."""
        if not rows:
            return self.spark.createDataFrame([], schema)
        return self.spark.createDataFrame(pa.Table.from_pylist(rows, schema=arrow_schema(schema)))

    def read(self, folder: str, paths: Sequence[str], schema: T.StructType) -> DataFrame:
        """The rows of some files of a table."""
        if not paths:
            return self.spark.createDataFrame([], schema)
        return self.spark.read.schema(schema).parquet(*(self.address(f"{folder}/{path}") for path in paths))

    def table(self, folder: str, version: int, rows: int | None = None) -> DataFrame:
        """A table as of one version; `LakeError` if one of its files is gone or has another size, or if *rows* differ.

        Sail reads a file that is gone, or empty, as one without rows.
        """
        files = live_files(self.storage, folder, version, rows)
        listed = list_sizes(self.storage, f"{folder}/")
        damaged = list(damaged_files(self.storage, folder, version, files, listed))
        if damaged:
            raise LakeError(
                f"{len(damaged)} of {len(files)} files of {folder} cannot be read ({damaged[0]}): "
                "`reelhouse verify` says what is lost, and what repairs it"
            )
        stated = schema_at(self.storage, folder, version)
        try:
            schema = T.StructType.fromJson(json.loads(stated))
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            raise LakeError(f"{folder} version {version} states columns that cannot be read: {exc}") from exc
        return self.read(folder, list(files), schema)

    def held(self, folder: str, version: int) -> DataFrame:
        """As `table`, resolved once: otherwise an engine looks the files up again for each use in each plan."""
        place = hashlib.sha256(self.address(folder).encode()).hexdigest()[:16]
        name = f"held_{place}_{version}"
        self.table(folder, version).createOrReplaceTempView(name)
        return self.spark.table(name)

    def write(self, frame: DataFrame, folder: str) -> list[DataFile]:
        """Write *frame* as Parquet below the table's folder, where nothing shows its rows before they are committed."""
        options = {**_WRITING, **(_IN_A_FOLDER if self.root.startswith("file://") else {})}
        # A folder of its own: nothing shows what a write that failed has left.
        own = new_folder()
        try:
            frame.write.mode("append").options(**options).parquet(self.address(f"{folder}/{own}"))
        except ENGINE_ERRORS as exc:
            raise LakeError(f"{folder} could not be written: {first_line(exc)}") from exc
        return files_in(self.storage, folder, own)

    def commit(
        self,
        folder: str,
        files: Sequence[DataFile],
        schema: T.StructType,
        *,
        mode: Mode,
        user: Mapping[str, Any],
        over: int | None,
    ) -> Commit:
        """Commit *files* as the version after *over*, as `put_commit`.

        Raises `OvertakenError` if another writer committed that version, and `LakeError` after a purge: what was read
        before must not come back.
        """
        if purge_count(self.storage) != self.purges:
            raise LakeError("answers were purged while this build ran: run `reelhouse build` after that purge")
        noted = {**user, "schema": schema_fingerprint(schema), "purges": self.purges}
        try:
            made = put_commit(self.storage, folder, files, mode=mode, user=noted, schema=schema.json(), over=over)
        except KeyTakenError as exc:
            raise OvertakenError(f"{folder} was written by another writer meanwhile") from exc
        if made.version and made.version % _CHECKPOINT_EVERY == 0:
            # delta-rs opens no folder with %41 in its name; `reelhouse maintain` says so.
            with suppress(ConfigError):
                put_checkpoint(self.storage, folder)
        return made


def open_engine(storage: Storage, spark: SparkSession, purges: int = 0) -> Engine:
    """An engine on the lake in *storage*; `ConfigError` if no engine can reach it."""
    return Engine(spark, storage, engine_root(storage), purges)


def same_rows(one: DataFrame, other: DataFrame) -> bool:
    """Whether two frames of the same flat columns have the same rows, each as often, in whatever order."""

    def hashes(frame: DataFrame, sign: int) -> DataFrame:
        # A hash passes over NULL, wherever it is.
        values = (part for name in frame.columns for part in (F.col(name), F.col(name).isNull()))
        return frame.select((F.xxhash64(*values).cast("decimal(20,0)") * sign).alias("hash"), F.lit(sign).alias("rows"))

    both = hashes(one, 1).unionByName(hashes(other, -1)).agg(F.sum("hash").alias("hash"), F.sum("rows").alias("rows"))
    found = both.first()
    return found is not None and not found["hash"] and not found["rows"]


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn errors of the engine into `LakeError`."""
    try:
        yield
    except ENGINE_ERRORS as exc:
        raise LakeError(f"the build failed: {first_line(exc)}") from exc


def arrow_schema(schema: T.StructType) -> pa.Schema:
    """The Arrow form of a declared schema."""
    return pa.schema([pa.field(field.name, _arrow(field.dataType)) for field in schema.fields])


_ARROW: dict[type[T.DataType], pa.DataType] = {
    T.StringType: pa.string(),
    T.LongType: pa.int64(),
    T.IntegerType: pa.int32(),
    T.DoubleType: pa.float64(),
    T.BooleanType: pa.bool_(),
    T.DateType: pa.date32(),
    T.TimestampType: pa.timestamp("us", tz="UTC"),
}


def _arrow(kind: T.DataType) -> pa.DataType:
    if isinstance(kind, T.ArrayType):
        return pa.list_(_arrow(kind.elementType))
    if isinstance(kind, T.StructType):
        return pa.struct([pa.field(field.name, _arrow(field.dataType)) for field in kind.fields])
    return _ARROW[type(kind)]
