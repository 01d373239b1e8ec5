"""What an export notes down in PostgreSQL: `reelhouse_export`, one row per table."""

from __future__ import annotations

import pyarrow as pa

from reelhouse.serve.export.postgresql.ddl import at
from reelhouse.serve.export.result import NOTES
from reelhouse.sql_quoting import quoted

_INSTANT = pa.timestamp("us", tz="UTC")

# As `ExportedVersion`.
NOTES_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("build", pa.int64()),
        ("version", pa.int64()),
        ("rows", pa.int64()),
        ("mark", pa.string()),
        ("form", pa.string()),
        ("oldest_answer", _INSTANT),
        ("exported_at", _INSTANT),
        ("exported_by", pa.string()),
        ("columns", pa.string()),
    ]
)
_TYPES = {pa.string(): "text", pa.int64(): "bigint", _INSTANT: "timestamptz"}


def create_notes(schema: str) -> str:
    columns = ", ".join(f"{quoted(field.name)} {_TYPES[field.type]}" for field in NOTES_SCHEMA)
    return f"create table {at(schema, NOTES)} ({columns}, primary key (table_name))"


def complete_notes(schema: str) -> str:
    """Add what a version of reelhouse without it did not write."""
    return f"alter table {at(schema, NOTES)} add column columns text default '' not null"
