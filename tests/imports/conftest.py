"""Lakes into which files are imported, as a person does it, and read again by another reader than what wrote them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from reelhouse.cli.main import main
from reelhouse.delta.delta_rs import read_delta
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.import_registry import Import, imported
from tests.postgres import postgres

__all__ = ["postgres"]

Row = dict[str, Any]


class Importer:
    """A lake in a folder, and a folder of files to import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "lake"
        self.storage = FolderStorage(self.root)

    def file(self, name: str, text: str | bytes) -> str:
        """A file that can be imported; its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def parquet(self, name: str, **columns: Any) -> str:
        """A Parquet file of these columns; its path."""
        pq.write_table(pa.table(columns), self.folder / name)
        return str(self.folder / name)

    def run(self, *arguments: str, command: str = "import") -> Result:
        """The command in this process, on this lake."""
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        environ = {**unset, "REELHOUSE_LAKE": str(self.root)}
        return CliRunner(env=environ).invoke(main, [command, *arguments], input="")

    def bring(self, *arguments: str) -> dict[str, Any]:
        """What an import that works says."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def types(self, *arguments: str) -> dict[str, str]:
        """Types of the columns that an import made."""
        return {column["name"]: column["type"] for column in self.bring(*arguments)["columns"]}

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The one line that an import ends with, which must change nothing."""
        before = imported(self.storage)
        done = self.run(*arguments)
        assert done.exit_code == code, done.output
        lines = done.stderr.strip().splitlines()
        said = [line for line in lines if line.startswith("reelhouse: ")]
        assert said == lines[-1:], done.stderr
        assert imported(self.storage) == before
        return said[0].removeprefix("reelhouse: ").replace(f"{self.folder}/", "")

    def pin(self, name: str) -> Import:
        return imported(self.storage)[name]

    def rows(self, name: str) -> list[Row]:
        """The rows that readers are to see, by their values: a table has no order."""
        found: list[Row] = read_delta(self.storage, f"imports/{name}", self.pin(name).version).read_all().to_pylist()
        assert len(found) == self.pin(name).rows
        return sorted(found, key=lambda row: json.dumps(row, default=str))


@pytest.fixture
def lake(tmp_path: Path) -> Importer:
    return Importer(tmp_path)
