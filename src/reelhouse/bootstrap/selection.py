"""The entities that names select, in the settings, of an option, in a call of the Python API, and how many of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reelhouse.entities.registry import DEFAULT, ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, did_you_mean
from reelhouse.settings import Settings


def selected(names: Collection[str], entities: Mapping[str, Entity] = ENTITIES) -> tuple[str, ...]:
    """The entities that *names* select, in the order of their declaration; without names the usual one.

    A name is that of an entity or of a group of them, or `all`; `ConfigError` for any other.
    """
    groups = {"all": tuple(entities)}
    for name, entity in entities.items():
        if entity.group:
            groups[entity.group] = (*groups.get(entity.group, ()), name)
    known = {**groups, **{name: (name,) for name in entities}}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
            raise ConfigError(f"entity: {name!r} is not collected{hint}")
    wanted = {one for name in names or (DEFAULT,) for one in known[name]}
    return tuple(name for name in entities if name in wanted)


def limits_of(
    settings: Settings, entity: Entity, source: str, among: Iterable[Entity] = (), *, stated: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What limits the listing by popularity, and notes for a person. General limits hold where there is a popularity.

    Raises `ConfigError` for a limit that holds for nothing.
    """
    names = ("top", "min_popularity")
    found = {name: value for name in names if (value := getattr(settings.of(entity.name), name)) is not None}
    if source == "discover" or (source == entity.source and entity.has_popularity):
        return found, ()
    several = entity.several
    for name in found:
        own = name in settings.entity.get(entity.name, {})
        if own or (stated and not any(one.has_popularity for one in among if one.name != entity.name)):
            place = f" out of [entity.{entity.name}]" if own else " out"
            raise ConfigError(f"{name}: {several} are not listed by popularity, so it selects nothing: leave it{place}")
    notes = (f"{name} does not apply: TMDB's export of {several} has no popularity, so all are taken" for name in found)
    return {}, tuple(notes) if source == "export" else ()
