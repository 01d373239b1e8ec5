"""The kinds of things that are collected."""

from __future__ import annotations

from reelhouse.entities.movie import MOVIE
from reelhouse.entities.person import PERSON
from reelhouse.entities.ranked import RANKED_LISTS
from reelhouse.entities.reference import REFERENCE_LISTS
from reelhouse.entities.referenced import REFERENCED
from reelhouse.entities.schema import Entity
from reelhouse.entities.tv import TV

ENTITIES: dict[str, Entity] = {
    entity.name: entity for entity in (MOVIE, TV, PERSON, *REFERENCED, *REFERENCE_LISTS, *RANKED_LISTS)
}

# The entity that is meant where nobody names one.
DEFAULT = MOVIE.name

# What an id of another service is about, by how it begins.
EXTERNAL_KINDS = {"tt": "title", "nm": PERSON.name, "tvdb:": TV.name}

# Words by which files of ids are named after what they hold.
NAMES_OF_FILES = (MOVIE.name, "series")

# What lists call kinds of things that are not collected by an id of their own, without what is not a letter.
OTHER_WORDS = {
    "title": "title titles",
    "season": "season seasons temporada tvseason",
    "episode": "episode episodes episodio tvepisode tvpilot podcastepisode",
    "other": "list game videogame book album",
}
