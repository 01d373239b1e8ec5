"""What a requested key is: an id of TMDB's, one of another service, or the path of what has no ids.

Keys are read here, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeGuard

# The official spec declares int32, and TMDB's largest ids have eight digits: room enough, and far from 64 bits.
_TMDB = re.compile(r"0*([1-9][0-9]{0,9})")
LARGEST_ID = 9_999_999_999
# How ids of other services begin, each with its source as TMDB's `/find` and `external_ids` name it. IMDb's titles are
# `tt` and digits, its people `nm` and digits. TVDB's ids are digits alone, so as keys they have its name before them.
TVDB = "tvdb:"
_SOURCES = {"tt": "imdb_id", "nm": "imdb_id", TVDB: "tvdb_id"}
# Plex writes `tvdb://81189`.
_EXTERNAL = re.compile(r"(tt|nm|tvdb:)(?:(?<=:)//)?0*([1-9][0-9]{0,9})", re.IGNORECASE | re.ASCII)

NOT_AN_ID = "neither a TMDB id (550), an IMDb id (tt0137523) nor a TVDB id (tvdb:81189)"

# All of TMDB's paths are made of such parts. A dot or a `%` could lead out of where an id belongs.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

# The id of the one record of an entity that has no ids.
SINGLE = 0

_MOST_SHOWN = 60


def read_id(text: str) -> str | None:
    """*text* as it is asked (`603`, `tt0133093`, `nm0000206`, `tvdb:81189`), None where it is not one of these.

    Blanks, signs, digits of other scripts and anything that could mean something in a path or a line are not ids.
    """
    if found := _TMDB.fullmatch(text):
        return found[1]
    found = _EXTERNAL.fullmatch(text)
    if found is None:
        return None
    begins = found[1].lower()
    return begins + found[2].zfill(0 if begins == TVDB else 7)


class External(NamedTuple):
    """An id of another service: how it *begins* as a key; its *source* and *id* as TMDB has them."""

    begins: str
    source: str
    id: str


def external(key: str) -> External | None:
    """The id of another service that *key* is, None for all other keys."""
    begins = next((begins for begins in _SOURCES if key.startswith(begins)), None)
    return None if begins is None else External(begins, _SOURCES[begins], key.removeprefix(TVDB))


def external_keys(record: Mapping[str, object]) -> Iterator[str]:
    """The keys for ids of other services that an answer states itself or in its `external_ids`."""
    nested = record.get("external_ids")
    for ids in (record, nested if isinstance(nested, Mapping) else {}):
        for begins, source in _SOURCES.items():
            text = str(ids.get(source))
            key = read_id(f"{begins}{text}" if begins == TVDB else text)
            if key is not None and key.startswith(begins):
                yield key


def is_path(text: str) -> bool:
    """Whether *text* is a path of TMDB's API."""
    return _PATH.fullmatch(text) is not None


class Key(NamedTuple):
    """A requested key: its *text* as plans, receipts and requests have it, and TMDB's *id* for it.

    The *id* is None for one of another service, and `SINGLE` for a path, since what is there has no other.
    """

    text: str
    id: int | None

    @property
    def is_path(self) -> bool:
        return self.text.startswith("/")


def read_key(text: str) -> Key | None:
    """The key that *text* is, None where it is none."""
    if is_path(text):
        return Key(text, SINGLE)
    found = read_id(text)
    return None if found is None else Key(found, number_of(found))


def id_of(value: object) -> str | None:
    """As `read_id`, of a value of JSON: a number may be an id too, and blanks around a text do not matter."""
    if isinstance(value, str):
        return read_id(value.strip())
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64:
        return read_id(str(value))
    return None


def shown_id(value: object) -> str:
    """What is not an id, as a message may show it: short, and in one line."""
    if isinstance(value, str):
        return repr(value[:_MOST_SHOWN])[1:-1]
    if isinstance(value, int) and value.bit_length() > _MOST_SHOWN:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:_MOST_SHOWN]


def is_number(id_: int | None) -> TypeGuard[int]:
    """Whether a number that an answer calls an id is one that can be requested."""
    return id_ is not None and 0 < id_ <= LARGEST_ID


def key_id(key: str) -> int | None:
    """The id of a key that holds it: a TMDB id or a path; None for one of another service, or what is not a key."""
    return SINGLE if key.startswith("/") else number_of(key)


def number_of(text: str) -> int | None:
    """The id that digits write; None for anything else, and for what would not fit into 64 bits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
