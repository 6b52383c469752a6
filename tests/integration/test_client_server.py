"""The client and the server together, on a real socket: what each promises, the other one holds it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from tickwire.client import Client, LiveBook, Lost, StreamMessage, connect, connect_blocking
from tickwire.client.books import Live
from tickwire.client.keeper import Keeper
from tickwire.config import ServerSettings
from tickwire.errors import BookInvalid, RequestRefused
from tickwire.model.channel import CHANNELS
from tickwire.protocol import session as server_session
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.messages import PriceSize, TradeData
from tickwire.server.app import Server

BTC, EUR = "SIM:BTC-USDT", "SIM:EUR-USD"
SECONDS_MAX = 20
Levels = list[tuple[Decimal, Decimal]]


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Server]:
    async with Server(ServerSettings(**({"port": 0, "drain_seconds": 0} | settings))).running() as server:
        yield server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


def levels(rows: list[PriceSize]) -> Levels:
    return [(Decimal(price), Decimal(size)) for price, size in rows]


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_a_live_book_passes_through_the_very_states_that_the_server_shows(
    server: Server, encoding: Encoding
) -> None:
    async with asyncio.timeout(SECONDS_MAX), connect(server.url, encoding=encoding) as client:
        states: dict[int, tuple[Levels, Levels, int]] = {}

        def keep(book: LiveBook) -> bool:
            states[book.seq] = (book.bids(), book.asks(), book.checksum)
            return False

        async with await client.book(BTC) as book:
            keeping = asyncio.create_task(book.until(keep))
            for _ in range(5):
                begin = book.seq
                await book.until(lambda b, seq=begin: b.seq >= seq + 10)  # type: ignore[misc]
                shown = await client.snapshot("book", BTC)
                await book.until(lambda b, seq=shown.seq: b.seq >= seq)  # type: ignore[misc]
                assert states[shown.seq] == (levels(shown.data.bids), levels(shown.data.asks), shown.data.checksum)
            keeping.cancel()
        assert (client.stats.lost, client.stats.checksum_mismatches, client.stats.unknown) == (0, 0, 0)


async def test_the_kinds_of_live_book_agree_after_each_transaction(server: Server) -> None:
    async with asyncio.timeout(SECONDS_MAX), connect(server.url) as client:
        book, orders, top = await client.book(BTC), await client.book_l3(BTC), await client.book(BTC, depth=5)
        states: dict[Live, dict[int, tuple[Levels, Levels]]] = {book: {}, orders: {}, top: {}}

        def keep(live: Live) -> bool:
            states[live][live.ts] = (live.bids(), live.asks())  # the last one of a transaction stays
            return len(shared()) > 11

        def shared() -> list[int]:
            """The transactions that every book has told of: `top` is quiet in many."""
            return sorted(states[book].keys() & states[orders].keys() & states[top].keys())

        await asyncio.gather(*[live.until(keep) for live in states])
        common = shared()[:-1]  # of the newest one not every message may be there
        assert len(common) > 10
        for ts in common:
            assert states[book][ts] == states[orders][ts]
            assert states[top][ts] == (states[book][ts][0][:5], states[book][ts][1][:5])


async def test_every_channel_begins_with_a_snapshot_and_goes_on_without_a_hole(server: Server) -> None:
    async with asyncio.timeout(SECONDS_MAX), connect(server.url) as client:
        for channel in CHANNELS:
            symbol = EUR if channel == "rates" else BTC
            async with await client.subscribe(channel, symbol, interval="1s" if channel == "candles" else None) as s:
                first = await anext(aiter(s))
                assert isinstance(first, StreamMessage)
                assert (first.channel, first.symbol, first.type) == (channel, symbol, "snapshot")
                last = first.seq
                for _ in range(0 if channel == "status" else 3):
                    message = await anext(aiter(s))
                    assert isinstance(message, StreamMessage)
                    assert message.type == "update"
                    assert message.seq == last + 1 if s.keys[0].lossless else message.seq > last
                    last = message.seq
        assert await client.subscriptions() == []
        # what was still on its way when a subscription ended is ignored, and no fault
        assert (client.stats.unknown, client.stats.malformed) == (0, 0)


async def test_heartbeats_agree_with_what_has_arrived(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_session.Session, "beat_ms", 40)  # and the client is told that beats are rare
    beats, enough = [0], asyncio.Event()

    def heartbeat(keeper: Keeper) -> None:
        beats[0] += 1
        if beats[0] == 25:
            enough.set()

    monkeypatch.setattr(Keeper, "heartbeat", heartbeat)
    async with asyncio.timeout(SECONDS_MAX), connect(server.url) as client:
        symbols = [row.symbol for row in await client.instruments() if "book_l3" in row.channels]
        for channel in ("trades", "book", "book_l3", "quotes", "ticker"):
            await client.subscribe(channel, symbols)
        await client.subscribe("book", symbols, depth=10, interval_ms=100)
        await client.subscribe("candles", symbols, interval="1s")
        await enough.wait()
        assert (client.stats.lost, client.stats.connections) == (0, 1)


async def test_a_server_that_comes_back_is_gone_on_with() -> None:
    async with asyncio.timeout(SECONDS_MAX):
        async with serving() as server:
            port = server.port
            client = await Client(server.url, random=lambda: 0.2).__aenter__()
            book, trades = await client.book(BTC), await client.subscribe("trades", BTC)
            first_epoch = client.hello.epoch
            await book.until(lambda b: b.seq > 5)
        with pytest.raises(BookInvalid, match="the connection is lost"):
            book.bids()
        async with serving(port=port):
            await book.until(lambda b: True)
            assert client.hello.epoch != first_epoch
            seen: list[Any] = []
            async for message in trades:
                seen.append(message)
                if any(isinstance(item, Lost) for item in seen[:-1]):
                    break
            assert isinstance(seen[-2], Lost)
            assert (seen[-1].type, seen[-1].channel) == ("snapshot", "trades")
            assert client.stats.connections == 2
            await client.close()


async def test_what_the_server_refuses_is_raised(server: Server) -> None:
    async with asyncio.timeout(SECONDS_MAX), connect(server.url) as client:
        with pytest.raises(RequestRefused) as caught:
            await client.subscribe("trades", [BTC, "SIM:NO-NE"])
        assert (caught.value.code, caught.value.field) == ("unknown_symbol", "symbols[1]")
        with pytest.raises(RequestRefused, match="unknown_method"):
            await client.request("make.coffee")
        assert await client.subscriptions() == []


async def test_a_script_without_await(server: Server) -> None:
    def script() -> tuple[list[TradeData], bool, int]:
        with connect_blocking(server.url, reconnect=False) as client:
            trades: list[TradeData] = []
            with client.subscribe("trades", [row.symbol for row in client.instruments()]) as messages:
                for message in messages:
                    if message.type == "update":
                        trades.append(message.data)
                    if len(trades) == 5:
                        break
            with client.book(BTC) as book:
                seq = book.seq
                book.until(lambda b: b.seq > seq)
                bid, ask = book.best_bid, book.best_ask
                return trades, bid is not None and ask is not None and bid[0] < ask[0], client.time()

    trades, uncrossed, now = await asyncio.wait_for(asyncio.to_thread(script), SECONDS_MAX)
    assert [type(trade) for trade in trades] == [TradeData] * 5
    assert all(Decimal(trade.price) > 0 and Decimal(trade.size) > 0 for trade in trades)
    assert uncrossed
    assert now > 1_700_000_000_000_000_000
