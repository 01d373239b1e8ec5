"""Apache Spark in a process of its own, classic and by Spark Connect; tells what a classic session reads, then serves.

Started with the Python of `.venv-spark`, which has no pytest.
"""

from __future__ import annotations

import io
import json
import socket
import sys
from contextlib import redirect_stdout, suppress

from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

import reelhouse


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    """Print one line of JSON: the port, and what was seen; end with the input. Arguments are ids and an example."""
    port = _free_port()
    made = SparkSession.builder.master("local[2,4]").appName("reading TMDB")
    for name, value in {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        made = made.config(name, value)
    spark = made.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.dataSource.register(reelhouse.TmdbSource)
    rows = spark.read.format("tmdb").option("ids", sys.argv[1]).option("partition_ids", "10").load()
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(sys.argv[2], {"spark": spark})
    # What was edited today, as far as the feed names it by now.
    changed = spark.readStream.format("tmdb").options(since="today", early="true").load()
    stream = changed.writeStream.format("memory").queryName("changed").trigger(availableNow=True)
    # Spark gives a Python worker ten seconds to start; one that a busy machine did not start in time is started again.
    for _ in range(2):
        query = stream.start()
        # What goes wrong here is for one test to show: the others have a server all the same.
        with suppress(StreamingQueryException):
            query.awaitTermination()
        if "failed to connect back" not in str(query.exception()):
            break
    report = {
        "printed": printed.getvalue(),
        "port": port,
        "version": spark.version,
        "partitions": rows.rdd.getNumPartitions(),
        "lineage": rows.rdd.toDebugString().decode(),
        "ids": sorted(row.movie_id for row in rows.select("movie_id").rdd.collect()),
        "streamed": sorted(row.movie_id for row in spark.table("changed").collect()),
        "streaming_failed": str(query.exception() or ""),
        "comment": rows.schema["budget"].metadata.get("comment"),
    }
    print(json.dumps(report), flush=True)
    sys.stdin.read()
    spark.stop()


if __name__ == "__main__":
    main()
