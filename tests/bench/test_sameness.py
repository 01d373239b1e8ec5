"""Lakes that differ in one value are distinguished, also where each column by itself adds up to the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.sameness import differences

ROWS = {"id": [1, 2, 3], "title": ["Heat", "Ronin", None], "rate": [0.1, 0.2, 0.3]}


def lake(folder: Path, **columns: list[object]) -> Path:
    for zone in ("tables", "marts"):
        (folder / zone).mkdir(parents=True)
    pq.write_table(pa.table({**ROWS, **columns}), folder / "tables" / "movie.parquet")
    return folder


def test_order_does_not_matter(tmp_path: Path) -> None:
    other = lake(tmp_path / "b", id=[3, 2, 1], title=[None, "Ronin", "Heat"], rate=[0.3, 0.2, 0.1])
    assert differences(lake(tmp_path / "a"), other) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"id": [1, 2, 4]},
        {"title": ["Heap", "Ronin", None]},
        {"title": ["Ronin", "Heat", None]},
        {"title": ["Heat", "Ronin", ""]},
        {"rate": [0.1, 0.2, None]},
        {"rate": [0.1, 0.2, 0.1 + 0.2]},
        {"year": [1, 2, 3]},
    ],
)
def test_one_value_elsewhere_is_seen(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    assert differences(lake(tmp_path / "a"), lake(tmp_path / "b", **columns)) == ["movie"]
