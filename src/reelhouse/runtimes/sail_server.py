"""Sail's server: in this process, or as one of its own that prints its port and ends with its user."""

from __future__ import annotations

import os
import sys
from typing import Any

_SETTINGS = {
    # Sail logs every session it makes; what goes wrong reaches the client as an error anyway.
    "RUST_LOG": "error",
    # Sail forgets who is silent for long, and a prompt is. The server ends with its user, so nothing piles up.
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(366 * 86_400),
}


def start() -> tuple[Any, int]:
    """A server on loopback, which ends with the object that stands for it, and its port."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    return server, port


def runs_here() -> bool:
    """Whether this process is Sail's, as it is for the data sources that it runs."""
    return "pysail" in sys.modules


def main() -> None:
    """Serve until the input ends."""
    server, port = start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
