"""Where the course layout has its files, what they are called, and how much one may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

COPIES = "Raw/TMDB/JSON/"
LOCAL = "Raw/Local/CSV/"
SUCCESS = "_SUCCESS"

# What the course allows in one file.
MOST_RECORDS = 100
MOST_BYTES = 10_000_000

_HEAD, _BETWEEN, _TAIL = b"[\n", b",\n", b"\n]\n"
_FRAME = len(_HEAD) + len(_TAIL) - len(_BETWEEN)

_FILE = re.compile(
    re.escape(COPIES) + r"(?:[A-Za-z]\w*/)?\d{4}/\d\d/\d\d/[a-z]\w*_(?P<number>\d{4,})(?:-p(?P<purges>\d+))?\.json",
    re.ASCII,
)


def folder_of(name: str, day: str, *, kinds: bool) -> str:
    """The folder of one *day* (`yyyy/mm/dd`); with *kinds* a level for the entity's course *name* is above it."""
    return f"{COPIES}{name}/{day}/" if kinds else f"{COPIES}{day}/"


def file_key(folder: str, name: str, number: int, purges: int) -> str:
    """The key of a day's file.

    The number of purges is part of the name: so what a purge must erase is never an old version of a key that is
    written again.
    """
    return f"{folder}{name.lower()}_{number:04d}{f'-p{purges}' if purges else ''}.json"


def file_number(key: str, purges: int) -> int | None:
    """The number of a file written after so many *purges*; None for every other key."""
    found = _FILE.fullmatch(key)
    return int(found["number"]) if found and int(found["purges"] or 0) == purges else None


def is_file(key: str) -> bool:
    """Whether *key* is named as copies are, whenever it was written."""
    return _FILE.fullmatch(key) is not None


def pack(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """*bodies* in groups that one file may hold; a body that is larger than a file may be is a group of its own."""
    group: list[bytes] = []
    size = _FRAME
    for body in bodies:
        more = len(_BETWEEN) + len(body)
        if group and (len(group) == MOST_RECORDS or size + more > MOST_BYTES):
            yield group
            group, size = [], _FRAME
        group.append(body)
        size += more
    if group:
        yield group


def as_array(bodies: Iterable[bytes]) -> bytes:
    """A file: a JSON array with each body as it came, on a line of its own."""
    return _HEAD + _BETWEEN.join(bodies) + _TAIL
