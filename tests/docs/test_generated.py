"""What is generated in the docs is what the code says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reelhouse.cli import reference
from reelhouse.serve import dictionary

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_data_dictionary_is_what_the_tables_are_built_with() -> None:
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == dictionary.render(), "run `make docs`"


def test_the_command_line_is_documented_as_it_is() -> None:
    # In a process of its own, as `make docs` has it: click keeps on each command how its help was last asked for.
    made = subprocess.run([sys.executable, "-m", reference.__name__], capture_output=True, text=True, check=True).stdout
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == made, "run `make docs`"
