"""The page at `/`: who gets it, what may run on it, what is said where it is missing; and the demonstration account."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from edge import BTC, call, edge, http
from tickwire.feeds.simulated import PLAY_MONEY
from tickwire.server.app import Server

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """One with a small page."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>a page</title>")
    (tmp_path / "assets" / "index-1a2b.js").write_text("document.title = 'live';")
    (tmp_path / "assets" / "index-1a2b.css").write_text("body { margin: 0 }")
    monkeypatch.setattr("tickwire.server.page.PAGE", tmp_path)
    async with edge(feeds=()) as server:
        yield server


async def test_a_browser_gets_the_page_and_everybody_else_the_text(server: Server) -> None:
    page = await http(server, "GET", "/", **BROWSER)
    assert (page.status, page.body) == (200, "<!doctype html><title>a page</title>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"  # it names the newest files
    text = await http(server, "GET", "/", Accept="*/*")
    assert f"Connect a WebSocket to {server.url} and send" in text.body
    assert (text.status, text.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "dashboard" not in text.body
    assert (page.headers["vary"], text.headers["vary"]) == ("Accept, Accept-Encoding", "Accept")


async def test_under_a_name_where_it_could_not_connect_it_says_so(server: Server) -> None:
    foreign = await http(server, "GET", "/", **BROWSER, Host=f"md.example:{server.port}")
    origin = f"http://md.example:{server.port}"
    assert (foreign.status, f"`--origin {origin}`" in foreign.body) == (403, True)
    async with edge(feeds=(), origins=("http://md.example",)) as listed:
        for host in ("md.example", "MD.example", f"localhost:{listed.port}", f"[::1]:{listed.port}"):
            assert (await http(listed, "GET", "/", **BROWSER, Host=host)).status == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("br, gzip; q=0.0, *;q=0", None),
        ("x-gzip", None),
    ],
)
async def test_it_is_sent_small_to_those_who_take_that(server: Server, accepted: str, encoding: str | None) -> None:
    headers = (await http(server, "HEAD", "/assets/index-1a2b.js", Accept_Encoding=accepted)).headers
    assert headers.get("content-encoding") == encoding


@pytest.mark.parametrize("path", ["/", "/assets/index-1a2b.js"])
async def test_nothing_else_may_run_on_it_or_frame_it(server: Server, path: str) -> None:
    headers = (await http(server, "GET", path, **BROWSER)).headers
    assert headers["content-security-policy"] == POLICY
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_its_files_are_kept_for_ever_and_sent_small(server: Server) -> None:
    script = "/assets/index-1a2b.js"
    plain = await http(server, "GET", script)
    assert (plain.body, plain.headers.get("content-encoding")) == ("document.title = 'live';", None)
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"].partition(";")[0] == "text/javascript"
    small = (await http(server, "HEAD", script, Accept_Encoding="br, gzip")).headers
    size = len(gzip.compress(plain.body.encode(), mtime=0))
    assert (small["content-encoding"], small["content-length"]) == ("gzip", str(size))
    styles = await http(server, "GET", "/assets/index-1a2b.css")
    assert (styles.body, styles.headers["content-type"]) == ("body { margin: 0 }", "text/css; charset=utf-8")


@pytest.mark.parametrize("name", ["index-0000.js", "../index.html", "%2e%2e/index.html", "index.html", "", "a/b.js"])
async def test_there_is_nothing_but_its_files(server: Server, name: str) -> None:
    assert (await http(server, "GET", f"/assets/{name}")).status == 404


async def test_where_it_is_missing_a_browser_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwire.server.page.PAGE", tmp_path / "nowhere")
    async with edge(feeds=()) as server:
        answer = await http(server, "GET", "/", **BROWSER)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "the dashboard, but it is not built here" in answer.body
    assert "`make demo`" in answer.body


# ---- the demonstration account -----------------------------------------------------------------------


async def hello_and_login(ws: Any) -> tuple[bool, dict[str, Any]]:
    """Whether the server offers the account, and what it says to whoever asks for it."""
    hello = json.loads(await ws.recv())
    return hello["demo"], await call(ws, "auth.login", demo=True)


async def test_with_the_built_in_market_everybody_may_trade_with_play_money() -> None:
    async with edge() as server, connect(server.url) as one, connect(server.url) as other:
        for ws in (one, other):
            offered, reply = await hello_and_login(ws)
            assert (offered, reply["result"]) == (True, {"account": "demo", "scopes": ["read", "trade"]})
        balances = (await call(one, "account.balances"))["result"]["balances"]
        assert {row["asset"]: (float(row["available"]), row["held"].strip("0.")) for row in balances} == {
            asset: (float(amount), "") for asset, amount in PLAY_MONEY.items()
        }
        order = {"symbol": BTC, "side": "buy", "size": "0.01", "price": "80000.00"}
        placed = (await call(one, "order.place", **order))["result"]["order"]
        assert [row["order_id"] for row in (await call(other, "order.list"))["result"]["orders"]] == [
            placed["order_id"]
        ]
        assert (await call(other, "admin.kill_switch", on=True, symbol=BTC))["error"]["code"] == "not_permitted"


@pytest.mark.parametrize("settings", [{"feeds": ()}, {"require_key": True}])
async def test_never_otherwise(settings: dict[str, Any]) -> None:
    async with edge(**settings) as server, connect(server.url) as ws:
        offered, reply = await hello_and_login(ws)
        assert (offered, reply["error"]["code"], reply["error"]["field"]) == (False, "login_failed", "demo")
