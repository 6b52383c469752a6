"""The page shows the market: what is on the screen is what the server says, to the digit and to the message."""

from __future__ import annotations

import re
from decimal import Decimal

from playwright.async_api import expect

from browser.conftest import NewTab
from browser.history import History, kept
from browser.page import Ladder, Tab
from browser.rest import BTC, ETH, Book, get, grouped

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
