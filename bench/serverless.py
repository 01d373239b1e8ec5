"""What the function costs as it is deployed: its zip, its start, its rate and memory in 256 MB, a tick of nothing.

Its processes are those of `tests/aws/lambda_service.py`: AWS's own client with nothing but the zip and boto3 beside it.
The lake lies in moto, in a process of its own that is not counted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from aws.build_zip import HANDLER, MACHINES, PYTHON, Target, build, interpreter
from bench.bodies import catalogue_size, popular_ids
from bench.collecting import settings_of
from bench.measuring import MB, Usage, least_of, measured
from bench.report import Measure, Section
from bench.tiny_server import export_of, tiny_server
from reelhouse.emulator import Emulator
from tests import s3servers
from tests.aws import deployed
from tests.aws.lambda_service import Invocation, LambdaService, clear, unpacked

_MEMORY = 256
_RATE = 40
# Lambda gives one processor for 1,769 MB.
_SHARE = _MEMORY / 1769
_TARGET_ZIP = 10_000_000
_TARGET_IMPORT = 0.8
_TARGET_IDLE = 1.0
_TARGET_RATE = 0.98 * _RATE
_SAME = 16 * MB


def measure(*, full: bool, quick: bool) -> Section:
    bucket = _bucket()
    measures = [*_zips(), *_starts(), *_paced(bucket, 15 if quick else 60), *_idle(bucket)]
    measures += [*_memory(bucket, 500 if quick else 2000), *_tiny(bucket, 2_000 if quick else 20_000)]
    return Section("serverless", "python -m bench serverless", measures)


def _bucket() -> dict[str, str]:
    """The environment that leads to a new bucket, named in it."""
    server = s3servers.started("moto")
    return {**server.environ, "BUCKET": s3servers.fresh_bucket(server)}


def _function(bucket: Mapping[str, str], lake: str, url: str, exports_url: str, **env: str) -> LambdaService:
    environ = {**bucket, "REELHOUSE_LAKE": f"s3://{bucket['BUCKET']}/{lake}", **settings_of(url, exports_url), **env}
    return LambdaService(deployed.task(), env=environ, timeout=900, memory=_MEMORY)


def _zips() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        for arch in MACHINES:
            to = Path(folder) / f"{arch}.zip"
            python = PYTHON if interpreter(PYTHON) else deployed.HERE.python
            build(Target(python, arch), to)
            size = to.stat().st_size
            how = f"for python{python}, bytecode included"
            yield Measure(f"The zip for {arch}", "< 10 MB", f"{size / 1e6:.1f} MB", size < _TARGET_ZIP, how)


class Start(NamedTuple):
    """CPU seconds of a fresh interpreter that imports; *bare* boto3 and aiohttp alone."""

    whole: float
    bare: float


def _starts() -> Iterator[Measure]:
    with_bytecode = start_of(deployed.task())
    folder = Path(tempfile.mkdtemp())
    try:
        build(deployed.HERE, folder / "function.zip", bytecode=False)
        without = start_of(unpacked(folder / "function.zip", folder / "task"))
    finally:
        clear(folder)
    alone = f"boto3 and aiohttp alone: {with_bytecode.bare * 1000:.0f} ms"
    yield Measure(
        "CPU of importing the handler, boto3 and aiohttp",
        "< 800 ms",
        f"{with_bytecode.whole * 1000:.0f} ms",
        with_bytecode.whole < _TARGET_IMPORT,
        f"whole interpreter, the least of 7; {alone}",
    )
    yield Measure("The same from a zip without bytecode", "", f"{without.whole * 1000:.0f} ms", None, "the least of 7")


def start_of(task: Path) -> Start:
    """What starting costs where the zip's files lie in *task*."""
    path = os.pathsep.join(map(str, (task, deployed.runtime())))

    def run(program: str) -> Usage:
        environ = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return least_of(7, lambda: measured([sys.executable, "-S", "-c", program], environ))

    return Start(run(f"import boto3, {HANDLER}, reelhouse.storage.s3").cpu, run("import boto3, aiohttp").cpu)


