"""The log of a Delta table, read and written without an engine: a version is one small JSON object.

A commit is our own conditional put, and not delta-rs' transaction: the storage tells a lost response from a lost race,
renews credentials, and lands on the version after the one that was read or not at all. Each overwrite states the
table's columns, so that types, comments and nullability are the declared ones and no engine's own.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, takewhile
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.storage.prefetch import AT_ONCE, prefetch
from reelhouse.storage.protocol import UNREADABLE, Storage, is_key

if TYPE_CHECKING:
    # `verify` reads logs where no engine is installed.
    from pyspark.sql import types as T


_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.[^/]*parquet")


Sizes = Mapping[str, int]
Mode = Literal["append", "overwrite"]


class DataFile(NamedTuple):
    """A Parquet file of a table: its *path* in the table's folder, its *size* in bytes, and Delta's statistics."""

    path: str
    size: int
    stats: dict[str, Any]

    @property
    def rows(self) -> int:
        return int(self.stats["numRecords"])


class _Add(msgspec.Struct):
    path: str
    partitionValues: dict[str, str | None]  # noqa: N815 (Delta's names, here and below)
    size: int
    modificationTime: int  # noqa: N815
    dataChange: bool  # noqa: N815
    stats: str | None = None


class _FileStats(msgspec.Struct):
    numRecords: Annotated[int, msgspec.Meta(ge=0)] = 0  # noqa: N815
    minValues: dict[str, Any] = {}  # noqa: N815
    maxValues: dict[str, Any] = {}  # noqa: N815
    nullCount: dict[str, int | dict[str, Any]] = {}  # noqa: N815


class _Remove(msgspec.Struct):
    path: str
    dataChange: bool  # noqa: N815


class _Format(msgspec.Struct):
    provider: str
    options: dict[str, str] = {}


class _MetaData(msgspec.Struct):
    id: str
    format: _Format
    schemaString: str  # noqa: N815
    partitionColumns: list[str]  # noqa: N815
    configuration: dict[str, str | None]
    createdTime: int | None = None  # noqa: N815


class _Protocol(msgspec.Struct):
    minReaderVersion: int  # noqa: N815
    minWriterVersion: int  # noqa: N815


class _CommitInfo(msgspec.Struct):
    timestamp: int | None = None
    operation: str = "a commit"
    operationParameters: dict[str, Any] = {}  # noqa: N815
    userMetadata: str | None = None  # noqa: N815


class _Action(msgspec.Struct):
    """One line of a commit. Delta demands the fields without a default; a reader would refuse the table."""

    add: _Add | None = None
    remove: _Remove | None = None
    metaData: _MetaData | None = None  # noqa: N815
    protocol: _Protocol | None = None
    commitInfo: _CommitInfo | None = None  # noqa: N815


_decode = msgspec.json.Decoder(_Action).decode


class _SchemaField(msgspec.Struct):
    name: str
    type: Any


class _SchemaFields(msgspec.Struct):
    """A schema as Delta writes it."""

    fields: list[_SchemaField]


_decode_stats = msgspec.json.Decoder(_FileStats).decode
_decode_schema = msgspec.json.Decoder(_SchemaFields).decode


class Commit(NamedTuple):
    """One version of a table. *user* is its writer's metadata, *rows* how many it added.

    *files* are those it added, with their *sizes* in bytes; *changes* is True if it adds or removes files or declares
    other columns; *what* names the operation; *schema* are the columns it states, if any; *begins* is True if it states
    the protocol, as the first one does; *altered* is True if reelhouse put it and it was changed or moved since.
    """

    version: int
    overwrites: bool
    user: dict[str, Any]
    rows: int
    files: list[str]
    sizes: list[int]
    changes: bool
    what: str
    schema: str | None
    begins: bool
    altered: bool

    @property
    def foreign(self) -> bool:
        """Whether another program changed the table by it: all commits of reelhouse have a token."""
        return self.changes and "token" not in self.user


def log_key(folder: str, version: int) -> str:
    """The key of a version's commit."""
    return f"{folder}/_delta_log/{version:020d}.json"


def latest_version(storage: Storage, folder: str, known: int = 0) -> int | None:
    """The newest version, searched from *known* on; None if there is no table."""
    version = known if _exists(storage, folder, known) else _checkpointed(storage, folder, known)
    if version is None:
        return None
    step = 1
    while _exists(storage, folder, version + step):
        version += step
        step *= 2
    while step > 1:
        step //= 2
        if _exists(storage, folder, version + step):
            version += step
    return version


