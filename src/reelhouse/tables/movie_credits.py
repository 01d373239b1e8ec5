"""Who made a movie: one row a credit. A credit without a person keeps its row with a NULL person."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.tables.cleaning import FETCHED_AT, MOVIE_ID, POSITION, text
from reelhouse.tables.columns import ColumnSpec
from reelhouse.tables.movie import listed


def _person_columns(where: str) -> tuple[ColumnSpec, ...]:
    path = f"credits.{where}[]"
    return (
        MOVIE_ID,
        POSITION,
        ColumnSpec("credit_id", "string", "TMDB's id of the credit.", path=f"{path}.credit_id"),
        ColumnSpec("person_id", "bigint", "The person; NULL where TMDB names none.", path=f"{path}.id"),
        ColumnSpec("name", "string", "Name of the person.", path=f"{path}.name"),
        ColumnSpec("original_name", "string", "Name in their own script.", path=f"{path}.original_name"),
        ColumnSpec("gender", "bigint", "0 unknown, 1 female, 2 male, 3 non-binary.", path=f"{path}.gender"),
        ColumnSpec("known_for_department", "string", "What they are known for.", path=f"{path}.known_for_department"),
        ColumnSpec("adult", "boolean", "Marked as a pornographic performer.", path=f"{path}.adult"),
        ColumnSpec("popularity", "double", "The person's popularity that day.", path=f"{path}.popularity"),
        ColumnSpec("profile_path", "string", "Portrait.", path=f"{path}.profile_path"),
    )


CAST_COLUMNS = (
    *_person_columns("cast"),
    ColumnSpec("cast_id", "bigint", "TMDB's number of the role in this movie.", path="credits.cast[].cast_id"),
    ColumnSpec("character", "string", "Who is played.", path="credits.cast[].character"),
    ColumnSpec("order", "bigint", "Billing order, from 0.", path="credits.cast[].order"),
    FETCHED_AT,
)

CREW_COLUMNS = (
    *_person_columns("crew"),
    ColumnSpec("department", "string", "Department.", path="credits.crew[].department"),
    ColumnSpec("job", "string", "Job.", path="credits.crew[].job"),
    FETCHED_AT,
)


def movie_cast(answers: DataFrame) -> DataFrame:
    """One row for each role."""
    item = F.col("item")
    return listed(answers, F.col("credits")["cast"]).select(
        *_person(item), item["cast_id"].alias("cast_id"), text(item["character"]).alias("character"),
        item["order"].alias("order"), "fetched_at",
    )  # fmt: skip


def movie_crew(answers: DataFrame) -> DataFrame:
    """One row for each job somebody did."""
    item = F.col("item")
    return listed(answers, F.col("credits")["crew"]).select(
        *_person(item), text(item["department"]).alias("department"), text(item["job"]).alias("job"), "fetched_at"
    )


def _person(item: Column) -> list[Column]:
    return [
        F.col("movie_id"),
        F.col("position"),
        text(item["credit_id"]).alias("credit_id"),
        item["id"].alias("person_id"),
        text(item["name"]).alias("name"),
        text(item["original_name"]).alias("original_name"),
        item["gender"].alias("gender"),
        text(item["known_for_department"]).alias("known_for_department"),
        item["adult"].alias("adult"),
        item["popularity"].alias("popularity"),
        text(item["profile_path"]).alias("profile_path"),
    ]
