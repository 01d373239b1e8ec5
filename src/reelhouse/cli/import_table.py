"""`reelhouse import`: a user's own files and tables next to TMDB's."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reelhouse.bootstrap.storage import lake_of, writable_storage
from reelhouse.cli.terminal import display
from reelhouse.errors import ConfigError, ReelhouseError, pip_install
from reelhouse.settings import Settings
from reelhouse.warehouse.import_registry import check_name, drop_import

if TYPE_CHECKING:
    from reelhouse.imports.embedded import SqliteTable
    from reelhouse.imports.postgres import Postgres
    from reelhouse.imports.run import ImportOutcome, ImportReader
    from reelhouse.imports.typed_columns import TypedTable
    from reelhouse.storage.protocol import Step, Storage


class ImportSpec(NamedTuple):
    """What to import as *name*: files, or the *table* of a database. *nulls* are texts to read as NULL."""

    name: str
    files: Sequence[Path] = ()
    source: str | None = None
    table: str | None = None
    new_schema: bool = False
    nulls: Sequence[str] = ()
    quotes: bool = True
    escape: str = ""
    encoding: str = ""
    skip_lines: int = 0
    records: str = ""
    split_by: str | None = None


def import_table(settings: Settings, wanted: ImportSpec, *, as_json: bool) -> None:
    """Make a table of what is *wanted*, and show its columns."""
    check_extra("lake", "deltalake", "pyarrow")
    check_extra("sql", "duckdb")
    _check_together(settings, wanted)
    from reelhouse.marts import REGISTRY

    check_name(wanted.name, REGISTRY.names)
    storage = writable_storage(settings)
    display.keep_log(storage)
    with display.spinner(f"importing {wanted.name}") as step:
        if wanted.source is None:
            outcome = _from_files(storage, wanted, step)
        elif settings.engine != "sail" and is_postgres(wanted.source):
            outcome = _by_spark(settings, storage, wanted, step)
        else:
            outcome = _from_database(storage, wanted, step)
    _show(wanted.name, outcome, as_json)


def drop(settings: Settings, wanted: ImportSpec, *, as_json: bool) -> None:
    """Remove the imported table of that name with all its files."""
    if wanted.files or wanted.source:
        raise ConfigError("import: --drop removes a table and reads no files; leave them out")
    rows = drop_import(lake_of(settings), wanted.name)
    if as_json:
        display.as_json({"name": wanted.name, "dropped": True, "rows": rows})
    else:
        display.note(f"{wanted.name} is dropped: {rows:,} rows.")


def _from_files(storage: Storage, wanted: ImportSpec, step: Step) -> ImportOutcome:
    from reelhouse.imports import files as given
    from reelhouse.imports.run import ImportOutcome, bring_in, mark_of, up_to_date

    files = given.found(wanted.files)
    kind = given.kind_of(files)
    if wanted.records and kind != "json":
        raise ConfigError(f"import: --records names a list in JSON files, and these are {kind}")
    if (wanted.encoding or wanted.skip_lines) and kind != "csv":
        raise ConfigError(f"import: --encoding and --skip-lines are about CSV files, and these are {kind}")
    step("reading")
    stamp = given.stamp(files)
    sources = [given.source(file) for file in files]
    # Includes the version of the rules for CSV: files that were read by looser rules are read again.
    quotes = "" if wanted.quotes else "no quotes"
    form = [wanted.encoding, str(wanted.skip_lines)]
    options = [*form, *sorted(wanted.nulls), quotes, f"escape {wanted.escape}", "strict 2"]
    fingerprint = mark_of(sources, options if kind == "csv" else [wanted.records])
    same = None if wanted.new_schema else up_to_date(storage, wanted.name, fingerprint)
    if same is not None:
        return ImportOutcome(False, same, {}, [])

    def check() -> None:
        if given.stamp(files) != stamp:
            raise ReelhouseError(given.CHANGED)

    return bring_in(
        storage,
        wanted.name,
        _reading(kind, files, wanted),
        sources,
        fingerprint,
        new_schema=wanted.new_schema,
        check=check,
        step=step,
    )


def _reading(kind: str, files: list[Path], wanted: ImportSpec) -> ImportReader:
    from reelhouse.imports.csv_files import CsvFiles
    from reelhouse.imports.files import TextForm, checked_encoding
    from reelhouse.imports.json_files import JsonFiles
    from reelhouse.imports.typed_columns import parquet_files

    if kind == "parquet":
        return parquet_files(files)
    if kind == "json":
        return JsonFiles(files, wanted.records)
    form = TextForm(checked_encoding(wanted.encoding), wanted.skip_lines)
    return CsvFiles(files, wanted.nulls, quotes=wanted.quotes, escape=wanted.escape, form=form)


def _from_database(storage: Storage, wanted: ImportSpec, step: Step) -> ImportOutcome:
    from reelhouse.imports.run import bring_in
    from reelhouse.warehouse.import_registry import ImportSource

    with _opened(wanted) as table:
        return bring_in(
            storage,
            wanted.name,
            table,
            [ImportSource(table.shown)],
            secrets.token_hex(8),
            new_schema=wanted.new_schema,
            step=step,
        )


def _opened(wanted: ImportSpec) -> AbstractContextManager[TypedTable | SqliteTable | Postgres]:
    assert wanted.source is not None
    assert wanted.table is not None
    if is_postgres(wanted.source):
        return _opened_postgres(wanted)
    path = Path(wanted.source)
    if path.suffix not in (".duckdb", ".sqlite", ".sqlite3", ".db"):
        raise ConfigError("from: postgresql://user@host/database, x.duckdb or x.sqlite is expected")
    from reelhouse.imports import embedded

    return embedded.opened(path, wanted.table)


def is_postgres(source: str) -> bool:
    """Whether an address names a PostgreSQL."""
    return source.startswith(("postgresql://", "postgres://"))


def _opened_postgres(wanted: ImportSpec) -> AbstractContextManager[Postgres]:
    assert wanted.source is not None
    assert wanted.table is not None
    check_extra("sql", "adbc_driver_postgresql", "adbc_driver_manager")
    from reelhouse.imports import postgres

    return postgres.opened(wanted.source, wanted.table)


def _by_spark(settings: Settings, storage: Storage, wanted: ImportSpec, step: Step) -> ImportOutcome:
    from reelhouse.delta.engine import open_engine
    from reelhouse.engines.postgres_jdbc import jdbc_of, with_driver
    from reelhouse.engines.session import session_of
    from reelhouse.imports.jdbc import bring_in_by_jdbc
    from reelhouse.settings import environment

    assert wanted.source is not None
    jdbc = jdbc_of(wanted.source, environment("PG"))
    session = session_of(with_driver(settings), storage)
    with _opened_postgres(wanted) as table:
        step("starting the engine")
        return bring_in_by_jdbc(
            open_engine(storage, session()),
            wanted.name,
            table,
            {"url": jdbc.url, **jdbc.properties},
            secrets.token_hex(8),
            split_by=wanted.split_by,
            new_schema=wanted.new_schema,
            step=step,
        )


def _check_together(settings: Settings, wanted: ImportSpec) -> None:
    if wanted.source is not None and wanted.files:
        raise ConfigError("import: files or --from, not both")
    if (wanted.source is None) != (wanted.table is None):
        raise ConfigError("import: --from names a database and --table its table: give both")
    if wanted.split_by is not None and (wanted.source is None or settings.engine == "sail"):
        raise ConfigError("import: --split-by divides a database's rows among Apache Spark's tasks: give --spark too")
    if wanted.source is not None and (wanted.encoding or wanted.skip_lines or wanted.records):
        raise ConfigError("import: --encoding, --skip-lines and --records are about files")
    if wanted.source is not None and (wanted.nulls or not wanted.quotes or wanted.escape):
        raise ConfigError("import: --null, --no-quotes and --escape are about CSV files")


def check_extra(extra: str, *packages: str) -> None:
    """Raise `ConfigError` where a package of an *extra* is not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(f"import needs {package}, which is not installed: {pip_install(extra)}")


def _show(name: str, outcome: ImportOutcome, as_json: bool) -> None:
    table = outcome.table
    columns = [
        {
            "name": column.name,
            "type": column.type,
            "nulls": outcome.seen[column.name].nulls if outcome.imported else None,
            "example": outcome.seen[column.name].example if outcome.imported else None,
            "source": column.source or column.name,
        }
        for column in table.columns
    ]
    if as_json:
        display.as_json(
            {
                "name": name,
                "imported": outcome.imported,
                "rows": table.rows,
                "version": table.version,
                "columns": columns,
                "sources": [source.name for source in table.sources],
                "notes": outcome.notes,
            }
        )
        return
    if not outcome.imported:
        display.note(f"{name} was imported from the same files at {table.imported_at}: nothing to do.")
        return
    rows = [(one["name"], one["type"], one["nulls"], one["example"], one["source"]) for one in columns]
    display.table(f"{name}: {table.rows:,} rows", ("column", "type", "NULLs", "for example", "source column"), rows)
    for text in outcome.notes:
        display.note(text)