def _exists(storage: Storage, folder: str, version: int) -> bool:
    return storage.size(log_key(folder, version)) is not None


def _checkpointed(storage: Storage, folder: str, missing: int) -> int | None:
    """Where to start if early commits were removed, or the first version; not at the one that is *missing*."""
    try:
        noted = int(json.loads(storage.get(f"{folder}/_delta_log/_last_checkpoint"))["version"])
    except (MissingKeyError, ValueError, KeyError, TypeError):
        noted = 0
    if noted != missing and _exists(storage, folder, noted):
        return noted
    # The pointer to a checkpoint is written after it; a kill in between leaves none, or that of an earlier one.
    versions = _checkpoints(folder, storage.keys(f"{folder}/_delta_log/"))
    return next((version for version in sorted(versions, reverse=True) if _exists(storage, folder, version)), None)


def _checkpoints(folder: str, keys: Iterable[str]) -> set[int]:
    log = f"{folder}/_delta_log/"
    found = (_CHECKPOINT.fullmatch(key.removeprefix(log)) for key in keys if key.startswith(log))
    return {int(one[1]) for one in found if one}


def read_commit(storage: Storage, folder: str, version: int) -> Commit:
    """What a version did."""
    key = log_key(folder, version)
    try:
        if lines := storage.get(key).splitlines():
            return _commit_of(folder, version, lines)
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise LakeError(f"{key} cannot be read: {exc}") from exc
    raise LakeError(f"{key} is empty")


def _commit_of(folder: str, version: int, lines: list[bytes]) -> Commit:
    actions = [_decode(line) for line in lines]
    added = [action.add for action in actions if action.add is not None]
    info = next((action.commitInfo for action in actions if action.commitInfo is not None), _CommitInfo())
    mode, user = str(info.operationParameters.get("mode", "")).lower(), _user(info)
    others = [line for line, action in zip(lines, actions, strict=True) if action.commitInfo is None]
    return Commit(
        version,
        mode == "overwrite",
        user,
        sum(map(_rows, added)),
        [add.path for add in added],
        [add.size for add in added],
        any(action.add or action.remove or action.metaData or action.protocol for action in actions),
        info.operation,
        next((action.metaData.schemaString for action in actions if action.metaData is not None), None),
        any(action.protocol for action in actions),
        "token" in user and user.get("digest") != _digest(folder, version, mode, user, others),
    )


def _digest(folder: str, version: int, mode: str, user: Mapping[str, Any], lines: list[bytes]) -> str:
    """A hash of a commit: of its place, of what *user* notes and of the *lines* of its other actions."""
    noted = {name: value for name, value in user.items() if name != "digest"}
    return hashlib.sha256(b"\n".join([_compact([folder, version, mode, noted]).encode(), *lines])).hexdigest()[:32]


def _user(info: _CommitInfo) -> dict[str, Any]:
    try:
        user = json.loads(info.userMetadata or "{}")
    except ValueError:
        return {}
    return user if isinstance(user, dict) else {}


def _rows(add: _Add) -> int:
    return _decode_stats(add.stats or "{}").numRecords


def commits_held(storage: Storage, folder: str, version: int, at_once: int = AT_ONCE) -> Iterator[Commit]:
    """The commits that a version consists of, newest first: its last overwrite and the appends since.

    *at_once* of them are read at a time, of which some may turn out to be older.
    """
    newest = read_commit(storage, folder, version)
    yield newest
    if newest.overwrites:
        return
    for commit in prefetch(lambda each: read_commit(storage, folder, each), range(version - 1, -1, -1), at_once):
        yield commit
        if commit.overwrites:
            return


def damage(storage: Storage, folder: str, commits: list[Commit], listed: Sizes) -> Iterator[str]:
    """What is wrong with the version that consists of *commits*, newest first, by the sizes of its files.

    No file is read. Only files that differ in *listed* are looked up one by one.
    """
    version = commits[0].version
    yield from (_foreign(folder, commit) for commit in commits if commit.foreign)
    yield from (f"{log_key(folder, one.version)} is not as it was written" for one in commits if one.altered)
    files = {path: size for commit in commits for path, size in zip(commit.files, commit.sizes, strict=True)}
    yield from damaged_files(storage, folder, version, files, listed)
    for each in _replayed(folder, version, listed):
        if not (listed.get(log_key(folder, each)) or storage.size(log_key(folder, each))):
            yield f"{log_key(folder, each)} is gone or empty: other programs cannot read version {version}"


