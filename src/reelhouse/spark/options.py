"""The options of `spark.read.format("tmdb")`. Plans show them to everybody, so no option is a secret."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Literal

from reelhouse.collect.id_lists import Reading, read_keys
from reelhouse.entities.registry import DEFAULT
from reelhouse.entities.schema import ANSWERS, Entity, Table
from reelhouse.errors import ConfigError, did_you_mean
from reelhouse.ids import NOT_AN_ID, read_id
from reelhouse.marts import REGISTRY
from reelhouse.strict_csv import escape_of
from reelhouse.tables.metadata_tables import metadata_tables
from reelhouse.tables.registry import Registry
from reelhouse.tables.staging import staging_columns
from reelhouse.tmdb.endpoints import takes

# Columns that are known without an answer; the other tables need an export or a build.
OF_OUTCOMES = ("record", "quarantine", "tombstone")


@cache
def from_api(registry: Registry, entity: str) -> dict[str, Table]:
    """The tables of an *entity* that can be made directly from the API, by name."""
    # One row per answer, with all of it: several tables of a slice then cost one request per id.
    whole = Table(ANSWERS, "Whole answers, nested.", staging_columns(registry.entities[entity]), inputs=(), key=("id",))
    about = [one for one in metadata_tables(entity) if one.of_answers or one.name in OF_OUTCOMES]
    return {table.name: table for table in (*registry.entities[entity].tables, *about, whole)}


_SECRET_NAME = re.compile(r"token|secret|password|api_?key|authorization|bearer", re.IGNORECASE)
# The beginning of TMDB's tokens, and a whole API key. Spark writes names in lower case.
_SECRET_VALUE = re.compile(r"\beyJ[\w-]{8}|\b[0-9a-f]{32}\b", re.IGNORECASE)
_FILTER = "discover."


@dataclass(frozen=True)
class Options:
    """The options of one read; *settings* are those of `reelhouse.settings` that options give."""

    entity: str = DEFAULT
    table: str = ""
    lake: str | None = None
    keys: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    partition_ids: int = 200
    concurrency: int | None = None
    quarantined: str = "fail"
    since: date | Literal["today"] | None = None
    early: bool = False
    registry: Registry = REGISTRY

    @property
    def asks_tmdb(self) -> bool:
        """Whether this reads a slice from the API, rather than a lake."""
        return self.keys is not None or bool({"discover", "top", "min_popularity"} & self.settings.keys())

    @property
    def declared(self) -> Entity:
        """What is declared of the entity."""
        return self.registry.entities[self.entity]

    @property
    def from_api(self) -> dict[str, Table]:
        """The tables that can be made directly from the API, by name."""
        return from_api(self.registry, self.entity)

    @property
    def spec(self) -> Table:
        """The table as made directly from the API; `ConfigError` if it cannot be."""
        if self.table not in self.from_api:
            hint = did_you_mean(self.table, self.from_api) or f"; choose one of {', '.join(sorted(self.from_api))}"
            raise ConfigError(f"option table: {self.table!r} is not made directly from the API{hint}, or read a lake")
        return self.from_api[self.table]

    def check_batch(self) -> None:
        """Raise `ConfigError` for options of streams."""
        if self.since is not None or self.early:
            raise ConfigError("options since and early are for `readStream` on Apache Spark; Sail runs it as a `read`")
        idle = sorted(self.settings.keys() - {"rate"})
        if idle and not self.asks_tmdb:
            raise ConfigError(f"option {idle[0]}: affects requests to TMDB only; a lake is read as it was collected")

    def check_stream(self) -> None:
        """Raise `ConfigError` for options of batches: a stream reads what the change feed names."""
        if self.lake is not None or self.asks_tmdb:
            raise ConfigError("`readStream` follows the change feed: options that choose ids or a lake are for `read`")
        if self.since is None:
            raise ConfigError("option since is missing: give the first day whose changes are wanted, or today")
        if not self.declared.changes:
            fed = ", ".join(name for name, one in self.registry.entities.items() if one.changes)
            raise ConfigError(f"option entity: TMDB has no change feed for {self.entity}; choose one of {fed}")
        # A table of the settings' lake has columns too, so nothing else would raise before the first day with changes.
        _ = self.spec


def read_options(given: Mapping[str, str], registry: Registry = REGISTRY) -> Options:
    """Parse Spark's options. Raises `ConfigError` for an option that would be ignored, or must not be one."""
    _refuse_secrets(given)
    usual = DEFAULT if DEFAULT in registry.entities else next(iter(registry.entities))
    entity = given.get("entity", usual)
    if entity not in registry.entities:
        raise ConfigError(f"option entity: {', '.join(registry.entities)} is expected, not {entity!r}")
    read: dict[str, Any] = {"entity": entity}
    settings: dict[str, Any] = {}
    discover: dict[str, str] = {}
    of_list: dict[str, Any] = {}
    for name, value in _with_lake(given).items():
        if name.startswith(_FILTER):
            discover[name.removeprefix(_FILTER)] = value
        elif name in _SETTINGS:
            settings[name] = _parsed(name, value, _SETTINGS[name])
        elif name in _OF_LISTS:
            of_list[name] = _parsed(name, value, _OF_LISTS[name][1])
        elif name in _OWN:
            read[name] = _parsed(name, value, _OWN[name])
        else:
            known = [*KNOWN, *(_FILTER + each for one in registry.entities.values() for each in one.discover.filters)]
            raise ConfigError(f"option {name}: there is no such option{did_you_mean(name, known)}")
    if discover:
        settings["discover"] = discover
    if of_list and "ids_file" not in read:
        raise ConfigError(f"option {min(of_list)}: it is an option of ids_file, which is missing")
    if "ids_file" in read:
        of_list["entity"] = entity
        read["ids_file"] = _keys_of_file(read["ids_file"], of_list)
    return _checked(read, settings, registry)


