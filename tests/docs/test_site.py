"""The site is built from docs/ with every link checked, and fetches nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed here; `make site` installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert "Continue the open run" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert r"\|" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    star = (tmp_path / "site" / "star" / "index.html").read_text(encoding="utf-8")
    drawn = (ROOT / ".cache" / "npm" / "mermaid.min.js").is_file()
    assert ('<pre class="mermaid">' in star, 'src="../mermaid.min.js"' in star) == (drawn, drawn)
    assert len(pages) > len(list((ROOT / "docs").glob("*.md")))
    loaded = re.compile(
        r"""<(?:script|img|iframe)[^>]* src=["']?https?:[^"'> ]+"""
        r"""|<link rel=["']?(?:stylesheet|icon|preconnect)["']? href=["']?https?:[^"'> ]+"""
    )
    assert {found for page in pages for found in loaded.findall(page.read_text(encoding="utf-8"))} == set()
