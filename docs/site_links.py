"""A hook of mkdocs: the README is the front page, docstrings are a page, links out of docs/ lead to the repository.

Diagrams are drawn in the reader's browser by a program that the site brings along, if `make site` could get it.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

REPOSITORY = "https://github.com/reelhouse/reelhouse/blob/main/"
# A schema is as large as it needs to be, and scrolls; other diagrams fit the page.
FULL_SIZE = "%%{init: {'er': {'useMaxWidth': false}}}%%"
MERMAID = Path(__file__).parent.parent / ".cache" / "npm" / "mermaid.min.js"


def on_config(config: Any) -> Any:
    # Without it, the theme would load it from elsewhere.
    if MERMAID.is_file():
        fence = {
            "name": "mermaid",
            "class": "mermaid",
            "format": import_module("pymdownx.superfences").fence_code_format,
        }
        config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    readme = (Path(config.config_file_path).parent / "README.md").read_text(encoding="utf-8")
    # Links to files beside the README first: what is left after that is inside docs/.
    outside = re.sub(r"\]\((?!https?://|#|docs/)([^)]+)\)", rf"]({REPOSITORY}\1)", readme)
    files.append(File.generated(config, "index.md", content=outside.replace("](docs/", "](")))
    files.append(File.generated(config, "api.md", content=api()))
    if MERMAID.is_file():
        files.append(File.generated(config, MERMAID.name, abs_src_path=str(MERMAID)))
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
    if MERMAID.is_file():
        markdown = markdown.replace("```mermaid\n", f"```mermaid\n{FULL_SIZE}\n")
    return re.sub(rf"\]\({up}([^)]+)\)", rf"]({REPOSITORY}\1)", markdown)


def on_page_content(html: str, **_: Any) -> str:
    # The parser leaves the backslash before a pipe that stands in code in a cell.
    return re.sub(r"<td.*?</td>", lambda cell: cell[0].replace("\\|", "|"), html, flags=re.DOTALL)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    from mkdocs.utils import get_relative_url

    # The theme would ask GitHub about the repository for each reader.
    output = output.replace('data-md-component="source"', "")
    if '<pre class="mermaid">' not in output:
        return output
    program = get_relative_url(MERMAID.name, page.url)
    head = f'<script src="{program}"></script><style>.mermaid{{overflow-x:auto}}</style></head>'
    return output.replace("</head>", head)
