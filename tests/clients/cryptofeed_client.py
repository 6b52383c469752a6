"""cryptofeed's Binance feed, for `test_cryptofeed.py`. It takes nothing but TLS; SSL_CERT_FILE and REQUESTS_CA_BUNDLE
name who signed the server's certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import Binance

from clients.lines import Watching, run


class Cryptofeed(Watching):
    """Notes what the feed says, by channel; every state of the book under its `sequence_number`."""

    async def on_book(self, book: Any, received: float) -> None:
        """The book has changed."""
        sides = {"bids": book.book.bids, "asks": book.book.asks}
        levels = {name: [[price, side[price]] for price in side] for name, side in sides.items()}
        self.note(L2_BOOK, {"id": book.sequence_number, **levels})

    async def on_trade(self, trade: Any, received: float) -> None:
        """A trade."""
        self.note(TRADES, {**trade.to_dict(), "raw": trade.raw})

    async def on_ticker(self, ticker: Any, received: float) -> None:
        """The best bid and ask have changed."""
        self.note(TICKER, {**ticker.to_dict(), "raw": ticker.raw})

    async def on_candle(self, candle: Any, received: float) -> None:
        """A candle as it stands."""
        self.note(CANDLES, {**candle.to_dict(), "raw": candle.raw})


@asynccontextmanager
async def client(http: str, ws: str, symbol: str) -> AsyncIterator[Cryptofeed]:
    """The feed of one symbol, which connects by itself."""
    Binance.websocket_endpoints = [WebsocketEndpoint(ws)]
    routes = Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}")
    Binance.rest_endpoints = [RestEndpoint(http, routes=routes)]
    cryptofeed = Cryptofeed()
    feeds = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
    feeds.add_feed(
        Binance(
            symbols=[symbol],
            channels=[L2_BOOK, TRADES, TICKER, CANDLES],
            candle_interval="1m",
            candle_closed_only=False,
            callbacks={
                L2_BOOK: cryptofeed.on_book,
                TRADES: cryptofeed.on_trade,
                TICKER: cryptofeed.on_ticker,
                CANDLES: cryptofeed.on_candle,
            },
        )
    )
    feeds.run(start_loop=False, install_signal_handlers=False)
    try:
        yield cryptofeed
    finally:
        await feeds.stop_async()


run(client)
