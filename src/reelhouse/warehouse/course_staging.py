"""Course files for the engine: their records with what receipts know of them, as the lines of ordinary chunks.

An engine reads lines, and cannot tell which file a line came from; so the records are laid beside staging for the time
of one append, and go with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from zlib_ng import zlib_ng

from reelhouse.raw.course import read_answers
from reelhouse.raw.keys import STAGING, is_course
from reelhouse.raw.receipt import Receipt
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.pending import check_chunks

TURNED = f"{STAGING}turned/"

# An object of lines: large enough to be worth a request, small enough to wait in memory.
_OBJECT_BYTES = 8 << 20
_AT_ONCE = 4
# Whoever has not read them after a day was killed.
_KEPT_SECONDS = 86_400


@contextmanager
def as_lines(storage: Storage, receipts: list[Receipt]) -> Iterator[list[str]]:
    """Keys of objects that hold the receipts' answers as lines; `LakeError` that names a chunk which is not as put."""
    plain = [receipt.chunk for receipt in receipts if receipt.chunk is not None and not is_course(receipt.chunk.key)]
    course = [receipt for receipt in receipts if receipt.chunk is not None and is_course(receipt.chunk.key)]
    check_chunks(storage, plain)
    folder = f"{TURNED}{int(time.time()):012d}-{secrets.token_hex(4)}"
    turned: list[str] = []
    try:
        for body in _packed(storage, course):
            turned.append(f"{folder}/{len(turned):05d}.jsonl.gz")
            storage.put(turned[-1], body)
        yield [*(chunk.key for chunk in plain), *turned]
    finally:
        for key in turned:
            storage.delete(key)


def _packed(storage: Storage, receipts: list[Receipt]) -> Iterator[bytes]:
    """Their answers as gzip objects of bounded size; a few files at a time are in memory besides."""
    packer, parts, size = _packer(), [], 0
    for answers in prefetch(lambda receipt: list(read_answers(storage, receipt)), receipts, _AT_ONCE):
        for answer in answers:
            part = packer.compress(msgspec.json.encode(answer) + b"\n")
            parts.append(part)
            size += len(part)
        if size >= _OBJECT_BYTES:
            yield b"".join([*parts, packer.flush()])
            packer, parts, size = _packer(), [], 0
    if parts:
        yield b"".join([*parts, packer.flush()])


def _packer() -> zlib_ng._Compress:
    # Read once and thrown away: time counts, size hardly.
    return zlib_ng.compressobj(1, zlib_ng.DEFLATED, 31)


def sweep_turned(storage: Storage) -> None:
    """Remove what killed builds left."""
    for key in list(storage.keys(TURNED)):
        made = key.removeprefix(TURNED).partition("-")[0]
        if made.isdigit() and int(made) < time.time() - _KEPT_SECONDS:
            storage.delete(key)
