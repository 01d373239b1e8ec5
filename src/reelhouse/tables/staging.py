"""Staging: raw answers parsed once. One row for each outcome of a receipt, with the parsed body where one landed.

Every table is a projection of it, so no other module reads a chunk.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.entities.paths import ITEMS, NUMBERED, MapOf, Shape, staged_name
from reelhouse.entities.schema import ColumnSpec, Entity
from reelhouse.tables.parsing import (
    MARKING,
    MISFIT,
    any_of,
    maps_to_entries,
    numbered_entries,
    read_type,
    suspect,
    suspect_exactly,
    typed,
)
from reelhouse.tables.schemas import data_type, schema_of

# Goes up when an answer may be parsed into other values, so that all are parsed again from raw.
VERSION = 6

OUTCOME_COLUMNS = (
    ColumnSpec("sequence", "bigint", "Where the outcome stands among all: a greater one is newer."),
    ColumnSpec("append_id", "bigint", "The append that brought the row; tells a repeated append apart."),
    ColumnSpec("run", "bigint", "Number of the run."),
    ColumnSpec("unit", "bigint", "Unit of the run."),
    ColumnSpec("part", "bigint", "Part of the unit's receipts."),
    ColumnSpec("chunk", "string", "Key of the chunk that holds the answer."),
    ColumnSpec("line", "bigint", "Line in the chunk, from 0."),
    ColumnSpec("lines", "bigint", "Lines that hold the record, from `line` on."),
    ColumnSpec("requested_key", "string", "What was asked: a TMDB id or an IMDb id."),
    ColumnSpec("id", "bigint", "TMDB's id of the answer."),
    ColumnSpec("state", "string", "landed, filtered, gone or quarantined."),
    ColumnSpec("cause", "string", "Why it was asked."),
    ColumnSpec("reason", "string", "Why it was quarantined."),
    ColumnSpec("fetched_at", "timestamp", "TMDB's clock when it answered."),
)
OUTCOMES = schema_of(OUTCOME_COLUMNS)


_REJECTED: Shape = [{"path": "string", "raw": "string", "reason": "string"}]


def staging_columns(entity: Entity) -> tuple[ColumnSpec, ...]:
    """The columns of staging: the outcome, each field of the answer, and what of it did not fit."""
    return (
        *OUTCOME_COLUMNS,
        ColumnSpec("sha256", "string", "sha256 of the body as TMDB sent it."),
        *(ColumnSpec(staged_name(name), shape, f"As TMDB sent it: {name}.") for name, shape in entity.shape.items()),
        ColumnSpec("rejected", _REJECTED, "Values that do not fit: path, raw value and the rule they break."),
        ColumnSpec(
            "unparsed_line", "string", "The line itself, where a value may have been lost; a later batch settles it."
        ),
    )


def staging_schema(entity: Entity) -> T.StructType:
    """The declared schema of an entity's staging."""
    return schema_of(staging_columns(entity))


def _envelope(shape: dict[str, Shape], *, exactly: bool) -> T.StructType:
    return T.StructType(
        [
            T.StructField("chunk", T.StringType()),
            T.StructField("line", T.LongType()),
            T.StructField("sha256", T.StringType()),
            T.StructField("body", read_type(shape.get(ITEMS, shape), exactly=exactly)),
            *([T.StructField(MISFIT, T.StringType())] if exactly else []),
        ]
    )


_KEPT = ("chunk", "line", "sha256")


def staged(lines: DataFrame, outcomes: DataFrame, shape: dict[str, Shape], *, exactly: bool) -> DataFrame:
    """The rows of staging for landed *outcomes* to answers of *shape*; *lines* are the chunks' lines (`value`).

    Each of *outcomes* has one line, and a line without one is not a row. An outcome has no row either if its line is
    missing or the engine's parser refuses it (a number out of range, too deep a nesting, too long a name): the caller
    counts those, and reads them in Python. *exactly* needs an engine that `marks_misfits`; it makes the same rows
    sooner.
    """
    answers = (
        _parsed(lines, shape, exactly=exactly)
        .withColumnRenamed("chunk", "in_chunk")
        .withColumnRenamed("line", "in_line")
    )
    # Neither is ever NULL in *outcomes*. Said with `=`, Spark would ask first whether lines have them, and parse each
    # line once more for either question.
    same = F.col("chunk").eqNullSafe(F.col("in_chunk")) & F.col("line").eqNullSafe(F.col("in_line"))
    # Outcomes are handed to every task, so that no body is shuffled; an outer join could not do that.
    return (
        F.broadcast(outcomes)
        .join(answers, same)
        .select(
            *OUTCOMES.names,
            "sha256",
            *(staged_name(name) for name in shape),
            F.lit(None).cast(data_type(_REJECTED)).alias("rejected"),
            "unparsed_line",
        )
    )


