"""TMDB's endpoints as data. A new entity is a new line in `ENTITIES`."""

from __future__ import annotations

from typing import NamedTuple

from reelhouse.errors import ConfigError, did_you_mean

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# What a look at TMDB's health or clock asks.
CANARY = "/configuration"

MOST_APPENDS = 20
LAST_PAGE = 500
PAGE_ROWS = 20


class Entity(NamedTuple):
    """One kind of thing: where it is asked, listed and watched for changes."""

    name: str
    path: str
    export: str
    changes: str
    discover: str
    discover_date: str
    appends: tuple[str, ...]
    default_appends: tuple[str, ...]
    fields: frozenset[str]
    core: frozenset[str]
    filters: frozenset[str]


# From the official spec of 2026-05-18. TMDB ignores a name it does not know and answers the unfiltered set, so a
# typo must be caught here.
_MOVIE_FILTERS = frozenset(
    (
        "certification",
        "certification.gte",
        "certification.lte",
        "certification_country",
        "include_adult",
        "include_video",
        "language",
        "page",
        "primary_release_year",
        "primary_release_date.gte",
        "primary_release_date.lte",
        "region",
        "release_date.gte",
        "release_date.lte",
        "sort_by",
        "vote_average.gte",
        "vote_average.lte",
        "vote_count.gte",
        "vote_count.lte",
        "watch_region",
        "with_cast",
        "with_companies",
        "with_crew",
        "with_genres",
        "with_keywords",
        "with_origin_country",
        "with_original_language",
        "with_people",
        "with_release_type",
        "with_runtime.gte",
        "with_runtime.lte",
        "with_watch_monetization_types",
        "with_watch_providers",
        "without_companies",
        "without_genres",
        "without_keywords",
        "without_watch_providers",
        "year",
    )
)

# Fields of today's movie details beyond the appends; one that is not here is counted as drift, never refused.
_MOVIE_FIELDS = frozenset(
    (
        "adult",
        "backdrop_path",
        "belongs_to_collection",
        "budget",
        "genres",
        "homepage",
        "id",
        "imdb_id",
        "origin_country",
        "original_language",
        "original_title",
        "overview",
        "popularity",
        "poster_path",
        "production_companies",
        "production_countries",
        "release_date",
        "revenue",
        "runtime",
        "softcore",
        "spoken_languages",
        "status",
        "tagline",
        "title",
        "video",
        "vote_average",
        "vote_count",
    )
)

ENTITIES = {
    "movie": Entity(
        name="movie",
        path="/movie/",
        export="movie_ids",
        changes="/movie/changes",
        discover="/discover/movie",
        discover_date="primary_release_date",
        appends=(
            "alternative_titles",
            "changes",
            "credits",
            "external_ids",
            "images",
            "keywords",
            "lists",
            "recommendations",
            "release_dates",
            "reviews",
            "similar",
            "translations",
            "videos",
            "watch/providers",
        ),
        default_appends=(
            "credits",
            "keywords",
            "release_dates",
            "external_ids",
            "alternative_titles",
            "translations",
            "videos",
            "watch/providers",
            "recommendations",
        ),
        fields=_MOVIE_FIELDS,
        # Of what every recorded answer has, so much that no other body is taken for a movie.
        core=frozenset(("title", "original_title", "original_language", "release_date", "genres", "vote_count")),
        filters=_MOVIE_FILTERS,
    ),
}


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` where TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB knows no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")


def check_filters(entity: Entity, filters: dict[str, str]) -> None:
    """Raise `ConfigError` for a discover filter that the official spec does not know, or that is reelhouse's own."""
    for name in filters:
        if name == "page":
            raise ConfigError("discover: `page` is read by reelhouse itself, which asks for all of them")
        if name not in entity.filters:
            raise ConfigError(
                f"discover: TMDB documents no filter {name!r}{did_you_mean(name, entity.filters)}; "
                "it would be ignored and answer everything"
            )
