"""Sessions of the table engine: Sail in this process, or Apache Spark. Nothing else of the package knows which."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelhouse.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SessionFactory = Callable[[], "SparkSession"]

# Instants are UTC, and a value that does not fit is NULL (and counted) instead of the end of the build.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
}

_DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
_CLASSIC = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Delta's default of fifty tasks to read a table's log of a few lines would cost more than the tables.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_INSTALL = 'pip install "reelhouse[lake]"'

_started: dict[str, Any] = {}


def session_factory(engine: str) -> SessionFactory:
    """Makes the session of *engine* when it is first called, and gives the same one from then on.

    `sail` runs in this process, `local[N]` is Apache Spark in this process (Java 17), `sc://host:port` a Spark
    Connect server. Raises `ConfigError` where what the engine needs is not installed, or clashes.
    """
    if engine != "sail" and not engine.startswith(("local", "sc://", "spark://", "yarn")):
        raise ConfigError(f"engine: sail, local[N] or sc://host:port is expected, not {engine!r}")
    check_installed(engine)

    def session() -> SparkSession:
        if engine not in _started:
            _started[engine] = _configured(_start(engine))
        found: SparkSession = _started[engine]
        return found

    return session


def _start(engine: str) -> SparkSession:
    if engine == "sail":
        return _start_sail()
    if engine.startswith("sc://"):
        return _connect(engine)
    return _start_spark(engine)


def check_installed(engine: str) -> None:
    """Raise `ConfigError` where what *engine* needs is not installed, or clashes."""
    full, client, sail = _version("pyspark"), _version("pyspark-client"), _version("pysail")
    if full and client:
        raise ConfigError(
            f"pyspark {full} and pyspark-client {client} are installed in one environment and overwrite each other's "
            f"files: keep one of them (reelhouse changes neither), or use an environment of its own: {_INSTALL}"
        )
    if engine == "sail" and not (sail and client):
        beside = f" (pyspark {full} is here and would clash: use an environment of its own)" if full else ""
        raise ConfigError(f"the table engine is not installed; install it with: {_INSTALL}{beside}")
    if engine.startswith("sc://") and not (client or full):
        raise ConfigError(f"a Spark client is not installed; install one with: {_INSTALL}")
    if not engine.startswith(("sail", "sc://")) and not full:
        raise ConfigError(
            f"engine: {engine!r} needs Apache Spark, which is not installed; in an environment of its own: "
            'pip install "reelhouse[spark]"'
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _start_sail() -> SparkSession:
    # Sail logs every session it makes; what goes wrong reaches us as an error anyway.
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    # The server ends with the object that stands for it.
    _started["sail server"] = server
    _, port = server.listening_address
    return _connect(f"sc://127.0.0.1:{port}")


def _connect(address: str) -> SparkSession:
    from pyspark.sql import SparkSession

    main = sys.modules["__main__"]
    if not hasattr(main, "__file__"):
        # pyspark-client takes `python -c` for a doctest run, looks for a Spark that is not there, and exits.
        main.__file__ = "<string>"
    session: SparkSession = SparkSession.builder.remote(address).getOrCreate()
    return session


def _start_spark(master: str) -> SparkSession:
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder.master(master).appName("reelhouse")
    for name, value in {**_CLASSIC, **_SETTINGS}.items():
        builder = builder.config(name, value)
    # A folder of our own: a Maven repository that others fill half stops the download of the jars.
    ivy = Path.home() / ".cache" / "reelhouse" / "ivy"
    session: SparkSession = (
        builder.config("spark.jars.packages", _DELTA).config("spark.jars.ivy", str(ivy)).getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session


def _configured(session: SparkSession) -> SparkSession:
    for name, value in _SETTINGS.items():
        session.conf.set(name, value)
    return session
