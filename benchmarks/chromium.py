"""A page in Chromium that nobody watches: only scripts are run in it, over the DevTools protocol.

Playwright, which the tests use, is told of every WebSocket message that a page receives; at 10,000 a second that would
be a good part of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.results import Wrong

WAIT_SECONDS_MAX = 60
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""None where there is no Chromium."""
MISSING = "there is no Chromium here: apt-get install chromium"
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
"""Of every Chromium that tests and benchmarks start: for a container, and quiet."""
HEADLESS = ("--headless", "--remote-debugging-port=0")


class Tab:
    """A tab, and the browser around it."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._ids = count(1)
        self.session: str | None = None

    async def call(self, method: str, *, browser: bool = False, **params: Any) -> Any:
        """A command of the DevTools protocol, to the tab or to the browser.

        Raises:
            Wrong: it was refused, or takes longer than a minute.
        """
        number = next(self._ids)
        to = {} if browser or self.session is None else {"sessionId": self.session}
        await self._ws.send(json.dumps({"id": number, "method": method, "params": params, **to}))
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while (message := json.loads(await self._ws.recv())).get("id") != number:
                    pass
        except TimeoutError:
            raise Wrong(f"{method} takes too long: {params}") from None
        if "error" in message:
            raise Wrong(f"{method}: {message['error']['message']}")
        return message["result"]

    async def run(self, script: str) -> Any:
        """What an expression comes to in the page; a promise is waited for.

        Raises:
            Wrong: it throws.
        """
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Wrong(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression is true in the page. It may be loading: what waits in a page goes with it.

        Raises:
            Wrong: that takes longer than a minute.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while not await self.run(f"Boolean({condition})"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Wrong(f"the page never came to {condition}") from None

    async def cpu_seconds(self) -> float:
        """Processor time of all renderers so far: of the page, and of the spare one that waits for a next page."""
        processes = (await self.call("SystemInfo.getProcessInfo", browser=True))["processInfo"]
        return float(sum(process["cpuTime"] for process in processes if process["type"] == "renderer"))


@asynccontextmanager
async def opened(url: str, *, width: int = 1440, height: int = 900) -> AsyncIterator[Tab]:
    """A browser of its own with one tab, in which a page was opened; ended with the block.

    Raises:
        Wrong: there is no Chromium, or it does not start.
    """
    if PROGRAM is None:
        raise Wrong(MISSING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        arguments = [*OPTIONS, *HEADLESS, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
        quiet = asyncio.subprocess.DEVNULL
        browser = await asyncio.create_subprocess_exec(PROGRAM, *arguments, stdout=quiet, stderr=quiet)
        try:
            place = await _devtools(browser, Path(folder))
            async with connect(place, max_size=None, compression=None, ping_interval=None) as ws:
                tab = Tab(ws)
                target = await _first_tab(tab)  # one made after it may be behind it, and then nothing is drawn
                tab.session = (await tab.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
                await tab.call("Page.bringToFront")
                await tab.call("Page.navigate", url=url)
                yield tab
        finally:
            browser.terminate()
            await browser.wait()


async def _first_tab(tab: Tab) -> str:
    """The id of the tab that the browser begins with."""
    while True:
        for target in (await tab.call("Target.getTargets"))["targetInfos"]:
            if target["type"] == "page":
                return str(target["targetId"])
        await asyncio.sleep(0.05)


async def _devtools(browser: asyncio.subprocess.Process, folder: Path) -> str:
    """Where the browser takes commands, which it writes to a file."""
    said = folder / "DevToolsActivePort"
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            await asyncio.sleep(0.05)
            if browser.returncode is not None:
                raise Wrong(f"Chromium has ended with {browser.returncode}")
            if said.exists() and len(lines := said.read_text().split()) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
