"""Sail's server: a process of its own that ends with the one that started it.

Sail 0.7.2 listens on TCP and lets in all who connect. So its port is put where nobody is: the thread that binds it has
left for a network namespace of its own, in which nothing but a loopback exists, while the threads that read and write
stay outside and reach files, S3 and TMDB as ever. The only way in is a Unix socket that its owner alone may open.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

_SETTINGS = {
    # Sail logs every session it makes; what goes wrong reaches the client as an error anyway.
    "RUST_LOG": "error",
    # Sail forgets who is silent for long, and a prompt is. The server ends with its user, so nothing piles up.
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(366 * 86_400),
}
# Its other modes listen on more ports, from threads that are not in the namespace.
_MODE = {"SAIL_MODE": "local"}

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIECE = 1 << 20


def runs_here() -> bool:
    """Whether this process is Sail's, as it is for the data sources that it runs."""
    return "pysail" in sys.modules


def main(door: str) -> None:
    """Serve until the input ends: behind the Unix socket *door*, or on a port that all can reach where it is empty.

    Says one line of JSON on stdout: `address` for gRPC, or `closed` with the reason where this machine lets nobody
    have a namespace. Each line of the input is `environ`, `cwd` and `path` of the process that started this one, and is
    answered by an empty line once they hold here.
    """
    orders, answers = _take_streams()
    try:
        address = _serve_behind(door) if door else _serve_openly()
    except OSError as exc:
        _say(answers, closed=exc.strerror or str(exc))
        return
    _say(answers, address=address)
    for line in orders:
        _follow(**json.loads(line))
        print(file=answers, flush=True)
    if door:
        shutil.rmtree(Path(door).parent, ignore_errors=True)
    # Not by returning: what Sail still works on must not land after its user has gone.
    os.kill(os.getpid(), signal.SIGKILL)


def check_namespaces() -> None:
    """Enter the namespaces that a server would be in, and say as a server would where this machine forbids it."""
    try:
        _enter_user_namespace()
        _enter_network_namespace()
    except OSError as exc:
        _say(sys.stdout, closed=exc.strerror or str(exc))


def _take_streams() -> tuple[IO[str], IO[str]]:
    """Input and output for ourselves, so that what a person's function prints goes to stderr and answers nobody."""
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with open(os.devnull) as nothing:  # noqa: PTH123 (a descriptor is wanted)
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return orders, answers


def _say(answers: IO[str], **what: str) -> None:
    print(json.dumps(what), file=answers, flush=True)


def _follow(environ: dict[str, str], cwd: str, path: list[str]) -> None:
    for name in os.environ.keys() - environ.keys() - _SETTINGS.keys() - _MODE.keys():
        del os.environ[name]
    os.environ.update({**environ, **_MODE})
    sys.path[:] = path
    # Where it was removed meanwhile, what is relative to it is not there for anybody.
    with suppress(OSError):
        os.chdir(cwd)


_alive: list[Any] = []


def _new_sail() -> Any:
    """A server that is not started; its threads are, and stay in the namespaces of now."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.update(_MODE)
    from pysail.spark import SparkConnectServer

    # A server ends with the object that stands for it.
    _alive.append(SparkConnectServer("127.0.0.1", 0))
    return _alive[-1]


def _serve_openly() -> str:
    """Start Sail where all of this machine reach it; its address."""
    server = _new_sail()
    server.start(background=True)
    return "{}:{}".format(*server.listening_address)


def _serve_behind(door: str) -> str:
    """Start Sail where nobody reaches it, and forward what comes through *door*; its address."""
    _enter_user_namespace()
    server = _new_sail()
    _enter_network_namespace()
    server.start(background=True)
    _, port = server.listening_address
    # Nothing else listens in this namespace: if Sail's port were outside, this would be refused.
    socket.create_connection(("127.0.0.1", port)).close()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(door)
    Path(door).chmod(0o600)
    listener.listen()
    threading.Thread(target=_forward, args=(listener, port), daemon=True).start()
    return f"unix:{quote(door)}"


def _enter_user_namespace() -> None:
    """As ourselves, into a user namespace where we may make others. Only a process with one thread can."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        # It may make others anyway, and would lose its rights over other people's files.
        return
    _unshare(_CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text)


def _enter_network_namespace() -> None:
    """This thread, and those that it starts from now on, into a network of nothing but a loopback."""
    import fcntl

    _unshare(_CLONE_NEWNET)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _unshare(what: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise OSError(f"{sys.platform} has no namespaces")
    if libc.unshare(what) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare: {os.strerror(code)}")


def _forward(listener: socket.socket, port: int) -> None:
    while True:
        ours, _ = listener.accept()
        theirs = socket.create_connection(("127.0.0.1", port))
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((ours, theirs), (theirs, ours)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    piece = memoryview(bytearray(_PIECE))
    # Where one side has gone, the other learns of it by the end of its own connection.
    with suppress(OSError):
        while size := source.recv_into(piece):
            target.sendall(piece[:size])
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check_namespaces()
    else:
        main(sys.argv[1])
