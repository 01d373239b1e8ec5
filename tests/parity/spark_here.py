"""One Java for both ways to Apache Spark: builds a lake here, then serves Spark Connect until the input ends."""

from __future__ import annotations

import sys

from reelhouse.cli.main import main
from reelhouse.spark import job


def build_and_serve(lake: str, port: str, *conf: str) -> None:
    """Print the summary of the build, that of the job's entry in the same session, and `ready`."""
    given = ["spark.plugins=org.apache.spark.sql.connect.SparkConnectPlugin", f"spark.connect.grpc.binding.port={port}"]
    options = [word for each in (*given, *conf) for word in ("--conf", each)]
    code = main(["--lake", lake, "build", "--json", "--spark", "local[2]", *options], standalone_mode=False)
    code = code or job.main(["--lake", lake, "--JOB_NAME", "again"])
    if code:
        sys.exit(code)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    build_and_serve(*sys.argv[1:])
