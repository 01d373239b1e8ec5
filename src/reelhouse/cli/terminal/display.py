"""How results are shown: tables or one JSON object on stdout, progress on stderr."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from reelhouse import logs
from reelhouse.collect import reporting
from reelhouse.collect.reporting import RunResult, duration
from reelhouse.errors import ConfigError, printable, wrapped
from reelhouse.raw.keys import LOGS
from reelhouse.raw.plan import Plan
from reelhouse.raw.reconciliation import verdict
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.course.checker import Checked

# Seconds between two lines on a step that takes long, where no terminal shows it.
_LINE = 30.0
# Columns of a terminal that has room for names of this length, whole.
_ROOM, _NAME = 80, 30


def keep_log(storage: Storage) -> None:
    """Keep a log of this call in the lake, if it is a folder; of earlier calls the newest logs stay."""
    if isinstance(storage, FolderStorage):
        logs.keep_in(storage.inside(LOGS))


def at_terminal(stream: IO[str] | None) -> bool:
    """Whether what is written to a standard stream is shown on a terminal; one that is closed is None."""
    return stream is not None and stream.isatty()


def as_json(value: object) -> None:
    """One JSON object on stdout."""
    text(f"{msgspec.json.encode(value).decode()}\n", None)


def text(found: str | bytes | Iterable[str | bytes], output: Path | None) -> None:
    """Text, whole or in pieces, on stdout, or in a file, which is replaced once the whole text is on the disk.

    A terminal gets no control characters except line ends and tabs.
    """
    pieces = (found,) if isinstance(found, (str, bytes)) else found
    if output is None:
        if (context := click.get_current_context(silent=True)) is not None:
            context.find_root().ensure_object(dict)["printed"] = True
        for piece in pieces:
            shown = piece
            if at_terminal(sys.stdout):
                shown = printable(piece if isinstance(piece, str) else piece.decode(errors="replace"), kept="\n\t")
            click.echo(shown, nl=False)
        return
    from reelhouse.serve.export.atomic_files import put_in_place, scratch_in

    with scratch_in(output.absolute().parent) as folder:
        made = folder / "whole"
        with made.open("wb") as file:
            file.writelines(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
        put_in_place(made, output)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, lines: bool = True, paths: int | None = None
) -> None:
    """A table of ours on stdout: whole numbers are counts, shown with separators. Without *lines* more columns fit.

    The texts of column *paths* are broken after dots, not within a name.
    """
    shown = [[_cell(value) for value in row] for row in rows]
    # As Text: rich would take a name such as "[REC]" for markup and drop it, or fail on "[/x]".
    made = Table(title=Text(printable(title)), title_justify="left", title_style="bold", header_style="bold")
    if not lines:
        made.box, made.pad_edge, made.padding = SIMPLE_HEAD, False, (0, 1, 0, 0)
    console = Console(highlight=False, width=None if at_terminal(sys.stdout) else 140)
    if paths is not None:
        for row in shown:
            row[paths] = (_broken_at_dots(row[paths][0], console.width // 3), False)
    for at, column in enumerate(columns):
        numeric = bool(shown) and all(row[at][1] for row in shown)
        # Names and numbers stay whole where there is room, and the texts beside them are wrapped.
        whole = numeric or (at == 0 and all(len(row[at][0]) <= _NAME for row in shown))
        made.add_column(
            Text(printable(column)),
            justify="right" if numeric else "left",
            overflow="fold",
            width=min(_widest([column, *(row[at][0] for row in shown)]), console.width // 3) if at == paths else None,
            no_wrap=whole and console.width >= _ROOM,
        )
    for row in shown:
        made.add_row(*(Text(cell) for cell, _ in row))
    console.print(made)


def _broken_at_dots(path: str, width: int) -> str:
    """*path* in lines of at most *width* characters where its names allow it; each line but the last ends in a dot."""
    lines = [""]
    for name in re.findall(r"[^.]*\.|[^.]+", path):
        if lines[-1] and len(lines[-1] + name) > width:
            lines.append("")
        lines[-1] += name
    return "\n".join(lines)


def _widest(texts: Iterable[str]) -> int:
    return max(len(line) for text in texts for line in text.split("\n"))


def _cell(value: object) -> tuple[str, bool]:
    """A value as it is shown, and whether it is a number, which is aligned right."""
    if value is None:
        return "", True
    if isinstance(value, bool):
        return str(value).lower(), False
    if isinstance(value, int):
        return f"{value:,}", True
    return (f"{value:.10g}", True) if isinstance(value, float) else (printable(str(value)), False)


def note(text: str) -> None:
    """Text for the user, on stderr and in the log that the lake keeps."""
    logs.keep("%s", text.strip())
    if not logs.quiet:
        _say(text)


def problems(texts: Iterable[str]) -> None:
    """As `note`, for reasons why the command ends with 1: `--quiet` shows them too."""
    for text in texts:
        logs.keep("%s", text.strip())
        _say(text)


def _say(text: str) -> None:
    shown = printable(text, kept="\n")
    click.echo(wrapped(shown) if at_terminal(sys.stderr) else shown, err=True)


def check_terminal(option: str) -> None:
    """Raise `ConfigError` without a terminal: then *option* must give the answer."""
    if not at_terminal(sys.stdin):
        raise ConfigError(f"without a terminal, {option} is required (--dry-run shows what would happen)")


def confirm(question: str) -> None:
    """Continue only if the user says yes."""
    with _own_line_for_ctrl_c():
        click.confirm(wrapped(printable(f"{question} [y/N]")), abort=True, show_default=False, err=True)


def choose(question: str, answers: Sequence[str]) -> str:
    """The answer that the user types; the first one by default."""
    shown = wrapped(printable(f"{question} ({', '.join(answers)}) [{answers[0]}]"))
    how: dict[str, Any] = {"show_choices": False, "show_default": False, "err": True}
    with _own_line_for_ctrl_c():
        chosen: str = click.prompt(shown, type=click.Choice(answers), default=answers[0], **how)
    return chosen


@contextmanager
def _own_line_for_ctrl_c() -> Iterator[None]:
    """End the line of a question at Ctrl-C and raise `KeyboardInterrupt`, which click turns into its `Abort`."""
    try:
        yield
    except click.Abort as exc:
        # Later than here, an event loop that ends puts another exception into this place.
        if not isinstance(exc.__context__, KeyboardInterrupt):
            raise
        click.echo(err=True)
        raise KeyboardInterrupt from None


def ago(instant: str | None, now: datetime) -> str:
    """`2 h ago`, `12 d ago`; the day where that is long ago or to come."""
    if instant is None:
        return ""
    seconds = (now - datetime.fromisoformat(instant)).total_seconds()
    if not -60 < seconds < 100 * 86400:
        return instant[:10]
    return f"{span(seconds)} ago" if seconds >= 60 else "just now"


def span(seconds: float) -> str:
    """`12 d`, `47 h`, `5 min`, in one unit; a minute at least."""
    for unit, size in (("d", 86400), ("h", 3600)):
        if seconds >= (2 if unit == "d" else 1) * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds // 60, 1):.0f} min"


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Lines of problems for a person; a program gets all.
_SHOWN = 50


def checked(place: str, found: Checked) -> None:
    """The result of checking files of the course layout, as tables."""
    rows = [
        ("files", found.files),
        ("files that are not .json", found.other_files),
        ("bytes", found.bytes),
        ("records", found.records),
        *((f"records: {name}", count) for name, count in found.structures.items()),
        ("again on a later day", found.repeats),
        ("of the list: missing", len(found.missing)),
        ("twice on one day", len(found.duplicates)),
        ("records that the list does not name", found.unlisted),
        ("problems", len(found.problems)),
    ]
    table(f"{place}: {'valid' if found.valid else 'not valid'}", ("", "count"), rows)
    lines = [*found.problems, *(f"id {key} of the list is missing" for key in found.missing)]
    problems(lines[:_SHOWN])
    if len(lines) > _SHOWN:
        problems([f"{len(lines) - _SHOWN:,} more like that: --json names all"])


class _RateColumn(ProgressColumn):
    """Numbers of a run; while no request is made or answered, why."""

    def __init__(self) -> None:
        super().__init__()
        self.until = float("-inf")
        self.silence = ""
        self.state = ""

    def render(self, task: Task) -> Text:
        left = self.until - time.monotonic()
        pause = f"TMDB asks to slow down (429): waiting {duration(left)}" if left > 0 else ""
        return Text(printable(self.silence or pause or self.state), overflow="ellipsis", no_wrap=True)


class _StepColumn(ProgressColumn):
    """What is being done, as it is: names in it may look like markup."""

    def render(self, task: Task) -> Text:
        return Text(printable(task.description))


class ProgressBar(reporting.Progress):
    """A progress bar of ids that have an answer."""

    def __init__(
        self, bar: Progress, pace: _RateColumn, question: Callable[[Plan], str], step: str = "planning"
    ) -> None:
        super().__init__(step)
        self._bar = bar
        self._pace = pace
        self._question = question if at_terminal(sys.stdin) and at_terminal(sys.stderr) else lambda plan: ""
        self._task = bar.add_task(step, total=None)

    def begins(self, plan: Plan) -> None:
        question = self._question(plan)
        if not question:
            return
        self._bar.stop()
        # A collection takes Ctrl-C as the wish to land what was answered.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            confirm(question)
        finally:
            signal.signal(signal.SIGINT, before)
        self._bar.start()

    def planned(self, plan: Plan) -> None:
        super().planned(plan)
        self._bar.update(self._task, description=f"run {plan.run}: {plan.entity}", total=plan.ids.count, completed=0)

    def skipped(self, count: int) -> None:
        super().skipped(count)
        self._show()

    def answered(self) -> None:
        super().answered()
        self._show()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._settled)
        self._pace.state = self.state

    def paused(self, seconds: float) -> None:
        super().paused(seconds)
        self._pace.until = time.monotonic() + seconds

    def beat(self, beat: reporting.RequestStats) -> None:
        super().beat(beat)
        self._pace.silence = reporting.silence(beat) if beat.silent >= reporting.SILENCE else ""
        self._pace.state = self.state

    def replayed(self, count: int, place: str) -> None:
        super().replayed(count, place)
        self._say(f"{count:,} answers were replayed from {place}.")

    def left(self, text: str) -> None:
        super().left(text)
        self._say(text)

    def _say(self, text: str) -> None:
        # Above the bar, or the bar would be drawn through it.
        shown = wrapped(printable(text)) if at_terminal(sys.stderr) else printable(text)
        self._bar.console.print(shown, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(question: Callable[[Plan], str] = lambda plan: "", step: str = "planning") -> Iterator[ProgressBar]:
    """Show a bar on stderr at a terminal, else lines of the log.

    At a terminal the user confirms a run before it begins, if *question* has one about it.
    """
    pace = _RateColumn()
    with _live(SpinnerColumn(), _StepColumn(), BarColumn(bar_width=10), pace) as bar:
        yield ProgressBar(bar, pace, question, step)


@contextmanager
def spinner(text: str) -> Iterator[Any]:
    """Show the current step on stderr; call the yielded function with each new step."""
    with _live(SpinnerColumn(), _StepColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(text, total=None)
        next_line = time.monotonic() + _LINE

        def step(name: str) -> None:
            nonlocal next_line
            bar.update(task, description=f"{text}: {name}")
            late = time.monotonic() >= next_line
            logs.log.log(logging.INFO if late else logging.DEBUG, "%s: %s", text, name)
            next_line = time.monotonic() + _LINE if late else next_line

        yield step
        bar.update(task, description=f"{text}: done", total=1, completed=1)


def _live(*columns: ProgressColumn) -> Progress:
    """What is drawn on a terminal only, and not at all for who wants it quiet."""
    return Progress(*columns, console=Console(stderr=True), disable=logs.quiet or not at_terminal(sys.stderr))


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """On a terminal, show *text* and the time on stderr while something takes longer than a second."""
    if not at_terminal(sys.stderr):
        yield
        return
    columns = (SpinnerColumn(), _StepColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(text, total=None)
    timer = threading.Timer(1, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


def set_aside(plan: Plan) -> None:
    """Show what of the inbox a run cannot request."""
    for one in plan.set_aside:
        named = ", ".join(f"'{each}'" for each in one.shown)
        note(f"Set aside: {one.reason}{f': {named} ({one.count:,} in all)' if one.count else ''}.")


def _missing(drift: dict[str, int]) -> list[tuple[str, int, str]]:
    """Appends that were requested, and that landed answers lack."""
    found = _counted(drift, "missing:")
    return [("landed without an append", max(found.values()), _listed(found))] if found else []


def _counted(drift: dict[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in drift.items() if name.startswith(prefix)}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def run_result(result: RunResult) -> None:
    """Show a run's two sums."""
    found = msgspec.to_builtins(reporting.summary_of(result))
    others = _listed(_counted(found["drift"], "other_kind:"))
    slowed = f"TMDB asked to slow down: {duration(result.waited)} waited"
    rows = [
        ("listed", found["listed"], ""),
        ("not in listing", found["not_in_listing"], "known, but no longer listed"),
        ("excluded before requesting", sum(found["excluded"].values()), _listed(found["excluded"])),
        ("up to date", found["up_to_date"], ""),
        ("requested", found["requested"], _listed(found["causes"])),
        *((name, found[name], "") for name in ("landed", "filtered")),
        ("gone", found["gone"], f"by ids of other kinds at IMDb or TVDB: {others}" if others else ""),
        *((name, found[name], "") for name in ("quarantined", "pending")),
        *([("abandoned", found["abandoned"], "given up, not requested")] if found["abandoned"] else []),
        *_missing(found["drift"]),
        ("requests in this call", found["requests"], ""),
        *([("answered 429", found["throttled"], slowed)] if found["throttled"] else []),
        *([("made again after a failure", found["retries"], "")] if found["retries"] else []),
        *([("replayed from the spool", found["replayed"], "")] if found["replayed"] else []),
    ]
    words = verdict(complete=found["complete"], clean=found["clean"], quarantined=found["quarantined"])
    if found["complete"] and not found["requested"]:
        words, rows = f"nothing to request ({words})", rows[:4]
    table(f"Run {found['run']} ({found['entity']}): {words}", ("", "count", ""), rows)
    for text in found["notes"]:
        note(f"Note: {text}.")
    set_aside(result.plan)
    if found["reason"] and found["pending"]:
        pending = f"{found['pending']:,} ids are pending; collect continues with them."
        problems([f"The run is open: {found['reason']}. {pending}"])
    elif found["reason"]:
        note(f"Stopped: {found['reason']}.")
