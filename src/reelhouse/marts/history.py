"""How titles changed: intervals in which what TMDB says stayed the same, what each day said, who offered them when.

Everything follows from the tables of days, so it is the same whenever it is built. Between two answers nothing is
known: an interval begins with the first answer that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import STAGING, ColumnSpec, Table, key_of
from reelhouse.entities.titles import INCLUDES_OFFERS
from reelhouse.marts.measures import date_key, kept
from reelhouse.tables.registry import input_of

# What changes with every answer is not a change of the title.
_MEASURES = ("popularity", "vote_average", "vote_count")

_INTERVAL = (
    ColumnSpec("valid_from", "timestamp", "The first answer that said so."),
    ColumnSpec(
        "valid_to",
        "timestamp",
        "The first answer that said otherwise or left the title out (gone, filtered, adult); NULL while it holds. "
        "Answers that TMDB has removed a title count if they came on two days, or if the tables leave the title out.",
    ),
    ColumnSpec("is_current", "boolean", "Whether it holds now."),
    ColumnSpec("is_deleted", "boolean", "Whether it is the last that was known of a title that TMDB has removed."),
)


def history_of(kind: str, days: Table, adult_titles: bool) -> Table:
    """The mart of the intervals of titles, from the table of their *days*."""
    left_out = (*_MEASURES, INCLUDES_OFFERS, *days.key, "fetched_at")
    names = [one.name for one in days.columns if one.name not in left_out]
    own = {one.name: one for one in days.columns}
    return Table(
        f"dim_{kind}_history",
        "Versions of each title with their validity interval, removed titles included. "
        "Changes of votes and popularity do not start a version.",
        (own[f"{kind}_id"], _INTERVAL[0], *(own[name] for name in names), *_INTERVAL[1:]),
        intervals,
        (days.name, "record", input_of(kind, STAGING)),
        (f"{kind}_id", "valid_from"),
        {"kind": kind, "names": names, "adult_titles": adult_titles},
        version=3,
    )


def intervals(
    days: DataFrame, record: DataFrame, staging: DataFrame, *, kind: str, names: list[str], adult_titles: bool
) -> DataFrame:
    """One row for each interval in which the columns of these *names* stayed the same."""
    id_column = f"{kind}_id"
    in_order = _neighbours(id_column, "after", "is_out")
    present = (F.col("fetched_at").alias("after"), F.lit(False).alias("is_out"), F.lit(False).alias("is_deleted"))
    shown = days.select(id_column, "fetched_at", *names, *present)
    answers = shown.unionByName(_absences(record, staging, kind), allowMissingColumns=True)
    # One struct of all columns, since each function of a window costs as much. What the answer before says of another
    # title differs by its id.
    said = answers.withColumn("said", F.struct(id_column, "is_out", *names))
    before = said.withColumn("before", F.lag("said").over(in_order))
    changes = before.filter(~F.col("said").eqNullSafe(F.col("before")))
    following = F.lead(F.struct(id_column, "fetched_at", "is_deleted")).over(in_order)
    # Only now: what was said before a title was left out, or became an adult one, ends there.
    rows = changes.withColumn("following", following).filter(~F.col("is_out") & kept(adult_titles))
    ends = _of_title(id_column, "following", "fetched_at")
    return rows.select(
        id_column,
        F.col("fetched_at").alias("valid_from"),
        *names,
        ends.alias("valid_to"),
        ends.isNull().alias("is_current"),
        F.coalesce(_of_title(id_column, "following", "is_deleted"), F.lit(False)).alias("is_deleted"),
    )


def _absences(record: DataFrame, staging: DataFrame, kind: str) -> DataFrame:
    """The first of the answers in a row that leave a title out: TMDB has removed it, or the record filter refuses it.

    It comes after the answer of the instant *after*. Answers of a CDN have its time, so that a later one may be older:
    the instant at which the title is left out lies between those of the answers before and after, whatever it says.
    *is_deleted* says whether TMDB has removed the title and it has not come back. One day's answer that a title is gone
    may be an outage of TMDB's: it counts if another day's says so too, or if the tables leave the title out.
    """
    id_column = f"{kind}_id"
    state = F.col("state")
    id_ = F.col("id").alias(id_column)
    left_out = staging.filter(state.isin("gone", "filtered")).select(
        id_, F.col("sequence").alias("left_out"), "fetched_at", (state == "filtered").alias("is_filtered")
    )
    landed = staging.filter(state == "landed").select(id_, "sequence", F.col("fetched_at").alias("shown_at"))
    # The newest answer of each day is what tables of days have.
    shown = (
        # First the few: Sail puts what comes first into a table of hashes.
        F.broadcast(left_out)
        .join(landed.withColumn("shown_on", F.to_date("shown_at")), id_column)
        .groupBy(id_column, "left_out", "fetched_at", "is_filtered", "shown_on")
        .agg(F.max("sequence").alias("shown"), F.max_by("shown_at", "sequence").alias("shown_at"))
    )
    earlier = F.col("shown") < F.col("left_out")
    counted = shown.groupBy(id_column, "left_out", "fetched_at", "is_filtered").agg(
        F.count_if(earlier).alias("before"),
        F.count("shown").alias("days"),
        F.max(F.when(earlier, F.col("shown_at"))).alias("after"),
        F.min(F.when(~earlier, F.col("shown_at"))).alias("next_at"),
    )
    # Answers between which none shows the title have as many before them that do; one that has none ends nothing.
    in_a_row = (
        counted.filter("before > 0")
        .withColumn("day", F.to_date("fetched_at"))
        .groupBy(id_column, "before")
        .agg(
            F.max("after").alias("after"),
            F.min("next_at").alias("next_at"),
            F.min("fetched_at").alias("first"),
            (F.max("is_filtered") | (F.min("day") < F.max("day"))).alias("is_sure"),
            (F.max("days") == F.col("before")).alias("is_last"),
        )
    )
    known = record.filter(F.col("entity") == kind).select(id_, F.col("state").alias("known_as"))
    rows = known.join(F.broadcast(in_a_row), id_column)
    is_out = F.col("known_as").isin("gone", "filtered")
    # Times that contradict the order say nothing of what was between.
    is_between = F.col("is_sure") & (F.col("after") < F.col("next_at"))
    return rows.filter(F.when(F.col("is_last"), is_out).otherwise(is_between)).select(
        id_column,
        F.least(F.greatest("first", "after"), "next_at").alias("fetched_at"),
        "after",
        F.lit(True).alias("is_out"),
        (F.col("is_last") & (F.col("known_as") == "gone")).alias("is_deleted"),
    )


# Sail pays for each partition of a window as for many rows, and titles have few: some share a partition.
_PARTITIONS = 256


def _neighbours(id_column: str, *order: str) -> WindowSpec:
    """A window in which the rows before and after one are those of its title in this order, or of another title."""
    return Window.partitionBy(F.col(id_column) % _PARTITIONS).orderBy(id_column, *order)


def _of_title(id_column: str, neighbour: str, member: str) -> Column:
    """A *member* of a *neighbour*, a struct with its title's id; NULL if it is of another title."""
    # The member is chosen last: of a struct that is NULL, Sail would give what it was before.
    return F.when(F.col(neighbour)[id_column] == F.col(id_column), F.col(neighbour)[member])


