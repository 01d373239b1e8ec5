"""The proxy by which TMDB is reached."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from reelhouse.errors import ConfigError
from reelhouse.tmdb.clock import is_here


def proxy_of(address: str) -> dict[str, Any]:
    """aiohttp's arguments for the proxy that the environment names for *address* (`HTTPS_PROXY`, `NO_PROXY`).

    Empty without one, and for this machine. Raises `ConfigError` if it is not an HTTP proxy.
    """
    url = URL(address)
    stated = getproxies().get(url.scheme)
    if not stated or is_here(address) or proxy_bypass(url.host or ""):
        return {}
    try:
        proxy = URL(stated if "://" in stated else f"http://{stated}")
        known = proxy.scheme in ("http", "https") and proxy.host and proxy.port
    except ValueError:
        known = False
    if not known:
        raise ConfigError(
            f"{url.scheme.upper()}_PROXY: the address of an HTTP proxy, such as http://proxy:3128, is expected"
        )
    arguments: dict[str, Any] = {"proxy": proxy.with_user(None)}
    if proxy.user:
        # Not in the address, which errors show.
        credentials = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        arguments["proxy_headers"] = {"Proxy-Authorization": f"Basic {credentials}"}
    return arguments