def _replayed(folder: str, version: int, listed: Sizes) -> range:
    """The versions whose commits a reader of *version* needs: all since the last checkpoint."""
    checkpoints = [each for each in _checkpoints(folder, listed) if each <= version]
    return range(max(checkpoints) + 1 if checkpoints else 0, version + 1)


def check_log(storage: Storage, folder: str, version: int, listed: Sizes) -> None:
    """Read all commits that other programs need for a version; `LakeError` if one is not as it was written."""

    def read(each: int) -> Commit:
        try:
            return read_commit(storage, folder, each)
        except MissingKeyError:
            raise LakeError(f"{log_key(folder, each)} is gone: other programs cannot read version {version}") from None

    for commit in prefetch(read, _replayed(folder, version, listed)):
        if commit.altered or (commit.version == 0 and not commit.begins):
            raise LakeError(f"{log_key(folder, commit.version)} is not as it was written")


def damaged_files(
    storage: Storage, folder: str, version: int, files: Mapping[str, int | None], listed: Sizes
) -> Iterator[str]:
    """What is wrong with *files* of a version, by path with the bytes that its log states, if it does."""
    for path, stated in files.items():
        key = f"{folder}/{unquote(path)}"
        size = listed.get(key)
        if size is None or size != stated:
            # A listing may be incomplete, and another program may name files outside of the lake.
            size = storage.size(key) if is_key(key) else None
        if size in (None, UNREADABLE):
            how = "is gone" if size is None else "cannot be read"
            yield f"{folder}/{path} {how}, though version {version} needs it"
        elif stated is not None and size != stated:
            yield f"{folder}/{path} has {size:,} bytes, version {version} was written with {stated:,}"


def foreign_on_top(storage: Storage, folder: str, version: int, listed: Sizes) -> list[str]:
    """Commits of other programs after a version: readers of the newest version see those, not ours."""
    found: list[str] = []
    for each in takewhile(lambda each: log_key(folder, each) in listed, count(version + 1)):
        commit = read_commit(storage, folder, each)
        if commit.foreign:
            found.append(_foreign(folder, commit))
        elif commit.overwrites:
            found.clear()
    return found


def sound(storage: Storage, folder: str, version: int, rows: int | None = None, listed: Sizes | None = None) -> bool:
    """Whether a version is readable and has *rows*, as far as `damage` can tell, and no other program changed it since.

    *listed* is the result of `list_sizes` for the folder, looked up if it is not given.
    """
    listed = list_sizes(storage, f"{folder}/") if listed is None else listed
    try:
        commits = list(commits_held(storage, folder, version))
        if rows not in (None, sum(commit.rows for commit in commits)):
            return False
        return not any(damage(storage, folder, commits, listed)) and not foreign_on_top(
            storage, folder, version, listed
        )
    except (LakeError, MissingKeyError):
        return False


def list_sizes(storage: Storage, *prefixes: str) -> Sizes:
    """The sizes of everything below some folders of tables, by key; one listing instead of one request per file."""
    return {key: size for prefix in prefixes for key, size in storage.sizes(prefix) if size != UNREADABLE}


def _foreign(folder: str, commit: Commit) -> str:
    return f"{folder} version {commit.version} ({commit.what}) was committed by another program than reelhouse"


def rows_held(storage: Storage, folder: str, version: int, known: tuple[int, int] = (-1, 0)) -> int:
    """Rows of a version; *known* is an earlier version with its rows, so that no commit before it has to be read."""
    rows = 0
    for commit in commits_held(storage, folder, version, AT_ONCE if known[0] < 0 else 1):
        if commit.version == known[0]:
            return rows + known[1]
        rows += commit.rows
    return rows


def schema_fingerprint(schema: T.StructType) -> str:
    """A hash of the declared schema, comments included."""
    return hashlib.sha256(schema.json().encode()).hexdigest()[:16]


def schema_at(storage: Storage, folder: str, version: int) -> str:
    """The columns of a version, as Delta writes them."""
    for each in range(version, -1, -1):
        if (schema := read_commit(storage, folder, each).schema) is not None:
            try:
                _decode_schema(schema)
            except ValueError as exc:
                raise LakeError(f"{log_key(folder, each)} states no columns that can be read: {exc}") from exc
            return schema
    raise LakeError(f"{folder} version {version} states no columns")


