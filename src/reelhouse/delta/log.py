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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.storage.prefetch import AT_ONCE, prefetch
from reelhouse.storage.protocol import Storage, is_key

if TYPE_CHECKING:
    # `verify` reads logs where no engine is installed.
    from pyspark.sql import types as T


# Actions of a commit after which readers of the newest version see other rows or columns.
_CHANGING = frozenset(("add", "remove", "metaData", "protocol"))

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


class Commit(NamedTuple):
    """One version of a table. *user* is its writer's metadata, *rows* how many it added.

    *files* are those it added, with their *sizes* in bytes (None if not stated); *changes* is True if it adds or
    removes files or declares other columns; *what* names the operation; *schema* are the columns it states, if any.
    """

    version: int
    overwrites: bool
    user: dict[str, Any]
    rows: int
    files: list[str]
    sizes: list[int | None]
    changes: bool
    what: str
    schema: str | None

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
    log = f"{folder}/_delta_log/"
    found = (_CHECKPOINT.fullmatch(key.removeprefix(log)) for key in storage.keys(log))
    versions = {int(one[1]) for one in found if one}
    return next((version for version in sorted(versions, reverse=True) if _exists(storage, folder, version)), None)


def read_commit(storage: Storage, folder: str, version: int) -> Commit:
    """What a version did."""
    key = log_key(folder, version)
    try:
        actions = [json.loads(line) for line in storage.get(key).splitlines() if line.strip()]
        if actions:
            return msgspec.convert(tuple(_commit_of(version, actions)), Commit)
    except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError, RecursionError) as exc:
        raise LakeError(f"{key} cannot be read: {exc!r}") from exc
    raise LakeError(f"{key} is empty")


def _commit_of(version: int, actions: list[dict[str, Any]]) -> Commit:
    added = [action["add"] for action in actions if "add" in action]
    info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    mode = str(info.get("operationParameters", {}).get("mode", "")).lower()
    return Commit(
        version,
        mode == "overwrite",
        _user(info),
        sum(map(_rows, added)),
        [add["path"] for add in added],
        [add.get("size") for add in added],
        any(action.keys() & _CHANGING for action in actions),
        str(info.get("operation", "a commit")),
        next((action["metaData"]["schemaString"] for action in actions if "metaData" in action), None),
    )


def _user(info: dict[str, Any]) -> dict[str, Any]:
    try:
        user = json.loads(info.get("userMetadata") or "{}")
    except ValueError:
        return {}
    return user if isinstance(user, dict) else {}


def _rows(add: dict[str, Any]) -> int:
    return int(json.loads(add.get("stats") or "{}").get("numRecords", 0))


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
    files = {path: size for commit in commits for path, size in zip(commit.files, commit.sizes, strict=True)}
    yield from damaged_files(storage, folder, version, files, listed)


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
        if size is None:
            yield f"{folder}/{path} is gone, though version {version} needs it"
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
    return {key: size for prefix in prefixes for key, size in storage.sizes(prefix)}


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


def schema_mark(schema: T.StructType) -> str:
    """A hash of the declared schema, comments included."""
    return hashlib.sha256(schema.json().encode()).hexdigest()[:16]


def schema_at(storage: Storage, folder: str, version: int) -> str:
    """The columns of a version, as Delta writes them."""
    for each in range(version, -1, -1):
        if (schema := read_commit(storage, folder, each).schema) is not None:
            return schema
    raise LakeError(f"{folder} version {version} states no columns")


def readable_version(storage: Storage, folder: str, known: int = 0) -> int | None:
    """The newest version, searched from *known* on; a table whose log cannot be read is removed, and there is none."""
    version = latest_version(storage, folder, known)
    try:
        if version is not None:
            list(commits_held(storage, folder, version))
    except MissingKeyError:
        # Another engine may have removed the log's beginning, and reads from a checkpoint.
        return version
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
    actions = [_commit_info(now, mode, user)]
    if over is None:
        # The oldest protocol, which every reader and writer understands.
        actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    if over is None or mode == "overwrite":
        actions.append(_metadata(now, folder, schema))
    if over is not None and mode == "overwrite":
        actions += (_removed(now, path) for path in live_files(storage, folder, over))
    actions += (_added(now, file) for file in files)
    storage.put_new(log_key(folder, version), b"".join(_compact(action).encode() + b"\n" for action in actions))
    return _commit_of(version, actions)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _commit_info(now: int, mode: Mode, user: Mapping[str, Any]) -> dict[str, Any]:
    info = {"timestamp": now, "operation": "WRITE", "operationParameters": {"mode": mode.capitalize()}}
    return {"commitInfo": {**info, "userMetadata": _compact({**user, "token": secrets.token_hex(8)})}}


def _metadata(now: int, folder: str, schema: str) -> dict[str, Any]:
    metadata = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, folder)),
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


def live_files(storage: Storage, folder: str, version: int) -> dict[str, int | None]:
    """The files of a version with the bytes that the log states, if it does.

    Where another program wrote, there may be some more: its overwrites may leave in what was there.
    """
    found: dict[str, int | None] = {}
    try:
        for each in range(version, -1, -1):
            commit = read_commit(storage, folder, each)
            found |= zip(commit.files, commit.sizes, strict=True)
            if commit.overwrites and not commit.foreign:
                break
    except MissingKeyError:
        # Another engine removed the log's beginning; delta-rs reads its checkpoint.
        from reelhouse.delta.delta_rs import delta_files

        return dict.fromkeys(delta_files(storage, folder, version))
    return found
