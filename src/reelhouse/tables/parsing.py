"""How an engine reads an answer of a declared shape, types it, and tells which values it may have lost.

`from_json` turns a value of the wrong type into NULL without a word, and a schema of numbers loses `"id": "1"` and
`1.0`. Apache Spark marks such rows (`MISFIT`), so it reads exact types. Where an engine does not, every scalar is read
as text first and cast afterwards. Dates and instants are read as text by all, because TMDB writes "" for none, and so
is what stands under keys that differ in shape. A row where a value got lost on that way, or could have been, is
*suspect*: `entities/lenient_parse.py` reads it again, value by value. Such rows are rare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.entities.paths import KeyedList, MapOf, Shape, member_of
from reelhouse.tables.schemas import data_type

_ENTRY = T.StructType([T.StructField("key", T.StringType()), T.StructField("value", T.StringType())])

# The field in which `from_json` with `MARKING` keeps a row of which a value does not fit the schema.
MISFIT = "misfit"
MARKING = {"columnNameOfCorruptRecord": MISFIT}


def _holds_json(text: Column) -> Column:
    # A nested object or list arrives as its JSON. A title such as "[REC]" is merely read twice.
    return text.startswith("{") | text.startswith("[")


def _too_large(number: Column) -> Column:
    # "NaN" and "Infinity" are doubles to an engine, but no numbers.
    return ~(F.abs(number) < 1e308)


def _no_double(text: Column) -> Column:
    number = text.try_cast("double")
    return (text != "") & (number.isNull() | _too_large(number))


def _no_bigint(text: Column) -> Column:
    return (text != "") & text.try_cast("bigint").isNull()


def _no_boolean(text: Column) -> Column:
    return ~text.isin("true", "false", "")


def _beyond_python(day: Column) -> Column:
    # Engines know years before 1 and after 9999, Arrow's readers in Python do not. A zone may move an instant by a day.
    return ~(day.like("____-%") & day.between("0001-01-02", "9999-12-31"))


def _no_date(text: Column) -> Column:
    # The length keeps out '2025', which a cast would call the first of January.
    return (text != "") & (text.try_cast("date").isNull() | (F.length(text) != 10) | _beyond_python(text))


def _no_timestamp(text: Column) -> Column:
    return (text != "") & (text.try_cast("timestamp").isNull() | (F.length(text) < 19) | _beyond_python(text))


# Whether a text would be lost or changed by a cast to a type.
_LOST: dict[str, Callable[[Column], Column]] = {
    "string": _holds_json,
    "double": _no_double,
    "bigint": _no_bigint,
    "boolean": _no_boolean,
    "date": _no_date,
    "timestamp": _no_timestamp,
}


# What a value that `from_json` read by its exact type may still be: a nested object, a number beyond all doubles.
_LOST_EXACTLY: dict[str, Callable[[Column], Column]] = {
    "string": _holds_json,
    "double": _too_large,
    "date": _no_date,
    "timestamp": _no_timestamp,
}


def marks_misfits(spark: SparkSession) -> bool:
    """Whether the engine's `from_json` says of which rows a value does not fit."""
    schema = T.StructType([T.StructField("id", T.LongType()), T.StructField(MISFIT, T.StringType())])
    row = spark.range(1).select(F.from_json(F.lit('{"id": "1"}'), schema, MARKING)[MISFIT].alias(MISFIT)).first()
    return row is not None and row[MISFIT] is not None


def read_type(shape: Shape, *, exactly: bool = False) -> T.DataType:
    """What `from_json` reads *shape* with: text for every scalar or *exactly* its type, maps where keys are data."""
    if isinstance(shape, str):
        return data_type(shape) if exactly and shape not in ("date", "timestamp") else T.StringType()
    if isinstance(shape, list):
        return T.ArrayType(read_type(shape[0], exactly=exactly))
    if isinstance(shape, dict):
        fields = ((name, read_type(inner, exactly=exactly)) for name, inner in shape.items())
        return T.StructType([T.StructField(name, kind) for name, kind in fields])
    # Where some keys differ in shape from the rest, only text fits all of them.
    values = T.StringType() if shape.fields else read_type(shape.values, exactly=exactly)
    return T.MapType(T.StringType(), values)


def maps_to_entries(value: Column, shape: Shape) -> Column:
    """What `from_json` read, with lists of key and value for objects whose keys are data."""
    if not _has_map(shape):
        return value
    if isinstance(shape, dict):
        fields = [maps_to_entries(value[name], inner).alias(name) for name, inner in shape.items()]
        return F.when(value.isNotNull(), F.struct(*fields))
    if isinstance(shape, list):
        return F.transform(value, lambda item: maps_to_entries(item, shape[0]))
    assert isinstance(shape, MapOf)
    return _map_to_entries(value, shape)


def _map_to_entries(value: Column, shape: MapOf) -> Column:
    if not shape.fields:
        return F.transform(F.map_entries(value), lambda pair: _pair(pair, maps_to_entries(pair["value"], shape.values)))
    rest = F.filter(F.map_entries(value), lambda pair: ~pair["key"].isin(*shape.fields))
    schema = read_type(shape.values)
    assert isinstance(schema, (T.ArrayType, T.StructType))
    inner = F.transform(
        rest, lambda pair: _pair(pair, maps_to_entries(F.from_json(pair["value"], schema), shape.values))
    )
    fields = [value[name].alias(name) for name in shape.fields]
    return F.when(value.isNotNull(), F.struct(*fields, inner.alias("rest")))


