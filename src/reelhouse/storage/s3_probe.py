"""Checks that an S3 honours conditional writes: without them two writers overwrite each other, and both think they won.

Several S3 look-alikes answer 200 to a condition that they do not know.
"""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import ClientError

from reelhouse.errors import ConfigError
from reelhouse.storage.protocol import HOUSE
from reelhouse.storage.s3_errors import status

PROBE = f"{HOUSE}probe.json"
BODY = b'{"for": "finding out whether conditional writes are kept"}\n'

_NO_ETAG = f'"{"0" * 32}"'


class Put(Protocol):
    """Puts the probe under a condition, or raises botocore's error."""

    def __call__(self, **condition: str) -> Any: ...


def probe(put: Put, endpoint: str) -> None:
    """Check with two requests if the probe exists already; `ConfigError` if a condition is not honoured."""
    if not _refuses(put, endpoint, IfNoneMatch="*") and not _refuses(put, endpoint, IfNoneMatch="*"):
        raise ConfigError(_ignored(endpoint, "If-None-Match"))
    if not _refuses(put, endpoint, IfMatch=_NO_ETAG):
        raise ConfigError(_ignored(endpoint, "If-Match"))


def _refuses(put: Put, endpoint: str, **condition: str) -> bool:
    try:
        put(**condition)
    except ClientError as exc:
        if status(exc) == 412:
            return True
        if status(exc) == 501:
            raise ConfigError(f"{endpoint} has no conditional writes ({', '.join(condition)}): {_NEEDED}") from exc
        raise
    return False


_NEEDED = "a lake needs an S3 that honours them, or two collectors could overwrite each other"


def _ignored(endpoint: str, header: str) -> str:
    return f"{endpoint} ignores the condition of a write ({header}): {_NEEDED}"
