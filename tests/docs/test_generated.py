"""What is generated in the docs is what the code says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from reelhouse.cli.help import reference
from reelhouse.marts import REGISTRY
from reelhouse.serve import dbt, dictionary, star

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_data_dictionary_is_what_the_tables_are_built_with() -> None:
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == dictionary.render(), "run `make docs`"


def test_the_star_schema_is_drawn_as_it_is_declared() -> None:
    assert (DOCS / "star.md").read_text(encoding="utf-8") == star.render(), "run `make docs`"


def test_the_command_line_is_documented_as_it_is() -> None:
    # In a process of its own, as `make docs` has it: click keeps on each command how its help was last asked for.
    made = subprocess.run([sys.executable, "-m", reference.__name__], capture_output=True, text=True, check=True).stdout
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == made, "run `make docs`"


def test_sources_of_dbt_name_all_tables_and_test_what_marts_promise() -> None:
    (source,) = yaml.safe_load(dbt.sources(REGISTRY.zones["tables"], REGISTRY.zones["marts"]))["sources"]
    found = {table["name"]: {each["name"]: each for each in table["columns"]} for table in source["tables"]}
    assert {name: list(columns) for name, columns in found.items()} == {
        table.name: list(table.column_names) for table in (*REGISTRY.zones["tables"], *REGISTRY.zones["marts"])
    }
    assert "data_tests" not in found["movie"]["movie_id"]
    assert found["dim_movie"]["movie_id"]["data_tests"] == ["not_null", "unique"]
    assert found["fact_credit"]["person_id"]["data_tests"] == [
        {"relationships": {"to": "source('tmdb', 'dim_person')", "field": "person_id"}}
    ]