def _with_lake(given: Mapping[str, str]) -> dict[str, str]:
    """The options with the path of `load(path)` as `lake`."""
    named = {name: value for name, value in given.items() if name != "path"}
    if "path" not in given:
        return named
    if named.get("lake", given["path"]) != given["path"]:
        raise ConfigError("options lake and path name two lakes; give one of them")
    return {**named, "lake": given["path"]}


def _checked(read: dict[str, Any], settings: dict[str, Any], registry: Registry) -> Options:
    keys = [read.pop(name) for name in ("ids", "ids_file") if name in read]
    selections = [name for name in ("lake",) if name in read] + ["ids" for _ in keys]
    selections += [name for name in ("discover", "top", "min_popularity") if name in settings][:1]
    if len(selections) > 1:
        raise ConfigError(f"options: {' and '.join(selections)} cannot be read at once; give one of them")
    marks = [name for name in ("include_adult", "include_video", "adult_export") if name in settings]
    if marks and selections not in (["top"], ["min_popularity"]):
        raise ConfigError(f"option {marks[0]}: only the export has such marks; give top or min_popularity too")
    declared = registry.entities[read["entity"]]
    options = Options(
        **{"table": declared.tables[0].name, **read},
        keys=keys[0] if keys else None,
        settings=settings,
        registry=registry,
    )
    if options.keys == ():
        raise ConfigError("option ids: the list has no ids")
    _check_entity(options)
    return options


def _check_entity(options: Options) -> None:
    """Raise `ConfigError` for what TMDB does not have of the entity."""
    entity = options.declared
    if options.asks_tmdb and not entity.has_ids:
        raise ConfigError(f"option entity: {entity.name} has no ids to request: collect it and read it from the lake")
    if options.settings.get("adult_export") and not entity.adult_export:
        raise ConfigError(f"option adult_export: TMDB has no export of adult {entity.several}")
    for key in options.keys or ():
        if not takes(entity, key):
            raise ConfigError(f"option ids: {key!r} cannot be the id of one of TMDB's {entity.several}")


def _refuse_secrets(given: Mapping[str, str]) -> None:
    for name, value in given.items():
        itself = _SECRET_VALUE.search(name)
        if itself or _SECRET_NAME.search(name) or _SECRET_VALUE.search(str(value)):
            raise ConfigError(
                f"option {'***' if itself else name}: looks like a secret, and Spark shows options in plans and "
                "in its UI: set TMDB_TOKEN in the executors' environment, or there to ssm:/name or secret:id"
            )


def _parsed(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except ValueError:
        raise ConfigError(f"option {name}: {value[:40]!r} is not what is expected") from None


def _keys(text: str) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for one in text.replace(",", " ").split():
        key = read_id(one.removesuffix(".0"))
        if key is None:
            raise ConfigError(f"option ids: {one[:40]!r} is {NOT_AN_ID}")
        keys[key] = None
    return tuple(keys)


def _keys_of_file(path: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of a list; a warning counts rows of other kinds, because a read has no other output."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a path of the driver's, as it was given)
            body = file.read()
    except OSError as exc:
        raise ConfigError(f"option ids_file: {path} cannot be read where the driver runs: {exc}") from exc
    fields = {_OF_LISTS[name][0] if name in _OF_LISTS else name: value for name, value in given.items()}
    listed = read_keys(body, Reading(**{**_SAID, **fields, "name": path}))
    if listed.others or listed.spanning:
        warnings.warn(f"{path}: {'; '.join(listed.notes)}", stacklevel=2)
    return listed.keys


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _policy(text: str) -> str:
    if text not in ("fail", "skip"):
        raise ValueError
    return text


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else bool(int(text))


def _since(text: str) -> date | Literal["today"]:
    return "today" if text == "today" else date.fromisoformat(text)


_SETTINGS: dict[str, Callable[[str], Any]] = {
    "rate": float,
    "language": str,
    "region": str,
    "append": _names,
    "top": _positive,
    "min_popularity": float,
    "include_adult": _flag,
    "include_video": _flag,
    "adult_export": _flag,
    "record_filter": str,
}

_OWN: dict[str, Callable[[str], Any]] = {
    "entity": str,
    "table": str,
    "lake": str,
    "ids": _keys,
    "ids_file": str,
    "partition_ids": _positive,
    "concurrency": _positive,
    "quarantined": _policy,
    "since": _since,
    "early": _flag,
}

# The fields of `Reading` that these options set.
_OF_LISTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ids_column": ("column", str),
    "ids_quotes": ("quotes", _flag),
    "ids_escape": ("escape", escape_of),
    "ids_kinds": ("kinds", _flag),
}
_SAID = {
    "say_column": 'option("ids_column", "{}")',
    "say_quotes": 'option("ids_quotes", "false")',
    "say_escape": 'option("ids_escape", "\\\\")',
    "say_kinds": 'option("ids_kinds", "false")',
}

KNOWN = (*_OWN, *_SETTINGS, *_OF_LISTS)
