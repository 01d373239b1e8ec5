"""Compiles the Delta log stores and packs them: `python jvm/build_jar.py`, with a JDK 17 or newer and `.venv-spark`.

The jar lies in the repository, since whoever installs the package has a Java to run and seldom one to compile. Its
manifest names the sources it was made from; a test compares.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
JAR = HERE.parent / "src" / "reelhouse" / "engines" / "jars" / "reelhouse-delta.jar"
# The oldest Java on which Spark 4 runs.
RELEASE = "17"
# The same sources and compiler give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def sources() -> list[Path]:
    """What is compiled, in the order of the jar."""
    return sorted(HERE.glob("reelhouse/**/*.java"))


def sources_sha256() -> str:
    """One hash over all sources and their names."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.relative_to(HERE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def build(classpath: list[Path], jar: Path = JAR) -> None:
    """Compile against the jars of Spark, Delta and S3A, and put the classes into *jar*."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["-d", folder, "--release", RELEASE, "-Xlint:all,-classfile,-path", "-Werror"]
        subprocess.run(["javac", *given, "-cp", ":".join(map(str, classpath)), *map(str, sources())], check=True)
        manifest = f"Manifest-Version: 1.0\nSources-SHA-256: {sources_sha256()[:48]}\n\n"
        jar.parent.mkdir(exist_ok=True)
        made = Path(folder, jar.name)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
            _add(packed, "META-INF/MANIFEST.MF", manifest.encode())
            for path in sorted(Path(folder).rglob("*.class")):
                _add(packed, str(path.relative_to(folder)), path.read_bytes())
        # Beside and then renamed: a Java that runs keeps the jar open and reads more of it when it likes.
        beside = jar.with_suffix(".new")
        shutil.copyfile(made, beside)
        beside.replace(jar)


def _add(packed: zipfile.ZipFile, name: str, body: bytes) -> None:
    packed.writestr(zipfile.ZipInfo(name, _EPOCH), body, zipfile.ZIP_DEFLATED)


def _classpath() -> list[Path]:
    spark = HERE.parent / ".venv-spark" / "lib"
    ivy = Path.home() / ".cache" / "reelhouse" / "ivy"
    found = [*spark.glob("*/site-packages/pyspark/jars/hadoop-client-api-*.jar")]
    # Ivy keeps them in `jars` after a session has fetched them, and under `cache` from the first moment.
    found += [*ivy.glob("**/*delta-storage-*.jar"), *ivy.glob("**/*hadoop-aws-*.jar")]
    return found


if __name__ == "__main__":
    if not sources():
        sys.exit("there is nothing to compile")
    build(_classpath())
