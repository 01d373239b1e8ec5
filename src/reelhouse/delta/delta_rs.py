"""The only module that uses delta-rs: tables are read and written as Arrow batches and maintained without an engine.

delta-rs reads missing settings from the environment, so every setting that it could find there is passed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from reelhouse.delta.address import check_root
from reelhouse.delta.log import Mode, latest_version, put_commit, readable_version, schema_at, wrong_count
from reelhouse.errors import ConfigError, LakeError
from reelhouse.storage.credentials import Accessible, S3Access
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable

# Rows that are in memory at a time while a table is read.
BATCH_ROWS = 16_384

_COLOURS = re.compile("\x1b\\[\\d*m|↳")
_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")
_ENCRYPTIONS = {"": "", "sse-s3": "AES256", "sse-kms": "aws:kms"}


def open_delta(storage: Storage, folder: str, version: int | None = None) -> DeltaTable:
    """The Delta table in *folder* (`tables/NAME`) as of *version*, or its newest one; `LakeError` if there is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    address, options = _place(storage, folder)
    try:
        return DeltaTable(address, version=version, storage_options=options)
    except (DeltaError, OSError) as exc:
        at = "" if version is None else f" version {version}"
        raise LakeError(f"{folder}{at} cannot be opened: {delta_message(exc)}") from exc


def read_delta(
    storage: Storage, folder: str, version: int, columns: Sequence[str] | None = None, rows: int | None = None
) -> pa.RecordBatchReader:
    """The rows of one version in batches of bounded size, with *columns* in that order or all; in no order of rows.

    `LakeError` if its files have not *rows*, by the log.

    Files are opened one after another, so memory holds a few batches whatever the size of the table, and expired
    credentials are renewed. An unknown column, or any error on the way, is a `LakeError`.
    """
    import pyarrow as pa

    table = open_delta(storage, folder, version)
    known = arrow_schema_of(table)
    unknown = sorted(set(columns or ()) - set(known.names))
    if unknown:
        raise LakeError(
            f"{folder} version {version} has no column {', '.join(unknown)}; if an earlier reelhouse built it, run "
            "`reelhouse build`"
        )
    schema = known if columns is None else pa.schema([known.field(name) for name in columns])
    return pa.RecordBatchReader.from_batches(schema, read_files(storage, folder, _files(folder, table, rows), schema))


def delta_files(storage: Storage, folder: str, version: int, rows: int | None = None) -> list[str]:
    """The files of one version, by their names in *folder*, for `read_files`, here or on another machine."""
    return _files(folder, open_delta(storage, folder, version), rows)


def _files(folder: str, table: DeltaTable, rows: int | None) -> list[str]:
    if table.metadata().partition_columns:
        raise LakeError(f"{folder} is partitioned, which no table of a lake is")
    added = table.get_add_actions()
    held = sum(count or 0 for count in added.column("num_records").to_pylist())
    if rows not in (None, held):
        raise LakeError(wrong_count(folder, table.version(), held, rows))
    return [str(path) for path in added.column("path").to_pylist()]


