"""What a Spark job in AWS is given: `python -m deploy.package [--python 3.11]`, or `make spark-package`.

Into dist/spark/emr goes one archive with the package and the wheels that a build needs, for EMR Serverless; into
dist/spark/glue the same as wheels, less what AWS Glue has. Beside them lies the entry (job.py). All wheels
are those of the lock, for the machines they run on, whatever machine packs them.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from aws.build_zip import ROOT, Target, fetch, requirements

LOCK = ROOT / "locks" / "spark.txt"
PACKAGE = ROOT / "src" / "reelhouse"
ENTRY = PACKAGE / "spark" / "job.py"

# What a build imports, and what that needs. It asks nobody, so the collector's own are not among them.
OURS = ("msgspec", "zlib-ng")
# Reads the footers of what Spark wrote, and copies tables where the lake has the course's layout.
DELTA = ("deltalake", "arro3-core", "deprecated", "wrapt", "typing-extensions")
BOTO3 = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
ARROW = ("numpy", "pyarrow")

# Of the Pythons that emr-spark-8.0.0 has, and the one of Glue 6.0.
EMR_PYTHON = "3.11"
GLUE_PYTHON = "3.13"
# Both run on Amazon Linux 2023.
GLIBC = 34


def pack_emr(target: Target, to: Path) -> None:
    """The archive that EMR Serverless unpacks beside the driver, with the entry."""
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for wheel in sorted(_wheels(target, (*OURS, *DELTA, *BOTO3, *ARROW)).glob("*.whl")):
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(folder)  # noqa: S202 (a wheel, by its hash)
        shutil.copytree(
            ROOT / "src" / "reelhouse", Path(folder, "reelhouse"), ignore=shutil.ignore_patterns("__pycache__")
        )
        _write_tar(Path(folder), to / "reelhouse-emr.tar.gz")
    shutil.copy(ENTRY, to)


def pack_glue(target: Target, to: Path) -> list[str]:
    """Wheels for AWS Glue, with the entry; the names of the wheels."""
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("*.whl"):
        old.unlink()
    for wheel in _wheels(target, (*OURS, *DELTA)).glob("*.whl"):
        shutil.copy(wheel, to)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(to), str(ROOT)], check=True)
    names = sorted(path.name for path in to.glob("*.whl"))
    (to / "wheels.txt").write_text("".join(f"{name}\n" for name in names))
    shutil.copy(ENTRY, to)
    return names


def _wheels(target: Target, names: tuple[str, ...]) -> Path:
    return fetch(target, requirements(target, LOCK, names))


def _write_tar(folder: Path, to: Path) -> None:
    """The same files give the same bytes."""
    with (
        to.open("wb") as out,
        gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            body = path.read_bytes()
            entry.size, entry.mode = len(body), 0o644
            tar.addfile(entry, io.BytesIO(body))


def main() -> None:
    parser = argparse.ArgumentParser(prog="package.py", description="Pack what Spark jobs in AWS are given.")
    parser.add_argument("--python", default=EMR_PYTHON, help=f"of EMR Serverless (default {EMR_PYTHON})")
    parser.add_argument("--glue-python", default=GLUE_PYTHON, help=f"of AWS Glue (default {GLUE_PYTHON})")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "spark", help="folder (default dist/spark)")
    given = parser.parse_args()
    pack_emr(Target(given.python, "x86_64", GLIBC), given.out / "emr")
    print(f"{given.out / 'emr'}: for python{given.python}")
    names = pack_glue(Target(given.glue_python, "x86_64", GLIBC), given.out / "glue")
    print(f"{given.out / 'glue'}: for python{given.glue_python}: {', '.join(names)}")


if __name__ == "__main__":
    main()
