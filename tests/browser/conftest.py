"""The browser and the servers that most tests share. Without Chromium, or without the page, the tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.page import Tab, open_tab
from browser.rest import still
from chromium import chromium, needs_chromium
from serving import serving

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "src" / "tickwire" / "page" / "index.html"
STILL = (str(HERE / "still_server.py"),)

NewTab = Callable[..., Awaitable[Tab]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All run in one loop, to which the browser belongs; none runs without a browser or without the page."""
    for item in items:
        if HERE not in item.path.parents:
            continue
        if iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        item.add_marker(needs_chromium)
        if not PAGE.exists() and shutil.which("npm") is None:
            item.add_marker(pytest.mark.skip("the page is not built, and there is no Node here: apt-get install npm"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    assert PAGE.exists(), "the page is not built: npm ci && npm run build (which `make browser` does)"
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[NewTab]:
    """Opens tabs, closes them after the test, and has nothing go wrong in them unseen."""
    async with AsyncExitStack() as stack:

        async def new(url: str, **options: object) -> Tab:
            return await stack.enter_async_context(open_tab(browser, url, **options))

        yield new


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def market(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server with the built-in market."""
    folder = tmp_path_factory.mktemp("market")
    async with serving("--drain-seconds", "0", "--data-dir", str(folder)) as served:
        yield served.url


@pytest_asyncio.fixture(loop_scope="session")
async def quiet(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a server of the test's own, whose market holds still: only its users' orders change the books."""
    async with serving("--drain-seconds", "0", "--data-dir", str(tmp_path / "data"), program=STILL) as served:
        await still(served.url)
        yield served.url
