"""The control API under `/-/`: not part of TMDB; tests change the emulator by it."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from reelhouse.emulator.http.faults import Faults
from reelhouse.emulator.http.rate_limit import RateLimit
from reelhouse.emulator.http.stats import RequestCounts
from reelhouse.emulator.options import EmulatorError
from reelhouse.emulator.world import World, Worlds


class ControlRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the body of a control request may say."""

    kind: str = "movie"
    ids: list[int] | None = None
    count: int = 0
    days: int = 1
    announce: bool = False
    profile: str | None = None
    rate: float = 0
    retry_after: float | None = None


_Deed = Callable[[ControlRequest], dict[str, Any]]


class Control:
    """Executes control requests."""

    def __init__(self, worlds: Worlds, stats: RequestCounts, faults: Faults, pace: RateLimit) -> None:
        self._worlds, self._stats, self._faults, self._pace = worlds, stats, faults, pace
        self._deeds: dict[tuple[str, str], _Deed] = {
            ("POST", "edit"): self._changing(lambda world, order: world.edit(order.ids, order.count)),
            ("POST", "delete"): self._changing(lambda world, order: world.delete(order.ids, order.count)),
            ("POST", "restore"): self._changing(lambda world, order: world.restore(order.ids or ())),
            ("POST", "add"): self._changing(lambda world, order: world.add(order.count, announce=order.announce)),
            ("POST", "next-day"): lambda order: {"day": worlds.next_day(order.days)},
            ("POST", "faults"): self._switch_faults,
            ("POST", "rate"): self._set_rate,
            ("POST", "reset-stats"): self._reset_stats,
            ("GET", "stats"): self._show_stats,
        }

    async def handle(self, request: web.BaseRequest, name: str) -> web.Response:
        """Answer one control request; a mistake of the caller is HTTP 400 with a sentence."""
        foreign = next((name for name in ("Host", "Origin") if not _is_local(request.headers.get(name))), None)
        if foreign is not None:
            return _json({"error": f"the control API only takes requests of this machine, not of this {foreign}"}, 403)
        deed = self._deeds.get((request.method, name))
        if deed is None:
            return _json({"error": f"no {request.method} /-/{name}"}, 404)
        try:
            return _json(deed(msgspec.json.decode(await request.read() or b"{}", type=ControlRequest)))
        except (EmulatorError, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, 400)

    def _changing(self, change: Callable[[World, ControlRequest], list[int]]) -> _Deed:
        """What executes a *change* of one kind's world, and answers with the ids."""

        def deed(order: ControlRequest) -> dict[str, Any]:
            return {"ids": change(self._worlds.of(order.kind), order), "day": self._worlds.clock.today()}

        return deed

    def _switch_faults(self, order: ControlRequest) -> dict[str, Any]:
        self._faults.switch(order.profile)
        return {"profile": self._faults.profile}

    def _set_rate(self, order: ControlRequest) -> dict[str, Any]:
        self._pace.rate, self._pace.retry_after = order.rate, order.retry_after
        return {"rate": self._pace.rate, "retry_after": self._pace.retry_after}

    def _reset_stats(self, order: ControlRequest) -> dict[str, Any]:
        self._stats.reset()
        return {}

    def _show_stats(self, order: ControlRequest) -> dict[str, Any]:
        living = {world.catalogue.kind.name: world.living_count() for world in self._worlds}
        return {**self._stats.as_dict(), "day": self._worlds.clock.today(), "living": living}


def _is_local(value: str | None) -> bool:
    """Whether a `Host` or an `Origin`, where there is one, names this machine: no web page may change the emulator."""
    if value is None:
        return True
    try:
        name = urlsplit(value if "://" in value else f"//{value}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")