def arrow_schema_of(table: DeltaTable) -> pa.Schema:
    """The columns of a table as a pyarrow schema, timestamps in microseconds of UTC."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())


def write_delta(
    storage: Storage,
    folder: str,
    rows: pa.RecordBatchReader,
    *,
    mode: Mode,
    user: Mapping[str, Any],
    new_schema: bool = False,
    over: int | None = None,
) -> int:
    """Commit *rows* to the table in *folder* and return the version; *user* is its `userMetadata`.

    An existing table keeps its declared columns and comments unless an overwrite has a *new_schema*; a new one gets the
    columns of *rows*, all nullable. The commit is the version after *over*, or after the newest one. Raises
    `KeyTakenError` if another writer committed meanwhile; then, as after any error, the table is as it was, or as they
    left it.
    """
    from reelhouse.delta.parquet import write_batches

    # What could not be read afterwards is not written.
    _place(storage, folder)
    find = readable_version if mode == "overwrite" and new_schema else latest_version
    before = find(storage, folder) if over is None else over
    declared = _delta_schema(folder, rows.schema)
    if before is not None and not (new_schema and mode == "overwrite"):
        kept = schema_at(storage, folder, before)
        if _types(kept) != _types(declared):
            raise LakeError(f"{folder} could not be written: its columns are others")
        declared = kept
    files = list(write_batches(storage, folder, rows))
    return put_commit(storage, folder, files, mode=mode, user=user, schema=declared, over=before).version


def _delta_schema(folder: str, schema: pa.Schema) -> str:
    """The columns of *schema* as Delta writes them, all nullable.

    Timestamps without a zone are refused: Delta would raise the table's protocol and exclude old readers.
    """
    import pyarrow as pa
    from deltalake import Schema

    for field in schema:
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            raise LakeError(f"{folder}: column {field.name} has timestamps without a time zone: use UTC")
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    return str(Schema.from_arrow(nullable).to_json())


def _types(declared: str) -> list[tuple[str, Any]]:
    return [(field["name"], field["type"]) for field in json.loads(declared)["fields"]]


def footers(storage: Storage, folder: str, sizes: Mapping[str, int]) -> Iterator[pq.FileMetaData]:
    """The footers of files in *folder*, in the order of *sizes*; `LakeError` for one that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake.exceptions import DeltaError
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import LocalFileSystem, PyFileSystem, SubTreeFileSystem

    if isinstance(storage, Accessible):
        # A known size saves a request for each file.
        files = PyFileSystem(DeltaStorageHandler(*_place(storage, folder), known_sizes=dict(sizes)))
    else:
        files = SubTreeFileSystem(f"{url2pathname(urlsplit(storage.url).path)}/{folder}", LocalFileSystem())

    def footer(path: str) -> pq.FileMetaData:
        try:
            with files.open_input_file(path) as file:
                return pq.read_metadata(file)
        except (DeltaError, OSError, pa.ArrowException) as exc:
            raise LakeError(f"{folder}/{path} cannot be read: {delta_message(exc)}") from exc

    yield from prefetch(footer, sizes)


class FileInfo(NamedTuple):
    """A file below a table's folder: *size* in bytes, *put* is when it was written."""

    size: int
    put: datetime


def files_below(storage: Storage, folder: str) -> dict[str, FileInfo]:
    """The files in a table's folder, by path in it, the log included."""
    from deltalake.exceptions import DeltaError
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import FileSelector, FileType, PyFileSystem

    try:
        found = PyFileSystem(DeltaStorageHandler(*_place(storage, folder))).get_file_info(
            FileSelector("", recursive=True, allow_not_found=True)
        )
    except (DeltaError, OSError) as exc:
        raise LakeError(f"{folder} cannot be listed: {delta_message(exc)}") from exc
    return {one.path: FileInfo(one.size, one.mtime) for one in found if one.type == FileType.File}


def put_checkpoint(storage: Storage, folder: str) -> None:
    """Write a checkpoint of a table's newest version, so that readers need not begin at its first commit."""
    from deltalake.exceptions import DeltaError

    try:
        open_delta(storage, folder).create_checkpoint()
    except (DeltaError, OSError) as exc:
        raise LakeError(f"{folder}: the checkpoint could not be written: {delta_message(exc)}") from exc


