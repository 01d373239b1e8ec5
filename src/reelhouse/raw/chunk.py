"""Chunks: answers as they came, one a line, gzipped, each in a thin envelope that says where it came from."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from zlib_ng import zlib_ng

from reelhouse.errors import LakeError
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.receipt import ChunkRef, Receipt
from reelhouse.storage.protocol import Storage

# Level 6 of zlib-ng is a third cheaper than zlib's and as small (docs/benchmarks.md).
_LEVEL = 6


class _LineFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """What differs between the lines of a chunk, apart from the body."""

    line: int
    key: str
    path: str
    status: int
    fetched_at: str
    sha256: str
    id: int | None = None
    etag: str | None = None
    age: int | None = None
    reason: str | None = None


class Envelope(_LineFields, frozen=True, omit_defaults=True, kw_only=True):
    """What a reader gets of one line. Exactly one of *body* and *base64* is set."""

    chunk: str
    run: int
    entity: str
    params: str
    body: msgspec.Raw = msgspec.Raw()
    base64: str | None = None

    @property
    def bytes(self) -> bytes:
        """The body's own bytes, as TMDB sent them."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return bytes(self.body)


_ENVELOPE = msgspec.json.Decoder(Envelope)


def fits_a_line(body: bytes) -> bool:
    """Whether JSON can lie in an envelope as it is, else it travels as base64.

    A raw newline between two tokens would break the line, and blanks around the whole would be lost in reading.
    """
    return b"\n" not in body and b"\r" not in body and body == body.strip()


class ChunkWriter:
    """An open chunk: lines go in compressed, so that it holds what it will weigh at rest."""

    def __init__(self, key: str, run: int, entity: str, params: str) -> None:
        self.key = key
        self.lines = 0
        self._size = 0
        self._packer = zlib_ng.compressobj(_LEVEL, zlib_ng.DEFLATED, 31)
        self._parts: list[bytes] = []
        head = msgspec.json.encode({"chunk": key, "run": run, "entity": entity, "params": params})
        self._head = head[:-1] + b","
        self._encode = msgspec.json.Encoder().encode

    @property
    def size(self) -> int:
        """Bytes so far; the compressor may still hold some."""
        return self._size

    def add(self, body: bytes, *, parses: bool, **fields: Any) -> int:
        """Append one answer and return its line. *parses* tells that the body is JSON; *fields* are `Envelope`'s."""
        line = _LineFields(line=self.lines, sha256=hashlib.sha256(body).hexdigest(), **fields)
        head = self._encode(line)
        if parses and fits_a_line(body):
            whole = b"".join((self._head, head[1:-1], b',"body":', body, b"}\n"))
        else:
            whole = b"".join((self._head, head[1:-1], b',"base64":"', base64.b64encode(body), b'"}\n'))
        part = self._packer.compress(whole)
        if part:
            self._parts.append(part)
            self._size += len(part)
        self.lines += 1
        return self.lines - 1

    def close(self) -> tuple[ChunkRef, bytes]:
        """The whole chunk and what a receipt says of it. Nothing can be added afterwards."""
        self._parts.append(self._packer.flush())
        body = b"".join(self._parts)
        self._parts.clear()
        return ChunkRef(self.key, len(body), hashlib.sha256(body).hexdigest(), self.lines), body


def whole_record(bodies: Sequence[bytes]) -> bytes:
    """The record that several answers make: the first one with the members that only the others have.

    Raises `LakeError` where several are not all objects.
    """
    if len(bodies) == 1:
        return bodies[0]
    try:
        merged: dict[str, msgspec.Raw] = {}
        for body in reversed(bodies):
            merged |= msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LakeError(f"one of {len(bodies)} answers to a record is not an object: {exc}") from exc
    return msgspec.json.encode(merged)


def read_chunk(storage: Storage, chunk: ChunkRef) -> Iterator[Envelope]:
    """The lines of a chunk after its sha256 was checked; `LakeError` where it is not what was put."""
    return read_lines(chunk.key, get_named(storage, chunk.key, chunk.sha256, "a receipt"))


def read_answers(storage: Storage, receipt: Receipt) -> Iterator[Envelope]:
    """The answers in a receipt's chunk; `LakeError` where it is not what was put."""
    return iter(()) if receipt.chunk is None else read_chunk(storage, receipt.chunk)


def read_lines(key: str, body: bytes) -> Iterator[Envelope]:
    """The lines of a chunk's bytes, whatever a receipt says of them."""
    for line in raw_lines(key, body):
        try:
            yield read_line(line)
        except LakeError as exc:
            raise LakeError(f"{key} has {exc}") from exc


def raw_lines(key: str, body: bytes) -> list[bytes]:
    """The lines of a chunk's bytes as they are."""
    try:
        return [line for line in zlib.decompress(body, 31).split(b"\n") if line]
    except zlib.error as exc:
        raise LakeError(f"{key} is cut or damaged: {exc}") from exc


def read_line(line: bytes | str) -> Envelope:
    """One line of a chunk; `LakeError` where it is not an envelope."""
    try:
        return _ENVELOPE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LakeError(f"a line that cannot be read: {exc}") from exc
