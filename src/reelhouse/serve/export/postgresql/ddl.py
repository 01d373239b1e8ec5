"""Tables as PostgreSQL declares them: columns, key, indexes, comments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from reelhouse.entities.schema import ColumnSpec
from reelhouse.errors import ConfigError
from reelhouse.serve.export.tables import ExportTable, check_columns
from reelhouse.sql_quoting import literal, quoted

# Tables of an export that is under way, or was ended; nobody else's names begin like this.
STAGED = "reelhouse_new__"
TOUCHED = "reelhouse_touched__"

LONGEST = 63
_MOST_COLUMNS = 1600
# Each table of PostgreSQL has these already.
_SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))

_TYPES = {
    "bigint": "bigint",
    "int": "integer",
    "double": "double precision",
    "string": "text",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp with time zone",
}


def type_of(column: ColumnSpec) -> str:
    """The type, in the words of `format_type`."""
    name = str(column.type)
    if name.startswith("decimal"):
        return f"numeric{name.removeprefix('decimal')}"
    return _TYPES[name]


def check_fits(table: ExportTable) -> None:
    """Raise `ConfigError` where PostgreSQL has no such table, or would cut a name, and so take two for one."""
    check_columns(table, "PostgreSQL", _MOST_COLUMNS)
    if len(table.name) > LONGEST:
        raise ConfigError(
            f"tables: PostgreSQL has names of up to {LONGEST} bytes, and {table.name} is longer: import it under a "
            "shorter name, or name other tables with --tables"
        )
    for name in table.spec.column_names:
        if name in _SYSTEM_COLUMNS:
            raise ConfigError(
                f"tables: {table.name} has a column {name}, a name that PostgreSQL keeps for itself: rename it in the "
                "file and import that again with --new-schema, or name other tables with --tables"
            )
        if len(name.encode()) > LONGEST:
            raise ConfigError(
                f"tables: PostgreSQL has names of up to {LONGEST} bytes, and {name!r} of {table.name} is longer: "
                "shorten it in the file and import that again with --new-schema, or name other tables with --tables"
            )


def staged(table: ExportTable, prefix: str = STAGED) -> str:
    """What its rows are called under way."""
    return _short(f"{prefix}{table.name}")


def create(schema: str, name: str, columns: tuple[ColumnSpec, ...], *, logged: bool) -> str:
    inside = ", ".join(f"{quoted(each.name)} {type_of(each)}" for each in columns)
    return f"create {'' if logged else 'unlogged '}table {at(schema, name)} ({inside})"


def at(schema: str, name: str) -> str:
    return f"{quoted(schema)}.{quoted(name)}"


def names(columns: tuple[ColumnSpec, ...] | tuple[str, ...], of: str = "") -> str:
    """Columns with commas between, each *of* an alias where one is given."""
    plain = (each if isinstance(each, str) else each.name for each in columns)
    return ", ".join(f"{of}.{quoted(each)}" if of else quoted(each) for each in plain)


def add_key(schema: str, table: ExportTable) -> str:
    # PostgreSQL names it: another relation may have any name that is chosen here.
    return f"alter table {at(schema, table.name)} add primary key ({names(table.spec.key)})"


def indexes(schema: str, table: ExportTable, *, keyed: bool) -> Iterator[tuple[str, str]]:
    """Names of indexes, and what makes them: on ids of other things; on the key where no constraint has *keyed* it."""
    wanted: list[tuple[str, ...]] = [(name,) for name in table.indexed]
    if table.spec.key and not keyed:
        wanted.append(table.spec.key)
    for columns in wanted:
        name = _short(f"{table.name}_{'_'.join(columns)}_idx")
        yield name, f"create index if not exists {quoted(name)} on {at(schema, table.name)} ({names(columns)})"


def comments(schema: str, table: ExportTable) -> Iterator[str]:
    yield f"comment on table {at(schema, table.name)} is {literal(table.spec.about)}"
    for column in table.spec.columns:
        if column.comment:
            yield f"comment on column {at(schema, table.name)}.{quoted(column.name)} is {literal(column.comment)}"


def _short(name: str) -> str:
    """*name*, or where PostgreSQL would cut it, one that is cut so that it stays its own."""
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name[:40]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
