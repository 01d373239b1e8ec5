"""The tutorial is typed word for word, and shows what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import unset

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
STEPS = PAGE.read_text(encoding="utf-8").partition("\n## Where to go from here")[0]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"Save these lines as `([\w.]+)`")
_END = "--- the next block ---"
# What differs from one machine and run to the next.
_FLEXIBLE = (
    (re.compile(r"\S*/(?=demo-lake)(?!demo-lake/raw)"), "/"),
    (re.compile(r"raw/movie/\d{4}/\d\d/\d\d/\d{6}-\d{5}-[0-9a-f]{8}"), "raw/movie/CHUNK"),
)


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block, in the order of the page."""
    return [(found[1], found[2]) for found in _BLOCK.finditer(STEPS)]


def fixed(text: str) -> list[str]:
    """Lines without what is flexible and without space at their ends."""
    for pattern, same in _FLEXIBLE:
        text = pattern.sub(same, text)
    return [line.rstrip() for line in text.splitlines()]


def shows(page: str, printed: str) -> bool:
    """Whether *printed* has the lines of *page*, where a line `…` stands for any number of lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in fixed(page))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in fixed(printed))) is not None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is set up, with the programs of this one."""
    if not (Path(sys.prefix) / "bin" / "activate").exists():
        pytest.skip("the tests do not run in a virtual environment that has bin/activate")
    for name in ("Makefile", "dev.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "locks").mkdir()
    for name in ("locks/lake.txt", "pyproject.toml"):
        (tmp_path / name).touch()
        # Older than the environment, so that nothing is installed.
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def typed(folder: Path) -> list[tuple[str, str]]:
    """What the page shows below each block of commands, and what they print, typed in one shell after another."""
    shown: list[str] = []
    script: list[str] = []
    for language, text in blocks():
        if language == "sh":
            script += [f"echo '{_END}'", text]
            shown.append("…\n")
        elif language == "text":
            shown[-1] = text
        else:
            name = _FILE.findall(STEPS.partition(text)[0])[-1]
            (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=folder,
        # Make says where it works if another make has started it.
        env={name: value for name, value in unset().items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return list(zip(shown, done.stdout.split(f"{_END}\n")[1:], strict=True))


@pytest.mark.long
def test_the_tutorial_typed_word_for_word_gives_what_it_shows(checkout: Path) -> None:
    for page, printed in typed(checkout):
        assert shows(page, printed), f"{page}\n--- but it printed ---\n{printed}"
    assert (checkout / "demo-lake.html").stat().st_size > 500_000
    chart = (checkout / "chart.html").read_text(encoding="utf-8")
    assert "Movies that made a profit, by decade" in chart
    # Its program is in the page.
    assert not re.search(r"<script[^>]* src=", chart)


def test_an_excerpt_leaves_out_only_what_it_says() -> None:
    printed = "a\nb  \nlake /tmp/x/demo-lake.\nc\n"
    assert shows("a\nb\nlake /home/you/demo-lake.\nc\n", printed)
    assert shows("…\nlake /home/you/demo-lake.\n…\n", printed)
    assert not shows("a\nlake /home/you/demo-lake.\nc\n", printed)
    assert not shows("a\nb\n", printed)
    assert not shows("…\nb\n", printed)
