"""Starting and ending an emulator in this process."""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import closing

from aiohttp import web

from reelhouse.emulator.catalog.generated import GeneratedCatalogue
from reelhouse.emulator.catalog.payloads import PayloadCatalogue
from reelhouse.emulator.catalog.protocol import Catalogue
from reelhouse.emulator.clock import Clock
from reelhouse.emulator.exports import Exports
from reelhouse.emulator.http.faults import Faults
from reelhouse.emulator.http.rate_limit import Pace
from reelhouse.emulator.http.server import Server
from reelhouse.emulator.options import EmulatorError, EmulatorOptions
from reelhouse.emulator.world import World

_MEGABYTE = 1 << 20
_SHUTDOWN_TIMEOUT = 0.5


def serve_forever(options: EmulatorOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; **on_ready* gets the address, such as `http://127.0.0.1:8765`."""

    async def main() -> None:
        stop = asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(options, on_ready or (lambda address: None), stop)

    asyncio.run(main())


async def serve(options: EmulatorOptions, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until *stop* is set; raises `EmulatorError` when a setting does not allow it."""
    faults = Faults(options.seed, options.faults, options.fault_share)
    pace = Pace(options.rate, options.retry_after)
    with closing(_catalogue(options)) as catalogue:
        world = World(catalogue, Clock(options.now), options.seed)
        with closing(Exports(world, options.export_days)) as exports:
            cache, latency = options.cache_mb * _MEGABYTE, options.latency_ms / 1000
            server = Server(world, exports, faults, pace, cache=cache, latency=latency)
            await _run(server, options, on_ready, stop)


async def _run(server: Server, options: EmulatorOptions, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    runner = web.ServerRunner(server.http, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        on_ready(await _listen(runner, options))
        await stop.wait()
    finally:
        await runner.cleanup()


def _catalogue(options: EmulatorOptions) -> Catalogue:
    if options.payloads is not None:
        return PayloadCatalogue(options.payloads)
    return GeneratedCatalogue(options.seed, options.movies)


async def _listen(runner: web.ServerRunner, options: EmulatorOptions) -> str:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        raise EmulatorError(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
