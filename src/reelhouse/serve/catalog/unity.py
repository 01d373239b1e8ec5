"""Unity Catalog, of Databricks or on your own server, by its REST API.

Written from the API's published description (unitycatalog/unitycatalog, `api/all.yaml`, version 2.1). The API cannot
change a table's columns, so an entry that differs is dropped and created again: the data stays, but grants on that
table are lost.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

from pyspark.sql import types as T

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.catalog.entries import MARK, CatalogColumn, CatalogEntry
from reelhouse.serve.catalog.registration import FOLDERS, CatalogTable

_PATH = "/api/2.1/unity-catalog"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,254}")
_PAGE = 50
_TIMEOUT = 30.0
_TRIES = 4

# How servers report a missing or an existing object: some by the status, some with 400 and a name.
_ABSENT = (" 404",)
_TAKEN = (" 409", "ALREADY_EXISTS")

_TYPE_NAMES: dict[type[T.DataType], str] = {
    T.StringType: "STRING",
    T.LongType: "LONG",
    T.IntegerType: "INT",
    T.DoubleType: "DOUBLE",
    T.BooleanType: "BOOLEAN",
    T.DateType: "DATE",
    T.TimestampType: "TIMESTAMP",
    T.DecimalType: "DECIMAL",
    T.ArrayType: "ARRAY",
    T.StructType: "STRUCT",
    T.MapType: "MAP",
}


class UnitySchema(NamedTuple):
    """A schema of Unity Catalog."""

    catalog: str
    schema: str

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}"


class UnityCatalogue:
    """One schema of Unity Catalog at *address*; **token* is empty if the server requires none."""

    def __init__(self, address: str, token: str, place: UnitySchema, lake: str) -> None:
        self._http = _Http(address, token)
        self._place = place
        self._lake = lake
        self._found: dict[str, Any] = {}

    def ensure(self, about: str) -> None:
        path = f"/schemas/{_quoted(str(self._place))}"
        found = self._http.ask("GET", path, spared=_ABSENT)
        if found is None:
            schema = {
                "name": self._place.schema,
                "catalog_name": self._place.catalog,
                "comment": about,
                "properties": {MARK: self._lake},
            }
            made = self._http.ask("POST", "/schemas", body=schema, spared=_ABSENT + _TAKEN)
            if made is None and self._http.ask("GET", path, spared=_ABSENT) is None:
                raise ConfigError(
                    f"there is no catalog {self._place.catalog!r} in Unity Catalog: create it, or name another one "
                    "(--database catalog.schema)"
                )
        elif (found.get("properties") or {}).get(MARK) == self._lake and found.get("comment") != about:
            self._http.ask("PATCH", path, body={"comment": about})

    def tables(self) -> list[CatalogTable]:
        self._found = {str(table["name"]): table for table in self._pages()}
        return [CatalogTable(name, self._lake_of(table), _location(table)) for name, table in self._found.items()]

    def put(self, entry: CatalogEntry) -> str:
        wanted = table_body(entry, self._place, self._lake)
        found = self._found.get(entry.name)
        if found is not None and _compared(found) == _compared(wanted):
            return "unchanged"
        if found is not None:
            self.drop(entry.name)
        if self._http.ask("POST", "/tables", body=wanted, spared=_TAKEN) is None:
            # The existing entry may be from our own request, whose response was lost.
            there = self._http.ask("GET", self._path(entry.name))
            if _compared(there) != _compared(wanted):
                raise ReelhouseError(
                    f"another process has just created the table {entry.name} in {self._place}: check it, then retry"
                )
        return "created" if found is None else "updated"

    def drop(self, name: str) -> None:
        self._http.ask("DELETE", self._path(name), spared=_ABSENT)

    def _path(self, name: str) -> str:
        return f"/tables/{_quoted(f'{self._place}.{name}')}"

    def _pages(self) -> Iterator[Any]:
        query = {"catalog_name": self._place.catalog, "schema_name": self._place.schema, "max_results": str(_PAGE)}
        while True:
            answer = self._http.ask("GET", f"/tables?{urllib.parse.urlencode(query)}")
            yield from answer.get("tables") or ()
            # An empty page need not be the last one.
            if not answer.get("next_page_token"):
                return
            query["page_token"] = answer["next_page_token"]

    def _lake_of(self, table: Any) -> str | None:
        """The lake of an entry: by its mark, or by its location, because not every server keeps properties."""
        if mark := (table.get("properties") or {}).get(MARK):
            return str(mark)
        # An entry that a user made for one of these tables has the same location, but another name.
        name = table.get("name")
        ours = _location(table) in {f"{self._lake}/{zone}/{name}" for zone in FOLDERS}
        return self._lake if ours and table.get("table_type") == "EXTERNAL" else None


def parsed_place(database: str) -> UnitySchema:
    """*database* (`catalog.schema`) as a place, or `ConfigError`."""
    parts = database.split(".")
    if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise ConfigError(f"database: catalog.schema is expected for Unity Catalog, not {database!r}")
    return UnitySchema(*parts)


def table_body(entry: CatalogEntry, place: UnitySchema, lake: str) -> dict[str, Any]:
    """Unity Catalog's entry for a table."""
    return {
        "name": entry.name,
        "catalog_name": place.catalog,
        "schema_name": place.schema,
        "table_type": "EXTERNAL",
        "data_source_format": "DELTA",
        "storage_location": entry.location,
        "comment": entry.about,
        "properties": {MARK: lake},
        "columns": [_column(at, column) for at, column in enumerate(entry.columns)],
    }


