"""What the lake knows about its own records."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ANSWERS, CURRENT, FETCHED_AT, STAGING, ColumnSpec, Table

_ENTITY = ColumnSpec("entity", "string", "The kind of thing.")
_ID = ColumnSpec("id", "bigint", "TMDB's id.", path="id")
_LINEAGE = (
    FETCHED_AT,
    ColumnSpec("run", "bigint", "The run that asked."),
    ColumnSpec("chunk", "string", "Key of the chunk that holds the answer; NULL where none was kept."),
    ColumnSpec("line", "bigint", "Line in that chunk, from 0."),
    ColumnSpec("sha256", "string", "sha256 of the body as TMDB sent it; NULL where it did not land."),
)

RECORD_COLUMNS = (
    _ENTITY,
    _ID,
    ColumnSpec("state", "string", "landed, filtered, gone or quarantined."),
    *_LINEAGE,
)


def records(staging: DataFrame, current: DataFrame) -> DataFrame:
    """One row per id: the answer that speaks for it now."""
    chosen = current.select("entity", "sequence", "append_id")
    return (
        _outcomes(staging).join(chosen, ["sequence", "append_id"]).select(*(column.name for column in RECORD_COLUMNS))
    )


QUARANTINE_COLUMNS = (
    _ENTITY,
    ColumnSpec("id", "bigint", "TMDB's id; NULL where an IMDb id was asked and not answered.", path="id"),
    ColumnSpec("requested_key", "string", "What was asked: a TMDB id or an IMDb id."),
    ColumnSpec("reason", "string", "Why the answer cannot be trusted."),
    *_LINEAGE[:-1],
)


def quarantine(staging: DataFrame, current: DataFrame, *, entity: str) -> DataFrame:
    """One row for each id whose newest answer is set aside. Earlier good answers stay in the tables."""
    outcomes = _outcomes(staging)
    aside = current.filter(F.col("newest_state") == "quarantined").select(
        F.col("newest_sequence").alias("sequence"), F.col("newest_append_id").alias("append_id")
    )
    # Two numbers for each id that is set aside go to every task.
    known = outcomes.join(F.broadcast(aside), ["sequence", "append_id"])
    return known.unionByName(_unknown(outcomes)).select(
        F.lit(entity).alias("entity"), *(column.name for column in QUARANTINE_COLUMNS[1:])
    )


def _unknown(outcomes: DataFrame) -> DataFrame:
    """IMDb ids that never got an answer with an id."""
    newest = outcomes.groupBy("requested_key").agg(F.max("sequence").alias("sequence"), F.count("id").alias("answered"))
    mute = newest.filter(F.col("answered") == 0).select("sequence")
    rows = outcomes.filter(F.col("state") == "quarantined").join(F.broadcast(mute), "sequence")
    # Not grouped, which would make a file for each partition of a shuffle.
    batches = rows.groupBy("sequence").agg(F.max("append_id").alias("append_id"))
    return rows.join(F.broadcast(batches), ["sequence", "append_id"])


REJECTED_COLUMNS = (
    _ENTITY,
    _ID,
    ColumnSpec("path", "string", "Where in the answer the value stands."),
    ColumnSpec("raw", "string", "The value as TMDB sent it (at most 1,000 characters)."),
    ColumnSpec("reason", "string", "Why it is left out."),
    *_LINEAGE[:-1],
)


def rejected_values(answers: DataFrame, *, entity: str) -> DataFrame:
    """One row for each value that TMDB sent and no column can hold, and for each item that repeats a key."""
    item = F.col("item")
    return answers.select("id", "fetched_at", "run", "chunk", "line", F.explode("rejected").alias("item")).select(
        F.lit(entity).alias("entity"),
        "id",
        item["path"].alias("path"),
        item["raw"].alias("raw"),
        item["reason"].alias("reason"),
        "fetched_at",
        "run",
        "chunk",
        "line",
    )


TOMBSTONE_COLUMNS = (_ENTITY, _ID, *_LINEAGE[:-1])


def tombstones(staging: DataFrame, current: DataFrame) -> DataFrame:
    """One row for each id that TMDB says is gone and that no export of that time lists. It can come back."""
    chosen = current.filter("tombstoned").select("entity", "sequence", "append_id")
    return (
        _outcomes(staging)
        .join(chosen, ["sequence", "append_id"])
        .select(*(column.name for column in TOMBSTONE_COLUMNS))
    )


def _outcomes(staging: DataFrame) -> DataFrame:
    return staging.select(
        "sequence",
        "append_id",
        "id",
        "requested_key",
        "state",
        "reason",
        "fetched_at",
        "run",
        "chunk",
        "line",
        "sha256",
    )


def metadata_tables(entity: str) -> tuple[Table, ...]:
    """The tables about the records of an *entity*."""
    of_outcomes = (STAGING, CURRENT)
    named = {"entity": entity}
    return (
        Table(
            "record",
            "One row for each id the lake knows: the answer that speaks for it.",
            RECORD_COLUMNS,
            records,
            of_outcomes,
            ("entity", "id"),
        ),
        Table(
            "quarantine",
            "Ids whose newest answer cannot be trusted.",
            QUARANTINE_COLUMNS,
            quarantine,
            of_outcomes,
            ("entity", "requested_key"),
            named,
        ),
        Table(
            "rejected_value",
            "Values TMDB sent that fit no column, and items that repeat the key of an earlier one.",
            REJECTED_COLUMNS,
            rejected_values,
            (ANSWERS,),
            ("entity", "id", "path"),
            named,
        ),
        Table("tombstone", "Ids that TMDB removed.", TOMBSTONE_COLUMNS, tombstones, of_outcomes, ("entity", "id")),
    )
