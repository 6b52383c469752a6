"""One market, three protocols: at one moment they all show the same book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clients.venue import NAME, SYMBOL, Venue, venue
from dialect_books import Book, CoinApiBook, binance_depth, book, joined, open_socket

SYMBOL_ID = "SIM_SPOT_BTC_USDT"


def of_market(ours: Venue, seq: int) -> Book:
    """The book by the native stream."""
    return book(seq, *ours.seen.books[seq])


async def test_a_book_that_nobody_changes_is_the_same_in_every_protocol(tmp_path: Path) -> None:
    async with venue(tmp_path) as ours:
        await ours.trade(100)
        seq = await ours.settle()
        wanted = of_market(ours, seq)
        native = await ours.maker.snapshot("book", SYMBOL)
        assert book(native.seq, native.data.bids, native.data.asks) == wanted
        depth = await binance_depth(ours.url("http", "").rstrip("/"), NAME)
        assert book(depth["lastUpdateId"], depth["bids"], depth["asks"]) == wanted
        async with open_socket(ours.url("ws", "coinapi/v1")) as coinapi:
            assert await CoinApiBook(coinapi, SYMBOL_ID).at(seq) == wanted


async def test_books_kept_by_streams_are_the_same_after_every_change(tmp_path: Path) -> None:
    async with (
        venue(tmp_path) as ours,
        open_socket(ours.url("ws", f"binance/ws/{NAME.lower()}@depth@100ms")) as binance,
        open_socket(ours.url("ws", "coinapi/v1")) as coinapi,
    ):
        diffs: list[dict[str, Any]] = []
        kept = CoinApiBook(coinapi, SYMBOL_ID)
        await ours.trade_until(kept.at(0))

        async def read_diffs(last: int, count: int) -> None:
            while len(diffs) < count or diffs[-1]["u"] < last:
                diffs.append(json.loads(await binance.recv()))

        await ours.trade_until(read_diffs(0, 1))
        snapshot = await ours.trade_until(binance_depth(ours.url("http", "").rstrip("/"), NAME))
        await ours.trade_until(read_diffs(snapshot["lastUpdateId"], 6))
        seq = await ours.settle()
        await read_diffs(seq, 0)

        states = 0
        for now in joined(snapshot, diffs):
            assert now == of_market(ours, now.seq)
            states += 1
        assert now.seq == seq
        assert states > 2
        assert await kept.at(seq) == now
