"""A lake of three movies for everything that shows what is in a lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.run import build
from tests.end_to_end.conftest import environment, reelhouse
from tests.lakes import once_per_run
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie

DANGEROUS = "</script><b>Drama</b>"


@pytest.fixture(scope="session")
def three_movies(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    """Built; the second movie has a release date that is none, and the genre of all a name that is HTML."""
    return LakeInTheMaking(once_per_run(tmp_path_factory, "three", _build_three) / "lake")


def _build_three(folder: Path) -> None:
    made = LakeInTheMaking(folder / "lake")
    dates = {1: "1999-10-15", 2: "1999-02-30", 3: "2003-05-01"}
    made.land(
        *(
            a_movie(
                id_,
                title=f"Movie {id_}",
                genres=[{"id": 18, "name": DANGEROUS}],
                release_date=dates[id_],
                budget=1_000_000 * id_,
                revenue=3_000_000 * id_,
                runtime=90 + id_,
                vote_average=7.5,
                vote_count=100,
                imdb_id=f"tt000000{id_}",
                poster_path=f"/{id_}.jpg",
                popularity=id_ / 2,
                credits={"cast": [], "crew": [{"id": 9, "name": "D", "job": "Director", "credit_id": f"c{id_}"}]},
            )
            for id_ in (1, 2, 3)
        ),
        export=(1, 2, 3),
    )
    made.build()


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of every entity, collected from the emulator and built."""
    folder = tmp_path_factory.mktemp("everything")
    lake = folder / "lake"
    with Emulator(movies=400, series=60, seed=7, process=True) as tmdb:
        done = reelhouse("collect", "--entity", "all", "--top", "20", env=environment(tmdb, lake), cwd=folder)
        assert done.returncode == 0, done.stderr
    build(FolderStorage(lake), SAIL)
    return lake
