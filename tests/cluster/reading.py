"""A driver that reads movies straight from TMDB on a cluster: `python -m tests.cluster.reading MASTER OPTIONS`.

OPTIONS are those of the data source as JSON; the ids of all rows are answered as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession

import reelhouse


def main(master: str, options: dict[str, str]) -> None:
    """Read once both executors are there."""
    made = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    spark = made.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    while spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 3:
        time.sleep(0.1)
    spark.dataSource.register(reelhouse.TmdbSource)
    read = spark.read.format("tmdb").options(**options).load()
    print(json.dumps([row.movie_id for row in read.select("movie_id").collect()]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
