"""Starting and ending: in a thread, in a process, from the command line; mistakes are one line."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from reelhouse.emulator import Emulator, EmulatorError
from reelhouse.emulator.__main__ import main
from tests.emulator.asking import DEFAULT_APPENDS, ask, export_ids, get

COMMAND = [sys.executable, "-m", "reelhouse.emulator"]


def test_a_process_of_its_own_behaves_like_a_thread() -> None:
    bodies = []
    for process in (False, True):
        with Emulator(movies=30, seed=8, process=process) as tmdb:
            edited = tmdb.edit(count=2)
            bodies.append([get(tmdb, f"movie/{number}").body for number in (*export_ids(tmdb), *edited)])
            assert tmdb.stats().requests == 33
    assert bodies[0] == bodies[1]


def test_two_emulators_run_side_by_side() -> None:
    with Emulator(movies=5, seed=1) as one, Emulator(movies=5, seed=2) as two:
        assert one.address != two.address
        assert one.url == f"{one.address}/3"
        assert two.exports_url == f"{two.address}/p/exports"
        get(one, "configuration")
        assert (one.stats().requests, two.stats().requests) == (1, 0)


@pytest.mark.parametrize("process", [False, True])
def test_a_taken_port_is_refused_in_one_line(process: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(EmulatorError, match=f"cannot listen on 127.0.0.1:{port}"),
            Emulator(port=port, process=process),
        ):
            pass


@pytest.mark.parametrize("setting", [{"movies": 0}, {"rate": -1}, {"fault_share": 2}, {"export_days": 0}])
def test_an_invalid_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(EmulatorError):
        Emulator(**setting)


def test_the_command_line_refuses_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--faults", "chaos"]) == 2
    assert main(["--payloads", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("no fault profile 'chaos'")
    assert str(tmp_path) in lines[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--movies", "50"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert ask(address, "/-/stats").status == 200
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_a_million_movies_start_at_once_and_cost_no_memory() -> None:
    with Emulator(movies=1_000_000, process=True) as tmdb:
        # Other tests' servers may be children of this process too.
        (server,) = (each for each in psutil.Process().children() if "reelhouse.emulator" in each.cmdline())
        took = server.cpu_times()
        for row in get(tmdb, "movie/popular").json()["results"]:
            get(tmdb, f"movie/{row['id']}?append_to_response={DEFAULT_APPENDS}")
        assert server.memory_info().rss < 100 << 20
    assert took.user + took.system < 2


def test_it_imports_nothing_else_of_reelhouse() -> None:
    code = "import sys, reelhouse.emulator.__main__; print([m for m in sys.modules if m.startswith('reelhouse.')])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(name.startswith("reelhouse.emulator") for name in eval(printed))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "127.0.0.2"}, 200),
        ({"Host": "[::1]:9"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "192.168.0.7"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[bad"}, 403),
    ],
)
def test_the_control_api_refuses_requests_made_for_another_name(
    fresh: Emulator, headers: dict[str, str], status: int
) -> None:
    for method, path in (("GET", "/-/stats"), ("POST", "/-/reset-stats")):
        assert ask(fresh.address, path, headers, method).status == status


def test_the_api_itself_takes_any_name(fresh: Emulator) -> None:
    headers = {"Host": "tmdb.test", "Origin": "https://elsewhere.example", "Authorization": "Bearer any"}
    assert ask(fresh.address, "/3/configuration", headers).status == 200


@pytest.mark.parametrize(("movies", "series", "expected"), [(200, None, 20), (3, None, 1), (30, 7, 7)])
def test_the_number_of_series_follows_the_movies_unless_given(movies: int, series: int | None, expected: int) -> None:
    with Emulator(movies=movies, series=series) as tmdb:
        assert tmdb.stats().living["tv"] == expected


def test_a_negative_number_of_series_is_refused() -> None:
    with pytest.raises(EmulatorError, match="series is -1"):
        Emulator(series=-1)
