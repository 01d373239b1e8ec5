"""Sessions of the table engine: Sail in its own process, or Apache Spark. No other module knows which."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

from reelhouse.delta.address import check_root, gone_files
from reelhouse.errors import ConfigError, pip_install
from reelhouse.settings import Settings
from reelhouse.storage.credentials import Accessible, S3Access
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SessionFactory = Callable[[], "SparkSession"]

# Timestamps are UTC. A value that does not fit is NULL (and counted) and does not end the build.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
}

# Bytes of address space with which Sail starts at all.
_LEAST_MEMORY = 1 << 30

# How notebooks show a DataFrame: as a table of its first rows.
_SHOWN = {
    "spark.sql.repl.eagerEval.enabled": "true",
    "spark.sql.repl.eagerEval.maxNumRows": "20",
    "spark.sql.repl.eagerEval.truncate": "80",
}


def session_of(settings: Settings, storage: Storage, answers: Callable[[], int] | None = None) -> SessionFactory:
    """The session for the tables of the lake in *storage*, made when it is first called.

    *answers* tells then how many a build is about: Apache Spark is started for a short or a long one. Without it the
    session is a reader's: a query is a `LakeError` if another build has removed its files.
    Raises `ConfigError` if no session is possible, before and not after nine hours of collecting.
    """
    check_root(storage)
    access = storage.access() if isinstance(storage, Accessible) else None
    # A build holds the lock, and nobody else removes files.
    gone = None if answers else partial(gone_files, storage)
    return session_factory(settings.engine, access, settings.spark_conf, settings.shared_machine_ok, answers, gone)


def _check_memory() -> None:
    """Raise `ConfigError` where this shell limits memory so far that the libraries would abort without a message."""
    if sys.platform == "win32":
        return
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY and allowed < _LEAST_MEMORY:
        raise ConfigError(
            f"this shell allows a process {allowed >> 20:,} MB of address space, and the table engine needs at least "
            f"{_LEAST_MEMORY >> 20:,} MB: raise the limit (ulimit -v unlimited)"
        )


def session_factory(
    engine: str,
    access: S3Access | None = None,
    stated: Mapping[str, str] | None = None,
    shared_machine_ok: bool = False,
    answers: Callable[[], int] | None = None,
    gone: Callable[[set[str]], list[str]] | None = None,
) -> SessionFactory:
    """A factory that makes a session of *engine* on its first call and then returns the same one.

    `sail` runs in its own process; `local[N]`, `spark://host:port` and `yarn` are Apache Spark (Java 17) with
    its driver in this process, `sc://host:port` a Spark Connect server. *access* is that of a lake in S3, *stated* are
    the user's own Spark settings, which override ours. Two factories give two sessions on one engine, so views of two
    lakes do not collide. *gone* tells which of some files are not there any more, which Sail takes for empty.
    Raises `ConfigError` if the engine's packages are missing or clash, and, unless *shared_machine_ok*, if other
    people's processes could reach Sail.
    """
    stated = dict(stated or {})
    check_engine(engine)
    check_installed(engine)
    _warn(stated)
    if engine == "sail":
        from reelhouse.engines.sail import check_private, sail_session

        _check_memory()
        if not shared_machine_ok:
            check_private()
        return _kept(lambda: _configured(sail_session(access, shared_machine_ok, gone), stated))
    return cache(lambda: _configured(_spark_session(engine, access, stated, answers), stated))


def _kept(make: SessionFactory) -> SessionFactory:
    """A factory that returns one session, and another where that one was ended with its engine."""
    made: list[Any] = []

    def session() -> SparkSession:
        if not made or made[0].is_stopped:
            made[:] = [make()]
        return cast("SparkSession", made[0])

    return session


def check_engine(engine: str) -> None:
    """Raise `ConfigError` if *engine* does not name an engine."""
    if engine != "sail" and not engine.startswith("sc://"):
        from reelhouse.engines.spark import check_master

        check_master(engine)


def _spark_session(
    engine: str, access: S3Access | None, stated: Mapping[str, str], answers: Callable[[], int] | None
) -> SparkSession:
    from reelhouse.engines.spark import conf_for, connect_session, spark_session

    if engine.startswith("sc://"):
        return connect_session(engine, stated)
    options = conf_for(engine, answers()) if answers else {}
    return spark_session(engine, {**options, **stated}, access)


def adopted_by(settings: Settings, storage: Storage, spark: SparkSession) -> SessionFactory:
    """As `session_of`, with a new session in a running Spark: of a spark-submit, a notebook, Glue, EMR."""
    check_root(storage)
    _warn(settings.spark_conf)
    from reelhouse.engines.spark import adopted

    access = storage.access() if isinstance(storage, Accessible) else None
    return cache(lambda: _configured(adopted(spark, settings.spark_conf, access), settings.spark_conf))


def _warn(stated: Mapping[str, str]) -> None:
    """Warn about the user's settings that change rows; they are used anyway."""
    for name, value in _SETTINGS.items():
        if stated.get(name, value).lower() != value.lower():
            warning = (
                f"{name} = {stated[name]} instead of {value} changes rows from what is documented, or ends the build"
            )
            print(f"reelhouse: spark_conf: {warning}", file=sys.stderr)


def check_installed(engine: str) -> None:
    """Raise `ConfigError` if packages of *engine* are missing or clash."""
    full, client, sail = _version("pyspark"), _version("pyspark-client"), _version("pysail")
    if full and client:
        raise ConfigError(
            f"pyspark {full} and pyspark-client {client} are installed in one environment and overwrite each other's "
            f"files: keep one of them (reelhouse changes neither), or use a separate environment: {pip_install('lake')}"
        )
    if engine == "sail" and not (sail and client):
        clash = f" (pyspark {full} is installed and would clash: use a separate environment)" if full else ""
        raise ConfigError(f"the table engine is not installed; install it with: {pip_install('lake')}{clash}")
    if engine.startswith("sc://") and not (client or full):
        raise ConfigError(f"a Spark client is not installed; install one with: {pip_install('lake')}")
    if not engine.startswith(("sail", "sc://")) and not full:
        raise ConfigError(
            f"engine: {engine!r} needs Apache Spark, which is not installed; in a separate environment: "
            f"{pip_install('spark')}"
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _configured(session: SparkSession, stated: Mapping[str, str]) -> SparkSession:
    for name, value in {**_SETTINGS, **_SHOWN}.items():
        session.conf.set(name, stated.get(name, value))
    return session


def release(session: SparkSession) -> None:
    """End a session of `session_of`. Classic Spark's engine is shared with others of the process and keeps running."""
    # Classic Spark has Connect's attributes too, and raises when they are read.
    if type(session).__module__.startswith("pyspark.sql.connect"):
        session.stop()
