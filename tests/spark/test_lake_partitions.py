"""Files of a lake for a Spark job that stays at one build."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.errors import LakeError
from reelhouse.spark.lake_partitions import lake_batches, lake_partitions, lake_schema
from tests.warehouse.landing import LakeInTheMaking, a_movie


def test_a_file_that_a_later_build_replaced_is_not_called_damaged(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    lake.land(a_movie(1))
    lake.build()
    place = lake.storage.url
    schema = lake_schema(place, "movie")
    [partition] = lake_partitions(place, "movie")
    [file] = (tmp_path / "tables/movie").rglob("*.parquet")
    file.rename(file.with_suffix(".away"))
    with pytest.raises(LakeError, match="cannot be read"):
        [*lake_batches(partition, schema)]
    file.with_suffix(".away").rename(file)
    lake.land(a_movie(1, title="new"))
    lake.build()
    file.unlink()
    with pytest.raises(LakeError, match="movie: the lake was built again since this DataFrame was used first: load it"):
        [*lake_batches(partition, schema)]
