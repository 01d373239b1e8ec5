"""A few tables are the same on Apache Spark and on Sail; in the long suite, `test_parity.py` compares all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.plans import jobs_of
from reelhouse.warehouse.verify import check_tables
from tests.end_to_end.conftest import REPOSITORY
from tests.end_to_end.equal_tables import differences
from tests.entities.test_series import REPEATED, check_repeated
from tests.parity.test_parity import CONF, python_of
from tests.warehouse.few import FEW, SERIES
from tests.warehouse.landing import Answer, LakeInTheMaking, a_movie, gone
from tests.warehouse.refused import REFUSED, refused_answers

_BUILDS_SERIES = """
import sys
from pathlib import Path
from reelhouse.engines.session import session_factory
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.run import build
from tests.warehouse.few import SERIES
session = session_factory("local[2]", stated=dict(each.split("=", 1) for each in sys.argv[2:]))
build(FolderStorage(Path(sys.argv[1])), session, registry=SERIES)
"""
_BUILDS_TWICE = """
import sys
from pathlib import Path
from reelhouse.engines.session import session_factory
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.run import build
from tests.warehouse.few import FEW
session = session_factory("local[2]", stated=dict(each.split("=", 1) for each in sys.argv[2:]))
for _ in range(2):
    print(build(FolderStorage(Path(sys.argv[1])), session, registry=FEW).done)
"""


_LISTS: dict[int, dict[str, Any]] = {
    5: {
        "name": "Five",
        "first_air_date": "2001-03-01",
        "genres": [{"id": 2, "name": "War"}, {"id": 1, "name": None}, {"id": 3, "name": "Drama 😀"}],
        "languages": ["pt", "gl"],
        "origin_country": ["PT"],
        "created_by": [{"id": 1, "name": "Rui"}, {"id": 2, "name": "Ana"}],
        "networks": [{"id": 2, "name": "RTP"}],
        "external_ids": {"imdb_id": "tt0000001", "tvdb_id": 81189},
        "keywords": {"results": [{"id": 9, "name": "sea"}, {"id": 8, "name": "a, b"}]},
        "aggregate_credits": {
            "cast": [{"id": 7, "order": 4, "roles": [{"credit_id": "r", "character": "A", "episode_count": 2}]}],
            "crew": [{"id": 8, "department": "Sound", "jobs": [{"credit_id": "j", "job": "B", "episode_count": 1}]}],
        },
    },
    6: {"name": "Bare"},
}


def _by_spark(script: str, lake: Path, *conf: str) -> subprocess.CompletedProcess[str]:
    """A *script* of Apache Spark's environment, with a lake to work on."""
    python = python_of(".venv-spark")
    # What a session of Sail in this process has left there, Apache Spark would follow.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    return subprocess.run(
        [str(python), "-c", script, str(lake), *CONF, *conf],
        env={**kept, "PYSPARK_PYTHON": str(python)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )


def _event_log(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Where Apache Spark writes what it did, and the settings for that."""
    events = folder / "events"
    events.mkdir()
    return events, (
        "spark.eventLog.enabled=true",
        f"spark.eventLog.dir=file://{events}",
        "spark.eventLog.compress=false",
    )


@pytest.mark.long
@pytest.mark.timeout(900)
def test_apache_spark_makes_the_rows_of_series_that_sail_makes_and_leaves_out_what_repeats_a_key_too(
    tmp_path: Path,
) -> None:
    lake = LakeInTheMaking(tmp_path / "sail", entity="tv", registry=SERIES)
    lake.land(*(Answer(id_, {"id": id_, **body}) for id_, body in {**REPEATED, **_LISTS}.items()))
    beside = LakeInTheMaking(Path(shutil.copytree(lake.root, tmp_path / "spark")), entity="tv")
    lake.build()
    events, log = _event_log(tmp_path)
    done = _by_spark(_BUILDS_SERIES, beside.root, *log)
    assert done.returncode == 0, done.stderr[-3000:]
    check_repeated(beside)
    assert differences(lake.root, beside.root) == []
    found = sorted(beside.values("tv_flat", "id", "genres", "languages", "tvdb_id"))
    assert found[-2:] == [(5, "War, Drama 😀", "pt, gl", "81189"), (6, None, None, None)]
    known = beside.values("fact_tv_credit", "tv_id", "credit_type", "first_air_date_key", "billing", "episode_count")
    assert sorted(one for one in known if one[0] == 5) == [(5, "cast", 20010301, 4, 2), (5, "crew", 20010301, None, 1)]
    jobs = jobs_of(events)
    # One to write; of each of nine lists and of the ids at other services at most one to group and one to broadcast.
    assert jobs["marts/tv_flat"] <= 21
    assert jobs["marts/fact_tv_credit"] == 2


@pytest.mark.timeout(900)
def test_apache_spark_builds_the_few_tables_that_sail_builds(tmp_path: Path) -> None:
    genres = [{"id": 18, "name": "Drama"}, {"id": 35, "name": "Comedy 😀"}]
    lake = LakeInTheMaking(tmp_path / "sail", registry=FEW)
    lake.land(a_movie(1, genres=genres), a_movie(2, genres=genres), a_movie(3), export=[1, 2, 3], day="2026-11-01")
    lake.land(
        a_movie(1, genres=genres[:1], popularity=1 / 3, release_date="2020-13-02"),
        gone(2),
        a_movie(4, budget=2**53 + 1, title='"quotes"\\ and\nlines'),
        *refused_answers(),
        export=[1, 3, 4],
        day="2026-11-02",
    )
    beside = Path(shutil.copytree(lake.root, tmp_path / "spark"))
    lake.build()
    events, log = _event_log(tmp_path)
    done = _by_spark(_BUILDS_TWICE, beside, *log)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "False"]), done.stderr[-3000:]
    assert differences(lake.root, beside) == []
    assert check_tables(LakeInTheMaking(beside).storage) == []
    assert sorted(lake.values("movie", "movie_id"))[:3] == [1, 3, 4]
    assert len(lake.values("rejected_value", "path")) == 1 + sum(one.rejected is not None for one in REFUSED.values())
    jobs = jobs_of(events)
    # One to write, one to broadcast who is current: staging holds answers that newer ones replaced.
    assert (jobs["tables/movie"], jobs["tables/movie_cast"]) == (2, 2)
    assert jobs.total() <= 40
