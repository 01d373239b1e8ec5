"""Plain HTTP, nothing decoded and nothing retried, so a test sees the bytes on the wire."""

import gzip
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from reelhouse.emulator import Emulator

DEFAULT_APPENDS = (
    "credits,keywords,release_dates,external_ids,alternative_titles,translations,videos,watch/providers,recommendations"
)


@dataclass(frozen=True)
class Reply:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's content, unpacked where it was packed."""
        packed = self.headers.get("Content-Encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


def ask(
    address: str, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
) -> Reply:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, http_headers(response), response.read())
    finally:
        connection.close()


def http_headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    """The headers, looked up whatever their case."""
    return response.headers  # type: ignore[return-value]


def get(tmdb: Emulator, path: str, **headers: str) -> Reply:
    """Ask the API for what lies below `/3/`, with a bearer; `If_None_Match` stands for `If-None-Match`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(tmdb.address, f"/3/{path}", {"Authorization": "Bearer any", **named})


def export_path(day: date, name: str = "movie_ids") -> str:
    """The path of an id export of *day*."""
    return f"/p/exports/{name}_{day:%m_%d_%Y}.json.gz"


def export_rows(tmdb: Emulator, day: date | None = None, name: str = "movie_ids") -> list[dict[str, Any]]:
    """The rows of an export, today's by default."""
    reply = ask(tmdb.address, export_path(day or tmdb.stats().day, name))
    assert reply.status == 200, reply
    return [json.loads(line) for line in gzip.decompress(reply.body).splitlines()]


def export_ids(tmdb: Emulator, day: date | None = None, name: str = "movie_ids") -> list[int]:
    """The ids of an export, in its order."""
    return [row["id"] for row in export_rows(tmdb, day, name)]
