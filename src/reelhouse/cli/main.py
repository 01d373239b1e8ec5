"""The command line: read the input, make one call. Each command imports its heavy modules itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from reelhouse import __version__
from reelhouse.cli.help.examples import EXAMPLES
from reelhouse.errors import ConfigError, ReelhouseError, did_you_mean, pip_install, printable, wrapped

if TYPE_CHECKING:
    from reelhouse.collect.id_lists import KeyList
    from reelhouse.settings import Settings


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


# Commands whose output is all that they are for.
_SHOW = frozenset(("diff", "help", "plan", "show", "sql", "status", "tables"))


_CLOSED = "the output is closed (>&-): leave it open, or redirect it to a file"


class _Group(click.Group):
    """Shows errors of reelhouse as one line; exit code 2 for a setting or input, 130 for Ctrl-C, 1 for all others."""

    _words: Sequence[str] = ()

    def main(self, args: Sequence[str] | None = None, *more: Any, **kwargs: Any) -> Any:
        """Run a command; what the machine lacks, or the output does not take, is one line too."""
        self._words = sys.argv[1:] if args is None else args
        if sys.unraisablehook is sys.__unraisablehook__:
            sys.unraisablehook = _unraisable
        _open_standard_streams()
        try:
            if sys.stdout is None and {"--help", "-h", "--version"} & set(self._words):
                raise ReelhouseError(_CLOSED)
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
    # Arrow, delta-rs and others in Rust raise this one, which is no Exception, where the machine fails them.
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
        text = _for_stderr(f"Error: {exc.format_message()}").removeprefix("Error: ")
        raise click.UsageError(text, exc.ctx) from None


def _say(text: str) -> None:
    click.echo(_for_stderr(f"reelhouse: {text}"), err=True)


def _for_stderr(text: str) -> str:
    return wrapped(text) if sys.stderr is not None and sys.stderr.isatty() else text


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Give a dropped Ctrl-C again. One may also leave an object half made, whose end fails: for the log (-vv) only."""
    if isinstance(found.exc_value, KeyboardInterrupt):
        import threading

        # It came while an object was removed, where Python drops it; the user means the command. Not from here, where
        # it would be dropped again.
        again = threading.Timer(0.1, _interrupt)
        again.daemon = True
        again.start()
        return
    from reelhouse.logs import log

    log.debug("ignored at the end of %r: %r", found.object, found.exc_value)


def _interrupt() -> None:
    """Give Ctrl-C to the main thread, even while it waits."""
    import signal
    import threading

    main_thread = threading.main_thread().ident
    if sys.platform == "win32" or main_thread is None:
        import _thread

        _thread.interrupt_main()
    elif signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        signal.pthread_kill(main_thread, signal.SIGINT)


def _end(said: str) -> NoReturn:
    with suppress(OSError):
        _say(said)
    import io

    # What is left in the buffer would fail again when the process ends.
    sys.stdout = io.StringIO()
    sys.exit(1)


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


def _settings(ctx: click.Context, **options: Any) -> Settings:
    from reelhouse.bootstrap.storage import load_settings

    shared = {name: ctx.obj.get(name) for name in ("lake", "shared_machine_ok")}
    return load_settings({**shared, **options})


