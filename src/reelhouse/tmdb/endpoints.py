"""Facts about all endpoints of TMDB; `entities/` declares what belongs to one kind."""

from __future__ import annotations

import re

from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean
from reelhouse.ids import read_id

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# Requested to check TMDB's health or clock.
CANARY = "/configuration"

# All paths of TMDB are made of such segments. A dot or a `%` could lead to another path.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

MOST_APPENDS = 20
LAST_PAGE = 500
PAGE_ROWS = 20
CHANGES_ROWS = 100


def details_path(path: str, ask: str) -> str:
    """An entity's *path* for *ask*; `ReelhouseError` if that is not an id."""
    if read_id(ask) is None:
        raise ReelhouseError(f"{ask[:40]!r} is neither a TMDB id nor an IMDb id, so it is not requested")
    return path.replace("{id}", ask)


def check_path(path: str) -> None:
    """Raise `ReelhouseError` if *path* could lead to another path."""
    if not _PATH.fullmatch(path):
        raise ReelhouseError(f"{path[:80]!r} is not a path of TMDB's API, so it is not requested")


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` if TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB has no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")
