"""A folder of files as a target, one file per table: CSV, or Parquet (zstd) with all comments in its metadata.

New files are written beside the old ones, and take their places when all of them are whole. `reelhouse_export.json`,
which says what the folder holds, comes last; files that are new to it are named there before they come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
from msgspec.structs import replace

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.raw.json_objects import described
from reelhouse.serve.export.atomic_files import (
    check_file,
    check_outside,
    clear_leftovers,
    put_in_place,
    scratch_in,
    sync,
)
from reelhouse.serve.export.result import NOTES, TERMS, Exported, ExportedVersion, as_before, noted, unchanged
from reelhouse.serve.export.rows import TableScan
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot
from reelhouse.serve.files import without_formulas
from reelhouse.storage.protocol import Step

MANIFEST = f"{NOTES}.json"
_ANNOUNCED = f"{NOTES}.announced.json"

# Batches of rows that are in memory at a time, and that readers of Parquet may skip together.
_GROUP = 8


class FileColumn(msgspec.Struct, frozen=True):
    """A column, as the specs declare it."""

    name: str
    type: str
    comment: str


class WrittenFile(msgspec.Struct, frozen=True):
    """One file of the folder, and what it is."""

    file: str
    comment: str
    key: list[str]
    columns: list[FileColumn]
    note: ExportedVersion
    sha256: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What the folder holds."""

    form: str
    terms: str
    tables: dict[str, WrittenFile] = {}


class ExportFolder:
    """The folder at *path*, made where there is none; its files are `csv` or `parquet`. What else is in it stays.

    With *excel_safe* no text in a CSV is a formula to a spreadsheet.
    """

    not_compared = ""

    def __init__(self, path: Path, suffix: str, *, excel_safe: bool = False) -> None:
        self.place = f"{suffix}:{path}"
        self._path = path.expanduser().absolute()
        self._suffix = suffix
        self._form = f"{suffix}, excel-safe" if excel_safe else suffix
        writers: dict[str, Callable[[TableScan, Path], None]] = {
            "csv": partial(_write_csv, excel_safe=excel_safe),
            "parquet": _write_parquet,
        }
        self._write = writers[suffix]

    def export(self, snapshot: LakeSnapshot, *, full: bool, step: Step) -> list[Exported]:
        check_outside(self._path, snapshot.storage)
        for name in (MANIFEST, *(self._name(table) for table in snapshot.tables)):
            check_file(self._path / name)
        files = self._files(snapshot)
        same = files if self._manifest().form == self._form else {}
        names = {table.name for table in snapshot.tables}
        known = {name: file.note for name, file in same.items() if name in names and self._holds(file)}
        wanted = [table for table in snapshot.tables if full or not unchanged(table, known)]
        done = self._put(snapshot, wanted, files, step) if wanted else {}
        return [done.get(table.name) or as_before(table, known) for table in snapshot.tables]

    def _put(
        self, snapshot: LakeSnapshot, wanted: list[ExportTable], files: dict[str, WrittenFile], step: Step
    ) -> dict[str, Exported]:
        done: dict[str, Exported] = {}
        before = files
        with scratch_in(self._path) as folder:
            clear_leftovers(self._path)
            for table in wanted:
                step(f"{table.name}: writing")
                scan = TableScan(snapshot.storage, table)
                self._write(scan, folder / self._name(table))
                scan.check()
                done[table.name] = Exported(table.name, scan.rows, scan.rows, "full", scan.oldest)
                note = noted(snapshot, table, scan.rows, scan.oldest)
                file = _described(table, self._name(table), note, _sha256(folder / self._name(table)))
                files = {**files, table.name: file}
            self._write_manifest(folder / MANIFEST, files)
            snapshot.check()
            for path in folder.iterdir():
                sync(path)
            if self._manifest().tables != before:
                raise ReelhouseError(f"another export into {self.place} has ended meanwhile: export again")
            self._announce(folder, before, files)
            for name in (*(self._name(table) for table in wanted), MANIFEST):
                put_in_place(folder / name, self._path / name)
        return done

    def _announce(self, folder: Path, before: dict[str, WrittenFile], files: dict[str, WrittenFile]) -> None:
        """Name files that are about to come: after a kill the next export would take them for somebody else's."""
        come = {name: file for name, file in files.items() if name not in before}
        if come:
            # Without a mark, nobody takes them for whole.
            unmarked = {name: replace(file, note=replace(file.note, mark="", form="")) for name, file in come.items()}
            self._write_manifest(folder / _ANNOUNCED, {**before, **unmarked})
            put_in_place(folder / _ANNOUNCED, self._path / MANIFEST)

    def _write_manifest(self, path: Path, files: dict[str, WrittenFile]) -> None:
        manifest = msgspec.json.encode(Manifest(self._form, TERMS, dict(sorted(files.items()))))
        path.write_bytes(msgspec.json.format(manifest) + b"\n")

    def _name(self, table: ExportTable) -> str:
        return f"{table.name}.{self._suffix}"

    def _files(self, snapshot: LakeSnapshot) -> dict[str, WrittenFile]:
        """What the manifest says is there; refuses files that are somebody else's."""
        found = self._manifest().tables
        for table in snapshot.tables:
            name = self._name(table)
            if (self._path / name).exists() and table.name not in found:
                raise ConfigError(
                    f"to: {self.place} has a file {name} that reelhouse did not make: take another folder, or give it "
                    "another name"
                )
        return found

    def _holds(self, file: WrittenFile) -> bool:
        """Whether the file is still what was written."""
        path = self._path / file.file
        return path.is_file() and _sha256(path) == file.sha256

    def _manifest(self) -> Manifest:
        try:
            return msgspec.json.decode((self._path / MANIFEST).read_bytes(), type=described(Manifest))
        except (FileNotFoundError, NotADirectoryError):
            return Manifest(self._form, TERMS)
        except (OSError, msgspec.DecodeError) as exc:
            raise ReelhouseError(f"{self._path / MANIFEST} cannot be read: {exc}") from exc


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _described(table: ExportTable, name: str, note: ExportedVersion, sha256: str) -> WrittenFile:
    columns = [FileColumn(each.name, str(each.type), each.comment) for each in table.spec.columns]
    return WrittenFile(name, table.spec.about, list(table.spec.key), columns, note, sha256)


def _write_csv(scan: TableScan, path: Path, *, excel_safe: bool) -> None:
    """UTF-8, a header, commas. NULL is nothing at all, an empty text is two quotes."""
    # Quotes around texts alone: so readers tell NULL from an empty text, as PostgreSQL's COPY does.
    with pc_csv.CSVWriter(path, scan.schema, write_options=pc_csv.WriteOptions(quoting_style="needed")) as file:
        for batch in scan.batches():
            file.write_batch(without_formulas(batch) if excel_safe else batch)


def _write_parquet(scan: TableScan, path: Path) -> None:
    spec = scan.table.spec
    fields = [scan.schema.field(column.name).with_metadata({"comment": column.comment}) for column in spec.columns]
    schema = pa.schema(fields, {"comment": spec.about, "key": ", ".join(spec.key), "terms": TERMS})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        batches = scan.batches()
        while some := list(islice(batches, _GROUP)):
            file.write_table(pa.Table.from_batches(some).cast(schema))