_SNAPSHOT = (
    ColumnSpec("day", "date", "Day (UTC) of the answer."),
    key_of("dim_date", "date_key", "int", "The day as yyyymmdd"),
    ColumnSpec("popularity", "double", "TMDB's popularity that day; not comparable over years.", path="popularity"),
    ColumnSpec("vote_average", "double", "Mean of the votes.", "0 to 10", "vote_average"),
    ColumnSpec("votes", "bigint", "Number of votes.", "votes", "vote_count"),
    ColumnSpec("days_since", "bigint", "Since the snapshot before; NULL for the first.", "days"),
    ColumnSpec("popularity_change", "double", "Since the snapshot before; NULL for the first."),
    ColumnSpec("votes_change", "bigint", "Since the snapshot before; NULL for the first.", "votes"),
    ColumnSpec(
        "rank", "bigint", "Place by popularity, from 1, among the titles with an answer that day; NULL without one."
    ),
    ColumnSpec("rank_change", "bigint", "Places gained since the snapshot before; negative for places lost.", "places"),
    ColumnSpec(
        "is_joiner", "boolean", "Whether the day before that has answers has none of the title; NULL on the first day."
    ),
    ColumnSpec(
        "is_leaver", "boolean", "Whether the day after that has answers has none of the title; NULL on the last day."
    ),
)


def snapshots_of(kind: str, days: Table, adult_titles: bool) -> Table:
    """The mart of what each day said of titles, from the table of their *days*."""
    noun = ENTITIES[kind].singular
    (id_column,) = (one for one in days.columns if one.name == f"{kind}_id")
    return Table(
        f"fact_{kind}_snapshot",
        f"One row for each {noun} and day with an answer: popularity, votes and rank, and their change.",
        (id_column, *_SNAPSHOT),
        snapshots,
        (days.name,),
        (id_column.name, "day"),
        {"id_column": id_column.name, "adult_titles": adult_titles},
        version=3,
    )


