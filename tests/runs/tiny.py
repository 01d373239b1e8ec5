"""A TMDB of some thirty titles whose every answer is decided by the test: what is gone, broken, changed, listed."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime

import msgspec
from aiohttp import web

from tests.runs.listening import listening
from tests.serving import html, json, verdict

_EXPORT = re.compile(r"/p/exports/(adult_)?(?:movie|series)_ids_(\d\d)_(\d\d)_(\d{4})\.json\.gz")


class Tiny:
    """The titles and the clock of one emulated TMDB. Tests change its fields between and during runs."""

    def __init__(self, ids: range = range(1, 31)) -> None:
        self.now = "2026-03-01T12:00:00+00:00"
        self.listed = list(ids)
        # The export of adult titles; TMDB has none where it is None.
        self.adult: list[int] | None = None
        # The day whose export is the newest, where that is not today.
        self.published: str | None = None
        self.short = {5, 15}
        self.gone = {7, 17}
        self.broken = {9}
        self.changed: dict[str, set[int]] = {}
        self.edition: Counter[int] = Counter()
        self.asked: Counter[str] = Counter()
        self.listings: Counter[str] = Counter()
        self.unasked_tokens = 0
        self.delay = 0.0
        # While it is set nothing is answered.
        self.held = False
        self.url = ""
        # What answers instead, for a test that wants something odd; None lets the usual answer through.
        self.instead: Callable[[web.BaseRequest], web.StreamResponse | None] = lambda request: None
        self.export_instead: Callable[[web.BaseRequest], web.StreamResponse | None] = lambda request: None

    @property
    def today(self) -> str:
        return self.now[:10]

    def forget(self) -> None:
        """Reset the counts."""
        self.asked.clear()
        self.listings.clear()

    def body(self, id_: int) -> bytes:
        return msgspec.json.encode(
            {
                "id": id_,
                "imdb_id": f"tt{id_:07d}",
                "title": f"Title {id_}, edition {self.edition[id_]}",
                "original_title": f"Title {id_}",
                "original_language": "en",
                "release_date": "",
                "genres": [],
                "vote_count": 0,
                "runtime": 20 if id_ in self.short else 90,
            }
        )

    def export(self, *, adult: bool = False) -> bytes:
        lines = b"".join(
            msgspec.json.encode({"id": id_, "popularity": 1000.0 - id_, "adult": adult, "video": False}) + b"\n"
            for id_ in (self.adult or [] if adult else self.listed)
        )
        return gzip.compress(lines, mtime=0)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        made = self._answer(request)
        if self.delay:
            await asyncio.sleep(self.delay)
        while self.held:
            await asyncio.sleep(0.02)
        made.headers.setdefault("Date", format_datetime(datetime.fromisoformat(self.now), usegmt=False))
        return made

    def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/p/exports/"):
            self.listings["export"] += 1
            self.unasked_tokens += "Authorization" in request.headers
            return self.export_instead(request) or self._export(request)
        # Another kind of thing with the same ids, for tests that take two.
        other = request.path.startswith("/3/series/")
        place = "/3/series/" if other else "/3/movie/"
        name = request.path.removeprefix(place)
        detail = request.path.startswith(place) and name != "changes"
        (self.asked if detail else self.listings)[f"series/{name}" if other else name] += 1
        if (odd := self.instead(request)) is not None:
            return odd
        if name == "changes":
            ids = self.changed.get(request.query["start_date"], set())
            rows = [{"id": id_, "adult": False} for id_ in sorted(ids)]
            return json({"results": rows, "page": 1, "total_pages": 1, "total_results": len(rows)})
        return self._detail(name, request.query) if detail else json({"images": {}})

    def _detail(self, name: str, query: Mapping[str, str]) -> web.Response:
        id_ = int(name.removeprefix("tt"))
        if id_ in self.gone or id_ > 900:
            return verdict(404, 34)
        if id_ in self.broken:
            return web.Response(body=b'{"id": 9, "title', content_type="application/json")
        body = self.body(id_)
        if appended := query.get("append_to_response"):
            blocks = "".join(f',"{block}":{{}}' for block in appended.split(","))
            body = body.removesuffix(b"}") + blocks.encode() + b"}"
        return web.Response(body=body, content_type="application/json")

    def _export(self, request: web.BaseRequest) -> web.Response:
        found = _EXPORT.fullmatch(request.path)
        day = f"{found[4]}-{found[2]}-{found[3]}" if found else ""
        adult = found is not None and bool(found[1])
        if day != (self.published or self.today) or (adult and self.adult is None):
            return html(403)
        etag = f'"{day}-{len(self.adult or []) if adult else len(self.listed)}"'
        if request.headers.get("If-None-Match") == etag:
            self.listings["304"] += 1
            return web.Response(status=304)
        return web.Response(body=self.export(adult=adult), content_type="application/gzip", headers={"ETag": etag})


@contextmanager
def tiny_tmdb(tiny: Tiny | None = None) -> Iterator[Tiny]:
    """A `Tiny` that listens while inside."""
    world = tiny or Tiny()
    with listening(world.answer) as url:
        world.url = url
        yield world
