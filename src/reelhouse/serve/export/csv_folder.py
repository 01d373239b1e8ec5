"""CSV files: UTF-8, a header, commas, texts in quotes. NULL is nothing at all, an empty text is two quotes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as pc_csv

from reelhouse.serve.export.folders import Folder
from reelhouse.serve.export.rows import Reading


class CsvFolder(Folder):
    """A folder of `<table>.csv`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "csv", _write)


def _write(reading: Reading, path: Path) -> None:
    # Quotes around texts alone: so readers tell NULL from an empty text, as PostgreSQL's COPY does.
    with pc_csv.CSVWriter(path, reading.schema, write_options=pc_csv.WriteOptions(quoting_style="needed")) as file:
        for batch in reading.batches():
            file.write_batch(batch)
