"""The page shows the market: what is on the screen is what the server says, to the digit and to the message."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from playwright.async_api import expect

from browser.conftest import NewTab
from browser.history import History, kept
from browser.page import CURSOR, Ladder, Tab
from browser.rest import BTC, ETH, Book, get, grouped, port
from serving import serving

NUMBER = re.compile(r"^[\d,]+\.\d+$")
WATCH = """selector => {
    const node = document.querySelector(selector);
    window.texts = [node.textContent];
    new MutationObserver(() => node.textContent === texts.at(-1) || texts.push(node.textContent))
        .observe(node, { characterData: true, childList: true, subtree: true });
}"""
HAS_TURNED = """() => {
    const numbers = texts.map(text => Number(text.replaceAll(",", "")));
    const steps = numbers.slice(1).map((number, at) => Math.sign(number - numbers[at]));
    return steps.includes(1) && steps.includes(-1);
}"""
READ_TAPE = """() => [...document.querySelectorAll('section[aria-label="Trades"] .trade:not([hidden])')]
    .map(row => [row.querySelector(".price").firstChild.data, row.querySelector(".size").textContent,
        row.querySelector(".sr-only").textContent.trim()])"""
TAPE_FILLED = """() => document.querySelectorAll('section[aria-label="Trades"] .trade:not([hidden])').length >= 30"""
WORDS = {"buy": "bought", "sell": "sold"}
COLOURED = """() => {
    const style = getComputedStyle(document.documentElement);
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const colours = ["--buy", "--sell"].map(name => {
        probe.fillStyle = style.getPropertyValue(name).trim();
        probe.fillRect(0, 0, 1, 1);
        return probe.getImageData(0, 0, 1, 1).data.slice(0, 3).join();
    });
    let count = 0;
    for (const canvas of document.querySelectorAll('section[aria-label="Chart"] canvas')) {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let at = 0; at < data.length; at += 4) count += colours.includes(data.slice(at, at + 3).join());
    }
    return count;
}"""
"""Pixels of the chart that have the colour of a rising or a falling candle."""
PRICE_IS_GONE = "price => document.querySelector(`[data-ladder] [data-price='${price}']`) === null"
WATCH_PRESS = """() => document.querySelector("[data-ladder]").addEventListener("pointerdown", event => {
    window.pressed = { row: event.target.closest(".level"), price: event.target.closest(".level").dataset.price };
}, { capture: true })"""
ROW_HAS_CHANGED = "() => pressed.row.dataset.price !== pressed.price"


def shown(number: str) -> str:
    """A decimal as an American reads it."""
    return f"{Decimal(number):,}"


async def changes(page: Tab, selector: str) -> list[str]:
    """The texts that an element comes to have, one after the other, until its number has risen and has fallen."""
    await page.page.evaluate(WATCH, selector)
    await page.until(HAS_TURNED)
    texts: list[str] = await page.page.evaluate("texts")
    return texts


def check_ladder(ladder: Ladder, book: Book) -> None:
    """What is shown is the best of the book, without a level left out, and as it is written there."""
    assert ladder.seq == book.seq
    assert min(len(ladder.bids), len(ladder.asks)) >= 8
    assert ladder.levels == (book.bids[: len(ladder.bids)], book.asks[: len(ladder.asks)])
    for row in (*ladder.bids, *ladder.asks):
        assert row.texts == (shown(row.price), shown(row.size))


async def test_the_market_list_has_every_instrument_and_its_prices_move(tab: NewTab, market: str) -> None:
    page = await tab(market)
    markets = page.region("Markets")
    listed = [info["symbol"] for info in (await get(market, "instruments"))["instruments"]]
    for symbol in listed:
        await expect(markets.locator(f'[data-symbol="{symbol}"] [data-field="last"]')).to_have_text(NUMBER)
    async with kept(market, "trades", BTC) as trades:
        texts = await changes(page, f'[data-symbol="{BTC}"] [data-field="last"]')
        first, *later = trades.messages
    prices = [trade.price for trade in first.data.trades] + [message.data.price for message in later]
    assert [text for text in texts if text not in {shown(price) for price in prices}] == []


async def test_the_ladder_is_the_servers_book_at_the_same_message(tab: NewTab, market: str) -> None:
    async with kept(market, "book", BTC) as history:
        page = await tab(market)
        seq = history.messages[0].seq
        for _ in range(10):
            ladder = await page.ladder(BTC, after=seq)
            check_ladder(ladder, await history.book(ladder.seq))
            seq = ladder.seq


async def test_the_ladder_follows_the_selected_instrument(tab: NewTab, market: str) -> None:
    async with kept(market, "book", ETH) as history:
        page = await tab(market)
        await page.ladder(BTC)
        await page.select(ETH)
        ladder = await page.ladder(ETH, after=history.messages[0].seq)
        check_ladder(ladder, await history.book(ladder.seq))


async def test_a_grouped_ladder_has_the_exact_sums(tab: NewTab, market: str) -> None:
    async with kept(market, "book", BTC) as history:
        page = await tab(market)
        for ticks, step in ((10, "0.1"), (100, "1"), (1000, "10")):
            ladder = await page.ladder(BTC)
            await page.group(ticks)
            await page.until("ticks => document.querySelector('[data-ladder]').dataset.grouping === ticks", str(ticks))
            for _ in range(3):
                ladder = await page.ladder(BTC, after=max(ladder.seq, history.messages[0].seq))
                book = await history.book(ladder.seq)
                assert ladder.grouping == ticks
                for rows, levels, side in ((ladder.bids, book.bids, "bid"), (ladder.asks, book.asks, "ask")):
                    assert len(rows) >= 5
                    on_screen = [(Decimal(row.price), Decimal(row.size)) for row in rows]
                    assert on_screen == grouped(levels, Decimal(step), side)[: len(rows)]


async def check_tape(page: Tab, history: History) -> None:
    """What is shown is a piece of the stream `trades` without a hole, newest first."""
    rows = [tuple(row) for row in await page.page.evaluate(READ_TAPE)]
    await history.until(history.messages[-1].seq + 5)  # the page may have been ahead
    first, *later = history.messages
    trades = [*first.data.trades, *(message.data for message in later)][::-1]
    told = [(shown(trade.price), shown(trade.size), WORDS[trade.side]) for trade in trades]
    assert len(rows) >= 30
    assert rows in [told[at : at + len(rows)] for at in range(len(told) - len(rows) + 1)]


async def test_the_tape_is_the_stream_of_trades(tab: NewTab, market: str) -> None:
    async with kept(market, "trades", BTC) as history:
        page = await tab(market)
        await page.until(TAPE_FILLED)
        for _ in range(3):
            await check_tape(page, history)


async def test_the_live_candle_is_drawn(tab: NewTab, market: str) -> None:
    page = await tab(market)
    await page.region("Chart").get_by_role("radio", name="1h", exact=True).click()
    close = page.region("Chart").locator('[data-field="C"]')
    await expect(close).to_have_text(NUMBER)
    async with kept(market, "trades", BTC) as trades:
        closes = await changes(page, 'section[aria-label="Chart"] [data-field="C"]')
        first, *later = trades.messages
    prices = [trade.price for trade in first.data.trades] + [message.data.price for message in later]
    assert [text for text in closes if text not in {shown(price) for price in prices}] == []
    assert await page.page.evaluate(COLOURED) > 50


async def test_the_chart_has_the_servers_candle(tab: NewTab, quiet: str) -> None:
    page = await tab(quiet)
    await page.region("Chart").get_by_role("radio", name="1d", exact=True).click()
    candle = (await get(quiet, f"instruments/{BTC}/candles?interval=1d"))["data"]
    for field, name in (("O", "open"), ("H", "high"), ("L", "low"), ("C", "close")):
        await expect(page.region("Chart").locator(f'[data-field="{field}"]')).to_have_text(shown(candle[name]))


async def test_a_click_takes_the_price_that_was_pressed(tab: NewTab, market: str) -> None:
    page = await tab(market)
    await page.sign_in()
    await page.ladder(BTC)
    await page.page.evaluate(WATCH_PRESS)
    await page.page.locator("[data-ladder] .level.bid .price").first.hover()
    await page.page.mouse.down()
    await page.until(ROW_HAS_CHANGED)
    await page.page.mouse.up()
    pressed = await page.page.evaluate("pressed.price")
    await expect(page.region("Order ticket").get_by_label("Price", exact=True)).to_have_value(pressed)


async def test_the_cursor_stays_where_its_price_has_gone(tab: NewTab, market: str) -> None:
    page = await tab(market)
    await page.sign_in()
    await page.ladder(BTC)
    await page.page.locator("[data-ladder]").focus()
    await page.page.keyboard.press("ArrowDown")
    await page.until(f"() => ({CURSOR})() !== null")
    await page.until(PRICE_IS_GONE, await page.page.evaluate(CURSOR))
    assert await page.page.evaluate(CURSOR) is not None


async def test_a_phone_shows_levels_enough(tab: NewTab, market: str) -> None:
    page = await tab(market, viewport={"width": 390, "height": 664}, has_touch=True, is_mobile=True)
    await page.show("Order book")
    ladder = await page.ladder(BTC)
    assert min(len(ladder.bids), len(ladder.asks)) >= 4
    await page.group(10)  # what chooses it is in sight
    await page.until("() => document.querySelector('[data-ladder]').dataset.grouping === '10'")


async def test_the_chart_and_the_panels_of_the_book_over_an_outage(tab: NewTab, tmp_path: Path) -> None:
    options = ("--drain-seconds", "0", "--data-dir")
    async with serving(*options, str(tmp_path / "one")) as served:
        page = await tab(served.url)
        legend = page.region("Chart").locator(".chart-legend")
        await expect(legend.locator('[data-field="C"]')).to_have_text(NUMBER)
        depth = page.region("Depth")
        await expect(depth).to_have_attribute("data-state", "live")
        served.process.kill()
        await page.until_state("lost", "reconnecting")
        await expect(depth).to_have_attribute("data-state", "stale")
        await expect(await page.show("Analytics")).to_have_attribute("data-state", "stale")
        await page.select(ETH)
        await expect(legend).to_be_hidden()  # those are figures of another instrument
        await served.process.wait()
    async with serving(*options, str(tmp_path / "two"), "--port", str(port(served.url))) as again:
        await page.until_state("live")
        await expect(legend).to_be_visible()
        await expect(page.region("Analytics")).to_have_attribute("data-state", "live")
        close = Decimal((await legend.locator('[data-field="C"]').inner_text()).replace(",", ""))
        trades = (await get(again.url, f"instruments/{ETH}/trades"))["data"]["trades"]
        assert abs(close / Decimal(trades[-1]["price"]) - 1) < Decimal("0.05")


async def test_what_can_be_moved_of_several_own_orders_is_moved(tab: NewTab, quiet: str) -> None:
    page = await tab(quiet)
    await page.sign_in()
    price = Decimal((await page.ladder(BTC)).bids[0].price) - 20
    available = (await page.show("Order ticket")).locator(".ticket-cost dd").first
    money = Decimal(re.sub(r"[^\d.]", "", await available.inner_text()))
    held = 1 + Decimal((await get(quiet, f"instruments/{BTC}"))["taker_fee"])
    large = ((money / held - 60) / price).quantize(Decimal("0.00001"))
    for size in (str(large), "0.00010"):  # the first can't be paid for at a higher price, the second can
        await page.place("buy", size, str(price))
    await page.group(1000)
    ladder = page.page.locator("[data-ladder]")
    own = ladder.locator(".level[data-own]")
    await expect(own).to_have_attribute("data-own", str(large + Decimal("0.00010")))
    await own.locator(".price").click()
    await ladder.focus()
    await page.page.keyboard.press("+")
    await expect(page.page.locator(".toast", has_text="1 of 2 orders amended")).to_be_visible()
    await expect(page.page.locator(".toast.error")).to_be_visible()
    await expect(own).to_have_count(2)


async def test_the_chart_begins_with_seconds_where_the_market_has_just_begun(tab: NewTab, market: str) -> None:
    page = await tab(market)
    await expect(page.region("Chart").get_by_role("radio", name="1s", exact=True)).to_be_checked()
    await expect(page.region("Chart").get_by_role("group")).to_have_attribute("data-interval", "1s")
