"""Parquet files as batches, typed as they say themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelhouse.errors import ReelhouseError
from reelhouse.imports.arrow_columns import as_pinned, columns_of, typed
from reelhouse.imports.columns import SAME, check_same
from reelhouse.warehouse.import_registry import ImportColumn

_ROWS = 32_768


class ParquetFiles:
    """Files that make one table: the first names its columns and their types, the others have the same."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files: dict[Path, list[ImportColumn]] = {}
        self.notes: list[str] = []
        for path in paths:
            with _opened(path) as file:
                self._files[path], notes = columns_of(file.schema_arrow, str(path))
            self.notes += [note for note in notes if note not in self.notes]
        self._first, *others = paths
        for path in others:
            self._check_same(path)

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._files[self._first]]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types; with *pinned* those, where they may become them."""
        return as_pinned(self._files[self._first], pinned, str(self._first))

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        for path, found in self._files.items():
            places = {column.name: at for at, column in enumerate(found)}
            with _opened(path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    arrays = [typed(batch.column(places[each.name]), each, str(path)) for each in columns]
                    yield pa.RecordBatch.from_arrays(arrays, names=[each.name for each in columns])

    def _check_same(self, path: Path) -> None:
        kinds = {column.name: column.type for column in self._files[path]}
        check_same(self.names(), kinds, str(path), str(self._first), SAME)
        for column in self._files[self._first]:
            kind = kinds[column.name]
            if kind != column.type:
                raise ReelhouseError(
                    f"{path}: column {column.name} is {kind}, in {self._first} it is {column.type}; {SAME}"
                )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            yield file
    except pa.ArrowException as exc:
        raise ReelhouseError(f"{path} is no Parquet file, or damaged: {str(exc).splitlines()[0]}") from exc
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror or str(exc).splitlines()[0]}") from exc
