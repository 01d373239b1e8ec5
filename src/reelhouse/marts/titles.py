"""Shared by marts of movies and of series: which titles count, credits, flat tables, newest names, weights."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from reelhouse.entities.schema import FETCHED_AT, ColumnSpec, key_of
from reelhouse.marts.measures import mean, weighted_rating

# Of movies and series alike.
TITLE_COLUMNS = (
    ColumnSpec("overview", "string", "Plot in short.", path="overview"),
    ColumnSpec("tagline", "string", "Advertising line.", path="tagline"),
    ColumnSpec("homepage", "string", "Web site.", path="homepage"),
    ColumnSpec("poster_path", "string", "Poster; see TMDB's image configuration.", path="poster_path"),
    ColumnSpec("backdrop_path", "string", "Backdrop image.", path="backdrop_path"),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path="adult"),
    ColumnSpec("softcore", "boolean", "Marked as softcore.", path="softcore"),
)

POSTER_COLUMNS = (
    ColumnSpec("kind", "string", "The kind of title."),
    ColumnSpec("id", "bigint", "The title.", path="id"),
    ColumnSpec("title", "string", "Title or name in the requested language."),
    ColumnSpec("poster_url", "string", "Address of its poster, 342 pixels wide."),
    ColumnSpec("original_url", "string", "Address of its poster in the size that TMDB has."),
    FETCHED_AT,
)


def posters(*tables: DataFrame, names: dict[str, str]) -> DataFrame:
    """One row for each title with a poster: the dimensions of the kinds in *names*, then TMDB's configuration."""
    *titles, configuration = tables
    of_kinds = [
        rows.select(
            F.lit(kind).alias("kind"),
            F.col(f"{kind}_id").alias("id"),
            F.col(name).alias("title"),
            "poster_path",
            "fetched_at",
        )
        for (kind, name), rows in zip(names.items(), titles, strict=True)
    ]
    rows = of_kinds[0]
    for more in of_kinds[1:]:
        rows = rows.unionByName(more)
    with_base = rows.filter(F.col("poster_path").isNotNull()).crossJoin(
        F.broadcast(configuration.select(F.col("secure_base_url").alias("base")))
    )
    return with_base.select(
        "kind",
        "id",
        "title",
        F.concat("base", F.lit("w342"), "poster_path").alias("poster_url"),
        F.concat("base", F.lit("original"), "poster_path").alias("original_url"),
        "fetched_at",
    )


def of_titles(rows: DataFrame, titles: DataFrame, id_column: str = "movie_id") -> DataFrame:
    """The rows that belong to a title of `dim_movie` or `dim_tv`, which alone decides which titles count."""
    # One number per title is broadcast to every task; lists of credits and the like are not shuffled.
    return rows.join(F.broadcast(titles.select(id_column)), id_column, "left_semi")


# Columns of credits that only one of cast and crew has.
_OF_CAST, _OF_CREW = {"character": "string", "billing": "bigint"}, {"department": "string", "job": "string"}


def credit_columns(
    title: ColumnSpec, day: ColumnSpec, path: str, role: str = "", job: str = ""
) -> tuple[ColumnSpec, ...]:
    """The columns of a fact of credits: the *title*, its *day*, and where below *path* TMDB has *role* and *job*."""
    cast, crew = f"{path}.cast[]", f"{path}.crew[]"
    return (
        ColumnSpec(
            "credit_id", "string", "TMDB's id of the credit.", path=f"{path}.*[]{'.*[]' if role else ''}.credit_id"
        ),
        title,
        key_of("dim_person", "person_id", "bigint", "", "NULL where TMDB names nobody", path=f"{path}.*[].id"),
        day,
        ColumnSpec("credit_type", "string", "cast or crew."),
        ColumnSpec("department", "string", "Department; NULL for the cast.", path=f"{crew}.department"),
        ColumnSpec("job", "string", "Job; NULL for the cast.", path=f"{crew}{job}.job"),
        ColumnSpec("character", "string", "Character played; NULL for the crew.", path=f"{cast}{role}.character"),
        ColumnSpec("billing", "bigint", "Billing order, from 0; NULL for the crew.", path=f"{cast}.order"),
    )


