"""Rewrites a table's rows into few files, as one overwrite, and moves the published version to it.

An overwrite and not Delta's OPTIMIZE: all code here that reads logs treats it as a beginning, so the commits before it
may be removed in time, and staging can drop replaced answers. It lands on the version it was made from or not at all.
After a kill before the published version moves, the next run finds it by its note that it *rewrites* that version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from reelhouse.delta.delta_rs import read_delta, write_delta
from reelhouse.delta.log import Commit
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.json_objects import decode
from reelhouse.raw.keys import MANIFEST, staging_folder
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.import_registry import ZONE, imported, pin_import
from reelhouse.warehouse.manifest import BuildManifest, StreamRead, pin

# Another builder may publish at the same moment; many times in a row is not a race any more.
_ATTEMPTS = 5


def rewrite(
    storage: Storage,
    folder: str,
    over: Commit,
    rows: int,
    more: dict[str, Any],
    kept: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda batch: batch,
) -> int:
    """Overwrite version *over* with its *kept* rows, *rows* in number; returns the new version.

    Its commit has the metadata of the old one, and *more*. Raises `KeyTakenError` if another writer wrote meanwhile.
    """
    found = read_delta(storage, folder, over.version)
    counted = pa.RecordBatchReader.from_batches(found.schema, _counted(folder, map(kept, found), rows))
    user = {**over.user, **more, "rewrites": over.version}
    return write_delta(storage, folder, counted, mode="overwrite", user=user, over=over.version)


def _counted(folder: str, batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The batches; raises at their end unless they had *rows* rows, so that no other number is committed."""
    for batch in batches:
        rows -= len(batch)
        yield batch
    if rows:
        raise LakeError(f"{folder} was not rewritten: {abs(rows)} rows too {'few' if rows > 0 else 'many'} were read")


def rewritten(latest: Commit, pinned: int) -> bool:
    """Whether *latest* holds the rows of the *pinned* version, so that it may be published."""
    return latest.user.get("rewrites") == pinned


def staging_notes(read: StreamRead) -> dict[str, Any]:
    """The metadata of a commit that replaces staging: what it holds."""
    return {"reads": msgspec.to_builtins(read.receipts), "parts": []}


def follow(storage: Storage, moved: dict[str, tuple[int, int]]) -> None:
    """Move published versions from old to new, by folder; one that has changed meanwhile stays."""
    for folder in [folder for folder in moved if folder.startswith(f"{ZONE}/")]:
        _follow_import(storage, folder.removeprefix(f"{ZONE}/"), *moved[folder])
    for _ in range(_ATTEMPTS):
        try:
            body = storage.get(MANIFEST)
        except MissingKeyError:
            return
        current = decode(MANIFEST, body, BuildManifest)
        new = _followed(current, moved)
        if new == current or pin(storage, new, body):
            return
    raise LakeError("other builds of this lake keep finishing first: wait for them, then maintain again")


def _followed(current: BuildManifest, moved: dict[str, tuple[int, int]]) -> BuildManifest:
    tables = dict(current.tables)
    for name, one in current.tables.items():
        old, new = moved.get(f"{one.zone}/{name}", (None, 0))
        if one.version == old:
            tables[name] = msgspec.structs.replace(one, version=new)
    streams = dict(current.inputs.streams)
    for name, read in current.inputs.streams.items():
        old, new = moved.get(staging_folder(name), (None, 0))
        if old is not None and read.staging == old:
            streams[name] = msgspec.structs.replace(read, staging=new)
    return msgspec.structs.replace(
        current, tables=tables, inputs=msgspec.structs.replace(current.inputs, streams=streams)
    )


def _follow_import(storage: Storage, name: str, old: int, new: int) -> None:
    found = imported(storage).get(name)
    if found is not None and found.version == old:
        pin_import(storage, name, msgspec.structs.replace(found, version=new), found)
