"""Rendered bodies, packed once and kept while there is room."""

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

import msgspec
from zlib_ng import zlib_ng

_encode = msgspec.json.Encoder().encode
_GZIP = 31
_FAST = 1


class PackedBody:
    """One body as it goes over the wire, with the weak ETag of what it says."""

    __slots__ = ("etag", "packed")

    def __init__(self, plain: bytes) -> None:
        self.etag = f'W/"{blake2b(plain, digest_size=16).hexdigest()}"'
        self.packed: bytes = zlib_ng.compress(plain, _FAST, _GZIP)

    def plain(self) -> bytes:
        """The body unpacked; most clients take it packed, so only that form is kept."""
        unpacked: bytes = zlib_ng.decompress(self.packed, _GZIP)
        return unpacked


def render(content: Any) -> PackedBody:
    """The body of a JSON value."""
    return PackedBody(_encode(content))


class Bodies:
    """The most recently requested bodies, up to *room* bytes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._kept: OrderedDict[Hashable, PackedBody] = OrderedDict()

    def get(self, key: Hashable) -> PackedBody | None:
        """The body kept under *key*."""
        body = self._kept.get(key)
        if body is not None:
            self._kept.move_to_end(key)
        return body

    def keep(self, key: Hashable, body: PackedBody) -> None:
        """Keep *body*, and drop the least recently requested ones when room runs out."""
        if key in self._kept:
            return
        self._kept[key] = body
        self._taken += len(body.packed)
        while self._taken > self._room and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._taken -= len(oldest.packed)