def readable_version(storage: Storage, folder: str, known: int = 0) -> int | None:
    """The newest version, searched from *known* on; a table whose log cannot be read is removed, and there is none."""
    version = latest_version(storage, folder, known)
    try:
        if version is not None:
            check_log(storage, folder, version, list_sizes(storage, f"{folder}/_delta_log/"))
    except LakeError:
        for _ in prefetch(storage.delete, list(storage.keys(f"{folder}/"))):
            pass
        return None
    return version


def put_commit(
    storage: Storage,
    folder: str,
    files: Iterable[DataFile],
    *,
    mode: Mode,
    user: Mapping[str, Any],
    schema: str,
    over: int | None,
) -> Commit:
    """Commit *files* as the version after *over*, None for the first; *schema* are the columns of an overwrite.

    *user* is kept with it. Raises `KeyTakenError` if another writer committed that version, `LakeError` if *over* is
    gone: a table that was erased meanwhile stays erased.
    """
    if over is not None and not _exists(storage, folder, over):
        raise LakeError(f"{folder} was erased meanwhile: run `reelhouse build` again")
    now = int(time.time() * 1000)
    version = 0 if over is None else over + 1
    actions: list[dict[str, Any]] = []
    if over is None:
        # The oldest protocol, which every reader and writer understands.
        actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    if over is None or mode == "overwrite":
        actions.append(_metadata(now, _table_id(folder, user), schema))
    if over is not None and mode == "overwrite":
        actions += (_removed(now, path) for path in live_files(storage, folder, over))
    actions += (_added(now, file) for file in files)
    lines = [_compact(action).encode() for action in actions]
    noted = {**user, "token": secrets.token_hex(8)}
    noted["digest"] = _digest(folder, version, mode, noted, lines)
    lines.insert(0, _compact(_commit_info(now, mode, noted)).encode())
    storage.put_new(log_key(folder, version), b"\n".join([*lines, b""]))
    return _commit_of(folder, version, lines)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _commit_info(now: int, mode: Mode, user: Mapping[str, Any]) -> dict[str, Any]:
    info = {"timestamp": now, "operation": "WRITE", "operationParameters": {"mode": mode.capitalize()}}
    return {"commitInfo": {**info, "userMetadata": _compact(user)}}


def _table_id(folder: str, user: Mapping[str, Any]) -> str:
    """Another one after each purge: the table begins at version 0 again, and who read the old one must notice."""
    purges = user.get("purges")
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{folder} {purges}" if purges else folder))


def _metadata(now: int, table_id: str, schema: str) -> dict[str, Any]:
    metadata = {
        "id": table_id,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        # Spark would remove commits after thirty days; `reelhouse maintain` removes them, and knows which are needed.
        "configuration": {"delta.enableExpiredLogCleanup": "false"},
        "createdTime": now,
    }
    return {"metaData": metadata}


def _added(now: int, file: DataFile) -> dict[str, Any]:
    about = {"path": file.path, "partitionValues": {}, "size": file.size, "modificationTime": now, "dataChange": True}
    return {"add": {**about, "stats": _compact(file.stats)}}


def _removed(now: int, path: str) -> dict[str, Any]:
    return {"remove": {"path": path, "deletionTimestamp": now, "dataChange": True}}


def live_files(storage: Storage, folder: str, version: int, rows: int | None = None) -> dict[str, int | None]:
    """The files of a version with the bytes that the log states, if it does; `LakeError` unless they have *rows*.

    Where another program wrote, or changed a commit, there may be some more: an overwrite may leave in what was there.
    """
    found: dict[str, int | None] = {}
    held = 0
    try:
        for each in range(version, -1, -1):
            commit = read_commit(storage, folder, each)
            found |= zip(commit.files, commit.sizes, strict=True)
            held += commit.rows
            if commit.overwrites and not commit.foreign and not commit.altered:
                break
    except MissingKeyError:
        # Another engine removed the log's beginning; delta-rs reads its checkpoint.
        from reelhouse.delta.delta_rs import delta_files

        return dict.fromkeys(delta_files(storage, folder, version))
    if rows not in (None, held):
        raise LakeError(wrong_count(folder, version, held, rows))
    return found


def wrong_count(folder: str, version: int, found: int, rows: int | None) -> str:
    """What to say of a version whose log lacks files or names too many."""
    return (
        f"{folder} version {version} has {found} rows by its log, {rows} were written (see `reelhouse verify --deep`)"
    )
