"""`reelhouse export`: tables of a lake into a database or files."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli import display
from reelhouse.errors import ConfigError
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.serve.export.result import Exported, Target
    from reelhouse.serve.export.tables import Snapshot


def export(
    settings: Settings, to: str, tables: tuple[str, ...] | None, schema: str | None, *, full: bool, as_json: bool
) -> None:
    """Copy *tables* (all if None) to the place that *to* names, and show what was written."""
    _check_installed()
    from reelhouse.serve.export.tables import look

    storage = lake_of(settings)
    target = _target(settings, storage, to, schema)
    snapshot = look(storage, tables)
    with display.spinner("exporting") as step:
        done = target.export(snapshot, full=full, step=step)
    _show(target, snapshot, done, as_json=as_json)


def _check_installed() -> None:
    if not (find_spec("deltalake") and find_spec("pyspark")):
        raise ConfigError(
            'export: packages to read tables are not installed; install them with: pip install "reelhouse[lake,sql]"'
        )


def _target(settings: Settings, storage: Storage, to: str, schema: str | None) -> Target:
    from reelhouse.serve.export.targets import is_database, target_of

    if settings.engine == "sail":
        return target_of(to, schema)
    if not is_database(to):
        display.note("Files are written by this process alone: Apache Spark is not used.")
        return target_of(to, schema)
    from reelhouse.engines.postgres_jdbc import load_by_jdbc

    return target_of(to, schema, load_by_jdbc(settings, storage, to))


def _show(target: Target, snapshot: Snapshot, done: list[Exported], *, as_json: bool) -> None:
    from reelhouse.serve.export.result import TERMS

    oldest = min((one.oldest for one in done if one.oldest), default=None)
    if as_json:
        rows: list[dict[str, Any]] = [one._asdict() for one in done]
        display.as_json(
            {"to": target.place, "build": snapshot.build, "oldest_answer": oldest, "tables": rows, "terms": TERMS}
        )
        return
    columns = ("name", "rows", "written", "how", "")
    display.table(
        f"Exported to {target.place}",
        columns,
        [(one.name, one.rows, one.written, one.how, "; ".join(one.notes)) for one in done],
    )
    if oldest:
        display.note(
            f"The oldest answer in it is from {oldest:%Y-%m-%d}. TMDB's terms end keeping it after six months, and "
            "`reelhouse purge` does not reach exports: export again after a purge and a build."
        )