def delta_message(exc: BaseException) -> str:
    """delta-rs's message, in one line and without the body of an S3 response."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith("invalid path"):
        # Nothing of ours has such a name, and delta-rs lists no folder that has one.
        return f"{lines[0]}: {_COLOURS.sub('', lines[1]).strip()}: remove the objects of that name"
    return lines[0].partition("<?xml")[0].strip()[:300] if lines else type(exc).__name__


def read_files(storage: Storage, folder: str, paths: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The columns of *schema* in some files of a table; an error on the way is a `LakeError`."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.dataset import ParquetFileFormat, ParquetReadOptions
    from pyarrow.fs import PyFileSystem

    # Spark writes timestamps in a form with nanoseconds, which end in 2262.
    form = ParquetFileFormat(read_options=ParquetReadOptions(coerce_int96_timestamp_unit="us"))
    for path in paths:
        files = PyFileSystem(DeltaStorageHandler(*_place(storage, folder)))
        try:
            fragment = form.make_fragment(unquote(path), filesystem=files)
            _check_types(f"{folder}/{path}", fragment.physical_schema, schema)
            for batch in fragment.to_batches(
                schema=schema, columns=schema.names, batch_size=BATCH_ROWS, batch_readahead=1, use_threads=False
            ):
                # Texts that are not UTF-8 are read as they are.
                batch.validate(full=True)
                yield batch
        except (DeltaError, OSError, pa.ArrowException) as exc:
            raise LakeError(f"{folder}/{path} cannot be read: {delta_message(exc)}") from exc


def _check_types(file: str, there: pa.Schema, stated: pa.Schema) -> None:
    """Raise `LakeError` where a file has another type than the log states: pyarrow would make days of instants."""
    for field in stated:
        at = there.get_field_index(field.name)
        if at >= 0 and _kind(there.field(at).type) != _kind(field.type):
            kinds = f"{there.field(at).type}, its log states {field.type}"
            raise LakeError(f"{file} cannot be read: {field.name} has the type {kinds}")


def _kind(one: pa.DataType) -> object:
    import pyarrow as pa

    if pa.types.is_dictionary(one):
        return _kind(one.value_type)
    texts = pa.types.is_string(one) or pa.types.is_large_string(one) or pa.types.is_string_view(one)
    return "text" if texts else one.id


def misread(storage: Storage, folder: str, version: int) -> Iterator[str]:
    """Reads every value of a version, in batches.

    Names the files that cannot be read, or that have other numbers of rows or NULLs than the log states.
    """
    import pyarrow as pa

    try:
        table = open_delta(storage, folder, version)
    except LakeError as exc:
        yield str(exc)
        return
    schema = arrow_schema_of(table)
    for added in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        rows, nulls = 0, dict.fromkeys(schema.names, 0)
        try:
            for batch in read_files(storage, folder, [added["path"]], schema):
                rows += len(batch)
                for name, column in zip(schema.names, batch.columns, strict=True):
                    nulls[name] += column.null_count
        except LakeError as exc:
            yield str(exc)
            continue
        read = {"num_records": rows, **{f"null_count.{name}": count for name, count in nulls.items()}}
        other = [name for name, count in read.items() if added.get(name) not in (None, count)]
        if other:
            yield f"{folder}/{added['path']} has {other[0]} = {read[other[0]]:,}, its log states {added[other[0]]:,}"


def _place(storage: Storage, folder: str) -> tuple[str, dict[str, str]]:
    """Where delta-rs finds *folder*, and its current access; `ConfigError` if it cannot reach it."""
    check_root(storage)
    if isinstance(storage, Accessible):
        return f"{storage.url}/{folder}", s3_options(storage.access())
    root = url2pathname(urlsplit(storage.url).path)
    if _ESCAPED.search(root):
        raise ConfigError(f"{root}: delta-rs reads %, with what follows it, as another character: rename that folder")
    return f"{root}/{folder}", {}


def s3_options(access: S3Access) -> dict[str, str]:
    """delta-rs's options for a bucket, with credentials that are valid for at least ten minutes."""
    keys = access.credentials()
    options = {
        "aws_endpoint": access.endpoint,
        "aws_endpoint_url_s3": access.endpoint,
        "aws_region": access.region,
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "aws_allow_http": "true" if access.endpoint.startswith("http://") else "false",
        "aws_virtual_hosted_style_request": "false",
        "aws_skip_signature": "false",
        "aws_conditional_put": "etag",
    }
    if keys.token or "AWS_SESSION_TOKEN" in os.environ:
        # A session token in the environment, of other keys, would be sent with ours.
        options["aws_session_token"] = keys.token
    if access.options.encryption or access.options.kms_key:
        options["aws_server_side_encryption"] = (
            "aws:kms" if access.options.kms_key else _ENCRYPTIONS[access.options.encryption]
        )
    if access.options.kms_key:
        options["aws_sse_kms_key_id"] = access.options.kms_key
    return options


def null_counts(storage: Storage, folder: str, version: int) -> dict[str, int]:
    """NULLs in each column of one version, as the log states them for its files: no data is read.

    A column that the log of a file says nothing of is left out.
    """
    actions = open_delta(storage, folder, version).get_add_actions(flatten=True)
    named = (name for name in actions.column_names if name.startswith("null_count."))
    found = {name.removeprefix("null_count."): actions.column(name).to_pylist() for name in named}
    return {name: sum(counts) for name, counts in found.items() if None not in counts}
