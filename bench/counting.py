"""What a lake in a bucket costs in requests, by command, and what each takes when a request takes 20 ms."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.collecting import settings_of
from bench.counting_proxy import Passed, counting, kinds
from bench.measuring import REELHOUSE, measured
from bench.report import Measure, Section
from bench.tiny_server import export_of, tiny_server

DELAY = 0.02
# Preflight 3, lease 2, export, ids, plan, reconciliation, ledger.
_OF_A_RUN = 10
_KINDS = ("PUT", "LIST", "GET", "HEAD", "DELETE")
# Amazon's list prices in us-east-1, dollars for a thousand.
_PRICES = {"PUT": 0.005, "LIST": 0.005, "GET": 0.0004, "HEAD": 0.0004, "DELETE": 0.0}
_COMMANDS = {
    "collect": ("collect", "--json"),
    "collect again, nothing to ask": ("collect", "--json"),
    "status": ("status", "--json"),
    "verify": ("verify", "--json"),
    "build": ("build", "--json"),
    "build, nothing new": ("build", "--json"),
    "sql": ("sql", "select count(*) from movie"),
    "tables": ("tables", "--json"),
}


class Asked(NamedTuple):
    """The requests of one command by kind, and its wall seconds."""

    counts: Counter[str]
    wall: float

    @property
    def dollars(self) -> float:
        return sum(count * _PRICES.get(kind, 0.0) for kind, count in self.counts.items()) / 1000


def measure(*, full: bool, quick: bool) -> Section:
    count = 2_000 if quick else 50_000 if full else 10_000
    counts = asked_by_command(count, 0.0)
    slow = asked_by_command(count, DELAY)
    collected, idle = counts["collect"].counts, counts["collect again, nothing to ask"].counts
    thousands = count / 1000
    puts = (collected["PUT"] - _OF_A_RUN) / thousands
    measures = [
        Measure(
            "PUT per 1,000 movies collected",
            "≤ 2",
            f"{puts:.1f}",
            puts <= 2,
            f"{count:,} ids, tiny bodies, besides {_OF_A_RUN} of each run; 3.4 at 40 a second, when age closes chunks",
        ),
        Measure("GET and HEAD per 1,000", "", f"{(collected['GET'] + collected['HEAD']) / thousands:.1f}"),
        Measure("LIST in a whole collection", "≤ 2", f"{collected['LIST']}", collected["LIST"] <= 2, "inbox, ledger"),
        Measure("Requests of a run with nothing to ask", "", f"{idle.total()}", None, _shown(idle)),
        *(
            Measure(f"{name}, {DELAY * 1000:.0f} ms a request", "", f"{slow[name].wall:.1f} s", None, f"{count:,} ids")
            for name in ("status", "verify", "build, nothing new", "build", "sql")
        ),
    ]
    rows = [
        f"| {name} | {' | '.join(str(one.counts[kind]) for kind in _KINDS)} | {one.dollars * 100:.3f} |"
        for name, one in counts.items()
    ]
    head = [f"| {count:,} movies | {' | '.join(_KINDS)} | cents |", "|---" * (len(_KINDS) + 2) + "|"]
    return Section("counting", "python -m bench counting [--full]", measures, ["\n".join([*head, *rows])])


def asked_by_command(count: int, delay: float) -> dict[str, Asked]:
    """What each command asks of a lake of *count* movies, one after the other."""
    with tempfile.TemporaryDirectory() as folder, moto() as endpoint, counting(endpoint, delay) as passed:
        export = Path(folder) / "export.json.gz"
        export.write_bytes(export_of(range(1, count + 1)))
        with tiny_server(export) as address:
            env = {
                **settings_of(f"{address}/3", f"{address}/p/exports"),
                **aimed(passed.url),
                "REELHOUSE_LAKE": "s3://bench/lake",
            }
            return {name: _asked(passed, command, env) for name, command in _COMMANDS.items()}


def _asked(passed: Passed, command: tuple[str, ...], env: dict[str, str]) -> Asked:
    passed.take()
    usage = measured([REELHOUSE, *command], env)
    return Asked(kinds(passed.take()), usage.wall)


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind])


def aimed(endpoint: str) -> dict[str, str]:
    """The environment in which boto3 finds that S3 and no other."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def moto() -> Iterator[str]:
    """The endpoint of an S3 in memory, with a bucket named bench, while inside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("moto_server"))
    quiet = subprocess.DEVNULL
    with subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=quiet, stderr=quiet) as process:
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _make_bucket(endpoint)
            yield endpoint
        finally:
            process.terminate()


def _make_bucket(endpoint: str) -> None:
    """moto lets anybody make one."""
    retry_policy = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/bench", method="PUT")):
                return
        except urllib.error.URLError:
            if time.monotonic() > retry_policy:
                raise
            time.sleep(0.1)
