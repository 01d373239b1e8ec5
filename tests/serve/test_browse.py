"""A lake in datasette: described, searchable, with images, and with queries that run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from reelhouse.cli.reading.browse import _end, _serve
from reelhouse.ctrl_c import ending_signals, handled
from reelhouse.serve.browse.metadata import add_search, metadata_place
from reelhouse.serve.export.tables import look
from reelhouse.serve.export.targets import target_of
from tests.warehouse.landing import LakeInTheMaking


@pytest.fixture(scope="module")
def database(three_movies: LakeInTheMaking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browse") / "films.sqlite"
    snapshot = look(three_movies.storage)
    target_of(str(path)).export(snapshot, full=True, step=lambda text: None)
    add_search(path, [table.spec for table in snapshot.tables])
    return path


@pytest.fixture(scope="module")
def metadata(database: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(metadata_place(database).read_text(encoding="utf-8"))
    return found


def datasette(database: Path, **more: Any) -> Any:
    """datasette with our plugins. Its import costs every process that collects tests two seconds of CPU."""
    from datasette.app import Datasette

    plugins = str(files("reelhouse.serve.browse") / "plugins")
    return Datasette([], immutables=[str(database)], plugins_dir=plugins, **more)


def answers(database: Path, *paths: str) -> list[str]:
    """What datasette answers, without a server."""
    metadata = json.loads(metadata_place(database).read_text(encoding="utf-8"))
    served = datasette(database, metadata=metadata)

    async def ask() -> list[str]:
        found = [await served.client.get(path, follow_redirects=True) for path in paths]
        assert [each.status_code for each in found] == [200] * len(paths)
        return [each.text for each in found]

    return asyncio.run(ask())


def test_an_export_comes_with_what_the_dictionary_says(metadata: dict[str, Any]) -> None:
    tables = metadata["databases"]["films"]["tables"]
    assert tables["dim_language"]["label_column"] == "english_name"
    assert tables["dim_movie"]["label_column"] == "title"
    assert tables["dim_movie"]["facets"] == ["status", "original_language", "release_decade"]
    assert "US dollars" in tables["fact_movie"]["columns"]["budget_usd"]
    assert "not endorsed" in metadata["description"]
    assert "JustWatch" in metadata["description"]


def test_its_queries_run(database: Path, metadata: dict[str, Any]) -> None:
    queries = metadata["databases"]["films"]["queries"]
    assert {"roi_by_genre", "best_directors", "by_language", "co_stars"} <= queries.keys()
    found = answers(database, *(f"/films/{name}.json?_shape=array" for name in queries))
    rows = dict(zip(queries, map(json.loads, found), strict=True))
    assert rows["best_directors"] == [{"director": "D", "movies": 3, "weighted_rating": 7.5, "votes": 300}]
    assert [row["roi"] for row in rows["roi_by_genre"]] == [2.0]


def test_names_are_found_keys_lead_on_and_paths_are_images(database: Path) -> None:
    found, crew, page = answers(
        database,
        "/films/dim_movie.json?_search=movie+2&_shape=array",
        "/films/movie_crew.json?_labels=on&_sort=movie_id&_shape=array",
        "/films/dim_movie",
    )
    assert [row["movie_id"] for row in json.loads(found)] == [2]
    assert json.loads(crew)[0]["movie_id"] == {"value": 1, "label": "Movie 1"}
    assert json.loads(crew)[0]["person_id"] == {"value": 9, "label": "D"}
    assert '<img src="https://image.tmdb.org/t/p/w92/1.jpg" alt="poster path"' in page


def test_a_request_for_another_host_is_refused(database: Path) -> None:
    found = asyncio.run(datasette(database).client.get("/films.json", headers={"Host": "evil.example"}))
    assert found.status_code == 403


@pytest.mark.parametrize(
    ("code", "expected"), [("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137), ("raise SystemExit(3)", 3)]
)
def test_a_server_that_was_killed_is_no_success(code: str, expected: int) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as server:
        assert _serve(server) == expected


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = "import os, signal, time; os.kill(os.getppid(), signal.SIGHUP); time.sleep(0.2); raise SystemExit(3)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (
            handled(ending_signals(), _end),
            subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as server,
        ):
            assert _serve(server) == 3
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_copy_goes_when_the_command_is_killed_before_it_is_made(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "lake.sqlite").touch()
    command = [sys.executable, "-P", "-m", "reelhouse.serve.browse.server", str(copy), "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(30) == 1
    assert not copy.exists()


@pytest.mark.long
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_command_serves_this_machine_only_and_leaves_nothing(
    three_movies: LakeInTheMaking, tmp_path: Path, ended_by: signal.Signals
) -> None:
    command = [sys.executable, "-m", "reelhouse.cli.main", "--lake", str(three_movies.root), "browse"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
    with subprocess.Popen(
        [*command, "--tables", "dim_movie,dim_genre"],
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        start_new_session=True,
    ) as served:
        assert served.stderr is not None
        try:
            line = next(line for line in served.stderr if "Uvicorn running on" in line)
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert address is not None
            with urllib.request.urlopen(f"{address[0]}/lake/dim_movie.json?_shape=array") as answer:
                assert len(json.load(answer)) == 3
        finally:
            # Only a terminal's Ctrl-C reaches the server as well.
            (os.killpg if ended_by is signal.SIGINT else os.kill)(served.pid, ended_by)
        killed = ended_by is signal.SIGKILL
        assert served.wait(30) == (-ended_by if killed else 0)
    # The server sees later than this process that the command was killed.
    waited = time.monotonic() + 30
    while killed and time.monotonic() < waited and any(tmp_path.iterdir()):
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match=r"refused|reset"):
        urllib.request.urlopen(address[0])
