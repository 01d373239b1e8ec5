"""A lake answers wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.errors import ReelhouseError
from reelhouse.serve.lake import Lake
from tests.build.landing import SAIL, LakeInTheMaking, a_movie


def test_a_folder_with_blanks_and_umlauts_is_built_and_asked(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path / "Meine Güte" / "my lake")
    made.land(a_movie(1), a_movie(2), export=[1, 2])
    made.build()
    lake = Lake(made.storage, SAIL)
    assert lake.arrow("select count(*) as n from movie").to_pylist() == [{"n": 2}]
    assert lake.table("movie").count() == 2


def test_a_query_that_fails_on_its_way_says_so_in_one_line(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path / "lake")
    made.land(a_movie(1), export=[1])
    made.build()
    lake = Lake(made.storage, SAIL)
    for file in (made.root / "tables/movie").glob("*.parquet"):
        file.unlink()
    with pytest.raises(ReelhouseError) as failed:
        lake.arrow("select title from movie")
    assert "\n" not in str(failed.value)
