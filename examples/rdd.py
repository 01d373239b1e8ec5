"""RDDs over a lake's answers as they came: how many titles there are in each language.

    spark-submit examples/rdd.py ./lake

For classic sessions, in an environment that has `reelhouse`; executors need nothing but Python. Tables are quicker,
since Spark sees their columns: this is for what no table holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from operator import add
from typing import Any

from pyspark import RDD, SparkContext
from pyspark.sql import SparkSession

from reelhouse.build.roots import engine_root
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage

Answer = dict[str, Any]


def chunks(storage: Storage) -> Iterator[str]:
    """The files that receipts name; what lies beside them was never settled."""
    for run in range(1, last_run(storage) + 1):
        plan = read_plan(storage, run)
        for receipt in read_receipts(storage, plan) if plan else ():
            if isinstance(receipt, Receipt) and receipt.chunk:
                yield receipt.chunk.key


def answers(context: SparkContext, storage: Storage) -> RDD[Answer]:
    """One answer an element. A file of gzip cannot be split, so each is a partition."""
    root = engine_root(storage)
    return context.textFile(",".join(f"{root}/{key}" for key in chunks(storage))).map(json.loads)


def newest(found: RDD[Answer]) -> RDD[tuple[int, Answer]]:
    """The last answer on each id that TMDB has a title for."""
    landed = found.filter(lambda answer: answer["status"] == 200 and "why" not in answer)
    by_id = landed.map(lambda answer: (answer["id"], answer))
    return by_id.reduceByKey(lambda one, other: max(one, other, key=lambda answer: answer["fetched_at"]))


def languages(titles: RDD[tuple[int, Answer]]) -> RDD[tuple[str, int]]:
    """How many titles have each original language."""
    return titles.map(lambda title: (title[1]["body"]["original_language"], 1)).reduceByKey(add)


def main(lake: str) -> None:
    """Print partitions, the lineage by which a lost one is made again, and the counts."""
    context = SparkSession.builder.appName("languages").getOrCreate().sparkContext
    found = answers(context, open_storage(lake))
    counted = languages(newest(found))
    print(f"{found.getNumPartitions()} files, {counted.getNumPartitions()} partitions of counts")
    print((counted.toDebugString() or b"").decode())
    for language, titles in counted.sortBy(lambda pair: (-pair[1], pair[0])).collect():
        print(f"{language} {titles}")


if __name__ == "__main__":
    main(sys.argv[1])