def snapshots(days: DataFrame, *, id_column: str, adult_titles: bool) -> DataFrame:
    """One row for each title and day with an answer."""
    by_day = _neighbours(id_column, "day")
    known = days.filter(kept(adult_titles))
    popular = Window.partitionBy("day").orderBy(F.col("popularity").desc_nulls_last(), id_column)
    ranked = known.withColumn("rank", F.when(F.col("popularity").isNotNull(), F.row_number().over(popular)))
    # A few rows, one per day.
    in_order = Window.partitionBy(F.lit(0)).orderBy("day")
    calendar = known.select("day").distinct().select(
        "day", F.lag("day").over(in_order).alias("day_before"), F.lead("day").over(in_order).alias("day_after")
    )  # fmt: skip
    # One struct, as above.
    said = F.struct(id_column, "day", "popularity", "vote_count", "rank")
    rows = (
        ranked.join(F.broadcast(calendar), "day")
        .withColumn("before", F.lag(said).over(by_day))
        .withColumn("after", F.lead(F.struct(id_column, "day")).over(by_day))
    )
    last = partial(_of_title, id_column, "before")
    return rows.select(
        id_column,
        "day",
        date_key(F.col("day")).alias("date_key"),
        "popularity",
        "vote_average",
        F.col("vote_count").alias("votes"),
        F.datediff("day", last("day")).cast("bigint").alias("days_since"),
        (F.col("popularity") - last("popularity")).alias("popularity_change"),
        (F.col("vote_count") - last("vote_count")).alias("votes_change"),
        F.col("rank").cast("bigint").alias("rank"),
        (last("rank") - F.col("rank")).cast("bigint").alias("rank_change"),
        _lacks("day_before", last("day")).alias("is_joiner"),
        _lacks("day_after", _of_title(id_column, "after", "day")).alias("is_leaver"),
    )


def _lacks(neighbour: str, answered: Column) -> Column:
    """The column is true if the title has no answer on that day. It is NULL if *neighbour* has no day."""
    return F.when(F.col(neighbour).isNotNull(), ~F.col(neighbour).eqNullSafe(answered))


AVAILABILITY_COLUMNS = (
    ColumnSpec("media_type", "string", "movie or tv."),
    ColumnSpec("title_id", "bigint", "The movie or series.", path="id"),
    ColumnSpec("iso_3166_1", "string", "Where it was offered."),
    ColumnSpec("monetization_type", "string", "flatrate, rent, buy, ads, free and what may come."),
    ColumnSpec("provider_id", "bigint", "Who offered it; data by JustWatch."),
    ColumnSpec("first_seen", "date", "Day of the first answer with the offer."),
    ColumnSpec(
        "last_seen",
        "date",
        "Day of the last answer with the offer, without one between that lacks it or leaves the title out; "
        "answers without `watch/providers` do not count.",
    ),
    ColumnSpec(
        "is_current",
        "boolean",
        "Whether the newest answer with offers has it, and the title is not left out (gone, filtered, adult).",
    ),
)
_OFFER = ("title_id", "iso_3166_1", "monetization_type", "provider_id")


def availability(*frames: DataFrame, kinds: Mapping[str, int], adult_titles: bool) -> DataFrame:
    """One row for each time that a provider offered a title.

    *kinds* have three frames each: days, offers by day, and staging. The last frame are the records.
    """
    *of_kinds, record = frames
    parts = zip(kinds, of_kinds[::3], of_kinds[1::3], of_kinds[2::3], strict=True)
    return reduce(
        DataFrame.unionByName,
        (
            _offered(kind, days.withColumn("kept", kept(adult_titles)), offers, _absences(record, staging, kind))
            for kind, days, offers, staging in parts
        ),
    )


def _offered(kind: str, days: DataFrame, offers: DataFrame, absences: DataFrame) -> DataFrame:
    by_day = Window.partitionBy("title_id").orderBy("day", "is_out")
    of_title = Window.partitionBy("title_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    # An answer that was requested without offers neither has nor lacks any, but a title that is left out has none.
    telling = days.filter(F.col(INCLUDES_OFFERS) | ~F.col("kept"))
    shown = telling.select(F.col(f"{kind}_id").alias("title_id"), "day", "kept", F.lit(False).alias("is_out"))
    answers = shown.union(absences.select(f"{kind}_id", F.to_date("after"), F.lit(False), "is_out"))
    answers = answers.withColumn("answer", F.row_number().over(by_day))
    answers = answers.withColumn("newest", F.max("answer").over(of_title))
    offered = offers.withColumnRenamed(f"{kind}_id", "title_id").select("day", *_OFFER).distinct()
    numbered = offered.join(answers.filter("kept").drop("is_out"), ["title_id", "day"])
    # Answers in a row that have the offer differ from their own numbers by the same. Numbered by title, of which there
    # are fewer than offers.
    run = F.col("answer") - F.row_number().over(Window.partitionBy("title_id").orderBy(*_OFFER[1:], "answer"))
    spans = numbered.withColumn("run", run).groupBy(*_OFFER, "run")
    rows = spans.agg(
        F.min("day").alias("first_seen"),
        F.max("day").alias("last_seen"),
        (F.max("answer") == F.max("newest")).alias("is_current"),
    )
    return rows.select(F.lit(kind).alias("media_type"), *_OFFER, "first_seen", "last_seen", "is_current")
