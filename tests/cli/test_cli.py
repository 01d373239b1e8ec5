"""The command line: what it prints where, how it ends, and how quickly it says what it can do."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from botocore.exceptions import ClientError
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from reelhouse import __version__
from reelhouse.bootstrap.storage import has_lake
from reelhouse.cli.help.examples import EXAMPLES
from reelhouse.cli.main import main
from reelhouse.cli.terminal import display
from reelhouse.collect.verify import verify
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ReelhouseError
from reelhouse.raw.inbox import put_message
from reelhouse.settings import FILE
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.s3 import S3Storage
from tests import s3servers, serving

MOVIE = ENTITIES["movie"]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature"

Here = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
    return kept | more


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The installed command in a process of its own, in an empty folder."""

    def run(*arguments: str, given: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reelhouse.cli.main", *arguments],
            cwd=tmp_path,
            env=_environ(**environ),
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """The command in this process, in an empty folder."""

    def here(*arguments: str, given: str = "", **environ: str) -> Result:
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        with chdir(tmp_path):
            return CliRunner(env={**unset, **environ}).invoke(main, arguments, input=given)

    return here


@pytest.fixture(scope="module")
def tmdb() -> Iterator[dict[str, str]]:
    """A TMDB of nine movies, the ninth of which is gone; what of the environment points to it."""
    rows = b"".join(b'{"adult":false,"id":%d,"popularity":%d.5,"video":false}\n' % (id_, id_) for id_ in range(1, 10))

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/p/exports/"):
            return web.Response(body=gzip.compress(rows))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return serving.verdict(401, 7, "Invalid API key: You must be granted a valid key.")
        if request.path.endswith("/changes"):
            return serving.json({"results": [], "page": 1, "total_pages": 1, "total_results": 0})
        if request.path.endswith("/configuration"):
            return serving.json({"images": {}})
        id_ = int(request.path.rpartition("/")[2])
        body = dict.fromkeys(MOVIE.core) | {name: {} for name in MOVIE.default_appends} | {"id": id_}
        return serving.verdict(404, 34) if id_ == 9 else serving.json(body)

    with serving.serving(answering) as server:
        yield {
            "TMDB_TOKEN": TOKEN,
            "REELHOUSE_TMDB_URL": f"{server.url}/3",
            "REELHOUSE_EXPORTS_URL": f"{server.url}/p/exports",
            "REELHOUSE_RATE": "0",
        }


def test_help_is_there_for_the_whole_and_for_every_command() -> None:
    whole = CliRunner().invoke(main, ["--help"])
    assert whole.exit_code == 0
    # Without a command too.
    assert CliRunner().invoke(main, []).output == whole.output
    assert set(main.commands) >= {"init", "plan", "collect", "build", "sync", "verify", "status", "sql", "tables"}
    for name, command in main.commands.items():
        assert f"\n  {name} " in whole.output
        for flag in ("--help", "-h"):
            shown = CliRunner().invoke(main, [name, flag])
            assert shown.exit_code == 0, shown.output
            assert command.help is not None
            assert command.help.split("\n")[0].split(":")[0][:40] in shown.output
        for parameter in command.params:
            for option in (each for each in parameter.opts if each.startswith("--")):
                assert option in shown.output


def test_every_option_says_what_it_is_for() -> None:
    for name, command in main.commands.items():
        silent = [
            each.name for each in command.params if each.param_type_name == "option" and not getattr(each, "help", "")
        ]
        assert silent == [], name


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.strip() == f"reelhouse, version {__version__}"


def _child(*arguments: str) -> tuple[str, float]:
    """What a fresh Python prints, and how many seconds of CPU it took."""
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, *arguments], stdout=write, env=_environ())
    os.close(write)
    with os.fdopen(read) as output:
        printed = output.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return printed, usage.ru_utime + usage.ru_stime


def test_the_demo_s_help_names_the_lake_that_it_makes() -> None:
    said = " ".join(CliRunner().invoke(main, ["demo", "--help"]).output.split())
    assert "(default ./demo-lake, whatever REELHOUSE_LAKE says)" in said
    assert "default ./lake)" not in said


def test_help_takes_under_a_third_of_a_second() -> None:
    assert min(_child("-m", "reelhouse.cli.main", "--help")[1] for _ in range(3)) < 0.3


