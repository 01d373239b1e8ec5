"""Sessions on Apache Spark: started here (in this process, or as the driver of a cluster), from a Connect server, or
in a Spark that is already running."""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from reelhouse.engines.class_archive import archive_option, remove_archive
from reelhouse.engines.credential_server import engine_environ
from reelhouse.engines.spark_connect import UNTRACED, check_listens, connected
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.settings import cache_folder
from reelhouse.storage.credentials import S3Access

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark import SparkConf
    from pyspark.sql import SparkSession


class Jars(NamedTuple):
    """The jars that a version of Apache Spark needs for S3: S3A of its Hadoop, and an AWS SDK that S3A works with."""

    hadoop: str
    sdk: str


# By the version of Spark; these were tested together.
JARS = {
    "4.0": Jars("3.4.1", "2.29.52"),
    "4.2": Jars("3.5.0", "2.35.4"),
}

# S3A needs a fiftieth of the SDK, and Spark has Hadoop's client: without this each executor would get 740 MB.
_SDK = ("s3", "s3-transfer-manager", "sts")
_NOT_NEEDED = (
    "software.amazon.awssdk:bundle",
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
)

_STARTED = {
    "spark.app.name": "reelhouse",
    "spark.ui.showConsoleProgress": "false",
    **UNTRACED,
}

# On one machine: no UI, because it would end with the command; and Spark's ports are closed to the network and to
# other users.
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
}

