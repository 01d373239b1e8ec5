"""Dimensions: who, what and where. Each holds exactly what the titles of `dim_movie` and `dim_tv` refer to.

They get frames of one kind of title after another: tables of it, then its titles. *kinds* says of how many frames.
If answers give an id different names, it gets the name of the newest day, so that lakes with equal answers agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec, key_of
from reelhouse.marts.movies import FETCHED_AT
from reelhouse.marts.titles import newest, of_titles

Kinds = Mapping[str, int]


def _by_kind(frames: tuple[DataFrame, ...], kinds: Kinds) -> Iterator[tuple[str, list[DataFrame], DataFrame]]:
    """Each kind's id column, tables and titles."""
    start = 0
    for kind, count in kinds.items():
        *tables, titles = frames[start : start + count]
        yield f"{kind}_id", tables, titles
        start += count


def _rows(frames: tuple[DataFrame, ...], kinds: Kinds, *columns: str) -> DataFrame:
    """The *columns* of all tables of all kinds, where they belong to a title."""
    found = []
    for id_column, tables, titles in _by_kind(frames, kinds):
        rows = reduce(DataFrame.unionByName, (table.select(id_column, *columns) for table in tables))
        found.append(of_titles(rows, titles, id_column).select(*columns))
    return reduce(DataFrame.unionByName, found)


def named(*frames: DataFrame, kinds: Kinds, key_column: str, sources: Mapping[str, str]) -> DataFrame:
    """One row for each *key_column* that a title refers to.

    *sources* has the columns, the name first, each with what tables call it.
    """
    called = (F.col(source).alias(name) for name, source in sources.items())
    rows = _rows(frames, kinds, key_column, *sources.values(), "fetched_at").select(key_column, *called, "fetched_at")
    return newest(rows, key_column, *sources).select(key_column, *sources, "fetched_at")


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
DIM_GENRE_COLUMNS = (
    ColumnSpec("genre_id", "bigint", "The genre.", path="genres[].id"),
    ColumnSpec("name", "string", "Name.", path="genres[].name"),
    FETCHED_AT,
)


DIM_COMPANY_COLUMNS = (
    ColumnSpec("company_id", "bigint", "The company.", path="production_companies[].id"),
    ColumnSpec("name", "string", "Name.", path="production_companies[].name"),
    key_of("dim_country", "origin_country", "string", "Its country", path="production_companies[].origin_country"),
    ColumnSpec("logo_path", "string", "Logo.", path="production_companies[].logo_path"),
    FETCHED_AT,
)


DIM_NETWORK_COLUMNS = (
    ColumnSpec("network_id", "bigint", "The network.", path="networks[].id"),
    ColumnSpec("name", "string", "Name.", path="networks[].name"),
    key_of("dim_country", "origin_country", "string", "Its country", path="networks[].origin_country"),
    ColumnSpec("logo_path", "string", "Logo.", path="networks[].logo_path"),
    FETCHED_AT,
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


DIM_COUNTRY_COLUMNS = (
    ColumnSpec("iso_3166_1", "string", "The country, as TMDB codes it.", path="production_countries[].iso_3166_1"),
    ColumnSpec(
        "name", "string", "English name; NULL where no title was produced there.", path="production_countries[].name"
    ),
    FETCHED_AT,
)


def dim_country(*frames: DataFrame, kinds: Kinds) -> DataFrame:
    """One row for each country that produces, releases or offers a title.

    Of each kind the first table, of producing countries, has names.
    """
    found = []
    for id_column, (named, *nameless), titles in _by_kind(frames, kinds):
        found.append(of_titles(named, titles, id_column).select("iso_3166_1", "name", "fetched_at"))
        for rows in nameless:
            coded = of_titles(rows, titles, id_column).withColumnRenamed("origin_country", "iso_3166_1")
            found.append(_codes(coded, "iso_3166_1", "name"))
    rows = reduce(DataFrame.unionByName, found)
    return newest(rows, "iso_3166_1", "name").select("iso_3166_1", "name", "fetched_at")


DIM_LANGUAGE_COLUMNS = (
    ColumnSpec("iso_639_1", "string", "The language, as TMDB codes it.", path="spoken_languages[].iso_639_1"),
    ColumnSpec(
        "english_name", "string", "English name; NULL where no title speaks it.", path="spoken_languages[].english_name"
    ),
    ColumnSpec("name", "string", "Its own name.", path="spoken_languages[].name"),
    FETCHED_AT,
)


def dim_language(*frames: DataFrame, kinds: Kinds) -> DataFrame:
    """One row for each language that a title speaks or was made in.

    Of each kind the first table, of spoken languages, has names.
    """
    names = ("english_name", "name")
    found = []
    for id_column, (spoken, *nameless), titles in _by_kind(frames, kinds):
        found.append(of_titles(spoken, titles, id_column).select("iso_639_1", *names, "fetched_at"))
        for rows in nameless:
            coded = of_titles(rows, titles, id_column).withColumnRenamed("original_language", "iso_639_1")
            found.append(_codes(coded, "iso_639_1", *names))
    rows = reduce(DataFrame.unionByName, found)
    return newest(rows, "iso_639_1", *names).select("iso_639_1", *names, "fetched_at")


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


DIM_JOB_COLUMNS = (
    ColumnSpec("department", "string", "The department.", path="credits.crew[].department"),
    ColumnSpec("job", "string", "The job.", path="credits.crew[].job"),
    FETCHED_AT,
)


def dim_job(*frames: DataFrame, kinds: Kinds) -> DataFrame:
    """One row for each job of each department that a credit names."""
    return _distinct(_rows(frames, kinds, "department", "job", "fetched_at"), "department", "job")


DIM_CERTIFICATION_COLUMNS = (
    ColumnSpec("media_type", "string", "movie or tv."),
    ColumnSpec("iso_3166_1", "string", "Where it is used.", path="release_dates.results[].iso_3166_1"),
    ColumnSpec(
        "certification", "string", "The age rating.", path="release_dates.results[].release_dates[].certification"
    ),
    FETCHED_AT,
)


def dim_certification(*frames: DataFrame, kinds: Kinds) -> DataFrame:
    """One row for each age rating that a title has in a country."""
    found = []
    for id_column, (rows,), titles in _by_kind(frames, kinds):
        name = "rating" if "rating" in rows.columns else "certification"
        rated = of_titles(rows, titles, id_column).select(
            F.lit(id_column.removesuffix("_id")).alias("media_type"),
            "iso_3166_1",
            F.col(name).alias("certification"),
            "fetched_at",
        )
        found.append(_distinct(rated, "media_type", "iso_3166_1", "certification"))
    return reduce(DataFrame.unionByName, found)


def _distinct(rows: DataFrame, *key: str) -> DataFrame:
    """One row a *key* that is known, with the newest instant."""
    known = rows.dropna(subset=list(key))
    return known.groupBy(*key).agg(F.max("fetched_at").alias("fetched_at")).select(*key, "fetched_at")
