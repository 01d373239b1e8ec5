"""The entities that names select: in the settings, of an option, in a call of the Python API."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reelhouse.entities.registry import DEFAULT, ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, did_you_mean


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
