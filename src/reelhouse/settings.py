"""Settings: defaults, then `reelhouse.toml`, then the environment, then options. Only this module reads either."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from reelhouse.errors import ConfigError, did_you_mean

FILE = "reelhouse.toml"
# The folder by which a lake is known.
_HOUSE = "_reelhouse"
_PREFIX = "REELHOUSE_"
# The only variables with this prefix that are not settings: what the tests use, if it is there.
_OF_TESTS = frozenset(("REELHOUSE_TEST_S3_ENDPOINT", "REELHOUSE_TMDB_DATA"))
_PRIVATE = "https:// (http:// only to this machine itself)"
_ADDRESSES = ("tmdb_url", "exports_url", "unity_url")
_NO_USER = "an address without a user name or password"
_USER_IN_ADDRESS = re.compile(r"://[^/?#]*@")
# What people write for languages, with what TMDB calls them.
_LANGUAGES = {
    "english": "en-US",
    "portugues": "pt-BR",
    "portuguese": "pt-BR",
    "pt_br": "pt-BR",
    "pt-br": "pt-BR",
    "español": "es-ES",
    "spanish": "es-ES",
    "deutsch": "de-DE",
    "german": "de-DE",
    "français": "fr-FR",
    "french": "fr-FR",
    "italiano": "it-IT",
    "italian": "it-IT",
    "en_us": "en-US",
    "en-us": "en-US",
    "japanese": "ja-JP",
    "chinese": "zh-CN",
    "korean": "ko-KR",
    "russian": "ru-RU",
}
# Beyond these no number means anything here, and SQLite holds none.
_LARGEST = 2**53
# Characters of a wrong value that its error shows.
_SHOWN = 200
_API_KEY = re.compile(r"[0-9a-f]{32}")


# What a value must be: whether it is, and how an error says so.
_Rule = tuple[Callable[[Any], bool], str]
_POSITIVE: _Rule = (lambda value: value > 0, "more than 0")
_FROM_0: _Rule = (lambda value: value >= 0, "0 or more")
_FROM_1: _Rule = (lambda value: value >= 1, "1 or more")


def _between(least: int, most: int) -> _Rule:
    return lambda value: least <= value <= most, f"{least} to {most}"


def _one_of(*names: str) -> _Rule:
    return names.__contains__, " or ".join(filter(None, names))


def _setting(
    default: Any,
    about: str,
    rule: _Rule | None = None,
    *,
    secret: bool = False,
    local: bool = False,
    by_entity: bool = False,
    env: str = "",
    example: str = "{}",
) -> Any:
    """A setting with its description for the file; *env* overrides the name made from `REELHOUSE_` and the key.

    A value that is not None must obey its *rule*.

    A *local* setting decides where secrets are sent, which are used, or what runs on this machine. Others who may write
    to a lake must not decide that, so a lake's own file may not contain it. One *by_entity* may also be in the
    table of an entity, `[entity.NAME]`.
    """
    metadata = {
        "about": about,
        "rule": rule,
        "env": env,
        "secret": secret,
        "local": local,
        "by_entity": by_entity,
        "example": example,
    }
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with their defaults. The token is in no `repr`."""

    lake: str = _setting("./lake", "The lake: a folder, or s3://bucket/prefix.")
    entities: list[str] = _setting(
        [], "What to collect: names of entities or groups, or all. In the environment they are separated by commas."
    )
    token: str = _setting(
        "",
        "TMDB's API Read Access Token, or its place (file:.env, keyring:reelhouse, ssm:/name, secret:id).",
        secret=True,
        local=True,
        env="TMDB_TOKEN",
    )
    tmdb_url: str = _setting("https://api.themoviedb.org/3", "TMDB's API; ends in /3.", local=True)
    exports_url: str = _setting(
        "https://files.tmdb.org/p/exports",
        "TMDB's daily id exports; ends in /p/exports. The token is never sent there.",
        local=True,
    )
    rate: float = _setting(
        40.0,
        "Requests per second; TMDB allows about 40 per IP address. 0 means no limit.",
        # Less would wait for days before the first request.
        (lambda value: value == 0 or value >= 0.001, "0, or 0.001 or more"),
    )
    connections: int = _setting(20, "Connections at once, at most 20.", _between(1, 20))
    language: str = _setting("en-US", "Language of titles and texts, as TMDB writes it.", by_entity=True)
    region: str = _setting("", "Region (ISO 3166-1) sent with requests; empty for none.", by_entity=True)
    append: list[str] | None = _setting(
        None,
        "Appends to request with each title, at most 20. Unset: those that the tables need.",
        by_entity=True,
        example='["credits"]',
    )
    top: int | None = _setting(
        None, "Select this many of the most popular titles.", _FROM_1, by_entity=True, example="1000"
    )
    min_popularity: float | None = _setting(
        None, "Select titles that the listing says are at least this popular.", by_entity=True, example="5.0"
    )
    include_adult: bool = _setting(True, "Request titles that the listing marks as adult.", by_entity=True)
    adult_export: bool = _setting(False, "List TMDB's separate exports of what is marked as adult too.", by_entity=True)
    include_video: bool = _setting(True, "Request titles that the listing flags as videos (not films).", by_entity=True)
    discover: dict[str, str] = _setting(
        {}, "Select by TMDB's discover filters instead of the export.", by_entity=True, example='{ with_genres = "18" }'
    )
    follow: str = _setting(
        "",
        "Collect only what tables of other entities mention, by a name that the entity declares, such as credits.",
        by_entity=True,
    )
    record_filter: str = _setting(
        "", "A JMESPath predicate; records that do not pass are counted as filtered.", by_entity=True
    )
    # TMDB's terms forbid to keep anything for longer than six months.
    stale_after_days: int | None = _setting(
        None,
        "Request again what is older than so many days; unset: 150. TMDB's terms limit caching to six months.",
        _between(1, 180),
        example="30",
        by_entity=True,
    )
    min_export_share: float = _setting(
        0.95, "Refuse an export smaller than this share of the last one.", _between(0, 1), by_entity=True
    )
    attempts: int = _setting(5, "How often an id is requested before it is deferred.", _FROM_1)
    retry_wait: float = _setting(0.5, "Seconds before the first retry; doubles, with jitter.", _FROM_0)
    body_megabytes: float = _setting(
        64.0, "The largest answer that is unpacked; larger ones are quarantined.", _POSITIVE
    )
    outage_minutes: float = _setting(15.0, "How long to wait during an outage of TMDB before leaving the run open.")
    chunk_answers: int = _setting(
        1000,
        "Close a chunk after this many responses, after chunk_megabytes or after chunk_seconds, whichever comes first.",
        _FROM_1,
    )
    chunk_megabytes: float = _setting(8.0, "Close a chunk at this compressed size.", _POSITIVE)
    chunk_seconds: float = _setting(
        15.0, "Close a chunk at this age, which limits what a killed process can lose.", _POSITIVE
    )
    layout: str = _setting(
        "lake",
        "lake, or course to copy landed answers as plain JSON arrays to Raw/TMDB/JSON.",
        _one_of("lake", "course"),
    )
    course_kinds: bool = _setting(False, "With the course layout: a folder for the kind above the date.")
    course_quotes: bool = _setting(
        True, "With the course layout: quotes in Raw/Local/CSV enclose values; false reads them as text."
    )
    s3_region: str = _setting("", "The bucket's region, if boto3 does not find it.")
    s3_profile: str = _setting("", "A profile of the AWS configuration, if not the default one.", local=True)
    s3_encryption: str = _setting(
        "",
        "Encrypt each object with sse-s3 or sse-kms; empty uses the bucket's default.",
        _one_of("", "sse-s3", "sse-kms"),
    )
    s3_kms_key: str = _setting("", "The key of sse-kms, if not the account's own; it implies sse-kms.")
    spool: str = _setting(
        "", "Where answers wait while the lake cannot be written; empty for the user's cache folder.", local=True
    )
    spool_megabytes: float = _setting(512.0, "How much may wait there; 0 for nothing.", _FROM_0)
    run_every_hours: float = _setting(
        24.0,
        "How long after a run was planned the next one is due: in Lambda, and during another entity's run.",
        _POSITIVE,
        by_entity=True,
    )
    run_kind: str = _setting(
        "incremental",
        "In Lambda: incremental is what is new, changed or old; full is everything.",
        _one_of("incremental", "full"),
        by_entity=True,
    )
    event_bus: str = _setting("", "In Lambda: the EventBridge bus that announces reconciled runs; empty for none.")
    engine: str = _setting(
        "sail",
        "What builds tables: sail (embedded), or Apache Spark: local[*], sc://host:port, spark://host:port, yarn.",
        local=True,
    )
    shared_machine_ok: bool = _setting(
        False,
        "Start the embedded engine even if other people's processes could reach it (docs/security.md).",
        local=True,
    )
    spark_conf: dict[str, str] = _setting(
        {}, "Apache Spark's own settings, by their names.", local=True, example='{ "spark.executor.memory" = "4g" }'
    )
    report_quarantined: float = _setting(0.01, "In a report, red above this share of quarantined answers,", _FROM_0)
    report_rejected: float = _setting(0.01, "of rejected values an answer,", _FROM_0)
    report_orphans: float = _setting(0.0, "of rows whose key another table lacks,", _FROM_0)
    report_age_days: int = _setting(180, "if an answer is older than so many days,", _FROM_0)
    report_verify_days: int = _setting(30, "or if the last verify is older, or found problems.", _FROM_0)
    unity_url: str = _setting(
        "", "Unity Catalog's address, for `reelhouse register`.", local=True, env="DATABRICKS_HOST"
    )
    unity_token: str = _setting(
        "",
        "Unity Catalog's token. Keep it out of files: set DATABRICKS_TOKEN.",
        secret=True,
        local=True,
        env="DATABRICKS_TOKEN",
    )

    # The tables `[entity.NAME]` of the file: what holds for one entity instead of the general value.
    entity: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in _general():
            value = _checked_value(one, getattr(self, one.name), f" in {_places(one.name)}")
            # Frozen for all others.
            object.__setattr__(self, one.name, value)
            if one.metadata["rule"] is not None and value is not None:
                fits, expected = one.metadata["rule"]
                _require(fits(value), one.name, expected, value)
        self._check_values()
        for name in self.entity:
            self.of(name)

    def of(self, entity: str) -> Self:
        """The settings that hold for an *entity*."""
        return replace(self, entity={}, **self.entity.get(entity, {}))

    def _check_values(self) -> None:
        _require(self.tmdb_url.rstrip("/").endswith("/3"), "tmdb_url", "an address that ends in /3", self.tmdb_url)
        _require(
            self.exports_url.rstrip("/").endswith("/p/exports"),
            "exports_url",
            "an address that ends in /p/exports",
            self.exports_url,
        )
        _require(carries_secrets(self.tmdb_url), "tmdb_url", _PRIVATE, self.tmdb_url)
        for name in ("tmdb_url", "exports_url"):
            _require(
                _has_host(getattr(self, name)),
                name,
                "an address with a host, such as https://host:443",
                getattr(self, name),
            )
        for name in _ADDRESSES:
            _require(not _USER_IN_ADDRESS.search(getattr(self, name)), name, _NO_USER, getattr(self, name))
        if not re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", self.language):
            near = difflib.get_close_matches(self.language.casefold(), _LANGUAGES, 1, cutoff=0.5)
            meant = f" ({_LANGUAGES[near[0]]}, perhaps)" if near else ""
            _require(False, "language", f"a code such as en-US, pt-BR or de{meant}", self.language)
        listed = self.include_adult or not self.adult_export
        _require(listed, "adult_export", "include_adult = true beside it", "include_adult = false")
        _require(
            not self.s3_kms_key or self.s3_encryption != "sse-s3",
            "s3_kms_key",
            "s3_encryption = 'sse-kms' or none",
            self.s3_kms_key,
        )

    def checked_token(self) -> str:
        """The token, or `ConfigError` with what is wrong with it; the token itself is never shown."""
        token = self.token.strip()
        where = f"set TMDB_TOKEN in the environment or `token` in {FILE}"
        if not token:
            raise ConfigError(f"token is missing: TMDB's API Read Access Token is expected; {where}")
        if _API_KEY.fullmatch(token):
            raise ConfigError(
                "token: this is the API Key (32 hex characters); give the longer API Read Access Token below it on "
                f"TMDB's API settings page; {where}"
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(f"token: contains blanks or odd characters; a token from TMDB is expected; {where}")
        return token

    def checked_unity_token(self) -> str:
        """Unity Catalog's token, which may be empty; `ConfigError` if it would be sent unencrypted."""
        token, url = self.unity_token.strip(), self.unity_url.strip()
        if token and "://" in url:
            _require(carries_secrets(url), "unity_url", f"{_PRIVATE}, because a token is set", url)
        return token

    def overridden(self, **options: Any) -> Self:
        """These settings with those of *options* that are not None, for every entity."""
        given = {name: value for name, value in options.items() if value is not None}
        return replace(self, **given, entity=_without(self.entity, given))


def load(
    options: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    in_bucket: Callable[[Settings], bytes | None] = lambda settings: None,
    entities: Collection[str] = (),
) -> Settings:
    """The effective settings: *options* over *environ* over the local file (else the lake's) over defaults.

    *in_bucket* reads the file of a lake in a bucket, with the settings known so far; *entities* are those that the file
    may have a table of.

    Raises `ConfigError` that names the key, what was expected and where to correct it.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    _checked(given, {one.name: one for one in _general()}, "the call")
    stated = _from_environ(environ)
    try:
        here = (folder or Path.cwd()) / FILE
    except FileNotFoundError:
        raise ConfigError("the working folder was removed: change to another one (cd)") from None
    filed = _from_file(here) if here.is_file() else {}
    for values, place in ((given, "the call"), (filed, str(here))):
        if values.get("lake") == "":
            expected = "a folder or s3://bucket/prefix"
            raise ConfigError(f"lake: {expected} is expected, not an empty text; correct it in {place}")
    lake = given.get("lake") or stated.get("lake") or filed.get("lake") or Settings().lake
    if not here.is_file():
        filed = _from_lake(lake, lambda: in_bucket(Settings(**{**stated, **given})))
    elif _is_in_lake(here, lake):
        _check_shared(filed, str(here))
    tables = filed.pop("entity", {})
    _check_entities(tables, entities, FILE)
    try:
        return Settings(**{**filed, **stated, **given}, entity=_without(tables, {**stated, **given}))
    except ConfigError as exc:
        for usual in map(_places, given):
            if str(exc).endswith(f" in {usual}"):
                raise ConfigError(f"{str(exc).removesuffix(usual)}the call") from None
        raise


def _without(tables: Mapping[str, Mapping[str, Any]], stated: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of entities without what is *stated* for all of them, which wins."""
    return {
        entity: {name: value for name, value in table.items() if name not in stated} for entity, table in tables.items()
    }


def _check_entities(tables: Iterable[str], entities: Collection[str], place: str) -> None:
    for name in tables:
        if name not in entities:
            hint = did_you_mean(name, entities) or f"; there are: {', '.join(entities)}"
            raise ConfigError(f"entity.{name}: no such entity is collected{hint}; correct it in {place}")


def shared(body: bytes, place: str, entities: Collection[str] = ()) -> Settings:
    """The settings of a lake's own file; `ConfigError` if it is not valid, or has settings that are refused there."""
    found = _from_toml(body, place)
    _check_shared(found, place)
    _check_entities(found.get("entity", {}), entities, place)
    return Settings(**found)


def _from_lake(lake: str, in_bucket: Callable[[], bytes | None]) -> dict[str, Any]:
    if lake.startswith("s3://"):
        place = f"{lake.rstrip('/')}/{FILE}"
        body = in_bucket()
        filed = {} if body is None else _from_toml(body, place)
    else:
        path = _folder(lake) / FILE
        place, filed = str(path), _from_file(path)
    _check_shared(filed, place)
    # The lake is where its file was found: a copied or foreign file must not name another one.
    return {**filed, "lake": lake}


def _is_in_lake(path: Path, lake: str) -> bool:
    """Whether a file lies in its *lake* or in any other: entering a foreign lake must not mean to obey its author."""
    folders = {*path.absolute().parents, *path.resolve().parents}
    own = not lake.startswith("s3://") and path.resolve() == (_folder(lake) / FILE).resolve()
    return own or any((folder / _HOUSE).is_dir() for folder in folders)


def _check_shared(filed: Mapping[str, Any], place: str) -> None:
    for one in _general():
        if one.metadata["local"] and one.name in filed:
            raise ConfigError(
                f"{one.name}: a lake's own file ({place}) must not decide where secrets are sent or what runs on your "
                f"machine, because others may write it; set {env_name(one.name)}, or {one.name} in a local {FILE}"
            )


def _folder(lake: str) -> Path:
    if lake.startswith("file://"):
        # Late: it loads an HTTP client, which most calls need for nothing.
        from urllib.request import url2pathname

        lake = url2pathname(lake.removeprefix("file://"))
    return Path(lake).expanduser()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} cannot be read: it is not a file")
        return _from_toml(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc


def _from_toml(body: bytes, place: str) -> dict[str, Any]:
    try:
        # Editors on Windows begin a file with a mark.
        found = tomllib.loads(body.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{place} is not TOML: {exc}") from exc
    except (RecursionError, ValueError):
        # Python refuses whole numbers of more than 4,300 digits.
        raise ConfigError(f"{place} is nested too deeply, or has a number of too many digits") from None
    tables = found.pop("entity", {})
    known = {one.name: one for one in _general()}
    checked = _checked(found, known, place)
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"entity: tables such as [entity.NAME] are expected; correct it in {place}")
    for entity, table in tables.items():
        for name in table.keys() & known.keys():
            if not known[name].metadata["by_entity"]:
                raise ConfigError(f"{name}: it holds for the whole lake: move it out of [entity.{entity}] in {place}")
        own = {name: one for name, one in known.items() if one.metadata["by_entity"]}
        checked.setdefault("entity", {})[entity] = _checked(table, own, f"[entity.{entity}] of {place}")
    return checked


def _check_names(found: Iterable[str], known: Collection[str], place: str) -> None:
    for name in found:
        if name not in known:
            raise ConfigError(f"{name}: no such setting{did_you_mean(name, known)}; correct it in {place}")


def _checked(found: Mapping[str, Any], known: Mapping[str, Field[Any]], place: str) -> dict[str, Any]:
    _check_names(found, known, place)
    return {name: _checked_value(known[name], value, f" in {place}") for name, value in found.items()}


@cache
def _general() -> tuple[Field[Any], ...]:
    """The settings that have one value."""
    return tuple(one for one in fields(Settings) if one.name != "entity")


@cache
def env_name(name: str) -> str:
    """The environment variable of a setting."""
    one = next(one for one in _general() if one.name == name)
    return one.metadata["env"] or f"{_PREFIX}{name.upper()}"


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {one.name.upper() for one in _general()}
    for variable in sorted(environ.keys() - _OF_TESTS):
        if variable.startswith(_PREFIX) and (key := variable.removeprefix(_PREFIX)) not in known:
            hint = did_you_mean(key, known).replace("'", f"'{_PREFIX}", 1)
            raise ConfigError(f"{variable}: no such setting{hint}; correct it in the environment")
    stated: dict[str, Any] = {}
    if environ.get(f"{_PREFIX}LAKE", "-").strip() == "":
        # Taken for unset, it would begin a lake in the working directory.
        raise ConfigError(f"lake: {_PREFIX}LAKE is empty; name a lake or unset it")
    for one in _general():
        names = (one.metadata["env"], f"{_PREFIX}{one.name.upper()}")
        name = next((name for name in names if name and environ.get(name)), None)
        if name is not None:
            stated[one.name] = _parse(one, environ[name], name)
    return stated


def _parse(one: Field[Any], text: str, where: str) -> Any:
    """A value from the environment, by the setting's type."""
    kind = str(one.type)
    try:
        if kind.startswith("bool"):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
        if kind.startswith("list"):
            return [part.strip() for part in text.split(",") if part.strip()]
        if kind.startswith("dict"):
            return dict(part.split("=", 1) for part in text.split())
    except (KeyError, ValueError):
        raise ConfigError(f"{one.name}: {_expected(one)} is expected, not {text!r}; correct {where}") from None
    return text


def _checked_value(one: Field[Any], value: Any, where: str) -> Any:
    kind = str(one.type)
    fits = {
        "str": isinstance(value, str) and "\0" not in value,
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST,
        "float": isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST,
        "list[str]": isinstance(value, list) and all(isinstance(part, str) for part in value),
        "dict[str, str]": isinstance(value, dict) and all(isinstance(part, str) for part in value.values()),
    }
    if kind.endswith(" | None") and value is None:
        return None
    if not fits[kind.removesuffix(" | None")]:
        shown = type(value).__name__ if one.metadata["secret"] else repr(value)[:_SHOWN]
        raise ConfigError(f"{one.name}: {_expected(one)} is expected, not {shown}; correct it{where}")
    # A plan is read back with a float, and has to be the same.
    return float(value) if kind.startswith("float") else _plain(value)


def _plain(value: Any) -> Any:
    """A value of the types that plans are written in, where callers give their own kinds of texts and numbers."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(part) for name, part in value.items()}
    return value if isinstance(value, bool) or not isinstance(value, int) else int.__int__(value)


def _expected(one: Field[Any]) -> str:
    names = {
        "str": "a text",
        "bool": "true or false",
        "int": "a whole number",
        "float": "a number",
        "list[str]": "a list of names",
        "dict[str, str]": "pairs of names and texts",
    }
    return names[str(one.type).removesuffix(" | None")]


def _places(name: str) -> str:
    """Where a setting is usually given."""
    return f"{FILE} or {env_name(name)}"


def _require(fits: bool, name: str, expected: str, value: object) -> None:
    if not fits:
        # A password in an address goes no further than the setting.
        shown = _USER_IN_ADDRESS.sub("://…@", repr(value))[:_SHOWN]
        raise ConfigError(f"{name}: {expected} is expected, not {shown}; correct it in {_places(name)}")


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and " " not in parts.netloc and parts.port != 0
    except ValueError:
        # A port beyond 65535, or an IPv6 address that is none.
        return False


def carries_secrets(address: str) -> bool:
    """Whether a token may be sent to *address*: by https, or to this machine itself."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http":
        return parts.scheme == "https"
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def environment(prefix: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables that begin with *prefix*, for code that stands in for another program."""
    return {name: value for name, value in environ.items() if name.startswith(prefix)}


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's cache folder."""
    stated = Path(environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says to ignore a relative path.
    if stated.is_absolute():
        return stated
    if "AWS_LAMBDA_FUNCTION_NAME" in environ:
        # A function can write nowhere else. Not by `tempfile`, which raises if the folder is full.
        return Path(environ.get("TMPDIR", "/tmp"))  # noqa: S108 (whose folder below it is, is checked)
    try:
        return Path("~/.cache").expanduser()
    except RuntimeError:
        # A user without a home, as in some containers.
        return Path(tempfile.gettempdir())


def template(values: Mapping[str, Any], usual: Sequence[str]) -> str:
    """A commented `reelhouse.toml`: every setting with description, environment variable, and default or an example.

    Given *values* are set; *usual* entities are collected otherwise.
    """
    lines = [
        "# Settings of reelhouse. Every line shows a default, or an example if it has none: uncomment what you set.",
        "# The environment overrides this file; options of a command override both.",
    ]
    for one in _general():
        unset = one.default is MISSING or one.default is None
        shown = one.metadata["example"] if unset else _toml(one.default)
        if one.name == "entities":
            shown = _toml(usual)
        if one.name in values:
            shown = _toml(values[one.name])
        local = " Refused in a lake's own file." if one.metadata["local"] else ""
        lines += ["", f"# {one.metadata['about']}{local} ({env_name(one.name)})"]
        lines.append(f"{'' if one.name in values else '# '}{one.name} = {shown}")
    names = ", ".join(one.name for one in _general() if one.metadata["by_entity"])
    lines += ["", *textwrap.wrap(f"What holds for one entity alone, at the end of the file: {names}.", 118, **_COMMENT)]
    lines += [f"# [entity.{usual[0]}]", '#   language = "en-US"']
    return "\n".join(lines) + "\n"


_COMMENT: Any = {"initial_indent": "# ", "subsequent_indent": "# "}


def _toml(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML writes these values as JSON does.
    return json.dumps(value, ensure_ascii=False)
