"""Recorded Binance data in through the feed and out through the Binance dialect: what the venue said comes back."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tickwire
from dialect_books import Book, CoinApiBook, binance_depth, book, joined, open_socket
from recorded import rebuild
from recorded.test_end_to_end import collect, updates
from serving import serving

pytestmark = pytest.mark.recorded

SYMBOL, NAME = "BINANCE:BTC-USDT", "BTCUSDT"
SPEED = 60
"""At which a window of 100 ms holds some of the venue's own, and the recording takes six seconds."""


async def test_the_recorded_book_and_trades_come_back(data: Path) -> None:
    path = data / "binance" / "btcusdt_20240808.gz"
    feed = ["--feed", f"recorded:binance:{path}", "--speed", str(SPEED), "--wait"]
    async with serving(*feed) as served, tickwire.connect(served.url) as client:
        base = served.url.removesuffix("/ws")
        url = base.replace("ws://", "http://")
        streams = f"{NAME.lower()}@depth@100ms/{NAME.lower()}@trade"
        async with open_socket(f"{base}/binance/stream?streams={streams}") as socket:
            diffs: list[dict[str, Any]] = []
            trades: list[dict[str, Any]] = []

            async def read(last_diff: int, last_trade: int) -> None:
                while not diffs or diffs[-1]["u"] < last_diff or not trades or trades[-1]["t"] < last_trade:
                    data = json.loads(await socket.recv())["data"]
                    (diffs if data["e"] == "depthUpdate" else trades).append(data)

            collecting = asyncio.create_task(collect(client, ["book", "trades"], [SYMBOL]))
            await read(1, 1)
            snapshot = await binance_depth(url, NAME)
            found = await collecting
            native = found["book"].of(SYMBOL)
            await read(native[-1].seq, found["trades"].last[SYMBOL])

        check_books(native, snapshot, diffs)
        *_, last = joined(snapshot, diffs)
        assert (last.bids, last.asks) == rebuild.binance_final_book(path)
        assert [trade["t"] for trade in trades] == list(range(1, len(trades) + 1))
        assert [(trade["p"], trade["q"], trade["m"], trade["T"]) for trade in trades] == [
            (f"{trade.price:.8f}", f"{trade.size:.8f}", trade.side == "sell", trade.ts_event // 10**6)
            for trade in rebuild.binance_trades(path)
        ]

        depth = await binance_depth(url, NAME)
        assert book(depth["lastUpdateId"], depth["bids"], depth["asks"]) == last
        async with open_socket(f"{base}/coinapi/v1") as coinapi:
            assert await CoinApiBook(coinapi, "BINANCE_SPOT_BTC_USDT").at(last.seq) == last
        live = await client.book(SYMBOL)
        assert book(live.seq, live.bids(), live.asks()) == last


def check_books(native: list[Any], snapshot: dict[str, Any], diffs: list[dict[str, Any]]) -> None:
    """After every event of the dialect, its book is the one of the native stream."""
    messages = iter(updates(native))
    now = Book(0, {}, {})
    states = 0
    for told in joined(snapshot, diffs):
        while now.seq < told.seq:
            message = next(messages)
            if message.type == "snapshot":
                now = Book(0, {}, {})
            now.change(message.data.bids, message.data.asks)
            now = now._replace(seq=message.seq)
        assert now == told
        states += 1
    assert states > 10
    assert all(Decimal(size) for side in (snapshot["bids"], snapshot["asks"]) for _, size in side)
