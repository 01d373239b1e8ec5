"""Which claim speaks for each id now. Narrow on purpose: bodies are never carried through an aggregation."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec

# Goes up when another claim may be chosen.
VERSION = 1

CURRENT_COLUMNS = (
    ColumnSpec("entity", "string", "The kind of thing."),
    ColumnSpec("id", "bigint", "TMDB's id."),
    ColumnSpec("state", "string", "landed, filtered, gone or quarantined."),
    ColumnSpec("place", "bigint", "The claim that speaks for the id."),
    ColumnSpec("batch", "bigint", "The append of staging that holds it."),
    ColumnSpec("tombstoned", "boolean", "TMDB says gone and the newest export lacks the id."),
    ColumnSpec("newest_state", "string", "State of the newest claim, whatever it is worth."),
    ColumnSpec("newest_place", "bigint", "The newest claim."),
    ColumnSpec("newest_batch", "bigint", "The append of staging that holds the newest claim."),
)


def current_claims(staging: DataFrame, export: DataFrame, *, entity: str, export_known: bool) -> DataFrame:
    """One row an id. *export* are the ids of the newest landed export; *export_known* is False where there is none.

    A quarantined answer never replaces another. `gone` counts only where the export lacks the id too; until then the
    title stays as it was.
    """
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


def _ranked(staging: DataFrame) -> DataFrame:
    """Every claim beside the newest, the newest settled and the newest gone one of its id.

    A window, because a claim appended twice is there twice: aggregations would have to find its rows again.
    """
    state = F.col("state")
    of_id = Window.partitionBy("id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return (
        staging.filter(F.col("id").isNotNull())
        .select("id", "place", "batch", "state")
        .withColumn("newest", F.max("place").over(of_id))
        .withColumn("settled", F.max(F.when(state.isin("landed", "filtered"), F.col("place"))).over(of_id))
        .withColumn("gone", F.max(F.when(state == "gone", F.col("place"))).over(of_id))
    )


def _one_each(rows: DataFrame, entity: str) -> DataFrame:
    """Of each id the claim that was chosen and the newest, each as its last append holds it."""
    place = F.col("place")
    chosen, newest = place == F.col("chosen"), place == F.col("newest")
    found = (
        rows.filter(chosen | newest)
        .groupBy("id")
        .agg(
            F.max(F.when(chosen, F.col("state"))).alias("state"),
            F.max("chosen").alias("place"),
            F.max(F.when(chosen, F.col("batch"))).alias("batch"),
            F.max("tombstoned").alias("tombstoned"),
            F.max(F.when(newest, F.col("state"))).alias("newest_state"),
            F.max("newest").alias("newest_place"),
            F.max(F.when(newest, F.col("batch"))).alias("newest_batch"),
        )
    )
    return found.select(F.lit(entity).alias("entity"), *(column.name for column in CURRENT_COLUMNS[1:]))


def landed_answers(staging: DataFrame, current: DataFrame) -> DataFrame:
    """The rows of staging that speak for the titles shown now."""
    shown = current.filter(F.col("state") == "landed").select("place", "batch")
    # Two numbers a title go to every task; the bodies stay where they are.
    return staging.join(F.broadcast(shown), ["place", "batch"])
