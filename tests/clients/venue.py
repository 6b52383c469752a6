"""The server that the clients are shown: a market of known people, and all that the native streams say of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, closing, suppress
from decimal import Decimal
from pathlib import Path
from ssl import SSLContext
from typing import Any, NamedTuple

from msgspec.structs import replace

import dialect_books
import support
from dialect_books import Levels
from tickwire.client import Client, StreamMessage, Subscription, connect
from tickwire.clock import wall_clock_ns
from tickwire.config import ServerSettings
from tickwire.errors import RequestRefused
from tickwire.keyfile import KeyFile
from tickwire.model.records import Clock, ListInstrument, Side, Transfer
from tickwire.protocol.messages import BalanceData, FillData, TradeData
from tickwire.server.app import Server
from tickwire.server.keys import KeyStore
from tickwire.tape.sqlite import SqliteTape

BTC = replace(support.BTC, feed="", maker_fee="0.001", taker_fee="0.002")
SYMBOL, NAME = BTC.symbol, "BTCUSDT"
"""The one instrument here, as it is called natively and at Binance."""
DEPOSITS = {"BTC": "1000", "USDT": "1000000"}
"""What each account begins with."""
OWNERS = ("maker", "taker", "customer")
"""The accounts: two whom the test has trade, and one that the client under test trades with."""
MIDDLE = 10_000
"""The price around which they trade, in ticks."""
SIDES: tuple[tuple[Side, int], ...] = (("buy", -1), ("sell", 1))
"""Each side, and where it is from the middle."""
WAIT_SECONDS = 60


class Book(NamedTuple):
    """A book, all of it."""

    bids: Levels
    asks: Levels


def best(side: Levels) -> list[Decimal]:
    """Price and size of the best level, as a client says them that knows no empty side."""
    return [*side[0]] if side else [Decimal(0), Decimal(0)]


def levels(rows: Iterable[Iterable[Any]]) -> Levels:
    """Levels as clients tell them, `[[price, size], …]` in text or as numbers."""
    return [(Decimal(price), Decimal(size)) for price, size, *_ in rows]


class Seen:
    """What the native streams have said since the market was empty.

    Attributes:
        books: every state of the book, by `seq`.
        trades: every trade, by `seq`, which is its id as well.
        fills: every fill of the customer, by trade id.
        times: when each trade was, by `seq`, ns.
    """

    def __init__(self) -> None:
        self.books: dict[int, Book] = {}
        self.trades: dict[int, TradeData] = {}
        self.fills: dict[str, FillData] = {}
        self.times: dict[int, int] = {}
        self._now = dialect_books.book(-1, (), ())
        self._reached = {("book", SYMBOL): -1, ("trades", SYMBOL): -1, ("fills", "customer"): -1}
        self._changed = asyncio.Event()

    async def read(self, subscription: Subscription) -> None:
        """Read a stream until it is closed."""
        async for message in subscription:
            assert isinstance(message, StreamMessage), message
            self._reached[message.channel, message.symbol] = message.seq
            match message.channel:
                case "book":
                    self._now.change(message.data.bids, message.data.asks)
                    self.books[message.seq] = Book(*self._now.ranked())
                case "trades" if message.type == "update":
                    self.trades[message.seq] = message.data
                    self.times[message.seq] = message.ts
                case "fills" if message.type == "update":
                    self.fills[message.data.trade_id] = message.data
            self._changed.set()

    @property
    def seq(self) -> int:
        """The newest state of the book."""
        return max(self.books)

    async def catch_up(self, *clients: Client) -> None:
        """Wait for all that was published by now to the streams of these clients."""
        for row in [row for client in clients for row in await client.subscriptions()]:
            while self._reached.get((row.channel, row.symbol), row.seq) < row.seq:
                self._changed.clear()
                await self._changed.wait()


class Venue:
    """A server, two people who trade on it, and what is seen there.

    Attributes:
        keys: of each account, and one that signs with Ed25519 for the customer, by "customer_ed25519".
        maker, taker, customer: native clients of the accounts.
        seen: what the native streams say.
    """

    def __init__(self, server: Server, keys: dict[str, KeyFile], clients: dict[str, Client], seen: Seen) -> None:
        self.server = server
        self.keys = keys
        self.maker, self.taker, self.customer = (clients[name] for name in OWNERS)
        self.seen = seen
        self._rng = random.Random(7)
        self._resting: list[str] = []

    def url(self, scheme: str, dialect: str) -> str:
        """Where a dialect is: `scheme` is http, https, ws or wss."""
        return f"{scheme}://127.0.0.1:{self.server.port}/{dialect}"

    def binance(self, key: str = "customer") -> dict[str, str]:
        """What a client of Binance is told: where the server is, and a key."""
        return {
            "http": self.url("http", "binance"),
            "ws": self.url("ws", "binance"),
            "key": self.keys[key].key,
            "secret": self.keys[key].secret,
        }

    async def trade(self, steps: int = 4) -> None:
        """Some random orders, cancels and trades of the two."""
        for _ in range(steps):
            size = f"{self._rng.randint(1, 900) / 1000:.3f}"
            side, away = self._rng.choice(SIDES)
            kind = self._rng.choice(("place", "place", "place", "cancel", "take"))
            if kind == "place" or not self._resting:
                price = f"{(MIDDLE + away * self._rng.randint(1, 25)) / 100:.2f}"
                self._resting.append((await self.maker.place(SYMBOL, side, size, price)).order_id)
            elif kind == "cancel":
                with suppress(RequestRefused):  # it is filled
                    await self.maker.cancel(self._resting.pop(self._rng.randrange(len(self._resting))))
            else:
                limit = f"{(MIDDLE - away * 5) / 100:.2f}"
                await self.taker.place(SYMBOL, side, size, limit, time_in_force="ioc")

    async def trade_until(self, done: Coroutine[Any, Any, Any]) -> Any:
        """What something gives that waits for the market to move."""
        waiting = asyncio.ensure_future(done)
        while not waiting.done():
            await self.trade()
        return await waiting

    async def settle(self) -> int:
        """Wait until the native streams have said all; returns the `seq` of the book as it stands."""
        await self.seen.catch_up(self.maker, self.customer)
        return self.seen.seq


def prepare(folder: Path) -> dict[str, KeyFile]:
    """A data folder with the instrument and funded accounts; returns the keys."""
    transfers = [Transfer(name, asset, size, name + asset) for name in OWNERS for asset, size in DEPOSITS.items()]
    with closing(SqliteTape(folder)) as tape:
        tape.append([Clock(wall_clock_ns()), ListInstrument(BTC), *transfers])
    with closing(KeyStore(folder / "keys.db")) as store:
        keys = {name: store.create(name, scopes=["read", "trade"], kind="hmac")[1] for name in OWNERS}
        keys["customer_ed25519"] = store.create("customer", scopes=["read", "trade"], kind="ed25519")[1]
    return keys


@asynccontextmanager
async def venue(folder: Path, *, context: SSLContext | None = None, **settings: Any) -> AsyncIterator[Venue]:
    """A running server with its people; `context` is for one with TLS."""
    keys = prepare(folder)
    options = ServerSettings(
        port=0, data_dir=folder, feeds=(), drain_seconds=0, requests_per_second=100_000, **settings
    )
    seen = Seen()
    async with (
        asyncio.timeout(WAIT_SECONDS),
        Server(options).running() as server,
        connect(server.url, key=keys["maker"], ssl=context) as maker,
        connect(server.url, key=keys["taker"], ssl=context) as taker,
        connect(server.url, key=keys["customer"], ssl=context) as customer,
        await maker.subscribe("book", SYMBOL) as book,
        await maker.subscribe("trades", SYMBOL) as trades,
        await customer.subscribe("fills") as fills,
        asyncio.TaskGroup() as tasks,
    ):
        for subscription in (book, trades, fills):
            tasks.create_task(seen.read(subscription))
        clients = {"maker": maker, "taker": taker, "customer": customer}
        yield Venue(server, keys, clients, seen)
        for subscription in (book, trades, fills):
            await subscription.close()


def candles(seen: Seen, seconds: int = 60) -> list[list[Decimal]]:
    """Candles made of every trade there was: [start in ms, open, high, low, close, volume, trades]."""
    starts: dict[int, list[tuple[Decimal, Decimal]]] = {}
    for seq, trade in sorted(seen.trades.items()):
        start = seen.times[seq] // 10**9 // seconds * seconds
        starts.setdefault(start, []).append((Decimal(trade.price), Decimal(trade.size)))
    rows = []
    for start, trades in starts.items():
        prices, sizes = zip(*trades, strict=True)
        numbers = (start * 1000, prices[0], max(prices), min(prices), prices[-1], sum(sizes), len(trades))
        rows.append([Decimal(number) for number in numbers])
    return rows


def amounts(balances: dict[str, BalanceData]) -> dict[str, tuple[Decimal, Decimal]]:
    """(available, held) of each asset."""
    return {asset: (Decimal(balance.available), Decimal(balance.held)) for asset, balance in balances.items()}


def text(number: Decimal) -> str:
    """A number as Binance spells it: with eight decimals."""
    return f"{number:.8f}"
