"""A tiny TMDB for each test that wants one, and proof that no test ever wrote the token down."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.commands import Reelhouse
from tests.runs.lakes import TOKEN
from tests.runs.tiny import Tiny, tiny_tmdb


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
