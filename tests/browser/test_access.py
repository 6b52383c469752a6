"""The page is for everybody: screen readers, phones, locales. And it is its server's alone."""

from __future__ import annotations

import asyncio
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, expect

from browser.conftest import NewTab
from browser.page import PHONE, Tab
from browser.rest import BTC, book, get, origin
from serving import serving

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """async region => {
    const within = region ? `section[aria-label="${region}"]` : document;
    const { violations } = await axe.run(within, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.target} ${node.failureSummary}`));
}"""
PANELS = ("Orders (L3)", "Depth", "Analytics", "Connection", "Fills", "Balances", "Portfolio", "Open orders")
"""Those behind tabs."""
SCROLLS_SIDEWAYS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
INLINE = """() => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
    return window.ran ? "ran" : "refused";
}"""
ELSEWHERE = """() => fetch("http://127.0.0.1:9/").then(() => "fetched", () => "refused")"""
"""To a port that nothing listens on: without the policy it would fail, too, but not be told as its violation."""
LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "light": {"color_scheme": "light"},
    "phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
}


async def check(page: Tab, *panels: str) -> None:
    """axe-core finds nothing on the page as it is, nor in these panels; and the page is no wider than the screen."""
    assert await page.page.evaluate(RUN_AXE) == []
    for name in panels:
        await page.show(name)
        assert await page.page.evaluate(RUN_AXE, name) == []
        assert not await page.page.evaluate(SCROLLS_SIDEWAYS)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing(look: str, tab: NewTab, quiet: str) -> None:
    page = await tab(quiet, **LOOKS[look])
    await page.show("Order book")
    await page.ladder(BTC)
    await page.page.evaluate(AXE.read_text())
    await check(page, "Markets", "Chart", "Order ticket", "Trades", *PANELS)
    await page.sign_in()
    await page.place("buy", "0.00300", (await book(quiet, BTC)).bids[3][0])
    await page.place("buy", "0.00010")
    await expect((await page.show("Open orders")).locator("[data-order]")).to_have_count(1)
    await expect((await page.show("Fills")).locator("[data-trade]")).to_have_count(1)
    await check(page, "Order ticket", "Order book", *PANELS)


async def test_the_page_does_without_storage(tab: NewTab, quiet: str) -> None:
    page = await tab(quiet)
    await page.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    await page.open()
    assert (await page.ladder(BTC)).symbol == BTC
    await page.region("Chart").get_by_role("radio", name="5m", exact=True).click()
    await expect(page.region("Chart").get_by_role("radio", name="5m", exact=True)).to_be_checked()


async def test_numbers_are_those_of_the_locale(tab: NewTab, quiet: str) -> None:
    page = await tab(quiet, locale="de-DE")
    bid, size = (await book(quiet, BTC)).bids[0]
    row = (await page.ladder(BTC)).bids[0]
    assert (row.price, row.size) == (bid, size)
    swapped = str.maketrans(",.", ".,")
    assert row.texts == (f"{float(bid):,.2f}".translate(swapped), size.replace(".", ","))
    last = (await get(quiet, f"instruments/{BTC}/ticker"))["data"]["last"]
    shown = page.region("Markets").locator(f'[data-symbol="{BTC}"] [data-field="last"]')
    await expect(shown).to_have_text(f"{float(last):,.2f}".translate(swapped))


async def test_the_policy_forbids_what_is_not_the_servers_own(tab: NewTab, quiet: str) -> None:
    wanted = urllib.request.Request(origin(quiet), headers={"Accept": "text/html"})
    with await asyncio.to_thread(urllib.request.urlopen, wanted) as answer:
        policy = dict(part.split(None, 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    page = await tab(quiet)
    for attempt, refused in ((INLINE, "script-src-elem inline"), (ELSEWHERE, "connect-src http://127.0.0.1:9/")):
        told = f"policy: {refused}"
        async with page.page.expect_console_message(partial(_says, told)):
            assert await page.page.evaluate(attempt) == "refused"
    page.problems.clear()


def _says(told: str, message: ConsoleMessage) -> bool:
    return message.text.startswith(told)


async def test_only_the_built_in_market_has_a_demonstration_account(tab: NewTab, market: str, tmp_path: Path) -> None:
    recording = tmp_path / "btc.jsonl.gz"
    command = ["record", BTC, "--out", str(recording), "--url", market, "--count", "100"]
    recorder = await asyncio.create_subprocess_exec(sys.executable, "-m", "tickwire", *command)
    assert await recorder.wait() == 0
    async with serving("--drain-seconds", "0", "--feed", f"recorded:tickwire:{recording}", "--loop") as served:
        page = await tab(served.url)
        assert (await page.ladder(BTC)).symbol == BTC
        await expect(page.page.get_by_role("button", name="demo")).to_have_count(0)
    async with serving("--drain-seconds", "0", "--feed", f"recorded:tickwire:{recording}") as served:
        page = await tab(served.url)  # whose feed ends with the recording
        await expect(page.region("Order book").locator(".book-note")).to_contain_text("The feed is down")
        await expect(page.region("Markets").locator(f'[data-symbol="{BTC}"]')).to_contain_text("feed down")
        await expect(page.page.locator('.areas > [data-feed="down"]')).to_have_count(4)
    page = await tab(market)
    await expect(page.page.get_by_role("button", name="demo")).to_have_count(1)
