"""A driver that counts languages with examples/rdd.py, twice, and says between the two that it waits.

`python -m tests.cluster.counting MASTER LAKE` answers one JSON object per line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from pyspark import RDD, Accumulator, SparkContext, cloudpickle
from pyspark.sql import SparkSession

from examples import rdd
from reelhouse.storage.opening import open_storage


def main(master: str, lake: str) -> None:
    """Count, wait for a line and the loss of an executor, count again; *read* is how many lines were read in all."""
    # Executors have no examples.
    cloudpickle.register_pickle_by_value(rdd)  # type: ignore[no-untyped-call]
    context = SparkSession.builder.master(master).config("spark.ui.enabled", "false").getOrCreate().sparkContext
    context.setLogLevel("OFF")
    while len(_places(context)) < 3:
        time.sleep(0.1)
    read = context.accumulator(0)
    at_work = Path(lake).with_name("at_work")
    at_work.mkdir()

    def noted(answer: rdd.Answer) -> rdd.Answer:
        read.add(1)
        # Else one executor could do all before the other begins. Tasks of one are children of one process.
        (at_work / str(os.getppid())).touch()
        while len(list(at_work.iterdir())) < 2:
            time.sleep(0.05)
        return answer

    storage = open_storage(lake)
    found = rdd.answers(context, rdd.paths(storage))
    counted = rdd.languages(rdd.newest(found.map(noted), rdd.filtered(storage)))
    lineage = (counted.toDebugString() or b"").decode()
    print(json.dumps({"partitions": found.getNumPartitions(), "lineage": lineage}), flush=True)
    _tell(counted, read)
    before = _places(context)
    sys.stdin.readline()
    # Until the driver has noticed the loss, the other executor reads what the lost one left on the disk they share.
    while before <= _places(context):
        time.sleep(0.1)
    _tell(counted, read)
    sys.stdin.readline()


def _places(context: SparkContext) -> set[str]:
    """Addresses of the driver and of the executors that it knows."""
    return set(context._jsc.sc().getExecutorMemoryStatus().keys().mkString(" ").split())


def _tell(counted: RDD[tuple[str, int]], read: Accumulator[int]) -> None:
    counts = dict(counted.collect())
    print(json.dumps({"counts": counts, "read": read.value}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
