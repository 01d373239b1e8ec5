"""The kinds of things that are collected."""

from __future__ import annotations

from reelhouse.entities.movie import MOVIE
from reelhouse.entities.schema import Entity

ENTITIES: dict[str, Entity] = {entity.name: entity for entity in (MOVIE,)}
