"""How answers come from the embedded engine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
def _counted(engine: str, place: Path) -> Iterator[list[int]]:
    """Relay one connection to the socket *place*; yields the sizes of what the *engine* has sent."""
    sizes: list[int] = []

    def copy(source: socket.socket, target: socket.socket, seen: list[int]) -> None:
        while data := source.recv(1 << 20):
            seen.append(len(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def relay() -> None:
        with listener.accept()[0] as client, socket.socket(socket.AF_UNIX) as server:
            server.connect(engine.removeprefix("unix:"))
            asking = threading.Thread(target=copy, args=(client, server, []))
            asking.start()
            copy(server, client, sizes)
            asking.join()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        relaying = threading.Thread(target=relay)
        relaying.start()
        yield sizes
        relaying.join()


def test_answers_are_not_compressed(tmp_path: Path) -> None:
    session_factory("sail")()
    # Late: where this process has no main file, pyspark's Connect is imported by a session only.
    from reelhouse.engines.sail_calls import Channels

    engine = sail._engines[None]
    with _counted(engine.address, tmp_path / "s") as sizes:
        stand_in: Any = _Relayed(f"unix:{tmp_path / 's'}")
        session: Any = connected_by(Channels(stand_in, None))
        rows = session.range(1000).select(F.repeat(F.lit("a"), 1000).alias("text")).toArrow()
        session.client.close()
    assert rows.nbytes > 1_000_000
    assert sum(sizes) > rows.nbytes


def test_rows_may_be_wide(tmp_path: Path) -> None:
    session = session_factory("sail")()
    text = F.repeat(F.sha2(F.col("id").cast("string"), 512), 150)
    session.range(20_000).select(text.alias("text")).write.parquet(f"file://{tmp_path}/wide")
    assert session.read.parquet(f"file://{tmp_path}/wide").toArrow().nbytes > 20_000 * 128 * 150