def _column(position: int, column: CatalogColumn) -> dict[str, Any]:
    field = T.StructField(column.name, column.type, True, {"comment": column.comment})
    made: dict[str, Any] = {
        "name": column.name,
        "type_text": column.type.simpleString(),
        # A complete field of Spark's schema, which servers check since 2026, not only its type.
        "type_json": field.json(),
        "type_name": _TYPE_NAMES[type(column.type)],
        "position": position,
        "comment": column.comment,
        "nullable": True,
    }
    if isinstance(column.type, T.DecimalType):
        made |= {"type_precision": column.type.precision, "type_scale": column.type.scale}
    return made


def _compared(table: Any) -> tuple[Any, ...]:
    """The compared parts of an entry: servers add to it, and format it differently."""
    columns = sorted(table.get("columns") or (), key=lambda one: int(one.get("position") or 0))
    named = tuple((one.get("name"), str(one.get("type_text", "")).lower(), one.get("comment") or "") for one in columns)
    return (_location(table), table.get("comment") or "", table.get("table_type"), named)


def _location(table: Any) -> str:
    return str(table.get("storage_location") or "").rstrip("/")


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


class _ErrorResponse(NamedTuple):
    """An error response: its status, the server's error codes, and its message."""

    status: int
    named: str
    text: str


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: the token must not be sent elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Http:
    """Requests to one server. Idempotent ones are retried if the server or the connection fails."""

    def __init__(self, address: str, token: str) -> None:
        self._root = _checked(address)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "reelhouse"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        # A token goes over HTTP to this machine only, so never through a proxy of the environment.
        proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme == "https"}
        self._opener = urllib.request.build_opener(_NoRedirects(), urllib.request.ProxyHandler(proxies))

    def ask(self, method: str, path: str, *, body: Any = None, spared: tuple[str, ...] = ()) -> Any:
        """The JSON response; None for an error whose status or code ends as one of *spared*."""
        for tried in range(_TRIES):
            last = tried == _TRIES - 1
            try:
                return self._once(method, path, body)
            except urllib.error.HTTPError as exc:
                with exc:
                    refusal = _refusal(exc.code, exc.read())
                if refusal.named.endswith(spared) and spared:
                    return None
                if last or (exc.code < 500 and exc.code != 429) or exc.code == 501:
                    raise self._refused(refusal) from exc
            except (urllib.error.URLError, http.client.HTTPException, OSError) as exc:
                if last:
                    reason = getattr(exc, "reason", None) or type(exc).__name__
                    raise ReelhouseError(f"Unity Catalog at {self._root} cannot be reached: {reason}") from exc
            time.sleep(0.2 * 2**tried)
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, self._headers, method=method)  # noqa: S310
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            text = answer.read()
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError:
            raise ReelhouseError(f"the server at {self._root} is not a Unity Catalog: correct unity_url") from None

    def _refused(self, refusal: _ErrorResponse) -> ReelhouseError:
        status, message = refusal.status, refusal.text
        if status == 401:
            return ConfigError("Unity Catalog refuses this token: correct unity_token (DATABRICKS_TOKEN)")
        if status == 403:
            return ConfigError(f"Unity Catalog: access denied: {message or 'permission missing'} (docs/catalogues.md)")
        if 300 <= status < 400:
            return ConfigError(f"Unity Catalog at {self._root} redirects: correct unity_url (DATABRICKS_HOST)")
        kind = ReelhouseError if status >= 500 or status == 429 else ConfigError
        return kind(f"Unity Catalog says {status}{f': {message}' if message else ''}")


def _checked(address: str) -> str:
    found = address if "://" in address else f"https://{address}"
    parts = urllib.parse.urlsplit(found)
    if not address:
        raise ConfigError(
            "Unity Catalog's address is missing: set unity_url or DATABRICKS_HOST (https://workspace, "
            "http://localhost:8080)"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ConfigError("unity_url: an address such as https://workspace or http://localhost:8080 is expected")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(_PATH)}{_PATH}"


def _refusal(status: int, body: bytes) -> _ErrorResponse:
    """A server's error message."""
    try:
        found = json.loads(body)
        named, text = str(found.get("error_code") or ""), str(found.get("message") or "")
    except (ValueError, AttributeError):
        named, text = "", ""
    return _ErrorResponse(
        status, f"{named} {status}" if status in (404, 409) else named, " ".join((text or named).split())[:300]
    )
