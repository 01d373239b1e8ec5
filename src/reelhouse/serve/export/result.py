"""What an export leaves: per table how it got there, and what the target remembers of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

import reelhouse
from reelhouse.errors import ReelhouseError
from reelhouse.serve import ATTRIBUTION, JUSTWATCH
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot
from reelhouse.storage.protocol import Step

How = Literal["full", "incremental", "unchanged"]

NOTES = "reelhouse_export"

TERMS = (
    f"{ATTRIBUTION} Nothing in it may be kept for longer than six months; a new export leaves out what was purged. "
    f"{JUSTWATCH}"
)


class Exported(NamedTuple):
    """One table: its *rows* in the target, how many of them were *written* this time, and how; *notes* for a person."""

    name: str
    rows: int
    written: int
    how: How
    oldest_answer: datetime | None = None
    notes: tuple[str, ...] = ()


class ExportedVersion(msgspec.Struct, frozen=True):
    """What a target remembers of a table: `ExportTable.mark` and `form` of its rows, and when it got them.

    *columns* is a JSON list of names; it is empty where an older version wrote this.
    """

    table_name: str
    build: int
    version: int
    rows: int
    mark: str
    form: str
    oldest_answer: datetime | None
    exported_at: datetime
    exported_by: str
    columns: str = ""


ROWS_ALONE = "unchanged tables of a database were counted, their values were not compared: --full writes them again"


class Target(Protocol):
    """Where tables go. *place* is how it is shown: without a password.

    *not_compared* says what of an unchanged table is believed without a look, if anything.
    """

    place: str
    not_compared: str

    def export(self, snapshot: LakeSnapshot, *, full: bool, step: Step) -> list[Exported]:
        """Make the target hold *snapshot*, all of it or nothing; *full* writes also what is there already.

        Raises `ReelhouseError` where that fails; then readers of the target see what they saw before.
        """


def noted(snapshot: LakeSnapshot, table: ExportTable, rows: int, oldest: datetime | None) -> ExportedVersion:
    """What is to be remembered of *table* now."""
    now = datetime.now(UTC).replace(microsecond=0)
    by = f"reelhouse {reelhouse.__version__}"
    columns = json.dumps(table.spec.column_names, ensure_ascii=False)
    return ExportedVersion(
        table.name, snapshot.build, table.pin.version, rows, table.mark, table.form, oldest, now, by, columns
    )


def check_columns_kept(place: str, table: ExportTable, there: Iterable[str], known: ExportedVersion | None) -> None:
    """Raise `ReelhouseError` if a table has a column that no export made: values in it would go with the rows."""
    if known is None:
        return
    try:
        ours = set(json.loads(known.columns) if known.columns else table.spec.column_names)
    except (ValueError, TypeError):
        raise ReelhouseError(
            f"{place}: {NOTES} has a row of {table.name} that no export wrote: delete that row, then export again"
        ) from None
    for name in sorted(set(there) - ours):
        raise ReelhouseError(
            f"{place}: {table.name} has a column {name} that reelhouse did not make, and its values would be lost: "
            f"keep them in a table of your own with the key of {table.name}, then drop the column there"
        )


def unchanged(table: ExportTable, known: Mapping[str, ExportedVersion]) -> bool:
    """Whether the target has these very rows."""
    return table.name in known and known[table.name].mark == table.mark


def as_before(table: ExportTable, known: Mapping[str, ExportedVersion]) -> Exported:
    """The outcome for a table that needed nothing."""
    return Exported(table.name, table.rows, 0, "unchanged", known[table.name].oldest_answer)
