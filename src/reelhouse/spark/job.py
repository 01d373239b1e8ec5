"""The entry of a Spark job: `spark-submit … spark.py --lake s3://bucket/prefix`, in EMR's and in AWS Glue's style.

It uses the session of the job, reads the same settings as the command line, prints the summary as one JSON line, and
exits as the command line does: 2 for a setting, 1 for all other errors. The file also runs on its own, next to the
package in an archive or a zip.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Settings that a job accepts as arguments: all others come from the lake's reelhouse.toml and from the environment.
_VALUES = ("lake", "s3-region", "s3-encryption", "s3-kms-key")
_FLAGS = ("full", "json")

# AWS Glue's own arguments, which it passes to every script: with a value, and without.
_GLUE = frozenset(
    (
        *("JOB_ID", "JOB_NAME", "JOB_RUN_ID", "SECURITY_CONFIGURATION", "TempDir", "WORKFLOW_NAME", "WORKFLOW_RUN_ID"),
        *("additional-python-modules", "class", "conf", "customer-driver-env-vars", "customer-executor-env-vars"),
        *("datalake-formats", "enable-auto-scaling", "enable-continuous-cloudwatch-log", "enable-glue-datacatalog"),
        *("enable-job-insights", "enable-metrics", "enable-observability-metrics", "enable-spark-ui"),
        *("encryption-type", "extra-files", "extra-jars", "extra-py-files", "job-bookmark-option", "job-language"),
        *("python-modules-installer-option", "redirect-job-bookmarks", "scriptLocation", "spark-event-logs-path"),
        *("user-jars-first", "continuous-log-logGroup", "custom-logGroup-prefix", "custom-logStream-prefix"),
        *("continuous-log-logStreamPrefix", "continuous-log-conversionPattern", "enable-continuous-log-filter"),
        *("auto-scale-within-microbatch", "disable-proxy-v2", "executor-cores", "use-postgres-driver"),
        *("enable-rename-algorithm-v2", "enable-s3-parquet-optimized-committer"),
        *("write-shuffle-files-to-s3", "write-shuffle-spills-to-s3"),
        *(
            "job-bookmark-from",
            "job-bookmark-to",
            "RedshiftTempDir",
            "execution-class",
            "enable-lakeformation-fine-grained-access",
        ),
    )
)

# Those whose value may also begin with --.
_GLUE_OPTIONS = frozenset(("conf", "python-modules-installer-option"))


class Job(NamedTuple):
    """The arguments of a job: *settings* by name, and whether to build everything again."""

    settings: dict[str, str]
    full: bool


def read_arguments(arguments: Sequence[str]) -> Job:
    """Parse a job's command line; `ConfigError` for an unknown argument. AWS Glue's own arguments are ignored.

    A value follows its name or an equals sign. A flag may have the value `true` or `false`, because Glue passes no
    argument without a value.
    """
    settings: dict[str, str] = {}
    flags = dict.fromkeys(_FLAGS, False)
    waiting = list(arguments)
    while waiting:
        name, value = _named(waiting)
        if name in _VALUES:
            if not value:
                raise ConfigError(f"--{name}: a value is expected")
            settings[name.replace("-", "_")] = value
        elif name in _FLAGS:
            flags[name] = _truth(name, value)
        elif name not in _GLUE:
            known = [f"--{each}" for each in (*_VALUES, *_FLAGS)]
            hint = did_you_mean(f"--{name}", known) or f"; there are: {', '.join(known)}"
            raise ConfigError(f"unknown argument --{name}{hint}")
    return Job(settings, flags["full"])


def _named(waiting: list[str]) -> tuple[str, str | None]:
    """The next name and its value, taken from *waiting*."""
    stated = waiting.pop(0)
    if not stated.startswith("--") or stated == "--":
        raise ConfigError(f"an argument begins with --, not as {stated!r} does")
    name, equals, value = stated.removeprefix("--").partition("=")
    if equals:
        return name, value
    if waiting and (name in _GLUE_OPTIONS or not waiting[0].startswith("--")):
        return name, waiting.pop(0)
    return name, None


def _truth(name: str, value: str | None) -> bool:
    found = {None: True, "": True, "true": True, "false": False}.get(value.lower() if value else value)
    if found is None:
        raise ConfigError(f"--{name}: true or false is expected, not {value!r}")
    return found


def build(spark: SparkSession, arguments: Sequence[str]) -> dict[str, Any]:
    """Build tables and marts in a new session of *spark*; returns the summary as plain data."""
    from reelhouse.bootstrap.storage import lake_of, load_settings
    from reelhouse.engines.session import adopted_by
    from reelhouse.warehouse.run import build as build_lake

    job = read_arguments(arguments)
    settings = load_settings(job.settings)
    storage = lake_of(settings)
    factory = adopted_by(settings, storage, spark)
    course = settings.layout == "course"
    quotes = settings.course_quotes
    return build_lake(storage, factory, full=job.full, progress=_step, course=course, course_quotes=quotes).to_dict()


def _step(name: str) -> None:
    print(f"reelhouse: {name}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job in the session that there is; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # Check before Spark starts, which may take a minute.
        read_arguments(given)
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.getOrCreate()
        found = build(spark, given)
    except ReelhouseError as exc:
        print(f"reelhouse: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, ConfigError) else 1
    import msgspec

    print(msgspec.json.encode(found).decode(), flush=True)
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    # A successful job must not call exit: Glue takes each exit for a failure.
    if code := main():
        sys.exit(code)
