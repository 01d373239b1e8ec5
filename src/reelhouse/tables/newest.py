"""Which claim speaks for each id now. Narrow on purpose: bodies are never carried through an aggregation."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.tables.columns import ColumnSpec

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
    ranked = _ranked(_claims(staging))
    listed = export.select(F.col("id").alias("listed_id")).distinct()
    seen = ranked.join(listed, ranked["id"] == listed["listed_id"], "left")
    absent = F.col("listed_id").isNull() if export_known else F.lit(True)
    newer_gone = F.col("gone").isNotNull() & (F.coalesce("settled", F.lit(-1)) < F.col("gone"))
    place = (
        F.when(newer_gone & (absent | F.col("settled").isNull()), F.col("gone"))
        .when(F.col("settled").isNotNull(), F.col("settled"))
        .otherwise(F.col("any"))
    )
    return _with_rows(
        seen.select(
            "id",
            F.col("any").alias("newest_place"),
            place.alias("place"),
            F.coalesce(newer_gone & absent, F.lit(False)).alias("tombstoned"),
        ),
        staging,
        entity,
    )


def _claims(staging: DataFrame) -> DataFrame:
    """One row a claim; the same claim appended twice has the same place, id and state."""
    return (
        staging.filter(F.col("id").isNotNull())
        .groupBy("place")
        .agg(F.max("id").alias("id"), F.max("state").alias("state"))
    )


def _ranked(claims: DataFrame) -> DataFrame:
    state = F.col("state")
    return claims.groupBy("id").agg(
        F.max("place").alias("any"),
        F.max(F.when(state.isin("landed", "filtered"), F.col("place"))).alias("settled"),
        F.max(F.when(state == "gone", F.col("place"))).alias("gone"),
    )


def _with_rows(chosen: DataFrame, staging: DataFrame, entity: str) -> DataFrame:
    rows = staging.groupBy("place").agg(F.max("batch").alias("batch"), F.max("state").alias("state"))
    newest = rows.select(
        F.col("place").alias("newest_place"),
        F.col("batch").alias("newest_batch"),
        F.col("state").alias("newest_state"),
    )
    joined = chosen.join(rows, "place").join(newest, "newest_place")
    return joined.select(
        F.lit(entity).alias("entity"),
        "id",
        "state",
        "place",
        "batch",
        "tombstoned",
        "newest_state",
        "newest_place",
        "newest_batch",
    )


def landed_answers(staging: DataFrame, current: DataFrame) -> DataFrame:
    """The rows of staging that speak for the titles shown now."""
    shown = current.filter(F.col("state") == "landed").select("place", "batch")
    return staging.join(shown, ["place", "batch"])
