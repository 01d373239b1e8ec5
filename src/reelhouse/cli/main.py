"""The command line: read the input, make one call. Each command imports its heavy modules itself."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from reelhouse import __version__
from reelhouse.cli.terminal import shared_options as shared
from reelhouse.cli.terminal.errors import Group
from reelhouse.errors import ConfigError, did_you_mean

Group.command_class = shared.Command


@click.group(cls=Group, context_settings=shared.HELP, params=[*shared.SHARED])
@click.version_option(__version__, prog_name="reelhouse")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Collect TMDB completely, store responses unchanged, build typed tables, and verify that nothing is missing."""
    ctx.ensure_object(dict)


@main.command("help")
@click.argument("command", required=False, shell_complete=lambda ctx, _, begun: shared.beginning(begun, main.commands))
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


@main.command()
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--entities",
    multiple=True,
    metavar="NAME",
    callback=shared.all_names,
    help="Collect these entities or groups (comma-separated), or all.",
)
@click.option("--yes", is_flag=True, help="Do not prompt. (Without a terminal there are no prompts.)")
@click.pass_context
def init(ctx: click.Context, /, force: bool, entities: tuple[str, ...], yes: bool) -> None:
    """Write a commented reelhouse.toml, and print TMDB's terms.

    It selects the 1,000 most popular of each entity until you change it. In a terminal it prompts
    for the token (and checks it with TMDB), where to store it, the lake's location and what to collect, and estimates
    the cost.
    """
    from reelhouse.cli import init
    from reelhouse.cli.terminal import display

    init.init(entities, ctx.obj.get("lake"), force=force, ask=not yes and display.at_terminal(sys.stdin))


@main.command()
@shared.entity
@shared.selection
@shared.json
@click.pass_context
def plan(ctx: click.Context, /, as_json: bool, **options: Any) -> None:
    """Show what the next run would request, why, and how long it would take."""
    settings, request = shared.chosen_by(ctx, options)
    from reelhouse.cli import pipeline

    ctx.exit(pipeline.plan(settings, request, as_json))


