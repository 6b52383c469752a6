"""Pictures of the page for people. With SCREENSHOTS=1 they are those of docs/images, of a market hours old."""

from __future__ import annotations

import asyncio
import os
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from browser.conftest import HERE, NewTab
from browser.page import PHONE, Tab
from browser.rest import BTC, book, get
from serving import serving

WANTED = bool(os.environ.get("SCREENSHOTS"))
HOURS = 1.6 if WANTED else 0
IMAGES = HERE.parents[1] / "docs" / "images"
BYTES_MAX = 300_000
CAUGHT_UP_SECONDS_MAX = 600
DESKTOP = {"width": 1600, "height": 1000}
LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark", "viewport": DESKTOP},
    "light": {"color_scheme": "light", "viewport": DESKTOP},
    "phone": {
        "color_scheme": "dark",
        "viewport": PHONE,
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def old_market() -> Any:
    """The URL of a server whose market has a past."""
    program = (str(HERE / "past_server.py"), str(HOURS))
    async with serving("--drain-seconds", "0", program=program) as served:
        await _caught_up(served.url)
        yield served.url


async def _caught_up(url: str) -> None:
    """Wait until the server's clock is right."""
    async with asyncio.timeout(CAUGHT_UP_SECONDS_MAX):
        while (await get(url, "time"))["time"] < time.time_ns() - 2_000_000_000:  # noqa: ASYNC110
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("look", LOOKS)
async def test_a_picture(look: str, tab: NewTab, old_market: str, tmp_path: Path) -> None:
    page = await tab(old_market, **LOOKS[look])
    await page.sign_in()
    await (await page.show("Chart")).get_by_role("radio", name="1m" if WANTED else "1s", exact=True).click()
    await page.show("Order book")
    await page.group(500)
    orders = await _trade(page)
    if look == "phone":
        await page.show("Chart")
    await expect(page.page.get_by_role("button", name="Dismiss")).to_have_count(0)
    await expect(page.region("Chart").locator('[data-field="C"]')).to_have_text(re.compile(r"\d"))
    folder = IMAGES if WANTED else tmp_path
    folder.mkdir(exist_ok=True)
    path = folder / f"dashboard-{look}.png"
    await page.page.screenshot(path=path)
    assert 20_000 < path.stat().st_size < BYTES_MAX
    await page.show("Open orders")
    await orders.get_by_role("button", name="Cancel all").click()
    await page.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(orders).to_contain_text("No open orders.")


async def _trade(page: Tab) -> Locator:
    """One order fills, a few rest. Returns the panel of those."""
    await page.place("buy", "0.02000")
    bids, asks = (await book(page.url, BTC))[1:]
    for side, best, away in (("buy", bids[0], -20), ("sell", asks[0], 25), ("buy", bids[0], -40)):
        await page.place(side, "0.05000", str(Decimal(best[0]) + away))
    orders = await page.show("Open orders")
    await expect(orders.locator("tbody tr").first).to_be_visible()
    return orders
