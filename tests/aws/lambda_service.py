"""Lambda on this machine: the deployable zip, unpacked elsewhere and run by AWS's own client within Lambda's limits.

    with LambdaService(zip, env={"REELHOUSE_LAKE": …}, timeout=20, memory=256) as function:
        done = function.invoke({"tick": True})
        done.answer, done.cold, done.seconds, done.peak, done.log

A process lives until it is killed: at its deadline, for its memory, or with the service; invocations at the same time
get processes of their own. The function sees the zip's files, AWS's client and boto3, and nothing else of what is
installed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import queue
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.aws.runtime_api import MOST_ASKED, MOST_ASKED_LATER, Outcome, RuntimeApi, Task

HANDLER = "reelhouse.aws.handler.handler"
MB = 1 << 20

_LOOKS_EVERY = 0.01
# Lambda's own; a start that takes longer would be cut and tried again there. Here other programs share the machine.
_MOST_START = 60.0
# Who sends less has no more to say; a pipe holds 64 KB.
_PIECE = 1 << 16
_PROVIDED = ("awslambdaric", "boto3")


class RequestTooLargeError(Exception):
    """AWS does not take an event of this size."""


class FunctionError(Exception):
    """The function failed; as Lambda tells it."""

    def __init__(self, error: Mapping[str, Any], log: str) -> None:
        super().__init__(f"{error.get('errorType')}: {error.get('errorMessage')}\n{log}")
        self.kind = str(error.get("errorType"))


class Invocation(NamedTuple):
    """One invocation. *peak* is the most resident memory its process ever had, in bytes, *cpu* seconds of this one.

    *start* is how long the process took before it could be handed the event; 0 for one that was warm.
    """

    outcome: Outcome
    request_id: str
    cold: bool
    start: float
    seconds: float
    cpu: float
    peak: int
    log: str

    @property
    def answer(self) -> Any:
        """What the function answered; raises `FunctionError` where it failed."""
        if self.outcome.error is not None:
            raise FunctionError(self.outcome.error, self.log)
        return self.outcome.answer

    @property
    def error(self) -> str:
        """The error's type, empty where there is none."""
        return "" if self.outcome.error is None else str(self.outcome.error.get("errorType"))

    @property
    def message(self) -> str:
        """The error's message, empty where there is none."""
        return "" if self.outcome.error is None else str(self.outcome.error.get("errorMessage"))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]


class Limits(NamedTuple):
    """What a function is configured with: seconds, megabytes of memory, and megabytes that a file in /tmp may have."""

    timeout: float = 60.0
    memory: int = 512
    tmp: int = 512


