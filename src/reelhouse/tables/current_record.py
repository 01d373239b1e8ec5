"""The rule of `raw/current.py` on all ids at once. Bodies are never carried through an aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec
from reelhouse.raw.current import SETTLED

# Goes up when another outcome may be chosen.
VERSION = 3

CURRENT_COLUMNS = (
    ColumnSpec("entity", "string", "The kind of thing."),
    ColumnSpec("id", "bigint", "TMDB's id."),
    ColumnSpec("state", "string", "landed, filtered, gone or quarantined."),
    ColumnSpec("sequence", "bigint", "The claim that speaks for the id."),
    ColumnSpec("append_id", "bigint", "The append of staging that holds it."),
    ColumnSpec("tombstoned", "boolean", "TMDB says gone, and no export of that time lists the id."),
    ColumnSpec("newest_state", "string", "State of the newest outcome, whatever it is worth."),
    ColumnSpec("newest_sequence", "bigint", "The newest outcome."),
    ColumnSpec("newest_append_id", "bigint", "The append of staging that holds the newest outcome."),
)


def current_outcomes(staging: DataFrame, export: DataFrame, *, entity: str, export_known: bool) -> DataFrame:
    """One row per id. *export* are the ids of the newest landed export; *export_known* is False where none counts."""
    listed = export.select("id").distinct().withColumn("listed", F.lit(True))
    seen = _ranked(staging).join(listed, "id", "left")
    absent = F.col("listed").isNull() if export_known else F.lit(True)
    newer_gone = F.col("gone").isNotNull() & (F.coalesce("settled", F.lit(-1)) < F.col("gone"))
    chosen = (
        F.when(newer_gone & (absent | F.col("settled").isNull()), F.col("gone"))
        .when(F.col("settled").isNotNull(), F.col("settled"))
        .otherwise(F.col("newest"))
    )
    rows = seen.withColumn("chosen", chosen).withColumn("tombstoned", F.coalesce(newer_gone & absent, F.lit(False)))
    return _one_each(rows, entity)


def newest_day(staging: DataFrame) -> date | None:
    """The day (UTC) of the newest answer; None without any."""
    found = staging.agg(F.max(F.col("fetched_at").cast("date")).alias("day")).first()
    return found["day"] if found is not None else None


def _ranked(staging: DataFrame) -> DataFrame:
    """Every outcome beside the newest, the newest settled and the newest gone one of its id.

    An outcome appended twice is there twice. A join and not a window, which costs Sail fifteen times the aggregation.
    """
    state = F.col("state")
    rows = staging.filter(F.col("id").isNotNull()).select("id", "sequence", "append_id", "state")
    newest = rows.groupBy("id").agg(
        F.max("sequence").alias("newest"),
        F.max(F.when(state.isin(*SETTLED), F.col("sequence"))).alias("settled"),
        F.max(F.when(state == "gone", F.col("sequence"))).alias("gone"),
    )
    return rows.join(newest, "id")


def _one_each(rows: DataFrame, entity: str) -> DataFrame:
    """Of each id the outcome that was chosen and the newest, each as its last append holds it."""
    sequence = F.col("sequence")
    chosen, newest = sequence == F.col("chosen"), sequence == F.col("newest")
    found = (
        rows.filter(chosen | newest)
        .groupBy("id")
        .agg(
            F.max(F.when(chosen, F.col("state"))).alias("state"),
            F.max("chosen").alias("sequence"),
            F.max(F.when(chosen, F.col("append_id"))).alias("append_id"),
            F.max("tombstoned").alias("tombstoned"),
            F.max(F.when(newest, F.col("state"))).alias("newest_state"),
            F.max("newest").alias("newest_sequence"),
            F.max(F.when(newest, F.col("append_id"))).alias("newest_append_id"),
        )
    )
    return found.select(F.lit(entity).alias("entity"), *(column.name for column in CURRENT_COLUMNS[1:]))


def landed_answers(staging: DataFrame, current: DataFrame, *, superseded: bool) -> DataFrame:
    """The rows of staging that speak for the titles shown now; *superseded* if some were replaced by newer ones."""
    landed = F.col("state") == "landed"
    if not superseded:
        return staging.filter(landed & F.col("unparsed_line").isNull())
    shown = current.filter(landed).select("sequence", "append_id")
    # Two numbers a title go to every task; the bodies stay where they are.
    return staging.join(F.broadcast(shown), ["sequence", "append_id"])


def daily_answers(staging: DataFrame, appends: Sequence[str]) -> DataFrame:
    """Of each id and day (UTC) the newest landed answer, whatever speaks for the id now.

    The columns *appends* are those of the newest answer of the day for which they were requested.
    """
    day = F.col("fetched_at").cast("date")
    there = [F.when(F.col(name).isNotNull(), F.col("sequence")).alias(name) for name in appends]
    landed = staging.filter(F.col("state") == "landed").withColumn("day", day)
    outcomes = landed.select("sequence", "append_id", "id", "day", *there)
    newest = outcomes.groupBy("id", "day").agg(
        F.max("sequence").alias("newest"), *(F.max(name).alias(name) for name in appends)
    )

    def answers(sequence: str) -> DataFrame:
        """The answers that *newest* names in its column *sequence*, if it is another one than the newest."""
        wanted = newest if sequence == "newest" else newest.filter(F.col(sequence) < F.col("newest"))
        numbers = wanted.select("id", "day", F.col(sequence).alias("sequence"))
        found = outcomes.select("sequence", "append_id", "id", "day").join(numbers, ["id", "day", "sequence"])
        last = found.groupBy("sequence").agg(F.max("append_id").alias("append_id"))
        return landed.join(F.broadcast(last), ["sequence", "append_id"])

    rows = answers("newest")
    for name in appends:
        earlier = answers(name).select("id", "day", F.col(name).alias("earlier"))
        rows = rows.join(F.broadcast(earlier), ["id", "day"], "left")
        rows = rows.withColumn(name, F.coalesce(name, "earlier")).drop("earlier")
    return rows.drop("day")
