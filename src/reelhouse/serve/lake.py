"""A lake in Python: its tables, marts and imports as DataFrames and in SQL, in versions that belong together."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from html import escape
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from reelhouse.errors import ConfigError, LakeError, ReelhouseError, UnknownTableError, did_you_mean
from reelhouse.serve.queries import Query, checked_query
from reelhouse.storage.opening import place_of
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.import_registry import ZONE as IMPORTED
from reelhouse.warehouse.import_registry import import_spec, imported, readable
from reelhouse.warehouse.manifest import TableVersion, reading, why_unbuilt

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# How Sail and Apache Spark name a column that is not there.
_NO_COLUMN = re.compile(
    r"attribute ObjectName\(\[(Identifier\(\".*?\"\)[, ]*)+\]\)|UNRESOLVED_COLUMN[^`]*(`[^`]+`\.?)+"
)
# How they name a column that several tables of a query have.
_SHARED = re.compile(
    r"ambiguous attribute: ObjectName\(\[(Identifier\(\".*?\"\)[, ]*)+\]\)|AMBIGUOUS_REFERENCE[^`]*(`[^`]+`\.?)+"
)
# What Sail says of common mistakes with aggregates, and what is to be done.
_AGGREGATES = (
    (re.compile(r'No field named \S*"#\d+"'), "is a column neither in GROUP BY nor in an aggregate such as max()?"),
    (re.compile("does not support logical expression AggregateFunction"), "aggregates belong in HAVING, not WHERE."),
)
# Characters of an engine's error: a plan may follow.
_LONGEST = 300
_USING = re.compile(r"\busing\s*\(", re.IGNORECASE)
_HAVE = ("has", "have")
_NAMES = re.compile(r"[`\"]([^`\"]+)[`\"]")


class Lake:
    """A lake for reading. The engine starts when it is first needed, and `close` ends its session.

    `lake.table(name)` and `lake.sql(query)` are Spark DataFrames, which notebooks show as tables. `lake.pandas(query)`
    and its likes are the rows of a query in the form of another library.
    """

    def __init__(
        self,
        storage: Storage,
        session: Callable[[], SparkSession],
        release: Callable[[SparkSession], None] = lambda session: None,
    ) -> None:
        self._storage = storage
        self._make_session = session
        self._release = release
        self._started: SparkSession | None = None
        self._closed = False
        self._viewed: dict[str, TableVersion] = {}
        self._viewed_in: SparkSession | None = None
        # Threads share the views.
        self._showing = threading.Lock()
        self._starting = threading.Lock()
        self._queries = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<reelhouse lake {self._place!r}: {self._summary()}>"

    def _repr_html_(self) -> str:
        """What notebooks show: tables with their rows and what a row is."""
        from reelhouse.serve.dictionary import describe

        title = f"<p><b>{escape(self._place)}</b>: {escape(self._summary())}</p>"
        try:
            found = [each for each in describe(self._storage, None)["tables"] if each["rows"] is not None]
        except ReelhouseError:
            # The summary says what is wrong.
            found = []
        if not found:
            return title
        head = "<tr><th>table</th><th>zone</th><th>rows</th><th>a row is</th></tr>"
        rows = "".join(
            f"<tr><td>{escape(each['name'])}</td><td>{escape(each['zone'])}</td>"
            f"<td style='text-align:right'>{each['rows']:,}</td><td>{escape(each['comment'])}</td></tr>"
            for each in found
        )
        return f"{title}<table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def close(self) -> None:
        """End the session of this lake; its DataFrames cannot be read any more."""
        started, self._started, self._closed = self._started, None, True
        if started is not None:
            self._release(started)

    def tables(self) -> dict[str, int]:
        """Rows of each table and mart of the last complete build and of each imported table, by name."""
        return {name: pin.rows for name, pin in sorted(readable(self._storage).items())}

    def table(self, name: str) -> DataFrame:
        """One table, mart or import, lazily; `.toArrow()` and `.toPandas()` fetch it. `LakeError` if unknown."""
        return self._read(name, self._pin(name))

    def sql(self, query: str) -> DataFrame:
        """One query in Spark SQL over tables, marts and imports by their names, lazily.

        A mistake in it is a `ReelhouseError`; anything but a query over the lake's tables is a `ConfigError`.
        """
        pins = readable(self._storage)
        try:
            checked = checked_query(query, {name: pin.zone for name, pin in pins.items()})
        except UnknownTableError as exc:
            built = any(pin.zone != IMPORTED for pin in pins.values())
            raise UnknownTableError(f"{exc}{'' if built else f'; {why_unbuilt(self._storage)}'}") from None
        session = self._session()
        from pyspark.errors import PySparkException

        try:
            if checked.described:
                return self._described(checked.described, pins[checked.described])
            with self._showing:
                self._show(checked.tables, pins)
                found = session.sql(checked.text)
                # Connect resolves even names lazily: reading the columns raises mistakes here.
                names = found.columns
                # A view keeps what its query's names meant when it was made; after a build, ours mean newer versions.
                # Its columns must differ.
                view = f"reelhouse_query_{next(self._queries)}"
                found.toDF(*(f"c{number}" for number in range(len(names)))).createOrReplaceTempView(view)
                return session.table(view).toDF(*names)
        except PySparkException as exc:
            unknown = self._wrong_column(str(exc), checked, pins)
            raise ReelhouseError(unknown or _failed(str(exc).strip().splitlines()[0])) from exc

    def path(self, name: str) -> str:
        """The folder or address of a table's files (Delta Lake), for other programs. `LakeError` if unknown.

        Their newest version may be newer than the one that this lake shows.
        """
        return f"{self._place}/{self._pin(name).zone}/{name}"

    def pandas(self, query: str) -> pd.DataFrame:
        """The rows of `sql` as a DataFrame of pandas."""
        _check("pandas")
        return self.arrow(query).to_pandas()

    def polars(self, query: str) -> Any:
        """The rows of `sql` as a DataFrame of Polars."""
        _check("polars")
        import polars

        return polars.from_arrow(self.arrow(query))

    def duckdb(self, query: str, connection: Any = None) -> Any:
        """The rows of `sql` as a relation of DuckDB, in a *connection* or in a new one."""
        _check("duckdb")
        import duckdb

        return (connection or duckdb.connect()).from_arrow(self.arrow(query))

    def arrow(self, query: str) -> pa.Table:
        """The rows of `sql` as an Arrow table; any error on the way is a `ReelhouseError` too."""
        with reading(self._storage):
            found = self.sql(query)
            from reelhouse.delta.engine_errors import ENGINE_ERRORS, first_line

            try:
                return found.toArrow()
            except ENGINE_ERRORS as exc:
                raise ReelhouseError(_failed(first_line(exc))) from exc

    def names(self) -> set[str]:
        """The names of all tables and of their columns."""
        # It imports the engine's client, which a bare install lacks.
        from reelhouse.marts import REGISTRY

        pins = readable(self._storage)
        declared = (spec for specs in REGISTRY.zones.values() for spec in specs)
        own = (import_spec(name, pin) for name, pin in imported(self._storage).items())
        return pins.keys() | {name for spec in (*declared, *own) for name in spec.column_names}

    def interrupt(self) -> None:
        """Ask the engine to end the queries of this lake that are running."""
        from reelhouse.delta.engine_errors import ENGINE_ERRORS

        # A query may have ended meanwhile, or with its engine; the next one will say so.
        with suppress(*ENGINE_ERRORS):
            self._session().interruptAll()

    @property
    def _place(self) -> str:
        return place_of(self._storage)

    def _summary(self) -> str:
        """What the lake holds, or why that cannot be said."""
        try:
            rows = self.tables().values()
        except ReelhouseError as exc:
            return str(exc)
        return f"{len(rows)} tables, {sum(rows):,} rows{', closed' if self._closed else ''}"

    def _session(self) -> SparkSession:
        if self._closed:
            raise ReelhouseError("this lake is closed: open it again with reelhouse.open")
        # The maker keeps its session, and makes another where a query that could not be interrupted ended the engine.
        # Two threads would make two, and the views of one are not known to the other.
        with self._starting:
            self._started = self._make_session()
            return self._started

    def _pin(self, name: str) -> TableVersion:
        pins = readable(self._storage)
        if name not in pins:
            # Late: declarations of marts load an engine.
            from reelhouse.serve.dictionary import where_to_find

            raise LakeError(f"there is no table {name!r}{where_to_find(name, pins)}")
        return pins[name]

    def _read(self, name: str, pin: TableVersion) -> DataFrame:
        session = self._session()
        from reelhouse.delta.engine import open_engine

        return open_engine(self._storage, session).table(f"{pin.zone}/{name}", pin.version, pin.rows)

    def _described(self, name: str, pin: TableVersion) -> DataFrame:
        """The columns of a table as `describe` names them, with what the dictionary says: engines know no comments."""
        from reelhouse.serve.dictionary import about, describe

        said = {each["name"]: about(each) for each in describe(self._storage, name)["columns"]}
        fields = self._read(name, pin).schema.fields
        rows = [(one.name, one.dataType.simpleString(), said.get(one.name) or None) for one in fields]
        return self._session().createDataFrame(rows, "col_name string, data_type string, comment string")

    def _wrong_column(self, text: str, query: Query, pins: Mapping[str, TableVersion]) -> str:
        """What to say where an engine did not find a column, or found several; empty for its other errors."""
        found, shared = _NO_COLUMN.search(text), _SHARED.search(text)
        if not (either := found or shared):
            return ""
        names = _NAMES.findall(either[0])
        column, full = names[-1], ".".join(names)
        columns = {name: self._read(name, pins[name]).columns for name in sorted(query.tables)}
        owners = [name for name, known in columns.items() if column in known]
        if found is None:
            have = f"; {' and '.join(owners)} {_HAVE[len(owners) > 1]} it" if owners else ""
            return f"ambiguous column: {full}{have}: write the table (or its alias) and a dot before it"
        if owners:
            without = len(names) > 1 and _USING.search(query.text)
            hint = f"; where USING joins tables, write {column} without its table" if without else ""
            return f"column not found here: {full}; {' and '.join(owners)} {_HAVE[len(owners) > 1]} {column}{hint}"
        hint = did_you_mean(column, {each for known in columns.values() for each in known})
        return f"column not found: {column}{hint}" + "".join(f"; {n} has: {', '.join(c)}" for n, c in columns.items())

    def _show(self, tables: Iterable[str], pins: Mapping[str, TableVersion]) -> None:
        """Make views of the *tables* that a query names; views of all fifty would cost more than most queries."""
        if self._viewed_in is not (session := self._session()):
            self._viewed_in, self._viewed = session, {}
        for name in [name for name, pin in self._viewed.items() if pins.get(name) != pin]:
            session.catalog.dropTempView(name)
            del self._viewed[name]
        for name in tables:
            if name not in self._viewed:
                self._read(name, pins[name]).createOrReplaceTempView(name)
                self._viewed[name] = pins[name]


def _failed(line: str) -> str:
    """What to say of an error of the engine."""
    hint = next((f"{hint} The engine says: " for said, hint in _AGGREGATES if said.search(line)), "")
    return f"the query failed: {hint}{line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'}"


def _check(package: str) -> None:
    if find_spec(package) is None:
        raise ConfigError(f"{package} is not installed in this environment: pip install {package}")
