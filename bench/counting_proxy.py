"""Stands before an S3 and counts what passes, whoever sends it: the collector, the build, the table engine."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_HOPS = frozenset(("connection", "expect", "keep-alive", "transfer-encoding"))


class Request(NamedTuple):
    """One request: *kind* is PUT, GET, HEAD, LIST or DELETE, *key* the object or what a listing starts with."""

    kind: str
    key: str
    status: int


class Passed:
    """What has passed since the last `take`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._guard = threading.Lock()
        self._requests: list[Request] = []

    def note(self, request: Request) -> None:
        with self._guard:
            self._requests.append(request)

    def take(self) -> list[Request]:
        with self._guard:
            taken, self._requests = self._requests, []
        return taken


def kinds(requests: list[Request]) -> Counter[str]:
    """How many of each kind."""
    return Counter(request.kind for request in requests)


@contextmanager
def counting(endpoint: str, delay: float = 0.0) -> Iterator[Passed]:
    """A proxy before *endpoint* (addresses by path), which keeps each request waiting for *delay* seconds."""
    netloc = urlsplit(endpoint).netloc
    server = _Server(("127.0.0.1", 0), _handler(netloc, delay, lambda request: passed.note(request)))
    passed = Passed(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield passed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    # Clients keep connections open; whoever closes the proxy does not wait for them.
    block_on_close = False


def _handler(netloc: str, delay: float, note: Callable[[Request], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.beyond = http.client.HTTPConnection(netloc)

        def finish(self) -> None:
            self.beyond.close()
            super().finish()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(delay)
            sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
            self.beyond.request(self.command, self.path, body or None, sent)
            answer = self.beyond.getresponse()
            said = answer.read()
            note(_request(self.command, self.path, answer.status))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOPS | {"content-length"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(said))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(said)

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 (names of the base class)

        def log_message(self, *said: object) -> None:
            """The counts are what is told."""

    return Handler


def _request(method: str, target: str, status: int) -> Request:
    path, query = urlsplit(target)[2:4]
    _, _, key = unquote(path).lstrip("/").partition("/")
    if method == "GET" and not key:
        return Request("LIST", parse_qs(query).get("prefix", [""])[0], status)
    return Request(method, key, status)
