"""`reelhouse export`: tables of a lake into a database or files."""

from __future__ import annotations

from reelhouse.bootstrap import operations
from reelhouse.bootstrap.operations import ExportResult
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.settings import Settings


def export(
    settings: Settings,
    to: str,
    tables: tuple[str, ...] | None,
    schema: str | None,
    *,
    as_json: bool,
    **how: bool,
) -> None:
    """Copy *tables* (all if None) to the place that *to* names, and show what was written."""
    operations.check_can_export()
    storage = lake_of(settings)
    display.keep_log(storage)
    with display.spinner("exporting") as step:
        done = operations.export(storage, settings, to, tables, schema, step, display.note, **how)
    if as_json:
        display.as_json(done.to_dict())
    else:
        _show(done)


def _show(done: ExportResult) -> None:
    columns = ("name", "rows", "written", "how", "notes")
    display.table(
        f"Exported to {done.to}",
        columns,
        [(one.name, one.rows, one.written, one.how, "; ".join(one.notes)) for one in done.tables],
    )
    if done.not_compared:
        display.note(f"Note: {done.not_compared}.")
    if done.oldest_answer:
        display.note(
            f"The oldest answer in it is from {done.oldest_answer:%Y-%m-%d}. TMDB's terms end keeping it after six "
            "months, and `reelhouse purge` does not reach exports: export again after a purge and a build."
        )