def test_an_object_that_ctrl_c_left_half_made_ends_without_a_traceback() -> None:
    program = (
        "from reelhouse.cli import main as cli\n"
        "class Half:\n    def __del__(self): raise AttributeError('_closed')\n"
        "cli.main.add_command(cli.click.Command('half', callback=lambda: Half() and None))\n"
        "cli.main(['half'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=_environ(), check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_where_python_ignores_exceptions_ends_the_command_all_the_same() -> None:
    program = (
        "import signal, threading\n"
        "from reelhouse.cli import main as cli\n"
        "class Ending:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "def end():\n    Ending()\n    threading.Event().wait(30)\n"
        "cli.main.add_command(cli.click.Command('end', callback=end))\n"
        "cli.main(['end'])"
    )
    _check_interrupted(program)


def test_ctrl_c_that_an_import_drops_ends_the_command_all_the_same(tmp_path: Path) -> None:
    # As modules in C do while they begin.
    (tmp_path / "dropping.py").write_text(
        "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: pass"
    )
    program = (
        "import sys, threading\n"
        f"sys.path.append({str(tmp_path)!r})\n"
        "from reelhouse.cli import main as cli\n"
        "def end():\n    import dropping\n    threading.Event().wait(30)\n"
        "cli.main.add_command(cli.click.Command('end', callback=end))\n"
        "cli.main(['end'])"
    )
    _check_interrupted(program)


def _check_interrupted(program: str) -> None:
    """Run a *program* that waits for 30 seconds after Ctrl-C has come: it ends before, and says so."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=_environ(), check=False)
    assert (done.returncode, done.stderr) == (130, "reelhouse: interrupted\n")
    assert time.monotonic() - began < 25


_HEAVY = {
    *("aiohttp", "asyncio", "boto3", "botocore", "jmespath", "rich", "msgspec", "http.client", "reelhouse.settings"),
    *("pyarrow", "pandas", "numpy", "pyspark", "pysail", "deltalake", "duckdb", "sqlglot", "reelhouse.emulator"),
}


@pytest.mark.parametrize(
    "words, loaded",
    [
        (["--help"], set()),
        (["sync", "--help"], set()),
        (["--lake", "lake", "status"], {"rich", "msgspec", "reelhouse.settings"}),
        # Marts are declared beside the functions that make them, so the dictionary takes the client of Spark.
        (["tables"], {"rich", "msgspec", "reelhouse.settings", "pyspark"}),
        (["verify"], {"rich", "msgspec", "reelhouse.settings", "asyncio", "jmespath", "http.client"}),
    ],
)
def test_a_command_that_only_looks_loads_what_it_needs(tmp_path: Path, words: list[str], loaded: set[str]) -> None:
    put_message(FolderStorage(tmp_path / "lake"), "wish", "movie", run="full")
    program = (
        f"import os, sys; os.chdir({str(tmp_path)!r})\n"
        "from click.testing import CliRunner; from reelhouse.cli.main import main\n"
        f"done = CliRunner().invoke(main, {words!r}); assert done.exit_code == 0, done.output\n"
        f"print(*({_HEAVY!r} & set(sys.modules)))"
    )
    assert set(_child("-c", program)[0].split()) <= loaded


def test_init_writes_a_file_that_loads_and_says_the_terms(here: Here, tmp_path: Path) -> None:
    done = here("init")
    assert done.exit_code == 0
    assert "six months" in done.stdout
    assert "not endorsed" in done.stdout
    assert FILE in done.stderr
    written = (tmp_path / FILE).read_text()
    # It loads: the settings are not a lake yet, and nothing else is wrong.
    assert "there is no lake" in here("status").stderr
    again = here("init")
    assert again.exit_code == 2
    assert again.stderr == f"reelhouse: {FILE} exists; --force replaces it\n"
    (tmp_path / FILE).write_text("changed")
    assert here("init", "--force").exit_code == 0
    assert (tmp_path / FILE).read_text() == written


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["collect"], {}, "token is missing"),
        (["collect"], {"TMDB_TOKEN": "0123456789abcdef" * 2}, "this is the API Key"),
        (["plan"], {"REELHOUSE_RATE": "fast"}, "rate: a number is expected"),
        (["status"], {"REELHOUSE_LAKE": "gopher://lake"}, "a folder"),
        (["collect", "--discover", "with_genres"], {}, "KEY=VALUE is expected"),
        (
            ["collect", "--top", "5", "--entity", "network"],
            {"TMDB_TOKEN": TOKEN},
            "networks are not listed by popularity",
        ),
        (["collect", "--top", "5", "--entity", "lists"], {"TMDB_TOKEN": TOKEN}, "not listed by popularity"),
        (["plan", "--discover", "year=1999", "--entity", "job"], {"TMDB_TOKEN": TOKEN}, "TMDB cannot discover job"),
        (["collect", "--discover", "with_genre=18"], {"TMDB_TOKEN": TOKEN}, "did you mean 'with_genres'?"),
        (["collect", "--ids", "-"], {"TMDB_TOKEN": TOKEN}, "the list has no ids"),
        (["collect"], {"TMDB_TOKEN": TOKEN, "REELHOUSE_RECORD_FILTER": "a >"}, "not a JMESPath expression"),
        (["collect"], {"TMDB_TOKEN": TOKEN, "REELHOUSE_APPEND": "credit"}, "did you mean 'credits'?"),
        (["collect", "--top", "0"], {}, "--top"),
        (["no-such-command"], {}, "no-such-command"),
        (["collect", "--no-such-option"], {}, "--no-such-option"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_one_line_that_names_it(
    here: Here, arguments: list[str], environ: dict[str, str], says: str
) -> None:
    done = here(*arguments, **environ)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_list_that_is_cut_is_one_line(here: Here, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_bytes("id,title\n550,x\n".encode("utf-16")[:-1])
    done = here("collect", "--ids", "ids.csv", TMDB_TOKEN=TOKEN)
    assert done.exit_code == 2
    assert done.stderr.startswith("reelhouse: ids: the list is cut in the middle of a character of UTF-16")
    assert len(done.stderr.splitlines()) == 1


def test_what_s3_refuses_for_a_wrong_secret_or_name_is_a_mistake_of_the_user(
    here: Here, tmdb: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    for command in ("status", "collect", "verify"):
        done = here("--lake", "s3://no-such-bucket/lake", command, **tmdb)
        assert (done.exit_code, "there is no bucket 'no-such-bucket'" in done.stderr) == (2, True), done.stderr

    def refused(storage: object, key: str) -> int:
        raise storage._failed(key, ClientError({"Error": {"Code": "SignatureDoesNotMatch"}}, "HeadObject"))  # type: ignore[attr-defined]

    monkeypatch.setattr(S3Storage, "size", refused)
    done = here("--lake", f"s3://{s3servers.fresh_bucket(server)}/lake", "status", **tmdb)
    assert (done.exit_code, "the AWS access key or its secret is wrong" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("command", ["status", "collect", "tables"])
def test_a_lake_without_a_name_is_a_mistake(here: Here, command: str) -> None:
    for done in (here(command, REELHOUSE_LAKE=""), here(command, REELHOUSE_LAKE=" "), here("--lake", "", command)):
        assert (done.exit_code, "lake: " in done.stderr, "empty" in done.stderr) == (2, True, True), done.stderr


def test_other_errors_end_with_1_and_one_line(here: Here, tmp_path: Path, tmdb: dict[str, str]) -> None:
    denied = here("collect", **{**tmdb, "TMDB_TOKEN": "eyJ.another.token"}, REELHOUSE_LAKE="denied")
    assert denied.exit_code == 2
    assert "Invalid API key" in denied.stderr
    assert "Set TMDB_TOKEN to the API Read Access Token" in denied.stderr
    assert "eyJ.another.token" not in denied.stderr + denied.stdout
    (tmp_path / "file").write_text("")
    blocked = here("collect", **tmdb, REELHOUSE_LAKE="file")
    assert blocked.exit_code == 1
    assert "a part of the path is a file" in blocked.stderr
    assert all(isinstance(done.exception, SystemExit) for done in (denied, blocked))


_NEED_A_LAKE = [
    ("verify",),
    ("build",),
    ("status",),
    ("sql", "select 1"),
    ("tables",),
    ("purge", "--all", "--yes"),
    ("purge", "--older-than", "180d", "--dry-run"),
    ("maintain",),
    ("export", "--to", "out.sqlite"),
    ("register", "--catalog", "glue", "--database", "d"),
    ("import", "ratings", "--drop"),
]


@pytest.mark.parametrize("place", ["nowhere", "empty", "settings", "other", "bucket"])
def test_commands_that_do_not_begin_a_lake_end_with_2_without_one(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    lake = place
    if place == "bucket":
        server = s3servers.started("moto")
        s3servers.aim(monkeypatch, server)
        bucket = s3servers.fresh_bucket(server)
        first = "lake/_reelhouse/runs/movie/000001/plan.json"
        s3servers.client(server).put_object(Bucket=bucket, Key=first, Body=b"{}")
        lake = f"s3://{bucket}/lak"
    elif place != "nowhere":
        (tmp_path / place / "raw").mkdir(parents=True)
        (tmp_path / place / "builds").mkdir()
    if place == "settings":
        (tmp_path / place / FILE).write_text("")
    if place == "other":
        for name in ("raw/data.csv", "builds/app.tar", "runs.txt"):
            (tmp_path / place / name).write_text("somebody else's")
    before = sorted(tmp_path.rglob("*"))
    # A bucket is slow, and is asked in one place for all commands.
    for command in _NEED_A_LAKE[:4] if place == "bucket" else _NEED_A_LAKE:
        environ = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
        done = here("--lake", lake, *command, **environ)
        assert done.exit_code == 2, (command, done.output)
        assert done.stdout == ""
        assert f"reelhouse: there is no lake at {lake}" in done.stderr, command
        if place == "bucket":
            assert f"(did you mean {lake}e?)" in done.stderr, command
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "command", [*_NEED_A_LAKE, ("plan",), ("collect",), ("sync",), ("tables", "movie")], ids=lambda command: command[0]
)
def test_a_lake_of_format_1_is_refused_in_one_line(here: Here, tmp_path: Path, command: tuple[str, ...]) -> None:
    plan = tmp_path / "old/runs/000001/plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text('{"format":1}')
    done = here("--lake", "old", *command, TMDB_TOKEN="eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is a lake of format 1, which this reelhouse does not read" in done.stderr


@pytest.mark.parametrize("inner", ["tables/movie", "raw", "else/where"])
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_no_lake_begins_in_another_one(here: Here, tmp_path: Path, place: str, inner: str) -> None:
    plan = "_reelhouse/runs/movie/000001/plan.json"
    outer, more = str(tmp_path / "outer"), {}
    if place == "folder":
        (tmp_path / "outer" / plan).parent.mkdir(parents=True)
        (tmp_path / "outer" / plan).write_text("{}")
    else:
        server = s3servers.started("moto")
        outer, more = f"s3://{s3servers.fresh_bucket(server)}/outer", server.environ
        s3servers.client(server).put_object(Bucket=outer.split("/")[2], Key=f"outer/{plan}", Body=b"{}")
    done = here("--lake", f"{outer}/{inner}", "collect", TMDB_TOKEN="eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature", **more)
    assert done.exit_code == 2
    assert f"lies in the lake at {outer}: take a place outside" in done.stderr


def test_a_lake_in_the_file_may_be_in_the_home_folder(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "reelhouse.toml").write_text('lake = "~/films"\n')
    (tmp_path / "mine.csv").write_text("a\n1\n")
    assert here("import", "mine", "mine.csv").exit_code == 0
    assert (tmp_path / "home" / "films" / "_reelhouse").is_dir()
    assert not (tmp_path / "~").exists()


def test_no_log_is_appended_to_a_lakes_own_objects(here: Here, tmp_path: Path) -> None:
    manifest = tmp_path / "lake" / "_reelhouse" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    done = here("--lake", "lake", "status", "--log-file", "lake/_reelhouse/manifest.json")
    assert done.exit_code == 2
    assert "--log-file: lake/_reelhouse/manifest.json lies in a lake" in done.stderr
    assert manifest.read_text() == "{}"


@pytest.mark.parametrize(
    "there", ["tables/mine.csv", "marts/models/a.sql", "tables/in/_reelhouse/runs/movie/000001/plan.json"]
)
def test_no_lake_begins_around_what_a_purge_of_it_would_erase(here: Here, tmp_path: Path, there: str) -> None:
    (tmp_path / "lake" / there).parent.mkdir(parents=True)
    (tmp_path / "lake" / there).write_text("{}")
    done = here("--lake", "lake", "collect", TMDB_TOKEN="eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature")
    assert done.exit_code == 2
    assert f"has {there}, which is not of a lake: take an empty place" in done.stderr


def test_a_lake_close_by_is_named(here: Here, tmp_path: Path) -> None:
    for name in ("filme", "lake-2025"):
        (tmp_path / name / "_reelhouse/runs/movie/000001").mkdir(parents=True)
        (tmp_path / name / "_reelhouse/runs/movie/000001/plan.json").write_text("{}")
    assert f"(did you mean {tmp_path / 'filme'}?)" in here("--lake", "films", "verify").stderr
    assert f"(did you mean {tmp_path / 'lake-2025'}?)" in here("--lake", "lake-2026", "verify").stderr
    # One that stands above the lake, or in it.
    assert f"(did you mean {tmp_path / 'filme'}?)" in here("--lake", "filme/runs", "verify").stderr
    (tmp_path / "lake-2025/_reelhouse/runs/movie/000001/plan.json").unlink()
    assert f"(did you mean {tmp_path / 'filme'}?)" in here("--lake", ".", "verify").stderr


def test_the_data_dictionary_needs_no_lake_unless_one_is_named(here: Here) -> None:
    assert here("tables", "movie").exit_code == 0
    assert here("--lake", "films", "tables", "movie").exit_code == 2
    assert here("tables", "movy").exit_code == 2


@pytest.mark.parametrize(
    "key",
    [
        "raw/movie/2026/03/02/000002-00000-0a1b2c3d.jsonl.gz",
        "Raw/Local/CSV/Movies/2026/03/02/movies.csv",
        "raw/exports/movie_ids/2026/03/02/movie_ids_03_02_2026-0123456789ab.json.gz",
        "_reelhouse/runs/movie/000007/receipts/00000-0.json",
        "_reelhouse/ledger/movie/000002-000002.001.sqlite.gz",
        "_reelhouse/inbox/an-event.json",
        "_reelhouse/imports.json",
        "_reelhouse/manifest.json",
        "tables/movie/_delta_log/00000000000000000000.json",
    ],
)
def test_any_object_of_a_lake_makes_it_a_lake(key: str) -> None:
    storage = MemoryStorage()
    assert not has_lake(storage)
    storage.put(FILE, b"")
    assert not has_lake(storage)
    storage.put(key, b"")
    assert has_lake(storage)


def _one_object(done: subprocess.CompletedProcess[str] | Result) -> dict[str, object]:
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.long
def test_json_is_one_object_on_stdout_and_nothing_else(run: Run, tmdb: dict[str, str]) -> None:
    shown = run("plan", "--json", "--top", "5", **tmdb)
    assert shown.returncode == 0
    assert _one_object(shown)["requested"] == 5
    opened = run("collect", "--json", "--max-requests", "4", **tmdb)
    assert opened.returncode == 1
    found = _one_object(opened)
    assert (found["requested"], found["pending"], found["complete"]) == (9, 5, False)
    assert "max_requests" in str(found["reason"])
    status = _one_object(run("status", "--json", **tmdb))
    assert isinstance(status["open_runs"], list)
    assert [(one["entity"], one["pending"]) for one in status["open_runs"]] == [("movie", 5)]
    done = run("collect", "--json", **tmdb)
    assert done.returncode == 0
    found = _one_object(done)
    assert (found["requested"], found["landed"], found["gone"], found["pending"]) == (9, 8, 1, 0)
    assert (found["complete"], found["clean"], found["reason"]) == (True, True, None)


def test_a_list_comes_from_stdin_too(here: Here, tmdb: dict[str, str]) -> None:
    done = here("collect", "--json", "--ids", "-", given="3\n\n5\n3\n", **tmdb)
    assert done.exit_code == 0
    assert "rows of the list without an id: 1" in done.stderr
    found = _one_object(done)
    assert (found["requested"], found["causes"]) == (2, {"listed": 2})


def test_the_result_is_on_stdout_and_progress_is_not(here: Here, tmdb: dict[str, str]) -> None:
    done = here("collect", "--top", "3", **tmdb)
    assert done.exit_code == 0
    assert "complete, no quarantine" in done.stdout
    assert "planning" not in done.stdout
    assert "known" in here("status", **tmdb).stdout


def test_a_closed_pipe_gives_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "lake/_reelhouse/inbox").mkdir(parents=True)
    (tmp_path / "lake/_reelhouse/inbox/an-event.json").write_text("")
    for arguments in (["--help"], ["status"], ["status", "--json"], ["init"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-m", "reelhouse.cli.main", *arguments],
            stdout=write,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=_environ(),
            text=True,
            check=False,
            timeout=30,
        )
        os.close(write)
        assert "Traceback" not in done.stderr, arguments
        assert "BrokenPipe" not in done.stderr, arguments
        assert done.returncode == 1, arguments


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX closes it")
@pytest.mark.parametrize("arguments", ["sql -", "collect --ids -"])
def test_a_closed_stdin_that_is_to_be_read_is_named(arguments: str, tmp_path: Path) -> None:
    closing = ["sh", "-c", f'exec "$0" -m reelhouse {arguments} <&-', sys.executable]
    done = subprocess.run(
        closing, capture_output=True, cwd=tmp_path, env=_environ(), text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith("reelhouse: stdin is closed (<&-)")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_left_for_a_closed_pipe_does_not_change_the_exit_code() -> None:
    program = (
        "from reelhouse.cli import main as cli\n"
        "def half():\n    print('begun')\n    raise BrokenPipeError\n"
        "cli.main.add_command(cli.click.Command('half', callback=half))\n"
        "cli.main(['half'])"
    )
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=_environ(), check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.fixture
def two() -> Iterator[None]:
    """A second entity is declared, in a group, and no other beside movies."""
    second = replace(MOVIE, name="gadget", plural="gadgets", words="gadget", group="things", course_name="gadgets")
    declared = dict(ENTITIES)
    ENTITIES.clear()
    ENTITIES.update({MOVIE.name: MOVIE, "gadget": second})
    yield
    ENTITIES.clear()
    ENTITIES.update(declared)


@pytest.mark.parametrize(
    ("arguments", "environ", "collected"),
    [
        ([], {}, ["movie"]),
        (["--entity", "gadget"], {}, ["gadget"]),
        (["--entity", "gadget", "--entity", "movie"], {}, ["movie", "gadget"]),
        (["--entity", "gadget, movie"], {}, ["movie", "gadget"]),
        (["--entity", "all"], {}, ["movie", "gadget"]),
        (["--entity", "things"], {}, ["gadget"]),
        ([], {"REELHOUSE_ENTITIES": "gadget, movie"}, ["movie", "gadget"]),
        (["--entity", "movie"], {"REELHOUSE_ENTITIES": "all"}, ["movie"]),
    ],
)
@pytest.mark.usefixtures("two")
def test_what_is_collected_is_what_was_selected(
    here: Here, tmdb: dict[str, str], arguments: list[str], environ: dict[str, str], collected: list[str]
) -> None:
    done = here("plan", "--json", *arguments, **tmdb, **environ)
    assert done.exit_code == 0, done.stderr
    assert [run["entity"] for run in json.loads(done.stdout)["runs"]] == collected


@pytest.mark.parametrize("place", ["option", "environment", "file", "init"])
@pytest.mark.usefixtures("two")
def test_an_entity_that_does_not_exist_is_refused_with_a_hint(here: Here, tmp_path: Path, place: str) -> None:
    if place == "file":
        (tmp_path / FILE).write_text('entities = ["movie", "gadgte"]\n')
    given = {"REELHOUSE_ENTITIES": "gadgte"} if place == "environment" else {}
    arguments = {"option": ["plan", "--entity", "gadgte"], "init": ["init", "--entities", "gadgte"]}
    done = here(*arguments.get(place, ["plan"]), TMDB_TOKEN=TOKEN, **given)
    assert (done.exit_code, "'gadgte' is not collected (did you mean 'gadget'?)" in done.stderr) == (2, True)


@pytest.mark.usefixtures("two")
def test_init_writes_what_to_collect(here: Here, tmp_path: Path, tmdb: dict[str, str]) -> None:
    assert here("init").exit_code == 0
    assert '\n# entities = ["movie"]\n' in (tmp_path / FILE).read_text()
    assert here("init", "--force", "--entities", "all").exit_code == 0
    assert '\nentities = ["all"]\n' in (tmp_path / FILE).read_text()
    runs = json.loads(here("plan", "--json", **tmdb).stdout)["runs"]
    assert [run["entity"] for run in runs] == ["movie", "gadget"]


@pytest.mark.usefixtures("two")
def test_plan_adds_up_all_entities_and_says_when_each_would_be_done(here: Here, tmdb: dict[str, str]) -> None:
    arguments = ("plan", "--entity", "all")
    found = json.loads(here(*arguments, "--json", **{**tmdb, "REELHOUSE_RATE": "3"}).stdout)
    assert [(run["entity"], run["requests"], run["done_after_seconds"]) for run in found["runs"]] == [
        ("movie", 9, 6.0),
        ("gadget", 9, 6.0),
    ]
    assert (found["totals"]["requests"], found["totals"]["seconds"], found["failures"]) == (18, 6.0, {})
    size = MOVIE.bytes_at_rest * 9
    memory = found["runs"][0]["build_memory"]
    assert [(run["bytes"], run["build_memory"]) for run in found["runs"]] == [(size, memory)] * 2
    assert memory > size
    assert (found["totals"]["bytes"], found["totals"]["build_memory"]) == (2 * size, memory)
    shown = here(*arguments, **tmdb).stdout
    assert "All entities" in shown
    assert "in all" in shown


@pytest.mark.usefixtures("two")
def test_a_lost_run_of_one_entity_is_named_by_plan_and_status(here: Here, tmp_path: Path, tmdb: dict[str, str]) -> None:
    (tmp_path / "lake/raw/movie/2026/03/01").mkdir(parents=True)
    (tmp_path / "lake/raw/movie/2026/03/01/000003-00000-12345678.jsonl.gz").write_bytes(b"")
    done = here("plan", "--entity", "all", "--json", **tmdb)
    found = json.loads(done.stdout)
    assert (done.exit_code, [run["entity"] for run in found["runs"]], list(found["failures"])) == (
        1,
        ["gadget"],
        ["movie"],
    )
    assert "the plan of movie run 3 is gone" in here("status", **tmdb).stderr
    assert "the plan of movie run 3 is gone" in here("plan", **tmdb).stderr


def test_an_output_that_cannot_be_written_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "movies.csv"
    path.write_text("before")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, allowed[1]))
    try:
        with pytest.raises(ReelhouseError, match="what is there stays as it was"):
            display.text("x" * 10_000, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("movies.csv", "before")]


@pytest.mark.parametrize("arguments", [("tables",), ("tables", "--json"), ("--help",)])
def test_an_output_that_takes_nothing_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "reelhouse.cli.main", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=_environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "reelhouse: the output failed: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_a_command_that_works_does_so_though_its_output_was_closed_before(
    tmp_path: Path, tmdb: dict[str, str], closed: str
) -> None:
    shell = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "reelhouse.cli.main", "collect"]
    done = subprocess.run(shell, cwd=tmp_path, env=_environ(**tmdb), capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert verify(FolderStorage(tmp_path / "lake")).clean


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"LANG": "C"}, "ça東"),
        ({"LC_ALL": "C"}, "ça東"),
        ({"PYTHONIOENCODING": "ascii"}, "ça東"),
        ({"PYTHONIOENCODING": "latin-1"}, "ça\\u6771"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
    ],
)
def test_every_title_and_name_is_shown_whatever_the_output_s_encoding(
    tmp_path: Path, environ: dict[str, str], name: str
) -> None:
    locale = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8")
    kept = {key: value for key, value in _environ().items() if key not in locale} | environ

    def said(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "reelhouse.cli.main", *words, "--lake", "ça東"]
        done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, check=False)
        encoding = "latin-1" if "latin-1" in environ.values() else "utf-8"
        return done.returncode, (done.stdout + done.stderr).decode(encoding)

    code, text = said("verify", "--layout", "course")
    assert (code, text.startswith(f"{name}: not valid" if name else "\\udc")) == (1, True), text
    code, text = said("status")
    assert (code, f"there is no lake at {name}" in text) == (2, True), text


@pytest.mark.parametrize(
    "arguments", [("tables",), ("tables", "movie", "--json"), ("status",), ("sql", "select 1"), ("help",), ("-h",)]
)
def test_a_command_that_only_shows_fails_if_its_output_was_closed_before(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "lake/_reelhouse/inbox").mkdir(parents=True)
    (tmp_path / "lake/_reelhouse/inbox/an-event.json").write_text("")
    shell = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-m", "reelhouse.cli.main", *arguments]
    done = subprocess.run(shell, cwd=tmp_path, env=_environ(), capture_output=True, text=True, check=False)
    said = "reelhouse: the output is closed (>&-): leave it open, or redirect it to a file\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "text"),
    [
        (("status",), "ConfigError", 2, "there is no lake"),
        (("verify", "--layout", "none"), "UsageError", 2, "'none' is not one of"),
        (("build", "--nonsense"), "UsageError", 2, "No such option"),
        (("sql", "delete from movie"), "ConfigError", 2, ""),
        (("collect", "--ids", "nowhere.txt"), "UsageError", 2, "No such file"),
    ],
)
def test_an_error_is_a_json_object_too(here: Here, arguments: tuple[str, ...], kind: str, code: int, text: str) -> None:
    plain, done = here(*arguments), here(*arguments, "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit_code"], done.stdout.count("\n")) == (kind, code, 1)
    assert text in error["message"]
    assert (plain.exit_code, plain.stdout) == (done.exit_code, "") == (code, "")
    assert plain.stderr == done.stderr


class PanicException(BaseException):
    """As Rust's libraries raise it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory: free memory, or raise the limits"),
        (RuntimeError("can't start new thread"), "can't start new thread: free memory, or raise the limits"),
        (ImportError("x.so: failed to map segment"), "a package cannot be loaded: x.so: failed to map segment"),
        (OSError(28, "No space left on device", f"{tempfile.gettempdir()}/x"), "TMPDIR names another folder"),
        (sqlite3.OperationalError("database or disk is full"), "TMPDIR names another"),
        (PanicException("no thread"), "a library of the table engine has failed: no thread"),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    here: Here, monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("reelhouse.cli.status.tables", fail)
    done = here("tables")
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_each_command_s_help_ends_with_examples_that_it_takes(here: Here, tmp_path: Path) -> None:
    for name in ("links.csv", "gone.csv", "ratings.csv", "question.sql", "movies.csv", "reelhouse.toml"):
        (tmp_path / name).write_text("")
    assert EXAMPLES.keys() == main.commands.keys()
    for name, command in main.commands.items():
        shown = here("help", name).stdout
        assert shown == here(name, "--help").stdout
        assert shown.rstrip().split("\n\n")[-1].splitlines() == ["Examples:", *(f"  {line}" for line in EXAMPLES[name])]
        for line in EXAMPLES[name]:
            program, called, *arguments = shlex.split(line)
            assert (program, called) == ("reelhouse", name)
            with chdir(tmp_path):
                command.make_context(name, arguments).close()
    assert here("help").stdout == here("--help").stdout
    wrong = here("help", "collct")
    assert (wrong.exit_code, "did you mean 'collect'?" in wrong.stderr) == (2, True)


def test_the_lake_is_named_before_or_after_the_command(here: Here, tmp_path: Path) -> None:
    for words in (
        ("--lake", "one", "status"),
        ("status", "--lake", "one"),
        ("--lake", "two", "status", "--lake", "one"),
    ):
        assert "there is no lake at one" in here(*words).stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("st", ["status"]),
        ("help co", ["collect"]),
        ("collect --entity comp", ["company"]),
        ("show comp", ["company"]),
        ("tables movie_ca", ["movie_cast"]),
        ("export --tables movie,movie_ca", ["movie,movie_cast"]),
        ("--lake nosuch tables movie_ca", ["movie_cast"]),
    ],
)
def test_a_shell_completes_commands_entities_and_tables(words: str, completed: list[str]) -> None:
    *before, begun = words.split()
    found = ShellComplete(main, {}, "reelhouse", "_REELHOUSE_COMPLETE").get_completions(before, begun)
    assert [item.value for item in found] == completed