@main.command()
@shared.entity
@shared.selection
@click.option("--full", is_flag=True, help="Request all selected ids again, even those that are up to date.")
@click.option(
    "--abandon",
    is_flag=True,
    help="Abandon the open run without requesting its pending ids; then start the selected run, if any.",
)
@shared.limits
@shared.begin
@shared.json
@click.pass_context
def collect(ctx: click.Context, /, full: bool, abandon: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Continue the open run, or plan and execute the next one."""
    settings, request = shared.chosen_by(ctx, options)
    from reelhouse.cli import pipeline

    ctx.exit(pipeline.collect(settings, request._replace(full=full, abandon=abandon), as_json, yes=yes))


@main.command()
@click.option("--full", is_flag=True, help="Build everything again from raw.")
@shared.spark
@shared.json
@click.pass_context
def build(ctx: click.Context, /, full: bool, as_json: bool, **engine: Any) -> None:
    """Build tables and marts from the stored responses, even while a run is open."""
    from reelhouse.cli import pipeline

    ctx.exit(pipeline.build(shared.engine_settings_of(ctx, **engine), full, as_json))


@main.command()
@shared.entity
@shared.selection
@shared.limits
@shared.begin
@shared.engine
@shared.json
@click.pass_context
def sync(ctx: click.Context, /, yes: bool, as_json: bool, **options: Any) -> None:
    """Collect, build and verify."""
    settings, request = shared.chosen_by(ctx, options)
    from reelhouse.cli import pipeline

    ctx.exit(pipeline.sync(settings, request, as_json, yes=yes))


@main.command()
@click.argument("place", required=False)
@click.option(
    "--layout",
    type=click.Choice(("lake", "course")),
    default="lake",
    help="course: check files in the course layout, whatever program wrote them.",
)
@click.option("--deep", is_flag=True, help="Also read every value of the tables.")
@shared.list_of_ids
@shared.json
@click.pass_context
def verify(ctx: click.Context, /, place: str | None, layout: str, deep: bool, as_json: bool, **options: Any) -> None:
    """Recompute every count from the stored objects and name what is wrong.

    Tables are checked by their logs and by the sizes of the files that the logs name.

    With --layout course, check the JSON files below PLACE (by default the lake): valid, at most 100 records and 10 MB
    each, one structure; and name ids that are repeated, or missing from a list.
    """
    from reelhouse.cli import pipeline

    if layout == "lake":
        if place or any(options.values()):
            raise ConfigError("verify: PLACE and --ids require --layout course; name a lake with --lake")
        ctx.exit(pipeline.verify(shared.settings_of(ctx), as_json, deep=deep))
    if deep:
        raise ConfigError("verify: --deep reads the tables of a lake; leave out --layout course")
    from reelhouse.entities.registry import DEFAULT

    listed = shared.keys_of(options, DEFAULT)
    settings = shared.settings_of(ctx)
    ctx.exit(pipeline.verify_course(settings.overridden(lake=place), listed, as_json))


@main.command()
@click.option("--older-than", metavar="AGE", help="Purge what was fetched longer ago than 180d (days) or 12h (hours).")
@click.option(
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    metavar="DATE",
    help="Count ages from this day (2026-11-29), not by this machine's clock.",
)
@click.option("--entity", metavar="NAME", help="Purge one entity; with --ids: whose ids they are.")
@shared.list_of_ids
@click.option("--all", "everything", is_flag=True, help="Purge every answer.")
@click.option("--dry-run", is_flag=True, help="Show what would be purged; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@shared.engine
@shared.json
@click.pass_context
def purge(ctx: click.Context, /, as_of: datetime | None, dry_run: bool, yes: bool, as_json: bool, **what: Any) -> None:
    """Delete answers, old versions in a bucket included, and prove that they are gone.

    Receipts keep ids, states and times, so every run still adds up. An open run requests nothing that was purged: what
    it has not reached yet of --ids, --entity or --all is left out, counted as abandoned. For the next plan purged ids
    are unknown, so they are requested (as new) if they are still listed. Exports hold titles, so
    --older-than, --entity and --all purge them too, with popularity_daily. --ids purges answers only, and reads all of
    them for ids of IMDb and TVDB: exports, ranked lists and answers about other records may still name what was purged.
    Tables are erased and built again; until then they cannot be read. Nothing is purged while answers wait in this
    machine's spool. Make sure that none wait on another machine, or they come back.

    A purge is refused if this machine's clock seems wrong: if the lake has seen a later time of TMDB's clock, or none
    for 30 days and most answers would go. Then --as-of names the day to count from.
    """
    from reelhouse.bootstrap.collector import only_entity
    from reelhouse.cli import purge

    settings = shared.settings_of(ctx)
    chosen = {name: what[name] for name in ("older_than", "entity", "everything")}
    if what["ids"] and not what["entity"]:
        chosen["entity"] = only_entity(settings)
    listed = shared.keys_of(what, chosen["entity"] or "")
    chosen["keys"] = listed.keys if listed else ()
    ctx.exit(purge.purge(settings, chosen, as_of, listed, dry_run=dry_run, yes=yes, as_json=as_json))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--layout", type=click.Choice(("course",)), help="course: unchanged, under Raw/Local/CSV/<kind>/<date>.")
@click.option(
    "--kind", type=click.Choice(("movie", "series")), help="Content of the files; by default inferred from their names."
)
@shared.json
@click.pass_context
def upload(ctx: click.Context, files: tuple[Path, ...], layout: str | None, kind: str | None, as_json: bool) -> None:
    """Put local files into the lake: its reelhouse.toml, or with --layout course CSV files."""
    from reelhouse.cli import upload

    upload.upload(shared.settings_of(ctx), files, layout, kind, as_json)


@main.command()
@shared.json
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show known, landed, pending and stale ids, and open runs."""
    from reelhouse.cli import status

    status.status(shared.settings_of(ctx), as_json)


@main.command()
@click.option(
    "--entity",
    multiple=True,
    metavar="NAME",
    callback=shared.all_names,
    help="Compare these entities or groups (comma-separated); by default all.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all ids that differ to this CSV file.",
)
@shared.json
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
    ctx.exit(diff.diff(shared.settings_of(ctx), names, output, as_json=as_json))


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
@shared.excel_safe
@click.option("--vertical", is_flag=True, help="Show each row as lines of name and value: nothing of a row is cut.")
@click.option("--json", "as_json", is_flag=True, help='Print one JSON object on stdout, {"rows": [...]}, nothing else.')
@shared.engine
@click.pass_context
def sql(ctx: click.Context, /, query: str | None, source: IO[bytes] | None, **how: Any) -> None:
    """Run a Spark SQL query against tables and marts; - reads it from stdin. Without a query, open a prompt.

    A query may read the lake's tables, marts and imports, also as marts.fact_movie. It is refused if it writes, or
    reads anything else. `show tables`, `describe NAME` and `show columns from NAME` list what is available.

    In a terminal, output is truncated to the window's width and 40 rows, with a note. Files and pipes get everything.
    """
    if query is not None and source is not None:
        raise ConfigError("sql: a query and --file are given; give only one of them")
    from reelhouse.cli.reading import sql

    if query == "-":
        source = sys.stdin.buffer
    if source is not None:
        try:
            query = source.read().decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise ConfigError(f"sql: the query is not valid UTF-8 at byte {exc.start:,}") from exc
    sql.run(shared.settings_of(ctx), query, **how)


@main.command()
@click.argument("name", required=False, shell_complete=shared.complete_table)
@click.option("--dbt", is_flag=True, help="Print the sources.yml of a dbt project instead (docs/dbt.md).")
@shared.json
@click.pass_context
def tables(ctx: click.Context, name: str | None, dbt: bool, as_json: bool) -> None:
    """Show the data dictionary: all tables, or the columns of one."""
    from reelhouse.cli import status

    if dbt:
        status.dbt_sources(shared.settings_of(ctx))
    else:
        status.tables(shared.settings_of(ctx), name, as_json)


@main.command()
@click.argument("entity", shell_complete=shared.complete_one_entity)
@click.argument("key", required=False, metavar="[ID|NAME]")
@click.option("--raw", is_flag=True, help="Print the answer as TMDB sent it, nothing else.")
@shared.engine
@shared.json
@click.pass_context
def show(ctx: click.Context, /, entity: str, key: str | None, **how: bool) -> None:
    """Show one record: its rows, the source path of each value, and its history by run.

    ENTITY is an entity such as person; ID is an id of TMDB, IMDb or TVDB. If several records match a name, you choose.
    """
    from reelhouse.cli.reading import show

    show.show(shared.settings_of(ctx), entity, key, **how)


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
@shared.engine
@shared.json
@click.pass_context
def report(ctx: click.Context, /, output: Path, **how: bool) -> None:
    """Write an HTML report about the lake: contents, key figures, data quality.

    The report is one file that works offline; without --images it makes no network requests.
    """
    from reelhouse.cli.reading import report

    ctx.exit(report.report(shared.settings_of(ctx), output, **how))


@main.command()
@click.option(
    "--to",
    "target",
    required=True,
    metavar="PLACE",
    help="postgresql://..., x.duckdb, x.sqlite, csv:FOLDER, parquet:FOLDER.",
)
@shared.tables
@click.option("--schema", metavar="NAME", help="The database's schema; by default tmdb.")
@click.option("--full", is_flag=True, help="Write everything, even what has not changed.")
@shared.excel_safe
@shared.spark
@shared.json
@click.pass_context
def export(
    ctx: click.Context,
    /,
    target: str,
    tables: tuple[str, ...] | None,
    spark: str | None,
    conf: tuple[str, ...],
    schema: str | None,
    **how: bool,
) -> None:
    """Copy tables and marts of the last complete build into a database or files."""
    from reelhouse.cli import export

    export.export(shared.engine_settings_of(ctx, spark, conf), target, tables, schema, **how)


@main.command()
@shared.tables
@click.option("--port", type=int, default=0, help="Port; a free one by default.")
@click.option("--no-images", "images", is_flag=True, flag_value=False, default=True, help="Show no images from TMDB.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.pass_context
def browse(ctx: click.Context, /, tables: tuple[str, ...] | None, **how: Any) -> None:
    """Browse the lake in a web browser with datasette, on localhost only.

    It serves a temporary SQLite copy, which is removed at exit. The browser loads images from TMDB.
    """
    from reelhouse.cli.reading import browse

    ctx.exit(browse.browse(shared.settings_of(ctx), tables, **how))


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
@click.option("--escape", default="", metavar="CHARACTER", help=shared.ESCAPE.format("a CSV"))
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
@shared.spark
@shared.json
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
    settings = shared.engine_settings_of(ctx, spark, conf)
    if drop:
        import_table.drop(settings, given, as_json=as_json)
    else:
        import_table.import_table(settings, given, as_json=as_json)


@main.command()
@click.option("--catalog", type=click.Choice(("glue", "unity")), required=True, help="AWS Glue or Unity Catalog.")
@click.option("--database", required=True, metavar="NAME", help="The database; for Unity Catalog catalog.schema.")
@shared.tables
@shared.json
@click.pass_context
def register(ctx: click.Context, catalog: str, database: str, tables: tuple[str, ...] | None, as_json: bool) -> None:
    """Register the tables of a lake in S3 for Athena or Databricks, with columns and comments."""
    from reelhouse.cli import register

    register.register(shared.settings_of(ctx), catalog, database, tables, as_json=as_json)


@main.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Keep versions that were current within this many days, and files that young, for readers.",
)
@shared.json
@click.pass_context
def maintain(ctx: click.Context, dry_run: bool, keep_days: int, as_json: bool) -> None:
    """Compact, checkpoint and vacuum tables.

    Needs neither an engine nor Java, and may run at the same time as builds and readers; once a week is enough. Files
    that no reader needs are removed, in a bucket with their old versions. Exits 1 while the lake has answers that are
    older than TMDB's terms allow, and names the purge that deletes them.
    """
    from reelhouse.cli import maintain

    ctx.exit(maintain.maintain(shared.settings_of(ctx), dry_run=dry_run, keep_days=keep_days, as_json=as_json))


@main.command()
@click.option("--movies", type=click.IntRange(min=0), default=5000, show_default=True, help="Titles in the catalogue.")
@click.option("--series", type=click.IntRange(min=0), help="Titles with seasons; by default a tenth as many.")
@click.option("--seed", type=int, default=1, show_default=True, help="A different seed makes a different catalogue.")
@click.option("--port", type=int, default=0, help="Port; a free one by default.")
@click.option(
    "--rate", type=float, default=0.0, help="Answer 429 beyond this many requests per second; 0 means no limit."
)
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
@shared.engine
@click.pass_context
def demo(ctx: click.Context, movies: int) -> None:
    """Collect, build and query a demo lake from the emulator, in ./demo-lake: no key, no network."""
    from reelhouse.cli import emulate

    ctx.exit(emulate.demo(ctx.obj.get("lake") or "demo-lake", movies, ctx.obj["shared_machine_ok"]))


if __name__ == "__main__":
    main()
