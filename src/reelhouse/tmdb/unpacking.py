"""Reads and unpacks bodies in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zlib_ng import zlib_ng

if TYPE_CHECKING:
    import aiohttp

_GZIP = b"\x1f\x8b"

# How much of a body that is too large is kept as evidence.
_KEPT = 1 << 16
_GZIP_BITS = 31
# A gzip body may have several members; TMDB's have one. Each costs a copy of the rest.
_MOST_MEMBERS = 64


class UnpackedBody(NamedTuple):
    """An unpacked body; or, if that failed, its beginning with a short name and a sentence for the reason."""

    content: bytes
    reason: str = ""
    text: str = ""


class DamagedBodyError(Exception):
    """A packed body is truncated or damaged."""


class _BodyTooLargeError(Exception):
    def __init__(self, start: bytes) -> None:
        super().__init__()
        self.start = start


async def read_body(response: aiohttp.ClientResponse, most: int) -> UnpackedBody:
    """The response's body, which aiohttp was asked not to unpack; at most *most* bytes are held, packed or unpacked.

    Raises `DamagedBodyError` if what is packed is truncated or damaged.
    """
    packed = bytearray()
    async for piece in response.content.iter_any():
        packed += piece
        if len(packed) > most:
            return _too_large(bytes(packed[:_KEPT]), most)
    return unpacked(bytes(packed), response.headers.get("Content-Encoding", ""), most)


def unpacked(body: bytes, encoding: str, most: int) -> UnpackedBody:
    """*body* unpacked by its `Content-Encoding`, and also if it is gzip without one, which TMDB's CDN has sent."""
    codings = [name.strip() for name in encoding.lower().split(",") if name.strip() not in ("", "identity")]
    try:
        for name in reversed(codings):
            bits = _bits(name, body)
            if bits is None:
                return UnpackedBody(
                    body[:_KEPT], "encoding", f"the body is packed as {name[:40]!r}, which was not requested"
                )
            body = _inflated(body, bits, most)
        if body.startswith(_GZIP):
            # JSON never begins like this.
            body = _inflated(body, _GZIP_BITS, most)
    except _BodyTooLargeError as exc:
        return _too_large(exc.start, most)
    except zlib_ng.error as exc:  # type: ignore[misc]  # (its stub says less than it is)
        raise DamagedBodyError(f"the packed body is damaged: {exc}") from exc
    return UnpackedBody(body)


def _bits(name: str, body: bytes) -> int | None:
    """zlib's parameter for a coding; None for one that cannot be unpacked."""
    if name == "deflate":
        # With a zlib header, as in the standard, or without, as some servers send it.
        return 15 if body[:1] and body[0] & 15 == 8 else -15
    return _GZIP_BITS if name in ("gzip", "x-gzip") else None


def _inflated(body: bytes, bits: int, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib_ng.decompressobj(bits)
        parts.append(unpacker.decompress(body, most + 1 - size))
        size += len(parts[-1])
        if size > most:
            raise _BodyTooLargeError(parts[0][:_KEPT])
        if not unpacker.eof:
            raise DamagedBodyError("the packed body is truncated")
        body = unpacker.unused_data
        if not body.strip(b"\0"):
            return b"".join(parts)
    raise DamagedBodyError("the packed body has too many members")


def _too_large(start: bytes, most: int) -> UnpackedBody:
    return UnpackedBody(start, "too_large", f"the body has more than {most:,} bytes, as `body_megabytes` allows")
