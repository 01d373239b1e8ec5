"""The movie as a dimension, and `movie_flat`, a table whose columns thousands of notebooks use."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec, key_of
from reelhouse.marts.measures import date_key, decade, in_calendar, kept
from reelhouse.marts.titles import TITLE_COLUMNS, flat, list_column

FETCHED_AT = ColumnSpec("fetched_at", "timestamp", "When TMDB gave the newest answer this comes from.")
MOVIE_ID = key_of("dim_movie", "movie_id", "bigint", "The movie", path="id")
RELEASE_DATE_KEY = key_of("dim_date", "release_date_key", "int", "First release as yyyymmdd", path="release_date")

DIM_MOVIE_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("imdb_id", "string", "IMDb's id.", path="imdb_id"),
    ColumnSpec("title", "string", "Title in the requested language.", path="title"),
    ColumnSpec("original_title", "string", "Title in the original language.", path="original_title"),
    key_of("dim_language", "original_language", "string", "Original language", path="original_language"),
    ColumnSpec("status", "string", "Released, Post Production, Rumored and so on.", path="status"),
    ColumnSpec("release_date", "date", "First release.", path="release_date"),
    RELEASE_DATE_KEY,
    ColumnSpec("release_year", "int", "Year of the first release.", path="release_date"),
    ColumnSpec("release_decade", "int", "First year of the decade of the first release.", path="release_date"),
    key_of("dim_collection", "collection_id", "bigint", "Collection", path="belongs_to_collection.id"),
    *TITLE_COLUMNS,
    ColumnSpec("video", "boolean", "TMDB's flag for videos that are not films.", path="video"),
    FETCHED_AT,
)


def dim_movie(movie: DataFrame, *, adult_titles: bool = False) -> DataFrame:
    """One row for each current movie in the marts; every other mart takes its titles from here or by the same rule."""
    released = F.col("release_date")
    own = {
        RELEASE_DATE_KEY.name: date_key(released),
        "release_year": F.when(in_calendar(released), F.year(released).cast("int")),
        "release_decade": F.when(in_calendar(released), decade(released)),
    }
    columns = (own.get(one.name, F.col(one.name)).alias(one.name) for one in DIM_MOVIE_COLUMNS)
    return movie.filter(kept(adult_titles)).select(*columns)


MOVIE_FLAT_COLUMNS = (
    ColumnSpec("id", "bigint", "TMDB's id of the movie.", path="id"),
    ColumnSpec("title", "string", "Title in the requested language.", path="title"),
    ColumnSpec("vote_average", "double", "Mean of the votes, 0 to 10.", path="vote_average"),
    ColumnSpec("vote_count", "bigint", "Number of votes.", path="vote_count"),
    ColumnSpec("status", "string", "Released, Post Production, Rumored and so on.", path="status"),
    ColumnSpec("release_date", "date", "First release.", path="release_date"),
    ColumnSpec("revenue", "bigint", "Box office; NULL where unknown.", "US dollars", "revenue"),
    ColumnSpec("runtime", "bigint", "Length; NULL where unknown.", "minutes", "runtime"),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path="adult"),
    ColumnSpec("backdrop_path", "string", "Backdrop image.", path="backdrop_path"),
    ColumnSpec("budget", "bigint", "Production budget; NULL where unknown.", "US dollars", "budget"),
    ColumnSpec("homepage", "string", "Web site.", path="homepage"),
    ColumnSpec("imdb_id", "string", "IMDb's id.", path="imdb_id"),
    ColumnSpec("original_language", "string", "Original language, as TMDB codes it.", path="original_language"),
    ColumnSpec("original_title", "string", "Title in the original language.", path="original_title"),
    ColumnSpec("overview", "string", "Plot in short.", path="overview"),
    ColumnSpec("popularity", "double", "TMDB's popularity that day.", path="popularity"),
    ColumnSpec("poster_path", "string", "Poster.", path="poster_path"),
    ColumnSpec("tagline", "string", "Advertising line.", path="tagline"),
    list_column("genres", "Genres", "genres[].name"),
    list_column("production_companies", "Production companies", "production_companies[].name"),
    list_column("production_countries", "Production countries by their English names", "production_countries[].name"),
    list_column("spoken_languages", "Spoken languages by their English names", "spoken_languages[].english_name"),
    list_column("keywords", "Keywords", "keywords.keywords[].name"),
)


def movie_flat(
    movie: DataFrame,
    movie_genre: DataFrame,
    movie_production_company: DataFrame,
    movie_production_country: DataFrame,
    movie_spoken_language: DataFrame,
    movie_keyword: DataFrame,
    *,
    adult_titles: bool = False,
) -> DataFrame:
    """One row per movie, lists as texts; the same columns as the widely shared CSV."""
    lists = {
        "genres": (movie_genre, "name"),
        "production_companies": (movie_production_company, "name"),
        "production_countries": (movie_production_country, "name"),
        "spoken_languages": (movie_spoken_language, "english_name"),
        "keywords": (movie_keyword, "name"),
    }
    return flat(movie.filter(kept(adult_titles)), "movie_id", lists, MOVIE_FLAT_COLUMNS)
