"""Bodies to measure with: the emulator's, of its better known movies, which average what TMDB's do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from reelhouse.emulator.api import Api
from reelhouse.emulator.catalog.generated import GeneratedCatalogue
from reelhouse.emulator.clock import EmulatorClock
from reelhouse.emulator.world import Worlds
from reelhouse.entities.registry import ENTITIES

TYPICAL_SIZE = 12_000
SEED = 1

# Of a generated catalogue so many times as large, the most popular average 12 KB with all default appends; the whole
# of it, with its long tail of films that nobody knows, 5 KB.
_LARGER = 7.5

_APPENDS = ENTITIES["movie"].default_appends
QUERY = {"append_to_response": ",".join(_APPENDS), "language": "en-US"}


class Body(NamedTuple):
    id: int
    content: bytes


def catalogue_size(count: int) -> int:
    """How many movies an emulator needs so that its *count* most popular ones have bodies of typical size."""
    return int(count * _LARGER)


def popular_ids(count: int) -> list[int]:
    """The ids of the *count* most popular movies of an emulator of `catalogue_size(count)` movies."""
    catalogue = GeneratedCatalogue(SEED, catalogue_size(count))
    return [catalogue.id_of(index) for index in islice(catalogue.by_popularity(), count)]


class Bodies:
    """The bodies of the *count* most popular movies, rendered one by one."""

    def __init__(self, count: int) -> None:
        catalogue = GeneratedCatalogue(SEED, catalogue_size(count))
        worlds = Worlds([catalogue], EmulatorClock(None), SEED)
        self._world = worlds.of("movie")
        self._api = Api(worlds)
        self.ids = [catalogue.id_of(index) for index in islice(catalogue.by_popularity(), count)]

    def __iter__(self) -> Iterator[Body]:
        return (self.render(id_) for id_ in self.ids)

    def edited(self, every: int) -> Iterator[Body]:
        """A new edition of every *every*-th movie."""
        some = self.ids[::every]
        self._world.edit(some, 0)
        return (self.render(id_) for id_ in some)

    def render(self, id_: int) -> Body:
        content: Any = self._api.question(f"movie/{id_}", QUERY).build()
        return Body(id_, msgspec.json.encode(content))
