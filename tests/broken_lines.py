"""A line to a server on loopback that breaks on command; needs only Python."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_connection, socket


class Line:
    """Passes bytes between a client and *port*; *cut* breaks every connection, and refuses what comes after.

    Of what clients send, the first of *replaced* becomes the other, which is as long.
    """

    def __init__(self, port: int, after: int | None = None, replaced: tuple[bytes, bytes] = (b"", b"")) -> None:
        self._replaced = replaced
        self._upstream = port
        self._after = after
        self._sent = 0
        self._ends: list[socket] = []
        self._listener = socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all that is connected; connections that come later get through."""
        self.cuts += 1
        self._after = None
        ends, self._ends = self._ends, []
        for end in ends:
            _close(end)

    def close(self) -> None:
        """Break all that is connected and listen no more."""
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = create_connection(("127.0.0.1", self._upstream))
            self._ends += [client, server]
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket, sink: socket, counted: bool) -> None:
        try:
            while body := source.recv(1 << 16):
                if counted:
                    self._sent += len(body)
                    if self._after is not None and self._sent > self._after:
                        self.cut()
                        return
                    if self._replaced[0]:
                        body = body.replace(*self._replaced)
                sink.sendall(body)
        except OSError:
            pass
        finally:
            _close(source)
            _close(sink)


def _close(end: socket) -> None:
    with suppress(OSError):
        # Wakes a thread that waits in `recv` or `accept`; closing alone would not.
        end.shutdown(2)
    end.close()


@contextmanager
def line_to(port: int, *, after: int | None = None, replaced: tuple[bytes, bytes] = (b"", b"")) -> Iterator[Line]:
    """A `Line` to *port* that, once, breaks everything when clients have sent *after* bytes."""
    line = Line(port, after, replaced)
    try:
        yield line
    finally:
        line.close()