def credits_of(cast: DataFrame, crew: DataFrame, titles: DataFrame, columns: tuple[ColumnSpec, ...]) -> DataFrame:
    """One row per credit of *titles*, cast and crew, in *columns* that begin as `credit_columns` does."""
    _, title, _, day, *_ = columns

    def rows(of: DataFrame, credit_type: str, lacking: dict[str, str]) -> DataFrame:
        own = {"credit_type": F.lit(credit_type), "billing": F.col("order")}
        own |= {name: F.lit(None).cast(type_) for name, type_ in lacking.items()}
        return of.select(*(own.get(one.name, F.col(one.name)).alias(one.name) for one in columns if one is not day))

    known = F.broadcast(titles.select(title.name, day.name))
    both = rows(cast, "cast", _OF_CREW).unionByName(rows(crew, "crew", _OF_CAST))
    return both.join(known, title.name).select(*(column.name for column in columns))


def list_column(name: str, about: str, path: str) -> ColumnSpec:
    """A column of a flat table that holds the items of a list as text."""
    return ColumnSpec(name, "string", f"{about}, joined by ', ' in TMDB's order; NULL where there is none.", path=path)


def flat(
    titles: DataFrame, id_column: str, lists: Mapping[str, tuple[DataFrame, str]], columns: tuple[ColumnSpec, ...]
) -> DataFrame:
    """One row per title in *columns*, the first of which is its id; *lists* are columns with their rows and values."""
    for column, (rows, value) in lists.items():
        titles = titles.join(_joined(rows, id_column, value, column), id_column, "left")
    first, *others = columns
    return titles.select(F.col(id_column).alias(first.name), *(column.name for column in others))


def _joined(rows: DataFrame, id_column: str, value: str, alias: str) -> DataFrame:
    named = rows.filter(F.col(value).isNotNull()).select(id_column, F.struct("position", value).alias("item"))
    in_order = F.transform(F.array_sort("items"), lambda item: item[value])
    return (
        named.groupBy(id_column)
        .agg(F.collect_list("item").alias("items"))
        .select(id_column, F.array_join(in_order, ", ").alias(alias))
    )


def rated(titles: DataFrame, rating_votes: int) -> DataFrame:
    """*titles* with `weighted_rating`, and NULL for a `vote_average` without votes."""
    has_votes = F.col("vote_count") > 0
    mean_of_all = titles.filter(has_votes).agg(mean(F.col("vote_average")).alias("mean_of_all"))
    rating = weighted_rating(F.col("vote_average"), F.col("vote_count"), F.col("mean_of_all"), rating_votes)
    own = F.when(has_votes, F.col("vote_average"))
    return titles.crossJoin(mean_of_all).withColumns({"weighted_rating": rating, "vote_average": own})


def newest(rows: DataFrame, key: str, name: str, *others: str) -> DataFrame:
    """One row a *key* with the *name* and *others* of its newest day; among the answers of one day the smallest.

    The order of a day's answers does not say which is right, and differs between lakes with equal answers. A NULL name
    does not hide a known one. One pass over *rows* leaves one row for each key and day, so a person in thousands of
    films becomes a few rows. `min` over a struct costs Sail several times as much.
    """
    columns = (name, *others)
    # Rows without a name count as older than any answer with one.
    age = F.when(F.col(name).isNotNull(), F.date_trunc("day", "fetched_at"))
    named_at = F.coalesce(age, F.lit("1900-01-01 00:00:00").cast("timestamp")).alias("named_at")
    known = rows.filter(F.col(key).isNotNull()).select(key, *columns, "fetched_at", named_at)
    days = known.groupBy(key, "named_at").agg(
        *(F.min(column).alias(column) for column in columns), F.max("fetched_at").alias("fetched_at")
    )
    of_key = Window.partitionBy(key).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    last = days.withColumn("last", F.max("named_at").over(of_key)).filter(F.col("named_at") == F.col("last"))
    return last.select(key, *columns, "fetched_at")


def shares(rows: DataFrame, id_column: str, key: str) -> DataFrame:
    """One row for each *key* of a title, with a weight of 1/n, so that the weights of a title add up to 1.

    `collect_list` leaves NULL out, so rows without a key get no share.
    """
    lists = rows.groupBy(id_column).agg(F.array_distinct(F.collect_list(key)).alias("keys"))
    weight = F.lit(1.0) / F.size("keys").cast("double")
    exploded = lists.select(id_column, weight.alias("weight"), F.explode("keys").alias(key))
    return exploded.select(id_column, key, "weight")
