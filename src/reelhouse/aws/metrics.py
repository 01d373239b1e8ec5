"""Reports of a function: JSON lines for its log, and one line from which CloudWatch takes metrics (EMF)."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from reelhouse.collect.run import Progress
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt, State

log = logging.getLogger("reelhouse")

NAMESPACE = "reelhouse"

# By their names in `emf`; everything else is a count.
_UNITS = {"bytes": "Bytes", "lag_seconds": "Seconds", "days_to_expiry": "None"}

_RECORDS_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id", "tenant_id"))


_request: ContextVar[str | None] = ContextVar("request", default=None)


@contextmanager
def request(id_: str) -> Iterator[None]:
    """Let log lines name this invocation."""
    token = _request.set(id_)
    try:
        yield
    finally:
        _request.reset(token)


class Meter(Progress):
    """Counts what lands during one invocation, with a line in the log for each chunk."""

    def __init__(self) -> None:
        self.runs = 0
        self.states: Counter[str] = Counter()
        self.requests = 0
        self.bytes = 0

    def planned(self, plan: Plan) -> None:
        self.runs += 1
        log.info("working", extra={"run": plan.run, "entity": plan.entity, "asked": plan.ids.count})
        for one in plan.set_aside:
            log.warning("set aside: %s", one.reason, extra={"count": one.count, "shown": one.shown})

    def landed(self, receipt: Receipt) -> None:
        states = Counter(outcome.state.value for outcome in receipt.outcomes)
        size = receipt.chunk.size if receipt.chunk else 0
        self.states += states
        self.requests += receipt.requests
        self.bytes += size
        place = {"run": receipt.run, "unit": receipt.unit, "part": receipt.part}
        log.info("landed", extra={**place, **states, "bytes": size, "requests": receipt.requests})

    def replayed(self, count: int, place: str) -> None:
        log.info("replayed from the spool", extra={"answers": count})

    def left(self, text: str) -> None:
        log.warning("left in the spool: %s", text)

    @property
    def metrics(self) -> dict[str, float]:
        return {
            "requests": self.requests,
            "landed": self.states[State.LANDED],
            "quarantined": self.states[State.QUARANTINED],
            "bytes": self.bytes,
        }


def emit(lake: str, numbers: dict[str, float | None], at: float | None = None) -> None:
    """Print one line of CloudWatch's Embedded Metric Format on stdout; None values are left out."""
    # Not through logging: CloudWatch needs the bare line, whatever the log's format and level.
    print(emf(lake, numbers, time.time() if at is None else at), flush=True)


def emf(lake: str, numbers: dict[str, float | None], at: float) -> str:
    """The line. *lake* is a property, not a dimension, because each value of a dimension is billed separately."""
    known = {name: value for name, value in numbers.items() if value is not None}
    metrics = [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in known]
    about = {
        "Timestamp": int(at * 1000),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics}],
    }
    return json.dumps({"_aws": about, "lake": lake, **known})


class JsonLines(logging.Formatter):
    """A record as one line of JSON: the message and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "requestId": _request.get(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _RECORDS_OWN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


class _Stdout(logging.Handler):
    """The current stdout, which Lambda's runtime replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


def log_as_json() -> None:
    """Log JSON lines, whether or not Lambda's own log format is JSON."""
    if any(type(handler.formatter).__name__ == "JsonFormatter" for handler in logging.getLogger().handlers):
        # Lambda's handler, with its level.
        return
    if not any(isinstance(handler, _Stdout) for handler in log.handlers):
        handler = _Stdout()
        handler.setFormatter(JsonLines())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
