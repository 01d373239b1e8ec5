"""What holds for all of TMDB's endpoints; `entities/` has what is each kind's own."""

from __future__ import annotations

import re

from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean
from reelhouse.ids import read_id

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# What a look at TMDB's health or clock asks.
CANARY = "/configuration"

# All of TMDB's paths are made of such parts. A dot or a `%` could lead out of where an id belongs.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

MOST_APPENDS = 20
LAST_PAGE = 500
PAGE_ROWS = 20
CHANGES_ROWS = 100


def details_path(path: str, key: str) -> str:
    """An entity's *path* for *key*; `ReelhouseError` where that is no id."""
    if read_id(key) is None:
        raise ReelhouseError(f"{key[:40]!r} is no TMDB id and no IMDb id, so TMDB is not asked")
    return path.replace("{id}", key)


def check_path(path: str) -> None:
    """Raise `ReelhouseError` where a request to *path* could mean something else than it says."""
    if not _PATH.fullmatch(path):
        raise ReelhouseError(f"{path[:80]!r} is no path of TMDB's API, so TMDB is not asked")


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` where TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB knows no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")
