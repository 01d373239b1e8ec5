"""The function as it is deployed: the zip for this machine's own processor and Python, built once for a run of tests.

Its wheels are fetched the first time and kept in `.cache`.
"""

from __future__ import annotations

import atexit
import functools
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aws.build_zip import MACHINES, Target, build
from tests.aws.lambda_service import clear, provided, unpacked

HERE = Target(
    f"{sys.version_info.major}.{sys.version_info.minor}",
    {machine: arch for arch, machine in MACHINES.items()}.get(platform.machine(), ""),
)


_shared: list[Callable[[], Path]] = []


def fill(folder: Path) -> None:
    """The zip, with bytecode, and what is in it, as Lambda lays it out."""
    assert build(HERE, folder / "function.zip")
    unpacked(folder / "function.zip", folder / "task")


def archive() -> Path:
    return _built() / "function.zip"


def task() -> Path:
    return _built() / "task"


@functools.cache
def runtime() -> Path:
    """What Lambda has besides: AWS's client and boto3."""
    return provided(_folder() / "runtime")


def share(shared: Callable[[], Path]) -> None:
    """Take what *shared* gives: a folder that `fill` filled for all test processes."""
    _shared.append(shared)


@functools.cache
def _built() -> Path:
    if sys.platform != "linux" or not HERE.arch:
        pytest.skip("the function's wheels run on Linux on x86_64 and arm64 only")
    if _shared:
        return _shared[0]()
    fill(_folder())
    return _folder()


@functools.cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="deployed-"))
    atexit.register(clear, made)
    return made
