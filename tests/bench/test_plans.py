"""Plans stay lean: how often rows are shuffled and which columns of staging are read, by what the engines print."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.building import build, working_copy
from bench.lakes import lake_of
from bench.plans import SPARK, jobs_by, plans_by, plans_of
from bench.report import ROOT
from reelhouse.marts import REGISTRY

pytest.importorskip("pysail")

# How often rows are shuffled for each folder: once for each input that has to be brought together by some key. What is
# not named here is made where its rows lie.
_SHUFFLES = {
    "_reelhouse/staging/movie_current": 3,
    "tables/quarantine": 3,
    "marts/fact_movie": 2,
    "marts/dim_date": 0,
    "marts/dim_person": 2,
    "marts/dim_genre": 2,
    "marts/dim_company": 2,
    "marts/dim_collection": 2,
    "marts/dim_keyword": 2,
    "marts/dim_country": 6,
    "marts/dim_language": 3,
    "marts/dim_watch_provider": 2,
    "marts/bridge_movie_genre": 1,
    "marts/bridge_movie_company": 1,
    "marts/bridge_movie_country": 1,
    "marts/bridge_movie_language": 1,
    "marts/bridge_movie_keyword": 1,
    "marts/movie_flat": 5,
    "marts/dim_movie_history": 3,
    "marts/fact_movie_snapshot": 4,
    "marts/edge_costar": 5,
    "marts/dim_job": 1,
    "marts/dim_certification": 1,
    "marts/fact_watch_availability": 6,
}

# Apache Spark joins by two keys, and groups by one of them again, with a shuffle for either.
_SHUFFLES_OF_SPARK = {**_SHUFFLES, "marts/dim_movie_history": 4}

# What a table reads of staging beside who is current, the id and the instant.
_ALWAYS = {"sequence", "append_id", "id", "fetched_at", "state", "unparsed_line"}


def _shown(name: str) -> set[str]:
    """The column of staging that holds the rows of a table, as its declaration says."""
    if name == "rejected_value":
        return {"rejected", "run", "chunk", "line"}
    return {re.split(r"[.\[{]", REGISTRY.of_answers[name].rows)[0].replace("/", "_")}


@pytest.fixture(scope="module")
def lake() -> Iterator[Path]:
    """A built lake."""
    with working_copy(lake_of(300)) as lake:
        build(lake)
        yield lake


@pytest.fixture(scope="module")
def sail(lake: Path) -> dict[str, str]:
    return plans_of(lake, "sail")


def _columns(plan: str, folder: str) -> list[set[str]]:
    """The columns that each scan of a folder reads, by Sail's plan."""
    scans = [
        line for line in plan.splitlines() if "DataSourceExec" in line and re.search(rf"/{folder}/[^/]+/part-", line)
    ]
    lists = [re.search(r"projection=\[(.*?)\], file_type", line) for line in scans]
    return [{column.partition("@")[0] for column in found[1].split(", ")} for found in lists if found]


@pytest.mark.long
def test_sail_shuffles_no_more_than_the_result_needs(sail: dict[str, str]) -> None:
    shuffles = {folder: plan.count("RepartitionExec: partitioning=Hash") for folder, plan in sail.items()}
    assert {folder: found for folder, found in shuffles.items() if found > _SHUFFLES.get(folder, 0)} == {}


@pytest.mark.parametrize("name", sorted(REGISTRY.only({"movie"}).of_answers.keys() - {"movie"}))
def test_a_table_reads_of_staging_what_it_shows(sail: dict[str, str], name: str) -> None:
    (columns,) = _columns(sail[f"tables/{name}"], "_reelhouse/staging/movie")
    assert columns <= _ALWAYS | _shown(name)


def test_who_is_current_is_found_without_a_body(sail: dict[str, str]) -> None:
    for columns in _columns(sail["_reelhouse/staging/movie_current"], "_reelhouse/staging/movie"):
        assert columns <= {"id", "sequence", "append_id", "state", "fetched_at"}


def test_who_is_current_quarantine_and_histories_alone_read_staging_twice(sail: dict[str, str]) -> None:
    scans = {folder: len(_columns(plan, "_reelhouse/staging/movie")) for folder, plan in sail.items()}
    assert {folder for folder, found in scans.items() if found > 1} <= {
        "_reelhouse/staging/movie_current",
        "tables/quarantine",
        "marts/dim_movie_history",
        "marts/fact_watch_availability",
    }


def test_raw_is_read_and_parsed_once(sail: dict[str, str]) -> None:
    assert sail["_reelhouse/staging/movie"].count("file_type=text") == 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not SPARK.exists() or shutil.which("java") is None, reason="Apache Spark is not here")
def test_apache_spark_shuffles_no_more_and_reads_only_parts_of_columns(lake: Path) -> None:
    plans = plans_by(SPARK, lake, "local[2]")
    shuffles = {folder: plan.count("Exchange hashpartitioning") for folder, plan in plans.items()}
    assert {folder: found for folder, found in shuffles.items() if found > _SHUFFLES_OF_SPARK.get(folder, 0)} == {}
    # An answer is parsed once: a filter on what it holds would parse it again.
    assert plans["_reelhouse/staging/movie"].count("from_json(StructField(chunk") == 1
    assert not [folder for folder, plan in plans.items() if folder.startswith("tables/") and "SortMergeJoin" in plan]
    cast, crew = (re.findall("ReadSchema: (.*)", plans[f"tables/movie_{name}"]) for name in ("cast", "crew"))
    assert ["credits:struct<cast:" in each and "crew:" not in each for each in cast] == [True]
    assert ["credits:struct<crew:" in each and "cast:" not in each for each in crew] == [True]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not SPARK.exists() or shutil.which("java") is None, reason="Apache Spark is not here")
def test_apache_spark_takes_no_more_jobs_than_the_page_says() -> None:
    rows = re.findall(r"^\| (?:`(.+)`|read back.*) \| (\d+) \|$", (ROOT / "docs/plans.md").read_text(), re.M)
    bounds = {folder: int(count) for folder, count in rows}
    with working_copy(lake_of(300)) as lake:
        jobs = jobs_by(SPARK, lake, "local[2]")
    assert {folder: count for folder, count in jobs.items() if count > bounds.get(folder, 0)} == {}
