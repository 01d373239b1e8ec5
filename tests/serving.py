"""A real HTTP server on loopback, in a thread of its own, so that a test is plain code and nothing is mocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import web

Answering = Callable[[web.BaseRequest], web.StreamResponse]


class Server:
    """Answers what *answering* says, and remembers what it was asked."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.seen: list[web.BaseRequest] = []
        self.url = ""

    @property
    def paths(self) -> list[str]:
        return [request.path_qs for request in self.seen]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        return self.answering(request)


@contextmanager
def serving(answering: Answering) -> Iterator[Server]:
    """A server that listens while inside."""
    server = Server(answering)
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ended = asyncio.Event()

    async def listen() -> None:
        runner = web.ServerRunner(web.Server(server.answer, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        ready.set()
        await ended.wait()
        await runner.cleanup()

    def work() -> None:
        try:
            loop.run_until_complete(listen())
        finally:
            loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


def json(value: Any, status: int = 200, **headers: str) -> web.Response:
    """*value* as TMDB would send it; `_` in a header's name stands for `-`."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={name.replace("_", "-"): stated for name, stated in headers.items()},
    )


def html(status: int, **headers: str) -> web.Response:
    """What something in front of TMDB says."""
    return web.Response(
        text="<html><title>Just a moment...</title></html>",
        status=status,
        content_type="text/html",
        headers={name.replace("_", "-"): stated for name, stated in headers.items()},
    )


def verdict(status: int, code: int, message: str = "TMDB's own words.") -> web.Response:
    """TMDB's error body."""
    return json({"success": False, "status_code": code, "status_message": message}, status)


def bare(request: web.BaseRequest, sent: bytes) -> web.StreamResponse:
    """Send these bytes instead of an answer and hang up."""
    assert request.transport is not None
    assert isinstance(request.transport, asyncio.WriteTransport)
    request.transport.write(sent)
    request.transport.close()
    return web.Response()


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Hang up without a word."""
    assert isinstance(request.transport, asyncio.WriteTransport)
    request.transport.abort()
    return web.Response()
