"""Sail's server: its own process, which ends with the one that started it.

Sail 0.7.2 listens on TCP without authentication. Therefore the thread that binds the port moves into a new network
namespace, which has only a loopback. The threads that read and write stay outside and reach files, S3 and TMDB. The
only way in is a Unix socket that only its owner may open.
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
    # Sail logs every session; the client gets errors anyway.
    "RUST_LOG": "error",
    # Sail drops idle sessions, and a prompt is often idle. The server ends with its user, so sessions do not pile up.
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(366 * 86_400),
}
# Sail's other modes listen on more ports, from threads outside of the namespace.
_MODE = {"SAIL_MODE": "local"}

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIECE = 1 << 20


def runs_here() -> bool:
    """Whether this is Sail's process, which also runs data sources."""
    return "pysail" in sys.modules


def main(door: str) -> None:
    """Serve until the input ends: behind the Unix socket *door*, or, if it is empty, on a port open to everybody.

    Prints one line of JSON on stdout: `address` for gRPC, or `closed` with the reason if this machine refuses
    namespaces. Each line of the input has `environ`, `cwd` and `path` of the process that started this one, and is
    answered by an empty line once they are applied.
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
        _answer(answers, "")
    if door:
        shutil.rmtree(Path(door).parent, ignore_errors=True)
    # Not by returning: work that Sail has not finished must not land after its user has gone.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def check_namespaces() -> None:
    """Enter the namespaces of a server, and report as a server if this machine refuses them."""
    try:
        _enter_user_namespace()
        _enter_network_namespace()
    except OSError as exc:
        _say(sys.stdout, closed=exc.strerror or str(exc))


def _take_streams() -> tuple[IO[str], IO[str]]:
    """Take stdin and stdout for the protocol; prints of user functions go to stderr."""
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with open(os.devnull) as nothing:  # noqa: PTH123 (a descriptor is wanted)
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return orders, answers


def _say(answers: IO[str], **what: str) -> None:
    _answer(answers, json.dumps(what))


def _answer(answers: IO[str], line: str) -> None:
    # The process that started this one may end before it is answered; then the input ends too.
    with suppress(BrokenPipeError):
        print(line, file=answers, flush=True)


def _follow(environ: dict[str, str], cwd: str, path: list[str]) -> None:
    for name in os.environ.keys() - environ.keys() - _SETTINGS.keys() - _MODE.keys():
        del os.environ[name]
    os.environ.update({**environ, **_MODE})
    sys.path[:] = path
    # If the folder was removed meanwhile, relative paths do not exist for anybody.
    with suppress(OSError):
        os.chdir(cwd)


_alive: list[Any] = []


def _new_sail() -> Any:
    """A server that is not started. Its threads are, and stay in the current namespaces."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.update(_MODE)
    from pysail.spark import SparkConnectServer

    # A server ends with its Python object.
    _alive.append(SparkConnectServer("127.0.0.1", 0))
    return _alive[-1]


def _serve_openly() -> str:
    """Start Sail where everybody on this machine can reach it; returns its address."""
    server = _new_sail()
    server.start(background=True)
    return "{}:{}".format(*server.listening_address)


def _serve_behind(door: str) -> str:
    """Start Sail in the namespace and forward connections from *door*; returns its address."""
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
    """Enter a user namespace, as the same user, to create others. Only a process with one thread can."""
    if not hasattr(os, "geteuid"):
        raise OSError(f"{sys.platform} has no namespaces")
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        # Root may create namespaces anyway, and would lose its rights over other users' files.
        return
    _unshare(_CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text)


def _enter_network_namespace() -> None:
    """Move this thread, and threads that it starts later, into a network with only a loopback."""
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
    # If one side has gone, the other sees the end of its connection.
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
