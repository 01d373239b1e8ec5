"""What a requested key is: a number of TMDB's, a name of IMDb's, or the path of what has no ids.

Keys are read here, and nowhere else.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeGuard

# The official spec declares int32, and TMDB's largest ids have eight digits: room enough, and far from 64 bits.
_TMDB = re.compile(r"0*([1-9][0-9]{0,9})")
LARGEST_ID = 9_999_999_999
# IMDb's titles are `tt` and digits, its people `nm` and digits.
_IMDB = re.compile(r"(tt|nm)0*([1-9][0-9]{0,9})", re.IGNORECASE | re.ASCII)

# All of TMDB's paths are made of such parts. A dot or a `%` could lead out of where an id belongs.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")

# The id of the one record of an entity that has no ids.
SINGLE = 0

_MOST_SHOWN = 60


def read_id(text: str) -> str | None:
    """*text* as it is asked (`603`, `tt0133093`, `nm0000206`), None where it is neither a TMDB id nor an IMDb id.

    Blanks, signs, digits of other scripts and anything that could mean something in a path or a line are not ids.
    """
    if found := _TMDB.fullmatch(text):
        return found[1]
    found = _IMDB.fullmatch(text)
    return f"{found[1].lower()}{int(found[2]):07d}" if found else None


def is_path(text: str) -> bool:
    """Whether *text* is a path of TMDB's API."""
    return _PATH.fullmatch(text) is not None


class Key(NamedTuple):
    """A requested key: its *text* as plans, receipts and requests have it, and TMDB's *id* for it.

    The *id* is None for an IMDb id, and `SINGLE` for a path, since what is there has no other.
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
    """The id of a key that holds it: a TMDB id or a path; None for an IMDb id, or what is not a key at all."""
    return SINGLE if key.startswith("/") else number_of(key)


def number_of(text: str) -> int | None:
    """The id that digits write; None for anything else, and for what would not fit into 64 bits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