# Below so many answers a build costs what it compiles and plans: Java's first compiler and one thread for its garbage
# are cheaper then, and plans that are neither split nor planned again while they run. Above, the second compiler, all
# cores and Spark's own defaults pay. The first compiler alone gets room for 48 MB of code, which a build of all tables
# fills; Java would interpret the rest.
_FEW_ANSWERS = 20_000
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_FOR_FEW = {
    _JAVA_OPTIONS: "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
_FOR_MANY = {_JAVA_OPTIONS: "-XX:+UseParallelGC"}

# Set in each session that does not set them itself.
_SPARK_SETTINGS = {
    # The default, INT96, is obsolete for other readers of Parquet.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}

_S3A = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_ENCRYPTIONS = {"sse-s3": "AES256", "sse-kms": "SSE-KMS"}

_TOO_OLD = "Apache Spark 4.0 or newer is needed"
_BY_CONNECT = "this session uses Spark Connect"

_master = re.compile(r"local(\[(\d+|\*)(,\d+)?\])?|spark://.+|yarn")


def check_master(master: str) -> None:
    """Raise `ConfigError` if *master* is not an address of Apache Spark that reelhouse knows."""
    if not _master.fullmatch(master):
        raise ConfigError(
            f"engine: sail, local[N], sc://host:port, spark://host:port or yarn is expected, not {master!r}"
        )


def spark_session(master: str, stated: Mapping[str, str], access: S3Access | None) -> SparkSession:
    """A new session on Apache Spark, which is started with *stated* over our defaults if it does not run yet."""
    from pyspark import SparkContext

    with _starting:
        if SparkContext._active_spark_context is None:
            _start(master, stated, access)
            _borrowers[:] = [_caller(access)]
        elif access and _borrowers and _borrowers != [_caller(access)]:
            raise ConfigError(
                "engine: Apache Spark was started in this process for another place than this lake in S3. It keeps "
                "its credentials: open the lake in a separate process"
            )
    from pyspark.sql import SparkSession

    return adopted(SparkSession.builder.getOrCreate(), stated, access)


# The AWS caller of this process's Java, if we started it.
_borrowers: list[str | None] = []


def _caller(access: S3Access | None) -> str | None:
    return access.options.profile if access else None


def connect_session(address: str, stated: Mapping[str, str]) -> SparkSession:
    """A new session on a Spark Connect server, which reaches S3 with its own credentials."""
    check_listens(address)
    session = connected(address)
    _check_version(session)
    for name in stated.keys() - set(_settable(session, stated)):
        print(f"reelhouse: spark_conf: {name} is ignored: it must be given when the server starts", file=sys.stderr)
    return _set(session, {**_SPARK_SETTINGS, **stated})


def adopted(
    session: SparkSession, stated: Mapping[str, str] | None = None, access: S3Access | None = None
) -> SparkSession:
    """A new session in the Spark of *session* (of a spark-submit, a notebook, Glue), which is not changed.

    Raises `ConfigError` for a session of Spark Connect, where neither a new session nor Java is available.
    """
    _check_version(session)
    if not hasattr(session, "newSession"):
        raise ConfigError(
            f"engine: {_BY_CONNECT}: start the job with spark-submit or on a dedicated cluster, or let "
            "`reelhouse build --spark sc://host:port` ask that server"
        )
    from reelhouse.delta.engine import TASKS_AT_ONCE

    mine = session.newSession()
    found = {TASKS_AT_ONCE: str(session.sparkContext.defaultParallelism), **dict(s3a_conf(access) if access else ())}
    if access and session.sparkContext._jsc.hadoopConfiguration().get("fs.s3.impl") is None:
        # A lake's address says s3://, which plain Spark must map to S3A; EMR and Glue know it.
        found["fs.s3.impl"] = _S3A
    return _set(mine, {**_SPARK_SETTINGS, **found, **(stated or {})})


def _check_version(session: SparkSession) -> None:
    if int(session.version.partition(".")[0]) < 4:
        raise ConfigError(f"engine: {_TOO_OLD}, and this is {session.version}")


def _set(session: SparkSession, conf: Mapping[str, str]) -> SparkSession:
    for name in _settable(session, conf):
        session.conf.set(name, conf[name])
    return session


def _settable(session: SparkSession, conf: Mapping[str, str]) -> list[str]:
    """The names that a session may set, including Hadoop's, which Spark does not know."""
    return [name for name in conf if not name.startswith("spark.") or session.conf.isModifiable(name)]


def s3a_conf(access: S3Access) -> Iterator[tuple[str, str]]:
    """Hadoop settings with which S3A reaches the lake's bucket; no credentials, which are never written."""
    of = f"fs.s3a.bucket.{access.bucket}." if access.bucket else "fs.s3a."
    yield f"{of}endpoint.region", access.region
    if not re.search(r"\.amazonaws\.com(\.cn)?$", access.endpoint):
        yield f"{of}endpoint", access.endpoint
        yield f"{of}path.style.access", "true"
        yield f"{of}connection.ssl.enabled", str(access.endpoint.startswith("https://")).lower()
    encryption = "sse-kms" if access.options.kms_key else access.options.encryption
    if encryption:
        yield f"{of}encryption.algorithm", _ENCRYPTIONS[encryption]
    if access.options.kms_key:
        yield f"{of}encryption.key", access.options.kms_key


_starting = threading.Lock()


def started_conf(
    master: str, version: str, there: set[str], stated: Mapping[str, str], access: S3Access | None
) -> dict[str, str]:
    """The settings with which Apache Spark of *version* starts, *stated* over ours; *there* are names of its jars.

    Raises `ConfigError` if the jars for that version are unknown.
    """
    ours = {"spark.master": master, **_STARTED}
    if master.startswith("local"):
        ours |= {**_LOCAL, "spark.sql.shuffle.partitions": _partitions(master), "spark.driver.memory": _driver_memory()}
    if access:
        ours["spark.hadoop.fs.s3.impl"] = _S3A
        ours |= {f"spark.hadoop.{name}": value for name, value in s3a_conf(access)}
    packages = _packages(version, there, stated, with_s3=access is not None)
    if packages:
        # Our own folder: a Maven repository that other programs have filled in part stops the download of jars.
        ours |= {
            "spark.jars.ivy": str(_kept("ivy")),
            "spark.jars.excludes": ",".join(_NOT_NEEDED),
        }
    return {**ours, **stated, **({"spark.jars.packages": ",".join(packages)} if packages else {})}


def conf_for(master: str, answers: int) -> dict[str, str]:
    """Settings of Spark and of its Java where it runs here, by the number of *answers* that a build is about."""
    if not master.startswith("local"):
        return {}
    return _FOR_FEW if answers < _FEW_ANSWERS else _FOR_MANY


def _packages(version: str, there: set[str], stated: Mapping[str, str], *, with_s3: bool) -> list[str]:
    """Maven's names of the jars that are neither present nor in *stated*."""
    found = [name for name in stated.get("spark.jars.packages", "").split(",") if name]
    has = [*found, *there, *stated.get("spark.jars", "").split(",")]
    if not with_s3 or any("hadoop-aws" in one for one in has):
        return found
    known = JARS.get(".".join(version.split(".")[:2]))
    if known is None:
        raise ConfigError(
            f"engine: which hadoop-aws goes with Spark {version} is unknown (known: {', '.join(JARS)}); "
            "name it in spark_conf as spark.jars.packages"
        )
    sdk = [f"software.amazon.awssdk:{part}:{known.sdk}" for part in _SDK]
    return [*found, f"org.apache.hadoop:hadoop-aws:{known.hadoop}", *sdk]


def _kept(name: str) -> Path:
    """The user's folder *name* of what is dear to get. Not below `cache_folder`, which tests and services empty."""
    try:
        return Path("~/.cache/reelhouse", name).expanduser()
    except RuntimeError:
        # A user without a home, as in some containers.
        return cache_folder() / "reelhouse" / name


def _partitions(master: str) -> str:
    """One per core of `local[N]`, at least four: adaptive execution merges partitions, but never adds any."""
    cores = re.search(r"\d+|\*", master)
    found = 1 if cores is None else (os.cpu_count() or 1) if cores[0] == "*" else int(cores[0])
    return str(max(4, found))


def _driver_memory() -> str:
    """Half of this machine's, at most four gigabytes: all of Spark runs in the driver."""
    try:
        megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (OSError, ValueError, AttributeError):
        megabytes = 4096
    return f"{max(1024, min(4096, megabytes // 2))}m"


def _start(master: str, stated: Mapping[str, str], access: S3Access | None) -> None:
    """Start Apache Spark in this process and its children."""
    from pyspark import SparkConf, SparkContext
    from pyspark.version import __version__ as version

    _leave_connect()
    java = _java()
    if master.startswith("spark://"):
        check_listens(master.partition(",")[0])
    from pyspark.find_spark_home import _find_spark_home

    jars = Path(_find_spark_home(), "jars")
    there = {path.name for path in jars.glob("*.jar")}
    conf = SparkConf(loadDefaults=False)
    for name, value in started_conf(master, version, there, stated, access).items():
        conf.set(name, value)
    options = conf.get(_JAVA_OPTIONS)
    ours = options in (_FOR_FEW[_JAVA_OPTIONS], _FOR_MANY[_JAVA_OPTIONS])
    archive = archive_option(_kept("java"), java, jars) if ours else ""
    with _environment(access):
        try:
            gateway = _launched(conf, f"{options} {archive}" if archive else options)
        except ReelhouseError as exc:
            # A mistake of the user's is not the archive's.
            if isinstance(exc, ConfigError) or not remove_archive(archive):
                raise
            gateway = _launched(conf, options)
    # Without `conf`: Java has it already, with Maven's jars added, and executors get the jars from Java.
    context = SparkContext(gateway=gateway)
    context.setLogLevel("ERROR")


def _leave_connect() -> None:
    """Drop what a process that used Spark Connect passes on to those that it starts.

    Raises `ConfigError` where this process uses Spark Connect itself: pyspark has one of the two in a process.
    """
    if "pyspark.sql.connect.session" in sys.modules:
        raise ConfigError("engine: this process has used Spark Connect already: start Apache Spark in another process")
    for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE"):
        os.environ.pop(name, None)


def _launched(conf: SparkConf, options: str | None) -> JavaGateway:
    """The way to a Java that was started with these *options*; its output is shown only if it does not start."""
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    if options is not None:
        conf.set(_JAVA_OPTIONS, options)
    output = _Output()
    try:
        gateway = launch_gateway(conf, {"stdout": output.pipe, "stderr": output.pipe})  # type: ignore[no-untyped-call]
    except PySparkException as exc:
        raise _not_started(output.ended()) from exc
    output.goes_on()
    return gateway


class _Output:
    """Java's output: kept while it starts, then passed to our stderr."""

    def __init__(self) -> None:
        reading, self.pipe = os.pipe()
        self._lines: list[str] = []
        self._started = threading.Event()
        stream = os.fdopen(reading, encoding="utf-8", errors="replace")
        self._listener = threading.Thread(target=self._listen, args=(stream,), name="spark", daemon=True)
        self._listener.start()

    def _listen(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                if self._started.is_set():
                    os.write(2, line.encode())
                else:
                    self._lines.append(line)

    def goes_on(self) -> None:
        """Java has started and is the pipe's only writer."""
        self._started.set()
        os.close(self.pipe)

    def ended(self) -> str:
        """The whole output; Java has ended."""
        os.close(self.pipe)
        self._listener.join(5)
        return "".join(self._lines)


@contextmanager
def _environment(access: S3Access | None) -> Iterator[None]:
    """During a start, set the environment by which Java gets this process's credentials.

    Python that Java starts imports nothing from the working directory, which may be somebody else's lake.
    """
    before = dict(os.environ)
    if access:
        _replace(engine_environ(access, before, without=("AWS_",)))
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        _replace(before)


def _replace(environ: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    os.environ.update(environ)


def _java() -> Path:
    """The Java that starts Spark."""
    home = os.environ.get("JAVA_HOME")
    found = Path(home, "bin", "java") if home else Path(shutil.which("java") or "")
    if not found.is_file():
        where = f"JAVA_HOME is {home!r} and has none" if home else "none is installed"
        raise ConfigError(f"engine: Apache Spark needs Java 17, and {where}: install one, or use engine = 'sail'")
    return found


_MISSING = re.compile(r"UNRESOLVED DEPENDENC|unresolved dependency|download failed|Could not find artifact", re.I)


def _not_started(output: str) -> ReelhouseError:
    """Why Java ended, as far as its output says."""
    if _MISSING.search(output):
        names = sorted(set(re.findall(r"(?:unresolved dependency: |not found: )([\w.#;:-]+)", output)))
        return ConfigError(
            f"engine: jars could not be fetched from Maven ({', '.join(names) or 'by spark.jars.packages'}): check "
            "the network, or put them into the folder jars/ of Apache Spark"
        )
    if "UnsupportedClassVersionError" in output or "Unrecognized option" in output or "requires Java" in output:
        return ConfigError("engine: this Java is too old for Apache Spark 4, which needs Java 17: set JAVA_HOME")
    lines = [line.strip() for line in output.splitlines() if re.search(r"exception|error", line, re.I)]
    return ReelhouseError(f"Apache Spark did not start: {lines[0] if lines else 'it printed nothing'}"[:400])
