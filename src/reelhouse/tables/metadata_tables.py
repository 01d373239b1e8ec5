"""What the lake knows about its own records."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ANSWERS, CURRENT, FETCHED_AT, STAGING, ColumnSpec, Table

_ENTITY = ColumnSpec("entity", "string", "The kind of thing: movie.")
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
    """One row an id: the answer that speaks for it now."""
    chosen = current.select("entity", "place", "batch")
    return _claims(staging).join(chosen, ["place", "batch"]).select(*(column.name for column in RECORD_COLUMNS))


QUARANTINE_COLUMNS = (
    _ENTITY,
    ColumnSpec("id", "bigint", "TMDB's id; NULL where an IMDb id was asked and not answered.", path="id"),
    ColumnSpec("ask", "string", "What was asked: a TMDB id or an IMDb id."),
    ColumnSpec("why", "string", "Why the answer cannot be trusted."),
    *_LINEAGE[:-1],
)


def quarantine(staging: DataFrame, current: DataFrame, *, entity: str) -> DataFrame:
    """One row for each id whose newest answer is set aside. Earlier good answers stay in the tables."""
    claims = _claims(staging)
    aside = current.filter(F.col("newest_state") == "quarantined").select(
        F.col("newest_place").alias("place"), F.col("newest_batch").alias("batch")
    )
    known = claims.join(aside, ["place", "batch"])
    return known.unionByName(_unknown(claims)).select(
        F.lit(entity).alias("entity"), *(column.name for column in QUARANTINE_COLUMNS[1:])
    )


def _unknown(claims: DataFrame) -> DataFrame:
    """IMDb ids that never got an answer with an id."""
    newest = claims.groupBy("ask").agg(F.max("place").alias("place"), F.count("id").alias("answered"))
    mute = newest.filter(F.col("answered") == 0).select("place")
    rows = claims.filter(F.col("state") == "quarantined").join(mute, "place")
    batches = rows.groupBy("place").agg(F.max("batch").alias("batch"))
    return rows.join(batches, ["place", "batch"])


REJECTED_COLUMNS = (
    _ENTITY,
    _ID,
    ColumnSpec("path", "string", "Where in the answer the value stands."),
    ColumnSpec("raw", "string", "The value as TMDB sent it (at most 1,000 characters)."),
    ColumnSpec("rule", "string", "Why it is no value of its column."),
    *_LINEAGE[:-1],
)


def rejected_values(answers: DataFrame, *, entity: str) -> DataFrame:
    """One row for each value that TMDB sent and no column can hold; the rest of its row stays."""
    item = F.col("item")
    return answers.select("id", "fetched_at", "run", "chunk", "line", F.explode("rejected").alias("item")).select(
        F.lit(entity).alias("entity"),
        "id",
        item["path"].alias("path"),
        item["raw"].alias("raw"),
        item["rule"].alias("rule"),
        "fetched_at",
        "run",
        "chunk",
        "line",
    )


TOMBSTONE_COLUMNS = (_ENTITY, _ID, *_LINEAGE[:-1])


def tombstones(staging: DataFrame, current: DataFrame) -> DataFrame:
    """One row for each id that TMDB says is gone and the newest export lacks. It can come back."""
    chosen = current.filter("tombstoned").select("entity", "place", "batch")
    return _claims(staging).join(chosen, ["place", "batch"]).select(*(column.name for column in TOMBSTONE_COLUMNS))


def _claims(staging: DataFrame) -> DataFrame:
    return staging.select("place", "batch", "id", "ask", "state", "why", "fetched_at", "run", "chunk", "line", "sha256")


def metadata_tables(entity: str) -> tuple[Table, ...]:
    """The tables about the records of an *entity*."""
    of_claims = (STAGING, CURRENT)
    named = {"entity": entity}
    return (
        Table(
            "record",
            "One row for each id the lake knows: the answer that speaks for it.",
            RECORD_COLUMNS,
            records,
            of_claims,
            ("entity", "id"),
        ),
        Table(
            "quarantine",
            "Ids whose newest answer cannot be trusted.",
            QUARANTINE_COLUMNS,
            quarantine,
            of_claims,
            ("entity", "ask"),
            named,
        ),
        Table(
            "rejected_value",
            "Values TMDB sent that fit no column.",
            REJECTED_COLUMNS,
            rejected_values,
            (ANSWERS,),
            ("entity", "id", "path"),
            named,
        ),
        Table("tombstone", "Ids that TMDB removed.", TOMBSTONE_COLUMNS, tombstones, of_claims, ("entity", "id")),
    )
