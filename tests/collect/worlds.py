"""A tiny TMDB whose export, change feed and clock a test sets, and how planning is started against it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import msgspec
from aiohttp import web

from reelhouse.collect.planning import RunSpec, Tmdb, plan_run
from reelhouse.entities.registry import ENTITIES
from reelhouse.raw.plan import Plan, Selection, last_run, put_plan, read_lines
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import TmdbClient, open_session
from reelhouse.tmdb.clock import ServerClock
from reelhouse.tmdb.rate import Limiter
from tests.lakes import ASKING
from tests.serving import Server, html, json, serving

MOVIE = ENTITIES["movie"]
NOW = "2027-03-10T20:00:00Z"

Row = dict[str, Any]


def packed(rows: list[Row]) -> bytes:
    return gzip.compress(b"".join(msgspec.json.encode(row) + b"\n" for row in rows), mtime=0)


@dataclass
class World:
    """What TMDB says now; *odd* are instants that the next answers state instead, to paths that begin with *odd_in*."""

    now: str = NOW
    odd: list[str] = field(default_factory=list)
    odd_in: str = ""
    export: list[Row] = field(default_factory=list)
    etag: str = ""
    changes: dict[str, list[int]] = field(default_factory=dict)

    def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        now = self.odd.pop(0) if self.odd and request.path.startswith(self.odd_in) else self.now
        date = format_datetime(datetime.fromisoformat(now), usegmt=True)
        if request.path.startswith("/p/exports/"):
            today = datetime.fromisoformat(self.now).strftime("%m_%d_%Y")
            if today not in request.path:
                return html(403, Date=date)
            if self.etag and request.headers.get("If-None-Match") == self.etag:
                return web.Response(status=304, headers={"Date": date})
            headers = {"Date": date} | ({"ETag": self.etag} if self.etag else {})
            return web.Response(body=packed(self.export), headers=headers)
        ids = self.changes.get(request.query.get("start_date", ""), [])
        rows = [{"id": id_} for id_ in ids]
        return json({"results": rows, "page": 1, "total_pages": 1, "total_results": len(ids)}, Date=date)


@contextmanager
def a_world(world: World) -> Iterator[Server]:
    with serving(world.answer) as server:
        yield server


def wanted(**changes: Any) -> RunSpec:
    given: dict[str, Any] = {"entity": MOVIE, "request_profile": ASKING, "selection": Selection()} | changes
    return RunSpec(**given)


def planned(
    storage: Storage,
    server: Server,
    want: RunSpec | None = None,
    *,
    put: bool = True,
    clock: ServerClock | None = None,
) -> Plan:
    """The next plan, put unless it is only to be seen."""

    async def run() -> Plan:
        async with open_session(20) as session:
            client = TmdbClient(session, f"{server.url}/3", "token", Limiter(0), clock)
            tmdb = Tmdb(client, session, f"{server.url}/p/exports")
            return (await plan_run(storage, tmdb, want or wanted(), after=last_run(storage, "movie"), put=put)).plan

    plan = asyncio.run(run())
    if put:
        put_plan(storage, plan)
    return plan


def lines(storage: Storage, plan: Plan) -> list[str]:
    return list(read_lines(storage, plan.ids))
