"""TMDB by the proxy that the environment names."""

from __future__ import annotations

from base64 import b64encode

import pytest
from aiohttp import web

from reelhouse.errors import ConfigError, DeniedError, ListingError, TransientError
from reelhouse.tmdb.client import Answer
from reelhouse.tmdb.exports import fetch_export
from reelhouse.tmdb.proxy import proxy_of
from tests.serving import Server, json, serving
from tests.tmdb.asking import TOKEN, with_client, with_session

_NAMES = ("http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _asked(url: str) -> Answer:
    return with_client(url, lambda client: client.get("/movie/1", ""))


def _with_password(proxy: Server) -> str:
    return proxy.url.replace("//", "//me:a%20secret@")


def test_tmdb_is_requested_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda request: json({"id": 1})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert _asked("http://tmdb.invalid").body == b'{"id":1}'
    assert [str(request.url) for request in proxy.seen] == ["http://tmdb.invalid/3/movie/1"]


def test_exports_are_requested_through_the_proxy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda request: web.Response(status=404)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ListingError):
            with_session(lambda session: fetch_export(session, "http://exports.invalid/p/exports", "movie"))
    assert {request.url.host for request in proxy.seen} == {"exports.invalid"}


def test_a_proxy_gets_its_password_and_never_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    def refuse(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, dict(request.headers)))
        return web.Response(status=407)

    with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", _with_password(proxy))
        with pytest.raises(DeniedError, match=r"the proxy refuses \(407\): set HTTPS_PROXY") as raised:
            _asked("https://tmdb.invalid")
    [(method, headers)] = seen
    assert method == "CONNECT"
    assert headers["Proxy-Authorization"] == f"Basic {b64encode(b'me:a secret').decode()}"
    assert TOKEN not in str(headers)
    assert "secret" not in str(raised.value)


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda request: web.Response(status=403)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(TransientError, match=r"the proxy that HTTPS_PROXY names refuses \(403\)"):
            _asked("https://tmdb.invalid")


def test_this_machine_and_what_no_proxy_names_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "example.org")
    assert [proxy_of(f"http://{host}/3") for host in ("127.0.0.1:8080", "localhost", "api.example.org")] == [{}] * 3
    assert str(proxy_of("http://api.invalid/3")["proxy"]) == "http://proxy:3128"
    assert proxy_of("https://api.invalid/3") == {}


@pytest.mark.parametrize("stated", ["socks5h://me:a-secret@proxy:1080", "http://proxy:x", "http://"])
def test_another_kind_of_proxy_is_refused_by_its_name(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", stated)
    with pytest.raises(ConfigError, match="HTTPS_PROXY: the address of an HTTP proxy") as raised:
        proxy_of("https://api.invalid/3")
    assert "secret" not in str(raised.value)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    assert str(proxy_of("https://api.invalid/3")["proxy"]) == "http://proxy:3128"
