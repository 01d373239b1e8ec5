"""The calendar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec
from reelhouse.marts.measures import date_key, decade, in_calendar

DIM_DATE_COLUMNS = (
    ColumnSpec("date_key", "int", "The day as yyyymmdd."),
    ColumnSpec("date", "date", "The day."),
    ColumnSpec("year", "int", "Year."),
    ColumnSpec("quarter", "int", "Quarter, 1 to 4."),
    ColumnSpec("month", "int", "Month, 1 to 12."),
    ColumnSpec("month_name", "string", "English name of the month."),
    ColumnSpec("day", "int", "Day of the month."),
    ColumnSpec("day_of_year", "int", "Day of the year, from 1."),
    ColumnSpec("weekday", "int", "Day of the week, 1 Monday to 7 Sunday (ISO 8601)."),
    ColumnSpec("weekday_name", "string", "English name of the day of the week."),
    ColumnSpec("is_weekend", "boolean", "Saturday or Sunday."),
    ColumnSpec("decade", "int", "First year of the decade."),
)
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def dim_date(*frames: DataFrame, columns: Sequence[str]) -> DataFrame:
    """One row for each day from the first to the last in these *columns* of *frames*, within 1870 to 2100."""
    dates = (frame.select(F.col(name).alias("used")) for frame, name in zip(frames, columns, strict=True))
    used = reduce(DataFrame.unionByName, dates)
    ends = used.filter(in_calendar(F.col("used"))).agg(F.min("used").alias("first"), F.max("used").alias("last"))
    days = ends.filter(F.col("first").isNotNull()).select(
        "first", F.explode(F.sequence(F.lit(0), F.datediff("last", "first"))).alias("n")
    )
    day = F.col("date")
    # Not `F.weekday`: Sail 0.7.2 returns -1 for a Sunday.
    weekday = (F.dayofweek(day) + 5) % 7 + 1
    return days.select(F.date_add("first", F.col("n")).alias("date")).select(
        date_key(day).alias("date_key"),
        "date",
        F.year(day).cast("int").alias("year"),
        F.quarter(day).cast("int").alias("quarter"),
        F.month(day).cast("int").alias("month"),
        _named(_MONTHS, F.month(day)).alias("month_name"),
        F.dayofmonth(day).cast("int").alias("day"),
        F.dayofyear(day).cast("int").alias("day_of_year"),
        weekday.cast("int").alias("weekday"),
        _named(_WEEKDAYS, weekday).alias("weekday_name"),
        (weekday >= 6).alias("is_weekend"),
        decade(day).alias("decade"),
    )


def _named(names: tuple[str, ...], number: Column) -> Column:
    # Names from a date format depend on the engine and its locale.
    return F.element_at(F.array(*(F.lit(name) for name in names)), number.cast("int"))
