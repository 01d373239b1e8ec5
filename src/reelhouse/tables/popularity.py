"""TMDB's daily exports as a table: how popular everything was, day by day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.entities.schema import FETCHED_AT, ColumnSpec, Table
from reelhouse.tables.nulls import text

_COLUMNS = (
    ColumnSpec("kind", "string", "The kind of thing; adult_movie and the like for rows of the adult exports."),
    ColumnSpec("id", "bigint", "TMDB's id.", path="export.id"),
    ColumnSpec("day", "date", "The export's day."),
    ColumnSpec("popularity", "double", "Popularity on that day.", path="export.popularity"),
    ColumnSpec(
        "original_title",
        "string",
        "Original title that day; of kinds without one the original name, or the name.",
        path="export.original_title",
    ),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path="export.adult"),
    ColumnSpec("video", "boolean", "TMDB's flag for videos that are not films.", path="export.video"),
    FETCHED_AT,
)

# What exports of one kind or another call the title.
_NAMES = ("original_title", "original_name", "name")

_LINE = T.StructType(
    [
        T.StructField("id", T.LongType()),
        T.StructField("popularity", T.DoubleType()),
        *(T.StructField(name, T.StringType()) for name in _NAMES),
        T.StructField("adult", T.BooleanType()),
        T.StructField("video", T.BooleanType()),
    ]
)


def popularity(lines: DataFrame, *, kind: str, day: str, fetched_at: str) -> DataFrame:
    """The rows of one export's lines (`value`); a line without an id is none."""
    row = F.from_json("value", _LINE)
    rows = lines.select(row.alias("row")).select("row.*").filter(F.col("id").isNotNull())
    return rows.select(
        F.lit(kind).alias("kind"),
        "id",
        F.lit(day).cast("date").alias("day"),
        "popularity",
        F.coalesce(*(text(F.col(name)) for name in _NAMES)).alias("original_title"),
        "adult",
        "video",
        F.lit(fetched_at).cast("timestamp").alias("fetched_at"),
    )


# No pass over other tables makes it: it grows export by export (warehouse/popularity_daily.py).
POPULARITY = Table(
    "popularity_daily",
    "How popular everything was on the day of each landed export.",
    _COLUMNS,
    popularity,
    (),
    ("kind", "id", "day"),
    version=2,
)
