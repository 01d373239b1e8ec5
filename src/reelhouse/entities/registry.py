"""The kinds of things that are collected."""

from __future__ import annotations

from reelhouse.entities.movie import MOVIE
from reelhouse.entities.schema import Entity

ENTITIES: dict[str, Entity] = {entity.name: entity for entity in (MOVIE,)}

# The entity that is meant where nobody names one.
DEFAULT = MOVIE.name

# Words by which files of ids are named after what they hold.
NAMES_OF_FILES = (MOVIE.name, "series")

# What lists call kinds of things that are not collected, without what is no letter.
OTHER_WORDS = {
    "series": "tv show shows tvshow tvshows series serie tvseries miniseries tvminiseries podcastseries",
    "season": "season seasons temporada tvseason",
    "episode": "episode episodes episodio tvepisode tvpilot podcastepisode",
    "person": "person people actor actress director cast crew pessoa persona name",
    "other": "collection list company network keyword game videogame book album",
}
