"""Starting and ending an emulator in this process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

from aiohttp import web

from reelhouse.emulator.catalog.generated import GeneratedCatalogue
from reelhouse.emulator.catalog.named import NAMED, GeneratedRows, NamedCatalogue
from reelhouse.emulator.catalog.payloads import given_catalogues
from reelhouse.emulator.catalog.protocol import Catalogue, Titles
from reelhouse.emulator.catalog.series import SeriesCatalogue
from reelhouse.emulator.clock import EmulatorClock
from reelhouse.emulator.exports import Exports
from reelhouse.emulator.http.faults import Faults
from reelhouse.emulator.http.rate_limit import RateLimit
from reelhouse.emulator.http.server import Server
from reelhouse.emulator.options import EmulatorError, EmulatorOptions
from reelhouse.emulator.world import Worlds

_MEGABYTE = 1 << 20
_SHUTDOWN_TIMEOUT = 0.5


def serve_forever(options: EmulatorOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; **on_ready* gets the address, such as `http://127.0.0.1:8765`."""

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            # Not by the loop, which takes no handlers on Windows.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        await serve(options, on_ready or (lambda address: None), stop)

    asyncio.run(main())


async def serve(options: EmulatorOptions, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until *stop* is set; raises `EmulatorError` when a setting does not allow it."""
    faults = Faults(options.seed, options.faults, options.fault_share)
    pace = RateLimit(options.rate, options.retry_after)
    with ExitStack() as opened:
        catalogues = [opened.enter_context(closing(catalogue)) for catalogue in _catalogues(options)]
        worlds = Worlds(catalogues, EmulatorClock(options.now), options.seed)
        with closing(Exports(worlds, options.export_days)) as exports:
            cache, latency = options.cache_mb * _MEGABYTE, options.latency_ms / 1000
            server = Server(worlds, exports, faults, pace, cache=cache, latency=latency, token=options.token)
            await _run(server, options, on_ready, stop)


async def _run(server: Server, options: EmulatorOptions, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    runner = web.ServerRunner(server.http, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        on_ready(await _listen(runner, options))
        await stop.wait()
    finally:
        await runner.cleanup()


def _catalogues(options: EmulatorOptions) -> Iterator[Catalogue]:
    """One catalogue for each kind that there is something of."""
    if options.payloads is not None:
        yield from given_catalogues(options.payloads)
        return
    movies = GeneratedCatalogue(options.seed, options.movies)
    yield movies
    titles: list[Titles] = [movies]
    if options.series_count():
        titles.append(SeriesCatalogue(options.seed, options.series_count(), movies.things))
        yield titles[1]
    for kind in NAMED:
        yield NamedCatalogue(kind, GeneratedRows(kind, movies.things), titles, movies.parts)


async def _listen(runner: web.ServerRunner, options: EmulatorOptions) -> str:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        raise EmulatorError(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
