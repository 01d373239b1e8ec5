"""The archive of Java's classes (AppCDS) with which Apache Spark starts cheaper here: made once, then kept.

Java ignores an archive that does not fit it or these jars, and dies of a damaged one.
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from contextlib import suppress
from pathlib import Path

# An archive costs as much as it saves in three builds, so it is made at the second start: many machines see only one.
_MAKE = "-XX:ArchiveClassesAtExit={} -Xlog:cds*=off"
_USE = "-XX:SharedArchiveFile={} -Xlog:cds*=off"
_BLOCK = 1 << 20

# Java that makes an archive and was killed is given up after an hour.
_GIVEN_UP = 3600
# An archive of a Java or a Spark that is no longer here takes 180 MB.
_UNUSED = 60 * 24 * 3600


def archive_option(folder: Path, java: Path, jars: Path) -> str:
    """The option of *java* that uses the archive in *folder* of the classes in *jars*, or that makes it when Java ends.

    Empty at the first start, while another Java makes the archive, and where *folder* is not this user's alone.
    """
    try:
        return _option(folder, folder / f"spark-{_of(java, jars)}.jsa")
    except OSError:
        # Without an archive Spark starts as well.
        return ""


def remove_archive(option: str) -> bool:
    """Remove the archive that the *option* uses, with which Java did not start; False if it uses none."""
    name, _, rest = option.partition("=")
    if name != _USE.partition("=")[0]:
        return False
    _remove(Path(rest.partition(" ")[0]))
    return True


def _remove(archive: Path) -> None:
    for suffix in (".crc32", ".making", ".jsa"):
        archive.with_suffix(suffix).unlink(missing_ok=True)


def _option(folder: Path, archive: Path) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Java runs what an archive holds. And Spark divides options at spaces.
    if not _private(folder) or any(one.isspace() or one in "\"'\\" for one in str(archive)):
        return ""
    if _finished(archive) and _undamaged(archive):
        os.utime(archive)
        return _USE.format(archive)
    started, making = archive.with_suffix(".started"), archive.with_suffix(".making")
    if making.exists():
        if time.time() - making.stat().st_mtime < _GIVEN_UP:
            return ""
    elif started.exists():
        # Of several that start now, the others find nothing to rename.
        started.rename(making)
    else:
        started.touch()
        return ""
    making.touch()
    _remove_unused(folder)
    return _MAKE.format(archive)


def _of(java: Path, jars: Path) -> str:
    """A name for these classes of this Java."""
    known = [(str(path), path.stat().st_mtime_ns) for path in (java.resolve(), jars.resolve())]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _private(folder: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return False
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _finished(archive: Path) -> bool:
    """Whether Java has finished *archive*: it writes the first bytes last."""
    with suppress(FileNotFoundError), archive.open("rb") as file:
        return any(file.read(4))
    return False


def _undamaged(archive: Path) -> bool:
    """Whether *archive* is as it was when it was used first; one that is not is removed."""
    found = 0
    with archive.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    known = archive.with_suffix(".crc32")
    if not known.exists():
        known.write_text(str(found))
    if known.read_text() == str(found):
        return True
    _remove(archive)
    return False


def _remove_unused(folder: Path) -> None:
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > _UNUSED:
            path.unlink()
