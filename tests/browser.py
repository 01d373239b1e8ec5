"""A real browser for tests of pages: headless Chromium, spoken to by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

T = TypeVar("T")

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_AXE = Path(__file__).parent.parent / ".cache" / "npm" / "axe.min.js"


def chromium() -> str:
    """The browser's program; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    return found


def axe() -> str:
    """axe-core, which checks accessibility; the test is skipped where it is not installed."""
    if not _AXE.is_file():
        pytest.skip("no axe-core: `make site` gets it from npm")
    return _AXE.read_text(encoding="utf-8")


class Tab:
    """One page: what it complained of, which addresses it asked for, and what its script says."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; raises `AssertionError` where the browser refuses it."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await asyncio.wait_for(self._socket.receive_json(), 60)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(parameters["args"]))

    async def evaluate(self, script: str) -> Any:
        """The value of a script's last expression, waited for; raises `AssertionError` with what it threw."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def show(self, address: str, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Open *address* at a *width* in pixels."""
        for name in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{name}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", media="screen", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700
        )
        await self.call("Page.navigate", url=address)
        await self.wait_for("document.readyState === 'complete'")

    async def wait_for(self, condition: str) -> None:
        """Wait until a script's *condition* holds; `TimeoutError` after a minute."""
        async with asyncio.timeout(60):
            while not await self.evaluate(f"Boolean({condition})"):
                await asyncio.sleep(0.05)

    async def picture(self, height: float | None = None) -> bytes:
        """The page as PNG: its first *height* pixels, or all of it."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])


@contextmanager
def _running() -> Iterator[str]:
    """The address at which a new browser listens."""
    # Without a sandbox, since root may not use it; pages of tests are our own.
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--hide-scrollbars")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [chromium(), *options, f"--user-data-dir={folder}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                line = next(line for line in process.stderr if "DevTools listening on" in line)
                yield line.partition("ws://")[2].partition("/")[0]
            finally:
                process.kill()


def browse(visit: Callable[[Tab], Awaitable[T]]) -> T:
    """What *visit* returns, given a page of a browser of its own."""

    async def run(address: str) -> T:
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://{address}/json/new") as response:
                page = await response.json(content_type=None)
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                return await visit(Tab(socket))

    with _running() as address:
        return asyncio.run(run(address))
