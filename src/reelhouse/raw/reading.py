"""How a JSON object of the lake becomes a struct, or a clear word on why it cannot."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from reelhouse.errors import LakeError
from reelhouse.raw.layout import FORMAT

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


def encode(value: object) -> bytes:
    """One line of JSON with a newline, the same bytes for the same value."""
    return msgspec.json.encode(value, order="deterministic") + b"\n"
