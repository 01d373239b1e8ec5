"""The collector installed without the table engine: what needs none works, everything else says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
        'reelhouse: the table engine is not installed; install it with: pip install "reelhouse[lake]"'
    )


def test_a_deep_verify_without_delta_rs_says_how_to_install_it(tmp_path: Path) -> None:
    done = _bare(tmp_path / "lake", "verify", "--deep")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        'reelhouse: verify: --deep reads tables by delta-rs; install it with: pip install "reelhouse[lake]"'
    )
