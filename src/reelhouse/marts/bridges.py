"""Bridges such as movie × genre. Weights are 1/n, so money summed over a bridge keeps its total."""

from __future__ import annotations

from pyspark.sql import DataFrame

from reelhouse.entities.schema import ColumnSpec
from reelhouse.marts.movies import MOVIE_ID
from reelhouse.marts.titles import of_titles, shares

_WEIGHT = ColumnSpec("weight", "double", "1/n for a movie with n of them; adds up to 1 over each movie.", "share")


def _columns(key: ColumnSpec) -> tuple[ColumnSpec, ...]:
    return (MOVIE_ID, key, _WEIGHT)


BRIDGE_MOVIE_GENRE_COLUMNS = _columns(
    ColumnSpec("genre_id", "bigint", "The genre; key of dim_genre.", path="genres[].id")
)
BRIDGE_MOVIE_COMPANY_COLUMNS = _columns(
    ColumnSpec("company_id", "bigint", "The company; key of dim_company.", path="production_companies[].id")
)
BRIDGE_MOVIE_COUNTRY_COLUMNS = _columns(
    ColumnSpec(
        "iso_3166_1", "string", "The producing country; key of dim_country.", path="production_countries[].iso_3166_1"
    )
)
BRIDGE_MOVIE_LANGUAGE_COLUMNS = _columns(
    ColumnSpec("iso_639_1", "string", "The spoken language; key of dim_language.", path="spoken_languages[].iso_639_1")
)
BRIDGE_MOVIE_KEYWORD_COLUMNS = _columns(
    ColumnSpec("keyword_id", "bigint", "The keyword; key of dim_keyword.", path="keywords.keywords[].id")
)


def bridge_movie_genre(movie_genre: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a movie and genre."""
    return shares(of_titles(movie_genre, dim_movie), "genre_id").select("movie_id", "genre_id", "weight")


def bridge_movie_company(movie_production_company: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a movie and production company."""
    rows = of_titles(movie_production_company, dim_movie)
    return shares(rows, "company_id").select("movie_id", "company_id", "weight")


def bridge_movie_country(movie_production_country: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a movie and producing country."""
    rows = of_titles(movie_production_country, dim_movie)
    return shares(rows, "iso_3166_1").select("movie_id", "iso_3166_1", "weight")


def bridge_movie_language(movie_spoken_language: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a movie and spoken language."""
    return shares(of_titles(movie_spoken_language, dim_movie), "iso_639_1").select("movie_id", "iso_639_1", "weight")


def bridge_movie_keyword(movie_keyword: DataFrame, dim_movie: DataFrame) -> DataFrame:
    """One row a movie and keyword."""
    return shares(of_titles(movie_keyword, dim_movie), "keyword_id").select("movie_id", "keyword_id", "weight")
