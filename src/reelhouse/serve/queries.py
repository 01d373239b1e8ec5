"""Checks queries of `reelhouse sql` and `Lake.sql`: only one query over the lake's own tables reaches an engine.

sqlglot parses it, and every node, function and table of the parse must be on a list. The engine gets no text outside of
the parse: comments are removed, and text that an engine replaces before parsing (`${env:HOME}`) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from reelhouse.errors import LISTS_ALL, ConfigError, UnknownTableError, did_you_mean, pip_install
from reelhouse.serve.sql_functions import FUNCTIONS

if TYPE_CHECKING:
    from sqlglot import exp

_READS = "sql reads this lake's tables, marts and imports, and nothing else"
_WRITES = frozenset(("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "TRUNCATE", "UPDATE"))
_STARTS = frozenset(("SELECT", "WITH", "VALUES", "FROM", "(", "DESC", "DESCRIBE"))
_EXPLAIN = re.compile(r"\s*explain\s+(?:(?:extended|codegen|cost|formatted)\s+)?", re.IGNORECASE)
_NO_TEXT = re.compile("[\ud800-\udfff]")
_SHOW_TABLES = re.compile(r"\s*show\s+tables[\s;]*", re.IGNORECASE)
_SHOW_COLUMNS = re.compile(r"\s*show\s+columns\s+(?:from|in)\b", re.IGNORECASE)
_DESCRIBE = re.compile(r"desc(?:ribe)?\s+(?:table\b)?", re.IGNORECASE)
_DOT = re.compile(r"\s*\.\s*")
_HINT = re.compile(r"/\*\+[\w\s,.()`]*\*/")
# What sqlglot's messages mean to a person who sees the place.
_PLAINLY = {
    "Required keyword": "something is missing after it",
    "Invalid expression / Unexpected token": "this is not expected here",
}
_MESSAGE = re.compile(r" but got <Token.*")

# The nodes that a query may have. Some are base classes (Binary, Predicate, SetOperation, Unary): none of their
# subclasses reads or writes anything.
_NODES = (
    "Alias Aliases All Any Array AtTimeZone Between Binary Boolean Bracket CTE Case Cast Ceil Cluster Column "
    "ColumnDef Concat Cube CurrentDate CurrentTimestamp CurrentUser DataType DataTypeParam Distinct Distribute "
    "Exists Extract Filter Floor From Group GroupingSets Having HexString Identifier If IgnoreNulls In Interval "
    "IntervalSpan Join Lambda Lateral Limit Literal National Null Offset Order Ordered Overlay Paren Pivot "
    "PivotAlias PivotAny Predicate Qualify RawString RespectNulls Rollup Select SessionUser SetOperation Slice Sort "
    "Star StrPosition Struct Subquery Substring Table TableAlias TableSample Transform Trim TryCast Tuple Unary "
    "Values Var Where Window WindowSpec With WithinGroup"
)
# Calls with special grammar; all others are parsed as plain calls, and checked by their written name.
_SPECIAL_CALLS = frozenset(("CAST", "CEIL", "EXTRACT", "FLOOR", "OVERLAY", "POSITION", "SUBSTRING", "TRIM", "TRY_CAST"))


class Query(NamedTuple):
    """A checked query: the *text* for the engine, the lake's *tables* that it names, and the one that it describes."""

    text: str
    tables: frozenset[str]
    described: str = ""


def checked_query(query: str, tables: Mapping[str, str]) -> Query:
    """Check that *query* reads *tables* only: names with the zones that may qualify them, as in `marts.fact_movie`.

    Raises `ConfigError` if it does anything else or cannot be parsed, `UnknownTableError` for another table.
    """
    if _NO_TEXT.search(query):
        # Python reads other bytes of an argument so.
        raise ConfigError("sql: the query is not valid UTF-8")
    if _SHOW_TABLES.fullmatch(query):
        rows = ", ".join(f"('{name}')" for name in sorted(tables))
        return Query(f"select * from values {rows} as t(table_name)", frozenset())
    query = _SHOW_COLUMNS.sub("describe table", query, count=1) if _SHOW_COLUMNS.match(query) else query
    # sqlglot does not parse the text after these words.
    explain = _EXPLAIN.match(query)
    start = explain.end() if explain else 0
    checked = _checked(_without_comments(query[start:]), tables)
    return checked._replace(text=query[:start] + checked.text, described="" if explain else checked.described)


