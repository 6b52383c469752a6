"""Pages of other origins in a real browser. Without one the tests are skipped."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from chromium import chromium, needs_chromium
from hostile.stage import FULL, Stage, serving

pytestmark = needs_chromium

SLOW = {"latency_ms": 2_000.0}
"""p99 of honest clients' latency: Chromium needs both cores when it starts a page."""
CONNECT = """url => new Promise(done => {
    const ws = new WebSocket(url);
    ws.onmessage = event => done(JSON.parse(event.data).type);
    ws.onclose = event => done("closed " + event.code);
})"""
FETCH = """([url, options]) =>
    fetch(url, options).then(answer => answer.text()).then(text => text.slice(0, 15), error => String(error))"""


class _Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The origin of pages that are not the server's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A running browser."""
    async with chromium() as running:
        yield running


async def connect(page: Page, url: str) -> Any:
    """What the page's script gets of a WebSocket: the type of the first message, or how it closes."""
    return await page.evaluate(CONNECT, url)


async def fetch(page: Page, url: str, **options: object) -> Any:
    """What the page's script can read of an answer."""
    return await page.evaluate(FETCH, [url, options])


def http(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.port}"


async def test_a_page_of_another_origin_gets_nothing(stage: Stage, elsewhere: str, browser: Browser) -> None:
    async with stage.attacked("a page of another origin", **SLOW), await browser.new_page() as attacker:
        await attacker.goto(elsewhere)
        for _ in range(20 if FULL else 3):
            assert await connect(attacker, stage.url) == "closed 1006"
            for path in ("/", "/healthz", "/metrics", "/api/v1/orders"):
                assert await fetch(attacker, http(stage) + path) == "TypeError: Failed to fetch"
            options: dict[str, Any] = {"method": "POST", "body": "{}", "headers": {"Authorization": "Basic eDp5"}}
            assert await fetch(attacker, http(stage) + "/api/v1/orders", **options) == "TypeError: Failed to fetch"


async def test_a_page_without_an_origin_gets_nothing(stage: Stage, browser: Browser) -> None:
    async with stage.attacked("a page without an origin", **SLOW), await browser.new_page() as attacker:
        await attacker.goto("data:text/html,<title>a page</title>")
        assert await attacker.evaluate("self.origin") == "null"
        assert await connect(attacker, stage.url) == "closed 1006"


async def test_the_servers_own_page_may_connect(stage: Stage, browser: Browser) -> None:
    async with await browser.new_page() as own:
        await own.goto(http(stage) + "/")
        assert await connect(own, stage.url) == "hello"
        assert await fetch(own, "/healthz") == '{"status":"ok"}'


async def test_a_name_that_was_made_to_lead_here_gets_nothing(stage: Stage, browser: Browser) -> None:
    origin = f"rebound.localhost:{stage.port}"  # which browsers take for 127.0.0.1, as a rebound name would be
    async with stage.attacked("a rebound name", **SLOW), await browser.new_page() as attacker:
        await attacker.goto(f"http://{origin}/healthz")
        assert await connect(attacker, f"ws://{origin}/ws") == "closed 1006"
        assert await connect(attacker, stage.url) == "closed 1006"


async def test_a_page_that_is_on_the_list_may_connect(tmp_path: Path, elsewhere: str, browser: Browser) -> None:
    with serving(tmp_path, "--origin", elsewhere) as stage:
        async with await browser.new_page() as friend:
            await friend.goto(elsewhere)
            assert await connect(friend, stage.url) == "hello"
            assert await fetch(friend, http(stage) + "/healthz") == '{"status":"ok"}'
        other = elsewhere.replace("127.0.0.1", "localhost")
        async with stage.attacked("a page that is not on the list", **SLOW), await browser.new_page() as attacker:
            await attacker.goto(other)
            assert await connect(attacker, stage.url) == "closed 1006"
            assert await fetch(attacker, http(stage) + "/healthz") == "TypeError: Failed to fetch"
