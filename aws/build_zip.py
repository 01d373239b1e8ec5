"""The function's zip: `python aws/build_zip.py [--python 3.13] [--arch arm64] [--out dist]`, or `make lambda`.

It holds the locked dependencies as wheels for Lambda's machines (whatever machine builds it), those of our modules that
the handler may load, and nothing else: boto3 is there already. The same sources, lock and Pythons give the same bytes.

The zip is always for the newest Python that the tests run on, whatever Python builds it: a function whose
runtime and compiled wheels differ does not start at all, and the template names a runtime before anybody builds. Only
that same Python can compile bytecode. Where it is at hand (`python3.13` on the path, or the one that runs this) the
zip has bytecode and starts in half the time; where it is not, it has sources alone, works as well, and this program
says so. Bytecode is never checked against its source, so that no file's time matters; sources stay for tracebacks one
can read.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "locks" / "lambda.txt"
WHEELS = ROOT / ".cache" / "lambda"

HANDLER = "reelhouse.aws.handler"
PYTHON = "3.13"
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

# What `reelhouse.open` loads is for a person at a prompt.
_NOT_FOLLOWED = {("reelhouse", "reelhouse.bootstrap.api")}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CODE = "/var/task"


class Target(NamedTuple):
    """What runs the function: Python as `3.13`, the processor by Lambda's name, glibc's minor if it is not Lambda."""

    python: str
    arch: str
    glibc: int = 0

    @property
    def machine(self) -> str:
        return MACHINES[self.arch]

    @property
    def platforms(self) -> list[str]:
        """Tags of the wheels that run there: Amazon Linux 2 has glibc 2.26, Amazon Linux 2023 has 2.34."""
        newest = self.glibc or (34 if int(self.python.partition(".")[2]) >= 12 else 26)
        return [f"manylinux_2_{minor}_{self.machine}" for minor in range(newest, 16, -1)] + [
            f"manylinux2014_{self.machine}"
        ]


def build(target: Target, to: Path, *, bytecode: bool = True) -> bool:
    """Write the zip; whether it has bytecode. The wheels are fetched once."""
    files = {**_dependencies(target), **_ours(target)}
    compiled = _compiled(files, target.python) if bytecode else {}
    to.parent.mkdir(parents=True, exist_ok=True)
    _write(to, {**files, **compiled})
    return bool(compiled)


def requirements(target: Target, lock: Path = LOCK, names: Collection[str] | None = None) -> str:
    """The lock's lines that hold on *target*, hashes included, of *names* alone where they are given. pip would read
    their conditions for its own Python."""
    there = {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": target.machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    kept = []
    for block in lock.read_text().replace("\\\n", "").splitlines():
        stated, *hashes = block.split(" --hash=")
        wanted = Requirement(stated)
        if names is not None and wanted.name not in names:
            continue
        if wanted.marker is None or wanted.marker.evaluate(there):
            kept.append(" --hash=".join([f"{wanted.name}{wanted.specifier}", *(each.strip() for each in hashes)]))
    return "\n".join(kept) + "\n"


def fetch(target: Target, lines: str = "") -> Path:
    """The folder with the wheels of *target* (of *lines*, where they are given), from the index only if the lock has
    changed since."""
    lines = lines or requirements(target)
    folder = WHEELS / f"{target.python}-{target.arch}-{hashlib.sha256(lines.encode()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WHEELS) as temporary:
        wanted, arrived = Path(temporary) / "requirements.txt", Path(temporary) / "wheels"
        wanted.write_text(lines)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [
            "--require-hashes",
            "--only-binary=:all:",
            "--implementation=cp",
            f"--python-version={target.python}",
        ]
        command += [f"--abi={abi}" for abi in (f"cp{target.python.replace('.', '')}", "abi3", "none")]
        command += [f"--platform={tag}" for tag in target.platforms]
        subprocess.run([*command, "--dest", str(arrived), "-r", str(wanted)], check=True)
        try:
            arrived.rename(folder)
        except OSError:
            # Somebody else was quicker; theirs is as good.
            if not folder.is_dir():
                raise
    return folder


def _dependencies(target: Target) -> dict[str, bytes]:
    """What can be imported of the wheels. Types, C sources and metadata have no use there."""
    files = {}
    for wheel in sorted(fetch(target).glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                if name.endswith((".py", ".so")) and not re.search(r"\.(dist-info|data)/|/tests/", name):
                    files[name] = packed.read(name)
    return files


def _ours(target: Target) -> dict[str, bytes]:
    """Our modules that the handler may load, with a word about what runs them."""
    files = {path.relative_to(ROOT / "src").as_posix(): path.read_bytes() for path in sorted(_followed(HANDLER))}
    files["reelhouse/aws/__init__.py"] += _guard(target).encode()
    return files


def _guard(target: Target) -> str:
    # Loaded before any module that needs a wheel.
    runs = (tuple(map(int, target.python.split("."))), target.machine)
    return textwrap.dedent(
        f"""
        import os as _os
        import sys as _sys

        if (_sys.version_info[:2], _os.uname().machine) != {runs}:
            raise ImportError(
                "this zip was built for python{target.python} on {target.arch}, not for python%d.%d on %s: change the "
                "function's runtime and architecture, or build with `make lambda LAMBDA_PYTHON=...`"
                % (*_sys.version_info[:2], _os.uname().machine)
            )
        """
    )


def _followed(root: str) -> set[Path]:
    """The files of *root* and of all of our modules that it imports, anywhere in them."""
    found: dict[str, Path] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(each for each in _imported(path) if (name, each) not in _NOT_FOLLOWED)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return set(found.values())


def _file(module: str) -> Path | None:
    path = ROOT / "src" / module.replace(".", "/")
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.startswith("reelhouse."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "reelhouse":
            # Each name may be a module; `_file` tells.
            yield from (str(node.module), *(f"{node.module}.{each.name}" for each in node.names))


def interpreter(python: str) -> str | None:
    """A Python of that version which runs, or None."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{python}")
    says = "import sys; print('%d.%d' % sys.version_info[:2])"
    if found is None:
        return None
    # What is on the path may be a stand-in that only says where to get the real one.
    done = subprocess.run([found, "-S", "-c", says], capture_output=True, text=True, check=False)
    return found if done.stdout.strip() == python else None


