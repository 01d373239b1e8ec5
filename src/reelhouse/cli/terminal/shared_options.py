"""The options that commands share, and what their values mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reelhouse.cli.help.examples import EXAMPLES
from reelhouse.cli.terminal.errors import CLOSED, for_stderr
from reelhouse.errors import ConfigError, ReelhouseError

if TYPE_CHECKING:
    from reelhouse.collect.id_lists import KeyList
    from reelhouse.settings import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

# Commands whose output is all that they are for.
_SHOW = frozenset(("diff", "help", "plan", "show", "sql", "status", "tables"))


def settings_of(ctx: click.Context, **options: Any) -> Settings:
    """The effective settings, with the *options* of a command over those of files and environment."""
    from reelhouse.bootstrap.storage import load_settings

    shared = {name: ctx.obj.get(name) for name in ("lake", "shared_machine_ok")}
    return load_settings({**shared, **options})


def _store(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep an option that may stand before and after the command; after it wins."""
    shared = ctx.find_root().ensure_object(dict)
    if value is not None and value is not False and value != 0:
        shared[option.name] = value


def _store_log_file(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    from reelhouse.storage.protocol import HOUSE

    # Wherever links lead.
    if value and any((folder / HOUSE).is_dir() for folder in Path(os.path.realpath(value)).parents):
        raise ConfigError(f"--log-file: {value} lies in a lake, which keeps logs of its own: take a place outside")
    _store(ctx, option, value)


def _shared(default: str = "REELHOUSE_LAKE; default ./lake") -> list[click.Option]:
    """The options of every command."""
    place = f"The lake: a folder or s3://bucket/prefix ({default})."
    formats = click.Choice(("text", "json"))
    given: dict[str, Any] = {"expose_value": False, "callback": _store}
    return [
        click.Option(["--lake"], metavar="PLACE", help=place, **given),
        click.Option(["-v", "--verbose"], count=True, help="Write the log to stderr; twice for all of it.", **given),
        click.Option(
            ["-q", "--quiet"], is_flag=True, help="No progress and no notes: only results and errors.", **given
        ),
        click.Option(
            ["--log-file"],
            metavar="FILE",
            help="Append the log to a file.",
            **{**given, "callback": _store_log_file},
        ),
        click.Option(["--log-format"], type=formats, help="Log format: text (default) or JSON lines.", **given),
    ]


HELP = {"help_option_names": ["-h", "--help"]}
# They hold no state, so all commands share them.
SHARED = _shared()
_OF_DEMO = _shared("default ./demo-lake, whatever REELHOUSE_LAKE says")


class Command(click.Command):
    """A command with the shared options, which may also stand before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Its own: click keeps the help option of the first context, which need not be that of `reelhouse`.
        kwargs.setdefault("context_settings", HELP)
        super().__init__(*args, **kwargs)
        self.params += _OF_DEMO if self.name == "demo" else SHARED

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
                raise ReelhouseError(CLOSED)
            return super().invoke(ctx)
        except click.exceptions.Exit as exc:
            ended, level = f"exit code {exc.exit_code}", logging.WARNING if exc.exit_code else level
            raise
        except BaseException as exc:
            ended, level = str(exc) or type(exc).__name__, logging.ERROR
            raise
        finally:
            logs.close(ended, level)


def beginning(begun: str, words: Iterable[str]) -> list[str]:
    """The *words* that complete what was begun."""
    return [word for word in sorted(words) if word.startswith(begun)]


def complete_one_entity(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
    """Entities, without groups."""
    from reelhouse.entities.registry import ENTITIES

    return beginning(begun, ENTITIES)


def _complete_entity(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
    from reelhouse.entities.registry import ENTITIES

    before, comma, last = begun.rpartition(",")
    groups = {entity.group for entity in ENTITIES.values() if entity.group}
    return [f"{before}{comma}{name}" for name in beginning(last, {"all", *groups, *ENTITIES})]


def complete_table(ctx: click.Context, option: click.Parameter, begun: str) -> list[str]:
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
    return [f"{before}{comma}{name}" for name in beginning(last, names)]


def _names(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else all_names(ctx, option, (text,))


def all_names(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The names in *texts*, each one or several with commas between them."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _options(*options: Decorator) -> Decorator:
    """The *options* as one decorator, in this order in the help."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        return reduce(lambda decorated, option: option(decorated), reversed(options), command)

    return decorate


tables = click.option(
    "--tables",
    metavar="NAMES",
    shell_complete=complete_table,
    callback=_names,
    help="Comma-separated table names; default: all.",
)
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
excel_safe = click.option(
    "--excel-safe", is_flag=True, help="CSV: put ' before texts that a spreadsheet would run as a formula."
)
begin = click.option("--yes", is_flag=True, help="Do not ask before a run of more than 20,000 new ids.")
entity = click.option(
    "--entity",
    multiple=True,
    metavar="NAME",
    shell_complete=_complete_entity,
    callback=all_names,
    help="Collect these entities or groups (comma-separated), or all, instead of what the settings name.",
)


ESCAPE = "Escape character for quotes inside values of {}: '\\\\' for a backslash; by default quotes are doubled."


# They name a list of ids.
list_of_ids = _options(
    click.option("--ids", type=click.File("rb"), metavar="FILE|-", help="Ids of TMDB, IMDb or TVDB, or a CSV."),
    click.option(
        "--ids-column",
        "--column",
        "column",
        metavar="NAME",
        help="The column of ids, if its name is unusual or several columns are possible.",
    ),
    click.option("--all-kinds", is_flag=True, help="Use every row of --ids, whatever its type column says."),
    click.option("--no-quotes", is_flag=True, help="Read quotes in the CSV of --ids as text."),
    click.option("--escape", default="", metavar="CHARACTER", help=ESCAPE.format("the CSV of --ids")),
)


# They select ids.
selection = _options(
    click.option("--top", type=click.IntRange(min=1), help="Select the N most popular."),
    click.option("--min-popularity", type=float, help="Select ids with at least this popularity in the export."),
    click.option(
        "--discover", multiple=True, metavar="KEY=VALUE", help="Select by a TMDB discover filter; may be repeated."
    ),
    list_of_ids,
)


# They end a collection early.
limits = _options(
    click.option(
        "--max-requests", type=click.IntRange(min=1), help="Stop after this many requests; the run stays open."
    ),
    click.option("--deadline", type=float, metavar="SECONDS", help="Stop after this many seconds; the run stays open."),
)


def _note_shared_machine(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    ctx.find_root().ensure_object(dict)["shared_machine_ok"] = given or None


# For a command that starts the embedded engine.
engine = click.option(
    "--shared-machine-ok",
    is_flag=True,
    expose_value=False,
    callback=_note_shared_machine,
    help="Start the engine even if other people's processes could reach it (docs/security.md).",
)
# For a command that starts an engine: the embedded one, or Apache Spark.
spark = _options(
    click.option(
        "--spark",
        metavar="ADDRESS",
        help="Use Apache Spark: local[*], sc://host:port, spark://host:port or yarn (docs/spark.md).",
    ),
    click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A setting of Apache Spark; may be repeated."),
    engine,
)


def engine_settings_of(ctx: click.Context, spark: str | None, conf: tuple[str, ...]) -> Settings:
    """Settings with the options of `spark`; Spark settings given here are added to those of a file."""
    settings = settings_of(ctx, engine=spark)
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


def keys_of(options: dict[str, Any], entity: str) -> KeyList | None:
    """As `_lists`, of one entity; None without a list."""
    return next(iter(_lists(options, [entity])), None)


def _lists(options: dict[str, Any], entities: Collection[str]) -> list[KeyList]:
    """The ids of a list by the options of `list_of_ids`, those of each entity; prints how it was read."""
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
        click.echo(for_stderr(text), err=True)
    if not any(one.keys for one in read):
        raise ConfigError("ids: the list has no ids")
    return read


_OF_A_LIST = {
    "column": "--ids-column",
    "all_kinds": "--all-kinds",
    "no_quotes": "--no-quotes",
    "escape": "--escape",
}


def chosen_by(ctx: click.Context, options: dict[str, Any]) -> tuple[Settings, Any]:
    """Settings and request from the options of `selection` and `limits`."""
    from reelhouse.bootstrap.operations import request_of
    from reelhouse.bootstrap.selection import selected

    discover = _pairs(options["discover"]) or None
    _check_together(options)
    settings = settings_of(ctx, top=options["top"], min_popularity=options["min_popularity"], discover=discover)
    lists = _lists(options, selected(options["entity"] or settings.entities))
    selects = any(options[name] is not None for name in ("top", "min_popularity")) or discover is not None
    limits = {name: options.get(name) for name in ("max_requests", "deadline")}
    return settings, request_of(settings, options["entity"], lists, selects=selects, **limits)
