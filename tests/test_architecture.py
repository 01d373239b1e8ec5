"""Who may name kinds and read the environment, and what a fresh interpreter loads; `make check` holds the layers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from reelhouse.entities.registry import ENTITIES

ROOT = Path(__file__).parent.parent

ENGINES = {"pyspark", "pysail", "pandas", "pyarrow", "numpy", "deltalake", "duckdb", "py4j", "delta", "grpc", "sqlglot"}


# The emulator's own command, and what the course's layout calls its folders and files.
_MAY_NAME_KINDS = {"cli/emulate.py", "cli/help/examples.py", "cli/upload.py", "course/structure.py", "raw/keys.py"}
_THEIR_OPTIONS = re.compile(
    r"--movies|--series|\(ctx: click.Context, movies: int\)|\"demo-lake\", movies,|Choice\(\(\"movie\", \"series\"\)\)"
)


# Names of kinds that programs use as ordinary words too.
_ORDINARY = {
    *("person", "people", "collection", "collections", "company", "companies", "network", "networks", "keyword"),
    *("keywords", "configuration", "country", "language", "timezone", "job"),
}


def test_only_declarations_marts_and_the_emulator_name_a_kind_of_thing() -> None:
    words = {word for entity in ENTITIES.values() for word in (entity.name, entity.plural) if word} - _ORDINARY
    assert {"movie", "movies", "tv", "series"} <= words
    kind = re.compile(rf"\b({'|'.join(sorted(words))})\b", re.IGNORECASE)
    source = ROOT / "src" / "reelhouse"
    found = [
        f"{path.relative_to(source)}:{number}: {line.strip()}"
        for path in sorted(source.rglob("*.py"))
        if path.relative_to(source).parts[0] not in ("entities", "marts", "emulator")
        if path.relative_to(source).as_posix() not in _MAY_NAME_KINDS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if kind.search(_THEIR_OPTIONS.sub("", line))
    ]
    assert found == []


def test_no_two_classes_have_one_name() -> None:
    modules = (path.read_text() for path in (ROOT / "src" / "reelhouse").rglob("*.py"))
    names = Counter(name.strip("_") for text in modules for name in re.findall(r"^class (\w+)", text, re.MULTILINE))
    assert names.total() > 400
    assert [name for name, times in names.items() if times > 1] == []


def test_python_that_is_started_imports_nothing_from_the_working_directory() -> None:
    started = [
        (path.name, option)
        for path in sorted((ROOT / "src").rglob("*.py"))
        for option in re.findall(r"\[\s*sys\.executable,\s*([^,\s]+)", path.read_text())
    ]
    assert {name for name, _ in started} >= {"sail.py", "making.py", "browse.py", "running.py"}
    assert {option for _, option in started} == {'"-P"'}


def _loaded_by(*modules: str) -> set[str]:
    program = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_collector_loads_no_table_engine() -> None:
    loaded = _loaded_by(
        "reelhouse.collect.run",
        "reelhouse.collect.verify",
        "reelhouse.collect.status",
        "reelhouse.warehouse.verify",
        "reelhouse.bootstrap.collecting",
        "reelhouse.bootstrap.api",
        "reelhouse.cli.pipeline",
        "reelhouse.cli.main",
        "reelhouse.aws.handler",
    )
    assert loaded & ENGINES == set()


def test_what_only_reads_settings_loads_no_network() -> None:
    loaded = _loaded_by("reelhouse", "reelhouse.settings", "reelhouse.cli.main")
    assert loaded & {"aiohttp", "boto3", "botocore", "rich", "asyncio"} == set()


def test_the_function_loads_nothing_for_people() -> None:
    assert _loaded_by("reelhouse.aws.handler") & {"rich", "click", "boto3"} == set()


@pytest.mark.parametrize("module", ["reelhouse.tmdb.client", "reelhouse.storage.folder", "reelhouse.raw.plan"])
def test_each_part_loads_without_the_others(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in sys.modules if name.startswith('reelhouse.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    parts = {name.split(".")[1] for name in done.stdout.split()}
    allowed = {"tmdb": {"tmdb", "entities"}, "storage": {"storage"}, "raw": {"raw", "storage"}}[module.split(".")[1]]
    assert parts <= allowed | {"elapsed", "errors", "ids", "logs"}


def test_only_one_module_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT / "src" / "reelhouse").as_posix()
        for path in (ROOT / "src" / "reelhouse").rglob("*.py")
        if "emulator" not in path.parts
        # What a library of theirs reads there may be set.
        and re.search(r"getenv|os\.environ\b(?!\.setdefault)", path.read_text())
    }
    # Sessions hand it on to the engines that they start as processes of their own, and Sail's takes it; delta-rs, which
    # runs in this one, is kept from a token there that belongs to other keys.
    engines = {"engines/sail.py", "engines/sail_server.py", "engines/spark.py"}
    assert readers <= {"settings.py", "delta/delta_rs.py", *engines}


def test_below_the_runtimes_no_code_is_for_one_engine() -> None:
    """What classic Spark alone has, or Connect, or Sail: a table that used it would be built on one of them only."""
    only = re.compile(
        r"_jvm|_jsc|_jdf|sparkContext|\.rdd\b|py4j|pysail|pyspark\.sql\.(connect|classic)|sail_|== .sail."
    )
    parts = ("tables", "marts", "delta", "warehouse", "maintenance", "imports", "serve")
    modules = [path for part in parts for path in (ROOT / "src" / "reelhouse" / part).rglob("*.py")]
    assert len(modules) > 50
    # Each engine has its own way to raise.
    assert [path.name for path in modules if only.search(path.read_text())] == ["engine_errors.py"]
