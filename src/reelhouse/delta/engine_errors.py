"""Errors of an engine, by Spark Connect or from Java in this process, and their messages for the user."""

from __future__ import annotations

import re

from pyspark.errors import PySparkException

try:
    from py4j.protocol import Py4JJavaError
except ImportError:
    # The client of Sail and Spark Connect has no Java errors.
    ENGINE_ERRORS: tuple[type[Exception], ...] = (PySparkException,)
else:
    # PySpark translates Java's exceptions where it knows them: not those of a job that failed.
    ENGINE_ERRORS = (PySparkException, Py4JJavaError)

_XML = re.compile(r"<\?xml.*?<Code>(\w+)</Code>.*")
# Py4J puts this before Java's message.
_CALLING = re.compile(r"An error occurred while calling .*")

_DETAILS = re.compile(r'^\s*details = "(.*)"$', re.MULTILINE)


def first_line(exc: BaseException) -> str:
    """An engine's message, without its stack; of S3's XML only the code of the error."""
    if "StatusCode.UNAVAILABLE" in str(exc):
        return "the engine process exited (possibly out of memory)"
    if "NoSuchBucket" in str(exc):
        # Which of several requests at once fails first is chance; the cause is one.
        return "there is no bucket of the lake's name any more"
    if found := _DETAILS.search(str(exc)):
        # gRPC's own error is a page.
        return found[1]
    lines = _lines(exc)
    return _XML.sub(r"\1", lines[0]) if lines else type(exc).__name__


def _lines(exc: BaseException) -> list[str]:
    lines = [line.strip().removeprefix(": ") for line in str(exc).splitlines()]
    return [line for line in lines if line and not line.startswith("at ") and not _CALLING.fullmatch(line)]
