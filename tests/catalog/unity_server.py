"""A Unity Catalog that really answers over HTTP, and takes nothing that the published API would refuse.

Its shapes are those of `api/all.yaml` of github.com/unitycatalog/unitycatalog (version 2.1 of the API, and the checks
of `type_json` that the server has made since April 2026); what it leaves out is what reelhouse never asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import jsonschema
from aiohttp import web

from tests.serving import json as answer

ROOT = "/api/2.1/unity-catalog"

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}

_PLAIN = ["BOOLEAN", "BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "STRING", "BINARY"]
_TYPE_NAMES = [*_PLAIN, "TIMESTAMP_NTZ", "DECIMAL", "INTERVAL", "ARRAY", "STRUCT", "MAP", "VARIANT", "CHAR", "NULL"]

_COLUMN = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "type_text", "type_json", "type_name", "position"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "type_text": {"type": "string", "minLength": 1},
        "type_json": {"type": "string"},
        "type_name": {"enum": _TYPE_NAMES},
        "type_precision": {"type": "integer"},
        "type_scale": {"type": "integer"},
        "position": {"type": "integer", "minimum": 0},
        "comment": {"type": "string"},
        "nullable": {"type": "boolean"},
    },
}

_CREATE_TABLE = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("name", "catalog_name", "schema_name", "table_type", "data_source_format", "columns", "storage_location")
    ],
    "properties": {
        "name": {"type": "string"},
        "catalog_name": {"type": "string"},
        "schema_name": {"type": "string"},
        # "Only external table creation is supported"; on Databricks external Delta tables alone.
        "table_type": {"const": "EXTERNAL"},
        "data_source_format": {"const": "DELTA"},
        "columns": {"type": "array", "items": _COLUMN},
        "storage_location": {"type": "string", "pattern": "^s3://[^/]+/.*[^/]$"},
        "comment": {"type": "string"},
        "properties": _TEXTS,
    },
}

_CREATE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "catalog_name"],
    "properties": {
        "name": {"type": "string"},
        "catalog_name": {"type": "string"},
        "comment": {"type": "string"},
        "properties": _TEXTS,
    },
}

_UPDATE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"comment": {"type": "string"}, "properties": _TEXTS, "new_name": {"type": "string"}},
}


class UnityServer:
    """Catalogs, schemas and tables in memory. Pages are short, and every other one is empty."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.catalogs = {"films"}
        self.schemas: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        # A server that does not keep properties of tables.
        self.keeps_properties = True
        self.page = 7
        # What is answered instead, for a test that wants something odd.
        self.instead: Callable[[str, str], web.Response | None] = lambda method, path: None
        # Where a reader of a table gets its keys: asked by delta-rs, never by reelhouse.
        self.keys: dict[str, str] = {}

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What was asked that changes anything."""
        return [(method, path) for method, path in self.calls if method != "GET"]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = unquote(request.path).removeprefix(ROOT)
        self.calls.append((request.method, path))
        if (odd := self.instead(request.method, path)) is not None:
            return odd
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return refused(401, "UNAUTHENTICATED", "no such token")
        body = json.loads(await request.read() or b"null")
        try:
            return self._routed(request, path, body)
        except jsonschema.ValidationError as exc:
            return refused(400, "INVALID_ARGUMENT", exc.message)

    def _routed(self, request: web.BaseRequest, path: str, body: Any) -> web.Response:
        _, kind, *rest = path.split("/")
        method = request.method
        if kind == "schemas":
            return self._create_schema(body) if not rest else self._schema(method, rest[0], body)
        if kind == "tables" and not rest:
            return self._create_table(body) if method == "POST" else self._list(request.query)
        if kind == "tables":
            return self._table(method, rest[0])
        if kind == "temporary-table-credentials" and method == "POST":
            return answer({"aws_temp_credentials": self.keys, "expiration_time": 4_000_000_000_000, "url": "s3://"})
        return refused(404, "ENDPOINT_NOT_FOUND", path)

    def _create_schema(self, body: Any) -> web.Response:
        jsonschema.validate(body, _CREATE_SCHEMA)
        name = f"{body['catalog_name']}.{body['name']}"
        if body["catalog_name"] not in self.catalogs:
            return refused(404, "CATALOG_NOT_FOUND", f"Catalog not found: {body['catalog_name']}")
        if name in self.schemas:
            return refused(400, "SCHEMA_ALREADY_EXISTS", f"Schema already exists: {name}")
        self.schemas[name] = {**body, "full_name": name}
        return answer(self.schemas[name])

    def _schema(self, method: str, name: str, body: Any) -> web.Response:
        if name not in self.schemas:
            return refused(404, "SCHEMA_NOT_FOUND", f"Schema not found: {name}")
        if method == "PATCH":
            jsonschema.validate(body, _UPDATE_SCHEMA)
            self.schemas[name].update(body)
        return answer(self.schemas[name])

    def _create_table(self, body: Any) -> web.Response:
        jsonschema.validate(body, _CREATE_TABLE)
        assert [column["position"] for column in body["columns"]] == list(range(len(body["columns"])))
        for column in body["columns"]:
            _check_type(column)
        schema = f"{body['catalog_name']}.{body['schema_name']}"
        if schema not in self.schemas:
            return refused(404, "SCHEMA_NOT_FOUND", f"Schema not found: {schema}")
        name = f"{schema}.{body['name']}"
        if name in self.tables:
            return refused(400, "TABLE_ALREADY_EXISTS", f"Table already exists: {name}")
        self.tables[name] = {**body, "table_id": f"id-of-{name}", "owner": "somebody", "created_at": 1, "updated_at": 1}
        if not self.keeps_properties:
            self.tables[name]["properties"] = {}
        return answer(self.tables[name])

    def _table(self, method: str, name: str) -> web.Response:
        if name not in self.tables:
            return refused(404, "TABLE_NOT_FOUND", f"Table not found: {name}")
        if method == "DELETE":
            del self.tables[name]
            return answer({})
        return answer(self.tables[name])

    def _list(self, query: Any) -> web.Response:
        schema = f"{query['catalog_name']}.{query['schema_name']}"
        if schema not in self.schemas:
            return refused(404, "SCHEMA_NOT_FOUND", f"Schema not found: {schema}")
        assert int(query.get("max_results", 0)) <= 50
        names = sorted(name for name in self.tables if name.startswith(f"{schema}."))
        if "page_token" not in query:
            return answer({"tables": [], "next_page_token": "0"})
        start = int(query["page_token"])
        page: dict[str, Any] = {"tables": [self.tables[name] for name in names[start : start + self.page]]}
        if start + self.page < len(names):
            page["next_page_token"] = str(start + self.page)
        return answer(page)


def _check_type(column: dict[str, Any]) -> None:
    """`type_json` is a whole field of Spark's, that of the same column."""
    field = json.loads(column["type_json"])
    if not isinstance(field, dict) or field.keys() != {"name", "type", "nullable", "metadata"}:
        raise jsonschema.ValidationError(f"type_json of {column['name']} is not a field")
    if (field["name"], field["nullable"]) != (column["name"], column["nullable"]):
        raise jsonschema.ValidationError(f"type_json of {column['name']} is another column's")
    if not re.fullmatch(r"[a-z_]+(\(\d+,\d+\)|<.*>)?", column["type_text"]):
        raise jsonschema.ValidationError(f"type_text of {column['name']}: {column['type_text']}")


def refused(status: int, named: str, message: str) -> web.Response:
    """An error as the server words it."""
    return answer({"error_code": named, "message": message, "details": []}, status)
