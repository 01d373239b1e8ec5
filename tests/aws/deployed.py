"""The function as it is deployed: the zip for this machine's own processor and Python, built once for a test process.

Its wheels are fetched the first time and kept in `.cache`.
"""

from __future__ import annotations

import atexit
import functools
import platform
import sys
import tempfile
from pathlib import Path

import pytest

from aws.build_zip import MACHINES, Target, build
from tests.aws.lambda_service import clear, provided, unpacked

HERE = Target(
    f"{sys.version_info.major}.{sys.version_info.minor}",
    {machine: arch for arch, machine in MACHINES.items()}.get(platform.machine(), ""),
)


@functools.cache
def archive() -> Path:
    """The zip, with bytecode."""
    if sys.platform != "linux" or not HERE.arch:
        pytest.skip("the function's wheels run on Linux on x86_64 and arm64 only")
    to = _folder() / "function.zip"
    assert build(HERE, to)
    return to


@functools.cache
def task() -> Path:
    """What is in it, as Lambda lays it out."""
    return unpacked(archive(), _folder() / "task")


@functools.cache
def runtime() -> Path:
    """What Lambda has besides: AWS's client and boto3."""
    return provided(_folder() / "runtime")


@functools.cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="deployed-"))
    atexit.register(clear, made)
    return made
