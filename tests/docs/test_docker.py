"""The files for Docker and GitHub, as far as they can be checked without either."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reelhouse.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "examples/docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_what_services_refer_to_exists() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert service.get("network_mode", "service:emulator").removeprefix("service:") in services, name
        assert {each["source"] for each in service.get("configs", ())} <= set(COMPOSE["configs"]), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(COMPOSE["volumes"]), name


@pytest.mark.parametrize("name", ["emulator", "sync", "export"])
def test_a_service_runs_a_command_with_options_that_it_has(name: str) -> None:
    command, *arguments = COMPOSE["services"][name]["command"]
    found = main.get_command(click.Context(main), command)
    assert found is not None
    found.make_context(command, arguments)


def test_the_image_copies_only_what_its_context_has_and_runs_as_nobody_special() -> None:
    kept = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    copied = {path for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]}
    assert copied == kept
    assert all((ROOT / path).exists() for path in copied)
    assert "\nUSER reelhouse\n" in DOCKERFILE
    assert 'ENTRYPOINT ["reelhouse"]' in DOCKERFILE


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_a_file_for_github_can_be_parsed(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
    for script in re.findall(r"run: (\.ci/\S+)", path.read_text(encoding="utf-8")):
        assert (ROOT / script).exists()
