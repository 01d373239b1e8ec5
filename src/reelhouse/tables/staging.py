"""Staging: raw answers parsed once. One row for each claim of a receipt, with the parsed body where one landed.

Every table is a projection of it, so no other module reads a chunk.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.tables.columns import ColumnSpec, schema_of
from reelhouse.tables.movie_shape import MOVIE
from reelhouse.tables.shape import REJECTED, any_of, doubtful, opened, read_type, type_of, typed

CLAIM_COLUMNS = (
    ColumnSpec("place", "bigint", "Where the claim stands among all: a greater one is newer."),
    ColumnSpec("batch", "bigint", "The append that brought the row; tells a repeated append apart."),
    ColumnSpec("run", "bigint", "Number of the run."),
    ColumnSpec("unit", "bigint", "Unit of the run."),
    ColumnSpec("part", "bigint", "Part of the unit's receipts."),
    ColumnSpec("chunk", "string", "Key of the chunk that holds the answer."),
    ColumnSpec("line", "bigint", "Line in the chunk, from 0."),
    ColumnSpec("ask", "string", "What was asked: a TMDB id or an IMDb id."),
    ColumnSpec("id", "bigint", "TMDB's id of the answer."),
    ColumnSpec("state", "string", "landed, filtered, gone or quarantined."),
    ColumnSpec("reason", "string", "Why it was asked."),
    ColumnSpec("why", "string", "Why it was quarantined."),
    ColumnSpec("fetched_at", "timestamp", "TMDB's clock when it answered."),
)
CLAIMS = schema_of(CLAIM_COLUMNS)


def staged_name(field: str) -> str:
    """The column of a field of the answer: TMDB's name, without the slash that paths of files cannot hold."""
    return field.replace("/", "_")


STAGING_COLUMNS = (
    *CLAIM_COLUMNS,
    ColumnSpec("sha256", "string", "sha256 of the body as TMDB sent it."),
    *(ColumnSpec(staged_name(name), type_of(shape), f"As TMDB sent it: {name}.") for name, shape in MOVIE.items()),
    ColumnSpec("rejected", REJECTED, "Values that do not fit: path, raw value and the rule they break."),
    ColumnSpec("doubt", "string", "The line itself, where a value may have been lost; a later batch settles it."),
)
STAGING = schema_of(STAGING_COLUMNS)

_ENVELOPE = T.StructType(
    [
        T.StructField("chunk", T.StringType()),
        T.StructField("line", T.LongType()),
        T.StructField("sha256", T.StringType()),
        T.StructField("body", read_type(MOVIE)),
    ]
)
_KEPT = ("chunk", "line", "sha256")


def staged(lines: DataFrame, claims: DataFrame) -> DataFrame:
    """The rows of staging for landed *claims*; *lines* are the chunks' lines (`value`).

    A line without a claim is no row. A claim is none either where its line is not there or the engine's parser refuses
    it (a number out of range, too deep a nesting, too long a name): the caller counts, and reads those in Python.
    """
    answers = _parsed(lines).withColumnRenamed("chunk", "in_chunk").withColumnRenamed("line", "in_line")
    # Neither is ever NULL in *claims*. Said with `=`, Spark would ask first whether lines have them, and parse each
    # line once more for either question.
    same = F.col("chunk").eqNullSafe(F.col("in_chunk")) & F.col("line").eqNullSafe(F.col("in_line"))
    # Claims are handed to every task, so that no body is shuffled; an outer join could not do that.
    return (
        F.broadcast(claims)
        .join(answers, same)
        .select(
            *CLAIMS.names,
            "sha256",
            *(staged_name(name) for name in MOVIE),
            F.lit(None).cast(REJECTED).alias("rejected"),
            "doubt",
        )
    )


def bodiless(claims: DataFrame) -> DataFrame:
    """The rows of staging for claims without a body: what was set aside stays in raw."""
    missing = STAGING.fields[len(CLAIMS.fields) :]
    return claims.select(*CLAIMS.names, *(F.lit(None).cast(field.dataType).alias(field.name) for field in missing))


def _parsed(lines: DataFrame) -> DataFrame:
    read = _read(lines)
    doubts = [_doubt_of(name, F.col(staged_name(name))) for name in MOVIE]
    fields = [typed(F.col(staged_name(name)), shape).alias(staged_name(name)) for name, shape in MOVIE.items()]
    doubt = F.when(any_of([F.col("unread"), *doubts]), F.col("value"))
    return read.select("chunk", "line", "sha256", *fields, doubt.alias("doubt"))


def _read(lines: DataFrame) -> DataFrame:
    """Envelope and opened body."""
    envelope = lines.select("value", F.from_json("value", _ENVELOPE).alias("envelope"))
    body = F.col("envelope")["body"]
    fields = [opened(body[name], shape).alias(staged_name(name)) for name, shape in MOVIE.items()]
    kept = [F.col("envelope")[name].alias(name) for name in _KEPT]
    # A body that lies as base64, or is no object.
    return envelope.select("value", *kept, body.isNull().alias("unread"), *fields)


def _doubt_of(name: str, value: Column) -> Column:
    shape = MOVIE[name]
    if isinstance(shape, str):
        return doubtful(value, shape)
    # A member that was not asked for is missing, which is no loss; one that is there and came out NULL is.
    sent = F.col("value").contains(f'"{name}"') & ~F.col("value").contains(f'"{name}":null')
    return F.when(value.isNull(), sent).otherwise(doubtful(value, shape))
