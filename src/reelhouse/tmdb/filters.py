"""Discover's filters: what TMDB would ignore is refused, and names of its reference lists become codes.

TMDB ignores a name or a value that it does not understand, and returns everything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from reelhouse.entities.schema import Entity, Filter, Reference
from reelhouse.errors import ConfigError, ListingError, MissingError, TransientError, UntrustedError, did_you_mean
from reelhouse.tmdb.client import TmdbClient, query_of
from reelhouse.tmdb.retry import ask, whole_json

_ATTEMPTS = 8

# The form of values of each kind, and its description for the user.
_PATTERNS = {
    "date": (r"\d{4}-\d\d-\d\d", "a date; write YYYY-MM-DD"),
    "year": (r"1[89]\d\d|2[01]\d\d", "a year; write YYYY"),
    "whole": (r"\d{1,9}", "a whole number"),
    "number": (r"\d{1,9}(\.\d{1,9})?", "a number such as 7 or 7.5"),
    "flag": (r"true|false", "one of true, false"),
    "locale": (r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,4})?", "a language such as pt or pt-BR"),
    "id": (r"\d{1,18}", "a TMDB id, which is a whole number"),
    "name": (r".*\S.*", "a name or a code"),
}

_LIST_NAMES = ("english_name", "native_name", "name", "provider_name")


def check_filters(entity: Entity, filters: Mapping[str, str]) -> None:
    """Raise `ConfigError` for a filter or value that is not in the official spec, or that reelhouse sets itself."""
    for name, value in filters.items():
        if name == "page":
            raise ConfigError("discover: leave out `page`; reelhouse reads all pages")
        if name not in entity.discover.filters:
            raise ConfigError(
                f"discover: TMDB documents no filter {name!r}{did_you_mean(name, entity.discover.filters)}; "
                "it would be ignored and return everything"
            )
        _check_value(name, value, entity.discover.filters[name])
    for name in filters:
        _check_companions(name, filters, entity.discover.filters[name])
        low, high = filters.get(f"{name.removesuffix('.gte')}.gte"), filters.get(f"{name.removesuffix('.gte')}.lte")
        if low is not None and high is not None and _ranks(low, high):
            raise ConfigError(f"discover: {name.removesuffix('.gte')} from {low} to {high} selects nothing")


def _ranks(low: str, high: str) -> bool:
    """Whether *low* is above *high*; False for certificates, whose order only TMDB knows."""
    if re.fullmatch(r"[\d.]+", low) and re.fullmatch(r"[\d.]+", high):
        return float(low) > float(high)
    return bool(re.fullmatch(_PATTERNS["date"][0], low)) and low > high


def _check_value(name: str, value: str, takes: Filter) -> None:
    for part in _parts(name, value, takes):
        pattern, words = _PATTERNS.get(takes.kind, ("", ""))
        if takes.choices:
            if part not in takes.choices:
                raise _refused(name, part, f"one of {', '.join(takes.choices)}{did_you_mean(part, takes.choices)}")
        elif not re.fullmatch(pattern, part, re.ASCII):
            raise _refused(name, part, words)
        if takes.kind == "date":
            _check_day(name, part)


def _check_day(name: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise _refused(name, text, _PATTERNS["date"][1]) from None


def _refused(name: str, part: str, words: str) -> ConfigError:
    return ConfigError(f"discover: {name}={part!r}: that is not {words}. TMDB would ignore it and return everything")


def _parts(name: str, value: str, takes: Filter) -> Iterator[str]:
    """The values of a list: `a,b` are all of them, `a|b` any of them."""
    if not takes.many:
        yield value
        return
    if "," in value and "|" in value:
        raise ConfigError(f"discover: {name}={value!r}: a list is either a,b (all of them) or a|b (any of them)")
    for part in re.split(r"[,|]", value):
        if not part.strip():
            raise ConfigError(f"discover: {name}={value!r} has an empty value, which TMDB would ignore")
        yield part.strip()


def _check_companions(name: str, filters: Mapping[str, str], takes: Filter) -> None:
    if takes.needs and not any(needed in filters for needed in takes.needs):
        raise ConfigError(f"discover: TMDB ignores {name} without {' or '.join(takes.needs)}; give that too")


async def resolve_filters(client: TmdbClient, entity: Entity, filters: Mapping[str, str]) -> dict[str, str]:
    """*filters* with codes of TMDB's reference lists for values given by name in the requested language.

    Raises `ConfigError` for a value that a list lacks, `ListingError` if a list cannot be read.
    """
    lists: dict[tuple[str, str], dict[str, str] | None] = {}
    resolved = dict(filters)
    for name, value in filters.items():
        takes = entity.discover.filters[name]
        if takes.reference is None:
            continue
        for language in dict.fromkeys((filters.get("language", ""), "en-US")):
            query = query_of(_params(takes.reference, filters, language))
            key = (takes.reference.path, query)
            if key not in lists:
                lists[key] = await _read_list(client, takes.reference, query, filters)
            found = [_code(part, lists[key]) for part in _parts(name, value, takes)]
            if None not in found:
                resolved[name] = ("|" if "|" in value else ",").join(code for code in found if code is not None)
                break
        else:
            wrong = next(part for part in _parts(name, value, takes) if _code(part, lists[key]) is None)
            first = next(listed for (path, _), listed in lists.items() if path == takes.reference.path)
            known = {**(lists[key] or {}), **(first or {})}
            raise _unlisted(name, wrong, takes.reference, known)
    return resolved


def _unlisted(name: str, part: str, reference: Reference, known: Mapping[str, str]) -> ConfigError:
    near = did_you_mean(_plain(part), known)
    where = f"TMDB's list {reference.path}" if known else f"TMDB has no list {reference.path}, so only codes work and"
    return ConfigError(
        f"discover: {name}={part!r}: {where} has no such value{near}. TMDB would ignore it, or find nothing"
    )


def _params(reference: Reference, filters: Mapping[str, str], language: str) -> dict[str, str]:
    given = {"language": language} if reference.localized and language else {}
    if reference.region and reference.region in filters:
        given[reference.region] = filters[reference.region]
    return given


async def _read_list(
    client: TmdbClient, reference: Reference, query: str, filters: Mapping[str, str]
) -> dict[str, str] | None:
    """Codes by code and by name, as `_plain` writes them; None if TMDB has no such list."""
    try:
        body = await ask(
            client, reference.path, query, lambda answer: whole_json(answer, msgspec.json.decode), attempts=_ATTEMPTS
        )
    except MissingError:
        return None
    except (TransientError, UntrustedError) as exc:
        raise ListingError(f"TMDB's list {reference.path} could not be read: {exc}") from exc
    rows = body.get(reference.rows) if reference.rows and isinstance(body, dict) else body
    if isinstance(rows, dict):
        # Certificates, by country.
        rows = [row for country in _countries(rows, filters) for row in rows.get(country, ())]
    if not isinstance(rows, list) or not rows:
        raise ListingError(f"TMDB's list {reference.path} is empty or not a list: {msgspec.json.encode(body)[:80]!r}")
    return dict(_known(rows, reference.code))


def _countries(rows: Mapping[str, Any], filters: Mapping[str, str]) -> list[str]:
    named = [filters[name] for name in ("certification_country", "region") if name in filters]
    return named[:1] or list(rows)


def _known(rows: list[Any], code: str) -> Iterator[tuple[str, str]]:
    named = [row for row in rows if isinstance(row, dict) and row.get(code) not in (None, "")]
    for name in _LIST_NAMES:
        yield from ((_plain(str(row[name])), str(row[code])) for row in named if row.get(name))
    # A code takes precedence over an equal name.
    yield from ((_plain(str(row[code])), str(row[code])) for row in named)


def _code(part: str, known: Mapping[str, str] | None) -> str | None:
    if known is None:
        return part if re.fullmatch(r"\d+|[A-Za-z]{2}", part) else None
    return known.get(_plain(part))


def _plain(text: str) -> str:
    """A name in lower case, without accents."""
    split = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(sign for sign in split if not unicodedata.combining(sign)) or text
