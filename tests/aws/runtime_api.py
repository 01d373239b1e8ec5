"""Lambda's Runtime API for one process: what AWS's own client (`awslambdaric`) asks for events and gives answers to.

One server for each process, and so a queue of its own: the open question of a process that was killed would swallow
the next event. An answer leaves in one packet, or each invocation takes a delayed acknowledgement longer.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

# What a function may answer, and what it may be called with.
MOST_ANSWERED = 6 * 1024 * 1024 + 8 * 1024
MOST_ASKED = 6 * 1024 * 1024
MOST_ASKED_LATER = 256 * 1024

_TOO_LARGE = "Function.ResponseSizeTooLarge"
_ROOT = "/2018-06-01/runtime/"


class Task(NamedTuple):
    """An event on its way to a process that may live *seconds* from when it takes it."""

    request_id: str
    event: bytes
    seconds: float


class Outcome(NamedTuple):
    """What became of an event: *error* has `errorType` and `errorMessage` as Lambda tells them, None for an answer."""

    answer: Any = None
    error: Mapping[str, Any] | None = None

    @property
    def is_too_large(self) -> bool:
        return self.error is not None and self.error["errorType"] == _TOO_LARGE


class RuntimeApi:
    """A server that listens while inside."""

    def __init__(self) -> None:
        self._tasks: queue.Queue[Task | None] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        # When the process first asked, and when the event that it holds must be done.
        self.ready = threading.Event()
        self.deadline: float | None = None
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        self.current = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RuntimeApi:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.put(None)
        self._server.shutdown()
        self._server.server_close()

    def hand(self, task: Task) -> None:
        """Give the process its next event. Its time starts when the process takes it."""
        self.deadline = None
        self._tasks.put(task)

    def next(self) -> Task | None:
        """What the process is to do next, None where there will be nothing; waits for it."""
        self.ready.set()
        task = self._tasks.get()
        if task is not None:
            self.current = task.request_id
            self.deadline = time.time() + task.seconds
        return task

    def answered(self, request_id: str, body: bytes) -> int:
        """Take an answer; the status that the process gets."""
        if request_id != self.current:
            return 400
        if len(body) > MOST_ANSWERED:
            message = f"Response payload size exceeded maximum allowed payload size ({MOST_ANSWERED} bytes)."
            self.outcomes.put(Outcome(error={"errorType": _TOO_LARGE, "errorMessage": message}))
            return 413
        self.outcomes.put(Outcome(json.loads(body) if body else None))
        return 202

    def failed(self, body: bytes) -> int:
        """Take an error, of an invocation or of the start."""
        self.outcomes.put(Outcome(error=json.loads(body)))
        return 202


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that was killed leaves its connection without a word."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        api = self.server.api
        task = api.next()
        if task is None or api.deadline is None:
            self.close_connection = True
            return
        self._send(
            200,
            task.event,
            {
                "Lambda-Runtime-Aws-Request-Id": task.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(api.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:reelhouse",
                "Lambda-Runtime-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
            },
        )

    def do_POST(self) -> None:
        api = self.server.api
        body = self._body()
        parts = self.path.removeprefix(_ROOT).split("/")
        if parts[-1] == "response":
            status = api.answered(parts[1], body)
        elif parts[-1] == "error":
            status = api.failed(body)
        else:
            status = 404
        self._send(status, b'{"status":"OK"}')

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
        """Nothing of this is the function's log."""