class LambdaService:
    """One function. *code* is the zip, or a folder with what was in it; *python* runs it, this one by default."""

    def __init__(
        self,
        code: Path,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = Limits().timeout,
        memory: int = Limits().memory,
        tmp: int = Limits().tmp,
        handler: str = HANDLER,
    ) -> None:
        self._code = code
        self._env = dict(env or {})
        self._limits = Limits(timeout, memory, tmp)
        self._handler = handler
        self._stack = ExitStack()
        self._guard = threading.Lock()
        self._idle: list[_Environment] = []
        self._all: list[_Environment] = []

    def __enter__(self) -> LambdaService:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lambda-")))
        self._runtime = provided(self._folder / "runtime")
        self.task = self._code if self._code.is_dir() else unpacked(self._code, self._folder / "task")
        self._found = _inventory(self.task)
        self._stack.callback(lambda: make_writable(self._folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for environment in self._all:
            environment.close()
        after = _inventory(self.task)
        self._stack.close()
        # Who may do everything is not kept from writing by permissions; nothing may have been written all the same.
        assert kind is not None or after == self._found, after ^ self._found

    def invoke(
        self, event: object, *, timeout: float | None = None, later: bool = False, lost_after: float | None = None
    ) -> Invocation:
        """Call the function and wait for what becomes of it; *later* as for a call that AWS would queue.

        *lost_after* so many seconds its machine is gone, though its deadline is far.
        """
        body = json.dumps(event).encode()
        if len(body) > (MOST_ASKED_LATER if later else MOST_ASKED):
            raise RequestTooLargeError(f"{len(body)} bytes")
        environment, cold = self._take()
        task = Task(str(uuid.uuid4()), body, timeout or self._limits.timeout)
        try:
            done = environment.execute(task, cold, lost_after)
        except BaseException:
            environment.close()
            raise
        if environment.alive:
            with self._guard:
                self._idle.append(environment)
        return done

    def kill(self) -> None:
        """End every process at once, whatever it is doing, as machines that are lost."""
        for environment in self._all:
            environment.kill()

    def cpu(self) -> float:
        """CPU seconds that the living processes have used so far."""
        return sum(environment.cpu() for environment in self._all if environment.alive)

    def _take(self) -> tuple[_Environment, bool]:
        with self._guard:
            while self._idle:
                environment = self._idle.pop()
                if environment.alive:
                    return environment, False
                environment.close()
            number = len(self._all)
            made = _Environment(self._command(), self._environ(number), self._limits, self.task)
            self._all.append(made)
            return made, True

    def _command(self) -> list[str]:
        # Without `site` nothing that is installed here can be imported, our own sources among it.
        return [sys.executable, "-S", "-m", "awslambdaric", self._handler]

    def _environ(self, number: int) -> dict[str, str]:
        tmp = self._folder / f"tmp-{number}"
        tmp.mkdir()
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(map(str, (self.task, self._runtime))),
            "PYTHONDONTWRITEBYTECODE": "1",
            # There is no home in Lambda, and /tmp is the only place that can be written.
            "HOME": os.devnull,
            "TMPDIR": str(tmp),
            "LAMBDA_TASK_ROOT": str(self.task),
            "LAMBDA_RUNTIME_DIR": str(self._runtime),
            "_HANDLER": self._handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": "reelhouse",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._limits.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            **self._env,
        }


class _Environment:
    """One process with its Runtime API."""

    def __init__(self, command: list[str], environ: Mapping[str, str], limits: Limits, folder: Path) -> None:
        self._limits = limits
        self._api = RuntimeApi().__enter__()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limits.tmp * MB, limits.tmp * MB))
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._seen = psutil.Process(self._process.pid)
        self._printed = b""
        self._peak = 0
        self._closed = False

    @property
    def alive(self) -> bool:
        return not self._closed and self._process.poll() is None

    def execute(self, task: Task, cold: bool, lost_after: float | None) -> Invocation:
        self._printed, spent = b"", 0.0 if cold else self.cpu()
        started = time.monotonic()
        outcome = self._start() if cold else None
        began = time.monotonic()
        if outcome is None:
            self._api.hand(task)
            outcome = self._wait(task, None if lost_after is None else began + lost_after)
        seconds = time.monotonic() - began
        self._look()
        cpu = self.cpu() - spent
        if not self.alive or outcome.is_too_large:
            # The client ends after a refused answer.
            self.close()
        log = self._printed.decode(errors="replace")
        return Invocation(outcome, task.request_id, cold, began - started, seconds, cpu, self._peak, log)

    def _start(self) -> Outcome | None:
        """Wait until the process asks for work; what kept it from that otherwise."""
        ends = time.monotonic() + _MOST_START
        while not self._api.ready.wait(_LOOKS_EVERY):
            self._look()
            if not self._api.outcomes.empty():
                self._process.wait(_MOST_START)
                return self._api.outcomes.get()
            if self._process.poll() is not None:
                return self._exited("")
            if time.monotonic() > ends:
                self.kill()
                return _failure("Sandbox.Timedout", "the function did not start")
        return None

    def _wait(self, task: Task, lost_at: float | None) -> Outcome:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._api.outcomes.get(timeout=_LOOKS_EVERY)
            self._look()
            if lost_at is not None and time.monotonic() > lost_at:
                self.kill()
            if self._peak > self._limits.memory * MB:
                self.kill()
                return _failure("Runtime.OutOfMemory", f"RequestId: {task.request_id} Error: Runtime ran out of memory")
            if self._api.deadline is not None and time.time() > self._api.deadline and self._api.outcomes.empty():
                # No signal that could be handled, no time to clean up.
                self.kill()
                text = f"RequestId: {task.request_id} Error: Task timed out after {task.seconds:.2f} seconds"
                return _failure("Sandbox.Timedout", text)
            if self._process.poll() is not None and self._api.outcomes.empty():
                return self._exited(task.request_id)

    def _exited(self, request_id: str) -> Outcome:
        code = self._process.wait()
        how = f"exit status {code}" if code >= 0 else f"signal: {signal.Signals(-code).name}"
        return _failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}")

    def _look(self) -> None:
        """Take what was printed, and the memory that was needed."""
        with contextlib.suppress(BlockingIOError, ValueError):
            while piece := os.read(self._output.fileno(), _PIECE):
                self._printed += piece
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                self._peak = max(self._peak, int(found[1]) * 1024)

    def cpu(self) -> float:
        try:
            used = self._seen.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(used.user + used.system)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        if self._closed:
            return
        self.kill()
        self._look()
        self._closed = True
        self._output.close()
        self._api.__exit__()


def _failure(kind: str, text: str) -> Outcome:
    return Outcome(error={"errorType": kind, "errorMessage": text})


def unpacked(archive: Path, to: Path) -> Path:
    """The zip's files as Lambda lays them out: nobody may write there."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(to)
    for path in (to, *to.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return to


def make_writable(folder: Path) -> None:
    """Let the folders below be removed by who may not do everything."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _inventory(folder: Path) -> set[tuple[str, int, int]]:
    found = ((path, path.stat()) for path in folder.rglob("*"))
    return {(path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns) for path, about in found}


def provided(to: Path) -> Path:
    """A folder with what Lambda's runtime brings along, taken from what is installed here."""
    site = Path(sysconfig.get_path("purelib"))
    to.mkdir(parents=True)
    for name in _closure(_PROVIDED):
        for part in {Path(file).parts[0] for file in importlib.metadata.files(name) or []}:
            if not part.endswith(".dist-info") and part not in ("..", "__pycache__") and not (to / part).exists():
                (to / part).symlink_to(site / part)
    return to


def _closure(names: Iterable[str]) -> Iterator[str]:
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        # Extras are not what the runtime brings.
        wanted = [each for each in importlib.metadata.requires(name) or [] if "extra ==" not in each]
        waiting += [match[0] for each in wanted if (match := re.match(r"[A-Za-z0-9._-]+", each))]


def clear(folder: Path) -> None:
    """Remove a folder that `unpacked` made."""
    make_writable(folder)
    shutil.rmtree(folder)
