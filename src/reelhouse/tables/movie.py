"""Movies and the short lists in their details."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.tables.cleaning import FETCHED_AT, MOVIE_ID, POSITION, amount, text
from reelhouse.tables.columns import ColumnSpec

MOVIE_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("imdb_id", "string", "IMDb's id.", path="imdb_id"),
    ColumnSpec("title", "string", "Title in the language asked for.", path="title"),
    ColumnSpec("original_title", "string", "Title in the original language.", path="original_title"),
    ColumnSpec("original_language", "string", "Original language, as TMDB codes it.", path="original_language"),
    ColumnSpec("status", "string", "Released, Post Production, Rumored and so on.", path="status"),
    ColumnSpec("release_date", "date", "First release; NULL where unknown or impossible.", path="release_date"),
    ColumnSpec("runtime", "bigint", "Length; NULL where TMDB has 0.", "minutes", "runtime"),
    ColumnSpec("budget", "bigint", "Production budget; NULL where TMDB has 0.", "US dollars", "budget"),
    ColumnSpec("revenue", "bigint", "Box office; NULL where TMDB has 0.", "US dollars", "revenue"),
    ColumnSpec("popularity", "double", "TMDB's popularity that day; not comparable over years.", path="popularity"),
    ColumnSpec("vote_average", "double", "Mean of the votes, 0 to 10.", path="vote_average"),
    ColumnSpec("vote_count", "bigint", "Number of votes.", path="vote_count"),
    ColumnSpec("overview", "string", "Plot in short.", path="overview"),
    ColumnSpec("tagline", "string", "Advertising line.", path="tagline"),
    ColumnSpec("homepage", "string", "Web site.", path="homepage"),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path="adult"),
    ColumnSpec("softcore", "boolean", "Marked as softcore.", path="softcore"),
    ColumnSpec("video", "boolean", "Marked as a video that is no film.", path="video"),
    ColumnSpec("collection_id", "bigint", "Collection it belongs to.", path="belongs_to_collection.id"),
    ColumnSpec("collection_name", "string", "Name of the collection.", path="belongs_to_collection.name"),
    ColumnSpec(
        "collection_poster_path", "string", "Poster of the collection.", path="belongs_to_collection.poster_path"
    ),
    ColumnSpec(
        "collection_backdrop_path", "string", "Backdrop of the collection.", path="belongs_to_collection.backdrop_path"
    ),
    ColumnSpec("poster_path", "string", "Poster; see TMDB's image configuration.", path="poster_path"),
    ColumnSpec("backdrop_path", "string", "Backdrop image.", path="backdrop_path"),
    FETCHED_AT,
)


def movies(answers: DataFrame) -> DataFrame:
    """One row a movie. TMDB writes 0 for unknown money and minutes and "" for unknown text; here those are NULL."""
    collection = F.col("belongs_to_collection")
    return answers.select(
        F.col("id").alias("movie_id"),
        text("imdb_id").alias("imdb_id"),
        text("title").alias("title"),
        text("original_title").alias("original_title"),
        text("original_language").alias("original_language"),
        text("status").alias("status"),
        "release_date",
        amount("runtime").alias("runtime"),
        amount("budget").alias("budget"),
        amount("revenue").alias("revenue"),
        "popularity",
        "vote_average",
        "vote_count",
        text("overview").alias("overview"),
        text("tagline").alias("tagline"),
        text("homepage").alias("homepage"),
        "adult",
        "softcore",
        "video",
        collection["id"].alias("collection_id"),
        text(collection["name"]).alias("collection_name"),
        text(collection["poster_path"]).alias("collection_poster_path"),
        text(collection["backdrop_path"]).alias("collection_backdrop_path"),
        text("poster_path").alias("poster_path"),
        text("backdrop_path").alias("backdrop_path"),
        "fetched_at",
    )


GENRE_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("genre_id", "bigint", "The genre.", path="genres[].id"),
    ColumnSpec("name", "string", "Name of the genre.", path="genres[].name"),
    FETCHED_AT,
)


def movie_genres(answers: DataFrame) -> DataFrame:
    """One row for each genre of a movie."""
    item = F.col("item")
    return listed(answers, "genres").select(
        "movie_id", "position", item["id"].alias("genre_id"), text(item["name"]).alias("name"), "fetched_at"
    )


COMPANY_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("company_id", "bigint", "The company.", path="production_companies[].id"),
    ColumnSpec("name", "string", "Name of the company.", path="production_companies[].name"),
    ColumnSpec("origin_country", "string", "Its country (ISO 3166-1).", path="production_companies[].origin_country"),
    ColumnSpec("logo_path", "string", "Its logo.", path="production_companies[].logo_path"),
    FETCHED_AT,
)


def movie_companies(answers: DataFrame) -> DataFrame:
    """One row for each production company of a movie."""
    item = F.col("item")
    return listed(answers, "production_companies").select(
        "movie_id",
        "position",
        item["id"].alias("company_id"),
        text(item["name"]).alias("name"),
        text(item["origin_country"]).alias("origin_country"),
        text(item["logo_path"]).alias("logo_path"),
        "fetched_at",
    )


COUNTRY_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("iso_3166_1", "string", "The country.", path="production_countries[].iso_3166_1"),
    ColumnSpec("name", "string", "Its name in English.", path="production_countries[].name"),
    FETCHED_AT,
)


def movie_countries(answers: DataFrame) -> DataFrame:
    """One row for each country a movie was produced in."""
    item = F.col("item")
    return listed(answers, "production_countries").select(
        "movie_id",
        "position",
        text(item["iso_3166_1"]).alias("iso_3166_1"),
        text(item["name"]).alias("name"),
        "fetched_at",
    )


ORIGIN_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("iso_3166_1", "string", "The country.", path="origin_country[]"),
    FETCHED_AT,
)


def movie_origins(answers: DataFrame) -> DataFrame:
    """One row for each country of origin of a movie."""
    return listed(answers, "origin_country").select(
        "movie_id", "position", text("item").alias("iso_3166_1"), "fetched_at"
    )


LANGUAGE_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("iso_639_1", "string", "The language, as TMDB codes it.", path="spoken_languages[].iso_639_1"),
    ColumnSpec("english_name", "string", "Its name in English.", path="spoken_languages[].english_name"),
    ColumnSpec("name", "string", "Its own name.", path="spoken_languages[].name"),
    FETCHED_AT,
)


def movie_languages(answers: DataFrame) -> DataFrame:
    """One row for each language spoken in a movie."""
    item = F.col("item")
    return listed(answers, "spoken_languages").select(
        "movie_id",
        "position",
        text(item["iso_639_1"]).alias("iso_639_1"),
        text(item["english_name"]).alias("english_name"),
        text(item["name"]).alias("name"),
        "fetched_at",
    )


KEYWORD_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("keyword_id", "bigint", "The keyword.", path="keywords.keywords[].id"),
    ColumnSpec("name", "string", "The keyword's text.", path="keywords.keywords[].name"),
    FETCHED_AT,
)


def movie_keywords(answers: DataFrame) -> DataFrame:
    """One row for each keyword of a movie."""
    item = F.col("item")
    return listed(answers, F.col("keywords")["keywords"]).select(
        "movie_id", "position", item["id"].alias("keyword_id"), text(item["name"]).alias("name"), "fetched_at"
    )


def listed(answers: DataFrame, items: str | Column) -> DataFrame:
    """One row (`movie_id`, `fetched_at`, `position`, `item`) for each item of a list; items that are NULL are none."""
    rows = answers.select(F.col("id").alias("movie_id"), "fetched_at", F.posexplode(items).alias("position", "item"))
    return rows.filter(F.col("item").isNotNull())
