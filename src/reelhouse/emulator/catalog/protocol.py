"""The interface of catalogues, generated or read from given bodies.

A thing is named by its index: 0 to `size - 1`, and above that for things added while the emulator runs.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from reelhouse.emulator.catalog.kinds import Kind


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What discover filters and sorts by; `day` is the ordinal of the (first) release date, 0 when there is none."""

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
    """Things of one kind by index; every answer is always the same."""

    kind: Kind
    size: int
    grows: bool

    def close(self) -> None: ...

    def id_of(self, index: int) -> int: ...

    def index_of(self, number: int) -> int | None:
        """The index behind an id; it may lie beyond the movies that exist so far."""
        ...

    def index_of_imdb(self, text: str) -> int | None: ...

    def detail(self, index: int) -> dict[str, Any]:
        """A new `/{kind}/{id}` body without appends."""
        ...

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        """A block of `append_to_response` other than `changes`, without the id."""
        ...

    def row(self, index: int) -> dict[str, Any]:
        """The thing as lists show it."""
        ...

    def is_adult(self, index: int) -> bool: ...

    def export_row(self, index: int) -> Any:
        """One line of the daily id export."""
        ...

    def export_order(self) -> Iterator[int]:
        """The indices 0 to `size - 1`, not sorted by id."""
        ...

    def by_popularity(self) -> Iterator[int]:
        """The indices 0 to `size - 1`, most popular first."""
        ...


class Titles(Catalogue, Protocol):
    """Movies or series: what discover finds."""

    def traits(self, index: int) -> Traits: ...


class Series(Titles, Protocol):
    """Series, which have seasons."""

    def index_of_tvdb(self, number: int) -> int | None: ...

    def find_season(self, number: int) -> tuple[int, int] | None:
        """The series' index and the season's number that a season id leads to."""
        ...

    def find_episode(self, number: int) -> tuple[int, int] | None:
        """The series' index and the season's number that an episode id leads to."""
        ...

    def episode_of_imdb(self, text: str) -> int | None:
        """The episode id that an IMDb id leads to, whether or not there is such an episode."""
        ...

    def seasons(self, index: int) -> list[tuple[int, int]]:
        """Number and id of each season."""
        ...

    def season(self, index: int, number: int) -> dict[str, Any] | None:
        """Build a new `/tv/{id}/season/{n}` body; None if the series lacks that season."""
        ...

    def season_block(self, index: int, number: int, name: str) -> dict[str, Any]:
        """A block of a season."""
        ...

    def episode_block(self, index: int, number: int, episode: dict[str, Any], name: str) -> dict[str, Any]:
        """A block of an episode of a season."""
        ...
