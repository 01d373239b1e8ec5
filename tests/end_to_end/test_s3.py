"""A lake in a bucket is collected, built, asked and verified as one in a folder, and holds the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

import reelhouse as package
from reelhouse.bootstrap.storage import storage_of
from reelhouse.delta.engine import open_engine
from reelhouse.delta.log import Mode, commits_held, latest_version, read_commit
from reelhouse.emulator import Emulator
from reelhouse.engines import credential_server
from reelhouse.engines.credential_server import engine_environ
from reelhouse.engines.session import session_factory, session_of
from reelhouse.entities.movie import MOVIE
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, LakeError, OvertakenError
from reelhouse.settings import Settings
from reelhouse.storage.credentials import Credentials, S3Access
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3 import S3Storage
from reelhouse.tables.staging import staging_schema
from reelhouse.warehouse.run import build
from reelhouse.warehouse.verify import check_tables
from tests import s3servers
from tests.commits import commit
from tests.end_to_end.conftest import environment, printed_json
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.in_process import reelhouse
from tests.s3proxy import Answer, Fault, Request, done_and_says, lost, passes, proxied, says
from tests.s3servers import S3Server
from tests.serving import serving
from tests.warehouse.landing import LakeInTheMaking, a_movie

COUNT = 120
PREFIX = "lakes/of=tests+more"

_PLAIN = S3Options()

Opened = Callable[..., S3Storage]


@pytest.fixture(scope="module")
def server() -> S3Server:
    """One that checks signatures."""
    return s3servers.started("seaweedfs")


class World:
    """The same catalogue, collected into a bucket and into a folder."""

    def __init__(self, tmdb: Emulator, server: S3Server, folder: Path) -> None:
        self.tmdb = tmdb
        self.server = server
        self.bucket = s3servers.fresh_bucket(server)
        self.place = f"s3://{self.bucket}/{PREFIX}"
        self.folder = folder

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command on the lake in the bucket."""
        given = {**self.server.environ, "REELHOUSE_LAKE": self.place, **more}
        return reelhouse(*arguments, env=environment(self.tmdb, Path(), **given), cwd=self.folder)

    def run_beside(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same on the lake in the folder."""
        return reelhouse(*arguments, env=environment(self.tmdb, self.folder / "lake"), cwd=self.folder)

    def downloaded(self, into: Path) -> Path:
        """The bucket's lake as a folder."""
        for key in keys_of(self.server, self.bucket, PREFIX + "/"):
            path = into / key.removeprefix(PREFIX + "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            s3servers.client(self.server).download_file(self.bucket, key, str(path))
        return into


def keys_of(server: S3Server, bucket: str, prefix: str) -> list[str]:
    pages = s3servers.client(server).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(scope="module")
def world(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Emulator(movies=1500, seed=23, process=True) as tmdb:
        made = World(tmdb, server, tmp_path_factory.mktemp("world"))
        done = made.run("sync", "--top", str(COUNT), "--json")
        assert done.returncode == 0, done.stderr
        assert (printed_json(done)["landed"], printed_json(done)["verify"]["problems"]) == (COUNT, [])
        beside = made.run_beside("collect", "--top", str(COUNT))
        assert beside.returncode == 0, beside.stderr
        yield made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A lake in an empty bucket of *server*, on the very top of it unless a prefix is given."""

    def in_bucket(server: S3Server, prefix: str = "", options: S3Options = _PLAIN, endpoint: str = "") -> S3Storage:
        s3servers.aim(monkeypatch, server, endpoint=endpoint)
        return S3Storage(f"s3://{s3servers.fresh_bucket(server)}/{prefix}", options)

    return in_bucket


@pytest.mark.long
def test_the_commands_answer_as_those_of_a_folder_do(world: World) -> None:
    for command in ("status", "verify"):
        here, there = printed_json(world.run(command, "--json")), printed_json(world.run_beside(command, "--json"))
        assert _comparable(here) == _comparable(there)
    rows = {each["name"]: each["rows"] for each in printed_json(world.run("tables", "--json"))["tables"]}
    assert (rows["movie"], rows["dim_movie"]) == (COUNT, rows["movie_flat"])
    asked = world.run("sql", "select count(*) as n, count(distinct movie_id) as ids from movie", "--format", "json")
    assert printed_json(asked) == [{"n": COUNT, "ids": COUNT}], asked.stderr


def _comparable(said: dict[str, Any]) -> dict[str, Any]:
    """Without what tells when, how large and how much of it is built."""
    entities = {
        name: {**one, "oldest_answer": None, "listed_at": None} for name, one in said.get("entities", {}).items()
    }
    return {**said, "bytes": None, "unbuilt_answers": None, "entities": entities}


@pytest.mark.long
def test_a_prompt_reads_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    s3servers.aim(monkeypatch, world.server)
    before = dict(os.environ)
    lake = package.open(world.place)
    assert lake.tables()["movie"] == COUNT
    assert lake.table("movie").count() == COUNT
    assert lake.arrow("select count(*) as n from movie").to_pylist() == [{"n": COUNT}]
    assert not any(name.startswith("AWS_") for name in os.environ.keys() ^ before.keys())


@pytest.mark.long
def test_after_changes_and_a_build_that_lost_its_bucket_its_tables_equal_those_of_a_folder(
    world: World, tmp_path: Path
) -> None:
    world.tmdb.edit(count=60)
    world.tmdb.delete(count=5)
    world.tmdb.next_day()
    for run in (world.run, world.run_beside):
        done = run("collect", "--top", str(COUNT), "--json")
        assert done.returncode == 0, done.stderr
    with proxied(world.server) as proxy:

        def goes(request: Request, on: Callable[[], Answer]) -> Answer | None:
            proxy.always(says(404, "NoSuchBucket"))
            return says(404, "NoSuchBucket")(request, on)

        proxy.when(*[passes] * 8, goes, kind="PUT", key=r"\.parquet$")
        failed = world.run("build", AWS_ENDPOINT_URL=proxy.endpoint)
        assert_said_in_one_line(failed)
        assert "there is no bucket" in failed.stderr

        proxy.forget()
        built = world.run("build", "--json", AWS_ENDPOINT_URL=proxy.endpoint)
        assert (built.returncode, printed_json(built)["done"]) == (0, True), built.stderr
        # Most of it is the engine, which looks for the newest version again at each step of a commit.
        tables = len(printed_json(built)["rows"])
        assert proxy.counts["LIST"] <= 12 * tables
        assert proxy.counts["PUT"] <= 4 * tables + 10

        proxy.forget()
        idle = world.run("build", "--json", AWS_ENDPOINT_URL=proxy.endpoint)
        assert (idle.returncode, printed_json(idle)["done"]) == (0, False), idle.stderr
        # Whether each entity has a run, a commit of each table, and the sizes of all files by listings, whose pages
        # are short here.
        assert proxy.counts["HEAD"] <= len(ENTITIES) + 10
        assert proxy.counts["GET"] <= tables + 20
        assert proxy.counts["LIST"] <= 16
        assert set(proxy.counts) == {"HEAD", "GET", "LIST"}
    assert world.run_beside("build").returncode == 0
    verified = world.run("verify", "--json")
    assert (verified.returncode, printed_json(verified)["problems"]) == (0, [])
    assert differences(world.downloaded(tmp_path / "lake"), world.folder / "lake", without=LINEAGE) == []


def assert_said_in_one_line(done: subprocess.CompletedProcess[str]) -> None:
    *spinner, line = done.stderr.strip().splitlines()
    assert done.returncode in (1, 2), done.stderr
    assert not [each for each in spinner if "building" not in each], done.stderr
    assert line.startswith("reelhouse: ")
    assert len(line) < 400


@pytest.mark.long
@pytest.mark.parametrize("command", [("sql", "select 1"), ("tables",), ("build",), ("verify",), ("status",)])
def test_a_wrong_secret_is_one_line(world: World, command: tuple[str, ...]) -> None:
    done = world.run(*command, AWS_SECRET_ACCESS_KEY="another-secret")
    assert_said_in_one_line(done)
    assert "the AWS access key or its secret is wrong" in done.stderr
    assert "another-secret" not in done.stderr


@pytest.mark.long
def test_its_own_settings_file_is_honoured(world: World) -> None:
    client = s3servers.client(world.server)
    bucket = s3servers.fresh_bucket(world.server)
    client.put_object(Bucket=bucket, Key="x/reelhouse.toml", Body=b"top = 7\n")
    drafted = world.run("plan", "--json", REELHOUSE_LAKE=f"s3://{bucket}/x")
    assert printed_json(drafted)["requested"] == 7, drafted.stderr


@pytest.mark.parametrize("prefix", ["a b", "50%", "what?", "a~b", "[a]", "a#b"])
def test_a_prefix_that_engines_read_differently_is_refused_before_anything_is_spent(prefix: str) -> None:
    lake = f"s3://some-bucket/{prefix}"
    with pytest.raises(ConfigError, match="table engines read some of these characters differently"):
        session_of(Settings(lake=lake), storage_of(Settings(lake=lake)))


def test_what_the_engine_writes_is_encrypted_as_the_settings_say(opened: Opened) -> None:
    server = s3servers.started("moto")
    storage = opened(server, options=S3Options(encryption="sse-kms", kms_key="a-key"))
    engine = open_engine(storage, session_factory("sail", storage.access())())
    commit(engine, engine.rows([], staging_schema(MOVIE)), "t")
    commit(engine, engine.spark.range(3), "u")
    bucket = storage.url.removeprefix("s3://")
    found = {key: s3servers.client(server).head_object(Bucket=bucket, Key=key) for key in keys_of(server, bucket, "")}
    assert any(key.endswith(".parquet") for key in found)
    assert {answer.get("ServerSideEncryption") for answer in found.values()} == {"aws:kms"}
    assert {answer.get("SSEKMSKeyId") for answer in found.values()} == {"a-key"}


@pytest.mark.long
def test_a_tables_log_is_followed_from_whatever_version_is_known(opened: Opened, server: S3Server) -> None:
    storage = opened(server)
    engine = open_engine(storage, session_factory("sail", storage.access())())
    for mode in ("overwrite", "append", "append", "overwrite", "append"):
        made = commit(engine, engine.spark.range(4), "t", mode)
        assert read_commit(storage, "t", made.version).user["mode"] == mode
    assert {latest_version(storage, "t", known) for known in range(8)} == {4}
    assert [(commit.version, commit.rows) for commit in commits_held(storage, "t", 4)] == [(4, 4), (3, 4)]
    assert engine.table("t", 4).count() == engine.held("t", 4).count() == 8
    assert engine.table("t", 2).count() == 12


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("fault", [lost, done_and_says(500, "InternalError")], ids=["lost", "500"])
def test_a_commit_whose_answer_was_lost_is_there_once(opened: Opened, mode: str, fault: Fault) -> None:
    with proxied(s3servers.started("moto")) as proxy:
        storage = opened(proxy.server, "lake", endpoint=proxy.endpoint)
        engine = open_engine(storage, session_factory("sail", storage.access())())
        commit(engine, engine.spark.range(10), "t", "overwrite")
        proxy.when(fault, kind="PUT", key=r"_delta_log/\d+\.json$")
        made = commit(engine, engine.spark.range(10, 15), "t", cast(Mode, mode))
        assert engine.table("t", made.version).count() == (15 if mode == "append" else 5)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_of_two_builders_commits_at_once_the_second_is_none(opened: Opened, mode: Mode) -> None:
    with proxied(s3servers.started("moto")) as proxy:
        storage = opened(proxy.server, "lake", endpoint=proxy.endpoint)
        engine = open_engine(storage, session_factory("sail", storage.access())())
        commit(engine, engine.spark.range(10), "t", "overwrite")

        def other_first(_: Request, on: Callable[[], Answer]) -> Answer:
            assert commit(engine, engine.spark.range(100, 103), "t").version == 1
            return on()

        proxy.when(other_first, kind="PUT", key=r"_delta_log/0*1\.json$")
        frame = engine.spark.range(20, 25)
        files = engine.write(frame, "t")
        with pytest.raises(OvertakenError, match="t was written by another writer meanwhile"):
            engine.commit("t", files, frame.schema, mode=mode, user={}, over=0)
        assert latest_version(storage, "t") == 1
        assert engine.table("t", 1).count() == 13


def test_a_lake_that_fails_while_it_is_built_says_so(opened: Opened) -> None:
    with proxied(s3servers.started("moto")) as proxy:
        storage = opened(proxy.server, "lake", endpoint=proxy.endpoint)
        engine = open_engine(storage, session_factory("sail", storage.access())())
        proxy.always(says(403, "AccessDenied"), kind="PUT", key=r"\.parquet$")
        with pytest.raises(LakeError, match="t could not be written: ") as failed:
            engine.write(engine.spark.range(10), "t")
        assert "AccessDenied" in str(failed.value)
        assert not {"\n", "<"} & set(str(failed.value))


@pytest.mark.long
def test_a_lake_that_cannot_be_read_while_it_is_built_says_so_and_the_next_build_ends_it(
    opened: Opened, tmp_path: Path
) -> None:
    made = LakeInTheMaking(tmp_path)
    with proxied(s3servers.started("moto")) as proxy:
        made.storage = storage = opened(proxy.server, endpoint=proxy.endpoint)
        made.land(a_movie(1), a_movie(2), export=[1, 2])
        session = session_factory("sail", storage.access())
        proxy.always(says(403, "AccessDenied"), kind="GET", key=r"staging/.*\.parquet$")
        with pytest.raises(LakeError) as failed:
            build(storage, session)
        assert not {"\n", "<"} & set(str(failed.value))
        proxy.forget()
        assert build(storage, session).rows["movie"] == 2
        assert not build(storage, session).done
        assert check_tables(storage) == []


_STARTS = """
import os, time
from reelhouse.engines.session import session_factory
from reelhouse.storage.credentials import Credentials, S3Access
from reelhouse.storage.opening import S3Options
access = S3Access("http://127.0.0.1:1", "us-east-1", S3Options(), lambda: Credentials("a", "b", ""))
session = session_factory("sail", access)()
session.sql("select 1").collect()
(engine,) = open(f"/proc/self/task/{os.getpid()}/children").read().split()
"""


_STAYS = f"""{_STARTS}
print(engine, flush=True)
time.sleep(60)
"""

_LOSES_ITS_ENGINE = f"""{_STARTS}
os.kill(int(engine), 9)
from reelhouse.delta.engine import first_line
try:
    session.sql("select 1").collect()
except Exception as exc:
    print(first_line(exc))
"""


@pytest.mark.long
def test_an_engine_that_ends_is_noticed_soon() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _LOSES_ITS_ENGINE], stdout=pipe, stderr=pipe, text=True) as started:
        said, warned = started.communicate(timeout=60)
    assert (said, warned) == ("the engine process exited (possibly out of memory)\n", "")


class Borrower:
    """Keys that change between one asking and the next."""

    def __init__(self, *lent: Credentials) -> None:
        self.lent = list(lent)
        self.asked = 0

    def __call__(self) -> Credentials:
        self.asked += 1
        return self.lent[min(self.asked, len(self.lent)) - 1]


@pytest.mark.long
def test_credentials_that_end_while_the_engine_works_are_asked_for_again(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engine asks again ten seconds before what it has ends.
    monkeypatch.setattr(credential_server, "_ASK_AGAIN", timedelta(seconds=2))
    right = Credentials(server.access_key, server.secret_key, "")
    borrower = Borrower(right, right, right._replace(secret_key="no-longer-right"))
    access = S3Access(server.endpoint, server.region, S3Options(profile="that-ends"), borrower)
    session = session_factory("sail", access)()
    place = f"s3://{s3servers.fresh_bucket(server)}/t"
    with pytest.raises(Exception, match=r"403|[Ss]ignature|AccessDenied"):
        for _ in range(10):
            session.range(3).write.format("delta").mode("append").save(place)
    assert borrower.asked >= 3
    borrower.lent = [right]
    session.range(3).write.format("delta").mode("append").save(place)


def test_no_secret_stands_in_the_engines_environment() -> None:
    access = S3Access("http://127.0.0.1:1", "eu-west-1", S3Options(), lambda: Credentials("AKIAX", "the-secret", "tok"))
    own = {"AWS_SECRET_ACCESS_KEY": "of-old", "AWS_PROFILE": "x", "TMDB_TOKEN": "token", "HOME": "/somewhere"}
    made = engine_environ(access, own)
    assert made["HOME"] == "/somewhere"
    assert not {"the-secret", "tok", "of-old", "token"} & set(made.values())
    assert not {"AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "TMDB_TOKEN"} & made.keys()
    assert "the-secret" not in repr(access.credentials())


@pytest.mark.parametrize("own", ["", "example.org"])
def test_no_proxy_of_the_environment_sees_the_credentials(
    own: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda request: web.Response(status=502)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", own)
        right = Credentials(server.access_key, server.secret_key, "")
        access = S3Access(server.endpoint, server.region, S3Options(profile=f"by a proxy{own}"), lambda: right)
        session = session_factory("sail", access)()
        session.range(3).write.format("delta").save(f"s3://{s3servers.fresh_bucket(server)}/t")
        assert proxy.paths == []


@pytest.mark.long
def test_the_engine_goes_with_the_process_that_started_it_even_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _STAYS], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        (child,) = started.stdout.readline().split()
        started.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _runs(int(child)):
        assert time.monotonic() < deadline, "the engine outlived its user"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