def _compiled(files: Mapping[str, bytes], python: str) -> dict[str, bytes]:
    """Bytecode of the sources among *files*; none where there is no such Python."""
    compiler = interpreter(python)
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, body in files.items():
            if name.endswith(".py"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(body)
        command = [compiler, "-S", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
        # Tracebacks name the place where Lambda unpacks the zip.
        command += ["-s", str(folder), "-p", _CODE, str(folder)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": "0"})
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.pyc")}


def _write(to: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(to, "w") as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, files[name], compresslevel=9)


def main() -> None:
    parser = argparse.ArgumentParser(prog="build_zip.py", description="Build the zips that Lambda runs.")
    parser.add_argument("--python", default=PYTHON, help=f"of the function's runtime (default {PYTHON})")
    parser.add_argument("--arch", choices=MACHINES, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder (default dist)")
    given = parser.parse_args()
    for arch in given.arch or MACHINES:
        to = given.out / f"reelhouse-lambda-{arch}.zip"
        compiled = build(Target(given.python, arch), to)
        size = to.stat().st_size / 1e6
        print(f"{to}: python{given.python}, {arch}, {size:.1f} MB{'' if compiled else ', without bytecode'}")
    if not compiled:
        print(
            f"There is no python{given.python} here to compile with, so each cold start takes about twice as long. "
            f"`uv python install {given.python}` is one way to get it; then build again."
        )


if __name__ == "__main__":
    main()
