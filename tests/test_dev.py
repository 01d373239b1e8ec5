"""`dev.py` has what `make` does, and `make` has nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).parent.parent


def _dev(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True, cwd=cwd)


def test_make_has_the_same_commands_and_only_calls_them() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = {name for line in re.findall(r"^([a-z -]+):$", text, re.MULTILINE) for name in line.split()}
    assert targets == {"help", *dev.COMMANDS}
    assert all(line.startswith("\t@$(PYTHON) dev.py ") for line in text.splitlines() if line.startswith("\t"))


def test_locks_are_made_by_one_version_of_uv() -> None:
    assert re.fullmatch(r"uv==\d+(\.\d+)+", dev.UV)


def test_help_names_each_command(tmp_path: Path) -> None:
    for arguments in ((), ("--help",), ("help",)):
        done = _dev(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert [line.split()[0] for line in done.stdout.splitlines()] == [*dev.COMMANDS]


def test_an_unknown_command_ends_with_2() -> None:
    done = _dev("tset")
    assert (done.returncode, "there is no command 'tset'" in done.stderr) == (2, True)


def test_what_is_missing_or_older_than_its_sources_is_made_again(tmp_path: Path) -> None:
    made, source = tmp_path / "made", tmp_path / "source"
    source.touch()
    assert dev.is_stale(made, source)
    made.touch()
    os.utime(source, (1, 1))
    assert not dev.is_stale(made, source)
    os.utime(made, (0, 0))
    assert dev.is_stale(made, source)


def test_tests_run_in_memory_only_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(dev, "_python", lambda *words: ran.append(tuple(map(str, words))))
    monkeypatch.setattr(dev, "_IN_MEMORY", tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    for room, words in ((0, ("--basetemp",)), (1 << 60, ())):
        monkeypatch.setattr(dev, "_ROOM", room)
        dev._pytest("-q")
        assert tuple(word for word in ran.pop() if word == "--basetemp") == words
    assert list(tmp_path.iterdir()) == []
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
    assert not dev.has_room(tmp_path / "missing")


def test_the_exit_code_is_that_of_the_program_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        dev._run(sys.executable, "-c", "raise SystemExit(7)")
    assert ended.value.code == 7


def test_an_environment_whose_creation_was_interrupted_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[object, ...]] = []
    monkeypatch.setattr(dev, "_run", lambda *command: ran.append(command))
    (tmp_path / "pyvenv.cfg").touch()
    dev._create(tmp_path)
    assert len(ran) == 1
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").touch()
    dev._create(tmp_path)
    assert len(ran) == 1
