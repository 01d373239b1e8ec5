"""How a JSON object of the lake becomes a struct, or a clear word on why it cannot."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import FORMAT
from reelhouse.storage.protocol import Storage

T = TypeVar("T")


class _Head(msgspec.Struct):
    format: int


def decode(key: str, body: bytes, kind: type[T]) -> T:
    """*body* as *kind*; `LakeError` where it does not parse or comes from a newer reelhouse."""
    try:
        head = msgspec.json.decode(body, type=_Head)
        if head.format > FORMAT:
            raise LakeError(f"{key} has format {head.format}, this reelhouse reads up to {FORMAT}: upgrade reelhouse")
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LakeError(f"{key} cannot be read: {exc}") from exc


def get_named(storage: Storage, key: str, sha256: str, named_by: str) -> bytes:
    """The object that *named_by* ("a plan") names with its *sha256*; `LakeError` where it is gone or another one."""
    try:
        body = storage.get(key)
    except MissingKeyError:
        raise LakeError(f"{key} is gone, though {named_by} names it") from None
    if hashlib.sha256(body).hexdigest() != sha256:
        raise LakeError(f"{key} is not what {named_by} names: the sha256 differs")
    return body


def encode(value: object) -> bytes:
    """One line of JSON with a newline, the same bytes for the same value."""
    return msgspec.json.encode(value, order="deterministic") + b"\n"
