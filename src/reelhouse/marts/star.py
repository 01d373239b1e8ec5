"""All marts, in the order they are built."""

from __future__ import annotations

from typing import Any

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Table
from reelhouse.marts import bridges, dates, dimensions, facts, movies
from reelhouse.marts.measures import Measures
from reelhouse.tables.registry import Registry

_DIM_MOVIE = "dim_movie"


def marts_with(measures: Measures) -> tuple[Table, ...]:
    """The star schema; inputs name tables or marts further up."""
    adult: dict[str, Any] = {"adult_titles": measures.adult_titles}
    return (
        Table(
            _DIM_MOVIE,
            "Movies: what they are called and when they came out; current titles only.",
            movies.DIM_MOVIE_COLUMNS,
            movies.dim_movie,
            ("movie",),
            ("movie_id",),
            adult,
        ),
        *_FACTS_OF_TITLES,
        Table(
            "fact_movie",
            "One row a movie: money, votes, size and time.",
            facts.FACT_MOVIE_COLUMNS,
            facts.fact_movie,
            ("movie", "fact_credit", "fact_release"),
            ("movie_id",),
            {**adult, "rating_votes": measures.rating_votes},
        ),
        *_DIMENSIONS,
        *_BRIDGES,
        Table(
            "movie_flat",
            "One row a movie with lists as texts: the 24 columns that notebooks know.",
            movies.MOVIE_FLAT_COLUMNS,
            movies.movie_flat,
            (
                "movie",
                "movie_genre",
                "movie_production_company",
                "movie_production_country",
                "movie_spoken_language",
                "movie_keyword",
            ),
            ("id",),
            adult,
        ),
    )


_FACTS_OF_TITLES = (
    Table(
        "fact_credit",
        "One row a credit, cast and crew.",
        facts.FACT_CREDIT_COLUMNS,
        facts.fact_credit,
        ("movie_cast", "movie_crew", _DIM_MOVIE),
        ("credit_id",),
    ),
    Table(
        "fact_release",
        "One row a release: movie, country, type, date.",
        facts.FACT_RELEASE_COLUMNS,
        facts.fact_release,
        ("movie_release_date", _DIM_MOVIE),
        ("movie_id", "iso_3166_1", "position"),
    ),
)

_DIMENSIONS = (
    Table(
        "dim_person",
        "People whom a credit names.",
        dimensions.DIM_PERSON_COLUMNS,
        dimensions.dim_person,
        ("movie_cast", "movie_crew", _DIM_MOVIE),
        ("person_id",),
    ),
    Table(
        "dim_genre",
        "Genres.",
        dimensions.DIM_GENRE_COLUMNS,
        dimensions.dim_genre,
        ("movie_genre", _DIM_MOVIE),
        ("genre_id",),
    ),
    Table(
        "dim_company",
        "Production companies.",
        dimensions.DIM_COMPANY_COLUMNS,
        dimensions.dim_company,
        ("movie_production_company", _DIM_MOVIE),
        ("company_id",),
    ),
    Table(
        "dim_collection",
        "Collections that movies belong to.",
        dimensions.DIM_COLLECTION_COLUMNS,
        dimensions.dim_collection,
        ("movie", _DIM_MOVIE),
        ("collection_id",),
    ),
    Table(
        "dim_keyword",
        "Keywords.",
        dimensions.DIM_KEYWORD_COLUMNS,
        dimensions.dim_keyword,
        ("movie_keyword", _DIM_MOVIE),
        ("keyword_id",),
    ),
    Table(
        "dim_country",
        "Countries that produce, release or offer movies.",
        dimensions.DIM_COUNTRY_COLUMNS,
        dimensions.dim_country,
        (
            "movie_production_country",
            "movie_production_company",
            "movie_origin_country",
            "movie_release_date",
            "watch_provider_offer",
            _DIM_MOVIE,
        ),
        ("iso_3166_1",),
    ),
    Table(
        "dim_language",
        "Languages that movies speak or were made in.",
        dimensions.DIM_LANGUAGE_COLUMNS,
        dimensions.dim_language,
        ("movie_spoken_language", "movie", _DIM_MOVIE),
        ("iso_639_1",),
    ),
    Table(
        "dim_watch_provider",
        "Providers that offer movies. Data by JustWatch.",
        dimensions.DIM_PROVIDER_COLUMNS,
        dimensions.dim_watch_provider,
        ("watch_provider_offer", _DIM_MOVIE),
        ("provider_id",),
    ),
    Table(
        "dim_date",
        "Days from the first to the last release.",
        dates.DIM_DATE_COLUMNS,
        dates.dim_date,
        (_DIM_MOVIE, "fact_release"),
        ("date_key",),
    ),
)

_BRIDGES = (
    Table(
        "bridge_movie_genre",
        "Movie and genre, with the share of the movie that falls to it.",
        bridges.BRIDGE_MOVIE_GENRE_COLUMNS,
        bridges.bridge_movie_genre,
        ("movie_genre", _DIM_MOVIE),
        ("movie_id", "genre_id"),
    ),
    Table(
        "bridge_movie_company",
        "Movie and production company, with the share of the movie that falls to it.",
        bridges.BRIDGE_MOVIE_COMPANY_COLUMNS,
        bridges.bridge_movie_company,
        ("movie_production_company", _DIM_MOVIE),
        ("movie_id", "company_id"),
    ),
    Table(
        "bridge_movie_country",
        "Movie and producing country, with the share of the movie that falls to it.",
        bridges.BRIDGE_MOVIE_COUNTRY_COLUMNS,
        bridges.bridge_movie_country,
        ("movie_production_country", _DIM_MOVIE),
        ("movie_id", "iso_3166_1"),
    ),
    Table(
        "bridge_movie_language",
        "Movie and spoken language, with the share of the movie that falls to it.",
        bridges.BRIDGE_MOVIE_LANGUAGE_COLUMNS,
        bridges.bridge_movie_language,
        ("movie_spoken_language", _DIM_MOVIE),
        ("movie_id", "iso_639_1"),
    ),
    Table(
        "bridge_movie_keyword",
        "Movie and keyword, with the share of the movie that falls to it.",
        bridges.BRIDGE_MOVIE_KEYWORD_COLUMNS,
        bridges.bridge_movie_keyword,
        ("movie_keyword", _DIM_MOVIE),
        ("movie_id", "keyword_id"),
    ),
)

MARTS: tuple[Table, ...] = marts_with(Measures())

# What lakes are built to hold by default.
REGISTRY = Registry.of(ENTITIES, MARTS)
