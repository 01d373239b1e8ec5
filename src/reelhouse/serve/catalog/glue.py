"""AWS's Glue Data Catalog, in which Athena, EMR, Glue and Redshift look up tables.

An entry describes a native Delta table as AWS's documentation and Trino's reader require: by `table_type` and
`spark.sql.sources.provider`, with its address in `Location` and, for Spark and Trino, in the SerDe's `path` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from botocore import exceptions

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.catalog.entries import MARK, CatalogEntry
from reelhouse.serve.catalog.registration import CatalogTable
from reelhouse.storage.s3_errors import FAILURES, code, error_message

T = TypeVar("T")

# Glue takes 255 and 2048 bytes, each in one line.
_COMMENT_BYTES = 255
_ABOUT_BYTES = 2048

_NAME = re.compile(r"[a-z0-9_]{1,255}")

_PARAMETERS = {
    "EXTERNAL": "TRUE",
    "classification": "delta",
    "table_type": "DELTA",
    "spark.sql.sources.provider": "delta",
}
# Readers of Delta ignore these, but an entry must have them.
_FORMATS = {
    "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
}
_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

_DENIED = ("AccessDeniedException", "AccessDenied")
_WRONG_KEYS = ("UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature")
_BUSY = (
    "ThrottlingException",
    "OperationTimeoutException",
    "InternalServiceException",
    "ConcurrentModificationException",
)


class GlueCatalogue:
    """One database of the Glue Data Catalog; *client* is botocore's."""

    def __init__(self, client: Any, database: str, lake: str) -> None:
        self._client = client
        self._database = database
        self._lake = lake
        self._found: dict[str, Any] = {}

    def ensure(self, about: str) -> None:
        wanted = {"Name": self._database, "Description": _line(about, _ABOUT_BYTES), "Parameters": {MARK: self._lake}}
        found = self._database_found()
        if found is None:
            # Another process may have created it just now.
            self._ask("create_database", missing=("AlreadyExistsException",), DatabaseInput=wanted)
        elif found.get("Parameters", {}).get(MARK) == self._lake and found.get("Description") != wanted["Description"]:
            kept = {name: found[name] for name in ("LocationUri", "CreateTableDefaultPermissions") if name in found}
            parameters = {**found["Parameters"], MARK: self._lake}
            self._ask(
                "update_database", Name=self._database, DatabaseInput={**kept, **wanted, "Parameters": parameters}
            )

    def tables(self) -> list[CatalogTable]:
        self._found = {str(table["Name"]): table for table in self._pages()}
        return [
            CatalogTable(
                name, table.get("Parameters", {}).get(MARK), table.get("StorageDescriptor", {}).get("Location", "")
            )
            for name, table in self._found.items()
        ]

    def put(self, entry: CatalogEntry) -> str:
        wanted = table_input(entry, self._lake)
        found = self._found.get(entry.name)
        if found is None:
            made = self._ask(
                "create_table", missing=("AlreadyExistsException",), DatabaseName=self._database, TableInput=wanted
            )
            if made is not None:
                return "created"
            # The existing entry may be from our own request, whose response was lost.
            found = self._ask("get_table", DatabaseName=self._database, Name=entry.name)["Table"]
            if found.get("Parameters", {}).get(MARK) != self._lake:
                raise ReelhouseError(
                    f"another process has just created the table {entry.name} in {self._database}: check it, then retry"
                )
        if _says(found, wanted):
            return "unchanged"
        # Parameters of other tools (statistics, tags) stay. Each update makes a version, so needless ones are avoided.
        wanted["Parameters"] = {**found.get("Parameters", {}), **wanted["Parameters"]}
        self._ask("update_table", DatabaseName=self._database, TableInput=wanted)
        return "updated"

    def drop(self, name: str) -> None:
        self._ask("delete_table", missing=("EntityNotFoundException",), DatabaseName=self._database, Name=name)

    def _database_found(self) -> Any:
        found = self._ask("get_database", missing=("EntityNotFoundException",), Name=self._database)
        return None if found is None else found["Database"]

    def _pages(self) -> Iterator[Any]:
        page: dict[str, Any] = {}
        while True:
            answer = self._ask("get_tables", DatabaseName=self._database, **page)
            yield from answer.get("TableList", ())
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    def _ask(self, operation: str, *, missing: tuple[str, ...] = (), **arguments: Any) -> Any:
        """Glue's response; None for an error in *missing*."""
        try:
            return getattr(self._client, operation)(**arguments)
        except FAILURES as exc:
            if code(exc) in missing:
                return None
            raise refused(f"Glue database {self._database}", exc, self._client.meta.endpoint_url) from exc


def check_database(name: str) -> str:
    """*name*, or `ConfigError` if Athena could not use it."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"database: {name!r} is not a valid name for a Glue database: use a to z, 0 to 9 and _")
    return name


def opened(make: Callable[[], T]) -> T:
    """The client that *make* returns, or `ConfigError` if its settings are invalid."""
    try:
        return make()
    except exceptions.NoRegionError:
        raise ConfigError("no AWS region is set: set s3_region, AWS_REGION or the profile's region") from None
    except (exceptions.BotoCoreError, ValueError) as exc:
        raise ConfigError(f"Glue cannot be used: {error_message(exc, 'Glue', '').text}") from exc


def table_input(entry: CatalogEntry, lake: str) -> dict[str, Any]:
    """Glue's entry for a table."""
    columns = [
        {
            # Names in Hive's catalogue are in lower case; readers of Delta ignore case.
            "Name": column.name.lower(),
            "Type": column.type.simpleString(),
            "Comment": _line(column.comment, _COMMENT_BYTES),
        }
        for column in entry.columns
    ]
    place = f"{entry.location}/"
    return {
        "Name": entry.name,
        "Description": _line(entry.about, _ABOUT_BYTES),
        "TableType": "EXTERNAL_TABLE",
        # Athena refuses an entry without this.
        "PartitionKeys": [],
        "Parameters": {**_PARAMETERS, MARK: lake},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": place,
            **_FORMATS,
            "SerdeInfo": {
                "SerializationLibrary": _SERDE,
                "Parameters": {"serialization.format": "1", "path": place},
            },
        },
    }


def _says(found: Any, wanted: Any) -> bool:
    """Whether *found* includes everything in *wanted*; additions of other tools do not count."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_says(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        pairs = zip(found or (), wanted, strict=False)
        return len(found or ()) == len(wanted) and all(_says(one, other) for one, other in pairs)
    return bool((found or "") == wanted)


def _line(text: str, size: int) -> str:
    """*text* in one line of at most *size* bytes."""
    line = " ".join(text.split())
    if len(line.encode()) <= size:
        return line
    return line.encode()[: size - len("…".encode())].decode(errors="ignore") + "…"


def refused(what: str, exc: Exception, endpoint: str) -> ReelhouseError:
    """*what* failed, in one line for the user."""
    named = code(exc)
    if named in _DENIED:
        action = f"glue:{exc.operation_name}" if isinstance(exc, exceptions.ClientError) else "that"
        return ConfigError(f"{what}: access denied: {action} is not allowed here (docs/catalogues.md has the policy)")
    if named in _WRONG_KEYS:
        return ConfigError(f"{what}: the AWS access key or its secret is wrong")
    if named in _BUSY:
        return ReelhouseError(f"{what}: Glue answers {named} again and again: try later")
    found = error_message(exc, endpoint, "")
    text = found.text.replace("S3 says", "Glue says").replace("S3 answers", "Glue answers")
    return (ConfigError if found.fixable else ReelhouseError)(f"{what}: {text}")
