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
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage

Answer = dict[str, Any]


def chunks(storage: Storage) -> Iterator[str]:
    """The files that receipts name; what lies beside them was never settled."""
    for run in range(1, last_run(storage, "movie") + 1):
        plan = read_plan(storage, "movie", run)
        for receipt in read_receipts(storage, plan) if plan else ():
            if isinstance(receipt, Receipt) and receipt.chunk:
                yield receipt.chunk.key


def paths(storage: Storage) -> list[str]:
    """The files, as Spark names them."""
    return [f"{engine_root(storage)}/{key}" for key in chunks(storage)]


def answers(context: SparkContext, files: list[str]) -> RDD[Answer]:
    """One answer per element. A file of gzip cannot be split, so each is a partition."""
    return context.textFile(",".join(files)).map(json.loads)


def newest(found: RDD[Answer]) -> RDD[tuple[int, Answer]]:
    """The last answer on each id, where that is a title: one that was removed since is none any more."""
    # What names no id is a 404 on an IMDb id; what tells why was set aside, and nothing that was won.
    believed = found.filter(lambda answer: "id" in answer and "reason" not in answer)
    by_id = believed.map(lambda answer: (answer["id"], answer))
    last = by_id.reduceByKey(lambda one, other: max(one, other, key=lambda answer: answer["fetched_at"]))
    return last.filter(lambda title: title[1]["status"] == 200)


def body(answer: Answer) -> Answer:
    """What TMDB sent; with line ends in it, it lies there as base64."""
    found: Answer = answer["body"] if "body" in answer else json.loads(b64decode(answer["base64"]))
    return found


def languages(titles: RDD[tuple[int, Answer]]) -> RDD[tuple[str, int]]:
    """How many titles have each original language."""
    return titles.map(lambda title: (str(body(title[1]).get("original_language")), 1)).reduceByKey(add)


def main(lake: str) -> None:
    """Print partitions, the lineage by which a lost one is made again, and the counts."""
    files = paths(open_storage(lake))
    if not files:
        sys.exit(f"{lake} holds no answers yet")
    context = SparkSession.builder.appName("languages").getOrCreate().sparkContext
    found = answers(context, files)
    counted = languages(newest(found))
    print(f"{found.getNumPartitions()} files, {counted.getNumPartitions()} partitions of counts")
    print((counted.toDebugString() or b"").decode())
    for language, titles in counted.sortBy(lambda pair: (-pair[1], pair[0])).collect():
        print(f"{language} {titles}")


if __name__ == "__main__":
    main(sys.argv[1])
