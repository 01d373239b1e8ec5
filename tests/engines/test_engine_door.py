"""Who reaches the embedded engine: its owner, and nobody else of the machine.

Strangers are real: processes of another uid, which only root can start.
"""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from pyspark.sql import functions as F

from reelhouse.engines import machine_users
from reelhouse.engines.credential_server import lend
from reelhouse.engines.machine_users import UNSEEN, other_people
from reelhouse.engines.sail import _closed
from reelhouse.engines.session import session_factory
from reelhouse.storage.credentials import Credentials
from tests.cluster.standalone import PYTHON, needs_spark
from tests.end_to_end.conftest import unset
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
needs_namespaces = pytest.mark.skipif(bool(_closed()), reason=f"no namespaces on this machine: {_closed()}")

STRANGER = 65534

_OWNER = """
import sys
from reelhouse.engines.session import session_factory
session = session_factory("{engine}", {access})()
session.sql("select 1").collect()
print("ready", flush=True)
sys.stdin.read()
"""
_ACCESS = {
    "folder": "None",
    "s3": "__import__('reelhouse.storage.credentials').storage.credentials.S3Access('http://127.0.0.1:1', 'us-east-1', "
    "__import__('reelhouse.storage.opening').storage.opening.S3Options(), "
    "lambda: __import__('reelhouse.storage.credentials').storage.credentials.Credentials('AKIA', 'the-secret', ''))",
}

# What another user of the machine gets: one line for each port and socket.
_STRANGER = f"""
import encodings.idna, os, socket, sys
os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})
for place in sys.argv[1:]:
    try:
        if place.isdecimal():
            found = socket.create_connection(("127.0.0.1", int(place)), timeout=5)
        else:
            found = socket.socket(socket.AF_UNIX)
            found.connect(place)
    except OSError as exc:
        print(place, type(exc).__name__)
        continue
    found.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(place, found.recv(4096))
"""


class Owner(NamedTuple):
    """A process that has an engine, and the process that its engine is."""

    pid: int
    engine: int

    def listening(self) -> list[tuple[str, int]]:
        """Where the two listen, as everybody of the machine sees it: addresses as the kernel writes them, ports."""
        held = {str(one.readlink()) for pid in self for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
        rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()]
        ours = [row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]
        return [(address, int(port, 16)) for address, port in ours]

    def socket(self) -> str:
        return Path(f"/proc/{self.engine}/cmdline").read_text().split("\0")[-2]


