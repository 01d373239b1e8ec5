"""`reelhouse emulate` and `reelhouse demo`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from reelhouse import settings as configuration
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.bootstrap.selection import selected
from reelhouse.cli import pipeline
from reelhouse.cli.terminal import display
from reelhouse.collect.reporting import duration
from reelhouse.emulator import Emulator, EmulatorError, EmulatorOptions, serve_forever
from reelhouse.emulator.http.faults import PROFILES
from reelhouse.errors import ConfigError


def emulate(*, latency: float, faults: str, **options: Any) -> None:
    """Serve until Ctrl-C."""
    if faults == "help":
        display.table(
            "Fault profiles", ("profile", "what goes wrong"), [(name, each.about) for name, each in PROFILES.items()]
        )
        return
    try:
        chosen = EmulatorOptions(faults=faults, latency_ms=latency, **options)
        serve_forever(chosen, lambda address: _announce(address, chosen.token or "emulator"))
    except EmulatorError as exc:
        raise ConfigError(f"emulate: {exc}") from exc


def _announce(address: str, token: str) -> None:
    display.note(f"TMDB is emulated at {address}/3, exports at {address}/p/exports. Stop it with Ctrl-C. To use it:")
    print(
        f"export REELHOUSE_TMDB_URL={address}/3 REELHOUSE_EXPORTS_URL={address}/p/exports "
        f"TMDB_TOKEN={shlex.quote(token)}",
        flush=True,
    )


def demo(lake: str, movies: int, shared_machine_ok: bool | None) -> int:
    """Collect an invented catalogue, build and verify it, and run three queries."""
    # Settings for the real TMDB must not reach the emulator, nor the other way round.
    started = time.monotonic()
    with Emulator(movies=movies, seed=7, process=True) as tmdb:
        settings = configuration.load(
            {
                "lake": lake,
                "tmdb_url": tmdb.url,
                "exports_url": tmdb.exports_url,
                "token": "emulator",
                "rate": 0.0,
                "top": None,
                "shared_machine_ok": shared_machine_ok,
            },
            environ=configuration.environment(configuration.env_name("shared_machine_ok")),
            folder=Path(os.devnull),
        )
        display.note(f"The emulated TMDB has {movies:,} invented movies; the lake is {Path(lake).absolute()}.")
        code = pipeline.sync(settings, CollectOptions(names=selected(())), as_json=False)
    _answer(settings)
    _report(settings)
    display.note(f"\nDone in {duration(time.monotonic() - started)}. More queries:")
    display.note(f'  {_program()} --lake {lake} sql "select * from movie_flat limit 5"')
    display.note(f"  {_program()} --lake {lake} tables")
    return code


def _report(settings: configuration.Settings) -> None:
    from reelhouse.cli.reading import report

    page = Path(f"{Path(settings.lake).name}.html")
    try:
        report.report(settings, page)
    except ConfigError as exc:
        # A demo without the packages of one extra is a demo all the same.
        display.note(f"There is no report: {exc}")


def _program() -> str:
    """How this program is started where it runs."""
    started = Path(sys.argv[0])
    if started.suffix == ".py":
        return "python -m reelhouse"
    return started.name if shutil.which(started.name) == str(started) else str(started)


def _answer(settings: configuration.Settings) -> None:
    from reelhouse.bootstrap.storage import writable_storage
    from reelhouse.cli.terminal import result_table
    from reelhouse.engines.session import session_of
    from reelhouse.marts.example_queries import QUESTIONS
    from reelhouse.serve.lake import Lake

    storage = writable_storage(settings)
    lake = Lake(storage, session_of(settings, storage))
    for question in QUESTIONS:
        result_table.show(question.title, lake.arrow(question.query))
