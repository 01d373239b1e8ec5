"""A lake in S3 is built in turns by Sail and by the Spark of EMR, through its S3A: equal rows, and no secret is written
down. (The newest Spark takes its turns in tests/cluster.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.end_to_end.conftest import environment, printed_json, reelhouse
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.end_to_end.test_s3 import World
from tests.parity.test_parity import CONF, python_of

TITLES = 60


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_spark_of_emr_and_sail_build_one_lake_in_turns(tmp_path: Path) -> None:
    python, server = python_of(".venv-spark40"), s3servers.started("seaweedfs")
    events = tmp_path / "events"
    events.mkdir()
    conf = (*CONF, "spark.eventLog.enabled=true", f"spark.eventLog.dir={events}", "spark.eventLog.compress=false")
    with Emulator(movies=400, seed=29, process=True) as tmdb:
        world = World(tmdb, server, tmp_path)
        env = environment(tmdb, Path(), **server.environ, REELHOUSE_LAKE=world.place)
        for turn in ("spark", "sail", "spark"):
            for collect in (world.run, world.run_beside):
                assert collect("collect", "--top", str(TITLES)).returncode == 0
            if turn == "spark":
                options = [word for each in conf for word in ("--conf", each)]
                command = ("build", "--json", "--spark", "local[2]", *options)
                built = reelhouse(*command, env=env, cwd=tmp_path, python=str(python), seconds=1500)
            else:
                built = world.run("build", "--json")
            assert (built.returncode, printed_json(built)["done"]) == (0, True), built.stderr
            tmdb.edit(count=30)
            tmdb.next_day()
        verified = world.run("verify", "--json")
        assert printed_json(verified)["problems"] == [], verified.stderr
        assert world.run_beside("build").returncode == 0
    assert differences(world.downloaded(tmp_path / "bucket"), tmp_path / "lake", without=LINEAGE) == []
    written = "".join(path.read_text() for path in events.rglob("*") if path.is_file())
    assert "fs.s3a.bucket" in written
    assert server.secret_key not in written
