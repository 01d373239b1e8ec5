"""`reelhouse sql`: one query, or a prompt for many."""

from __future__ import annotations

import itertools
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display, result_table
from reelhouse.engines.session import check_installed, session_of
from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean
from reelhouse.serve.export.atomic_files import check_output
from reelhouse.serve.files import FORMS, as_json, without_formulas
from reelhouse.serve.lake import Lake
from reelhouse.serve.queries import is_ended
from reelhouse.settings import Settings, cache_folder

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".parquet": "parquet", ".txt": "table", "": "table"}
_HELP = """\
A query ends with a semicolon; Ctrl-C drops or interrupts it. \\d lists tables,
\\d NAME columns. \\x turns rows into lines and back. \\q or Ctrl-D ends."""
# Commands of the prompt that need neither a backslash nor a semicolon.
_WORDS = ("quit", "exit", "help", "?")
_KEYWORDS = "select from where group by order having limit join using left on and or not null as with distinct desc"


def run(
    settings: Settings,
    query: str | None,
    form: str | None,
    output: Path | None,
    *,
    vertical: bool,
    excel_safe: bool,
    as_json: bool,
) -> None:
    """Run *query*, or without one those that a person types."""
    check_installed(settings.engine)
    form = _form(form, output, vertical=vertical, as_json=as_json)
    if excel_safe and form != "csv":
        raise ConfigError(f"--excel-safe is about CSV, not about {form}: give --format csv too")
    if query is None and (form != "table" or output or not display.at_terminal(sys.stdin)):
        raise ConfigError("sql: a query is expected: as an argument, in --file FILE, or on stdin with -")
    storage = lake_of(settings)
    if output is not None:
        check_output(output, storage)
    lake = Lake(storage, session_of(settings, storage))
    if query is None:
        _Prompt(lake, vertical=vertical).run()
    else:
        found = _asked(lake, query)
        found = without_formulas(found) if excel_safe else found
        _write(found, form, output, vertical=vertical, whole=_lists(query))


def _form(form: str | None, output: Path | None, *, vertical: bool, as_json: bool) -> str:
    if as_json:
        if form or output or vertical:
            raise ConfigError("--json prints one object on stdout: leave out --format, --output and --vertical")
        return "object"
    suffix = output.suffix.lower() if output else ""
    if form is None and suffix not in _SUFFIXES:
        known = ", ".join(filter(None, _SUFFIXES))
        hint = did_you_mean(suffix, _SUFFIXES)
        raise ConfigError(f"output: {output} ends in none of {known}{hint}; give it another name or a --format")
    form = form or _SUFFIXES[suffix]
    if vertical and form != "table":
        raise ConfigError(f"--vertical is a form of tables, not of {form}")
    if form == "parquet" and output is None and display.at_terminal(sys.stdout):
        raise ConfigError("parquet is not for a terminal: name a file with --output")
    return form


def _asked(lake: Lake, query: str) -> pa.Table:
    with display.waiting("the query runs; Ctrl-C interrupts it"):
        return lake.arrow(query)


def _lists(query: str) -> bool:
    """Whether a statement lists names, all of which a person wants to see."""
    return query.lower().lstrip().startswith(("show", "desc"))


def _write(found: pa.Table, form: str, output: Path | None, *, vertical: bool, whole: bool) -> None:
    if form == "table":
        result_table.show("", found, output, vertical=vertical, whole=whole)
    elif form == "object":
        display.text(itertools.chain(['{"rows":'], as_json(found), ["}\n"]), None)
    else:
        display.text(FORMS[form](found), output)


class _Prompt:
    """Reads queries from a terminal, with history, and with completion of tables, columns and keywords."""

    def __init__(self, lake: Lake, *, vertical: bool) -> None:
        self._lake = lake
        self._vertical = vertical
        self._ended = False

    def run(self) -> None:
        history = self._edited()
        display.note(_HELP)
        try:
            while not self._ended:
                query = self._read()
                if query:
                    self._obey(query)
        finally:
            history()

    def _read(self) -> str:
        """A query of one or several lines, or one line that begins with a backslash; empty for nothing."""
        lines: list[str] = []
        while True:
            try:
                lines.append(input("      ...> " if lines else "reelhouse> "))
            except KeyboardInterrupt:
                display.note("")
                return ""
            except EOFError:
                display.note("")
                self._ended = True
                return ""
            text = "\n".join(lines).strip()
            if not text.rstrip("; \n"):
                return ""
            if text.startswith("\\") or text.lower() in _WORDS or is_ended(text):
                return text

    def _obey(self, text: str) -> None:
        word, _, name = text.rstrip("; ").partition(" ")
        if word.lower() in ("\\q", "quit", "exit"):
            self._ended = True
        elif word == "\\x":
            self._vertical = not self._vertical
        elif word == "\\d":
            self._show(f"describe {name}" if name else "show tables")
        elif word.startswith("\\") or word.lower() in _WORDS:
            display.note(_HELP)
        else:
            self._show(text)

    def _show(self, query: str) -> None:
        try:
            _write(_asked(self._lake, query), "table", None, vertical=self._vertical, whole=_lists(query))
        except ReelhouseError as exc:
            display.note(f"reelhouse: {exc}")
        except KeyboardInterrupt:
            self._lake.interrupt()
            display.note("interrupted")

    def _edited(self) -> Any:
        """Set up the editing of lines; returns what saves the history."""
        try:
            import readline
        except ImportError:
            # Python without it reads plain lines.
            return lambda: None
        words = sorted({*_KEYWORDS.split(), *self._lake.names()})

        def complete(text: str, number: int) -> str | None:
            found = [word for word in words if word.startswith(text.lower())]
            return found[number] if number < len(found) else None

        readline.set_completer(complete)
        readline.set_completer_delims(" \t\n,;()=<>+-*/.")
        readline.parse_and_bind("tab: complete")
        path = cache_folder() / "reelhouse" / "sql_history"
        # There is none before the first prompt on this machine.
        with suppress(OSError):
            readline.read_history_file(path)

        def keep() -> None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                readline.write_history_file(path)
            except OSError as exc:
                display.note(f"The history is not kept: {path} cannot be written: {exc.strerror}")

        return keep
