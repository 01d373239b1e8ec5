"""What an id is: a title's number at TMDB, or its name at IMDb. Every door reads ids here, and nowhere else."""

from __future__ import annotations

import re

# The official spec declares int32, and TMDB's largest ids have eight digits: room enough, and far from 64 bits.
_TMDB = re.compile(r"0*([1-9][0-9]{0,9})")
_IMDB = re.compile(r"[Tt]{2}0*([1-9][0-9]{0,9})")

_MOST_SHOWN = 60


def read_id(text: str) -> str | None:
    """*text* as it is asked (`603`, `tt0133093`), None where it is neither a TMDB id nor an IMDb id.

    Blanks, signs, digits of other scripts and anything that could mean something in a path or a line are no id.
    """
    if found := _TMDB.fullmatch(text):
        return found[1]
    found = _IMDB.fullmatch(text)
    return f"tt{int(found[1]):07d}" if found else None


def id_of(value: object) -> str | None:
    """As `read_id`, of a value of JSON: a number may be an id too, and blanks around a text do not matter."""
    if isinstance(value, str):
        return read_id(value.strip())
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64:
        return read_id(str(value))
    return None


def shown_id(value: object) -> str:
    """What is no id, as a message may show it: short, and in one line."""
    if isinstance(value, str):
        return repr(value[:_MOST_SHOWN])[1:-1]
    if isinstance(value, int) and value.bit_length() > _MOST_SHOWN:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:_MOST_SHOWN]


def tmdb_id(key: str) -> int | None:
    """The number of an ask that is a TMDB id; None for an IMDb id, or what is no id at all."""
    return int(key) if key.isascii() and key.isdigit() and len(key) <= 18 else None
