"""How the command line ends: an error is one line, or with --json an object, and an exit code."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, NamedTuple, NoReturn

import click

from reelhouse import ctrl_c
from reelhouse.errors import ConfigError, ReelhouseError, pip_install, printable, wrapped

# Packages of the extra that tables need.
_OF_LAKE = frozenset(("deltalake", "pyarrow", "pysail", "pyspark", "sqlglot"))


# What Ctrl-C leaves behind, and how to go on; a run says it by itself.
_INTERRUPTED = {
    "build": "; readers see the last complete build, and `reelhouse build` continues",
    "diff": "; nothing was changed, and `reelhouse diff` begins again",
    "export": "; no table is left half written, and `reelhouse export` writes what is missing",
    "init": "; no reelhouse.toml was written",
    "import": "; the table is what it was before, and `reelhouse import` begins again",
    "maintain": "; no table lost anything, and `reelhouse maintain` continues",
    "purge": "; what is purged by now is gone and recorded, and `reelhouse purge` with the same options continues",
    "report": "; no page was written, and `reelhouse report` begins again",
    "sync": "; what is collected and built is kept, and `reelhouse sync` continues",
    "verify": "; nothing was changed, and `reelhouse verify` begins again",
}


CLOSED = "the output is closed (>&-): leave it open, or redirect it to a file"


class Group(click.Group):
    """Shows errors of reelhouse as one line; exit code 2 for a setting or input, 130 for Ctrl-C, 1 for all others."""

    _words: Sequence[str] = ()

    def main(self, args: Sequence[str] | None = None, *more: Any, **kwargs: Any) -> Any:
        """Run a command; what the machine lacks, or the output does not take, is one line too."""
        self._words = sys.argv[1:] if args is None else args
        if sys.unraisablehook is sys.__unraisablehook__:
            sys.unraisablehook = _unraisable
        ctrl_c.raise_in_commands()
        _open_standard_streams()
        _write_any_character()
        try:
            if sys.stdout is None and {"--help", "-h", "--version"} & set(self._words):
                raise ReelhouseError(CLOSED)
            if sys.stdin is None and "-" in self._words:
                raise ReelhouseError("stdin is closed (<&-), and - reads from it: leave it open, or name a file")
            return super().main(args, *more, **kwargs)
        except BaseException as exc:
            if (failure := _failure(exc, "")) is None:
                raise
            _end(failure.message)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _wrapping():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _wrapping():
                return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of our output has closed it.
            _drop_output()
            sys.stderr.close()
            ctx.exit(1)
        except click.exceptions.Exit:
            raise
        except BaseException as raised:
            exc = _meant(raised)
            failure = _failure(exc, ctx.invoked_subcommand or "")
            if "--json" in self._words and not ctx.ensure_object(dict).get("printed"):
                _say_as_json(exc, failure)
            if failure is None:
                raise
            if isinstance(exc, KeyboardInterrupt):
                import signal

                # If what runs at the end of the process takes too long, a second Ctrl-C ends it at once.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            if failure.of_machine:
                _end(failure.message)
            _say(failure.message)
            ctx.exit(failure.exit_code)


class _Failure(NamedTuple):
    """What a command says of an error, and its exit code; after one *of_machine* the output may fail again."""

    message: str
    exit_code: int
    of_machine: bool = False


def _failure(exc: BaseException, command: str) -> _Failure | None:
    """None for what click says by itself, and for mistakes of ours."""
    if isinstance(exc, ReelhouseError):
        return _Failure(str(exc), 2 if isinstance(exc, ConfigError) else 1)
    if isinstance(exc, KeyboardInterrupt):
        return _Failure(f"interrupted{_INTERRUPTED.get(command, '')}", 130)
    if isinstance(exc, ModuleNotFoundError) and (exc.name or "").partition(".")[0] in _OF_LAKE:
        return _Failure(f"{exc.name} is not installed; install it with: {pip_install('lake')}", 2)
    if isinstance(exc, Exception):
        said = None if isinstance(exc, click.ClickException | click.Abort) else _machine_fault(exc)
        return None if said is None else _Failure(said, 1, of_machine=True)
    # Arrow, delta-rs and others in Rust raise this one, which is not an Exception, where the machine fails them.
    if type(exc).__name__ == "PanicException":
        why = "is the disk full, or memory short?"
        return _Failure(f"a library of the table engine has failed: {printable(str(exc))}; {why}", 1, of_machine=True)
    return None


def _say_as_json(exc: BaseException, failure: _Failure | None) -> None:
    """The error as the one object on stdout."""
    if failure is None:
        text = exc.format_message() if isinstance(exc, click.ClickException) else printable(str(exc)) or "aborted"
        failure = _Failure(text, getattr(exc, "exit_code", 1))
    import json

    error = {"message": failure.message, "kind": type(exc).__name__, "exit_code": failure.exit_code}
    click.echo(json.dumps({"error": error}, ensure_ascii=False))


def _open_standard_streams() -> None:
    """Open what was closed before we began (`>&-`): else the next file that is opened gets what is written there."""
    import os

    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _write_any_character() -> None:
    """Let the output take every title: one in ASCII gets UTF-8, as click gives it, and other encodings get escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            ascii_alone = codecs.lookup(stream.encoding).name == "ascii"
            errors = "backslashreplace" if stream.errors == "strict" else stream.errors
            stream.reconfigure(encoding="utf-8" if ascii_alone else None, errors=errors)


