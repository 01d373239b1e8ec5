"""The pictures of README and tutorial, made of a real run of `reelhouse demo`, and screenshots to be looked at.

    python -m docs.pictures            # docs/img/: demo.svg, chart.svg, report.png
    python -m docs.pictures FOLDER     # also report, browser and site (if dist/site is built) at three widths

Needs Chromium.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from aiohttp.web import FileResponse, Response
from rich.console import Console
from rich.text import Text

from tests.browser import Tab, browse
from tests.cli.terminal import Screen, Terminal
from tests.serving import serving

DOCS = Path(__file__).resolve().parent
IMAGES = DOCS / "img"
WIDTHS = (360, 768, 1440)
_COLUMNS = 104
_OF_SITE = {"home": "", "tutorial": "tutorial/", "commands": "cli/", "star": "star/", "architecture": "ARCHITECTURE/"}
_OF_BROWSE = {
    "start": "",
    "lake": "/lake",
    "table": "/lake/dim_movie",
    "row": "/lake/dim_movie/3062",
    "query": "/lake/roi_by_genre",
}


def run_demo(folder: Path) -> Screen:
    """Run the demo on a terminal in *folder*, and return its screen."""
    terminal = Terminal(["-m", "reelhouse.cli.main", "demo"], columns=_COLUMNS, cwd=folder, env={})
    code = terminal.end(300)
    assert code == 0, terminal.screen.text
    return terminal.screen


def recorded(screen: Screen) -> str:
    """The run as a picture: what was collected, that it is complete, and the first answer."""
    lines = screen.text.splitlines()
    first = re.sub(r" the lake is \S+/", " the lake is ./", lines[0])
    shown = [first, *_part(lines, "Run 1 ", "└"), "…", *_part(lines, "Verified: ", "└"), "…"]
    shown += _part(lines, "Return on investment", "│ Western")
    shown += ["…", *(re.sub(r" is \S+/", " is ./", line) for line in lines if line.startswith("The report is"))]
    shown += [line.partition(" More")[0] for line in lines if line.startswith("Done in")]
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ ", style="bold green") + Text("make demo", style="bold"))
    for line in shown:
        heading = line.startswith(("Run 1", "Verified", "Return on")) or "┃" in line
        console.print(Text(line, style="bold" if heading else ""), no_wrap=True, overflow="crop")
    drawn = console.export_svg(title="make demo", unique_id="demo")
    # Rich's picture loads a font from elsewhere.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code, monospace", "Menlo, Consolas, DejaVu Sans Mono, monospace")


def _part(lines: Sequence[str], begin: str, end: str) -> list[str]:
    first = next(at for at, line in enumerate(lines) if line.startswith(begin))
    last = next(at for at, line in enumerate(lines) if at > first and line.startswith(end))
    return list(lines[first : last + 1])


def the_chart(folder: Path) -> bytes:
    """What the tutorial's program draws, for the lake in *folder*, as SVG."""
    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    program = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    named: dict[str, Any] = {}
    with chdir(folder):
        exec(program.replace("reelhouse.open()", "reelhouse.open('demo-lake')"), named)
        named["chart"].save("chart.svg")
        return Path("chart.svg").read_bytes()


async def _open(tab: Tab, address: str, width: int, *, dark: bool = False) -> None:
    # The site keeps whether it was light or dark before.
    origin = "/".join(address.split("/")[:3])
    await tab.call("Storage.clearDataForOrigin", origin=origin, storageTypes="local_storage")
    await tab.show(address, width, dark=dark)
    if address.endswith("lake.html"):
        await tab.wait_for("document.documentElement.dataset.drawn")


def the_report(page: Path) -> bytes:
    """The top of a report as PNG."""

    async def visit(tab: Tab) -> bytes:
        await _open(tab, page.as_uri(), 1100)
        return await tab.picture(1150)

    return browse(visit)


def screens(pages: dict[str, str], folder: Path) -> None:
    """Pictures of whole pages, which are addresses by name, at three widths, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)

    async def visit(tab: Tab) -> None:
        for name, address in pages.items():
            # datasette is light only.
            for width, dark in product(WIDTHS, (False,) if name.startswith("browse") else (False, True)):
                await _open(tab, address, width, dark=dark)
                (folder / f"{name}-{width}{'-dark' * dark}.png").write_bytes(await tab.picture())

    browse(visit)


@contextmanager
def browsing(lake: Path | str, env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address at which `reelhouse browse` shows a lake."""
    command = [sys.executable, "-m", "reelhouse.cli.main", "--lake", str(lake), "browse", "--no-images", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            yield next(found[0] for line in process.stderr if (found := re.search(r"http://127\S+", line)))
        finally:
            process.terminate()


def _file(site: Path, path: str) -> FileResponse | Response:
    found = site / path.lstrip("/")
    found = found / "index.html" if found.is_dir() else found
    return FileResponse(found) if found.is_file() else Response(status=404)


def all_screens(folder: Path, into: Path) -> None:
    """Pictures of the demo's report, of what `browse` shows of its lake and, if it is built, of the site."""
    site = DOCS.parent / "dist" / "site"
    pages = {"report": (folder / "demo-lake.html").as_uri()}
    with serving(lambda asked: _file(site, asked.path)) as served, browsing(folder / "demo-lake") as lake:
        if site.is_dir():
            pages |= {f"site-{name}": f"{served.url}/{path}" for name, path in _OF_SITE.items()}
        pages |= {f"browse-{name}": f"{lake}{path}" for name, path in _OF_BROWSE.items()}
        screens(pages, into)


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        screen = run_demo(folder)
        IMAGES.mkdir(exist_ok=True)
        (IMAGES / "demo.svg").write_text(recorded(screen), encoding="utf-8")
        (IMAGES / "chart.svg").write_bytes(the_chart(folder))
        (IMAGES / "report.png").write_bytes(the_report(folder / "demo-lake.html"))
        for into in arguments:
            all_screens(folder, Path(into))


if __name__ == "__main__":
    main(sys.argv[1:])
