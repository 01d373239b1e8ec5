"""Reports of a function: JSON lines for its log, and one line from which CloudWatch takes metrics (EMF)."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from reelhouse.collect.reporting import Progress
from reelhouse.logs import JsonLines, StandardStream, log, request_id
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt, State

NAMESPACE = "reelhouse"

# By their names in `emf`; everything else is a count.
_UNITS = {"bytes": "Bytes", "lag_seconds": "Seconds", "days_to_expiry": "None"}


@contextmanager
def request(id_: str) -> Iterator[None]:
    """Let log lines name this invocation."""
    token = request_id.set(id_)
    try:
        yield
    finally:
        request_id.reset(token)


class Meter(Progress):
    """Counts what lands during one invocation, with a line in the log for each chunk."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.states: Counter[str] = Counter()
        self.requests = 0
        self.bytes = 0

    def planned(self, plan: Plan) -> None:
        super().planned(plan)
        self.runs += 1

    def landed(self, receipt: Receipt) -> None:
        states = Counter(outcome.state.value for outcome in receipt.outcomes)
        size = receipt.chunk.size if receipt.chunk else 0
        self.states += states
        self.requests += receipt.requests
        self.bytes += size
        place = {"run": receipt.run, "unit": receipt.unit, "part": receipt.part}
        log.info("landed", extra={**place, **states, "bytes": size, "requests": receipt.requests})

    @property
    def metrics(self) -> dict[str, float]:
        return {
            "requests": self.requests,
            "landed": self.states[State.LANDED],
            "quarantined": self.states[State.QUARANTINED],
            "bytes": self.bytes,
        }


def emit(lake: str, numbers: dict[str, float | None]) -> None:
    """Print one line of CloudWatch's Embedded Metric Format on stdout; None values are left out."""
    # Not through logging: CloudWatch needs the bare line, whatever the log's format and level.
    print(emf(lake, numbers, time.time()), flush=True)


def emf(lake: str, numbers: dict[str, float | None], at: float) -> str:
    """The line. *lake* is the dimension, so that an alarm watches one lake; metrics of each lake are billed."""
    known = {name: value for name, value in numbers.items() if value is not None}
    metrics = [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in known]
    about = {
        "Timestamp": int(at * 1000),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["lake"]], "Metrics": metrics}],
    }
    return json.dumps({"_aws": about, "lake": lake, **known})


def log_as_json() -> None:
    """Log JSON lines, whether or not Lambda's own log format is JSON."""
    if any(type(handler.formatter).__name__ == "JsonFormatter" for handler in logging.getLogger().handlers):
        # Lambda's handler, with its level.
        return
    if not any(isinstance(handler, StandardStream) for handler in log.handlers):
        handler = StandardStream("stdout")
        handler.setFormatter(JsonLines())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
