"""A hook of mkdocs: the README is the front page, docstrings are a page, links out of docs/ lead to the repository."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

REPOSITORY = "https://github.com/reelhouse/reelhouse/blob/main/"


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    readme = (Path(config.config_file_path).parent / "README.md").read_text(encoding="utf-8")
    # Links to files beside the README first: what is left after that is inside docs/.
    outside = re.sub(r"\]\((?!https?://|#|docs/)([^)]+)\)", rf"]({REPOSITORY}\1)", readme)
    files.append(File.generated(config, "index.md", content=outside.replace("](docs/", "](")))
    files.append(File.generated(config, "api.md", content=api()))
    return files


def api() -> str:
    """Each public function with its signature and docstring."""
    import reelhouse

    parts = ["# Functions, by their docstrings", "[python.md](python.md) explains how they are used."]
    for name in reelhouse.__all__:
        found = getattr(reelhouse, name)
        if inspect.isfunction(found):
            about = (inspect.getdoc(found) or "").replace("<", "&lt;")
            parts += [f"## `{name}`", f"```python\n{name}{inspect.signature(found)}\n```", about]
    return "\n\n".join(parts) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    # As many steps up as lead out of docs/.
    up = re.escape("../" * (page.file.src_uri.count("/") + 1))
    return re.sub(rf"\]\({up}([^)]+)\)", rf"]({REPOSITORY}\1)", markdown)
