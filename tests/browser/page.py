"""The page in a tab, as a person finds it: by the names of its regions, buttons and fields."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, ViewportSize, expect

from browser.rest import Level, origin

WAIT_MS = 15_000
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
TAB_STOPS_MAX = 150
UNREACHABLE = re.compile(r"net::ERR_|^WebSocket connection to ")
"""What Chromium says on its console of a server that is gone, or takes nobody. The page can't keep it from that."""

expect.set_options(timeout=WAIT_MS)

TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", event =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"""
READ_LADDER = """() => {
    const ladder = document.querySelector("[data-ladder]");
    const rows = side => [...ladder.querySelectorAll(`[data-side="${side}"]`)]
        .filter(row => row.dataset.price && row.checkVisibility())
        .map(row => [row.dataset.price, row.dataset.size, row.dataset.own ?? "",
            [".price", ".size"].map(name => row.querySelector(name).textContent)]);
    const { seq, symbol, grouping } = ladder.dataset;
    return { seq: Number(seq), symbol, grouping: Number(grouping), bids: rows("bid"), asks: rows("ask") };
}"""
LADDER_AFTER = """([symbol, seq]) => {
    const { dataset } = document.querySelector("[data-ladder]") ?? { dataset: {} };
    return dataset.symbol === symbol && Number(dataset.seq || -1) > seq;
}"""

CURSOR = """() => {
    const row = document.getElementById(document.querySelector("[data-ladder]").getAttribute("aria-activedescendant"));
    return row?.dataset.price ?? null;
}"""
"""The price that the ladder's cursor is at."""


class Row(NamedTuple):
    """A level of the ladder: what it is, how much of it is one's own ("" for nothing), and how both are written."""

    price: str
    size: str
    own: str
    texts: tuple[str, ...]


class Ladder(NamedTuple):
    """The ladder on the screen in one frame; each side best first. `grouping` is in ticks."""

    seq: int
    symbol: str
    grouping: int
    bids: list[Row]
    asks: list[Row]

    @property
    def levels(self) -> tuple[list[Level], list[Level]]:
        """Bids and asks, as the wire has them."""
        return [(row.price, row.size) for row in self.bids], [(row.price, row.size) for row in self.asks]


class Tab:
    """A tab with the page in it.

    Attributes:
        url: of the server's WebSocket.
        requests: every URL that the page has asked for.
        problems: errors that were thrown, said on the console, or reported by the content security policy.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.on("request", self._requested)
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not UNREACHABLE.search(message.text):
            self.problems.append(message.text)

    async def open(self) -> None:
        """Load the page and wait until it is live."""
        await self.page.goto(origin(self.url))
        await self.until_state("live")

    def region(self, name: str) -> Locator:
        """A panel."""
        return self.page.get_by_role("region", name=name, exact=True)

    async def show(self, name: str) -> Locator:
        """A panel, brought into sight: it may be in another view of a phone, and behind a tab."""
        region = self.region(name)
        tab = self.page.get_by_role("tab", name=name, exact=True)
        for view in await self.page.get_by_role("navigation", name="Views").get_by_role("button").all():
            if await region.or_(tab).count():
                break
            await view.click()
            await expect(view).to_have_attribute("aria-current", "page")
        if not await region.is_visible():
            await tab.click()
        await expect(region).to_be_visible()
        return region

    async def figure(self, name: str) -> str:
        """A figure of the connection's panel."""
        facts = (await self.show("Connection")).locator("dl > div")
        value = facts.filter(has=self.page.locator("dt", has_text=re.compile(f"^{name}$"))).locator("dd")
        return (await value.inner_text()).removeprefix("! ")

    async def until(self, condition: str, argument: Any = None) -> None:
        """Wait until a function is true in the page, looked at in every frame."""
        await self.page.wait_for_function(condition, arg=argument, timeout=WAIT_MS)

    async def until_state(self, *states: str) -> None:
        """Wait for a state of the connection."""
        await self.until("states => states.includes(document.body.dataset.state)", list(states))

    async def ladder(self, symbol: str, after: int = -1) -> Ladder:
        """The ladder, once it shows this symbol at a message later than `after`."""
        await self.until(LADDER_AFTER, [symbol, after])
        read = await self.page.evaluate(READ_LADDER)
        bids, asks = map(_rows, (read.pop("bids"), read.pop("asks")))
        return Ladder(bids=bids[::-1], asks=asks, **read)

    async def select(self, symbol: str) -> None:
        """Another instrument, by a click on the list."""
        await self.region("Markets").locator(f'[data-symbol="{symbol}"]').click()

    async def group(self, ticks: int) -> None:
        """So many ticks in a row of the ladder."""
        await self.region("Order book").get_by_label("Ticks in a row").select_option(str(ticks))

    async def sign_in(self) -> None:
        """With the one click that the demonstration account takes."""
        await self.page.get_by_role("button", name="demo").first.click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def place(self, side: str, size: str, price: str | None = None) -> None:
        """Fill the ticket in and send it: a limit order, or one at the market where there is no price."""
        ticket = await self.show("Order ticket")
        await ticket.get_by_role("radio", name=side.capitalize(), exact=True).click()
        await ticket.get_by_label("Type", exact=True).select_option("market" if price is None else "limit")
        if price is not None:
            await ticket.get_by_label("Price", exact=True).fill(price)
        await ticket.get_by_label("Size", exact=True).fill(size)
        await ticket.get_by_role("button", name=f"{side.capitalize()} BTC", exact=True).click()

    async def tab_to(self, selector: str) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(TAB_STOPS_MAX):
            if await self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {selector}")


def _rows(rows: list[tuple[str, str, str, list[str]]]) -> list[Row]:
    """In the order of their prices."""
    made = [Row(price, size, own, tuple(texts)) for price, size, own, texts in rows]
    return sorted(made, key=lambda row: float(row.price))  # floats only to sort by


@asynccontextmanager
async def open_tab(browser: Browser, url: str, **options: Any) -> AsyncIterator[Tab]:
    """A tab of a browser profile of its own; at the end nothing has gone wrong in it, and nothing left the server.

    Args:
        options: of Playwright's `new_context`.
    """
    context = await browser.new_context(**{"locale": "en-US", "viewport": DESKTOP, **options})
    page = await context.new_page()
    await page.add_init_script(TELL_VIOLATIONS)
    tab = Tab(page, url)
    try:
        await tab.open()
        yield tab
    finally:
        await context.close()
    assert not tab.problems, tab.problems
    outside = [each for each in tab.requests if not each.startswith((origin(url), url))]
    assert not outside, outside
