"""What an engine raises, by Spark Connect or from Java in this process, and what of it a person should read."""

from __future__ import annotations

import re

from pyspark.errors import PySparkException

try:
    from py4j.protocol import Py4JJavaError
except ImportError:
    # The client that talks to Sail and to Spark Connect knows no Java.
    ENGINE_ERRORS: tuple[type[Exception], ...] = (PySparkException,)
else:
    # PySpark translates Java's exceptions where it knows them: neither Delta's conflicts nor a job that failed.
    ENGINE_ERRORS = (PySparkException, Py4JJavaError)

_LOST_RACE = re.compile("failed to commit transaction|concurrent|conflict|version .* already exists", re.IGNORECASE)
_XML = re.compile(r"<\?xml.*?<Code>(\w+)</Code>.*")
# What Py4J puts before Java's own words.
_CALLING = re.compile(r"An error occurred while calling .*")


def lost_race(exc: Exception) -> bool:
    """Whether another writer committed first, so that trying again may help."""
    # Java's packages for threads have "concurrent" in their names.
    return any(_LOST_RACE.search(line.replace("java.util.concurrent", "")) for line in _lines(exc))


def first_line(exc: BaseException) -> str:
    """What an engine says, without its stack; of S3's XML only the name of the error."""
    if "StatusCode.UNAVAILABLE" in str(exc):
        return "the table engine has ended, perhaps for want of memory"
    lines = _lines(exc)
    return _XML.sub(r"\1", lines[0]) if lines else type(exc).__name__


def _lines(exc: BaseException) -> list[str]:
    lines = [line.strip().removeprefix(": ") for line in str(exc).splitlines()]
    return [line for line in lines if line and not line.startswith("at ") and not _CALLING.fullmatch(line)]
