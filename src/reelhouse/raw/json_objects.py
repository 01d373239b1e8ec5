"""JSON objects of the lake as structs: read, changed by compare-and-swap, or refused with a clear error."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.raw.keys import FORMAT
from reelhouse.storage.protocol import Storage

T = TypeVar("T")

# The first writer wins each time; more attempts than this mean that something else is wrong.
_ATTEMPTS = 20


class _FormatOfObject(msgspec.Struct):
    format: int


_described = set[type]()
_describing = threading.Lock()


def described(kind: type[T]) -> type[T]:
    """*kind*, ready to be read by several threads.

    msgspec (0.22) describes a type when it is first read, and crashes where another thread reads one meanwhile.
    """
    if kind not in _described:
        with _describing:
            msgspec.json.Decoder(kind)
            _described.add(kind)
    return kind


def decode(key: str, body: bytes, kind: type[T], oldest: int = FORMAT) -> T:
    """*body* as *kind*; `LakeError` where it does not parse, or its format is newer than ours or before *oldest*."""
    try:
        refuse_other_format(key, msgspec.json.decode(body, type=described(_FormatOfObject)).format, oldest)
        return msgspec.json.decode(body, type=described(kind))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LakeError(f"{key} cannot be read: {exc}") from exc


def refuse_other_format(key: str, number: int, oldest: int = FORMAT) -> None:
    """Raise `LakeError` unless *number*, the format of the object at *key*, is from *oldest* to this reelhouse's."""
    if not oldest <= number <= FORMAT:
        then = "upgrade reelhouse" if number > FORMAT else "name another place and collect again"
        raise LakeError(f"{key} has format {number}, this reelhouse reads format {FORMAT}: {then}")


def read_object(storage: Storage, key: str, kind: type[T]) -> T | None:
    """The object at *key* as *kind*, None where there is none; `LakeError` as `decode`."""
    try:
        return decode(key, storage.get(key), kind)
    except MissingKeyError:
        return None


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


def change_object(storage: Storage, key: str, empty: T, changed: Callable[[T], T]) -> None:
    """Replace the object at *key*, *empty* while there is none, by what *changed* returns for it.

    *changed* is called again whenever another writer was faster. `LakeError` after 20 attempts, or where the object
    cannot be read.
    """
    for _ in range(_ATTEMPTS):
        try:
            found = storage.get_versioned(key)
        except MissingKeyError:
            found = None
        body = encode(changed(empty if found is None else decode(key, found.body, type(empty))))
        try:
            if found is None:
                storage.put_new(key, body)
            else:
                storage.put_if(key, body, found.version)
        except KeyTakenError:
            continue
        return
    raise LakeError(f"{key} could not be changed: others keep changing it")
