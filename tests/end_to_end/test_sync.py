"""From one command to a lake, and again on the next day."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests.end_to_end.conftest import REAL, environment, printed_json
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.in_process import reelhouse

ABOUT_THE_LAKE = frozenset(("record", "quarantine", "tombstone", "popularity_daily"))


def synced(tmdb: Emulator, lake: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    lake.parent.mkdir(parents=True, exist_ok=True)
    return reelhouse("sync", *arguments, "--json", env=environment(tmdb, lake, **more), cwd=lake.parent)


@pytest.mark.long
def test_the_next_days_sync_asks_what_changed_and_its_tables_equal_those_of_a_fresh_lake(tmp_path: Path) -> None:
    with Emulator(movies=5000, seed=5, process=True) as tmdb:
        old = tmp_path / "old" / "lake"
        first = synced(tmdb, old)
        assert first.returncode == 0, first.stderr
        changed, deleted, added = tmdb.edit(count=200), tmdb.delete(count=20), tmdb.add(count=30)
        tmdb.next_day()
        tmdb.reset_stats()
        changed = [each for each in changed if each not in deleted]
        second = synced(tmdb, old)
        assert second.returncode == 0, second.stderr
        asked = tmdb.stats().asked
        assert sorted(asked) == sorted({*changed, *deleted, *added})
        assert set(asked.values()) == {1}
        found = printed_json(second)
        assert found["causes"] == {"changed": len(changed), "vanished": 20, "new": 30}
        assert (found["landed"], found["gone"]) == (len(changed) + 30, 20)

        fresh = tmp_path / "fresh" / "lake"
        assert synced(tmdb, fresh).returncode == 0
        assert differences(old, fresh, without=LINEAGE, skip=ABOUT_THE_LAKE) == []


def test_a_sync_names_a_chunk_of_an_earlier_run_that_is_lost_and_says_what_it_looked_at(
    tmp_path: Path, catalogue: Emulator
) -> None:
    lake = tmp_path / "lake"
    assert synced(catalogue, lake, "--top", "50").returncode == 0
    second = synced(catalogue, lake, "--top", "50")
    checked = printed_json(second)["verify"]["checked"]
    assert second.returncode == 0, second.stderr
    assert checked[0].startswith("movie run 2 was checked in full")
    assert checked[1].startswith("movie run 1 was checked for objects: their receipts and 1 chunks are to be there")
    (chunk,) = (lake / "raw/movie").rglob("*.jsonl.gz")
    chunk.unlink()
    third = synced(catalogue, lake, "--top", "50")
    assert third.returncode == 1
    (problem,) = printed_json(third)["verify"]["problems"]
    assert problem == f"{chunk.relative_to(lake)} is gone, which run 1 put"


@pytest.mark.long
def test_a_sync_makes_a_table_again_whose_files_were_emptied(tmp_path: Path, catalogue: Emulator) -> None:
    lake = tmp_path / "lake"
    assert synced(catalogue, lake, "--top", "50").returncode == 0
    for path in (lake / "marts/fact_movie").glob("*/*.parquet"):
        path.write_bytes(b"")
    env = environment(catalogue, lake)
    assert reelhouse("verify", env=env, cwd=tmp_path).returncode == 1
    again = synced(catalogue, lake, "--top", "50")
    assert (again.returncode, printed_json(again)["build"]["rebuilt"]) == (0, ["fact_movie"]), again.stderr
    asked = reelhouse("sql", "select count(*) as n from fact_movie", "--format", "csv", env=env, cwd=tmp_path)
    assert asked.stdout.split() == ["n", "50"]
    assert reelhouse("verify", "--deep", env=env, cwd=tmp_path).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("profile", ["all", "vanishing-ids"])
def test_runs_under_faults_repeated_until_clean_end_with_the_tables_of_one_without(
    tmp_path: Path, catalogue: Emulator, profile: str
) -> None:
    calm, lake = tmp_path / "calm" / "lake", tmp_path / "stormy" / "lake"
    assert synced(catalogue, calm, "--top", "400").returncode == 0
    lake.parent.mkdir()
    with Emulator(movies=1500, seed=11, faults=profile, process=True) as stormy:
        env = environment(stormy, lake)
        # An id may misbehave for its first eight requests, and one that is gone is asked once per run.
        for _ in range(12):
            done = reelhouse("collect", "--top", "400", "--json", env=env, cwd=tmp_path)
            if done.returncode == 0 and not printed_json(done)["requested"]:
                break
        assert (done.returncode, printed_json(done)["requested"]) == (0, 0), done.stderr
        assert reelhouse("build", env=env, cwd=tmp_path).returncode == 0
    assert differences(calm, lake, without=LINEAGE, skip=ABOUT_THE_LAKE) == []


@pytest.mark.long
@pytest.mark.skipif(not (REAL / "payloads").is_dir(), reason="TMDB's real payloads are not on this machine")
def test_all_real_movies_are_synced_and_reconciled(tmp_path: Path) -> None:
    with Emulator(payloads=REAL / "payloads", process=True) as tmdb:
        done = synced(tmdb, tmp_path / "lake")
        found = printed_json(done)
        assert done.returncode == 0, done.stderr
        assert (found["requested"], found["landed"], found["complete"], found["clean"]) == (5700, 5700, True, True)
        assert found["verify"]["problems"] == []
        assert found["build"]["rows"]["movie"] == 5700
        assert tmdb.stats().export_authorizations == 0
