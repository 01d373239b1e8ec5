"""`reelhouse maintain`: maintenance of tables, and a warning about answers older than TMDB's terms allow."""

from __future__ import annotations

from reelhouse.bootstrap.maintaining import MaintainResult
from reelhouse.bootstrap.maintaining import maintain as maintain_lake
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.settings import Settings


def maintain(settings: Settings, *, dry_run: bool, as_json: bool, keep_days: int) -> int:
    """Do the maintenance that is due; returns the exit code: 1 if a table was left alone or answers are too old."""
    storage = lake_of(settings)
    if not dry_run:
        display.keep_log(storage)
    with display.spinner("checking") as step:
        done = maintain_lake(storage, step, keep_days=keep_days, dry_run=dry_run)
    if as_json:
        display.as_json(done.to_dict())
    else:
        _show(done)
    return 0 if done.ok else 1


def _show(found: MaintainResult) -> None:
    done = found.maintenance
    rows = [(one.folder, one.files, one.bytes, one.superseded) for one in done.rewritten]
    if rows:
        title = "Would be rewritten" if found.dry_run else "Rewritten"
        display.table(title, ("table", "files before", "bytes before", "replaced rows"), rows)
    removed = ((words, getattr(done.removed, name)) for name, words in _WORDS.items())
    counts = [("checkpoints written", len(done.checkpoints)), *removed]
    display.table("Maintenance that is due" if found.dry_run else "Maintenance is done", ("", "count"), counts)
    display.problems(found.issues)


_WORDS = {
    "files": "files removed that no reader needs",
    "bytes": "bytes of them",
    "logs": "log entries removed",
    "old_versions": "objects whose old versions were removed",
}
