"""The log: records of the logger `reelhouse`, as text or as lines of JSON, on stderr, in a file, in the lake."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reelhouse.errors import ConfigError, printable

log = logging.getLogger("reelhouse")

# What a record of one AWS request is marked with.
request_id: ContextVar[str | None] = ContextVar("request", default=None)

_RECORDS_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id", "tenant_id"))
# By `-q`: neither progress nor notes.
quiet = False
_command = ""

# Logs of runs that a lake keeps.
_KEPT = 20
_NAME = "????-??-??T??????Z"


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _RECORDS_OWN and value is not None}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: the message and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": _time(record),
            "level": record.levelname,
            "message": record.getMessage(),
            "requestId": request_id.get(),
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


class TextLines(logging.Formatter):
    """A record as one line of text: time, level, message and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return printable(f"{_time(record)} {record.levelname} {record.getMessage()}{fields}")


class _Plain(TextLines):
    """Without time and level, for a person."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).split(" ", 2)[2]


class StandardStream(logging.Handler):
    """Writes to the current stdout or stderr, which others may have replaced since."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def emit(self, record: logging.LogRecord) -> None:
        stream = getattr(sys, self._name)
        if stream is not None:
            stream.write(self.format(record) + "\n")
            stream.flush()


class _InLake(logging.FileHandler):
    """A file that is made with its first record; a lake that cannot be written keeps no log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in sorted(path.parent.glob(f"{_NAME}.log"))[: 1 - _KEPT]:
            old.unlink()
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (of logging)
        log.removeHandler(self)
        log.warning("%s cannot be written, so this log is not kept", self.baseFilename)


def configure(options: Mapping[str, Any], *, at_terminal: bool) -> None:
    """Send the log to stderr and to a file, by the options of the command line.

    At a terminal, where progress is drawn, stderr gets records only with `-v`; else it gets plain lines.
    """
    global quiet, _command
    quiet, _command = options.get("quiet", False), options.get("command", "")
    close()
    log.propagate = False
    log.setLevel(logging.DEBUG)
    asked, as_json = options.get("verbose", 0), options.get("log_format") == "json"
    level = logging.ERROR if quiet or (at_terminal and not asked) else logging.DEBUG if asked > 1 else logging.INFO
    stderr = StandardStream("stderr")
    stderr.setLevel(level)
    stderr.setFormatter(JsonLines() if as_json else TextLines() if asked else _Plain())
    log.addHandler(stderr)
    path = options.get("log_file")
    if path is not None:
        try:
            file = logging.FileHandler(path, encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"--log-file: {path} cannot be written: {exc.strerror}") from exc
        file.setLevel(logging.DEBUG if asked > 1 else logging.INFO)
        file.setFormatter(JsonLines() if as_json else TextLines())
        log.addHandler(file)
        _write(file, "%s begins", command())


def command() -> str:
    """What this process does, without arguments, which may hold secrets: `reelhouse build`."""
    return _command or Path(sys.argv[0]).name or "python"


def keep(text: str, *values: object, level: int = logging.INFO) -> None:
    """Write a line into the files that keep a log of this call, if there are any. Begins no lake."""
    for handler in list(log.handlers):
        if isinstance(handler, logging.FileHandler):
            _write(handler, text, *values, level=level)


def _write(handler: logging.FileHandler, text: str, *values: object, level: int = logging.INFO) -> None:
    if not isinstance(handler, _InLake) or Path(handler.baseFilename).parents[1].is_dir():
        handler.handle(log.makeRecord(log.name, level, "", 0, text, values, None))


def close(ended: str = "", level: int = logging.INFO) -> None:
    """End what `configure` and `keep_in` began; *ended* says how the command did."""
    if ended:
        keep("%s: %s", command(), ended, level=level)
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.propagate = True
    log.setLevel(logging.NOTSET)


def keep_in(folder: Path) -> None:
    """Keep this process's log in a lake's folder, and of earlier ones the newest; a second call changes nothing."""
    if any(isinstance(handler, _InLake) for handler in log.handlers):
        return
    name = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.log"
    kept = _InLake(folder / name, encoding="utf-8", delay=True)
    kept.setLevel(logging.INFO)
    kept.setFormatter(TextLines())
    log.addHandler(kept)
    _write(kept, "%s begins", command())
