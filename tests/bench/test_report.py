"""docs/benchmarks.md is its own memory: measuring one thing leaves the rest as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import report
from bench.report import Measure, Section

PAGE = Path(report.__file__).parent.parent / "docs" / "benchmarks.md"


def sections(text: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in text.rstrip("\n").split("\n\n## ")[1:]}


def test_a_section_takes_the_place_of_its_own_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = PAGE.read_text(encoding="utf-8")
    page = tmp_path / "benchmarks.md"
    page.write_text(before, encoding="utf-8")
    monkeypatch.setattr(report, "_PAGE", page)
    report.keep(
        Section("storing", "python -m bench storing", [Measure("Objects", "few", "3", True, "counted")], ["So."])
    )
    found = sections(page.read_text(encoding="utf-8"))
    assert list(found) == list(sections(before))
    assert found.pop("Storing").endswith("| Objects | few | 3 | met | counted |\n\nSo.")
    assert all(sections(before)[title] == text for title, text in found.items())


def test_every_section_of_the_page_can_be_measured_again() -> None:
    assert set(sections(PAGE.read_text(encoding="utf-8"))) <= {*report._TITLES.values(), *report._BY_HAND}
