"""Facts: what a movie cost, earned and was thought of, who worked on it, and where it came out."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec, key_of
from reelhouse.marts.measures import date_key, kept, profit, roi
from reelhouse.marts.movies import FETCHED_AT, MOVIE_ID, RELEASE_DATE_KEY
from reelhouse.marts.titles import credit_columns, credits_of, of_titles, rated

_LIMITED, _THEATRICAL, _DIGITAL = 2, 3, 4

FACT_CREDIT_COLUMNS = credit_columns(MOVIE_ID, RELEASE_DATE_KEY, "credits")


def fact_credit(movie_cast: DataFrame, movie_crew: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row per credit, cast and crew."""
    return credits_of(movie_cast, movie_crew, dim_movie, FACT_CREDIT_COLUMNS)


FACT_RELEASE_COLUMNS = (
    MOVIE_ID,
    key_of("dim_country", "iso_3166_1", "string", "Where", path="release_dates.results[].iso_3166_1"),
    ColumnSpec("position", "bigint", "Place in TMDB's list of that country, from 0."),
    ColumnSpec(
        "release_type",
        "bigint",
        "1 premiere, 2 limited, 3 theatrical, 4 digital, 5 physical, 6 TV.",
        path="release_dates.results[].release_dates[].type",
    ),
    ColumnSpec(
        "release_date", "date", "Day of the release (UTC).", path="release_dates.results[].release_dates[].release_date"
    ),
    key_of(
        "dim_date",
        "release_date_key",
        "int",
        "Day of the release as yyyymmdd",
        path="release_dates.results[].release_dates[].release_date",
    ),
    ColumnSpec(
        "certification", "string", "Age rating there.", path="release_dates.results[].release_dates[].certification"
    ),
    ColumnSpec("note", "string", "Festival, format, distributor.", path="release_dates.results[].release_dates[].note"),
)


