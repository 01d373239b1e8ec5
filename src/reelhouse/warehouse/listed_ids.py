"""The ids that an entity is listed by where they come from a column of another one's table."""

from __future__ import annotations

from reelhouse.delta.delta_rs import read_delta
from reelhouse.entities.schema import FromColumn
from reelhouse.errors import ListingError
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import read_manifest


def ids_of_column(storage: Storage, listing: FromColumn) -> list[int]:
    """The distinct ids in the column as the last build pinned it, ascending; `ListingError` where there is no build."""
    import numpy as np

    table, column = listing.parts
    current = read_manifest(storage)
    pin = current.tables.get(table) if current is not None else None
    if pin is None:
        raise ListingError(f"the ids of {listing.column} come from a table that was never built: run `reelhouse build`")
    found = np.empty(0, np.int64)
    for batch in read_delta(storage, f"{pin.zone}/{table}", pin.version, [column]):
        ids = batch.column(0).drop_null().to_numpy(zero_copy_only=False)
        found = np.union1d(found, ids[ids > 0])
    return [int(each) for each in found]
