"""Sessions by Spark Connect: of Sail, and of an Apache Spark server."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from reelhouse.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TIMEOUT = 10.0
_PORT = 15002

# The client of Spark 4.2 asks for these before it sends rows, and fails where the server does not know them, as that of
# Spark 4.0 does not. Nor does it know tables that are sent in parts: all rows must fit into one message, of 128 MB.
_LIMITS = {
    "spark.sql.session.localRelationSizeLimit": "3221225472",
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": "16777216",
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": "1073741824",
}
_IN_ONE_MESSAGE = {"spark.sql.session.localRelationCacheThreshold": "134217728"}


def connected(address: str) -> SparkSession:
    """A new session on the server at *address*."""
    from pyspark.sql import SparkSession

    with main_with_a_file():
        session: SparkSession = SparkSession.builder.remote(address).create()
    unknown = {name: value for name, value in _LIMITS.items() if session.conf.get(name, None) is None}
    if unknown:
        unknown |= _IN_ONE_MESSAGE
    for name, value in unknown.items():
        session.conf.set(name, value)
    return session


# Otherwise each call of a function of pyspark walks the stack, looks for IPython, and with Java asks it three times: a
# fifth of the time that a small build takes.
UNTRACED = {"spark.python.sql.dataFrameDebugging.enabled": "false"}


def connected_by(channels: Any) -> SparkSession:
    """A new session on the server to which *channels*, a `ChannelBuilder`, opens connections."""
    from pyspark.sql.connect.session import SparkSession as Connected
    from pyspark.util import is_remote_only

    # As pyspark does itself for an address. Where it has nothing but Connect, it needs no hint, and programs that
    # this process starts, with an Apache Spark of their own perhaps, would follow.
    if not is_remote_only():
        os.environ.setdefault("SPARK_CONNECT_MODE_ENABLED", "1")
    session: Any = Connected.builder.channelBuilder(channels).create()
    for name, value in UNTRACED.items():
        if session.conf.get(name, None) is None:
            session.conf.set(name, value)
    return cast("SparkSession", session)


def check_listens(address: str) -> None:
    """Raise `ConfigError` if nothing listens at `scheme://host:port`, which Spark would report only after minutes.

    The text after the port may contain a password and is not shown.
    """
    found = re.match(r"(\w+://)(\[[^]]+\]|[^:/;,]+)(?::(\d+))?", address)
    if found is None:
        raise ConfigError(f"engine: {address.partition('://')[0]}://host:port is expected")
    host, port = found[2].strip("[]"), int(found[3] or _PORT)
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT).close()
    except OSError as exc:
        raise ConfigError(f"engine: nobody answers at {found[1]}{found[2]}:{port} ({exc.strerror or exc})") from exc


@contextmanager
def main_with_a_file() -> Iterator[None]:
    """Work around pyspark-client: it takes `python -c` for a doctest run, looks for a local Spark, and exits."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "<string>"
    try:
        yield
    finally:
        # Left there, processes that multiprocessing starts would look for that file.
        del main.__file__
