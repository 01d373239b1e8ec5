"""datasette, which ends with the command that started it, and takes its copy of the lake along."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading


def main(folder: str, *arguments: str) -> None:
    """Run datasette with *arguments* once the input has a byte; when it ends, remove *folder* and end.

    The input ends with the process that holds its other end, also if that was killed.
    """
    # The command answers these: it ends, and so does the input.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if not os.read(0, 1):
        _leave(folder)
    threading.Thread(target=_follow, args=(folder,), name="lifetime", daemon=True).start()
    signal.signal(signal.SIGINT, before)
    from datasette.cli import cli

    cli(arguments, prog_name="datasette")


def _follow(folder: str) -> None:
    while os.read(0, 1):
        pass
    _leave(folder)


def _leave(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
