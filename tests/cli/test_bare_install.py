"""The collector installed without the table engine: what needs none works, everything else says what to install."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelhouse.errors import pip_install

# As if neither the packages nor their metadata were there.
_BARE = """
import importlib.metadata as metadata, sys
ENGINE = ("pyspark", "pyspark-client", "pysail", "pandas", "pyarrow", "deltalake", "numpy")
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ENGINE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
version = metadata.version
def stated(name):
    if name in ENGINE:
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = stated
from reelhouse.cli.main import main
main()
"""


def _bare(lake: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _BARE, "--lake", str(lake), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=lake.parent)


@pytest.mark.parametrize("command", ["verify", "status"])
def test_what_needs_no_engine_works(tmp_path: Path, command: str) -> None:
    (tmp_path / "lake/_reelhouse/inbox").mkdir(parents=True)
    (tmp_path / "lake/_reelhouse/inbox/an-event.json").write_text("")
    done = _bare(tmp_path / "lake", command)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("arguments", [["build"], ["sync"], ["tables"], ["sql", "select 1"]])
def test_what_needs_one_says_how_to_install_it(tmp_path: Path, arguments: list[str]) -> None:
    done = _bare(tmp_path / "lake", *arguments)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"reelhouse: the table engine is not installed; install it with: {pip_install('lake')}"
    )


def test_a_deep_verify_without_delta_rs_says_how_to_install_it(tmp_path: Path) -> None:
    done = _bare(tmp_path / "lake", "verify", "--deep")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"reelhouse: verify: --deep reads tables by delta-rs; install it with: {pip_install('lake')}"
    )


@pytest.mark.parametrize(
    ("noted", "command"),
    [
        ({"url": "file:///my%20code/reelhouse", "dir_info": {"editable": True}}, '-e "/my code/reelhouse[lake,sql]"'),
        ({"url": "file:///my%20code/reelhouse", "dir_info": {}}, '"/my code/reelhouse[lake,sql]"'),
        ({"url": "file:///w/reelhouse-0.1.0-py3-none-any.whl"}, '"/w/reelhouse-0.1.0-py3-none-any.whl[lake,sql]"'),
        (
            {"url": "https://h/reelhouse-0.1.0-py3-none-any.whl"},
            '"https://h/reelhouse-0.1.0-py3-none-any.whl[lake,sql]"',
        ),
        (None, '"reelhouse[lake,sql]"'),
    ],
)
def test_what_to_install_is_named_by_where_reelhouse_came_from(
    noted: dict[str, Any] | None, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "reelhouse-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reelhouse\nVersion: 0.1.0\n")
    if noted is not None:
        (info / "direct_url.json").write_text(json.dumps(noted))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert pip_install("lake", "sql") == f"pip install {command}"


def test_without_an_installation_the_checkout_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert pip_install("spark") == 'pip install ".[spark]"'


def test_the_package_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reelhouse", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout.startswith("reelhouse, version ")) == (0, True), done.stderr


def test_no_text_installs_from_an_index() -> None:
    root = Path(__file__).parents[2]
    texts = [root / "README.md", *(root / "docs").glob("*.md"), *(root / "src").rglob("*.py")]
    wrong = [str(path) for path in texts if re.search(r"""pip install [^\n]*["' ]reelhouse\[""", path.read_text())]
    assert wrong == []
