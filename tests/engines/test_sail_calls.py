"""How answers come from the embedded engine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import functions as F

from reelhouse.engines import sail
from reelhouse.engines.session import session_factory
from reelhouse.engines.spark_connect import connected_by


class _Relayed(NamedTuple):
    """The engine, reached by a relay at *address*."""

    address: str

    def follow(self) -> None:
        """Nothing has changed here since the engine started."""


@contextmanager
def _counted(engine: str) -> Iterator[tuple[str, list[int]]]:
    """Relay one connection; yields the address for it, and the sizes of what the *engine* sends."""
    sizes: list[int] = []

    def copy(source: socket.socket, target: socket.socket, seen: list[int]) -> None:
        # Either end may be gone first.
        with suppress(OSError):
            while data := source.recv(1 << 20):
                seen.append(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def relay() -> None:
        with listener.accept()[0] as client, _connected(engine) as server:
            asking = threading.Thread(target=copy, args=(client, server, []))
            asking.start()
            copy(server, client, sizes)
            asking.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        relaying = threading.Thread(target=relay)
        relaying.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", sizes
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            relaying.join()


def _connected(engine: str) -> socket.socket:
    if not engine.startswith("unix:"):
        host, _, port = engine.rpartition(":")
        return socket.create_connection((host, int(port)))
    server = socket.socket(socket.AF_UNIX)
    server.connect(engine.removeprefix("unix:"))
    return server


def test_answers_are_not_compressed() -> None:
    session_factory("sail")()
    # Late: where this process has no main file, pyspark's Connect is imported by a session only.
    from reelhouse.engines.sail_calls import Channels

    with _counted(sail._engines[None].address) as (address, sizes):
        stand_in: Any = _Relayed(address)
        session: Any = connected_by(Channels(stand_in, None))
        with closing(session.client):
            rows = session.range(1000).select(F.repeat(F.lit("a"), 1000).alias("text")).toArrow()
    assert rows.nbytes > 1_000_000
    assert sum(sizes) > rows.nbytes


def test_rows_may_be_wide(tmp_path: Path) -> None:
    session = session_factory("sail")()
    text = F.repeat(F.sha2(F.col("id").cast("string"), 512), 150)
    session.range(20_000).select(text.alias("text")).write.parquet(f"file://{tmp_path}/wide")
    assert session.read.parquet(f"file://{tmp_path}/wide").toArrow().nbytes > 20_000 * 128 * 150