def _store(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep an option that may stand before and after the command; after it wins."""
    shared = ctx.find_root().ensure_object(dict)
    if value is not None and value is not False and value != 0:
        shared[option.name] = value


def _shared() -> list[click.Option]:
    """The options of every command."""
    place = "The lake: a folder or s3://bucket/prefix (REELHOUSE_LAKE; default ./lake)."
    formats = click.Choice(("text", "json"))
    given: dict[str, Any] = {"expose_value": False, "callback": _store}
    return [
        click.Option(["--lake"], metavar="PLACE", help=place, **given),
        click.Option(["-v", "--verbose"], count=True, help="Write the log to stderr; twice for all of it.", **given),
        click.Option(
            ["-q", "--quiet"], is_flag=True, help="No progress and no notes: only results and errors.", **given
        ),
        click.Option(["--log-file"], metavar="FILE", help="Append the log to a file.", **given),
        click.Option(["--log-format"], type=formats, help="Log format: text (default) or JSON lines.", **given),
    ]


_HELP = {"help_option_names": ["-h", "--help"]}
# They hold no state, so all commands share them.
_SHARED = _shared()


class _Command(click.Command):
    """A command with the shared options, which may also stand before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Its own: click keeps the help option of the first context, which need not be that of `reelhouse`.
        kwargs.setdefault("context_settings", _HELP)
        super().__init__(*args, **kwargs)
        self.params += _SHARED

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for line in EXAMPLES.get(self.name or "", ()):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def invoke(self, ctx: click.Context) -> Any:
        import logging

        from reelhouse import logs

        terminal = sys.stderr is not None and sys.stderr.isatty()
        # The demo is for a stranger, who needs its results.
        logs.configure({**ctx.obj, "command": f"reelhouse {self.name}"}, at_terminal=terminal or self.name == "demo")
        ended, level = "exit code 0", logging.INFO
        try:
            shows = self.name in _SHOW or ctx.params.get("as_json")
            if sys.stdout is None and shows and not ctx.params.get("output"):
                raise ReelhouseError(_CLOSED)
            return super().invoke(ctx)
        except click.exceptions.Exit as exc:
            ended, level = f"exit code {exc.exit_code}", logging.WARNING if exc.exit_code else level
            raise
        except BaseException as exc:
            ended, level = str(exc) or type(exc).__name__, logging.ERROR
            raise
        finally:
            logs.close(ended, level)


_Group.command_class = _Command


@click.group(cls=_Group, context_settings=_HELP, params=[*_SHARED])
@click.version_option(__version__, prog_name="reelhouse")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Collect TMDB completely, store responses unchanged, build typed tables, and verify that nothing is missing."""
    ctx.ensure_object(dict)


@main.command("help")
@click.argument("command", required=False, shell_complete=lambda ctx, _, begun: _beginning(begun, main.commands))
@click.pass_context
def help_(ctx: click.Context, command: str | None) -> None:
    """Show the help of a command, or of all."""
    root = ctx.find_root()
    if command is None:
        click.echo(root.get_help())
        return
    found = main.commands.get(command)
    if found is None:
        raise ConfigError(f"help: there is no command {command!r}{did_you_mean(command, main.commands)}")
    click.echo(found.get_help(click.Context(found, info_name=command, parent=root)))


def _beginning(begun: str, words: Iterable[str]) -> list[str]:
    return [word for word in sorted(words) if word.startswith(begun)]


def _complete_one_entity(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
    from reelhouse.entities.registry import ENTITIES

    return _beginning(begun, ENTITIES)


def _complete_entity(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
    from reelhouse.entities.registry import ENTITIES

    groups = {entity.group for entity in ENTITIES.values() if entity.group}
    return _beginning(begun, {"all", *groups, *ENTITIES})


def _complete_table(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
    """Tables that are declared, and the marts and imports of the lake; of a list the last one is completed."""
    from reelhouse.bootstrap.storage import load_settings, readable_storage
    from reelhouse.entities.registry import ENTITIES
    from reelhouse.warehouse.import_registry import readable

    before, comma, last = begun.rpartition(",")
    names = {table.name for entity in ENTITIES.values() for table in entity.tables}
    # A shell shows no error here, and the command itself says what is wrong.
    with suppress(ReelhouseError):
        names |= readable(
            readable_storage(load_settings({"lake": ctx.find_root().ensure_object(dict).get("lake")}))
        ).keys()
    return [f"{before}{comma}{name}" for name in _beginning(last, names)]


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")(
        command
    )


_ESCAPE = "Escape character for quotes inside values of {}: '\\\\' for a backslash; by default quotes are doubled."


def _list(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a list of ids."""
    options = (
        click.option("--ids", type=click.File("rb"), metavar="FILE|-", help="TMDB or IMDb ids, or a CSV."),
        click.option(
            "--ids-column",
            "--column",
            "column",
            metavar="NAME",
            help="The column of ids, if its name is unusual or several columns are possible.",
        ),
        click.option("--all-kinds", is_flag=True, help="Use every row of --ids, whatever its type column says."),
        click.option("--no-quotes", is_flag=True, help="Read quotes in the CSV of --ids as text."),
        click.option("--escape", default="", metavar="CHARACTER", help=_ESCAPE.format("the CSV of --ids")),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that select ids."""
    options = (
        click.option("--top", type=click.IntRange(min=1), help="Select the N most popular."),
        click.option("--min-popularity", type=float, help="Select ids with at least this popularity in the export."),
        click.option(
            "--discover", multiple=True, metavar="KEY=VALUE", help="Select by a TMDB discover filter; may be repeated."
        ),
        _list,
    )
    for option in reversed(options):
        command = option(command)
    return command


def _entity(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--entity",
        multiple=True,
        metavar="NAME",
        shell_complete=_complete_entity,
        help="Collect this entity or group, or all, instead of what the settings name; may be repeated.",
    )(command)


def _excel_safe(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--excel-safe", is_flag=True, help="CSV: put ' before texts that a spreadsheet would run as a formula."
    )(command)


def _limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that end a collection early."""
    options = (
        click.option(
            "--max-requests", type=click.IntRange(min=1), help="Stop after this many requests; the run stays open."
        ),
        click.option(
            "--deadline", type=float, metavar="SECONDS", help="Stop after this many seconds; the run stays open."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _begin(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--yes", is_flag=True, help="Do not ask before a first run of more than 20,000 requests.")(
        command
    )


def _engine(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option of a command that starts the embedded engine."""

    def note(ctx: click.Context, _: click.Parameter, given: bool) -> None:
        ctx.find_root().ensure_object(dict)["shared_machine_ok"] = given or None

    return click.option(
        "--shared-machine-ok",
        is_flag=True,
        expose_value=False,
        callback=note,
        help="Start the engine even if other people's processes could reach it (docs/security.md).",
    )(command)


def _spark(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that starts an engine: the embedded one, or Apache Spark."""
    options = (
        click.option(
            "--spark",
            metavar="ADDRESS",
            help="Use Apache Spark: local[*], sc://host:port, spark://host:port or yarn (docs/spark.md).",
        ),
        click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A setting of Apache Spark; may be repeated."),
        _engine,
    )
    for option in reversed(options):
        command = option(command)
    return command


def _engine_settings(ctx: click.Context, spark: str | None, conf: tuple[str, ...]) -> Settings:
    """Settings with the options of `_spark`; Spark settings given here are added to those of a file."""
    settings = _settings(ctx, engine=spark)
    return settings.overridden(spark_conf={**settings.spark_conf, **_pairs(conf, "conf")})


def _pairs(texts: Iterable[str], option: str = "discover") -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{option}: KEY=VALUE is expected, not {text!r}")
        pairs[name] = value
    return pairs


def _check_together(options: dict[str, Any]) -> None:
    """A list of ids excludes other selections, which would be ignored."""
    if options["ids"] is None:
        return
    for name in ("top", "min_popularity", "discover"):
        if options[name] not in (None, ()):
            raise ConfigError(f"{name}: --ids already names the ids; give only one of them")


def _keys(options: dict[str, Any], entity: str) -> KeyList | None:
    """As `_lists`, of one entity; None without a list."""
    return next(iter(_lists(options, [entity])), None)


def _lists(options: dict[str, Any], entities: Collection[str]) -> list[KeyList]:
    """The ids of a list by the options of `_list`, those of each entity; prints how it was read."""
    from reelhouse.collect.id_lists import Reading, read_lists
    from reelhouse.strict_csv import escape_of

    if options["ids"] is None:
        for name, option in _OF_A_LIST.items():
            if options[name]:
                raise ConfigError(f"{option} is an option of --ids, which is missing")
        return []
    escape = escape_of(options["escape"])
    how = Reading(options["column"], not options["no_quotes"], escape, not options["all_kinds"])
    # A command without entities does not request anything: what the file is called does not matter.
    name = str(getattr(options["ids"], "name", "")) if "entity" in options else ""
    read = read_lists(options["ids"].read(), how._replace(name=name), entities)
    for text in (text for one in read for text in one.notes):
        click.echo(_for_stderr(text), err=True)
    if not any(one.keys for one in read):
        raise ConfigError("ids: the list has no ids")
    return read


_OF_A_LIST = {
    "column": "--ids-column",
    "all_kinds": "--all-kinds",
    "no_quotes": "--no-quotes",
    "escape": "--escape",
}


def _chosen(ctx: click.Context, options: dict[str, Any]) -> tuple[Settings, Any]:
    """Settings and request from the options of `_selection` and `_limits`."""
    from reelhouse.bootstrap.operations import request_of
    from reelhouse.bootstrap.selection import selected

    discover = _pairs(options["discover"]) or None
    _check_together(options)
    settings = _settings(ctx, top=options["top"], min_popularity=options["min_popularity"], discover=discover)
    lists = _lists(options, selected(options["entity"] or settings.entities))
    selects = any(options[name] is not None for name in ("top", "min_popularity")) or discover is not None
    limits = {name: options.get(name) for name in ("max_requests", "deadline")}
    return settings, request_of(settings, options["entity"], lists, selects=selects, **limits)


@main.command()
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--entities", multiple=True, metavar="NAME", help="Collect this entity or group, or all; may be repeated."
)
@click.option("--yes", is_flag=True, help="Do not prompt. (Without a terminal there are no prompts.)")
def init(force: bool, entities: tuple[str, ...], yes: bool) -> None:
    """Write a commented reelhouse.toml, and print TMDB's terms.

    In a terminal it prompts for the token (and checks it with TMDB), where to store it, the lake's location and what to
    collect, and estimates the cost.
    """
    from reelhouse.cli import init
    from reelhouse.cli.terminal import display

    names = [name.strip() for text in entities for name in text.split(",")]
    init.init(names, force=force, ask=not yes and display.at_terminal(sys.stdin))


@main.command()
@_entity
@_selection
@_json
@click.pass_context
def plan(ctx: click.Context, /, as_json: bool, **options: Any) -> None:
    """Show what the next run would request, why, and how long it would take."""
    settings, request = _chosen(ctx, options)
    from reelhouse.cli import commands

    ctx.exit(commands.plan(settings, request, as_json))


@main.command()
@_entity
@_selection
@click.option("--full", is_flag=True, help="Request all selected ids again, even those that are up to date.")
@click.option(
    "--abandon",
    is_flag=True,
    help="Abandon the open run without requesting its pending ids; then start the selected run, if any.",
)
@_limits
@_begin
@_json
@click.pass_context
def collect(ctx: click.Context, /, full: bool, abandon: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Continue the open run, or plan and execute the next one."""
    settings, request = _chosen(ctx, options)
    from reelhouse.cli import commands

    ctx.exit(commands.collect(settings, request._replace(full=full, abandon=abandon), as_json, yes=yes))


@main.command()
@click.option("--full", is_flag=True, help="Build everything again from raw.")
@_spark
@_json
@click.pass_context
def build(ctx: click.Context, /, full: bool, as_json: bool, **engine: Any) -> None:
    """Build tables and marts from the stored responses, even while a run is open."""
    from reelhouse.cli import commands

    ctx.exit(commands.build(_engine_settings(ctx, **engine), full, as_json))


@main.command()
@_entity
@_selection
@_limits
@_begin
@_engine
@_json
@click.pass_context
def sync(ctx: click.Context, /, yes: bool, as_json: bool, **options: Any) -> None:
    """Collect, build and verify."""
    settings, request = _chosen(ctx, options)
    from reelhouse.cli import commands

    ctx.exit(commands.sync(settings, request, as_json, yes=yes))


@main.command()
@click.argument("place", required=False)
@click.option(
    "--layout",
    type=click.Choice(("lake", "course")),
    default="lake",
    help="course: check files in the course layout, whatever program wrote them.",
)
@click.option("--deep", is_flag=True, help="Also read every value of the tables.")
@_list
@_json
@click.pass_context
def verify(ctx: click.Context, /, place: str | None, layout: str, deep: bool, as_json: bool, **options: Any) -> None:
    """Recompute every count from the stored objects and name what is wrong.

    Tables are checked by their logs and by the sizes of the files that the logs name.

    With --layout course, check the JSON files below PLACE (by default the lake): valid, at most 100 records and 10 MB
    each, one structure; and name ids that are repeated, or missing from a list.
    """
    from reelhouse.cli import commands

    if layout == "lake":
        if place or any(options.values()):
            raise ConfigError("verify: PLACE and --ids require --layout course; name a lake with --lake")
        ctx.exit(commands.verify(_settings(ctx), as_json, deep=deep))
    if deep:
        raise ConfigError("verify: --deep reads the tables of a lake; leave out --layout course")
    from reelhouse.entities.registry import DEFAULT

    listed = _keys(options, DEFAULT)
    settings = _settings(ctx)
    ctx.exit(commands.verify_course(settings.overridden(lake=place), listed, as_json))


@main.command()
@click.option("--older-than", metavar="AGE", help="Purge what was fetched longer ago than 180d (days) or 12h (hours).")
@click.option(
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    metavar="DATE",
    help="Count ages from this day (2026-11-29), not by this machine's clock.",
)
@click.option("--entity", metavar="NAME", help="Purge one entity; with --ids: whose ids they are.")
@_list
@click.option("--all", "everything", is_flag=True, help="Purge every answer.")
@click.option("--dry-run", is_flag=True, help="Show what would be purged; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@_engine
@_json
@click.pass_context
def purge(ctx: click.Context, /, as_of: datetime | None, dry_run: bool, yes: bool, as_json: bool, **what: Any) -> None:
    """Delete answers, old versions in a bucket included, and prove that they are gone.

    Receipts keep ids, states and times, so every run still adds up. An open run requests nothing that was purged: what
    it has not reached yet of --ids, --entity or --all is left out, counted as abandoned. For the next plan purged ids
    are unknown, so they are requested (as new) if they are still listed. Exports hold titles, so
    --older-than, --entity and --all purge them too, with popularity_daily. --ids purges answers only, and reads all of
    them if IMDb ids are named: exports, ranked lists and answers about other records may still name what was purged.
    Tables are erased and built again; until then they cannot be read. Nothing is purged while answers wait in this
    machine's spool. Make sure that none wait on another machine, or they come back.

    A purge is refused if this machine's clock seems wrong: if the lake has seen a later time of TMDB's clock, or none
    for 30 days and most answers would go. Then --as-of names the day to count from.
    """
    from reelhouse.bootstrap.collector import only_entity
    from reelhouse.cli import commands

    settings = _settings(ctx)
    chosen = {name: what[name] for name in ("older_than", "entity", "everything")}
    if what["ids"] and not what["entity"]:
        chosen["entity"] = only_entity(settings)
    listed = _keys(what, chosen["entity"] or "")
    chosen["keys"] = listed.keys if listed else ()
    ctx.exit(commands.purge(settings, chosen, as_of, listed, dry_run=dry_run, yes=yes, as_json=as_json))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--layout", type=click.Choice(("course",)), help="course: unchanged, under Raw/Local/CSV/<kind>/<date>.")
@click.option(
    "--kind", type=click.Choice(("movie", "series")), help="Content of the files; by default inferred from their names."
)
@_json
@click.pass_context
def upload(ctx: click.Context, files: tuple[Path, ...], layout: str | None, kind: str | None, as_json: bool) -> None:
    """Put local files into the lake: its reelhouse.toml, or with --layout course CSV files."""
    from reelhouse.cli import commands

    commands.upload(_settings(ctx), files, layout, kind, as_json)


@main.command()
@_json
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show known, landed, pending and stale ids, and open runs."""
    from reelhouse.cli import status

    status.status(_settings(ctx), as_json)


@main.command()
@click.option(
    "--entity", multiple=True, metavar="NAME", help="Compare this entity or group; may be repeated; by default all."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all ids that differ to this CSV file.",
)
@_json
@click.pass_context
def diff(ctx: click.Context, entity: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Compare the lake with TMDB's newest export, id by id. Needs no token and changes nothing.

    missing: listed, but the lake has no answer. extra: in the lake, but no longer listed. stale: fetched too long ago.
    tombstoned: listed, but TMDB said that it is gone.

    The ids that the newest run selected are compared, and all that were ever collected. Exits 1 if any id differs.
    """
    from reelhouse.bootstrap.selection import selected
    from reelhouse.cli import diff

    names = selected(entity) if entity else ()
    ctx.exit(diff.diff(_settings(ctx), names, output, as_json=as_json))


@main.command()
@click.argument("query", required=False)
@click.option("-f", "--file", "source", type=click.File("rb"), help="Read the query from a file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "csv", "json", "jsonl", "parquet")),
    help="Output format; by default the extension of --output, otherwise table.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead of stdout.")
@_excel_safe
@click.option("--vertical", is_flag=True, help="Show each row as lines of name and value: nothing of a row is cut.")
@click.option("--json", "as_json", is_flag=True, help='Print one JSON object on stdout, {"rows": [...]}, nothing else.')
@_engine
@click.pass_context
def sql(ctx: click.Context, /, query: str | None, source: IO[bytes] | None, **how: Any) -> None:
    """Run a Spark SQL query against tables and marts; - reads it from stdin. Without a query, open a prompt.

    A query may read the lake's tables, marts and imports, also as marts.fact_movie. It is refused if it writes, or
    reads anything else. `show tables`, `describe NAME` and `show columns from NAME` list what is available.

    In a terminal, output is truncated to the window's width and 40 rows, with a note. Files and pipes get everything.
    """
    if query is not None and source is not None:
        raise ConfigError("sql: a query and --file are given; give only one of them")
    from reelhouse.cli import sql

    if query == "-":
        source = sys.stdin.buffer
    if source is not None:
        try:
            query = source.read().decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise ConfigError(f"sql: the query is not valid UTF-8 at byte {exc.start:,}") from exc
    sql.run(_settings(ctx), query, **how)


@main.command()
@click.argument("name", required=False, shell_complete=_complete_table)
@click.option("--dbt", is_flag=True, help="Print the sources.yml of a dbt project instead (docs/dbt.md).")
@_json
@click.pass_context
def tables(ctx: click.Context, name: str | None, dbt: bool, as_json: bool) -> None:
    """Show the data dictionary: all tables, or the columns of one."""
    from reelhouse.cli import status

    if dbt:
        status.dbt_sources(_settings(ctx))
    else:
        status.tables(_settings(ctx), name, as_json)


@main.command()
@click.argument("entity", shell_complete=_complete_one_entity)
@click.argument("key", required=False, metavar="[ID|NAME]")
@click.option("--raw", is_flag=True, help="Print the answer as TMDB sent it, nothing else.")
@_engine
@_json
@click.pass_context
def show(ctx: click.Context, /, entity: str, key: str | None, **how: bool) -> None:
    """Show one record: its rows, the source path of each value, and its history by run.

    ENTITY is an entity such as person; ID is a TMDB or IMDb id. If several records match a name, you choose.
    """
    from reelhouse.cli import show

    show.show(_settings(ctx), entity, key, **how)


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("lake.html"),
    show_default=True,
    help="The file to write.",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option("--images", is_flag=True, help="Show posters; the browser then loads them from TMDB.")
@click.option("--check", is_flag=True, help="Exit with 1 if a check fails (settings report_...).")
@_engine
@_json
@click.pass_context
def report(ctx: click.Context, /, output: Path, **how: bool) -> None:
    """Write an HTML report about the lake: contents, key figures, data quality.

    The report is one file that works offline; without --images it makes no network requests.
    """
    from reelhouse.cli import report

    ctx.exit(report.report(_settings(ctx), output, **how))


@main.command()
@click.option(
    "--to",
    "target",
    required=True,
    metavar="PLACE",
    help="postgresql://..., x.duckdb, x.sqlite, csv:FOLDER, parquet:FOLDER.",
)
@click.option(
    "--tables",
    metavar="NAMES",
    shell_complete=_complete_table,
    help="Comma-separated table names; default: all.",
)
@click.option("--schema", metavar="NAME", help="The database's schema; by default tmdb.")
@click.option("--full", is_flag=True, help="Write everything, even what has not changed.")
@_excel_safe
@_spark
@_json
@click.pass_context
def export(
    ctx: click.Context,
    /,
    target: str,
    tables: str | None,
    spark: str | None,
    conf: tuple[str, ...],
    schema: str | None,
    **how: bool,
) -> None:
    """Copy tables and marts of the last complete build into a database or files."""
    from reelhouse.cli import export

    names = tuple(name.strip() for name in tables.split(",") if name.strip()) if tables is not None else None
    export.export(_engine_settings(ctx, spark, conf), target, names, schema, **how)


@main.command()
@click.option("--tables", metavar="NAMES", help="Comma-separated table names; default: all.")
@click.option("--port", type=int, default=0, help="Port; a free one by default.")
@click.option("--no-images", "images", is_flag=True, flag_value=False, default=True, help="Show no images from TMDB.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.pass_context
def browse(ctx: click.Context, /, tables: str | None, **how: Any) -> None:
    """Browse the lake in a web browser with datasette, on localhost only.

    It serves a temporary SQLite copy, which is removed at exit. The browser loads images from TMDB.
    """
    from reelhouse.cli import browse

    names = tuple(name.strip() for name in tables.split(",") if name.strip()) if tables is not None else None
    ctx.exit(browse.browse(_settings(ctx), names, **how))


@main.command("import")
@click.argument("name")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path(path_type=Path))
@click.option(
    "--from", "source", metavar="URL", help="A database instead of files: postgresql://..., x.duckdb, x.sqlite."
)
@click.option("--table", metavar="NAME", help="Database table to import, optionally schema-qualified.")
@click.option("--new-schema", is_flag=True, help="Accept columns and types that differ from the last import.")
@click.option("--null", "nulls", multiple=True, metavar="TEXT", help="Additional text to read as NULL in a CSV.")
@click.option("--no-quotes", is_flag=True, help="Read quotes in a CSV as text; no value spans lines.")
@click.option("--escape", default="", metavar="CHARACTER", help=_ESCAPE.format("a CSV"))
@click.option(
    "--encoding", default="", metavar="NAME", help="Encoding of a CSV that is not UTF-8 or UTF-16, such as latin-1."
)
@click.option(
    "--skip-lines", type=click.IntRange(min=0), default=0, help="Number of lines to skip before a CSV's header."
)
@click.option(
    "--records", default="", metavar="KEY", help="Key of the JSON array that holds the rows, such as results."
)
@click.option(
    "--split-by", metavar="COLUMN", help="Numeric column by which Apache Spark partitions the read of a database table."
)
@click.option("--drop", is_flag=True, help="Remove the imported table NAME.")
@_spark
@_json
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    name: str,
    no_quotes: bool,
    escape: str,
    drop: bool,
    as_json: bool,
    spark: str | None,
    conf: tuple[str, ...],
    **wanted: Any,
) -> None:
    """Import your own CSV, Parquet or JSON files, or a database's table, into the lake as table NAME.

    FILE may be a folder or a pattern; several files make one table. The import replaces the whole table of that name,
    and must have its columns and types. Types are derived from all values, and no value is lost.
    """
    from reelhouse.cli import import_table
    from reelhouse.strict_csv import escape_of

    given = import_table.ImportSpec(name, quotes=not no_quotes, escape=escape_of(escape), **wanted)
    settings = _engine_settings(ctx, spark, conf)
    if drop:
        import_table.drop(settings, given, as_json=as_json)
    else:
        import_table.import_table(settings, given, as_json=as_json)


@main.command()
@click.option("--catalog", type=click.Choice(("glue", "unity")), required=True, help="AWS Glue or Unity Catalog.")
@click.option("--database", required=True, metavar="NAME", help="The database; for Unity Catalog catalog.schema.")
@click.option(
    "--tables",
    metavar="NAMES",
    shell_complete=_complete_table,
    help="Comma-separated table names; default: all.",
)
@_json
@click.pass_context
def register(ctx: click.Context, catalog: str, database: str, tables: str | None, as_json: bool) -> None:
    """Register the tables of a lake in S3 for Athena or Databricks, with columns and comments."""
    from reelhouse.cli import register

    names = tuple(name.strip() for name in tables.split(",") if name.strip()) if tables is not None else None
    register.register(_settings(ctx), catalog, database, names, as_json=as_json)


@main.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Keep versions that were current within this many days, and files that young, for readers.",
)
@_json
@click.pass_context
def maintain(ctx: click.Context, dry_run: bool, keep_days: int, as_json: bool) -> None:
    """Compact, checkpoint and vacuum tables.

    Needs neither an engine nor Java, and may run at the same time as builds and readers; once a week is enough. Files
    that no reader needs are removed, in a bucket with their old versions. Exits 1 while the lake has answers that are
    older than TMDB's terms allow, and names the purge that deletes them.
    """
    from reelhouse.cli import maintain

    ctx.exit(maintain.maintain(_settings(ctx), dry_run=dry_run, keep_days=keep_days, as_json=as_json))


@main.command()
@click.option("--movies", type=click.IntRange(min=0), default=5000, show_default=True, help="Titles in the catalogue.")
@click.option("--series", type=click.IntRange(min=0), help="Titles with seasons; by default a tenth as many.")
@click.option("--seed", type=int, default=1, show_default=True, help="A different seed makes a different catalogue.")
@click.option("--port", type=int, default=0, help="Port; a free one by default.")
@click.option("--rate", type=float, default=0.0, help="Answer 429 beyond this many requests a second; 0 is no limit.")
@click.option("--retry-after", type=float, help="Send Retry-After with a 429.")
@click.option("--latency", type=float, default=0.0, help="Milliseconds before each answer.")
@click.option("--faults", default="none", metavar="PROFILE", help="Inject faults; `--faults help` lists the profiles.")
@click.option(
    "--token", metavar="TEXT", help="Accept only this token and answer 401 to others; by default any token is accepted."
)
@click.option(
    "--payloads",
    type=click.Path(path_type=Path),
    help="Serve response bodies from this folder instead of generated ones.",
)
def emulate(**options: Any) -> None:
    """Run the bundled TMDB emulator: the API under /3, exports under /p/exports."""
    from reelhouse.cli import emulate

    emulate.emulate(**options)


@main.command()
@click.option("--movies", type=click.IntRange(min=100), default=3000, show_default=True, help="Titles to collect.")
@_engine
@click.pass_context
def demo(ctx: click.Context, movies: int) -> None:
    """Collect, build and query a demo lake from the emulator, in ./demo-lake: no key, no network."""
    from reelhouse.cli import emulate

    ctx.exit(emulate.demo(ctx.obj.get("lake") or "demo-lake", movies, ctx.obj["shared_machine_ok"]))


if __name__ == "__main__":
    main()
