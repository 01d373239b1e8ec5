"""The lowest versions of packages that pyproject.toml allows, in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.end_to_end.conftest import REPOSITORY, environment, reelhouse

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lowest") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    lock = REPOSITORY / "locks" / "lowest.txt"
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "--require-hashes", "-r", lock], check=True)
    return folder / "bin" / "python"


def _run(python: Path, cwd: Path, *arguments: str, code: int = 0, env: Mapping[str, str] = os.environ) -> str:
    """What a command prints, from the sources here."""
    done = reelhouse(*arguments, env={**env, "PYTHONPATH": str(REPOSITORY / "src")}, cwd=cwd, python=str(python))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_commands_work(python: Path, tmp_path: Path) -> None:
    assert "Usage:" in _run(python, tmp_path, "--help")
    assert "No such option" in _run(python, tmp_path, "sync", "--fll", code=2)
    _run(python, tmp_path, "demo", "--movies", "100")
    lake = ("--lake", "demo-lake")
    for to in ("out.sqlite", "out.duckdb", "csv:out", "parquet:out-parquet"):
        _run(python, tmp_path, *lake, "export", "--to", to)
    _run(python, tmp_path, *lake, "import", "mine", "--from", "out.duckdb", "--table", "dim_genre")
    assert "Drama" in _run(python, tmp_path, *lake, "sql", "select name from mine")
    for words in (["status"], ["verify", "--deep"], ["maintain"], ["report", "--output", "report.html"]):
        _run(python, tmp_path, *lake, *words)


def test_a_lake_in_s3_and_the_function_begin(python: Path, tmp_path: Path) -> None:
    server = s3servers.started("moto")
    with Emulator(movies=60, process=True) as tmdb:
        lake = f"s3://{s3servers.fresh_bucket(server)}/lake"
        env = {**environment(tmdb, tmp_path, REELHOUSE_LAKE=lake), **server.environ}
        _run(python, tmp_path, "sync", env=env)
        assert "complete" in _run(python, tmp_path, "status", env=env)
    function = [str(python), "-c", "import reelhouse.aws.handler"]
    assert subprocess.run(function, env={**env, "PYTHONPATH": str(REPOSITORY / "src")}, check=False).returncode == 0
