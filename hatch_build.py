"""The long description of a distribution: README.md, whose links lead to the repository from wherever it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PAGES = "https://github.com/reelhouse/reelhouse/blob/main/"
_FILES = "https://raw.githubusercontent.com/reelhouse/reelhouse/main/"


class ReadmeHook(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text)}


def absolute(text: str) -> str:
    """*text* with each relative link and image made absolute; images are fetched as files."""
    return re.sub(
        r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)",
        lambda found: f"{found[1]}[{found[2]}]({_FILES if found[1] else _PAGES}{found[3]})",
        text,
    )
