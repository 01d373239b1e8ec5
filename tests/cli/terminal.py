"""A real pseudo-terminal for a command, and the screen that a person would see."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from rich.cells import cell_len

from reelhouse.cli.main import main

_SEQUENCE = re.compile(r"\x1b\[([?>=]?)([\d;]*)([A-Za-z])")
# What a read may end with of a sequence whose rest comes by the next one.
_BEGUN = re.compile(r"\x1b(\^|\[[?>=]?[\d;]*\^?)?\Z")
_STYLES = frozenset("mhlnq")

# The first terminal that a new session opens is its own, so that Ctrl-C reaches it.
# A process that a shell starts in the background ignores Ctrl-C, and so would all that it starts.
_OWN_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.close(os.open(sys.argv[1], os.O_RDWR))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Screen:
    """What a terminal of *columns* shows: lines wrap and none scrolls away. An unknown sequence fails the test."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]
        self._row = self._column = 0
        self._begun = ""
        # All that came, sequences included.
        self.raw = ""

    def feed(self, text: str) -> None:
        self.raw += text
        # The terminal's own echo of Ctrl-C may come within a sequence.
        text = (self._begun + text).replace("^C", "")
        begun = _BEGUN.search(text)
        self._begun = begun[0] if begun else ""
        text = text.removesuffix(self._begun)
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                self._obey(found[2], found[3])
                at = found.end()
                continue
            self._put(text[at])
            at += 1

    def close(self) -> None:
        """Fail if the output ended within a sequence."""
        assert not self._begun, f"the terminal got {self._begun!r} at its end"

    @property
    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def _obey(self, number: str, what: str) -> None:
        count = int(number.split(";")[0] or 1)
        line = self.lines[self._row]
        if what == "A":
            self._row = max(self._row - count, 0)
        elif what in "CD":
            self._column = max(self._column + (count if what == "C" else -count), 0)
        elif what == "G":
            self._column = count - 1
        elif what in "KJ":
            del line[0 if number == "2" else self._column :]
        else:
            assert what in _STYLES, f"the terminal got the sequence {number}{what}"

    def _put(self, sign: str) -> None:
        if sign == "\n":
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append([])
        elif sign == "\r":
            self._column = 0
        elif sign == "\b":
            self._column = max(self._column - 1, 0)
        elif sign != "\a":
            assert sign.isprintable(), f"the terminal got {sign!r}"
            self._write(sign)

    def _write(self, sign: str) -> None:
        if self._column + cell_len(sign) > self.columns:
            self._put("\r")
            self._put("\n")
        line = self.lines[self._row]
        line += [" "] * (self._column - len(line))
        # The second half of a wide sign is empty.
        line[self._column : self._column + cell_len(sign)] = [sign, *[""] * (cell_len(sign) - 1)]
        self._column += cell_len(sign)


class Terminal:
    """A Python with *arguments* on a terminal of its own."""

    def __init__(self, arguments: Sequence[str], *, columns: int, cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = _opened(columns)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, os.ttyname(theirs), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env=_environment(env),
            start_new_session=True,
        )
        os.close(theirs)
        self.screen = Screen(columns)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until *text* is on the screen."""
        self._read(lambda: text in self.screen.text, seconds)
        assert text in self.screen.text, self.screen.text

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self, seconds: float = 60) -> int:
        """Wait for the command's end; returns its exit code."""
        self._read(lambda: False, seconds)
        self.screen.close()
        code = self.process.wait(10)
        os.close(self._ours)
        return code

    def _read(self, done: Callable[[], bool], seconds: float) -> None:
        try:
            self._show(done, seconds)
        except BaseException:
            # A process left behind would fail the tests that follow.
            self.process.kill()
            self.process.wait()
            raise

    def _show(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            assert left > 0, f"nothing more after {seconds} s: {self.screen.text}"
            if not select.select([self._ours], [], [], left)[0]:
                continue
            try:
                got = os.read(self._ours, 65536)
            except OSError:
                # How Linux says that the other side is closed.
                got = b""
            if not got:
                return
            self.screen.feed(self._decoder.decode(got))


def shown(arguments: Sequence[str], *, columns: int, cwd: Path, **env: str) -> tuple[int, str]:
    """The exit code of `reelhouse` with *arguments*, in this process, and what the screen shows at its end."""
    code = 0
    with chdir(cwd), drawing(columns, **env) as screen:
        try:
            main(arguments, prog_name="reelhouse")
        except SystemExit as exc:
            code = int(exc.code or 0)
    return code, screen.text


@contextmanager
def drawing(columns: int, **env: str) -> Iterator[Screen]:
    """A screen that shows what this process writes, as if it had been started on a terminal."""
    screen = Screen(columns)
    ours, theirs = _opened(columns)
    reader = threading.Thread(target=_copy, args=(ours, screen))
    reader.start()
    # A program asks descriptor 1 how wide the terminal is.
    before = os.dup(1)
    os.dup2(theirs, 1)
    try:
        with (
            patch.dict(os.environ, _environment(env), clear=True),
            os.fdopen(theirs, "w", encoding="utf-8") as terminal,
            redirect_stdout(terminal),
            redirect_stderr(terminal),
        ):
            yield screen
    finally:
        os.dup2(before, 1)
        os.close(before)
        reader.join()
    screen.close()


def _copy(ours: int, screen: Screen) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # OSError is how Linux says that the other side is closed.
        with suppress(OSError):
            while got := os.read(ours, 65536):
                screen.feed(decoder.decode(got))
    finally:
        os.close(ours)


def _opened(columns: int) -> tuple[int, int]:
    """Both sides of a new terminal: ours, and that of the program."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    modes = termios.tcgetattr(theirs)
    # Ctrl-C drops what waits to be shown, and with it a part of a sequence.
    modes[3] |= termios.NOFLSH
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    return ours, theirs


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
    hidden = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "CI")
    return {name: value for name, value in kept.items() if name not in hidden} | {"TERM": "xterm"} | dict(env)
