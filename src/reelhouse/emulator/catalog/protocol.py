"""The interface of catalogues, generated or read from given bodies.

A movie is named by its index: 0 to `size - 1`, and above that for movies added while the emulator runs.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from reelhouse.emulator.catalog.facts import ExportRow

APPENDS = (
    "alternative_titles", "changes", "credits", "external_ids", "images", "keywords", "lists", "recommendations",
    "release_dates", "reviews", "similar", "translations", "videos", "watch/providers",
)  # fmt: skip
_PAGE: dict[str, Any] = {"page": 1, "results": [], "total_pages": 0, "total_results": 0}
EMPTY_BLOCKS: dict[str, dict[str, Any]] = {
    "alternative_titles": {"titles": []},
    "changes": {"changes": []},
    "credits": {"cast": [], "crew": []},
    "external_ids": dict.fromkeys(("imdb_id", "wikidata_id", "facebook_id", "instagram_id", "twitter_id")),
    "images": {"backdrops": [], "logos": [], "posters": []},
    "keywords": {"keywords": []},
    "lists": _PAGE,
    "recommendations": _PAGE,
    "release_dates": {"results": []},
    "reviews": _PAGE,
    "similar": _PAGE,
    "translations": {"translations": []},
    "videos": {"results": []},
    "watch/providers": {"results": {}},
}


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What discover filters and sorts by; `day` is the ordinal of the release date, 0 when there is none."""

    title: str
    original_title: str
    popularity: float
    day: int
    vote_average: float
    vote_count: int
    runtime: int
    revenue: int
    language: str
    countries: tuple[str, ...]
    genres: tuple[int, ...]
    adult: bool
    video: bool


class Catalogue(Protocol):
    """Movies by index; every answer is always the same."""

    size: int
    grows: bool

    def close(self) -> None: ...

    def id_of(self, index: int) -> int: ...

    def index_of(self, number: int) -> int | None:
        """The index behind an id; it may lie beyond the movies that exist so far."""
        ...

    def index_of_imdb(self, text: str) -> int | None: ...

    def detail(self, index: int) -> dict[str, Any]:
        """A new `/movie/{id}` body without appends."""
        ...

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        """A block of `append_to_response` other than `changes`, without the id."""
        ...

    def row(self, index: int) -> dict[str, Any]:
        """The movie as lists show it."""
        ...

    def traits(self, index: int) -> Traits: ...

    def export_row(self, index: int) -> ExportRow: ...

    def export_order(self) -> Iterator[int]:
        """The indices 0 to `size - 1`, not sorted by id."""
        ...

    def by_popularity(self) -> Iterator[int]:
        """The indices 0 to `size - 1`, most popular first."""
        ...
