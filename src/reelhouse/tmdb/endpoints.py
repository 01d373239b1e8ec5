"""Facts about all endpoints of TMDB; `entities/` declares what belongs to one kind."""

from __future__ import annotations

from reelhouse.entities.schema import MOST_APPENDS, Entity
from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean
from reelhouse.ids import NOT_AN_ID, external, is_path, key_id, read_key

EXPORTS_URL = "https://files.tmdb.org/p/exports"

# Requested to check TMDB's health or clock.
CANARY = "/configuration"

LAST_PAGE = 500
CHANGES_ROWS = 100


def is_key_of(path: str, key: str) -> bool:
    """Whether an entity with this *path* can be requested by *key*: an id where there are ids, else the path itself."""
    found = read_key(key)
    return found is not None and (key == path if found.is_path else "{id}" in path)


def takes(entity: Entity, key: str) -> bool:
    """Whether *key* may name a record of *entity*: a TMDB id does, another service's if it may be of its kind."""
    other = external(key)
    return is_key_of(entity.path, key) and (other is None or other.begins in entity.external)


def is_found(entity: Entity, key: str) -> bool:
    """Whether `/find` has to say which id of *entity* the *key* stands for."""
    return bool(entity.find) and key_id(key) is None


def find_request(key: str) -> tuple[str, str]:
    """Path and query with which TMDB says what an id of another service stands for; `ReelhouseError` for other keys."""
    other = external(key)
    if other is None or read_key(key) is None:
        raise ReelhouseError(f"{key[:40]!r} is not an id of another service, so `/find` is not asked for it")
    return f"/find/{other.id}", f"external_source={other.source}"


def details_path(path: str, key: str) -> str:
    """An entity's *path* for *key*; `ReelhouseError` if that is not a key of it."""
    if not is_key_of(path, key):
        raise ReelhouseError(f"{key[:40]!r} is {NOT_AN_ID}, so it is not requested")
    return path.replace("{id}", key)


def request_of(path: str, key: str, query: str) -> tuple[str, str]:
    """Path and query of the request for *key*: an entity's *path* may have a query of its own."""
    path, _, own = details_path(path, key).partition("?")
    return path, "&".join(filter(None, (own, query)))


def first_appends(entity: Entity, appends: tuple[str, ...]) -> tuple[str, ...]:
    """What the first request for a record appends: *appends*, and numbered parts as far as TMDB's limit allows.

    TMDB leaves out numbers that a record does not have, so guessing them costs nothing.
    """
    if entity.numbered is None:
        return appends
    return (*appends, *(entity.numbered.name(number) for number in range(MOST_APPENDS - len(appends))))


def check_path(path: str) -> None:
    """Raise `ReelhouseError` if *path* could lead to another path."""
    if not is_path(path):
        raise ReelhouseError(f"{path[:80]!r} is not a path of TMDB's API, so it is not requested")


def check_appends(entity: Entity, appends: tuple[str, ...]) -> None:
    """Raise `ConfigError` if TMDB would refuse or ignore one of *appends*."""
    if len(appends) > MOST_APPENDS:
        raise ConfigError(f"append: {len(appends)} names, but TMDB takes at most {MOST_APPENDS} in one request")
    for name in appends:
        if name not in entity.appends:
            raise ConfigError(f"append: TMDB has no {name!r} for a {entity.name}{did_you_mean(name, entity.appends)}")
