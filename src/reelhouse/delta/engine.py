"""What a build needs of Spark beyond DataFrames: addresses of tables, reading a version, writing a commit."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from reelhouse.delta.address import engine_root
from reelhouse.delta.engine_errors import ENGINE_ERRORS, first_line, lost_race
from reelhouse.delta.log import Commit, latest_version, put_note, read_commit
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.purges import purge_count
from reelhouse.storage.protocol import Storage

# Of two commits at the same moment one wins; the loser looks again.
_ATTEMPTS = 6


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

    def address(self, key: str) -> str:
        """Where the engine finds an object or a folder of the lake."""
        return f"{self.root}/{key}"

    def lines(self, keys: list[str]) -> DataFrame:
        """The lines (`value`) of text objects, gzip or not."""
        return self.spark.read.text([self.address(key) for key in keys])

    def rows(self, rows: list[dict[str, Any]], schema: T.StructType) -> DataFrame:
        """Rows from this process."""
        if not rows:
            return self.spark.createDataFrame([], schema)
        return self.spark.createDataFrame(pa.Table.from_pylist(rows, schema=arrow_schema(schema)))

    def table(self, folder: str, version: int) -> DataFrame:
        """A table as of one version."""
        reader = self.spark.read.format("delta").option("versionAsOf", str(version))
        return reader.load(self.address(folder))

    def held(self, folder: str, version: int) -> DataFrame:
        """As `table`, resolved once: otherwise the engine reads the log again for each use in each plan."""
        place = hashlib.sha256(self.address(folder).encode()).hexdigest()[:16]
        name = f"held_{place}_{version}"
        self.table(folder, version).createOrReplaceTempView(name)
        return self.spark.table(name)

    def write(self, frame: DataFrame, folder: str, *, mode: str, user: Mapping[str, Any], known: int = 0) -> Commit:
        """Commit *frame* and return the commit; retried after losing a race against another writer.

        Raises `LakeError` after a purge: what was read before must not come back.
        """
        for _ in range(_ATTEMPTS):
            if purge_count(self.storage) != self.purges:
                raise LakeError("answers were purged while this build ran: run `reelhouse build` after that purge")
            before = latest_version(self.storage, folder, known)
            following = 0 if before is None else before + 1
            commit = self._write(frame, folder, mode, user, following)
            # Sail puts an overwrite that lost the race for an empty table on top of the winner's, and keeps its rows.
            # After a kill before the next attempt that is the newest version: `Commit.in_place` detects it.
            if mode == "append" or commit.version == following:
                return commit
        raise LakeError(f"{folder} could not be written: other writers keep writing to it")

    def _write(self, frame: DataFrame, folder: str, mode: str, user: Mapping[str, Any], following: int) -> Commit:
        token = f"{time.time_ns():x}-{secrets.token_hex(4)}"
        marked = {"over": following - 1, **user, "purges": self.purges, "token": token}
        for attempt in range(_ATTEMPTS):
            try:
                writer = frame.write.format("delta").mode(mode).option("userMetadata", json.dumps(marked))
                writer.save(self.address(folder))
                break
            except ENGINE_ERRORS as exc:
                # Only the response may have been lost, and a second append would double the rows.
                if (commit := self._own_commit(folder, token, following)) is not None:
                    return commit
                if attempt == _ATTEMPTS - 1 or not lost_race(exc):
                    raise LakeError(f"{folder} could not be written: {first_line(exc)}") from exc
                time.sleep(0.05 * 2**attempt)
        return self._own_commit(folder, token, following) or put_note(
            self.storage, folder, mode, marked, max(following - 1, 0)
        )

    def _own_commit(self, folder: str, token: str, following: int) -> Commit | None:
        """The commit of this *token* among the versions from *following* on; others may have committed as well."""
        for version in count(following):
            try:
                commit = read_commit(self.storage, folder, version)
            except MissingKeyError:
                break
            if commit.user.get("token") == token:
                return commit
        return None


def open_engine(storage: Storage, spark: SparkSession, purges: int = 0) -> Engine:
    """An engine on the lake in *storage*; `ConfigError` if no engine can reach it."""
    return Engine(spark, storage, engine_root(storage), purges)


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
