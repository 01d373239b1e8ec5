"""Sessions of the table engine: Sail in this process, or Apache Spark. Nothing else of the package knows which."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelhouse.build.roots import check_root
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.runtimes import sail_server
from reelhouse.settings import Settings
from reelhouse.storage.access import Accessible, S3Access
from reelhouse.storage.protocol import Storage

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

_ENCRYPTIONS = {"sse-s3": "AES256", "sse-kms": "aws:kms"}

# Servers that this process started, and what keeps them alive: one for each way to S3, one for folders.
_servers: dict[Any, str] = {}
_alive: list[Any] = []


def session_of(settings: Settings, storage: Storage) -> SessionFactory:
    """The session for the tables of the lake in *storage*, made when it is first called.

    Raises `ConfigError` where there can be none, so that nobody learns of it after nine hours of collecting.
    """
    check_root(storage)
    return session_factory(settings.engine, storage.access() if isinstance(storage, Accessible) else None)


def session_factory(engine: str, access: S3Access | None = None) -> SessionFactory:
    """Makes a session of *engine* when it is first called, and gives the same one from then on.

    `sail` runs in this process, `local[N]` is Apache Spark in this process (Java 17), `sc://host:port` a Spark
    Connect server. *access* is that of a lake in S3; Sail then runs in a process beside this one, since it finds its
    way to S3 by an environment. Two factories give two sessions on one engine, so that the views of two lakes do not
    meet. Raises `ConfigError` where what the engine needs is not installed, or clashes.
    """
    if engine != "sail" and not engine.startswith(("local", "sc://", "spark://", "yarn")):
        raise ConfigError(f"engine: sail, local[N] or sc://host:port is expected, not {engine!r}")
    if access is not None and engine != "sail" and not engine.startswith("sc://"):
        raise ConfigError(
            f"engine: {engine!r} does not reach a lake in S3 yet: use sail, or a Spark Connect server that does"
        )
    check_installed(engine)
    return cache(lambda: _configured(_session(engine, access)))


def _session(engine: str, access: S3Access | None) -> SparkSession:
    if engine == "sail":
        session = _connect(_sail(access))
        from pyspark.sql.connect.client.retries import DefaultPolicy

        # Nothing lies between: what does not answer has ended, and ten minutes of asking would not bring it back.
        session.client.set_retry_policies([DefaultPolicy(max_retries=4)])
        return session
    return _connect(engine) if engine.startswith("sc://") else _start_spark(engine)


def _sail(access: S3Access | None) -> str:
    """The address of Sail, started where it does not run yet."""
    key = (access.endpoint, access.region, access.options) if access else None
    if key not in _servers:
        _servers[key] = f"sc://127.0.0.1:{_start_sail() if access is None else _start_sail_beside(access)}"
    return _servers[key]


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


def _start_sail() -> int:
    server, port = sail_server.start()
    _alive.append(server)
    return port


def _start_sail_beside(access: S3Access) -> int:
    # A session of its own, so that a Ctrl-C at a prompt ends the query and not the engine.
    server = subprocess.Popen(
        [sys.executable, "-m", "reelhouse.runtimes.sail_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=engine_environ(access, os.environ),
        start_new_session=True,
    )
    atexit.register(_end, server)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port:
        raise ReelhouseError(f"the table engine ended with code {server.wait()} before it was ready")
    return int(port)


def _end(server: subprocess.Popen[str]) -> None:
    # Its input ends with this process anyway; this waits for it.
    server.kill()
    server.communicate()


def engine_environ(access: S3Access, environ: Mapping[str, str]) -> dict[str, str]:
    """*environ* for an engine that reaches S3 as *access* says, and gets its credentials from this process."""
    from reelhouse.runtimes.lending import lend

    # What a person has set was read by boto3 already; the engine would read some of it otherwise.
    ours = ("AWS_", "REELHOUSE_", "TMDB_")
    found = {name: value for name, value in environ.items() if not name.startswith(ours)}
    found |= {
        **lend(access.credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": access.region,
        "AWS_ENDPOINT": access.endpoint,
        "AWS_ALLOW_HTTP": "true" if access.endpoint.startswith("http://") else "false",
    }
    if access.options.kms_key:
        return {**found, "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms", "AWS_SSE_KMS_KEY_ID": access.options.kms_key}
    if access.options.encryption:
        found["AWS_SERVER_SIDE_ENCRYPTION"] = _ENCRYPTIONS[access.options.encryption]
    return found


def _connect(address: str) -> SparkSession:
    from pyspark.sql import SparkSession

    with _main_with_a_file():
        session: SparkSession = SparkSession.builder.remote(address).create()
    return session


@contextmanager
def _main_with_a_file() -> Iterator[None]:
    """pyspark-client takes `python -c` for a doctest run, looks for a Spark that is not there, and exits."""
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
    return session.newSession()


def _configured(session: SparkSession) -> SparkSession:
    for name, value in _SETTINGS.items():
        session.conf.set(name, value)
    return session
