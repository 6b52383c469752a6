"""Recorded venues through the whole system: file, feed, tape, fold, stream, socket, client; compared with an
independent rebuild of the file, value by value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tickwire
from recorded import rebuild
from serving import serving
from tickwire.book.ladder import Ladder
from tickwire.client.books import LiveOrders
from tickwire.client.client import Client
from tickwire.client.subscription import Subscription
from tickwire.model.units import Scale
from tickwire.protocol.messages import StreamMessage

pytestmark = pytest.mark.recorded

ENDED = "the recording has ended"


def arguments(*feeds: str) -> list[str]:
    return [word for feed in feeds for word in ("--feed", feed)] + ["--speed", "max", "--wait"]


class Collected:
    """Every message of one subscription. A gap, a loss or a skip among lossless streams fails the test."""

    def __init__(self, subscription: Subscription) -> None:
        self.messages: list[StreamMessage] = []
        self.last: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._collect(subscription))

    async def _collect(self, subscription: Subscription) -> None:
        async for message in subscription:
            if isinstance(message, StreamMessage):
                self.messages.append(message)
                self.last[message.symbol] = message.seq
            else:
                assert type(message).__name__ == "Skipped", f"something was lost: {message}"
            self._changed.set()

    async def reached(self, symbol: str, seq: int) -> None:
        """Wait until the message `seq` of a symbol has come."""
        while self.last.get(symbol, -1) < seq:
            if self._task.done():
                self._task.result()
                raise AssertionError("the subscription has ended")
            self._changed.clear()
            await self._changed.wait()

    def of(self, symbol: str) -> list[StreamMessage]:
        return [message for message in self.messages if message.symbol == symbol]


async def collect(client: Client, channels: Sequence[str], symbols: Sequence[str]) -> dict[str, Collected]:
    """Subscribe to everything at once, let the recording run to its end and give back all there was."""
    subscriptions = await asyncio.gather(*(client.subscribe(channel, symbols) for channel in ("status", *channels)))
    found = {channel: Collected(s) for channel, s in zip(("status", *channels), subscriptions, strict=True)}
    status = found["status"]
    async with asyncio.timeout(180):
        for symbol in symbols:
            while not any(m.data.reason == ENDED for m in status.of(symbol)):
                await status.reached(symbol, status.last.get(symbol, 0) + 1)
        for stream in await client.subscriptions():
            await found[stream.channel].reached(stream.symbol, stream.seq)
    return found


def updates(messages: list[StreamMessage]) -> list[StreamMessage]:
    """A lossless stream from the beginning: the first message is a snapshot of nothing, then +1 each time."""
    assert messages[0].type == "snapshot"
    assert messages[0].seq == 0
    assert [message.seq for message in messages] == list(range(len(messages)))
    return messages[1:]


def final_book(messages: list[StreamMessage], tick: str, lot: str) -> rebuild.Book:
    """Apply a book stream, never crossed at any step; the result in decimals."""
    price, size = Scale(tick), Scale(lot)
    ladder = Ladder()
    for message in updates(messages):
        if message.type == "snapshot":
            ladder.clear()
        for side, levels in ((ladder.bids, message.data.bids), (ladder.asks, message.data.asks)):
            for p, s in levels:
                side.set(price.parse(p), size.parse(s))
        assert not ladder.crossed(), f"crossed at seq {message.seq}"
    bids, asks = (
        {Decimal(price.format(p)): Decimal(size.format(s)) for p, s in side.top()}
        for side in (ladder.bids, ladder.asks)
    )
    return bids, asks


def at_least(seq: int) -> Callable[[LiveOrders], bool]:
    return lambda book: book.seq >= seq


def trades(messages: list[StreamMessage]) -> list[tuple[Any, ...]]:
    rows = [message.data for message in updates(messages)]
    return [(d.id, Decimal(d.price), Decimal(d.size), d.side, d.ts_event) for d in rows]


def expected(rows: Sequence[rebuild.Trade]) -> list[tuple[Any, ...]]:
    return [(t.trade_id, t.price, t.size, t.side, t.ts_event) for t in rows]


async def instrument(client: Client, symbol: str) -> tuple[str, str]:
    rows = {row.symbol: row for row in await client.instruments()}
    return rows[symbol].tick_size, rows[symbol].lot_size


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_binance_book_and_trades(data: Path, encoding: Any) -> None:
    path = data / "binance" / "btcusdt_20240808.gz"
    symbol = "BINANCE:BTC-USDT"
    async with (
        serving(*arguments(f"recorded:binance:{path}")) as served,
        tickwire.connect(served.url, encoding=encoding) as client,
    ):
        steps = await instrument(client, symbol)
        found = await collect(client, ["book", "trades"], [symbol])
        messages = found["book"].of(symbol)
        book = await client.book(symbol)
        bids, asks = rebuild.binance_final_book(path)
        assert len(bids) > 1000
        assert len(asks) > 1000
        assert final_book(messages, *steps) == (bids, asks)
        assert dict(book.bids()) == bids
        assert dict(book.asks()) == asks
        told = trades(found["trades"].of(symbol))
        assert len(told) == 9757
        assert told == expected(rebuild.binance_trades(path))


async def test_independent_reserve_order_by_order(data: Path) -> None:
    folder = data / "independent_reserve"
    wanted = rebuild.independent_reserve_orders(folder)
    async with (
        serving(*arguments(f"recorded:independent_reserve:{folder}")) as served,
        tickwire.connect(served.url) as client,
    ):
        symbols = [row.symbol for row in await client.instruments()]
        books = await asyncio.gather(*(client.book_l3(symbol) for symbol in symbols))
        found = await collect(client, ["book_l3"], symbols)
        compared = 0
        for symbol, book in zip(symbols, books, strict=True):
            updates(found["book_l3"].of(symbol))
            await book.until(at_least(found["book_l3"].last[symbol]))
            bids, asks = wanted.get(symbol, ([], []))
            for side, rows in (("buy", bids), ("sell", asks)):
                told = [(o.order_id, o.price, o.size) for o in book.orders(side)]
                assert told == [tuple(row) for row in rows], f"{symbol} {side}"
                compared += len(told)
        assert set(wanted) <= set(symbols)
        assert compared > 1000


async def test_kraken_books_and_trades(data: Path) -> None:
    folder = data / "kraken"
    async with serving(*arguments(f"recorded:kraken:{folder}")) as served, tickwire.connect(served.url) as client:
        symbols = [row.symbol for row in await client.instruments()]
        steps = {symbol: await instrument(client, symbol) for symbol in symbols}
        found = await collect(client, ["book", "trades"], symbols)
        wanted = rebuild.kraken_final_books(folder)
        assert set(wanted) == set(symbols)
        for symbol in symbols:
            messages = found["book"].of(symbol)
            assert final_book(messages, *steps[symbol]) == wanted[symbol], symbol
        told = [t for symbol in symbols for t in trades(found["trades"].of(symbol))]
        assert sorted(told) == sorted(expected(rebuild.kraken_trades(folder)))
        statuses = [m.data for symbol in symbols for m in found["status"].of(symbol)]
        assert not [status for status in statuses if "checksum" in status.reason]
        published = {(symbol, m.data.checksum) for symbol in symbols for m in found["book"].of(symbol)}
        venue = rebuild.kraken_checksums(folder)
        assert len(venue) == 4269
        assert set(venue) <= published


async def test_coinbase_books_and_trades(data: Path) -> None:
    folder = data / "coinbase"
    async with serving(*arguments(f"recorded:coinbase:{folder}")) as served, tickwire.connect(served.url) as client:
        symbols = [row.symbol for row in await client.instruments()]
        steps = {symbol: await instrument(client, symbol) for symbol in symbols}
        found = await collect(client, ["book", "trades"], symbols)
        wanted = rebuild.coinbase_final_books(folder)
        assert set(wanted) == set(symbols)
        for symbol in symbols:
            assert final_book(found["book"].of(symbol), *steps[symbol]) == wanted[symbol], symbol
        told = [t for symbol in symbols for t in trades(found["trades"].of(symbol))]
        assert len(told) == 97
        assert sorted(told) == sorted(expected(rebuild.coinbase_matches(folder)))


def check_quotes(messages: list[StreamMessage], wanted: list[rebuild.Quote], *, all_of_them: bool) -> None:
    """`quotes` is latest-class: what is shown under seq n must be the n-th quote of the file, and the last is shown."""
    shown = [m for m in messages if m.seq]
    assert shown[-1].seq == len(wanted)
    assert [m.seq for m in shown] == sorted({m.seq for m in shown})
    if all_of_them:
        assert len(shown) == len(wanted)
    for message in shown:
        quote, data = wanted[message.seq - 1], message.data
        told = tuple(None if v is None else Decimal(v) for v in (data.bid, data.bid_size, data.ask, data.ask_size))
        sizes = [None if p is None else s for p, s in ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size))]
        assert told == (quote.bid, sizes[0], quote.ask, sizes[1]), message
        assert data.ts_event == quote.ts_event


async def test_fx_and_equity_quotes_and_trades(data: Path) -> None:
    fx = data / "fx" / "eurusd_fxcm_20140508_quote.zip"
    equity = data / "equity"
    async with (
        serving(*arguments(f"recorded:fx:{fx}", f"recorded:equity:{equity}")) as served,
        tickwire.connect(served.url) as client,
    ):
        symbols = ["FXCM:EUR-USD", "NYSE:IBM-USD", "NYSE:SPY-USD"]
        assert sorted(row.symbol for row in await client.instruments()) == symbols
        found = await collect(client, ["quotes", "trades"], symbols)
        check_quotes(found["quotes"].of("FXCM:EUR-USD"), list(rebuild.fx_quotes(fx)), all_of_them=False)
        ibm_quotes = list(rebuild.equity_quotes(equity / "ibm_20131008_quote.zip"))
        check_quotes(found["quotes"].of("NYSE:IBM-USD"), ibm_quotes, all_of_them=False)
        for symbol, name, count in (
            ("NYSE:IBM-USD", "ibm_20131008_trade.zip", 33_381),
            ("NYSE:SPY-USD", "spy_20131007_trade.zip", 250_601),
        ):
            told = trades(found["trades"].of(symbol))
            assert len(told) == count
            assert told == expected(list(rebuild.equity_trades(equity / name)))
