"""What would be published: built from this tree, installed alone, and run."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from hatch_build import absolute
from reelhouse import __version__
from reelhouse.emulator import Emulator
from tests.end_to_end.conftest import REPOSITORY, environment, printed_json, reelhouse


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    return folder


def test_relative_links_become_absolute_and_others_stay() -> None:
    text = "[a](docs/a.md#b) ![p](docs/p.svg) [c](https://example.org) [d](#d)"
    assert absolute(text) == (
        "[a](https://github.com/reelhouse/reelhouse/blob/main/docs/a.md#b) "
        "![p](https://raw.githubusercontent.com/reelhouse/reelhouse/main/docs/p.svg) "
        "[c](https://example.org) [d](#d)"
    )


@pytest.mark.long
def test_the_wheel_has_metadata_types_and_a_description_without_relative_links(built: Path) -> None:
    with zipfile.ZipFile(built / f"reelhouse-{__version__}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        metadata = message_from_bytes(wheel.read(f"reelhouse-{__version__}.dist-info/METADATA"))
    assert "reelhouse/py.typed" in names
    own = {f"reelhouse-{__version__}.{part}" for part in ("dist-info", "data")}
    assert {name.partition("/")[0] for name in names} == {"reelhouse", *own}
    assert f"reelhouse-{__version__}.data/data/share/doc/reelhouse/examples/rdd.py" in names
    assert (metadata["Author"], metadata["License-Expression"]) == ("The reelhouse authors", "Apache-2.0")
    assert metadata["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))
    assert len(links) > 20
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


@pytest.mark.long
def test_the_sdist_is_small_and_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.stat().st_size < 1_000_000
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if "/tests" in name]
        archive.extractall(tmp_path, filter="data")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / sdist.name.removesuffix(".tar.gz"), check=True, capture_output=True)
    (ours,), (again,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(ours).namelist()


@pytest.mark.long
def test_the_wheel_alone_collects(built: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "bare")], check=True, timeout=120)
    (wheel,) = built.glob("*.whl")
    pip = [str(tmp_path / "bare/bin/pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=280)
    if "No matching distribution" in installed.stderr or "Could not fetch" in installed.stderr:
        pytest.skip(f"pip reaches no package index: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    asked = subprocess.run([tmp_path / "bare/bin/reelhouse", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: reelhouse" in asked.stdout
    with Emulator(movies=30, seed=3, process=True) as tmdb:
        done = reelhouse(
            "collect",
            "--json",
            env=environment(tmdb, tmp_path / "lake"),
            cwd=tmp_path,
            python=str(tmp_path / "bare/bin/python"),
        )
    assert done.returncode == 0, done.stderr
    assert printed_json(done)["landed"] == 30
