"""The kinds of things the emulator knows, as data: their exports, their blocks, their feeds."""

from dataclasses import dataclass
from typing import Any

_PAGE: dict[str, Any] = {"page": 1, "results": [], "total_pages": 0, "total_results": 0}
_RESULTS: dict[str, Any] = {"results": []}
_SOCIAL = ("facebook_id", "instagram_id", "twitter_id")
_OLD_IDS = ("freebase_mid", "freebase_id", "tvdb_id", "tvrage_id", "wikidata_id")
_TITLE_BLOCKS: dict[str, dict[str, Any]] = {
    "changes": {"changes": []},
    "credits": {"cast": [], "crew": []},
    "images": {"backdrops": [], "logos": [], "posters": []},
    "lists": _PAGE,
    "recommendations": _PAGE,
    "reviews": _PAGE,
    "similar": _PAGE,
    "translations": {"translations": []},
    "videos": _RESULTS,
    "watch/providers": {"results": {}},
}
_MOVIE_BLOCKS = _TITLE_BLOCKS | {
    "alternative_titles": {"titles": []},
    "external_ids": dict.fromkeys(("imdb_id", "wikidata_id", *_SOCIAL)),
    "keywords": {"keywords": []},
    "release_dates": _RESULTS,
}
_TV_BLOCKS = _TITLE_BLOCKS | {
    "aggregate_credits": {"cast": [], "crew": []},
    "alternative_titles": _RESULTS,
    "content_ratings": _RESULTS,
    "episode_groups": _RESULTS,
    "external_ids": dict.fromkeys(("imdb_id", *_OLD_IDS, *_SOCIAL)),
    "keywords": _RESULTS,
    "screened_theatrically": _RESULTS,
}
_PERSON_BLOCKS: dict[str, dict[str, Any]] = {
    "changes": {"changes": []},
    "combined_credits": {"cast": [], "crew": []},
    "external_ids": dict.fromkeys(
        ("freebase_mid", "freebase_id", "imdb_id", "tvrage_id", "wikidata_id", *_SOCIAL, "tiktok_id", "youtube_id")
    ),
    "images": {"profiles": []},
    "movie_credits": {"cast": [], "crew": []},
    # TMDB always says page 0 here, whichever page is requested.
    "tagged_images": {**_PAGE, "page": 0},
    "translations": {"translations": []},
    "tv_credits": {"cast": [], "crew": []},
}
SEASON_BLOCKS: dict[str, dict[str, Any]] = {
    "aggregate_credits": {"cast": [], "crew": []},
    "credits": {"cast": [], "crew": []},
    "external_ids": dict.fromkeys(_OLD_IDS),
    "images": {"posters": []},
    "translations": {"translations": []},
    "videos": _RESULTS,
    "watch/providers": {"results": {}},
}
EPISODE_BLOCKS: dict[str, dict[str, Any]] = {
    "credits": {"cast": [], "crew": [], "guest_stars": []},
    "external_ids": dict.fromkeys(("imdb_id", *_OLD_IDS)),
    "images": {"stills": []},
    "translations": {"translations": []},
    "videos": _RESULTS,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: *blocks* are its appends in their empty form, *edited* the fields an edit touches by TMDB's key."""

    name: str
    plural: str
    export: str
    blocks: dict[str, dict[str, Any]]
    edited: dict[str, str]
    # Adult ones are in an export of their own, and where `adult_apart` holds only there.
    adult_export: str = ""
    adult_apart: bool = False
    feed: bool = False
    # TMDB's feeds have rows without an id.
    null_ids: bool = False
    title: str = "name"
    # `language` leaves out images and videos of other languages.
    language_filters: bool = False

    @property
    def appends(self) -> tuple[str, ...]:
        """The names for `append_to_response`."""
        return tuple(self.blocks)


_LOGOS: dict[str, dict[str, Any]] = {"alternative_names": _RESULTS, "images": {"logos": []}}
_PICTURES: dict[str, dict[str, Any]] = {
    "images": {"backdrops": [], "posters": []},
    "translations": {"translations": []},
}
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "movie", "movies", "movie_ids", dict(sorted(_MOVIE_BLOCKS.items())),
            {"overview": "overview", "tagline": "tagline", "runtime": "runtime"},
            adult_export="adult_movie_ids", feed=True, title="title", language_filters=True,
        ),
        Kind(
            "tv", "series", "tv_series_ids", dict(sorted(_TV_BLOCKS.items())),
            {"overview": "overview", "tagline": "tagline"},
            adult_export="adult_tv_series_ids", adult_apart=True, feed=True, null_ids=True, language_filters=True,
        ),
        Kind(
            "person", "people", "person_ids", _PERSON_BLOCKS, {"biography": "biography"},
            adult_export="adult_person_ids", adult_apart=True, feed=True,
        ),
        Kind(
            "collection", "collections", "collection_ids", _PICTURES, {"overview": "overview"}, language_filters=True,
        ),
        Kind(
            "company", "companies", "production_company_ids", _LOGOS,
            {"description": "description", "headquarters": "headquarters"},
        ),
        Kind("network", "networks", "tv_network_ids", _LOGOS, {"headquarters": "headquarters"}),
        Kind("keyword", "keywords", "keyword_ids", {}, {}),
    )
}  # fmt: skip