def is_ended(text: str) -> bool:
    """Whether *text* ends with a semicolon that is not within a quote or a comment."""
    try:
        tokens = _tokens(text)
    except ConfigError:
        return False
    return bool(tokens) and text[tokens[-1].start] == ";"


def _without_comments(query: str) -> str:
    tokens = _tokens(query)
    if "${" in query:
        raise ConfigError("sql: ${…} is text that Spark replaces by settings and variables; write concat('$', '{…}')")
    while tokens and query[tokens[-1].start] == ";":
        tokens.pop()
    parts, end = [], 0
    for token in tokens:
        # One word may be several tokens: `2L` is a number and its type.
        if token.start < end:
            continue
        gap, end_of_word = query[end : token.start], token.end + 1
        word = query[token.start : end_of_word]
        if word.startswith("/*") and not _HINT.fullmatch(word):
            word = ""
        parts += [gap if gap.isspace() else " " * bool(gap), word]
        end = end_of_word
    return "".join(parts).strip()


def _tokens(query: str) -> list[Any]:
    from sqlglot.errors import TokenError

    try:
        return list(_dialect()().tokenize(query))
    except TokenError as exc:
        raise ConfigError("sql: the query ends within a quote or a comment") from exc


def _checked(text: str, tables: Mapping[str, str]) -> Query:
    """A statement as engines understand it, and the tables that it reads; raises as `checked_query` does."""
    first = re.match(r"\w+|\S?", text)
    if first is None or first[0].upper() not in _STARTS:
        word = first[0].upper() if first else ""
        if word in _WRITES:
            raise ConfigError(f"sql: {word} is refused: queries only read; `reelhouse purge` deletes; {_READS}")
        shown = f"not {word}{did_you_mean(word, _STARTS)}" if word else "but there is none"
        raise ConfigError(
            "sql: one query is expected (select …, with …, values …, describe NAME, show tables, show columns "
            f"from NAME), {shown}; {_READS}"
        )
    root = _parsed(text)
    if not isinstance(root, (*_nodes("Query Values"), *_nodes("Describe"))):
        raise _refused(root)
    if zones := _zones(root, tables):
        # The engine has views without zones. The text without them is checked as any other.
        for start, end in sorted(zones, reverse=True):
            dot = _DOT.match(text, end)
            assert dot is not None
            text = text[:start] + text[dot.end() :]
        return _checked(text, tables)
    if isinstance(root, _nodes("Describe")):
        _check_describe(root)
        described = _table(root.this, tables)
        if described is None:
            raise _refused(root)
        return Query(_DESCRIBE.sub("describe table ", text, count=1), frozenset((described,)), described)
    named = [node for node in _walked(root) if isinstance(node, _nodes("Table"))]
    return Query(text, frozenset(name for table in named if (name := _table(table, tables)) is not None))


def _zones(root: exp.Expr, tables: Mapping[str, str]) -> list[tuple[int, int]]:
    """Where a query has zones before names of tables: start and end of each."""

    def zone_of(node: exp.Expr, name: str) -> Any:
        zone = node.args.get("db")
        if zone is None or node.args.get("catalog") or "start" not in zone.meta:
            return None
        return zone if tables.get(name.lower()) == zone.name.lower() else None

    found, named = [], set()
    for table in root.find_all(*_nodes("Table")):
        if (zone := zone_of(table, table.name)) is not None:
            name = table.name.lower()
            if _is_cte(table, name):
                raise ConfigError(f"sql: {name} is also a common table expression; give it another name; {_READS}")
            named.add(name)
            found.append(zone)
    columns = [column for column in root.find_all(*_nodes("Column")) if column.text("table").lower() in named]
    found += [zone for column in columns if (zone := zone_of(column, column.text("table"))) is not None]
    return [(zone.meta["start"], zone.meta["end"] + 1) for zone in found]


def _parsed(text: str) -> exp.Expr:
    import sqlglot
    from sqlglot.errors import ParseError

    try:
        found = [one for one in sqlglot.parse(text, dialect=_dialect()) if one is not None]
    except ParseError as exc:
        raise _unreadable(exc.errors[0] if exc.errors else {"description": str(exc)}) from exc
    except RecursionError as exc:
        raise ConfigError("sql: the query is nested too deeply") from exc
    if len(found) != 1:
        raise ConfigError(f"sql: one query at a time is expected, not {len(found)}")
    return found[0]


