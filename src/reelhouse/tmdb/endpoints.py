"""What holds for all of TMDB's endpoints; `entities/` has what is each kind's own."""

from __future__ import annotations

from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, did_you_mean

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# What a look at TMDB's health or clock asks.
CANARY = "/configuration"

MOST_APPENDS = 20
LAST_PAGE = 500
PAGE_ROWS = 20


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` where TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB knows no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")


def check_filters(entity: Entity, filters: dict[str, str]) -> None:
    """Raise `ConfigError` for a discover filter that the official spec does not know, or that is reelhouse's own."""
    for name in filters:
        if name == "page":
            raise ConfigError("discover: `page` is read by reelhouse itself, which asks for all of them")
        if name not in entity.discover.filters:
            raise ConfigError(
                f"discover: TMDB documents no filter {name!r}{did_you_mean(name, entity.discover.filters)}; "
                "it would be ignored and answer everything"
            )