def numbered_entries(members: Column, start: str, shape: Shape) -> Column:
    """The *members* (a map of texts) whose names begin with *start*: the rest of the name, and the value of *shape*."""
    # Sail (0.7.2) calls `from_json` without its schema for the items of lists if there are none and one list is NULL.
    entries = F.coalesce(F.map_entries(members), F.array().cast(T.ArrayType(_ENTRY)))
    named = F.filter(entries, lambda pair: pair["key"].startswith(start))
    schema = read_type(shape)
    assert isinstance(schema, (T.ArrayType, T.StructType))

    def entry(pair: Column) -> Column:
        value = maps_to_entries(F.from_json(pair["value"], schema), shape)
        return F.struct(F.substring(pair["key"], len(start) + 1, 1_000).alias("key"), value.alias("value"))

    return F.transform(named, entry)


def _pair(pair: Column, value: Column) -> Column:
    return F.struct(pair["key"].alias("key"), value.alias("value"))


def _has_map(shape: Shape) -> bool:
    if isinstance(shape, dict):
        return any(_has_map(inner) for inner in shape.values())
    if isinstance(shape, list):
        return _has_map(shape[0])
    return isinstance(shape, MapOf)


def typed(value: Column, shape: Shape, *, exactly: bool = False) -> Column:
    """A value that `maps_to_entries` gave, with its types; of what was read *exactly* some have theirs."""
    as_it_is = shape == "string" or (exactly and read_type(shape, exactly=True) == data_type(shape))
    return value if as_it_is else value.try_cast(data_type(shape))


def suspect(value: Column, shape: Shape) -> Column:
    """Whether something of a value that `maps_to_entries` gave got lost, or may have; NULL is as good as false.

    Nothing turns that NULL into false on the way: done for every scalar, it would cost a fifth of all parsing.
    """
    if isinstance(shape, str):
        return _LOST[shape](value)
    if isinstance(shape, list):
        items = _any_suspect(value, lambda item: suspect(item, shape[0]))
        return any_of([items, *_repeated(value, shape, exactly=False)])
    if isinstance(shape, dict):
        return any_of([value.isNull(), *(suspect(value[name], inner) for name, inner in shape.items())])
    if not shape.fields:
        return _any_suspect(value, lambda pair: suspect(pair["value"], shape.values))
    rest = _any_suspect(value["rest"], lambda pair: suspect(pair["value"], shape.values))
    return any_of([value.isNull(), rest, *(suspect(value[name], "string") for name in shape.fields)])


def suspect_exactly(value: Column, shape: Shape) -> list[Column]:
    """The tests of which one holds if a value that was read exactly, and did not make its row a misfit, is suspect."""
    if isinstance(shape, str):
        return [_LOST_EXACTLY[shape](value)] if shape in _LOST_EXACTLY else []
    if isinstance(shape, dict):
        return [test for name, inner in shape.items() for test in suspect_exactly(value[name], inner)]
    if isinstance(shape, list):
        return [*_suspect_items(value, shape[0]), *_repeated(value, shape, exactly=True)]
    if not shape.fields:
        return [F.exists(value, lambda pair: any_of([F.lit(False), *suspect_exactly(pair["value"], shape.values)]))]
    return [value.isNotNull() & suspect(value, shape)]


def _suspect_items(value: Column, shape: Shape) -> list[Column]:
    if isinstance(shape, str):
        return [F.exists(value, _LOST_EXACTLY[shape])] if shape in _LOST_EXACTLY else []
    # A list without its items that are NULL has other positions.
    return [F.exists(value, lambda item: any_of([item.isNull(), *suspect_exactly(item, shape)]))]


def _repeated(value: Column, shape: list[Shape], *, exactly: bool) -> list[Column]:
    """The tests of which one holds if two items have one key; it looks at the first member of the key alone."""
    if isinstance(shape, KeyedList) and not shape.anywhere:
        return [_any_twice(_first_keys(value, shape, exactly=exactly))]
    return [_any_twice(_keys_within(value, *inner, exactly=exactly)) for inner in _lists_within(shape[0])]


def _any_twice(keys: Column) -> Column:
    return F.size(F.array_distinct(keys)) < F.size(keys)


def _lists_within(shape: Shape, members: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], KeyedList]]:
    """The lists in an item whose key holds for all of them together, by the way to them."""
    if isinstance(shape, KeyedList):
        yield members, shape
    for name, inner in shape.items() if isinstance(shape, dict) else ():
        yield from _lists_within(inner, (*members, name))


def _keys_within(value: Column, members: tuple[str, ...], shape: KeyedList, *, exactly: bool) -> Column:
    keys = F.transform(value, lambda item: _first_keys(_member(item, members), shape, exactly=exactly))
    return F.flatten(F.filter(keys, lambda one: one.isNotNull()))


def _first_keys(items: Column, shape: KeyedList, *, exactly: bool) -> Column:
    kind = member_of(shape[0], shape.key[0])
    return F.transform(items, lambda item: typed(_member(item, shape.key[0]), kind, exactly=exactly))


def _member(item: Column, members: tuple[str, ...]) -> Column:
    return reduce(Column.__getitem__, members, item)


def _any_suspect(value: Column, test: Callable[[Column], Column]) -> Column:
    return value.isNull() | F.exists(value, test)


def any_of(tests: list[Column]) -> Column:
    """Whether one of *tests* holds. A balanced tree, since Connect refuses expressions that nest too deeply."""
    if len(tests) == 1:
        return tests[0]
    middle = len(tests) // 2
    return any_of(tests[:middle]) | any_of(tests[middle:])
