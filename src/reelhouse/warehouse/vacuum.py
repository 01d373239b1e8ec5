"""Removes the files of table versions that neither this build nor the one before it reads.

Most builds write most tables again, so without this a lake would grow by a whole copy a day, and TMDB's data would stay
longer than its terms allow. Readers of the last two builds are never disturbed.
"""

from __future__ import annotations

from urllib.parse import unquote

from reelhouse.delta.log import Commit, read_commit
from reelhouse.errors import MissingKeyError
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import BuildManifest


def sweep(storage: Storage, before: BuildManifest) -> int:
    """Remove what is older than the build *before* the newest one; returns how many files went."""
    kept = {f"{pin.zone}/{name}": pin.version for name, pin in before.tables.items()}
    kept |= before.inputs.staged
    return sum(prefetch(lambda table: sweep_table(storage, *table), kept.items()))


def sweep_table(storage: Storage, folder: str, kept: int) -> int:
    """Whatever came before the last overwrite at or below *kept* is read by no version from *kept* on."""
    swept = 0
    overwritten = False
    for version in range(kept, -1, -1):
        try:
            commit = read_commit(storage, folder, version)
        except MissingKeyError:
            break
        if overwritten:
            if _swept_already(storage, folder, commit):
                break
            # Backwards, so that the file by which a swept commit is known goes last.
            for path in reversed(commit.files):
                storage.delete(f"{folder}/{unquote(path)}")
            swept += len(commit.files)
        # What maintenance wrote again was pinned when the build before began, and may still be read as it was then.
        overwritten = overwritten or (commit.overwrites and "rewrites" not in commit.user)
    return swept


def _swept_already(storage: Storage, folder: str, commit: Commit) -> bool:
    return bool(commit.files) and storage.size(f"{folder}/{unquote(commit.files[0])}") is None
