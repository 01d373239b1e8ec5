"""A lake in Python: its tables, marts and imports as DataFrames and in SQL, in versions that belong together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from reelhouse.errors import LakeError, ReelhouseError, UnknownTableError, did_you_mean
from reelhouse.serve.queries import checked_query
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.import_registry import ZONE as IMPORTED
from reelhouse.warehouse.import_registry import import_spec, imported, readable
from reelhouse.warehouse.manifest import TableVersion

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from reelhouse.warehouse.run import BuildResult

# How Sail and Apache Spark name a column that is not there.
_NO_COLUMN = re.compile(
    r"attribute ObjectName\(\[(Identifier\(\".*?\"\)[, ]*)+\]\)|UNRESOLVED_COLUMN[^`]*(`[^`]+`\.?)+"
)
_NAMES = re.compile(r"[`\"]([^`\"]+)[`\"]")


class Lake:
    """A lake for reading (and building). The engine starts when it is first needed."""

    def __init__(self, storage: Storage, session: Callable[[], SparkSession], *, course: bool = False) -> None:
        self._storage = storage
        self._session = session
        self._course = course
        self._viewed: dict[str, TableVersion] = {}
        self._viewed_in: SparkSession | None = None

    def tables(self) -> dict[str, int]:
        """Rows of each table and mart of the last complete build and of each imported table, by name."""
        return {name: pin.rows for name, pin in sorted(readable(self._storage).items())}

    def table(self, name: str) -> DataFrame:
        """One table, mart or import, lazily; `.toArrow()` and `.toPandas()` fetch it. `LakeError` if unknown."""
        pins = readable(self._storage)
        if name not in pins:
            hint = did_you_mean(name, pins) or f"; there are: {', '.join(sorted(pins))}"
            raise LakeError(f"there is no table {name!r}{hint}")
        return self._read(name, pins[name])

    def sql(self, query: str) -> DataFrame:
        """One query in Spark SQL over tables, marts and imports by their names, lazily.

        A mistake in it is a `ReelhouseError`; anything but a query over the lake's tables is a `ConfigError`.
        """
        pins = readable(self._storage)
        try:
            checked = checked_query(query, {name: pin.zone for name, pin in pins.items()})
        except UnknownTableError as exc:
            built = any(pin.zone != IMPORTED for pin in pins.values())
            unbuilt = "" if built else "; except for imports nothing is built in this lake: run `reelhouse build`"
            raise UnknownTableError(f"{exc}{unbuilt}") from None
        session = self._session()
        from pyspark.errors import PySparkException

        try:
            self._show(checked.tables, pins)
            found = session.sql(checked.text)
            # Connect resolves even names lazily: reading the columns raises mistakes here.
            _ = found.columns
        except PySparkException as exc:
            unknown = self._unknown_column(str(exc), checked.tables, pins)
            raise ReelhouseError(unknown or str(exc).strip().splitlines()[0]) from exc
        return found

    def arrow(self, query: str) -> pa.Table:
        """The rows of `sql` as an Arrow table; any error on the way is a `ReelhouseError` too."""
        found = self.sql(query)
        from reelhouse.delta.engine_errors import ENGINE_ERRORS, first_line

        try:
            return found.toArrow()
        except ENGINE_ERRORS as exc:
            raise ReelhouseError(f"the query failed: {first_line(exc)}") from exc

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

    def build(self, *, full: bool = False) -> BuildResult:
        """Build what has landed since the last build; **full* builds everything again from raw."""
        from reelhouse.warehouse.run import build

        return build(self._storage, self._session, full=full, course=self._course)

    def _read(self, name: str, pin: TableVersion) -> DataFrame:
        session = self._session()
        from reelhouse.delta.engine import open_engine

        return open_engine(self._storage, session).table(f"{pin.zone}/{name}", pin.version)

    def _unknown_column(self, text: str, tables: Iterable[str], pins: Mapping[str, TableVersion]) -> str:
        """What to say where an engine did not find a column; empty for its other errors."""
        found = _NO_COLUMN.search(text)
        if found is None:
            return ""
        column = _NAMES.findall(found[0])[-1]
        columns = {name: self._read(name, pins[name]).columns for name in sorted(tables)}
        hint = did_you_mean(column, {each for known in columns.values() for each in known})
        return f"column not found: {column}{hint}" + "".join(f"; {n} has: {', '.join(c)}" for n, c in columns.items())

    def _show(self, tables: Iterable[str], pins: Mapping[str, TableVersion]) -> None:
        """Make views of the *tables* that a query names; views of all fifty would cost more than most queries."""
        if self._viewed_in is not (session := self._session()):
            self._viewed_in, self._viewed = session, {}
        for name in self._viewed.keys() - pins.keys():
            session.catalog.dropTempView(name)
            del self._viewed[name]
        for name in tables:
            if self._viewed.get(name) != pins[name]:
                self._read(name, pins[name]).createOrReplaceTempView(name)
                self._viewed[name] = pins[name]
