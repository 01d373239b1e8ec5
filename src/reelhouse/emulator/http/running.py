"""An emulator for a test or a script: started and ended with `with`, changed by calls."""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, Self

from reelhouse.emulator.http.serving import serve
from reelhouse.emulator.options import EmulatorError, EmulatorOptions

_START_SECONDS = 60.0
_ANSWER_SECONDS = 600.0
# Never through a proxy from the environment: the emulator is on this machine.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True, slots=True)
class EmulatorStats:
    """What was requested since the start or the last reset.

    `asked` counts detail requests by movie id, `asked_by_kind` those of every kind; `living` counts what exists by
    kind; `distinct_ids` are those of all kinds. In `by_status` a connection closed without an answer is 499.
    """

    requests: int
    by_kind: dict[str, int]
    by_status: dict[str, int]
    by_fault: dict[str, int]
    distinct_ids: int
    asked_by_kind: dict[str, dict[int, int]]
    busiest_second: int
    most_connections: int
    most_at_once: int
    export_authorizations: int
    day: date
    living: dict[str, int]

    @property
    def asked(self) -> dict[int, int]:
        """Detail requests by movie id."""
        return self.asked_by_kind.get("movie", {})

    @property
    def movies(self) -> int:
        """How many movies exist."""
        return self.living["movie"]


class Emulator:
    """An emulator of TMDB on a free loopback port.

    It runs in a thread, or with *process* in a separate process, which does not share the client's GIL.
    The keyword settings are those of `EmulatorOptions`.
    """

    def __init__(self, *, process: bool = False, **settings: Any) -> None:
        self.options = EmulatorOptions(**settings)
        self._runner: _Thread | _Process = _Process(self.options) if process else _Thread(self.options)
        self.address = ""

    def __enter__(self) -> Self:
        self.address = self._runner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.stop()

    @property
    def url(self) -> str:
        """The base address of the API, in place of `https://api.themoviedb.org/3`."""
        return f"{self.address}/3"

    @property
    def exports_url(self) -> str:
        """The folder of the id exports, in place of `https://files.tmdb.org/p/exports`."""
        return f"{self.address}/p/exports"

    def edit(self, ids: Iterable[int] | None = None, *, count: int = 0, kind: str = "movie") -> list[int]:
        """Edit those of *ids* or any *count* of *kind*; today's change feed lists them. Returns their ids."""
        return self._concerned("edit", ids=_listed(ids), count=count, kind=kind)

    def delete(self, ids: Iterable[int] | None = None, *, count: int = 0, kind: str = "movie") -> list[int]:
        """Remove those of *ids* or any *count*: 404 at once, gone from the next day's export, in no feed."""
        return self._concerned("delete", ids=_listed(ids), count=count, kind=kind)

    def restore(self, ids: Iterable[int], *, kind: str = "movie") -> list[int]:
        """Bring deleted ones back: found at once, in the next day's export."""
        return self._concerned("restore", ids=list(ids), kind=kind)

    def add(self, *, count: int, announce: bool = False, kind: str = "movie") -> list[int]:
        """Create *count* of *kind*, in the next day's export; with *announce* in today's change feed too."""
        return self._concerned("add", count=count, announce=announce, kind=kind)

    def next_day(self, days: int = 1) -> date:
        """Move the emulator's clock; returns the new day."""
        return date.fromisoformat(self._tell("next-day", days=days)["day"])

    def set_faults(self, profile: str | None) -> None:
        """Switch to a profile of `faults.PROFILES`, or with None to good behaviour."""
        self._tell("faults", profile=profile)

    def set_rate(self, rate: float, *, retry_after: float | None = None) -> None:
        """Refuse more than *rate* requests in any second; 0 for no limit."""
        self._tell("rate", rate=rate, retry_after=retry_after)

    def stats(self) -> EmulatorStats:
        """The counts so far."""
        answer_json = self._exchange(urllib.request.Request(f"{self.address}/-/stats"))  # noqa: S310
        answer_json["asked_by_kind"] = {
            kind: {int(number): times for number, times in asked.items()}
            for kind, asked in answer_json.pop("asked").items()
        }
        answer_json["day"] = date.fromisoformat(answer_json["day"])
        return EmulatorStats(**answer_json)

    def reset_stats(self) -> None:
        """Reset all counts."""
        self._tell("reset-stats")

    def _concerned(self, deed: str, **order: Any) -> list[int]:
        ids: list[int] = self._tell(deed, **order)["ids"]
        return ids

    def _tell(self, deed: str, **order: Any) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.address}/-/{deed}", json.dumps(order).encode(), method="POST")  # noqa: S310
        return self._exchange(request)

    def _exchange(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with _open(request, timeout=_ANSWER_SECONDS) as answer:
                answer_json: dict[str, Any] = json.load(answer)
                return answer_json
        except urllib.error.HTTPError as error:
            with error:
                raise EmulatorError(json.load(error)["error"]) from error


def _listed(ids: Iterable[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)


class _Thread:
    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._thread = threading.Thread(target=self._run, name="tmdb-emulator", daemon=True)
        self._ready = threading.Event()
        self._address = ""
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> str:
        self._thread.start()
        self._ready.wait(_START_SECONDS)
        if self._error is not None:
            raise self._error
        return self._address

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        # An error of starting is raised in the thread that waits for it.
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._options, self._note_address, self._stop)

    def _note_address(self, address: str) -> None:
        self._address = address
        self._ready.set()


class _Process:
    def __init__(self, options: EmulatorOptions) -> None:
        self._command = [sys.executable, "-P", "-m", "reelhouse.emulator", *options.as_arguments()]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        # stderr goes to a file: nobody reads a pipe while the emulator runs, and a full one would stop it.
        with tempfile.TemporaryFile("w+") as complaints:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=complaints, text=True)  # noqa: S603
            assert self._process.stdout is not None, "asked for a pipe"
            address = self._process.stdout.readline().strip()
            if address:
                return address
            self._process.communicate()
            complaints.seek(0)
            raise EmulatorError(complaints.read().strip().rpartition("\n")[2] or "the emulator did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
