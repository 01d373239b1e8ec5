"""A few tables are the same on Apache Spark and on Sail; in the long suite, `test_parity.py` compares all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.plans import jobs_of
from reelhouse.warehouse.verify import check_tables
from tests.end_to_end.conftest import REPOSITORY
from tests.end_to_end.equal_tables import differences
from tests.entities.test_series import REPEATED, check_repeated
from tests.parity.test_parity import CONF, python_of
from tests.warehouse.few import FEW
from tests.warehouse.landing import Answer, LakeInTheMaking, a_movie, gone
from tests.warehouse.refused import REFUSED, refused_answers

_BUILDS_SERIES = """
import sys
from pathlib import Path
from reelhouse.engines.session import session_factory
from reelhouse.entities.tv import TV
from reelhouse.storage.folder import FolderStorage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.run import build
session = session_factory("local[2]", stated=dict(each.split("=", 1) for each in sys.argv[2:]))
build(FolderStorage(Path(sys.argv[1])), session, registry=Registry.of({"tv": TV}))
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


@pytest.mark.long
@pytest.mark.timeout(900)
def test_apache_spark_leaves_out_what_repeats_a_key_too(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path, entity="tv")
    lake.land(*(Answer(id_, {"id": id_, **body}) for id_, body in REPEATED.items()))
    done = _by_spark(_BUILDS_SERIES, lake.root)
    assert done.returncode == 0, done.stderr[-3000:]
    check_repeated(lake)


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
    events = tmp_path / "events"
    events.mkdir()
    log = ("spark.eventLog.enabled=true", f"spark.eventLog.dir=file://{events}", "spark.eventLog.compress=false")
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
