"""What holds for all tests: no cache of the user is touched, and what a run left or printed is searched for secrets."""

from __future__ import annotations

import gc
import gzip
import os
import signal
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.postgres import PASSWORD
from tests.postgres import postgres as postgres
from tests.runs.lakes import TOKEN
from tests.tmdb.asking import TOKEN as OTHER_TOKEN

SECRETS = (TOKEN.encode(), OTHER_TOKEN.encode(), b"a-token-that-must-not-be-written", PASSWORD.encode())

# On a busy machine the first example may take a second.
hypothesis.settings.register_profile("busy", suppress_health_check=[hypothesis.HealthCheck.too_slow], deadline=None)
hypothesis.settings.load_profile("busy")

_showing = pytest.StashKey[list[str]]()

# The longest files, since they start Apache Spark: begun last, one of them would be waited for alone.
_FIRST = (
    "tests/parity/test_parity.py",
    "tests/parity/test_few_tables.py",
    "tests/spark/test_on_spark.py",
    "tests/export/test_by_spark.py",
    "tests/cluster/test_two_writers.py",
    "tests/bench/test_plans.py",
)


def pytest_configure(config: pytest.Config) -> None:
    # Else Python writes each line at once, and faults of output that is kept back until the end do not show.
    os.environ.pop("PYTHONUNBUFFERED", None)
    # A process that a shell starts in the background ignores Ctrl-C, and so would every command that a test starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_showing] = []
    config.pluginmanager.register(_Reports(config), "secrets in reports")


def pytest_collection_finish(session: pytest.Session) -> None:
    # Else every full collection of garbage looks at the five thousand tests.
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid.partition("::")[0]))


def _place(file: str) -> int:
    return _FIRST.index(file) if file in _FIRST else len(_FIRST)


class _Reports:
    def __init__(self, config: pytest.Config) -> None:
        self._found = config.stash[_showing]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A failing test shows its variables to the developer; what counts is what the program itself printed.
        if any(secret.decode() in text for secret in SECRETS for _, text in report.sections):
            self._found.append(report.nodeid)


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user_is_touched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test could not land waits in no folder of the developer's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not one byte of what all tests wrote or printed holds a token."""
    yield
    assert request.config.stash[_showing] == []
    left = [path for path in tmp_path_factory.getbasetemp().rglob("*") if path.is_file() and holds_secret(path)]
    assert left == []


def holds_secret(path: Path) -> bool:
    """Whether a file, unpacked where it is packed, holds one of the tokens of the tests."""
    return any(secret in body for body in _bodies(path) for secret in SECRETS)


def _bodies(path: Path) -> Iterator[bytes]:
    body = path.read_bytes()
    yield body
    if body[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            yield zlib.decompressobj(31).decompress(body)
    elif body[:4] == b"PK\x03\x04" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                yield packed.read(name)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name packed parameters by their argument: gzip holds the time, and workers must agree on the names of tests."""
    return argname if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None
