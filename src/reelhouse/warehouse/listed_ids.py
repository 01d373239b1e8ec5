"""The ids that an entity is listed by where they come from columns of other entities' tables."""

from __future__ import annotations

from collections.abc import Iterable

from reelhouse.delta.delta_rs import read_delta
from reelhouse.errors import ListingError
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import read_manifest


def ids_of_columns(storage: Storage, columns: Iterable[str]) -> list[int]:
    """The distinct ids in *columns* (`table.column`) of the last build, ascending.

    A table of an entity that is not collected mentions nothing. Raises `ListingError` where no table was built.
    """
    import numpy as np

    columns = list(columns)
    current = read_manifest(storage)
    built = current.tables if current is not None else {}
    places = [
        (built[table], table, column)
        for table, _, column in (each.partition(".") for each in columns)
        if table in built
    ]
    if not places:
        raise ListingError(
            f"the ids of {', '.join(columns)} come from tables that were never built: run `reelhouse build`"
        )
    found = np.empty(0, np.int64)
    for pin, table, column in places:
        for batch in read_delta(storage, f"{pin.zone}/{table}", pin.version, [column], pin.rows):
            ids = batch.column(0).drop_null().to_numpy(zero_copy_only=False)
            found = np.union1d(found, ids[ids > 0])
    return [int(each) for each in found]
