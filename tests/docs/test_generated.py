"""What is generated in the docs is what the code says today."""

from __future__ import annotations

from pathlib import Path

from reelhouse.runtimes import helptext
from reelhouse.serve import dictionary

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_data_dictionary_is_what_the_tables_are_built_with() -> None:
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == dictionary.render(), "run `make docs`"


def test_the_command_line_is_documented_as_it_is() -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == helptext.render(), "run `make docs`"
