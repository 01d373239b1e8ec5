"""A tiny TMDB for each test that wants one, and proof that no test ever wrote the token down."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reelhouse.cli.main import main
from tests.cli.terminal import Terminal
from tests.runs.commands import Reelhouse
from tests.runs.lakes import TOKEN
from tests.runs.tiny import Tiny, tiny_tmdb

Start = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    with tiny_tmdb() as world:
        yield world


@pytest.fixture
def reelhouse(tiny: Tiny, tmp_path: Path) -> Iterator[Reelhouse]:
    """The command line against the tiny TMDB."""
    made = Reelhouse(tiny.url, tmp_path)
    yield made
    made.end_all()


@pytest.fixture(autouse=True)
def no_token_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Not one byte of a lake, a log or an output holds the token."""
    yield
    shown = capfd.readouterr()
    assert TOKEN not in shown.out + shown.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not _holds(path.read_bytes(), TOKEN.encode()), path


def _holds(body: bytes, secret: bytes) -> bool:
    if body[:2] == b"\x1f\x8b":
        try:
            body += gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            body += zlib.decompressobj(31).decompress(body)
    return secret in body


@pytest.fixture
def plain(tiny: Tiny) -> Tiny:
    """Nothing gone, nothing broken."""
    tiny.gone, tiny.broken = set(), set()
    return tiny


@pytest.fixture
def here(plain: Tiny, tmp_path: Path) -> Start:
    """The command in this process, without a terminal: its exit code, the JSON that it prints, and the other text."""

    def start(*words: str) -> tuple[int, Any, str]:
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        with chdir(tmp_path):
            ended = CliRunner(env={**unset, **_environ(plain.url, tmp_path)}).invoke(main, words)
        return ended.exit_code, json.loads(ended.stdout) if "--json" in words and ended.stdout else None, ended.stderr

    return start


def _environ(url: str, folder: Path) -> dict[str, str]:
    return {
        "TMDB_TOKEN": TOKEN,
        "REELHOUSE_TMDB_URL": f"{url}/3",
        "REELHOUSE_EXPORTS_URL": f"{url}/p/exports",
        "REELHOUSE_CONNECTIONS": "2",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.fixture
def at_terminal(plain: Tiny, tmp_path: Path) -> Callable[..., Terminal]:
    """Starts the command on a terminal."""

    def start(*words: str, url: str = plain.url) -> Terminal:
        return Terminal(["-m", "reelhouse.cli.main", *words], columns=80, cwd=tmp_path, env=_environ(url, tmp_path))

    return start