def _parsed(lines: DataFrame, shape: dict[str, Shape], *, exactly: bool) -> DataFrame:
    read = F.from_json("value", _envelope(shape, exactly=exactly), MARKING if exactly else None)

    def parts(envelope: Column) -> list[Column]:
        return _parts(envelope, shape, exactly=exactly)

    def columns(part: Callable[[str], Column]) -> list[Column]:
        return _columns(part, shape, exactly=exactly)

    if exactly:
        # Between two selects, Spark packs what the parser gave into its own form of a row, out of which a function of
        # each item of a list takes every value at great cost: a fifth of all parsing. Within one column it does not.
        rows = F.transform(F.array(read), lambda envelope: F.struct(*parts(envelope)))
        answer = F.transform(rows, lambda row: F.struct(*columns(row.__getitem__)))[0]
        made = lines.select("value", answer.alias("answer")).select("value", "answer.*")
    else:
        prepared = lines.select("value", read.alias("envelope")).select("value", *parts(F.col("envelope")))
        made = prepared.select("value", *columns(F.col))
    unparsed = F.when(F.col("suspect"), F.col("value")).alias("unparsed_line")
    return made.select(*_KEPT, *(staged_name(name) for name in shape), unparsed)


def _parts(envelope: Column, shape: dict[str, Shape], *, exactly: bool) -> list[Column]:
    """Envelope and body, objects whose keys are data as lists of key and value; whether the body is `unread`."""
    body = envelope["body"]
    fields = [_field(name, inner, body).alias(staged_name(name)) for name, inner in shape.items()]
    # A body that lies as base64, or is not an object.
    unread = body.isNull() | envelope[MISFIT].isNotNull() if exactly else body.isNull()
    return [*(envelope[name].alias(name) for name in _KEPT), unread.alias("unread"), *fields]


def _columns(part: Callable[[str], Column], shape: dict[str, Shape], *, exactly: bool) -> list[Column]:
    """What `_parts` gave with its types, and whether it is `suspect`."""
    values = {name: part(staged_name(name)) for name in shape}
    fields = [typed(values[name], inner, exactly=exactly).alias(staged_name(name)) for name, inner in shape.items()]
    suspects = [test for name, inner in shape.items() for test in _suspect_field(name, values[name], inner, exactly)]
    kept = [part(name).alias(name) for name in _KEPT]
    return [*kept, *fields, any_of([part("unread"), *suspects]).alias("suspect")]


def _field(name: str, shape: Shape, body: Column) -> Column:
    """One field of the answer; all that are named by number are the entries of one."""
    if name == ITEMS:
        return maps_to_entries(body, shape)
    if not name.endswith(NUMBERED):
        return maps_to_entries(body[name], shape)
    assert isinstance(shape, MapOf)
    # The members of a struct have fixed names, so the body is read once more, as texts by name.
    texts = F.from_json("value", T.StructType([T.StructField("body", T.MapType(T.StringType(), T.StringType()))]))
    return numbered_entries(texts["body"], name.removesuffix("*"), shape.values)


def _suspect_field(name: str, value: Column, shape: Shape, exactly: bool) -> list[Column]:
    if exactly and not name.endswith(NUMBERED):
        return suspect_exactly(value, shape)
    if isinstance(shape, str) or name == ITEMS or name.endswith(NUMBERED):
        return [suspect(value, shape)]
    # A member that was not requested is missing, which is not a loss; one that is there and came out NULL is.
    sent = F.col("value").contains(f'"{name}"') & ~F.col("value").contains(f'"{name}":null')
    return [F.when(value.isNull(), sent).otherwise(suspect(value, shape))]