def fact_release(movie_release_date: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row per release: movie × country × type × date, as TMDB lists them."""
    return of_titles(movie_release_date, dim_movie).select(
        "movie_id",
        "iso_3166_1",
        "position",
        F.col("type").alias("release_type"),
        "release_date",
        date_key(F.col("release_date")).alias("release_date_key"),
        "certification",
        "note",
    )


FACT_MOVIE_COLUMNS = (
    MOVIE_ID,
    RELEASE_DATE_KEY,
    key_of("dim_collection", "collection_id", "bigint", "Collection", path="belongs_to_collection.id"),
    key_of("dim_language", "original_language", "string", path="original_language"),
    ColumnSpec("budget_usd", "bigint", "Production budget; NULL where unknown.", "US dollars", "budget"),
    ColumnSpec("revenue_usd", "bigint", "Box office; NULL where unknown.", "US dollars", "revenue"),
    ColumnSpec("profit_usd", "bigint", "Revenue less budget; NULL unless both are known.", "US dollars"),
    ColumnSpec(
        "roi",
        "double",
        "Profit per dollar of budget, 1.0 is 100 %; NULL unless both are known.",
        "US dollars per dollar",
    ),
    ColumnSpec("runtime_minutes", "bigint", "Length; NULL where unknown.", "minutes", "runtime"),
    ColumnSpec("vote_average", "double", "Mean of the votes; NULL without votes.", "0 to 10", "vote_average"),
    ColumnSpec("votes", "bigint", "Number of votes.", "votes", "vote_count"),
    ColumnSpec(
        "weighted_rating",
        "double",
        "v/(v+m)·R + m/(v+m)·C: the mean R of v votes, drawn to C, the mean over all titles with votes, as if by m "
        "votes; C itself without votes.",
        "0 to 10",
    ),
    ColumnSpec("popularity", "double", "TMDB's popularity that day; not comparable over years.", path="popularity"),
    ColumnSpec("cast_size", "bigint", "Credits in the cast; 0 where none is known.", "credits", "credits.cast"),
    ColumnSpec("crew_size", "bigint", "Credits in the crew; 0 where none is known.", "credits", "credits.crew"),
    ColumnSpec("director_count", "bigint", "Credits with the job Director; 0 where none is known.", "credits"),
    ColumnSpec(
        "days_theatre_to_digital",
        "bigint",
        "From the first limited or theatrical release to the first digital one, anywhere; negative where digital came "
        "first, NULL unless both are known.",
        "days",
        "release_dates.results[].release_dates[]",
    ),
    FETCHED_AT,
)


def fact_movie(
    movie: DataFrame,
    fact_credit: DataFrame,
    fact_release: DataFrame,
    *,
    adult_titles: bool = False,
    rating_votes: int = 300,
) -> DataFrame:
    """One row per movie with its measures."""
    budget, revenue = F.col("budget"), F.col("revenue")
    return (
        rated(movie.filter(kept(adult_titles)), rating_votes)
        .join(_credits(fact_credit), "movie_id", "left")
        .join(_windows(fact_release), "movie_id", "left")
        .select(
            "movie_id",
            date_key(F.col("release_date")).alias("release_date_key"),
            "collection_id",
            "original_language",
            budget.alias("budget_usd"),
            revenue.alias("revenue_usd"),
            profit(budget, revenue).alias("profit_usd"),
            roi(budget, revenue).alias("roi"),
            F.col("runtime").alias("runtime_minutes"),
            "vote_average",
            F.col("vote_count").alias("votes"),
            "weighted_rating",
            "popularity",
            *(F.coalesce(F.col(name), F.lit(0).cast("bigint")).alias(name) for name in _SIZES),
            "days_theatre_to_digital",
            "fetched_at",
        )
    )


_SIZES = ("cast_size", "crew_size", "director_count")


def _credits(fact_credit: DataFrame) -> DataFrame:
    """How many credits of each kind a movie has."""
    return (
        fact_credit.groupBy("movie_id")
        .agg(
            F.sum(_one(F.col("credit_type") == "cast")).alias("cast_size"),
            F.sum(_one(F.col("credit_type") == "crew")).alias("crew_size"),
            F.sum(_one(F.col("job") == "Director")).alias("director_count"),
        )
        .select("movie_id", *_SIZES)
    )


def _one(test: Column) -> Column:
    return F.when(test, F.lit(1)).otherwise(F.lit(0)).cast("bigint")


def _windows(fact_release: DataFrame) -> DataFrame:
    """How long a movie took from the theatre to the screen at home."""
    kind, date = F.col("release_type"), F.col("release_date")
    first = fact_release.groupBy("movie_id").agg(
        F.min(F.when(kind.isin(_LIMITED, _THEATRICAL), date)).alias("theatre"),
        F.min(F.when(kind == _DIGITAL, date)).alias("digital"),
    )
    days = F.datediff("digital", "theatre").cast("bigint")
    return first.select("movie_id", days.alias("days_theatre_to_digital"))


# Of larger casts the pairs would outnumber all other rows, and far down the list few share a scene.
_MOST_BILLED = 10

EDGE_COSTAR_COLUMNS = (
    key_of("dim_person", "person_id", "bigint", "The one with the lower id"),
    key_of("dim_person", "costar_id", "bigint", "The other one"),
    ColumnSpec("movie_count", "bigint", f"Movies in which both are among the first {_MOST_BILLED} billed.", "movies"),
    key_of("dim_date", "first_release_date_key", "int", "First release of the earliest of them"),
    key_of("dim_date", "last_release_date_key", "int", "First release of the latest of them"),
)


def edge_costar(fact_credit: DataFrame) -> DataFrame:
    """One row for each two people who are billed together in two movies or more."""
    billed = (F.col("credit_type") == "cast") & (F.col("billing") < _MOST_BILLED) & F.col("person_id").isNotNull()
    cast = fact_credit.filter(billed).select("movie_id", "person_id", "release_date_key").distinct()
    # Most people have one movie; without them the pairs are few.
    of_person = Window.partitionBy("person_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    cast = cast.withColumn("movies", F.count("movie_id").over(of_person)).filter(F.col("movies") > 1)
    other = cast.select("movie_id", F.col("person_id").alias("costar_id"))
    pairs = cast.drop("movies").join(other, "movie_id").filter(F.col("person_id") < F.col("costar_id"))
    found = pairs.groupBy("person_id", "costar_id").agg(
        F.count("*").alias("movie_count"),
        F.min("release_date_key").alias("first_release_date_key"),
        F.max("release_date_key").alias("last_release_date_key"),
    )
    return found.filter(F.col("movie_count") > 1)
