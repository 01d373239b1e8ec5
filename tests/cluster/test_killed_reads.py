"""TMDB read on a standalone cluster by the data source, while an executor is killed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from reelhouse.emulator import Emulator
from tests.cluster.standalone import PYTHON, environ_of_driver, needs_spark, standalone, wait_until
from tests.end_to_end.conftest import REPOSITORY
from tests.spark.reading import asking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_spark]

IDS = 240
A_PARTITION = 30
RATE = 12
# Connections of all tasks together: so many requests at most can arrive later than they should.
AT_ONCE = 4


@pytest.fixture
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=400, seed=61, process=True) as found:
        yield found


def test_a_lost_executor_costs_the_ids_it_was_asking_and_no_others(tmdb: Emulator) -> None:
    ids = sorted(tmdb.edit(count=IDS))
    tmdb.reset_stats()
    options = {
        "ids": ",".join(map(str, ids)),
        "partition_ids": str(A_PARTITION),
        "concurrency": "2",
        "rate": str(RATE),
    }
    # Executors have the token of their machines.
    machines = asking(tmdb, REELHOUSE_CONNECTIONS=str(AT_ONCE), PYTHONPATH=str(REPOSITORY))
    with standalone(machines) as cluster:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "REELHOUSE_"))}
        with subprocess.Popen(
            [str(PYTHON), "-m", "tests.cluster.reading", cluster.address, json.dumps(options)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**kept, **environ_of_driver(**machines)},
        ) as driver:
            wait_until(lambda: sum(tmdb.stats().asked.values()) > IDS // 3, "nothing is asked", 300)
            killed = cluster.kill_an_executor()
            assert killed
            assert driver.stdout is not None
            found = json.loads(driver.stdout.readline())
    assert sorted(found) == ids
    stats = tmdb.stats()
    asked = {number: times for number, times in stats.asked.items() if number in set(ids)}
    assert asked.keys() == set(ids)
    again = {number for number, times in asked.items() if times > 1}
    assert again and max(asked.values()) == 2
    # They are of one partition: what the executor had at hand. What it had delivered is not asked again.
    assert len(again) <= A_PARTITION
    assert any(again <= set(ids[start : start + A_PARTITION]) for start in range(0, IDS, A_PARTITION))
    assert stats.busiest_second <= RATE + AT_ONCE
