"""A driver that counts languages with examples/rdd.py, twice, and says between the two that it waits.

`python -m tests.cluster.counting MASTER LAKE` answers one JSON object per line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

from pyspark import BarrierTaskContext, cloudpickle
from pyspark.sql import SparkSession

from examples import rdd
from reelhouse.storage.opening import open_storage


def _meet(given: Iterator[int]) -> Iterator[int]:
    BarrierTaskContext.get().barrier()
    return given


def main(master: str, lake: str) -> None:
    """Count, wait for a line, count again; *read* is how many lines were read from files in all."""
    # Executors have no examples.
    cloudpickle.register_pickle_by_value(rdd)  # type: ignore[no-untyped-call]
    context = SparkSession.builder.master(master).config("spark.ui.enabled", "false").getOrCreate().sparkContext
    context.setLogLevel("OFF")
    # A barrier passes once both executors are at work; asked for too early, it is tried again after a quarter minute.
    while context._jsc.sc().getExecutorMemoryStatus().size() < 3:
        time.sleep(0.1)
    context.parallelize(range(2), 2).barrier().mapPartitions(_meet).collect()
    read = context.accumulator(0)

    def noted(answer: rdd.Answer) -> rdd.Answer:
        read.add(1)
        # Else one executor could do all before the other begins.
        time.sleep(0.02)
        return answer

    found = rdd.answers(context, rdd.paths(open_storage(lake)))
    counted = rdd.languages(rdd.newest(found.map(noted)))
    lineage = (counted.toDebugString() or b"").decode()
    print(json.dumps({"partitions": found.getNumPartitions(), "lineage": lineage}), flush=True)
    for _ in range(2):
        counts = dict(counted.collect())
        print(json.dumps({"counts": counts, "read": read.value}), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:3])
