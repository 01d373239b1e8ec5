"""TMDB's endpoints as data. A new entity is a new line in `ENTITIES`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean
from reelhouse.ids import read_id

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# What a look at TMDB's health or clock asks.
CANARY = "/configuration"

# All of TMDB's paths are made of such parts. A dot or a `%` could lead out of where an id belongs.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

MOST_APPENDS = 20
LAST_PAGE = 500
PAGE_ROWS = 20
CHANGES_ROWS = 100


class Reference(NamedTuple):
    """One of TMDB's reference lists: *rows* is the key of its rows ("" for a bare array), *code* that of a row's code.

    *region* is the filter that says for which country it is asked.
    """

    path: str
    rows: str
    code: str
    localized: bool = False
    region: str = ""


class Filter(NamedTuple):
    """What a discover filter takes: a *kind* of value, or one of *choices*, one or *many*, as *reference* lists them.

    TMDB ignores it unless one of *needs* comes with it.
    """

    kind: str
    choices: tuple[str, ...] = ()
    many: bool = False
    reference: Reference | None = None
    needs: tuple[str, ...] = ()


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
    filters: Mapping[str, Filter]


_COUNTRIES = Reference("/configuration/countries", "", "iso_3166_1")
_LANGUAGES = Reference("/configuration/languages", "", "iso_639_1")
_MOVIE_GENRES = Reference("/genre/movie/list", "genres", "id", localized=True)
_MOVIE_CERTIFICATES = Reference("/certification/movie/list", "certifications", "certification")
_MOVIE_PROVIDERS = Reference("/watch/providers/movie", "results", "provider_id", localized=True, region="watch_region")

_DATE, _YEAR, _NUMBER, _WHOLE, _FLAG = (Filter(kind) for kind in ("date", "year", "number", "whole", "flag"))
_IDS = Filter("id", many=True)
_COUNTRY = Filter("name", reference=_COUNTRIES)
_GENRE_LIST = Filter("name", many=True, reference=_MOVIE_GENRES)
_CERTIFICATE = Filter("name", reference=_MOVIE_CERTIFICATES, needs=("certification_country", "region"))
_PROVIDER_LIST = Filter("name", many=True, reference=_MOVIE_PROVIDERS, needs=("watch_region",))
_SORTED_BY = ("original_title", "popularity", "revenue", "primary_release_date", "title", "vote_average", "vote_count")

# From the official spec of 2026-05-18.
_MOVIE_FILTERS = {
    "certification": _CERTIFICATE._replace(many=True),
    "certification.gte": _CERTIFICATE,
    "certification.lte": _CERTIFICATE,
    "certification_country": _COUNTRY._replace(needs=("certification", "certification.gte", "certification.lte")),
    "include_adult": _FLAG,
    "include_video": _FLAG,
    "language": Filter("locale"),
    "page": _WHOLE,
    "primary_release_year": _YEAR,
    "primary_release_date.gte": _DATE,
    "primary_release_date.lte": _DATE,
    "region": _COUNTRY,
    "release_date.gte": _DATE,
    "release_date.lte": _DATE,
    "sort_by": Filter("choice", tuple(f"{name}.{order}" for name in _SORTED_BY for order in ("asc", "desc"))),
    "vote_average.gte": _NUMBER,
    "vote_average.lte": _NUMBER,
    "vote_count.gte": _WHOLE,
    "vote_count.lte": _WHOLE,
    "watch_region": _COUNTRY._replace(
        needs=("with_watch_providers", "without_watch_providers", "with_watch_monetization_types")
    ),
    "with_cast": _IDS,
    "with_companies": _IDS,
    "with_crew": _IDS,
    "with_genres": _GENRE_LIST,
    "with_keywords": _IDS,
    "with_origin_country": _COUNTRY._replace(many=True),
    "with_original_language": Filter("name", many=True, reference=_LANGUAGES),
    "with_people": _IDS,
    "with_release_type": Filter("choice", ("1", "2", "3", "4", "5", "6"), many=True, needs=("region",)),
    "with_runtime.gte": _WHOLE,
    "with_runtime.lte": _WHOLE,
    "with_watch_monetization_types": Filter(
        "choice", ("flatrate", "free", "ads", "rent", "buy"), many=True, needs=("watch_region",)
    ),
    "with_watch_providers": _PROVIDER_LIST,
    "without_companies": _IDS,
    "without_genres": _GENRE_LIST,
    "without_keywords": _IDS,
    "without_watch_providers": _PROVIDER_LIST,
    "year": _YEAR,
}

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


def details_path(folder: str, ask: str) -> str:
    """Where TMDB is asked about *ask*, below an entity's *folder*; `ReelhouseError` where that is no id."""
    if read_id(ask) is None:
        raise ReelhouseError(f"{ask[:40]!r} is no TMDB id and no IMDb id, so TMDB is not asked")
    return folder + ask


def check_path(path: str) -> None:
    """Raise `ReelhouseError` where a request to *path* could mean something else than it says."""
    if not _PATH.fullmatch(path):
        raise ReelhouseError(f"{path[:80]!r} is no path of TMDB's API, so TMDB is not asked")


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` where TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB knows no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")
