"""What is deployed: only what the function needs, small, the same bytes each time, and enough for every import."""

from __future__ import annotations

import importlib.util
import marshal
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from aws.build_zip import HANDLER, LOCK, MACHINES, PYTHON, ROOT, Target, build, requirements
from tests.aws import deployed
from tests.aws.lambda_service import LambdaService
from tests.aws.stack import source

MOST = 10_000_000
BYTECODE = f".{sys.implementation.cache_tag}.pyc"


@pytest.fixture(scope="module")
def names() -> list[str]:
    with zipfile.ZipFile(deployed.archive()) as packed:
        return packed.namelist()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that the template deploys by default, which this machine need not be able to run."""
    to = tmp_path_factory.mktemp("zip") / "function.zip"
    build(Target(PYTHON, "arm64"), to, bytecode=False)
    return to


@pytest.mark.long
def test_it_is_small(elsewhere: Path) -> None:
    assert deployed.archive().stat().st_size < MOST
    # Bytecode adds less than the sources themselves.
    assert elsewhere.stat().st_size < MOST / 2


def test_it_holds_the_collector_and_what_that_needs(names: list[str]) -> None:
    packages = {name.partition("/")[0] for name in names}
    allowed = {"attr", "attrs", "aiohappyeyeballs", "aiohttp", "aiosignal", "frozenlist", "idna", "jmespath", "msgspec"}
    allowed |= {"multidict", "propcache", "reelhouse", "stamina", "tenacity", "yarl", "zlib_ng"}
    # For Pythons before 3.13, with its bytecode.
    assert packages - {"typing_extensions.py", "__pycache__"} == allowed
    parts = {name.split("/")[1] for name in names if name.startswith("reelhouse/")}
    assert {part for part in parts if "." not in part} == {
        *("__pycache__", "aws", "bootstrap", "collect", "course", "entities", "raw", "storage", "tmdb"),
    }
    assert not [name for name in names if not name.endswith((".py", ".pyc", ".so"))]


@pytest.mark.long
def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    build(deployed.HERE, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == deployed.archive().read_bytes()


def test_every_source_has_valid_bytecode(names: list[str]) -> None:
    sources = {name for name in names if name.endswith(".py")}
    with zipfile.ZipFile(deployed.archive()) as packed:
        for name in sources:
            folder, _, file = name.rpartition("/")
            compiled = f"{folder}/__pycache__/".lstrip("/") + file.removesuffix(".py") + BYTECODE
            body = packed.read(compiled)
            # PEP 552: a hash that is not compared with the source's.
            assert body[:4] == importlib.util.MAGIC_NUMBER
            assert struct.unpack("<I", body[4:8]) == (1,)
            assert marshal.loads(body[16:]).co_filename == f"/var/task/{name}"
    assert len(names) == 2 * len(sources) + len([name for name in names if name.endswith(".so")])


def _run(program: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (deployed.task(), deployed.runtime())))
    environ = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", program]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_every_module_in_it_can_be_imported_with_nothing_else_but_boto3(names: list[str]) -> None:
    """What is imported only when it is needed must be there as well."""
    ours = [name for name in names if name.startswith("reelhouse/") and name.endswith(".py")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in ours]
    done = _run(f"import {', '.join(modules)}; print({HANDLER}.handler.__module__, reelhouse.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [HANDLER, str(deployed.task() / "reelhouse/__init__.py")]


def test_starting_loads_bytecode_and_neither_a_terminal_nor_an_engine() -> None:
    done = _run(f"import sys, {HANDLER}; print(*sys.modules); print({HANDLER}.__cached__)")
    assert done.returncode == 0, done.stderr
    modules, cached = done.stdout.splitlines()
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert loaded & {"click", "rich", "pyspark", "pyarrow", "pandas", "numpy", "deltalake", "sqlglot"} == set()
    assert cached == str(deployed.task() / f"reelhouse/aws/__pycache__/handler{BYTECODE}")


@pytest.mark.long
def test_starting_costs_little_more_than_the_two_libraries_that_it_needs() -> None:
    """Measured: 1.3 to 1.45 times of what aiohttp and botocore cost alone; 1.6 to 2 without bytecode of ours."""
    # Both in one process, since what else the machine does slows one process more than the next.
    assert min(_ratio_of_starting() for _ in range(3)) < 1.55


def _ratio_of_starting() -> float:
    """CPU seconds of an interpreter with all imports, by those with the libraries alone."""
    clock = "time.process_time()"
    result = _run(
        f"import time, aiohttp, boto3; alone = {clock}; import {HANDLER}, reelhouse.storage.s3; print({clock} / alone)"
    )
    assert result.returncode == 0, result.stderr
    return float(result.stdout)


@pytest.mark.long
def test_the_zip_for_another_machine_holds_that_machines_wheels(elsewhere: Path) -> None:
    tag = f"cpython-{PYTHON.replace('.', '')}"
    with zipfile.ZipFile(elsewhere) as packed:
        libraries = [name for name in packed.namelist() if name.endswith(".so")]
        # The machine in an ELF header; 183 is AArch64.
        machines = {struct.unpack("<H", packed.read(name)[18:20])[0] for name in libraries}
    assert machines == {183}
    assert {"aiohttp", "msgspec", "multidict", "zlib_ng"} <= {name.partition("/")[0] for name in libraries}
    assert all(tag in name or ".abi3." in name for name in libraries)


@pytest.mark.long
def test_a_zip_for_another_runtime_says_so(elsewhere: Path) -> None:
    with LambdaService(elsewhere) as function:
        done = function.invoke({"tick": True})
    assert done.error == "Runtime.ImportModuleError"
    assert f"built for python{PYTHON} on arm64, not for python{deployed.HERE.python}" in done.message


def test_the_lock_is_the_projects_own() -> None:
    locked = (ROOT / "locks" / "dev.txt").read_text()
    for line in re.findall(r"^[^\s#]+==[^\s;\\]+", LOCK.read_text(), re.MULTILINE):
        assert f"\n{line} " in f"\n{locked}", line
    assert "http" not in LOCK.read_text().replace("aiohttp", "")


def test_conditions_of_the_lock_are_those_of_the_function_and_not_of_this_machine() -> None:
    assert "typing-extensions" in requirements(Target("3.12", "arm64"))
    assert "typing-extensions" not in requirements(Target("3.13", "arm64"))
    assert all("--hash=sha256:" in line for line in requirements(Target("3.13", "arm64")).splitlines())


def test_the_template_deploys_what_is_built() -> None:
    template = source()
    assert template["Parameters"]["Runtime"]["Default"] == f"python{PYTHON}"
    tested = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert template["Parameters"]["Runtime"]["AllowedValues"] == [f"python{one}" for one in tested]
    assert set(template["Parameters"]["Architecture"]["AllowedValues"]) == set(MACHINES)
    function = template["Resources"]["Function"]["Properties"]
    assert function["Handler"] == f"{HANDLER}.handler"
    arch = template["Parameters"]["Architecture"]["Default"]
    assert function["CodeUri"] == f"../dist/reelhouse-lambda-{arch}.zip"
