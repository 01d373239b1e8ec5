"""Sail in a process of its own: prints its port, and ends with whoever holds the other end of its input."""

from __future__ import annotations

import os
import sys


def main() -> None:
    # Sail logs every session it makes; what goes wrong reaches the client as an error anyway.
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    print(port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
