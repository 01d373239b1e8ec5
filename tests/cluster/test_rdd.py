"""The example for RDD users: partitions, lineage, and what a lost executor costs."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from reelhouse.storage.folder import FolderStorage
from tests.cluster.lakes import collected
from tests.cluster.standalone import PYTHON, environ_of_driver, needs_spark, standalone, wait_until
from tests.end_to_end.conftest import REPOSITORY
from tests.runs import lakes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_spark]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rdd") / "lake"
    with Emulator(movies=1500, seed=41, process=True) as tmdb:
        collected(tmdb, place, 120, REELHOUSE_CHUNK_ANSWERS="20")
        tmdb.edit(count=60)
        tmdb.delete(sorted(map(int, lakes.answers(FolderStorage(place))))[:7])
        tmdb.next_day()
        refused = "original_language != 'en'"
        collected(tmdb, place, 120, REELHOUSE_CHUNK_ANSWERS="20", REELHOUSE_RECORD_FILTER=refused)
    return place


def _expected(lake: Path) -> dict[str, int]:
    known = lakes.answers(FolderStorage(lake)).values()
    assert {"landed", "filtered", "gone"} <= {one.state for one in known}
    bodies = [json.loads(one.body) for one in known if one.state == "landed" and one.body]
    return Counter(body["original_language"] for body in bodies)


def _started(*arguments: str, stderr: int | None = None) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "REELHOUSE_"))}
    return subprocess.Popen(
        [str(PYTHON), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=REPOSITORY,
        env={**kept, **environ_of_driver()},
    )


def test_it_prints_what_it_promises(lake: Path) -> None:
    with _started("examples/rdd.py", str(lake)) as program:
        said, _ = program.communicate(timeout=600)
    assert program.returncode == 0
    first, *others = said.splitlines()
    assert int(first.split()[0]) == len(list((lake / "raw" / "movie").rglob("*.gz")))
    assert any("ShuffledRDD" in line for line in others)
    counts = [line.split() for line in others if len(line.split()) == 2 and line.split()[1].isdigit()]
    assert {language: int(titles) for language, titles in counts} == _expected(lake)


def test_what_it_cannot_read_it_says_in_one_line(tmp_path: Path) -> None:
    with _started("examples/rdd.py", str(tmp_path / "nowhere"), stderr=subprocess.PIPE) as program:
        _, complaint = program.communicate(timeout=120)
    assert program.returncode == 1
    assert "holds no answers yet" in complaint
    assert len(complaint.splitlines()) == 1


def test_a_lost_executor_costs_its_own_partitions_once_more(lake: Path) -> None:
    with standalone() as cluster, _started("-m", "tests.cluster.counting", cluster.address, str(lake)) as driver:
        assert driver.stdout is not None and driver.stdin is not None
        answers: list[dict[str, Any]] = [json.loads(driver.stdout.readline()) for _ in range(2)]
        killed = cluster.kill_an_executor()
        assert killed
        wait_until(lambda: killed not in [one.pid for one in cluster.executors()], "it lives on")
        driver.stdin.write("\n")
        driver.stdin.flush()
        answers.append(json.loads(driver.stdout.readline()))
        driver.stdin.write("\n")
        driver.stdin.flush()
    shown, before, after = answers
    assert shown["partitions"] >= 6
    assert "ShuffledRDD" in shown["lineage"]
    assert before["counts"] == after["counts"] == _expected(lake)
    # What the other executor had made was not made again.
    assert before["read"] < after["read"] < 2 * before["read"]
