"""The definitions of measures, each written once, and their settings."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

FIRST_YEAR, LAST_YEAR = 1870, 2100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """*adult_titles* includes titles marked as adult; *rating_votes* is m, at which a title's own mean counts half."""

    adult_titles: bool = False
    rating_votes: int = 300


def kept(adult_titles: bool) -> Column:
    """Whether a movie belongs in the marts. A movie without the flag is not an adult title."""
    return F.lit(True) if adult_titles else ~F.coalesce(F.col("adult"), F.lit(False))


def in_calendar(date: Column) -> Column:
    """Whether `dim_date` may hold *date*: no film is older, and none is planned later."""
    return F.year(date).between(FIRST_YEAR, LAST_YEAR)


def date_key(date: Column) -> Column:
    """yyyymmdd; NULL if the date is unknown or not in `dim_date`."""
    number = F.year(date) * 10000 + F.month(date) * 100 + F.dayofmonth(date)
    return F.when(in_calendar(date), number.cast("int"))


def decade(date: Column) -> Column:
    return (F.year(date) - F.year(date) % 10).cast("int")


def profit(budget: Column, revenue: Column) -> Column:
    return revenue - budget


def roi(budget: Column, revenue: Column) -> Column:
    """Profit per dollar of budget. The guard is for budgets that are not positive: ANSI mode would end the build."""
    return F.when(budget > 0, (revenue - budget).cast("double") / budget.cast("double"))


def mean(value: Column) -> Column:
    """The mean of a group's values between minus and plus a million; the same bits for any order of rows.

    Sums of doubles depend on the order in their last bits. Sums of whole millionths do not.
    """
    millionths = F.floor(F.when(F.abs(value) <= 1e6, value) * 1e6 + 0.5).cast("bigint")
    count = F.count(millionths)
    return F.when(count > 0, F.sum(millionths).cast("double") / count.cast("double") / 1e6)


def weighted_rating(mean: Column, votes: Column, mean_of_all: Column, rating_votes: int) -> Column:
    """v/(v+m)·R + m/(v+m)·C. Without votes there is no R, and C remains."""
    prior = F.lit(float(rating_votes))
    total = votes.cast("double") + prior
    own = F.when(votes > 0, votes.cast("double") * mean).otherwise(F.lit(0.0))
    return F.when(total > 0, (own + prior * mean_of_all) / total)
