"""The handler as Lambda calls it, in this process: events from files, a context that runs out, what it printed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from reelhouse.aws import handler
from reelhouse.storage.folder import FolderStorage
from tests.runs.lakes import TOKEN

EVENTS = Path(__file__).parent / "events"

# Times of the lake are TMDB's; the handler's clock is this machine's.
LONG_AGO = "2026-03-01T12:00:00+00:00"


def event(name: str) -> Any:
    """An event as AWS sends it."""
    return json.loads((EVENTS / f"{name}.json").read_text())


class Given:
    """A context with so many seconds to live."""

    def __init__(self, seconds: float = 900.0, request: str = "8f507cfc-7a1c-4b9e-8f2b-3d1a0f9b6c11") -> None:
        self.aws_request_id = request
        self._ends = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        return self._ends - time.monotonic()

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self.seconds * 1000))


class Ageing(Given):
    """A context that has little time left from the third time on that it is asked."""

    def __init__(self, asked: int = 0) -> None:
        super().__init__()
        self._asked = asked

    def get_remaining_time_in_millis(self) -> int:
        self._asked += 1
        return 900_000 if self._asked < 3 else 300_000


class Function:
    """One function: its environment and its lake."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
        self._patch = patch
        self._count = 0
        self.lake = FolderStorage(folder / "lake")
        self.set(
            REELHOUSE_LAKE=str(folder / "lake"),
            TMDB_TOKEN=TOKEN,
            REELHOUSE_TMDB_URL=f"{url}/3",
            REELHOUSE_EXPORTS_URL=f"{url}/p/exports",
            REELHOUSE_RATE="0",
            REELHOUSE_RETRY_WAIT="0.01",
            REELHOUSE_ATTEMPTS="1",
            REELHOUSE_SPOOL=str(folder / "spool"),
        )

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self._patch.setenv(name, value)

    def __call__(self, given: Any, context: Given | None = None) -> dict[str, Any]:
        """What it answers, each time under another request id unless *context* says which."""
        self._count += 1
        answer = handler.handler(given, context or Given(request=f"request-{self._count}"))
        body = json.dumps(answer)
        assert len(body) < 4096
        assert TOKEN not in body
        if answer.get("state") in ("open", "reconciled"):
            assert answer["requested"] == sum(
                answer[name] for name in ("landed", "filtered", "gone", "quarantined", "pending")
            )
        return answer

    def tick(self, context: Given | None = None) -> dict[str, Any]:
        return self(event("scheduler_own_input"), context)


def lines(printed: str) -> list[dict[str, Any]]:
    """What was printed: each line is JSON."""
    return [json.loads(line) for line in printed.splitlines()]


def metrics(printed: str) -> dict[str, Any]:
    """The metrics of the only invocation that was printed."""
    (found,) = (line for line in lines(printed) if "_aws" in line)
    (about,) = found["_aws"]["CloudWatchMetrics"]
    assert about["Namespace"] == "reelhouse"
    assert about["Dimensions"] == [["lake"]]
    return {each["Name"]: found[each["Name"]] for each in about["Metrics"]}
