"""Tables that were made before the last purge: not one file of them may stay, for each may hold what was purged."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reelhouse.delta.log import read_commit
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import BUILDS, MANIFEST, STAGING
from reelhouse.raw.purges import Purges, read_purges
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.course.parquet import erasable_copies, old_copies
from reelhouse.warehouse.manifest import read_manifest

# In the order in which they go: first what readers look for.
_PLACES = (MANIFEST, BUILDS, "marts/", "tables/", STAGING)

_LOG = re.compile(r"_delta_log/(\d{20})\.json")


def leftovers(storage: Storage) -> list[str]:
    """The places that were made before the last purge, each named once; empty where nothing was ever purged."""
    purges = read_purges(storage)
    return list(_leftovers(storage, purges)) if purges.count else []


def _leftovers(storage: Storage, purges: Purges) -> Iterator[str]:
    try:
        current = read_manifest(storage)
        if current is not None and current.purges != purges.count:
            yield MANIFEST
    except LakeError:
        yield MANIFEST
    for folder, names in _folders(storage).items():
        if _is_old(storage, folder, names, purges.count):
            yield folder
    yield from old_copies(storage, purges.count)


def _folders(storage: Storage) -> dict[str, list[str]]:
    """The names below each table's folder, those of which only old versions are left included."""
    found: dict[str, list[str]] = {}
    for place in _PLACES[2:]:
        for key in storage.list_all_versions(place):
            name, _, rest = key.removeprefix(place).partition("/")
            found.setdefault(f"{place}{name}", []).append(rest)
    return found


def _is_old(storage: Storage, folder: str, names: list[str], purges: int) -> bool:
    """Whether a table was begun before the last purge: all that was committed on top of its first rows is younger."""
    versions = sorted(int(match[1]) for name in names if (match := _LOG.fullmatch(name)))
    if not versions or versions[-1] - versions[0] + 1 != len(versions):
        return True
    for version in versions:
        try:
            commit = read_commit(storage, folder, version)
        except (LakeError, MissingKeyError):
            return True
        if commit.files:
            return bool(commit.user.get("purges", 0) < purges)
    return False


def erase_tables(storage: Storage) -> int:
    """Erase all tables and marts, what they were made from, copied to and pinned by; returns how many there were.

    The logs of tables go last: by them an erasing that was cut short is known.
    """
    names = [folder for folder in _folders(storage) if not folder.startswith(STAGING)]
    for place in _PLACES:
        keys = list(storage.list_all_versions(place))
        for logs in (False, True):
            for _ in prefetch(storage.delete_all_versions, [key for key in keys if ("/_delta_log/" in key) is logs]):
                pass
    for _ in prefetch(storage.delete_all_versions, erasable_copies(storage)):
        pass
    return len(names)