def _unreadable(error: dict[str, Any]) -> ConfigError:
    what = _MESSAGE.sub("", str(error["description"]).partition(" for <class")[0])
    what = next((plain for text, plain in _PLAINLY.items() if what.startswith(text)), what)
    word = error.get("highlight") or ""
    place = (
        f"line {error['line']}, column {max(error['col'] - len(word) + 1, 1)}, at {word!r}: " if "line" in error else ""
    )
    return ConfigError(f"sql: the query cannot be read: {place}{what}")


def _walked(root: exp.Expr) -> Iterator[exp.Expr]:
    """Check each node of a query; hints are ignored."""
    hint = _nodes("Hint")
    for node in root.walk(prune=lambda node: isinstance(node, hint)):
        if isinstance(node, hint):
            continue
        if isinstance(node, _nodes("Anonymous")) and not _is_qualified(node):
            _check_call(str(node.this))
        elif not isinstance(node, _nodes(_NODES)):
            raise _refused(node)
        yield node


def _is_qualified(call: exp.Expr) -> bool:
    """Whether a call names a schema, and so a user-defined function: `mine.abs(1)`."""
    return isinstance(call.parent, _nodes("Dot")) and call.arg_key == "expression"


def _check_call(name: str) -> None:
    if name.lower() not in FUNCTIONS:
        hint = did_you_mean(name.lower(), FUNCTIONS)
        raise ConfigError(f"sql: {name}() is not a function that a query may call here{hint}; {_READS}")


def _check_describe(root: exp.Expr) -> None:
    given = {name for name, value in root.args.items() if value and name not in ("this", "kind", "style")}
    plain = root.text("kind").upper() in ("", "TABLE") and root.text("style").upper() in ("", "EXTENDED", "FORMATTED")
    if given or not plain or not isinstance(root.this, _nodes("Table")):
        raise _refused(root)


def _table(node: exp.Expr, tables: Mapping[str, str]) -> str | None:
    """The lake's table that *node* names; None for a CTE and for a function that makes rows."""
    zone = node.text("db").lower()
    if zone in tables.values() and not node.args.get("catalog"):
        raise _not_in_zone(zone, node.name.lower(), tables)
    if zone or node.args.get("catalog") or not isinstance(node.this, _nodes("Anonymous Identifier")):
        raise _refused(node)
    if isinstance(node.this, _nodes("Anonymous")):
        return None
    name = str(node.name).lower()
    if _is_cte(node, name):
        return None
    if name not in tables:
        # Late: declarations of marts load an engine.
        from reelhouse.serve.dictionary import where_to_find

        raise UnknownTableError(f"table not found: {node.name}{where_to_find(name, tables)}")
    return name


def _not_in_zone(zone: str, name: str, tables: Mapping[str, str]) -> UnknownTableError:
    known = [f"{of}.{each}" for each, of in tables.items()]
    hint = did_you_mean(f"{tables[name]}.{name}" if name in tables else f"{zone}.{name}", known)
    return UnknownTableError(f"table not found: {zone}.{name}{hint}; {LISTS_ALL}")


def _is_cte(node: exp.Expr, name: str) -> bool:
    """Whether *name* at *node* means a common table expression."""
    while (parent := node.parent) is not None:
        known: list[exp.Expr] = []
        if isinstance(parent, _nodes("With")):
            ctes = parent.expressions
            known = ctes if parent.args.get("recursive") else ctes[: ctes.index(node)]
        elif (with_ := parent.args.get("with_")) is not None and with_ is not node:
            known = with_.expressions
        if any(cte.alias.lower() == name for cte in known):
            return True
        node = parent
    return False


def _refused(node: exp.Expr) -> ConfigError:
    from sqlglot.errors import ErrorLevel

    shown = re.sub(r"\s+", " ", node.sql(dialect="spark", unsupported_level=ErrorLevel.IGNORE)) or node.key
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ConfigError(f"sql: {shown} is not allowed in a query here; {_READS}")


@cache
def _nodes(names: str) -> tuple[type[exp.Expr], ...]:
    from sqlglot import exp

    return tuple(getattr(exp, name) for name in names.split())


@cache
def _dialect() -> Any:
    """Spark's dialect, in which a call keeps the name that is written."""
    try:
        from sqlglot.dialects.spark import Spark
    except ModuleNotFoundError:
        raise ConfigError(f"sqlglot is not installed; install it with: {pip_install('lake')}") from None
    special = {name: read for name, read in Spark.Parser.FUNCTION_PARSERS.items() if name in _SPECIAL_CALLS}
    parser = type("Parser", (Spark.Parser,), {"FUNCTIONS": {}, "FUNCTION_PARSERS": special})
    return type("LakeSql", (Spark,), {"Parser": parser})
