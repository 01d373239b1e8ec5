"""What docs/data_source.md says is there, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import reelhouse
from reelhouse.emulator import Emulator
from reelhouse.engines.session import session_factory
from reelhouse.spark.options import KNOWN
from tests.end_to_end.conftest import REPOSITORY
from tests.spark.reading import asking

PAGE = (REPOSITORY / "docs" / "data_source.md").read_text()


def examples(kind: str = "python") -> list[str]:
    """The page's examples of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_option_stands_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z_.<>]+)`", row)]
    assert sorted(named) == sorted([*KNOWN, "discover.<filter>"])


def test_the_examples_of_batches_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spark = session_factory("sail")()
    with Emulator(movies=120, seed=8, process=True) as tmdb:
        for name, value in asking(tmdb).items():
            monkeypatch.setenv(name, value)
        # `__file__` is what cloudpickle and pyspark look for in a main module.
        known: dict[str, Any] = {"spark": spark, "reelhouse": reelhouse}
        for example in examples():
            if "readStream" not in example:
                exec(example.replace('"answers")\n', f'"{tmp_path}/answers")\n').replace('"603,550"', '"2,3"'), known)
        assert known["dramas"].count() >= 0
        assert known["cast"].count() > 100
        assert known["crew"].count() > 0
