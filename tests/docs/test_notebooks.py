"""The notebooks in examples/ run from the first cell to the last on the demo's lake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import reelhouse, unset

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))

# In a process of its own: what the kernel's client warns of is not ours to correct.
_RUN = """
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(book, timeout=200, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(book, sys.argv[2] + "/done.ipynb")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder beside the demo's lake, as examples/ is in a checkout."""
    made = tmp_path_factory.mktemp("checkout") / "examples"
    made.mkdir()
    done = reelhouse("demo", "--movies", "1000", env=unset(), cwd=made.parent)
    assert done.returncode == 0, done.stderr
    yield made


@pytest.mark.long
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_and_shows_something(notebook: Path, folder: Path) -> None:
    pytest.importorskip("nbclient", reason="nbclient is not installed here; `make test-long` installs it")
    command = [sys.executable, "-c", _RUN, str(notebook), str(folder)]
    done = subprocess.run(command, env=unset(), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    book: dict[str, Any] = json.loads((folder / "done.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in book["cells"] for output in cell.get("outputs", ())]
    assert sum(output["output_type"] != "stream" or output["name"] == "stdout" for output in outputs) >= 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    # On a lake of TMDB's data they would hold what TMDB's terms forbid to publish.
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
