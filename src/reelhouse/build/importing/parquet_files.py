"""Parquet files as batches, typed as they say themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelhouse.build.importing.arrow_columns import converted, is_zoneless, kind_of, may_become
from reelhouse.build.importing.columns import NEW_SCHEMA, check_same, named
from reelhouse.build.imports import ImportColumn
from reelhouse.errors import ReelhouseError

_ROWS = 32_768


class ParquetFiles:
    """Files that make one table: the first names its columns and their types, the others have the same."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = {path: _looked_at(path) for path in paths}
        self.notes: list[str] = []
        first, *others = paths
        for path in others:
            hint = "files of one table have the same columns"
            check_same(self.names(), [each.name for each in self._files[path]], str(path), str(first), hint)
            for column in self._files[path]:
                wanted = next(each for each in self._files[first] if each.name == column.name)
                if wanted.type != column.type:
                    raise ReelhouseError(
                        f"{path}: column {column.name} is {column.type}, in {first} it is {wanted.type}; {hint}"
                    )

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in next(iter(self._files.values()))]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types; with *pinned* those, where every value fits."""
        path, found = next(iter(self._files.items()))
        with _opened(path) as file:
            schema = file.schema_arrow
        for column, field in zip(found, schema, strict=True):
            if is_zoneless(field.type):
                self.notes.append(f"{column.name}: instants without a time zone are taken as UTC")
        if pinned is None:
            return found
        kinds = {column.name: column.type for column in found}
        for column in pinned:
            if not may_become(kinds[column.name], column.type):
                raise ReelhouseError(
                    f"{path}: column {column.name} is {kinds[column.name]}, which is no {column.type}; {NEW_SCHEMA}"
                )
        return list(pinned)

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        for path, found in self._files.items():
            places = {column.name: at for at, column in enumerate(found)}
            with _opened(path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    arrays = [_typed(path, batch.column(places[each.name]), each) for each in columns]
                    yield pa.RecordBatch.from_arrays(arrays, names=[each.name for each in columns])


def _typed(path: Path, array: Any, column: ImportColumn) -> Any:
    try:
        return converted(array, column.type)
    except pa.ArrowInvalid as exc:
        said = str(exc).splitlines()[0]
        raise ReelhouseError(f"{path}: column {column.name} is no {column.type}: {said}; {NEW_SCHEMA}") from exc


def _looked_at(path: Path) -> list[ImportColumn]:
    with _opened(path) as file:
        schema = file.schema_arrow
    columns = []
    for column, field in zip(named(schema.names, str(path)), schema, strict=True):
        kind = kind_of(field.type)
        if kind is None:
            raise ReelhouseError(
                f"{path}: column {field.name} is {field.type}, which no table here holds: leave it out"
            )
        columns.append(ImportColumn(column.name, kind, column.source))
    return columns


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            yield file
    except pa.ArrowException as exc:
        raise ReelhouseError(f"{path} is no Parquet file, or damaged: {str(exc).splitlines()[0]}") from exc
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror or str(exc).splitlines()[0]}") from exc
