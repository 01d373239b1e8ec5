"""Maintenance of a lake's tables, with a look at answers that are older than TMDB's terms allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reelhouse.bootstrap.purging import chosen_by, unless_lost
from reelhouse.errors import ConfigError, pip_install
from reelhouse.retention import erasure
from reelhouse.retention.selection import CutoffClock
from reelhouse.storage.protocol import Step, Storage

if TYPE_CHECKING:
    from reelhouse.maintenance.run import MaintenanceResult

# TMDB's terms forbid caching for longer than six months.
ALLOWED = "180d"


@dataclass(frozen=True)
class MaintainResult:
    """What maintenance did, or with *dry_run* would do, and how many *answers* and *exports* are older than allowed."""

    dry_run: bool
    keep_days: int
    maintenance: MaintenanceResult
    answers: int
    exports: int

    @property
    def ok(self) -> bool:
        """Whether no table was left alone, and nothing is too old."""
        return not self.issues

    @property
    def issues(self) -> list[str]:
        """Why not, in lines."""
        old = (
            f"{self.answers:,} answers and {self.exports:,} exports are older than TMDB's terms allow: "
            f"run `reelhouse purge --older-than {ALLOWED}`"
        )
        return [*self.maintenance.problems, *([old] if self.answers or self.exports else [])]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "dry_run": self.dry_run,
            "keep_days": self.keep_days,
            **self.maintenance.summary(),
            "too_old": {"answers": self.answers, "exports": self.exports},
            "done": self.ok,
        }


def maintain(storage: Storage, step: Step, *, keep_days: int, dry_run: bool) -> MaintainResult:
    """Do the maintenance that is due, or with *dry_run* say what it is.

    Raises `ConfigError` without delta-rs, and `LockedError` while a collector or a purge works on the lake.
    """
    try:
        import deltalake  # noqa: F401 (whether it is there)
    except ImportError:
        raise ConfigError(f"maintain: delta-rs is not installed; install it with: {pip_install('lake')}") from None
    from reelhouse.maintenance import run

    now, keep = datetime.now(UTC).replace(microsecond=0), timedelta(days=keep_days)
    done = run.preview(storage, now, keep) if dry_run else _maintain(storage, keep, step)
    # Only a purge may delete what is too old, because every run must add up afterwards. Nothing is deleted here; the
    # purge itself checks the clock against the lake.
    chosen = chosen_by(CutoffClock(now), older_than=ALLOWED, entity=None, keys=(), everything=False)
    old = erasure.preview(storage, chosen._replace(clock=None), now)
    return MaintainResult(dry_run, keep_days, done, old.answers, old.exports)


def _maintain(storage: Storage, keep: timedelta, step: Step) -> MaintenanceResult:
    from reelhouse.maintenance import run

    lost: list[str] = []
    storage.check()
    # A purge erases tables and creates them again, under names that maintenance is about to remove.
    with storage.lock(lost=lost.append):
        # By a clock that is ahead, files of a build that runs would be old.
        return run.maintain(
            storage, storage.now(), keep, unless_lost(lost, step, "the next `reelhouse maintain` continues")
        )
