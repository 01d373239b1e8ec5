"""What can go wrong, arranged by what the caller can do.

ReelhouseError
├── ConfigError          a person must change a setting
├── StorageError         the folder or bucket did not do what it was asked
│   ├── MissingKeyError  no such object
│   ├── KeyTakenError    somebody was quicker: the object is there already
│   └── LockedError      somebody else works on this lake: come back later
├── LakeError            what lies in the lake cannot be read, or does not add up
│   ├── UnknownTableError  a query names a table that is not there
│   └── OvertakenError   somebody else has changed meanwhile what was begun with: look again
└── TmdbError
    ├── TransientError   ask again later
    ├── UntrustedError   the answer is not what was asked for: ask again, then set it aside
    ├── DeniedError      stop: the token is wrong or lacks rights
    ├── MissingError     note it and go on: TMDB has no such thing
    └── ListingError     a listing is not whole, so nothing of it is believed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReelhouseError(Exception):
    """Anything that reelhouse says itself; its text is one line for a person."""


class ConfigError(ReelhouseError):
    """A setting must be mended; the text names the key, what was expected and where."""


class StorageError(ReelhouseError):
    """The place where the lake lies failed."""


class MissingKeyError(StorageError):
    """There is no object of this key."""


class KeyTakenError(StorageError):
    """An object of this key exists; nothing was written."""


class LockedError(StorageError):
    """Another worker holds this lake."""


class LakeError(ReelhouseError):
    """An object of the lake is damaged, missing or of a newer format."""


class UnknownTableError(LakeError):
    """A query names a table that the lake has not."""


class OvertakenError(LakeError):
    """Somebody else has changed meanwhile what this rests on: look again."""


class TmdbError(ReelhouseError):
    """TMDB's side."""


class TransientError(TmdbError):
    """Ask again; *retry_after* is in seconds where TMDB named it, *throttled* tells a 429."""

    def __init__(self, text: str, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.throttled = throttled


class UntrustedError(TmdbError):
    """An answer that cannot be believed; *reason* is its short name in receipts and tables."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class DeniedError(TmdbError):
    """TMDB refuses this token; asking again is useless."""


class MissingError(TmdbError):
    """TMDB's own word that there is no such thing (code 6 or 34)."""


class ListingError(TmdbError):
    """An export, a change feed or a discover query could not be read whole."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'title'?)` where *name* comes close to one of *known*, else nothing."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