@contextmanager
def an_owner(access: str = "folder", engine: str = "sail") -> Iterator[Owner]:
    started = subprocess.Popen(
        [sys.executable if engine == "sail" else PYTHON, "-c", _OWNER.format(access=_ACCESS[access], engine=engine)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=unset(),
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        (engine,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split() or [str(started.pid)]
        yield Owner(started.pid, int(engine))
        started.kill()


@pytest.mark.long
@needs_root
@needs_namespaces
def test_a_stranger_reaches_no_engine_and_gets_no_credentials() -> None:
    for access, listening in (("folder", 0), ("s3", 1)):
        with an_owner(access) as owner:
            ports = [str(port) for _, port in owner.listening()]
            door = owner.socket()
            done = subprocess.run(
                [sys.executable, "-c", _STRANGER, *ports, door], capture_output=True, text=True, check=True
            )
        answers = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        assert answers.pop(door) == "PermissionError"
        # What is left lends the bucket's credentials to who knows the word.
        assert len(answers) == listening
        assert all("403 Forbidden" in said and "the-secret" not in said for said in answers.values())


@needs_namespaces
def test_the_engine_listens_in_a_namespace_and_works_outside() -> None:
    with an_owner() as owner:
        assert owner.listening() == []
        threads = list(Path(f"/proc/{owner.engine}/task").iterdir())
        inside = {
            (thread / "comm").read_text().strip()
            for thread in threads
            if (thread / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        }
        assert len(threads) > len(inside) > 0
        # Those that open files and connections are named by Sail.
        assert not {name for name in inside if "tokio" in name}
        assert Path(owner.socket()).stat().st_mode & 0o777 == 0o600
        assert Path(owner.socket()).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.long
@needs_spark
def test_apache_spark_on_one_machine_listens_to_this_machine_alone() -> None:
    with an_owner(engine="local[2]") as owner:
        assert {address[-8:] for address, _ in owner.listening()} == {"0100007F"}


@needs_namespaces
def test_nothing_is_left_of_an_engine_whose_owner_was_killed() -> None:
    with an_owner() as owner:
        door = Path(owner.socket())
        os.kill(owner.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while door.parent.exists() or Path(f"/proc/{owner.engine}/fd/0").exists():
            assert time.monotonic() < deadline, "the engine outlived its owner"
            time.sleep(0.05)


def test_an_engine_whose_owner_ends_while_it_starts_ends_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    # Where namespaces are refused, it ends before it serves.
    command = [sys.executable, "-P", "-m", "reelhouse.engines.sail_server", str(tmp_path / "doors" / "door")]
    how = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    (tmp_path / "doors").mkdir()
    with subprocess.Popen(command, stdout=writing, text=True, **how) as engine:  # type: ignore[call-overload]
        os.close(writing)
        assert engine.communicate(timeout=60)[1] == ""


_ORDINARY = """
import sys
from reelhouse.engines.session import session_factory
session_factory("sail")().range(3).write.format("delta").save(sys.argv[1])
"""


# Nothing that listens is ours.
_PRINT_PORTS = """
import os
from pathlib import Path
rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
print([row[1] for row in rows if row[3] == "0A" and row[7] == str(os.getuid())])
"""


def _python_of_strangers() -> str | None:
    """A Python like ours that every user can start, with our packages."""
    name = "python{}.{}".format(*sys.version_info)
    for python in (sys.executable, shutil.which(name, path="/usr/local/bin:/usr/bin")):
        with suppress(PermissionError):
            if python and _as_stranger(python, "import reelhouse.engines.session, pysail, pyspark").returncode == 0:
                return python
    return None


def _as_stranger(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, STRANGER, STRANGER)
        return subprocess.run(
            [python, "-c", *arguments],
            env={"PATH": os.defpath, "HOME": home, "TMPDIR": home, "PYTHONPATH": ":".join(sys.path)},
            cwd=home,
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.long
@needs_root
@needs_namespaces
def test_an_ordinary_user_has_a_private_engine_too_and_owns_what_it_writes() -> None:
    python = _python_of_strangers()
    if python is None:
        pytest.skip("Python or its packages lie where only root may read them")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, STRANGER, STRANGER)
        done = _as_stranger(python, f"{_ORDINARY}\n{_PRINT_PORTS}", f"{folder}/t")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "[]\n"
        assert {path.stat().st_uid for path in Path(folder, "t").rglob("*")} == {STRANGER}


# Root without the right to make namespaces, as in most containers; and the accounts of services count as people.
_FORBIDDEN = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""
_CLI = """
from reelhouse.engines import machine_users
machine_users._FIRST_PERSON, machine_users._NO_SHELLS = {first}, set()
from reelhouse.cli.main import main
main()
"""


@pytest.fixture
def somebody() -> Iterator[str]:
    """A process of another account of this machine."""
    account = next((one for one in pwd.getpwall() if one.pw_uid not in (0, STRANGER)), None)
    if account is None:
        pytest.skip("no other account on this machine")
    with subprocess.Popen(["sleep", "600"], user=account.pw_uid) as running:
        yield account.pw_name
        running.kill()


@pytest.mark.long
@needs_root
def test_without_namespaces_the_engine_starts_among_others_only_if_allowed(tmp_path: Path, somebody: str) -> None:
    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(a_movie(1))

    def cli(*arguments: str, first: int = 1) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _FORBIDDEN, _CLI.format(first=first), "--lake", str(lake.root), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = cli("build")
    assert refused.returncode == 2
    assert re.search(rf"reelhouse: shared_machine_ok: .*\b{somebody}\b.*--shared-machine-ok", refused.stderr)
    assert not (lake.root / "tables").exists()
    allowed = cli("build", "--shared-machine-ok")
    assert allowed.returncode == 0, allowed.stderr
    # Nobody else but services: that is most machines, and all containers.
    asked = cli("sql", "select count(*) as n from movie", "--format", "csv", first=1 << 32)
    assert asked.stdout == "n\n1\n", asked.stderr


@needs_root
def test_people_are_accounts_that_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = {
        1000: ("ann", "/bin/bash"),
        2_000_000: ("of-a-directory", ""),
        1001: ("a-service", "/usr/sbin/nologin"),
        1002: ("another-service", "/bin/false"),
        999: ("the-systems", "/bin/sh"),
        0: ("root", "/bin/bash"),
    }
    monkeypatch.setattr(machine_users, "_uids", lambda: [*accounts, 1234567])

    def getpwuid(uid: int) -> pwd.struct_passwd:
        name, shell = accounts[uid]
        return pwd.struct_passwd((name, "x", uid, uid, "", "/", shell))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    assert other_people() == ["ann", "of-a-directory"]
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert other_people() == ["of-a-directory"]


def test_a_process_may_have_any_name() -> None:
    """Also one with what Python takes for the end of a line."""
    named = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a\\x0cUid: x'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", named], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert machine_users._uids_of(Path(f"/proc/{process.pid}")) == [os.getuid()] * 4
        process.communicate(b"")


def test_hidden_processes_count_as_other_people(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden() -> list[int]:
        raise FileNotFoundError("/proc/1")

    monkeypatch.setattr(machine_users, "_uids", hidden)
    assert other_people() == [UNSEEN]


def test_the_engine_works_in_the_folder_where_its_owner_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_factory("sail")()
    session.sql("select 1").collect()
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    monkeypatch.chdir(tmp_path)
    assert session.read.text("lines.txt").count() == 2


_PRINTS = """
import pyarrow as pa
from reelhouse.engines.session import session_factory
def chatty(batches):
    for batch in batches:
        print("x" * 200_000)
        yield batch
session = session_factory("sail")()
print(session.range(3).mapInArrow(chatty, "id bigint").count())
"""


@pytest.mark.long
def test_a_session_leaves_nothing_in_the_environment_by_which_others_would_use_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)
    before = dict(os.environ)
    assert SAIL().range(3).filter(F.col("id") > 1).toDF("n").collect()[0].n == 2
    assert dict(os.environ) == before


def test_what_functions_print_in_the_engine_stays_out_of_the_output() -> None:
    done = subprocess.run([sys.executable, "-c", _PRINTS], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "3\n", done.stderr[-2000:]
    assert "xxx" in done.stderr


@pytest.mark.long
def test_a_folder_for_temporary_files_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ü and %41 blanks", "long" * 40):
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _OWNER.format(access="None", engine="sail")],
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.stdout == "ready\n", done.stderr
        assert list(folder.iterdir()) == []


def test_a_silent_client_does_not_block_the_credential_server() -> None:
    lent = lend(lambda: Credentials("AKIA", "the-secret", ""))
    url = urlsplit(lent["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    with socket.create_connection((url.hostname, url.port)):
        request = Request(url.geturl(), headers={"Authorization": lent["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
        with urlopen(request, timeout=5) as answer:
            assert json.load(answer)["SecretAccessKey"] == "the-secret"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_shell_that_limits_memory_too_far_gets_a_remedy() -> None:
    script = "from reelhouse.engines.session import session_factory; session_factory('sail', shared_machine_ok=True)"
    limited = ["sh", "-c", 'ulimit -v 900000; exec "$0" -c "$1"', sys.executable, script]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=60)
    assert "ConfigError: this shell allows a process 878 MB" in done.stderr
    assert "ulimit -v unlimited" in done.stderr