def _meant(exc: BaseException) -> BaseException:
    """Ctrl-C, where it ended a question: click makes of it what it also makes of the answer "no"."""
    asked = isinstance(exc, click.Abort) and isinstance(exc.__context__, KeyboardInterrupt)
    return KeyboardInterrupt() if asked else exc


@contextmanager
def _wrapping() -> Iterator[None]:
    """Let what click says of wrong options end its lines between words too."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as exc:
        text = for_stderr(f"Error: {exc.format_message()}").removeprefix("Error: ")
        raise click.UsageError(text, exc.ctx) from None


def _say(text: str) -> None:
    click.echo(for_stderr(f"reelhouse: {text}"), err=True)


def for_stderr(text: str) -> str:
    return wrapped(text) if sys.stderr is not None and sys.stderr.isatty() else text


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Give a dropped Ctrl-C again. One may also leave an object half made, whose end fails: for the log (-vv) only."""
    if isinstance(found.exc_value, KeyboardInterrupt):
        # It came while an object was removed, where Python drops it, as it would here; the user means the command.
        ctrl_c.give_again()
        return
    from reelhouse.logs import log

    log.debug("ignored at the end of %r: %r", found.object, found.exc_value)


def _end(said: str) -> NoReturn:
    with suppress(OSError):
        _say(said)
    _drop_output()
    sys.exit(1)


def _drop_output() -> None:
    """Let nothing write what is left in the buffer: it would fail again when the process ends."""
    import io

    sys.stdout = io.StringIO()


_LIMITS = ": free memory, or raise the limits of this shell (ulimit -v unlimited, ulimit -u)"


def _limited() -> bool:
    try:
        import resource
    except ImportError:
        # Windows has no such limits.
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _machine_fault(exc: Exception) -> str | None:
    """What to say of an error of the machine; None for others."""
    import sqlite3
    import tempfile

    if isinstance(exc, MemoryError):
        return f"not enough memory{_LIMITS}"
    if isinstance(exc, ImportError):
        return f"a package cannot be loaded: {printable(str(exc))}{_LIMITS if _limited() else ''}"
    if isinstance(exc, RuntimeError) and "new thread" in str(exc):
        return f"{exc}{_LIMITS}"
    if isinstance(exc, sqlite3.Error):
        return f"the folder for temporary files, {tempfile.gettempdir()}, failed ({exc}); TMPDIR names another"
    if not isinstance(exc, OSError):
        return None
    where = printable(str(exc.filename)) if exc.filename is not None else "the output"
    hint = "; TMPDIR names another folder for temporary files" if where.startswith(tempfile.gettempdir()) else ""
    return f"{where} failed: {exc.strerror or exc}{hint}"
