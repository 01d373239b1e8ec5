"""`reelhouse maintain`: maintenance of tables, and a warning about answers older than TMDB's terms allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reelhouse.bootstrap.purging import chosen_by
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.errors import ConfigError, LockedError, pip_install
from reelhouse.retention import erasure
from reelhouse.retention.selection import Clock
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.maintenance.run import MaintenanceResult

# TMDB's terms forbid caching for longer than six months.
ALLOWED = "180d"


def maintain(settings: Settings, *, dry_run: bool, as_json: bool, keep_days: int) -> int:
    """Do the maintenance that is due; returns the exit code: 1 if a table was left alone or answers are too old."""
    now = datetime.now(UTC).replace(microsecond=0)
    storage = lake_of(settings)
    if not dry_run:
        display.keep_log(storage)
    with display.spinner("checking") as step:
        done = _foresee(storage, now, keep_days) if dry_run else _maintain(storage, now, keep_days, step)
        old = _too_old(storage, now)
    found = {"dry_run": dry_run, "keep_days": keep_days, **done.summary(), "too_old": old}
    found["done"] = not done.problems and not old["answers"] and not old["exports"]
    if as_json:
        display.as_json(found)
    else:
        _show(found)
    return 0 if found["done"] else 1


def _foresee(storage: Storage, now: datetime, keep_days: int) -> MaintenanceResult:
    _check_installed()
    from reelhouse.maintenance import run

    return run.foresee(storage, now, timedelta(days=keep_days))


def _maintain(storage: Storage, now: datetime, keep_days: int, step: Callable[[str], None]) -> MaintenanceResult:
    _check_installed()
    from reelhouse.maintenance import run

    lost: list[str] = []

    def held_step(name: str) -> None:
        if lost:
            raise LockedError(f"{lost[0]}; the next `reelhouse maintain` continues")
        step(name)

    storage.check()
    # A purge erases tables and creates them again, under names that maintenance is about to remove.
    with storage.lock(lost=lost.append):
        return run.maintain(storage, now, timedelta(days=keep_days), held_step)


def _check_installed() -> None:
    try:
        import deltalake  # noqa: F401 (whether it is there)
    except ImportError:
        raise ConfigError(f"maintain: delta-rs is not installed; install it with: {pip_install('lake')}") from None


def _too_old(storage: Storage, now: datetime) -> dict[str, int]:
    """Answers and exports that only a purge may delete, because every run must add up afterwards."""
    chosen = chosen_by(Clock(now), older_than=ALLOWED, entity=None, keys=(), everything=False)
    # Nothing is deleted here; the purge itself checks the clock against the lake.
    found = erasure.foresee(storage, chosen._replace(clock=None), now)
    return {"answers": found.answers, "exports": found.exports}


def _show(found: dict[str, Any]) -> None:
    would = found["dry_run"]
    rows = [(one["folder"], one["files"], one["bytes"], one["superseded"]) for one in found["rewritten"]]
    if rows:
        title = "Would be rewritten" if would else "Rewritten"
        display.table(title, ("table", "files before", "bytes before", "replaced rows"), rows)
    removed = found["removed"]
    counts = [("checkpoints written", len(found["checkpoints"])), *((_WORDS[name], removed[name]) for name in _WORDS)]
    display.table("Maintenance that is due" if would else "Maintenance is done", ("", "count"), counts)
    for text in found["problems"]:
        display.note(text)
    old = found["too_old"]
    if old["answers"] or old["exports"]:
        display.note(
            f"{old['answers']:,} answers and {old['exports']:,} exports are older than TMDB's terms allow: "
            f"run `reelhouse purge --older-than {ALLOWED}`"
        )


_WORDS = {
    "files": "files removed that no reader needs",
    "bytes": "bytes of them",
    "logs": "log entries removed",
    "past": "objects whose old versions were removed",
}
