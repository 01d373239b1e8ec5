"""`reelhouse browse`: the lake in the browser, by datasette."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.ctrl_c import ending_signals, handled
from reelhouse.errors import ConfigError, pip_install
from reelhouse.settings import Settings


def browse(settings: Settings, tables: tuple[str, ...] | None, *, port: int, images: bool, show: bool) -> int:
    """Serve *tables* (all if None) on loopback until Ctrl-C or SIGTERM; returns the exit code of datasette."""
    if not (find_spec("datasette") and find_spec("deltalake") and find_spec("pyspark")):
        raise ConfigError(f"browse: datasette is not installed; install it with: {pip_install('lake', 'browse')}")
    storage = lake_of(settings)
    # Its copy of TMDB's data is gone with it, so that no purge has to reach it.
    with handled(ending_signals(), _end), tempfile.TemporaryDirectory(prefix="reelhouse-browse-") as folder:
        database = Path(folder) / "lake.sqlite"
        from reelhouse.serve.browse.metadata import add_search, metadata_place

        command = [sys.executable, "-P", "-m", "reelhouse.serve.browse.server", folder, "serve"]
        command += ["--immutable", str(database), "--metadata", str(metadata_place(database))]
        command += ["--host", "127.0.0.1", "--port", str(port), "--setting", "sql_time_limit_ms", "10000"]
        # Pages that a phone can scroll through.
        command += ["--setting", "default_page_size", "50"]
        command += ["--plugins-dir", str(_plugins(Path(folder), "loopback", *(("images",) if images else ())))]
        if show:
            command.append("--open")
        # Before the copy is made: it takes the copy along when this process is killed.
        with subprocess.Popen(command, stdin=subprocess.PIPE) as server:  # noqa: S603 (our own words)
            with display.spinner("preparing") as step:
                from reelhouse.serve.export.sqlite_file import SqliteFile
                from reelhouse.serve.export.tables import look

                snapshot = look(storage, tables)
                SqliteFile(database).export(snapshot, full=True, step=step)
                specs = [table.spec for table in snapshot.tables]
                step("search")
                add_search(database, specs)
            display.note("The lake is shown on this machine only. Stop it with Ctrl-C.")
            return _serve(server)


def _plugins(folder: Path, *names: str) -> Path:
    """A folder with our plugins of these *names*: datasette loads all that it finds in one."""
    place = folder / "plugins"
    place.mkdir()
    for name in names:
        shutil.copy(str(files("reelhouse.serve.browse") / "plugins" / f"{name}.py"), place)
    return place


def _end(number: int, _: object) -> None:
    """Unwind, so that nothing is left behind."""
    raise SystemExit(128 + number)


def _serve(server: subprocess.Popen[bytes]) -> int:
    """Let *server* begin, and wait for its end; returns its exit code, 0 if a signal asked for the end."""
    assert server.stdin is not None
    try:
        with suppress(BrokenPipeError):
            server.stdin.write(b"\n")
            server.stdin.flush()
        code = server.wait()
        # A shell's code for a server that a signal has ended.
        return code if code >= 0 else 128 - code
    except (KeyboardInterrupt, SystemExit):
        # A copy of the lake must not be served on after this command has ended: the server follows its input.
        return 0
