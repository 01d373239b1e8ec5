"""One import: types first, over all rows; then the rows as one atomic overwrite; then the pin, by which readers see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa

import reelhouse
from reelhouse.delta.delta_rs import write_delta
from reelhouse.delta.log import sound
from reelhouse.errors import KeyTakenError, LakeError, ReelhouseError
from reelhouse.imports.columns import NEW_SCHEMA, check_same
from reelhouse.imports.values import arrow_type
from reelhouse.storage.protocol import Step, Storage
from reelhouse.warehouse.import_registry import ZONE, Import, ImportColumn, ImportSource, imported, pin_import
from reelhouse.warehouse.vacuum import sweep_table

_ATTEMPTS = 4
_SHOWN = 40


class ImportReader(Protocol):
    """What is imported: it says its columns first, after a look at all of it, then gives its rows."""

    notes: list[str]

    def names(self) -> list[str]:
        """What its columns are called in the table."""

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """Its columns with types; with *pinned* those, where every value fits, else `ReelhouseError`."""

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """Its rows in batches of bounded size, typed as *columns* say."""


class ColumnSummary(NamedTuple):
    """What of a column was written: how many NULLs, and the first value that is none."""

    nulls: int
    example: str


class ImportOutcome(NamedTuple):
    """What an import left: *imported* is False if nothing was to do; *seen* is by column, where it was written."""

    imported: bool
    table: Import
    seen: dict[str, ColumnSummary]
    notes: list[str]


def mark_of(sources: Sequence[ImportSource], options: Sequence[str]) -> str:
    """The same for the same files read the same way, whatever they are called and in whatever order."""
    parts = [*sorted(source.sha256 for source in sources), *options]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def up_to_date(storage: Storage, name: str, fingerprint: str) -> Import | None:
    """The table as it was imported from the very same files, if it is still there and `sound`."""
    before = imported(storage).get(name)
    if before is None or before.fingerprint != fingerprint:
        return None
    return before if sound(storage, f"{ZONE}/{name}", before.version, before.rows) else None


def bring_in(
    storage: Storage,
    name: str,
    reader: ImportReader,
    sources: Sequence[ImportSource],
    fingerprint: str,
    *,
    new_schema: bool,
    check: Callable[[], None] = lambda: None,
    step: Step = lambda text: None,
) -> ImportOutcome:
    """Replace table *name* by what *reader* gives; until the end readers see the rows of before.

    Its columns are those of last time unless *new_schema*. *check* is asked once all rows are read, and raises where
    they are not to be believed. Raises `ReelhouseError` where something does not fit: then nothing is changed.
    """
    before = imported(storage).get(name)
    step("looking at all values")
    columns = columns_of(reader, before, name, new_schema=new_schema)
    step("writing")
    version, tally = _write(storage, name, reader, columns)
    check()
    if not tally.rows and any(source.sha256 for source in sources):
        raise ReelhouseError(f"{sources[0].name} holds no rows; nothing is changed")
    table = pinned(storage, name, before, columns, sources, fingerprint, version, tally.rows)
    return ImportOutcome(True, table, tally.seen(), reader.notes)


def columns_of(reader: ImportReader, before: Import | None, name: str, *, new_schema: bool) -> list[ImportColumn]:
    """The columns that a table is to have."""
    if before is None or new_schema:
        return reader.columns(None)
    check_same([column.name for column in before.columns], reader.names(), "what is there", name, NEW_SCHEMA)
    if not any(column.untyped for column in before.columns):
        return reader.columns(before.columns)
    found = {column.name: column for column in reader.columns(None)}
    return reader.columns([found[each.name] if each.untyped else each for each in before.columns])


def pinned(
    storage: Storage,
    name: str,
    before: Import | None,
    columns: list[ImportColumn],
    sources: Sequence[ImportSource],
    fingerprint: str,
    version: int,
    rows: int,
) -> Import:
    """Let readers see *version*."""
    table = Import(
        zone=ZONE,
        version=version,
        rows=rows,
        schema_fingerprint=hashlib.sha256(msgspec.json.encode(columns)).hexdigest()[:16],
        fingerprint=fingerprint,
        columns=columns,
        sources=list(sources),
        imported_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        written_by=f"reelhouse {reelhouse.__version__}",
    )
    pin_import(storage, name, table, before)
    if before is not None:
        # As after a build: readers of this version and of the one before it are not disturbed.
        sweep_table(storage, f"{ZONE}/{name}", before.version)
    return table


def schema_of(columns: Sequence[ImportColumn]) -> Any:
    """The Arrow form of columns; one that is renamed says in every catalogue what it was called."""
    return pa.schema(
        [
            pa.field(each.name, arrow_type(each.type), metadata={"comment": each.comment} if each.comment else None)
            for each in columns
        ]
    )


class _CountedBatches:
    """Batches on their way: counted, and the error that ended them kept, since Arrow would hand on its text alone."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._nulls = dict.fromkeys(schema.names, 0)
        self._examples: dict[str, str] = {}
        self.rows = 0
        self.error: Exception | None = None

    def count(self, batches: Iterator[Any]) -> Iterator[Any]:
        try:
            for batch in batches:
                _check_texts(batch)
                self.rows += len(batch)
                for name, column in zip(self._schema.names, batch.columns, strict=True):
                    self._nulls[name] += column.null_count
                    if name not in self._examples and column.null_count < len(column):
                        self._examples[name] = shown(column.drop_null()[0].as_py())
                yield batch.cast(self._schema)
        except Exception as exc:
            self.error = exc
            raise

    def seen(self) -> dict[str, ColumnSummary]:
        return {name: ColumnSummary(nulls, self._examples.get(name, "")) for name, nulls in self._nulls.items()}


def _check_texts(batch: pa.RecordBatch) -> None:
    """Raise `ReelhouseError` for a text that is not UTF-8, of which no reader would make rows."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as exc:
            why = (
                "has a text that is not UTF-8: write the source as UTF-8" if "UTF8" in str(exc) else f"is broken: {exc}"
            )
            raise ReelhouseError(f"column {name} {why}") from exc


def shown(value: object) -> str:
    """An example as a person reads it, cut where it is long."""
    text = value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _write(
    storage: Storage, name: str, reader: ImportReader, columns: Sequence[ImportColumn]
) -> tuple[int, _CountedBatches]:
    """Commit all rows; once more where another import committed meanwhile."""
    folder, schema = f"{ZONE}/{name}", schema_of(columns)
    for _ in range(_ATTEMPTS):
        tally = _CountedBatches(schema)
        rows = pa.RecordBatchReader.from_batches(schema, tally.count(reader.batches(columns)))
        try:
            return write_delta(storage, folder, rows, mode="overwrite", user={}, new_schema=True), tally
        except KeyTakenError:
            continue
        except Exception:
            if tally.error is not None:
                raise tally.error from None
            raise
    raise LakeError(f"{folder} could not be written: others keep writing to it")
