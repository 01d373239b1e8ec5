"""docs/spark.md names only what exists: commands, settings, arguments, parameters, messages, versions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from reelhouse.engines.session import check_engine
from reelhouse.engines.spark import _NOT_NEEDED, JARS, _packages
from reelhouse.spark import job
from tests.typed import context_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")


def commands(program: str) -> list[list[str]]:
    """The words after a program of each command line that starts with it."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
    words = [shlex.split(re.sub(r"^(\w+=\S+ )+", "", line)) for line in blocks.splitlines()]
    return [one[1:] for one in words if one and one[0].rpartition("/")[2] == program]


def test_every_command_of_reelhouse_exists_and_its_address_too() -> None:
    asked = commands("reelhouse")
    assert len(asked) >= 4
    for words in asked:
        assert words[0] == "--lake"
        name, *rest = words[2:]
        context = context_of(name, rest)
        check_engine(context.params["spark"])


def test_every_job_is_one_that_the_entry_and_sparks_settings_know() -> None:
    submitted = [words for words in commands("spark-submit") if "examples/rdd.py" not in words]
    assert len(submitted) == 5
    for words in submitted:
        entries = [at for at, word in enumerate(words) if word.endswith("/job.py")]
        assert words.count("--class") + len(entries) == 1
        stated = [words[at + 1] for at, word in enumerate(words) if word == "--conf"]
        assert all("=" in each for each in stated)
        if "--packages" in words:
            packages = words[words.index("--packages") + 1].split(",")
            assert packages == _packages("4.2", set(), {}, with_s3=True)
        assert all(
            ",".join(_NOT_NEEDED) == words[at + 1] for at, word in enumerate(words) if word == "--exclude-packages"
        )
        for at in entries:
            assert job.read_arguments(words[at + 1 :]).settings["lake"] in ("./lake", "s3://bucket/lake")
    for name in re.findall(r"`--([a-z0-9-]+)`", TEXT.partition("The script uses")[2].partition("\n\n")[0]):
        job.read_arguments([f"--{name}", "true"])


def test_every_make_target_and_every_parameter_exists() -> None:
    from samtranslator.yaml_helper import yaml_parse

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {words[0] for words in commands("make")} <= targets
    deployed = [words for words in commands("aws") if words[:2] == ["cloudformation", "deploy"]]
    assert len(deployed) == 2
    for words in deployed:
        template: dict[str, Any] = yaml_parse((ROOT / words[words.index("--template-file") + 1]).read_text())
        given = {word.partition("=")[0] for word in words[words.index("--parameter-overrides") + 1 :] if "=" in word}
        required = {name for name, one in template["Parameters"].items() if "Default" not in one}
        assert required <= given <= template["Parameters"].keys()


@pytest.mark.parametrize("version", JARS)
def test_the_jars_of_each_version_are_named(version: str) -> None:
    assert JARS[version].hadoop in TEXT
    assert JARS[version].sdk in TEXT


def test_every_message_that_is_explained_can_be_said() -> None:
    files = [
        path
        for part in ("cli", "spark", "bootstrap", "engines")
        for path in (ROOT / "src" / "reelhouse" / part).glob("*.py")
    ]
    said = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text(encoding="utf-8") for path in files))
    rows = re.findall(r"^\| `([^`]+)`", TEXT.partition("## When something is wrong")[2], re.MULTILINE)
    assert len(rows) > 5
    assert [row for row in rows if row not in said] == []
