"""Dimensions: who, what and where. Each holds exactly what the titles of `dim_movie` refer to.

If answers give an id different names, it gets the name of the newest day, so that lakes with equal answers agree.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec
from reelhouse.marts.movies import FETCHED_AT
from reelhouse.marts.titles import newest, of_titles

DIM_PERSON_COLUMNS = (
    ColumnSpec("person_id", "bigint", "The person.", path="credits.cast[].id, credits.crew[].id"),
    ColumnSpec("name", "string", "Name.", path="credits.*[].name"),
    ColumnSpec("original_name", "string", "Name in their own script.", path="credits.*[].original_name"),
    ColumnSpec("gender", "bigint", "0 unknown, 1 female, 2 male, 3 non-binary.", path="credits.*[].gender"),
    ColumnSpec("known_for_department", "string", "What they are known for.", path="credits.*[].known_for_department"),
    ColumnSpec("popularity", "double", "TMDB's popularity of the person that day.", path="credits.*[].popularity"),
    ColumnSpec("profile_path", "string", "Portrait.", path="credits.*[].profile_path"),
    FETCHED_AT,
)
_PERSON = ("name", "original_name", "gender", "known_for_department", "popularity", "profile_path")


def dim_person(movie_cast: DataFrame, movie_crew: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row for each person whom a credit names."""
    columns = ("movie_id", "person_id", *_PERSON, "fetched_at")
    rows = movie_cast.select(*columns).unionByName(movie_crew.select(*columns))
    return newest(of_titles(rows, dim_movie), "person_id", *_PERSON).select("person_id", *_PERSON, "fetched_at")


DIM_GENRE_COLUMNS = (
    ColumnSpec("genre_id", "bigint", "The genre.", path="genres[].id"),
    ColumnSpec("name", "string", "Name.", path="genres[].name"),
    FETCHED_AT,
)


def dim_genre(movie_genre: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a genre."""
    return newest(of_titles(movie_genre, dim_movie), "genre_id", "name").select("genre_id", "name", "fetched_at")


DIM_COMPANY_COLUMNS = (
    ColumnSpec("company_id", "bigint", "The company.", path="production_companies[].id"),
    ColumnSpec("name", "string", "Name.", path="production_companies[].name"),
    ColumnSpec(
        "origin_country", "string", "Its country; key of dim_country.", path="production_companies[].origin_country"
    ),
    ColumnSpec("logo_path", "string", "Logo.", path="production_companies[].logo_path"),
    FETCHED_AT,
)


def dim_company(movie_production_company: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row for each company that produced a movie."""
    rows = of_titles(movie_production_company, dim_movie)
    return newest(rows, "company_id", "name", "origin_country", "logo_path").select(
        "company_id", "name", "origin_country", "logo_path", "fetched_at"
    )


DIM_COLLECTION_COLUMNS = (
    ColumnSpec("collection_id", "bigint", "The collection.", path="belongs_to_collection.id"),
    ColumnSpec("name", "string", "Name.", path="belongs_to_collection.name"),
    ColumnSpec("poster_path", "string", "Poster.", path="belongs_to_collection.poster_path"),
    ColumnSpec("backdrop_path", "string", "Backdrop image.", path="belongs_to_collection.backdrop_path"),
    FETCHED_AT,
)


def dim_collection(movie: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row for each collection that a movie belongs to."""
    rows = of_titles(movie, dim_movie).select(
        "collection_id",
        F.col("collection_name").alias("name"),
        F.col("collection_poster_path").alias("poster_path"),
        F.col("collection_backdrop_path").alias("backdrop_path"),
        "fetched_at",
    )
    return newest(rows, "collection_id", "name", "poster_path", "backdrop_path").select(
        "collection_id", "name", "poster_path", "backdrop_path", "fetched_at"
    )


DIM_KEYWORD_COLUMNS = (
    ColumnSpec("keyword_id", "bigint", "The keyword.", path="keywords.keywords[].id"),
    ColumnSpec("name", "string", "The keyword's text.", path="keywords.keywords[].name"),
    FETCHED_AT,
)


def dim_keyword(movie_keyword: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a keyword."""
    return newest(of_titles(movie_keyword, dim_movie), "keyword_id", "name").select("keyword_id", "name", "fetched_at")


DIM_COUNTRY_COLUMNS = (
    ColumnSpec("iso_3166_1", "string", "The country, as TMDB codes it.", path="production_countries[].iso_3166_1"),
    ColumnSpec(
        "name", "string", "English name; NULL where no movie was produced there.", path="production_countries[].name"
    ),
    FETCHED_AT,
)


def dim_country(
    movie_production_country: DataFrame,
    movie_production_company: DataFrame,
    movie_origin_country: DataFrame,
    movie_release_date: DataFrame,
    watch_provider_offer: DataFrame,
    dim_movie: DataFrame,
) -> DataFrame:
    """One row for each country that produces, releases or offers a movie; only producing ones come with a name."""
    nameless = (
        movie_production_company.withColumnRenamed("origin_country", "iso_3166_1"),
        movie_origin_country,
        movie_release_date,
        watch_provider_offer,
    )
    codes = reduce(
        DataFrame.unionByName, (_codes(of_titles(rows, dim_movie), "iso_3166_1", "name") for rows in nameless)
    )
    named = of_titles(movie_production_country, dim_movie).select("iso_3166_1", "name", "fetched_at")
    return newest(named.unionByName(codes), "iso_3166_1", "name").select("iso_3166_1", "name", "fetched_at")


DIM_LANGUAGE_COLUMNS = (
    ColumnSpec("iso_639_1", "string", "The language, as TMDB codes it.", path="spoken_languages[].iso_639_1"),
    ColumnSpec(
        "english_name", "string", "English name; NULL where no movie speaks it.", path="spoken_languages[].english_name"
    ),
    ColumnSpec("name", "string", "Its own name.", path="spoken_languages[].name"),
    FETCHED_AT,
)


def dim_language(movie_spoken_language: DataFrame, movie: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row for each language that a movie speaks or was made in."""
    made_in = of_titles(movie, dim_movie).withColumnRenamed("original_language", "iso_639_1")
    spoken = of_titles(movie_spoken_language, dim_movie).select("iso_639_1", "english_name", "name", "fetched_at")
    rows = spoken.unionByName(_codes(made_in, "iso_639_1", "english_name", "name"))
    return newest(rows, "iso_639_1", "english_name", "name").select("iso_639_1", "english_name", "name", "fetched_at")


def _codes(rows: DataFrame, code: str, *unknown: str) -> DataFrame:
    """The codes of *rows*, once each, with nothing known about them."""
    codes = rows.groupBy(code).agg(F.max("fetched_at").alias("fetched_at"))
    return codes.select(code, *(F.lit(None).cast("string").alias(name) for name in unknown), "fetched_at")


DIM_PROVIDER_COLUMNS = (
    ColumnSpec("provider_id", "bigint", "The provider.", path="watch/providers.results{country}.{type}[].provider_id"),
    ColumnSpec("name", "string", "Name.", path="watch/providers.results{country}.{type}[].provider_name"),
    ColumnSpec("logo_path", "string", "Logo.", path="watch/providers.results{country}.{type}[].logo_path"),
    FETCHED_AT,
)


def dim_watch_provider(watch_provider_offer: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row for each provider that offers a movie. Data by JustWatch."""
    offers = of_titles(watch_provider_offer, dim_movie).withColumnRenamed("provider_name", "name")
    return newest(offers, "provider_id", "name", "logo_path").select("provider_id", "name", "logo_path", "fetched_at")