def _paced(bucket: Mapping[str, str], seconds: float) -> Iterator[Measure]:
    count = int(_RATE * (seconds + 15))
    with Emulator(process=True, movies=catalogue_size(count), seed=1, cache_mb=256) as emulator:
        with (
            _function(bucket, "paced", emulator.url, emulator.exports_url, REELHOUSE_RATE=str(_RATE)) as function,
            ThreadPoolExecutor(1) as pool,
        ):
            running = pool.submit(function.invoke, {"ids": popular_ids(count)})
            _until(emulator, _RATE)
            before, cpu, began = emulator.stats().requests, function.cpu(), time.monotonic()
            time.sleep(seconds)
            asked, spent, took = emulator.stats().requests - before, function.cpu() - cpu, time.monotonic() - began
            done = running.result()
        rate, share = asked / took, spent / took
        assert done.answer["state"] == "reconciled", done.answer
        where = f"{_MEMORY} MB, {took:.0f} s, bodies of 12 KB, 0 said 429"
        assert emulator.stats().by_status.get("429", 0) == 0
    yield Measure(f"Requests per second at rate = {_RATE}", "≥ 39.2", f"{rate:.1f}", rate >= _TARGET_RATE, where)
    yield Measure(
        "Share of a processor it needs for that",
        f"< {_SHARE:.0%}",
        f"{share:.1%}",
        share < _SHARE,
        f"what Lambda gives to {_MEMORY} MB (one processor to 1,769 MB); without TLS, which nobody speaks here",
    )
    yield _peak(f"Peak memory, {done.answer['landed']:,} movies at that rate", done, "")


def _until(emulator: Emulator, asked: int) -> None:
    retry_policy = time.monotonic() + 60
    while emulator.stats().requests < asked:
        assert time.monotonic() < retry_policy
        time.sleep(0.1)


def _idle(bucket: Mapping[str, str]) -> Iterator[Measure]:
    """A tick with nothing to do, in a process that has just started and in a warm one."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json.gz"
        export.write_bytes(export_of(range(1, 501)))
        with tiny_server(export) as address:
            urls = (f"{address}/3", f"{address}/p/exports")
            with _function(bucket, "idle", *urls) as function:
                assert function.invoke({"tick": True}).answer["state"] == "reconciled"
                warm = [function.invoke({"tick": True}) for _ in range(20)]
            cold = []
            for _ in range(3):
                with _function(bucket, "idle", *urls) as function:
                    cold.append(function.invoke({"tick": True}))
    assert {done.answer["state"] for done in (*warm, *cold)} == {"idle"}
    for name, told, target in (("warm", warm, _TARGET_IDLE), ("in a process that must start first", cold, None)):
        wall = min(done.seconds + done.start for done in told)
        # The system counts in hundredths of a second, so the mean says more than the least.
        cpu = sum(done.cpu for done in told) / len(told)
        yield Measure(
            f"A tick with nothing to do, {name}",
            f"< {target:.0f} s" if target else "",
            f"{wall:.2f} s, {cpu * 1000:.0f} ms CPU",
            wall < target if target else None,
            f"the least of {len(told)}, CPU the mean; S3 is on this machine",
        )


def _memory(bucket: Mapping[str, str], few: int) -> Iterator[Measure]:
    """Bodies as large as TMDB's, as fast as it goes."""
    many = 4 * few
    with Emulator(process=True, movies=catalogue_size(many), seed=1, cache_mb=512) as emulator:
        told = []
        for count in (few, many):
            with _function(bucket, f"memory-{count}", emulator.url, emulator.exports_url) as function:
                told.append(function.invoke({"ids": popular_ids(many)[:count]}))
        small, large = told
        assert large.answer["landed"] == many, large.answer
    slope = (large.cpu - small.cpu) / (many - few) * 1000
    yield Measure("CPU per movie of 12 KB", "", f"{slope:.2f} ms", None, f"slope between {few:,} and {many:,} movies")
    yield from _flat(small, large, few, many, "bodies of 12 KB")


def _tiny(bucket: Mapping[str, str], few: int) -> Iterator[Measure]:
    """Whole runs from an export: planned, fetched, reconciled."""
    many = 4 * few
    told = []
    for count in (few, many):
        with tempfile.TemporaryDirectory() as folder:
            export = Path(folder) / "export.json.gz"
            export.write_bytes(export_of(range(1, count + 1)))
            with (
                tiny_server(export) as address,
                _function(bucket, f"tiny-{count}", f"{address}/3", f"{address}/p/exports") as function,
            ):
                told.append(function.invoke({"tick": True}))
    small, large = told
    assert large.answer["landed"] == many, large.answer
    yield from _flat(small, large, few, many, "tiny bodies, planning and reconciliation included")


def _flat(small: Invocation, large: Invocation, few: int, many: int, what: str) -> Iterator[Measure]:
    yield _peak(f"Peak memory, {many:,} ids at once", large, what)
    yield Measure(
        f"The same for {few:,}",
        "the same",
        f"{small.peak / MB:.0f} MB",
        large.peak < small.peak + _SAME,
        f"within {_SAME / MB:.0f} MB",
    )


def _peak(what: str, done: Invocation, how: str) -> Measure:
    return Measure(what, f"< {_MEMORY} MB", f"{done.peak / MB:.0f} MB", done.peak < _MEMORY * MB, how)
