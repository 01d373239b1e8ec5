"""Which files are meant, of what kind they are, what they hold (identified by sha256), and how they are opened."""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.warehouse.import_registry import ImportSource

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}

CHANGED = "the files were changed while they were read; nothing is changed, import them again"

_BLOCK = 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")


def found(paths: Iterable[Path]) -> list[Path]:
    """The files that *paths* name: files, folders of them, patterns; `ConfigError` where there are none."""
    files = [file for path in paths for file in _found(path)]
    if not files:
        raise ConfigError("import: say what: files, or a database by --from and --table")
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise ConfigError(f"import: {twice} is named twice")
    return files


def _found(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(each for each in path.iterdir() if each.is_file() and _kind(each) is not None)
        if not inside:
            raise ConfigError(f"{path}: this folder holds no file that can be imported ({', '.join(KINDS)})")
        return inside
    if path.exists():
        return [path]
    pattern = any(sign in str(path) for sign in "*?[")
    # Path.glob takes no pattern that is absolute.
    matching = sorted(map(Path, glob.glob(str(path)))) if pattern else []  # noqa: PTH207
    if not matching:
        raise ConfigError(f"{path}: this file does not exist")
    return [file for each in matching for file in _found(each)]


def kind_of(files: Sequence[Path]) -> str:
    """`csv`, `json` or `parquet`, by the names of *files*; `ConfigError` where they are none, or of several kinds."""
    kinds = {file: _kind(file) for file in files}
    for file, kind in kinds.items():
        if kind is None:
            archive = "unpack it first" if file.suffix in (".zip", ".tar", ".7z", ".xlsx") else "what is it?"
            raise ConfigError(
                f"{file}: {archive} The ending of a name says what a file is: {', '.join(KINDS)}, also with .gz"
            )
        if kind != kinds[files[0]]:
            raise ConfigError(f"{file} and {files[0]} are of different kinds: one table is made of files of one kind")
    return str(kinds[files[0]])


def _kind(file: Path) -> str | None:
    name = file.name.lower().removesuffix(".gz")
    return KINDS.get(Path(name).suffix)


def source(file: Path) -> ImportSource:
    """What a file holds now; `ReelhouseError` where it cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as body:
            while block := body.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as exc:
        raise ReelhouseError(f"{file} cannot be read: {exc.strerror}") from exc
    return ImportSource(file.name, digest.hexdigest(), size)


def stamp(files: Iterable[Path]) -> list[tuple[int, int]]:
    """By this a file is known that was changed while it was read."""
    return [(status.st_size, status.st_mtime_ns) for status in (file.stat() for file in files)]


class TextForm(NamedTuple):
    """What a text file is in if not UTF-8, and how many of its first lines are not read."""

    encoding: str = ""
    skip: int = 0


PLAIN = TextForm()
OWN_ENCODING = ", or name its own: --encoding latin-1"


class _Skipped(io.RawIOBase):
    """A text after its first lines, in the place of which are blank ones: so numbers of lines stay right."""

    def __init__(self, body: IO[bytes], skip: int) -> None:
        self._body = body
        self._head = b"\n" * skip + _read_past(body, skip)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        piece = self._head[: len(into)] or self._body.read(len(into))
        self._head = self._head[len(piece) :]
        into[: len(piece)] = piece
        return len(piece)


def _read_past(body: IO[bytes], lines: int) -> bytes:
    """Read beyond the first *lines* of a text; returns what was read of the others."""
    rest = b""
    while lines and (block := body.read(_BLOCK)):
        # One line end, of two characters, could lie in two blocks.
        block += body.read(1) if block.endswith(b"\r") else b""
        ends = [found.end() for found in islice(_LINE_END.finditer(block), lines)]
        lines -= len(ends)
        rest = b"" if lines else block[ends[-1] :]
    return rest


class _Utf8(io.RawIOBase):
    """The bytes of a text as UTF-8. `UnicodeDecodeError` where it ends within a character."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        piece = self._left or self._text.read(len(into)).encode()
        size = min(len(piece), len(into))
        into[:size], self._left = piece[:size], piece[size:]
        return size


def _as_utf8(body: IO[bytes], form: TextForm) -> IO[bytes]:
    mark = body.read(2)
    body.seek(0)
    encoding = form.encoding or ("utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "")
    text: Any = io.BufferedReader(_Utf8(io.TextIOWrapper(body, encoding, newline=""))) if encoding else body
    return io.BufferedReader(_Skipped(text, form.skip)) if form.skip else text


def checked_encoding(name: str) -> str:
    """The *name* of an encoding; `ConfigError` where Python has none of it."""
    try:
        if not name or "a".encode(name).decode(name) == "a":
            return name
        raise LookupError(name)
    except (LookupError, UnicodeError):
        raise ConfigError(f"encoding: {name!r} is not known: latin-1, cp1252 or utf-16, say") from None


@contextmanager
def opened(path: Path, form: TextForm = PLAIN) -> Iterator[IO[bytes]]:
    """A file's bytes as UTF-8, unpacked where they are gzip; `ReelhouseError` where it cannot be read to its end."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if packed else file as body:
                yield _as_utf8(body, form)  # type: ignore[arg-type]
    except UnicodeDecodeError as exc:
        if exc.end == len(exc.object):
            raise ReelhouseError(f"{path} is cut in the middle of a character of {exc.encoding}") from exc
        raise ReelhouseError(f"{path} is not {exc.encoding}: {exc.reason}; --encoding names another") from exc
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise ReelhouseError(f"{path}: the gzip file is cut short or damaged") from exc
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def misread(path: Path, form: TextForm = PLAIN) -> str:
    """Where the text stops being UTF-8."""
    with opened(path, form) as body:
        for number, line in enumerate(body, 1):
            try:
                line.decode()
            except UnicodeDecodeError as exc:
                byte = f"line {number}, byte {exc.start + 1} is {line[exc.start]:#04x}"
                return f"{byte}, which is not UTF-8: save the file as UTF-8"
    return "it is not UTF-8"
