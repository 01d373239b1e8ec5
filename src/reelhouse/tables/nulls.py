"""How TMDB's ways to say "unknown" become NULL."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def text(value: Column) -> Column:
    """A text; TMDB writes "" where it knows none."""
    return F.when(value != "", value)


def amount(value: Column) -> Column:
    """Money or minutes; TMDB writes 0 where it knows none."""
    return F.when(value != 0, value)
