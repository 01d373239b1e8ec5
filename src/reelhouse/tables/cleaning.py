"""How TMDB's ways to say "unknown" become NULL, and columns every table has."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from reelhouse.tables.columns import ColumnSpec

MOVIE_ID = ColumnSpec("movie_id", "bigint", "The movie.", path="id")
FETCHED_AT = ColumnSpec("fetched_at", "timestamp", "When TMDB gave the answer this comes from.")
POSITION = ColumnSpec("position", "bigint", "Place in TMDB's list, from 0.")


def text(value: str | Column) -> Column:
    """A text; TMDB writes "" where it knows none."""
    column = F.col(value) if isinstance(value, str) else value
    return F.when(column != "", column)


def amount(value: str | Column) -> Column:
    """Money or minutes; TMDB writes 0 where it knows none."""
    column = F.col(value) if isinstance(value, str) else value
    return F.when(column != 0, column)
