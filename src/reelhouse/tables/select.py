"""The rows of declared tables as DataFrames, made of the answers that staging holds."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.paths import Level, MapOf, Shape, around, member_of, row_of, staged_name
from reelhouse.entities.schema import DAY, FETCHED_AT, PAGE_ROWS, POSITION, RANK, ColumnSpec, Table
from reelhouse.tables.nulls import amount, text
from reelhouse.tables.schemas import data_type

# Goes up when the rows of a declared table may change though its declaration does not.
VERSION = 1


def rows_of(table: Table, *inputs: DataFrame) -> DataFrame:
    """The rows of a table, declared or made by hand, from its inputs."""
    found: DataFrame = table.make(*inputs, **table.settings) if table.make else _declared(table, *inputs)
    return found


def _declared(table: Table, answers: DataFrame) -> DataFrame:
    """One step of `explode` for each level of the table's path, then its columns."""
    rows, item, shape = answers, None, table.shape
    known = {table.id_column: F.col("id")} if table.id_column else {}
    known[FETCHED_AT.name] = F.col(FETCHED_AT.name)
    if table.is_daily:
        known[DAY.name] = F.col(FETCHED_AT.name).cast("date")
        known["page"] = F.col("id")
    for number, level in enumerate(table.levels):
        if table.outer and number == around(table.levels):
            known |= {name: _member(item, place.members) for name, place in table.outer.items()}
        # Of lists within lists the inner one counts.
        known.pop(POSITION.name, None)
        entries = _entries(_member(item, level.members), level, member_of(shape, level.members))
        # In a step of its own: a generator repeats what it reads for each row, in Sail the whole item around the list.
        rows = rows.select(*(value.alias(name) for name, value in known.items()), entries.alias("entries"))
        known = {name: F.col(name) for name in known}
        rows = rows.select(*known.values(), _exploded(level))
        item, shape = F.col("item"), row_of(shape, level)
        if level.column:
            known[level.column], item = item["key"], item["value"]
        else:
            known[POSITION.name] = F.col(POSITION.name)
            rows = rows.filter(item.isNotNull())
    if RANK.name in table.key:
        known[RANK.name] = (F.col("page") - 1) * PAGE_ROWS + F.col(POSITION.name) + 1
    if table.except_keys:
        rows = rows.filter(~known[table.levels[-1].column].isin(*table.except_keys))
    rows = rows.select(*(_column(table, one, known, item, shape).alias(one.name) for one in table.columns))
    return rows.filter(F.col(table.required).isNotNull()) if table.required else rows


def _member(item: Column | None, members: tuple[str, ...]) -> Column:
    """A member of an item, or of the answer."""
    for name in members:
        item = F.col(staged_name(name)) if item is None else item[name]
    assert item is not None
    return item


def _entries(container: Column, level: Level, shape: Shape) -> Column:
    """The list that a level's rows are made of: items, or key and value for each entry of an object."""
    if level.named:
        # One list of all, because a union would read staging several times.
        pairs = (F.struct(F.lit(key).alias("key"), container[name].alias("value")) for name, key in level.named)
        return F.array(*pairs)
    return container["rest"] if level.column and isinstance(shape, MapOf) and shape.fields else container


def _exploded(level: Level) -> Column:
    """The generator of a level's rows: `item`, and the `position` of an item of a list."""
    return F.explode("entries").alias("item") if level.column else F.posexplode("entries").alias(POSITION.name, "item")


def _column(table: Table, column: ColumnSpec, known: dict[str, Column], item: Column | None, shape: Shape) -> Column:
    """The value of one column, with TMDB's ways to say "unknown" as NULL."""
    if column.fixed:
        return F.lit(column.fixed)
    place = table.placed.get(column.name)
    if place is None:
        # Keys of objects are texts.
        key = any(level.column == column.name for level in table.levels) and column.type != "string"
        return known[column.name].try_cast(data_type(column.type)) if key else known[column.name]
    value = known[column.name] if place.around else _member(item, place.members)
    if column.presence:
        return value.isNotNull()
    if place.joined:
        value = F.array_join(value, ", ")
    if column.type == "string":
        return text(value)
    if column.type == "date" and not place.around and member_of(shape, place.members) == "timestamp":
        return value.cast("date")
    return amount(value) if column.zero_is_null else value
