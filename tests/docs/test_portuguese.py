"""The Portuguese pages have the code of the English ones, block by block; only its comments are translated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"index.md": ROOT / "README.md", "tutorial.md": ROOT / "docs/tutorial.md", "course.md": ROOT / "docs/course.md"}

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A comment in a program; what is written beside a path.
_COMMENT = re.compile(r" *# .*")
_BESIDE = re.compile(r"^(\w+/\S*) {2,}.*", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block, without what is translated."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(kind, _BESIDE.sub(r"\1", text) if kind == "text" else _COMMENT.sub("", text)) for kind, text in found]


@pytest.mark.parametrize("name", PAGES)
def test_a_portuguese_page_has_the_blocks_of_the_english_one(name: str) -> None:
    assert blocks(ROOT / "docs" / "pt" / name) == blocks(PAGES[name])


def test_every_portuguese_page_is_compared() -> None:
    assert {page.name for page in (ROOT / "docs" / "pt").glob("*.md")} == PAGES.keys()
