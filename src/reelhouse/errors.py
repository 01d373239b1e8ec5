"""All errors, arranged by what the caller can do.

ReelhouseError
├── ConfigError          a person must change a setting
├── IncompleteError      the work ended with a result that is not complete, not clean or not proven
├── StorageError         the folder or bucket failed
│   ├── RefusedError     also a ConfigError: credentials, rights or the bucket's name
│   ├── MissingKeyError  no such object
│   ├── UnreadableError  one object or folder cannot be read, though the storage works
│   ├── KeyTakenError    another writer was first: the object exists
│   └── LockedError      another worker has locked this lake: retry later
├── LakeError            an object of the lake cannot be read, or does not add up
│   ├── DeletedRunError  a run was deleted while it was collected
│   ├── OvertakenError   another writer has changed the starting point: look again
│   └── UnknownTableError  a query names an unknown table
└── TmdbError            TMDB failed, refused or sent something unusable
    ├── DeniedError      also a ConfigError: the token is wrong or lacks rights
    ├── ListingError     a listing is incomplete, so none of it is used
    ├── MissingError     note it and continue: TMDB has no such record
    ├── TransientError   retry later
    └── UntrustedError   the answer is not what was requested: retry, then quarantine
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

# Control characters, surrogates, and what separates lines or turns the direction of all that follows.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
# Problems in the text of an error.
_NAMED = 3
# How an unknown table's error ends: there are dozens.
LISTS_ALL = "`reelhouse tables` lists all"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def without_user(address: str) -> str:
    """*address* for a message: what stands before an `@` may be keys or a password."""
    return re.sub(r"(?<=://).*@", "***@", address)


def printable(text: str, kept: str = "") -> str:
    """*text* with control characters escaped, except those *kept*: a terminal would obey them."""

    def escaped(found: re.Match[str]) -> str:
        sign = found[0]
        return sign if sign in kept else _SHORT.get(sign) or f"\\u{ord(sign):04x}"

    return _UNPRINTABLE.sub(escaped, text)


def wrapped(text: str) -> str:
    """Lines that no terminal breaks within a word; one that begins with a space is to be copied, and stays whole."""
    # Late: only a terminal needs them.
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, 20)
    how = {"width": width, "break_long_words": False, "break_on_hyphens": False}
    return "\n".join(line if line.startswith(" ") else textwrap.fill(line, **how) for line in text.split("\n"))  # type: ignore[arg-type]


class ReelhouseError(Exception):
    """Any error that reelhouse raises; its text is one printable line for the user."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(ReelhouseError):
    """The user must correct a setting or input; the text names it, and what was expected and where."""


class IncompleteError(ReelhouseError):
    """The work ended, but its *result* is not `ok`: the text names the first of `result.issues`."""

    def __init__(self, result: Any) -> None:
        lines = list(result.issues)
        more = f"; and {len(lines) - _NAMED:,} more" if len(lines) > _NAMED else ""
        super().__init__("; ".join(lines[:_NAMED]) + more)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result,)


class StorageError(ReelhouseError):
    """The storage of the lake failed."""


class RefusedError(StorageError, ConfigError):
    """The storage refuses until the user corrects credentials, rights, the bucket's name or its region."""


class MissingKeyError(StorageError):
    """There is no object of this key."""


class UnreadableError(StorageError):
    """One object or folder cannot be read, though the storage works: a damaged disk, missing rights, a link."""


class KeyTakenError(StorageError):
    """An object of this key exists; nothing was written."""


class LockedError(StorageError):
    """Another worker has locked this lake."""


class LakeError(ReelhouseError):
    """An object of the lake is damaged, missing or of a newer format."""


class DeletedRunError(LakeError):
    """A run was deleted or moved away while it was collected: whatever is written now would begin another lake."""


class UnknownTableError(LakeError):
    """A query names a table that the lake does not have."""


class OvertakenError(LakeError):
    """Another writer has changed the starting point meanwhile: look again."""


class TmdbError(ReelhouseError):
    """TMDB's side."""


class TransientError(TmdbError):
    """Retry later; *retry_after* is in seconds if TMDB named it, *throttled* is True for a 429."""

    def __init__(self, text: str, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.throttled = throttled


class UntrustedError(TmdbError):
    """An answer that cannot be trusted; *reason* is its short name in receipts and tables."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class DeniedError(TmdbError, ConfigError):
    """TMDB refuses this token; a retry is useless."""


class MissingError(TmdbError):
    """TMDB itself says that the record does not exist (code 6 or 34)."""


class ListingError(TmdbError):
    """An export, a change feed or a discover query could not be read completely."""


def pip_install(*extras: str) -> str:
    """The command that installs reelhouse with *extras* from where this installation came from."""
    # Late: they take a fifth of the time of `--help`.
    import json
    from importlib import metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    wanted, source, editable = f"[{','.join(extras)}]", "", ""
    try:
        # PEP 610: pip and uv note the checkout or wheel; there is no note of a package that came from an index.
        noted = json.loads(metadata.distribution("reelhouse").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        noted = {"url": "."}
    if noted:
        source = url2pathname(urlsplit(noted["url"]).path) if noted["url"].startswith("file:") else noted["url"]
        editable = "-e " if noted.get("dir_info", {}).get("editable") else ""
    return f'pip install {editable}"{source or "reelhouse"}{wanted}"'


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'title'?)` if *name* is close to one of *known*, else empty."""
    # Late, as above.
    import difflib

    near = difflib.get_close_matches(name, sorted(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
