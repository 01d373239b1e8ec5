from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from reelhouse.engines.class_archive import archive_option, remove_archive
from tests.end_to_end.conftest import REPOSITORY
from tests.parity.test_parity import python_of

SHARED = "shared objects file (top)"
START = """
from reelhouse.engines.spark import conf_for, spark_session
spark = spark_session("local[1]", conf_for("local[1]", 1), None)
assert spark.sparkContext.range(3).map(str).collect() == ["0", "1", "2"]
"""


class Home:
    """A user's cache, a Java and its jars."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cache" / "java"
        self.java, self.jars = folder / "java", folder / "jars"
        self.java.touch()
        self.jars.mkdir()

    def option(self) -> str:
        return archive_option(self.folder, self.java, self.jars)

    def made(self) -> Path:
        """The archive that the second start makes."""
        assert self.option() == ""
        option = self.option()
        assert option.startswith("-XX:ArchiveClassesAtExit=")
        return Path(option.partition("=")[2].split()[0])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_second_start_makes_the_archive_and_those_after_it_use_it(home: Home) -> None:
    archive = home.made()
    # Java is still at it.
    assert home.option() == ""
    archive.write_bytes(bytes(16))
    assert home.option() == ""
    archive.write_bytes(b"\xf0" + bytes(15))
    assert home.option() == f"-XX:SharedArchiveFile={archive} -Xlog:cds*=off"
    assert home.folder.stat().st_mode & 0o777 == 0o700


def test_an_archive_that_was_never_finished_is_made_again_after_an_hour(home: Home) -> None:
    archive = home.made()
    [making] = home.folder.glob("*.making")
    os.utime(making, (0, time.time() - 3700))
    assert home.option() == f"-XX:ArchiveClassesAtExit={archive} -Xlog:cds*=off"
    assert home.option() == ""


def test_another_java_or_other_jars_have_an_archive_of_their_own(home: Home) -> None:
    first = home.made()
    os.utime(home.java, (0, 0))
    second = home.made()
    os.utime(home.jars, (0, 0))
    assert len({first, second, home.made()}) == 3


def test_an_archive_that_nobody_used_for_two_months_is_removed(home: Home) -> None:
    archive = home.made()
    archive.write_bytes(b"\xf0")
    os.utime(archive, (0, time.time() - 61 * 24 * 3600))
    os.utime(home.java, (0, 0))
    assert home.made() != archive
    assert not archive.exists()


@pytest.mark.parametrize("damaged", [b"\xf0", b"\xf0" + bytes(16), b"\xf0" * 16])
def test_a_damaged_archive_is_removed_and_made_again(home: Home, damaged: bytes) -> None:
    archive = home.made()
    archive.write_bytes(b"\xf0" + bytes(15))
    assert home.option()
    archive.write_bytes(damaged)
    assert home.made() == archive


def test_an_archive_with_which_java_does_not_start_is_removed(home: Home) -> None:
    archive = home.made()
    archive.write_bytes(b"\xf0")
    assert remove_archive(home.option())
    assert not archive.exists()
    assert not remove_archive("")
    assert not remove_archive("-XX:ArchiveClassesAtExit=/x -Xlog:cds*=off")


def test_what_others_may_write_is_not_run(home: Home) -> None:
    archive = home.made()
    archive.write_bytes(b"\xf0")
    home.folder.chmod(0o770)
    assert home.option() == ""


def test_a_folder_that_cannot_be_written_or_has_a_blank_does_without(home: Home, tmp_path: Path) -> None:
    assert [archive_option(tmp_path / "a b", home.java, home.jars) for _ in range(3)] == [""] * 3
    (tmp_path / "file").touch()
    assert archive_option(tmp_path / "file" / "java", home.java, home.jars) == ""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_java_takes_sparks_classes_from_the_archive_at_the_third_start(tmp_path: Path) -> None:
    python = python_of(".venv-spark")
    found = [_classes_from_archive(python, tmp_path, start) for start in range(3)]
    assert found[:2] == [0, 0]
    assert found[2] > 5000
    [archive] = tmp_path.rglob("*.jsa")
    body = archive.read_bytes()
    archive.chmod(0o600)
    archive.write_bytes(body[: len(body) // 2])
    archive.with_suffix(".crc32").unlink()
    # Java dies of it, and starts again without it.
    assert _classes_from_archive(python, tmp_path, 3) == 0
    assert not archive.exists()


def _classes_from_archive(python: Path, home: Path, start: int) -> int:
    log = home / f"classes{start}.txt"
    environ = {**os.environ, "HOME": str(home), "PYTHONPATH": str(REPOSITORY / "src")}
    # As a process leaves it that has used Spark Connect, or an address of the user's for other programs.
    environ |= {"SPARK_CONNECT_MODE_ENABLED": "1", "SPARK_REMOTE": "sc://127.0.0.1:1"}
    environ["JAVA_TOOL_OPTIONS"] = f"-Xlog:class+load:file={log}"
    # Neither this Python nor Spark's own imports modules from the working directory.
    (home / "json.py").write_text("raise SystemExit('imported')")
    ended = subprocess.run(
        [python, "-P", "-c", START], env=environ, cwd=home, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "cds" not in ended.stderr
    # Java ends after the command that started it.
    for _ in range(600):
        if start != 1 or any(path.read_bytes()[:4] != bytes(4) for path in home.rglob("*.jsa")):
            break
        time.sleep(0.2)
    return sum(SHARED in line for line in log.read_text(errors="replace").splitlines())
