"""A proxy between a collector and its S3 that injects faults for tests.

`proxied(server)` listens on loopback and passes everything on. `when` says what happens to which requests instead, once
per fault named; `seen` and `counts` tell what was asked. `off` is a server that went away: refused and cut connections.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.s3servers import S3Server


class Answer(NamedTuple):
    """What goes back: *body* may be shorter than its Content-Length, for one that ends early."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Request(NamedTuple):
    """What came: *kind* is PUT, GET, HEAD, DELETE, LIST, or BUCKET for anything else about a bucket."""

    kind: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


# Gets the request and the way on; None cuts the connection.
Fault = Callable[[Request, Callable[[], Answer]], Answer | None]


def says(status: int, code: str, inside: str = "", **headers: str) -> Fault:
    """S3's error of this name, with more XML *inside*; the request goes no further."""
    inside = inside or "<Message>as configured</Message>"
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code>{inside}</Error>".encode()
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    answer = Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), *named], body)
    return lambda *_: answer


CONFLICT = says(409, "ConditionalRequestConflict")
SLOW_DOWN = says(503, "SlowDown")
BROKEN = says(500, "InternalError")


def passes(_: Request, on: Callable[[], Answer]) -> Answer:
    """Nothing is spoilt: for the requests before the one that is."""
    return on()


def cut(_: Request, on: Callable[[], Answer]) -> None:
    """The connection breaks before S3 heard of it."""


def lost(_: Request, on: Callable[[], Answer]) -> None:
    """S3 does what it was asked; its answer never comes."""
    on()


def done_and_says(status: int, code: str) -> Fault:
    """S3 does what it was asked, and something before it answers this error."""

    def fault(request: Request, on: Callable[[], Answer]) -> Answer | None:
        on()
        return says(status, code)(request, on)

    return fault


def half(_: Request, on: Callable[[], Answer]) -> Answer:
    """The body ends in the middle."""
    answer = on()
    return answer._replace(body=answer.body[: len(answer.body) // 2])


def ignored(_: Request, on: Callable[[], Answer]) -> Answer:
    """What look-alikes say to a condition that they do not know."""
    return Answer(200, [("ETag", '"0123456789abcdef0123456789abcdef"'), ("Content-Length", "0")], b"")


def late(seconds: float) -> Fault:
    """The answer takes its time."""

    def fault(_: Request, on: Callable[[], Answer]) -> Answer:
        time.sleep(seconds)
        return on()

    return fault


class Rule(NamedTuple):
    """Which requests get the next of *faults*."""

    kind: str
    key: re.Pattern[str]
    faults: Iterator[Fault]


class Proxy:
    """Passes requests on to *server*, but for what `when` says."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.seen: list[Request] = []
        self._upstream = urlsplit(server.endpoint)
        self._rules: list[Rule] = []
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening: _Listening | None = None
        self._port = 0
        self.on()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def counts(self) -> Counter[str]:
        """Requests by kind."""
        with self._guard:
            return Counter(request.kind for request in self.seen)

    def forget(self) -> None:
        """Reset the counts, and break nothing any more."""
        with self._guard:
            self.seen.clear()
            self._rules.clear()

    def when(self, *faults: Fault, kind: str = "", key: str = "") -> None:
        """Spoil the next requests of this kind whose key has *key* (a pattern) in it, one per fault."""
        self._rule(kind, key, faults)

    def always(self, fault: Fault, *, kind: str = "", key: str = "") -> None:
        """As `when`, for ever."""
        self._rule(kind, key, repeat(fault))

    def off(self) -> None:
        """The server is gone: connections break, new ones are refused."""
        if self._listening is not None:
            self._listening.shutdown()
            self._listening.server_close()
            self._listening = None
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def on(self) -> None:
        """The server is there, at the same address."""
        if self._listening is None:
            self._listening = _Listening(("127.0.0.1", self._port), self)
            self._port = self._listening.server_port
            threading.Thread(target=self._listening.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: Request, on: Callable[[], Answer]) -> Answer | None:
        """What comes back for *request*; None where the connection is cut."""
        with self._guard:
            self.seen.append(request)
            fault = next((fault for rule in self._rules if (fault := _next(rule, request))), passes)
        return fault(request, on)

    def forward(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(str(self._upstream.hostname), self._upstream.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            got = connection.getresponse()
            return Answer(got.status, got.getheaders(), got.read())
        finally:
            connection.close()

    def entered(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)

    def left(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.discard(connection)

    def _rule(self, kind: str, key: str, faults: Iterable[Fault]) -> None:
        with self._guard:
            self._rules.append(Rule(kind, re.compile(key), iter(faults)))


@contextmanager
def proxied(server: S3Server) -> Iterator[Proxy]:
    """A proxy that listens while inside."""
    proxy = Proxy(server)
    try:
        yield proxy
    finally:
        proxy.off()


def _next(rule: Rule, request: Request) -> Fault | None:
    wanted = rule.kind in ("", request.kind) and rule.key.search(request.key)
    return next(rule.faults, None) if wanted else None


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, *_: Any) -> None:
        """A connection that one side gave up is not news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Listening

    def setup(self) -> None:
        super().setup()
        self.server.proxy.entered(self.request)

    def finish(self) -> None:
        self.server.proxy.left(self.request)
        with suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()
            return
        self.close_connection = True

    def _handle(self) -> None:
        body = self._body()
        request = _request(self.command, self.path, dict(self.headers.items()), body)

        def on() -> Answer:
            return self.server.proxy.forward(self.command, self.path, self.headers.items(), body)

        answer = self.server.proxy.answer(request, on)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, *said: object) -> None:
        """Tests look at `seen`."""

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        del self.headers["Transfer-Encoding"]
        whole = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.headers["Content-Length"] = str(len(whole))
        return whole

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        stated = None
        for name, value in answer.headers:
            if name.lower() == "content-length":
                stated = int(value)
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if stated is None:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
            self.close_connection = self.close_connection or (stated or 0) > len(answer.body)
        self.wfile.flush()


def _request(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = unquote(parts.path).lstrip("/").partition("/")
    if key:
        kind = method
    elif method == "GET" and ("list-type" in query or "versions" in query or "uploads" in query):
        kind = "LIST"
    else:
        kind = "BUCKET"
    return Request(kind, key, query, headers, body)
