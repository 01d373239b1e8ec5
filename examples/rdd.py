"""RDDs over a lake's answers as they came: how many titles there are in each language.

    spark-submit examples/rdd.py ./lake

For classic sessions, in an environment that has `reelhouse`; executors need nothing but Python. Tables are quicker,
since Spark sees their columns: this is for what no table holds.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from operator import add
from typing import Any

from pyspark import RDD, SparkContext
from pyspark.sql import SparkSession

from reelhouse.delta.address import engine_root
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.raw.receipt import Receipt, State, read_receipts
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage

Answer = dict[str, Any]


def receipts(storage: Storage) -> Iterator[Receipt]:
    """What became of the requests of all runs, oldest first."""
    for run in range(1, last_run(storage, "movie") + 1):
        plan = read_plan(storage, "movie", run)
        for receipt in read_receipts(storage, plan) if plan else ():
            if isinstance(receipt, Receipt):
                yield receipt


def paths(storage: Storage) -> list[str]:
    """The files that receipts name, as Spark names them; what lies beside them was never settled."""
    return [f"{engine_root(storage)}/{found.chunk.key}" for found in receipts(storage) if found.chunk]


def filtered(storage: Storage) -> set[int]:
    """Ids whose last answer `record_filter` refused: of these a receipt tells, and no file holds it."""
    found: set[int] = set()
    for outcome in (each for receipt in receipts(storage) for each in receipt.outcomes):
        if outcome.id is not None and outcome.state is State.FILTERED:
            found.add(outcome.id)
        elif outcome.id is not None and outcome.state is State.LANDED:
            found.discard(outcome.id)
    return found


def answers(context: SparkContext, files: list[str]) -> RDD[Answer]:
    """One answer per element. A file of gzip cannot be split, so each is a partition."""
    return context.textFile(",".join(files)).map(json.loads)


def newest(found: RDD[Answer], refused: set[int]) -> RDD[tuple[int, Answer]]:
    """The last answer on each id but those *refused*, where that is a title: one that was removed is none any more."""
    # What names no id is a 404 on an IMDb id; what tells why was set aside, and nothing that was won.
    believed = found.filter(lambda answer: "id" in answer and "reason" not in answer)
    by_id = believed.map(lambda answer: (answer["id"], answer))
    last = by_id.reduceByKey(lambda one, other: max(one, other, key=lambda answer: answer["fetched_at"]))
    return last.filter(lambda title: title[1]["status"] == 200 and title[0] not in refused)


def body(answer: Answer) -> Answer:
    """What TMDB sent; with line ends in it, it lies there as base64."""
    found: Answer = answer["body"] if "body" in answer else json.loads(b64decode(answer["base64"]))
    return found


def languages(titles: RDD[tuple[int, Answer]]) -> RDD[tuple[str, int]]:
    """How many titles have each original language."""
    return titles.map(lambda title: (str(body(title[1]).get("original_language")), 1)).reduceByKey(add)


def main(lake: str) -> None:
    """Print partitions, the lineage by which a lost one is made again, and the counts."""
    storage = open_storage(lake)
    files = paths(storage)
    if not files:
        sys.exit(f"{lake} holds no answers yet")
    context = SparkSession.builder.appName("languages").getOrCreate().sparkContext
    found = answers(context, files)
    counted = languages(newest(found, filtered(storage)))
    print(f"{found.getNumPartitions()} files, {counted.getNumPartitions()} partitions of counts")
    print((counted.toDebugString() or b"").decode())
    for language, titles in counted.sortBy(lambda pair: (-pair[1], pair[0])).collect():
        print(f"{language} {titles}")


if __name__ == "__main__":
    main(sys.argv[1])
