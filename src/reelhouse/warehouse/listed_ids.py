"""The ids that an entity is listed by where they come from columns of other entities' tables."""

from __future__ import annotations

from collections.abc import Iterable

from reelhouse.delta.delta_rs import read_delta
from reelhouse.errors import ListingError
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import read_manifest


def ids_of_columns(storage: Storage, columns: Iterable[str]) -> list[int]:
    """The distinct ids in *columns* (`table.column`) of the last build, ascending; `ListingError` without a build."""
    import numpy as np

    current = read_manifest(storage)
    found = np.empty(0, np.int64)
    for each in columns:
        table, _, column = each.partition(".")
        pin = current.tables.get(table) if current is not None else None
        if pin is None:
            raise ListingError(f"the ids of {each} come from a table that was never built: run `reelhouse build`")
        for batch in read_delta(storage, f"{pin.zone}/{table}", pin.version, [column]):
            ids = batch.column(0).drop_null().to_numpy(zero_copy_only=False)
            found = np.union1d(found, ids[ids > 0])
    return [int(each) for each in found]
