"""Pages of other origins in a real browser: Chromium, over its DevTools protocol. Without one the tests are skipped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from hostile.stage import FULL, Stage, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")
START_SECONDS_MAX = 60

SLOW = {"latency_ms": 2_000.0}
"""p99 of honest clients' latency: Chromium needs both cores when it starts a page."""
NO_ORIGIN = "data:text/html,<title>a page</title>"
OPEN = """new Promise(done => {
    const ws = new WebSocket(%s);
    ws.onmessage = event => done(JSON.parse(event.data).type);
    ws.onclose = event => done("closed " + event.code);
})"""
FETCH = "fetch(%s, %s).then(answer => answer.text()).then(text => text.slice(0, 15), error => String(error))"


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


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a running browser takes commands."""
    assert CHROMIUM is not None
    profile = tmp_path_factory.mktemp("profile")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--remote-debugging-port=0", "--disable-background-networking", f"--user-data-dir={profile}"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([CHROMIUM, *options, "about:blank"], stdout=quiet, stderr=quiet) as browser:
        try:
            yield _devtools(browser, profile / "DevToolsActivePort")
        finally:
            browser.terminate()
            browser.wait(START_SECONDS_MAX)


def _devtools(browser: subprocess.Popen[bytes], said: Path) -> str:
    for _ in range(START_SECONDS_MAX * 10):
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"Chromium has ended with {browser.wait(0.1)}")
        with contextlib.suppress(FileNotFoundError, ValueError):
            port, path = said.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
    raise AssertionError("Chromium does not start")


class Page:
    """A page in the browser."""

    def __init__(self, ws: ClientConnection, session: str = "") -> None:
        self._ws = ws
        self._session = session
        self._ids = count(1)

    async def call(self, method: str, **params: Any) -> Any:
        """A command of the DevTools protocol."""
        number = next(self._ids)
        session = {"sessionId": self._session} if self._session else {}
        await self._ws.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                message = json.loads(await self._ws.recv())
                if message.get("id") == number:
                    return message["result"]

    async def run(self, script: str) -> Any:
        """What a script comes to, in the page."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return result["result"].get("value", result)

    async def connect(self, url: str) -> str:
        """What the page's script gets of a WebSocket: the type of the first message, or how it closes."""
        return str(await self.run(OPEN % json.dumps(url)))

    async def fetch(self, url: str, **options: Any) -> str:
        """What the page's script can read of an answer."""
        return str(await self.run(FETCH % (json.dumps(url), json.dumps(options))))


@asynccontextmanager
async def page(devtools: str, url: str) -> AsyncIterator[Page]:
    """A page of its own, loaded."""
    async with connect(devtools, max_size=None, compression=None) as ws:
        browser = Page(ws)
        target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = Page(ws, session)
        await tab.call("Page.navigate", url=url)
        assert await tab.run(f"location.href.startsWith({json.dumps(url)})")
        yield tab
        await browser.call("Target.closeTarget", targetId=target)


def http(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.port}"


async def test_a_page_of_another_origin_gets_nothing(stage: Stage, elsewhere: str, devtools: str) -> None:
    async with (
        stage.attacked("a page of another origin", **SLOW),
        page(devtools, elsewhere) as attacker,
    ):
        for _ in range(20 if FULL else 3):
            assert await attacker.connect(stage.url) == "closed 1006"
            for path in ("/", "/healthz", "/metrics", "/api/v1/orders"):
                assert await attacker.fetch(http(stage) + path) == "TypeError: Failed to fetch"
            options: dict[str, Any] = {"method": "POST", "body": "{}", "headers": {"Authorization": "Basic eDp5"}}
            assert await attacker.fetch(http(stage) + "/api/v1/orders", **options) == "TypeError: Failed to fetch"


async def test_a_page_without_an_origin_gets_nothing(stage: Stage, devtools: str) -> None:
    async with (
        stage.attacked("a page without an origin", **SLOW),
        page(devtools, "data:text/html,<title>a page</title>") as attacker,
    ):
        assert await attacker.run("self.origin") == "null"
        assert await attacker.connect(stage.url) == "closed 1006"


async def test_the_servers_own_page_may_connect(stage: Stage, devtools: str) -> None:
    async with page(devtools, http(stage) + "/") as own:
        assert await own.connect(stage.url) == "hello"
        assert await own.fetch("/healthz") == '{"status":"ok"}'


async def test_a_name_that_was_made_to_lead_here_gets_nothing(stage: Stage, devtools: str) -> None:
    origin = f"rebound.localhost:{stage.port}"  # which browsers take for 127.0.0.1, as a rebound name would be
    async with (
        stage.attacked("a rebound name", **SLOW),
        page(devtools, f"http://{origin}/healthz") as attacker,
    ):
        assert await attacker.connect(f"ws://{origin}/ws") == "closed 1006"
        assert await attacker.connect(stage.url) == "closed 1006"


async def test_a_page_that_is_on_the_list_may_connect(tmp_path: Path, elsewhere: str, devtools: str) -> None:
    with serving(tmp_path, "--origin", elsewhere) as stage:
        async with page(devtools, elsewhere) as friend:
            assert await friend.connect(stage.url) == "hello"
            assert await friend.fetch(http(stage) + "/healthz") == '{"status":"ok"}'
        other = elsewhere.replace("127.0.0.1", "localhost")
        async with (
            stage.attacked("a page that is not on the list", **SLOW),
            page(devtools, other) as attacker,
        ):
            assert await attacker.connect(stage.url) == "closed 1006"
            assert await attacker.fetch(http(stage) + "/healthz") == "TypeError: Failed to fetch"
