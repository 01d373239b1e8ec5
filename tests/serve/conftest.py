"""A lake of three movies for everything that shows what is in a lake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warehouse.landing import LakeInTheMaking, a_movie

DANGEROUS = "</script><b>Drama</b>"


@pytest.fixture(scope="session")
def three_movies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeInTheMaking]:
    """Built; the second movie has a release date that is none, and the genre of all a name that is HTML."""
    made = LakeInTheMaking(tmp_path_factory.mktemp("three") / "lake")
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
    yield made
