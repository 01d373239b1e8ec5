"""Each command where something is wrong or missing ends with the code that docs/cli.md shows, and in plain lines."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reelhouse.cli.help.examples import EXAMPLES
from reelhouse.cli.help.situations import CODES, SITUATIONS
from reelhouse.cli.main import main
from reelhouse.raw.inbox import put_message
from reelhouse.storage.folder import FolderStorage
from tests.cli.test_bare_install import _BARE
from tests.runs.tiny import Tiny, tiny_tmdb

Ended = tuple[int, str]


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """What of the environment points to a TMDB of thirty movies."""
    tiny = Tiny()
    tiny.gone, tiny.broken = set(), set()
    tiny.now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}"
    with tiny_tmdb(tiny):
        yield {
            "TMDB_TOKEN": "eyJ.a.b",
            "REELHOUSE_TMDB_URL": f"{tiny.url}/3",
            "REELHOUSE_EXPORTS_URL": f"{tiny.url}/p/exports",
            "REELHOUSE_RATE": "0",
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("links.csv", "ratings.csv", "movies.csv"):
        (tmp_path / name).write_text("id\n1\n")
    (tmp_path / "question.sql").write_text("select 1")
    return tmp_path


def _here(words: list[str], folder: Path, environ: dict[str, str]) -> Ended:
    unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
    with chdir(folder):
        done = CliRunner(env={**unset, **environ}).invoke(main, words, input="")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def _process(start: list[str], words: list[str], folder: Path, environ: dict[str, str], stdout: int) -> Ended:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
    command = [sys.executable, *start, *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("a read-only place takes root")
    mounts = (["--bind", str(folder), str(folder)], ["-o", "remount,ro,bind", str(folder)])
    for mount in mounts:
        if subprocess.run(["mount", *mount], check=False, capture_output=True).returncode:
            pytest.skip("mounting is not possible here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _ended(situation: str, words: list[str], folder: Path, environ: dict[str, str]) -> Ended:
    lake = folder / "lake"
    if situation == "a typing mistake":
        return _here([*words, "--nosuch"], folder, environ)
    if situation == "no lake":
        return _here(words, folder, environ)
    if situation == "an empty lake":
        put_message(FolderStorage(lake), "wish", "movie", run="full")
        return _here(words, folder, environ)
    assert _here(["collect"], folder, environ)[0] == 0
    if situation == "a read-only lake":
        with _read_only(lake):
            return _here(words, folder, environ)
    if situation == "without its extra":
        return _process(["-c", _BARE], words, folder, environ, subprocess.DEVNULL)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return _process(["-m", "reelhouse.cli.main"], words, folder, environ, writing)
    finally:
        os.close(writing)


def test_all_commands_are_in_the_table() -> None:
    assert CODES.keys() == main.commands.keys()
    assert all(len(codes.split()) == len(SITUATIONS) for codes in CODES.values())


def _walked() -> Iterator[Any]:
    """Situation, command and exit code; those that start a process or collect first are long."""
    for at, situation in enumerate(SITUATIONS):
        for name, codes in CODES.items():
            if (code := codes.split()[at]) != "–":
                yield pytest.param(situation, name, int(code), marks=[pytest.mark.long] if at > 1 else [])


@pytest.mark.parametrize(("situation", "name", "expected"), list(_walked()))
def test_a_command_ends_as_the_table_says(
    situation: str, name: str, expected: int, folder: Path, environ: dict[str, str]
) -> None:
    if name == "upload":
        (folder / "reelhouse.toml").write_text("")
    # Another program of this machine may have an example's port.
    words = ["0" if word == "8080" else word for word in shlex.split(EXAMPLES[name][0])[1:]]
    code, stderr = _ended(situation, words, folder, environ)
    assert code == expected, stderr
    assert "Traceback" not in stderr
    if situation == "no lake" and code:
        assert "there is no lake at ./lake" in stderr
    if situation == "without its extra" and code:
        assert "not installed; install it with: pip install" in stderr or "a lake in a bucket" in stderr
