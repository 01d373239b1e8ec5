"""A lake answers wherever it lies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import reelhouse
from reelhouse.errors import ReelhouseError
from reelhouse.serve.lake import Lake
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie


@pytest.mark.long
def test_a_folder_with_blanks_and_umlauts_is_built_and_asked(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path / "Meine Güte" / "my lake", registry=FEW)
    made.land(a_movie(1), a_movie(2), export=[1, 2])
    made.build()
    lake = Lake(made.storage, SAIL)
    assert lake.arrow("select count(*) as n from movie").to_pylist() == [{"n": 2}]
    assert lake.table("movie").count() == 2


@pytest.mark.parametrize("damaged", [Path.unlink, lambda file: file.write_bytes(b"")], ids=["gone", "emptied"])
def test_rows_whose_file_is_damaged_are_an_error_and_not_missing(
    damaged: Callable[[Path], object], tmp_path: Path
) -> None:
    made = LakeInTheMaking(tmp_path / "lake", registry=FEW)
    made.land(a_movie(1), export=[1])
    made.build()
    lake = Lake(made.storage, SAIL)
    for file in (made.root / "tables/movie").glob("*/*.parquet"):
        damaged(file)
    for asked in (lambda: lake.arrow("select title from movie"), lambda: lake.table("movie")):
        with pytest.raises(ReelhouseError, match="1 of 1 files of tables/movie cannot be read") as failed:
            asked()
        assert "\n" not in str(failed.value)


@pytest.mark.long
def test_two_lakes_at_one_prompt_do_not_meet(tmp_path: Path) -> None:
    lakes = []
    for number in (1, 2):
        made = LakeInTheMaking(tmp_path / f"lake {number}", registry=FEW)
        made.land(*(a_movie(id_) for id_ in range(number)), export=range(number))
        made.build()
        lakes.append(reelhouse.open(str(made.root)))
    query = "select count(*) as n from movie"
    lazy = lakes[0].sql(query)
    assert [lake.arrow(query).to_pylist() for lake in (*lakes, lakes[0])] == [[{"n": 1}], [{"n": 2}], [{"n": 1}]]
    assert lazy.collect()[0]["n"] == 1


def test_a_prompt_that_asked_a_lake_can_still_start_processes(tmp_path: Path) -> None:
    # A program without a file, as `python -c` and some notebooks are.
    program = (
        "import multiprocessing, reelhouse\n"
        "from reelhouse.engines.session import session_factory\n"
        "session_factory('sail')().sql('select 1').collect()\n"
        "with multiprocessing.get_context('forkserver').Pool(1) as pool: print(pool.map(abs, [-4]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "[4]\n", done.stderr
