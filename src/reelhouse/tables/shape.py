"""What a TMDB answer looks like, written down once: how an engine reads, types and doubts it.

`from_json` turns a value of the wrong type into NULL without a word, and a schema of numbers loses `"id": "1"` and
`1.0`. So every scalar is read as text first and cast afterwards. A row where a value got lost on that way, or could
have been, is *doubtful*: `tables/salvage.py` reads it again, value by value. Such rows are rare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T


@dataclass(frozen=True)
class Keyed:
    """An object whose keys are data (countries, kinds of offer): all values look like *values*, but for *fields*."""

    values: Shape
    fields: tuple[str, ...] = ()


Shape: TypeAlias = "str | list[Shape] | dict[str, Shape] | Keyed"

REJECTED = T.ArrayType(
    T.StructType(
        [
            T.StructField("path", T.StringType()),
            T.StructField("raw", T.StringType()),
            T.StructField("rule", T.StringType()),
        ]
    )
)


class Leaf(NamedTuple):
    """A kind of scalar: its type, and whether a text would be lost or changed by a cast to it."""

    type: T.DataType
    lost: Callable[[Column], Column]


def _holds_json(text: Column) -> Column:
    # A nested object or list arrives as its JSON. A title such as "[REC]" is merely read twice.
    return text.startswith('{"') | text.startswith("[")


def _no_number(text: Column) -> Column:
    number = text.try_cast("double")
    # "NaN" and "Infinity" are doubles to a cast, but no numbers.
    return (text != "") & (number.isNull() | ~(F.abs(number) < 1e308))


def _no_whole(text: Column) -> Column:
    return (text != "") & text.try_cast("bigint").isNull()


def _no_flag(text: Column) -> Column:
    return ~text.isin("true", "false", "")


def _no_date(text: Column) -> Column:
    # The length keeps out '2025', which a cast would call the first of January.
    return (text != "") & (text.try_cast("date").isNull() | (F.length(text) != 10))


def _no_instant(text: Column) -> Column:
    return (text != "") & (text.try_cast("timestamp").isNull() | (F.length(text) < 19))


LEAVES = {
    "text": Leaf(T.StringType(), _holds_json),
    "number": Leaf(T.DoubleType(), _no_number),
    "whole": Leaf(T.LongType(), _no_whole),
    "flag": Leaf(T.BooleanType(), _no_flag),
    "date": Leaf(T.DateType(), _no_date),
    "instant": Leaf(T.TimestampType(), _no_instant),
}


def type_of(shape: Shape) -> T.DataType:
    """The type a staged value of *shape* has."""
    return _build_type(shape, lambda leaf: LEAVES[leaf].type)


def opened_type(shape: Shape) -> T.DataType:
    """As `type_of`, with text for every scalar."""
    return _build_type(shape, lambda leaf: T.StringType())


def _build_type(shape: Shape, leaf: Callable[[str], T.DataType]) -> T.DataType:
    if isinstance(shape, str):
        return leaf(shape)
    if isinstance(shape, list):
        return T.ArrayType(_build_type(shape[0], leaf))
    if isinstance(shape, dict):
        return T.StructType([T.StructField(name, _build_type(inner, leaf)) for name, inner in shape.items()])
    pair = T.StructType([T.StructField("key", T.StringType()), T.StructField("value", _build_type(shape.values, leaf))])
    if not shape.fields:
        return T.ArrayType(pair)
    fields = [T.StructField(name, leaf("text")) for name in shape.fields]
    return T.StructType([*fields, T.StructField("rest", T.ArrayType(pair))])


def read_type(shape: Shape) -> T.DataType:
    """The schema that `from_json` reads *shape* with; `opened` brings the result to `opened_type`."""
    if isinstance(shape, str):
        return T.StringType()
    if isinstance(shape, list):
        return T.ArrayType(read_type(shape[0]))
    if isinstance(shape, dict):
        return T.StructType([T.StructField(name, read_type(inner)) for name, inner in shape.items()])
    # Where some keys differ in shape from the rest, only text fits all of them.
    values = T.StringType() if shape.fields else read_type(shape.values)
    return T.MapType(T.StringType(), values)


def opened(value: Column, shape: Shape) -> Column:
    """What `from_json` read, with lists of key and value for objects whose keys are data."""
    if not _has_keyed(shape):
        return value
    if isinstance(shape, dict):
        fields = [opened(value[name], inner).alias(name) for name, inner in shape.items()]
        return F.when(value.isNotNull(), F.struct(*fields))
    if isinstance(shape, list):
        return F.transform(value, lambda item: opened(item, shape[0]))
    assert isinstance(shape, Keyed)
    return _opened_keyed(value, shape)


def _opened_keyed(value: Column, shape: Keyed) -> Column:
    if not shape.fields:
        return F.transform(F.map_entries(value), lambda pair: _pair(pair, opened(pair["value"], shape.values)))
    rest = F.filter(F.map_entries(value), lambda pair: ~pair["key"].isin(*shape.fields))
    schema = read_type(shape.values)
    assert isinstance(schema, (T.ArrayType, T.StructType))
    inner = F.transform(rest, lambda pair: _pair(pair, opened(F.from_json(pair["value"], schema), shape.values)))
    fields = [value[name].alias(name) for name in shape.fields]
    return F.when(value.isNotNull(), F.struct(*fields, inner.alias("rest")))


def _pair(pair: Column, value: Column) -> Column:
    return F.struct(pair["key"].alias("key"), value.alias("value"))


def _has_keyed(shape: Shape) -> bool:
    if isinstance(shape, dict):
        return any(_has_keyed(inner) for inner in shape.values())
    if isinstance(shape, list):
        return _has_keyed(shape[0])
    return isinstance(shape, Keyed)


def typed(value: Column, shape: Shape) -> Column:
    """An opened value with its types."""
    return value if shape == "text" else value.try_cast(type_of(shape))


def doubtful(value: Column, shape: Shape) -> Column:
    """Whether something of an opened value got lost, or may have; NULL is as good as false.

    Nothing turns that NULL into false on the way: done for every scalar, it would cost a fifth of all parsing.
    """
    if isinstance(shape, str):
        return LEAVES[shape].lost(value)
    if isinstance(shape, list):
        return _any_doubtful(value, lambda item: doubtful(item, shape[0]))
    if isinstance(shape, dict):
        return any_of([value.isNull(), *(doubtful(value[name], inner) for name, inner in shape.items())])
    if not shape.fields:
        return _any_doubtful(value, lambda pair: doubtful(pair["value"], shape.values))
    rest = _any_doubtful(value["rest"], lambda pair: doubtful(pair["value"], shape.values))
    return any_of([value.isNull(), rest, *(doubtful(value[name], "text") for name in shape.fields)])


def _any_doubtful(value: Column, test: Callable[[Column], Column]) -> Column:
    return value.isNull() | F.exists(value, test)


def any_of(tests: list[Column]) -> Column:
    """Whether one of *tests* holds. A balanced tree, since Connect refuses expressions that nest too deeply."""
    if len(tests) == 1:
        return tests[0]
    middle = len(tests) // 2
    return any_of(tests[:middle]) | any_of(tests[middle:])
