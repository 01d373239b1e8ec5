"""All tables, in the order they are built."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

from reelhouse.tables import about_lake, exports, movie, movie_credits, movie_links, movie_releases
from reelhouse.tables.columns import ColumnSpec, TableSpec

STAGING_MOVIE = "staging/movie"
CURRENT_MOVIE = "staging/movie_current"
ANSWERS = "answers"


def _of_answers(
    name: str, about: str, columns: tuple[ColumnSpec, ...], make: Callable[..., DataFrame], *key: str
) -> TableSpec:
    return TableSpec(name, about, columns, make, (ANSWERS,), key)


def _of_claims(
    name: str, about: str, columns: tuple[ColumnSpec, ...], make: Callable[..., DataFrame], *key: str
) -> TableSpec:
    return TableSpec(name, about, columns, make, (STAGING_MOVIE, CURRENT_MOVIE), key)


def _not_made(*frames: DataFrame) -> DataFrame:
    raise AssertionError("popularity_daily grows export by export (build/popularity.py)")


POPULARITY = TableSpec(
    "popularity_daily",
    "How popular everything was on the day of each landed export.",
    exports.POPULARITY_COLUMNS,
    _not_made,
    (),
    ("kind", "id", "day"),
)

TABLES: tuple[TableSpec, ...] = (
    _of_answers("movie", "One row a movie, as TMDB shows it now.", movie.MOVIE_COLUMNS, movie.movies, "movie_id"),
    _of_answers("movie_genre", "Genres of movies.", movie.GENRE_COLUMNS, movie.movie_genres, "movie_id", "position"),
    _of_answers(
        "movie_production_company",
        "Companies that produced movies.",
        movie.COMPANY_COLUMNS,
        movie.movie_companies,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_production_country",
        "Countries movies were produced in.",
        movie.COUNTRY_COLUMNS,
        movie.movie_countries,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_origin_country",
        "Countries movies come from.",
        movie.ORIGIN_COLUMNS,
        movie.movie_origins,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_spoken_language",
        "Languages spoken in movies.",
        movie.LANGUAGE_COLUMNS,
        movie.movie_languages,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_keyword", "Keywords of movies.", movie.KEYWORD_COLUMNS, movie.movie_keywords, "movie_id", "position"
    ),
    _of_answers(
        "movie_cast", "Roles in movies.", movie_credits.CAST_COLUMNS, movie_credits.movie_cast, "movie_id", "position"
    ),
    _of_answers(
        "movie_crew", "Jobs in movies.", movie_credits.CREW_COLUMNS, movie_credits.movie_crew, "movie_id", "position"
    ),
    _of_answers(
        "movie_release_date",
        "Releases by country and kind, with age ratings.",
        movie_releases.RELEASE_COLUMNS,
        movie_releases.movie_releases,
        "movie_id",
        "iso_3166_1",
        "position",
    ),
    _of_answers(
        "movie_alternative_title",
        "Other titles of movies.",
        movie_releases.TITLE_COLUMNS,
        movie_releases.movie_titles,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_translation",
        "Titles and texts in other languages.",
        movie_releases.TRANSLATION_COLUMNS,
        movie_releases.movie_translations,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_video",
        "Trailers and other videos.",
        movie_links.VIDEO_COLUMNS,
        movie_links.movie_videos,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_image",
        "Images, where the append is asked for.",
        movie_links.IMAGE_COLUMNS,
        movie_links.movie_images,
        "movie_id",
        "kind",
        "position",
    ),
    _of_answers(
        "movie_review",
        "Reviews, where the append is asked for.",
        movie_links.REVIEW_COLUMNS,
        movie_links.movie_reviews,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_recommendation",
        "What TMDB recommends to those who liked a movie.",
        movie_links.RECOMMENDATION_COLUMNS,
        movie_links.movie_recommendations,
        "movie_id",
        "position",
    ),
    _of_answers(
        "movie_external_id",
        "Ids of movies on other sites.",
        movie_links.EXTERNAL_COLUMNS,
        movie_links.movie_external_ids,
        "movie_id",
        "source",
    ),
    _of_answers(
        "watch_provider_offer",
        "Where movies can be watched. Data by JustWatch.",
        movie_releases.OFFER_COLUMNS,
        movie_releases.watch_provider_offers,
        "movie_id",
        "iso_3166_1",
        "monetization_type",
        "position",
    ),
    POPULARITY,
    _of_claims(
        "record",
        "One row for each id the lake knows: the answer that speaks for it.",
        about_lake.RECORD_COLUMNS,
        about_lake.records,
        "entity",
        "id",
    ),
    _of_claims(
        "quarantine",
        "Ids whose newest answer cannot be trusted.",
        about_lake.QUARANTINE_COLUMNS,
        about_lake.quarantine,
        "entity",
        "ask",
    ),
    _of_answers(
        "rejected_value",
        "Values TMDB sent that fit no column.",
        about_lake.REJECTED_COLUMNS,
        about_lake.rejected_values,
        "entity",
        "id",
        "path",
    ),
    _of_claims(
        "tombstone",
        "Ids that TMDB removed.",
        about_lake.TOMBSTONE_COLUMNS,
        about_lake.tombstones,
        "entity",
        "id",
    ),
)
