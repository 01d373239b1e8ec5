"""How Apache Spark reaches a PostgreSQL whose address is libpq's: the same host, user and password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from reelhouse.errors import ConfigError
from reelhouse.settings import Settings, environment
from reelhouse.storage.postgres_address import MISREAD, misread, shown
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.delta.engine import Engine
    from reelhouse.serve.export.postgresql.jdbc import Jdbc, LoadByJdbc

DRIVER = "org.postgresql:postgresql:42.7.8"

# Parameters with one name in libpq and in the Java driver; others would be ignored silently.
_SHARED = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_OURS = {"application_name": "ApplicationName", "connect_timeout": "connectTimeout"}
_KNOWN = (*_SHARED, *_OURS, "user", "password", "host", "port", "dbname", "keepalives_idle", "tcp_user_timeout")


def load_by_jdbc(settings: Settings, storage: Storage, url: str) -> LoadByJdbc:
    """Loads tables into the database at *url* from the Apache Spark of *settings*."""
    from reelhouse.delta.engine import open_engine
    from reelhouse.engines.session import session_of
    from reelhouse.serve.export.postgresql.jdbc import LoadByJdbc

    jdbc = jdbc_of(url, environment("PG"))
    session = session_of(with_driver(settings), storage)

    @cache
    def engine() -> Engine:
        return open_engine(storage, session())

    return LoadByJdbc(engine, jdbc)


def with_driver(settings: Settings) -> Settings:
    """*settings* whose Spark has PostgreSQL's driver, unless they name one."""
    stated = settings.spark_conf
    packages = [name for name in stated.get("spark.jars.packages", "").split(",") if name]
    if any("postgresql" in name for name in (*packages, stated.get("spark.jars", ""))):
        return settings
    return settings.overridden(spark_conf={**stated, "spark.jars.packages": ",".join([*packages, DRIVER])})


def jdbc_of(url: str, environ: Mapping[str, str]) -> Jdbc:
    """The address *url* for Java, completed from PG... variables in *environ* and from ~/.pgpass as libpq does."""
    from reelhouse.serve.export.postgresql.jdbc import Jdbc

    if misread(url):
        raise ConfigError(f"{shown(url)}: {MISREAD}")
    try:
        parts = urlsplit(url)
        stated_port = parts.port
    except ValueError as exc:
        raise ConfigError("invalid address of a database: postgresql://USER@HOST:PORT/DATABASE is expected") from exc
    query = dict(parse_qsl(parts.query))
    unknown = sorted(query.keys() - set(_KNOWN))
    if unknown:
        raise ConfigError(f"from Spark the database's address may set {', '.join(_KNOWN[:6])}, not {unknown[0]}")
    host = query.get("host") or parts.hostname or environ.get("PGHOST") or "localhost"
    if host.startswith("/"):
        raise ConfigError("Spark cannot use PostgreSQL's socket in a folder: name a host and a port")
    port = query.get("port") or str(stated_port or environ.get("PGPORT") or 5432)
    user = query.get("user") or unquote(parts.username or "") or environ.get("PGUSER", "")
    if not user:
        raise ConfigError("from Spark the database's address must name the user: postgresql://USER@HOST/DATABASE")
    database = query.get("dbname") or unquote(parts.path.lstrip("/")) or environ.get("PGDATABASE") or user
    password = (
        query.get("password")
        or unquote(parts.password or "")
        or environ.get("PGPASSWORD")
        or _from_file(environ, host, port, database, user)
    )
    options = {
        **{name: environ[f"PG{name.upper()}"] for name in _SHARED if environ.get(f"PG{name.upper()}")},
        **{name: query[name] for name in _SHARED if name in query},
        "ApplicationName": query.get("application_name", "reelhouse"),
        "connectTimeout": query.get("connect_timeout", "10"),
        "tcpKeepAlive": "true",
        # Many rows a statement instead of one.
        "reWriteBatchedInserts": "true",
        # Texts take the type of their column.
        "stringtype": "unspecified",
    }
    # IPv6 addresses need brackets, which libpq's `host` and urlsplit leave out.
    named = f"[{host}]" if ":" in host else host
    address = f"jdbc:postgresql://{named}:{port}/{quote(database, safe='')}?{urlencode(options)}"
    return Jdbc(address, {"user": user, **({"password": password} if password else {})})


def _from_file(environ: Mapping[str, str], *wanted: str) -> str:
    """The password that ~/.pgpass has for host, port, database and user; empty where it has none."""
    path = Path(environ.get("PGPASSFILE", "~/.pgpass")).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        *fields, password = [*_fields(line)] or [""]
        if len(fields) == 4 and all(one in ("*", other) for one, other in zip(fields, wanted, strict=True)):
            return password
    return ""


def _fields(line: str) -> Iterator[str]:
    """The fields between colons; a backslash escapes the next character."""
    if line.startswith("#"):
        return
    field, characters = "", iter(line)
    for character in characters:
        if character == ":":
            yield field
            field = ""
        else:
            field += next(characters, "") if character == "\\" else character
    yield field
