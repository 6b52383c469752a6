"""What the user of a client sees of a restart, a cut, a half-open socket and a wrong clock: every event, in full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from proxy import Proxy
from support import BTC, START_NS, order
from tickwire import Lost, Resumed, StreamMessage, connect_blocking
from tickwire.client import Client, LiveAccount, LiveBook, LiveOrders, Reconciled
from tickwire.client.keeper import Keeper
from tickwire.clock import NowNs
from tickwire.config import ServerSettings
from tickwire.errors import BookInvalid, ClientError, RequestRefused
from tickwire.keyfile import KeyFile
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, PlaceOrder, Record, Transfer
from tickwire.protocol import session as server_session
from tickwire.server.app import Server
from tickwire.testing.clock import ManualClock

WAIT_SECONDS = 30
SYMBOL = BTC.symbol
MONEY: list[Record] = [
    Transfer(name, asset, "1000000", name + asset) for name in "ab" for asset in (BTC.base, BTC.quote)
]


@asynccontextmanager
async def serving(folder: Path, port: int = 0, now: NowNs | None = None) -> AsyncIterator[Server]:
    settings = ServerSettings(port=port, data_dir=folder, feeds=(), drain_seconds=0)
    server = Server(settings) if now is None else Server(settings, now=now)
    async with server.running():
        yield server


async def put(server: Server, *records: Record) -> None:
    """One transaction."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server._gateway.submit(list(records), done.set_result)
    await done


def trader(server: Server) -> KeyFile:
    return server.keys.create("a", scopes=("read", "trade"), kind="ed25519")[1]


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    """A test that would wait forever fails instead."""
    timer = asyncio.get_running_loop().call_later(WAIT_SECONDS, lambda: [task.cancel() for task in asyncio.all_tasks()])
    yield
    timer.cancel()


def plain(item: Any) -> Any:
    """A message by its type and `seq`, a notice as it is."""
    return (item.type, item.seq) if isinstance(item, StreamMessage) else item


class Reader:
    """Reads all that an iteration brings."""

    def __init__(self, items: Any) -> None:
        self.seen: list[Any] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(items))

    async def _read(self, items: Any) -> None:
        async for item in items:
            self.seen.append(plain(item))
            self._changed.set()

    async def until(self, count: int) -> list[Any]:
        """What came, once it is as many."""
        while len(self.seen) < count:
            self._changed.clear()
            await self._changed.wait()
        return self.seen


class User:
    """Everything that a client can keep, and what its user is told of each."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def open(self) -> None:
        client = self.client
        self.trades = Reader(await client.subscribe("trades", SYMBOL))
        self.quotes = Reader(await client.subscribe("quotes", SYMBOL))
        self.book: LiveBook = await client.book(SYMBOL)
        self.changes = Reader(self.book)
        self.orders: LiveOrders = await client.book_l3(SYMBOL)
        self.fills = Reader(await client.fills())
        self.account: LiveAccount = await client.account()
        self.reconciled: list[Reconciled] = []
        self._reconciled = asyncio.Event()
        self.account.on_reconciled = self._reconcile

    def _reconcile(self, reconciled: Reconciled) -> None:
        self.reconciled.append(reconciled)
        self._reconciled.set()

    def sees_nothing(self) -> None:
        """No state can be read, and it says why."""
        states = self.client.connected, self.book.valid, self.orders.valid, self.account.valid
        assert states == (False, False, False, False)
        with pytest.raises(BookInvalid, match=r"the connection is lost \(.*\); it waits for another"):
            self.book.bids()
        with pytest.raises(BookInvalid, match="the connection is lost"):
            self.orders.orders("buy")
        with pytest.raises(ClientError, match="the connection is lost"):
            self.account.balances  # noqa: B018

    async def is_current(self) -> None:
        """Wait until every state is that of trade 2."""
        await self.book.until(lambda book: book.seq == 4)
        await self.orders.until(lambda book: book.seq == 4)
        await self._reconciled.wait()
        assert [(str(price), str(size)) for price, size in self.book.bids()] == [("90.00", "0.001")]
        assert self.orders.bids() == self.book.bids()
        [changed] = self.reconciled[0].orders
        assert (changed.order_id, changed.status, changed.filled) == ("1", "open", "0.002")
        assert self.account.orders == {"1": changed}
        assert self.account.balances["BTC"].available == "1000000.002"

    async def has_missed_nothing(self, lost: str) -> None:
        """All that it was told, of trades 1 to 3 of which the second was made while it was away."""
        assert await self.trades.until(5) == [
            ("snapshot", 0),
            ("update", 1),
            Resumed("trades", SYMBOL, 1, 1),
            ("update", 2),
            ("update", 3),
        ]
        assert await self.changes.until(5) == [("update", seq) for seq in range(1, 6)]
        await self.rest(lost)
        stats = self.client.stats
        assert (stats.connections, stats.resumed, stats.lost) == (
            2,
            7,
            1,
        )  # lost: the quotes, which are a latest stream

    async def rest(self, lost: str) -> None:
        """All that it was told by what does not depend on how long it was away."""
        fills = await self.fills.until(3)
        assert [(fill.seq, fill.trade_id, fill.size) for fill in fills] == [(n, str(n), "0.001") for n in (1, 2, 3)]
        *before, notice, fresh, after = await self.quotes.until(6)
        assert [*before, fresh, after] == [
            ("snapshot", 0),
            ("update", 2),
            ("update", 3),
            ("snapshot", 4),
            ("update", 5),
        ]
        assert notice == Lost("quotes", SYMBOL, 3, notice.reason)
        assert lost in notice.reason
        await self.account.until(lambda account: not account.orders)
        assert [reconciled.fills for reconciled in self.reconciled] == [1]
        assert self.account.balances["BTC"].available == "1000000.003"
        assert self.book.best_bid is None
        assert self.client.stats.checksum_mismatches == 0


async def trade_once(server: Server, user: User) -> None:
    """Trade 1, of which the user hears."""
    await put(server, order("buy", 9000, 3), order("sell", 9100, 2))
    await trade_again(server)
    await user.changes.until(3)
    await user.quotes.until(3)
    await user.account.until(lambda account: account.balances["BTC"].available == "1000000.001")
    await user.fills.until(1)


async def trade_again(server: Server) -> None:
    await put(server, order("sell", 9000, 1))


class Gate:
    """The wait of a client before its next attempt: as long as the test says."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.open = asyncio.Event()

    async def sleep(self, _: float) -> None:
        self.waiting.set()
        await self.open.wait()


# ---- the server restarts -------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "clean"), [("json", True), ("msgpack", False)])
async def test_a_restart_of_the_server(
    tmp_path: Path, encoding: Any, clean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not clean:
        monkeypatch.setattr("tickwire.server.pipeline.Pipeline.save_snapshot", lambda _: None)
    gate = Gate()
    async with AsyncExitStack() as stack:
        async with serving(tmp_path) as server:
            await put(server, ListInstrument(BTC), *MONEY)
            port, key = server.port, trader(server)
            client = Client(server.url, key=key, encoding=encoding, sleep=gate.sleep)
            user = User(await stack.enter_async_context(client))
            await user.open()
            await trade_once(server, user)
        await gate.waiting.wait()
        user.sees_nothing()
        async with serving(tmp_path, port) as server:
            await trade_again(server)
            gate.open.set()
            await user.is_current()
            await trade_again(server)
            await user.has_missed_nothing("the connection is lost (1012: the server stops or restarts")


async def test_a_server_that_has_lost_its_tape_is_begun_anew_with(tmp_path: Path) -> None:
    gate = Gate()
    async with AsyncExitStack() as stack:
        async with serving(tmp_path / "one") as server:
            await put(server, ListInstrument(BTC), *MONEY)
            port = server.port
            client = await stack.enter_async_context(Client(server.url, sleep=gate.sleep))
            book, trades = await client.book(SYMBOL), Reader(await client.subscribe("trades", SYMBOL))
            await put(server, order("buy", 9000, 1))
            await book.until(lambda b: b.seq == 1)
            before = client.hello.epoch
        async with serving(tmp_path / "two", port) as server:
            await put(server, ListInstrument(BTC), *MONEY)
            await put(server, order("buy", 8000, 1))
            gate.open.set()
            await book.until(lambda b: b.best_bid == (Decimal("80.00"), Decimal("0.001")))
            why = f"the server began anew: its epoch is {client.hello.epoch} now, not {before}"
            assert await trades.until(3) == [("snapshot", 0), Lost("trades", SYMBOL, 0, why), ("snapshot", 0)]


# ---- the network fails ---------------------------------------------------------------------------------


class Outage:
    """The waits of a client between its attempts, which move a clock; when they are so long in all, the last of them
    ends when the test says."""

    def __init__(self, clock: ManualClock, seconds: int) -> None:
        self.waits: list[float] = []
        self.over, self.mended = asyncio.Event(), asyncio.Event()
        self._clock, self._seconds = clock, seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._clock.advance(ms=round(seconds * 1000))
        if sum(self.waits) >= self._seconds:
            self.over.set()
            await self.mended.wait()


@pytest.mark.parametrize("seconds", [30, 70])
async def test_a_cut_of_the_network(tmp_path: Path, seconds: int) -> None:
    clock = ManualClock(START_NS)
    outage = Outage(clock, seconds)
    async with serving(tmp_path, now=clock) as server, Proxy(server.port) as proxy:
        await put(server, ListInstrument(BTC), *MONEY)
        client = Client(proxy.url, key=trader(server), sleep=outage.sleep, random=lambda: 1.0)
        async with client:
            user = User(client)
            await user.open()
            await trade_once(server, user)
            proxy.cut()
            await outage.over.wait()
            assert outage.waits[:9] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
            user.sees_nothing()
            await trade_again(server)
            proxy.mend()
            outage.mended.set()
            await user.is_current()
            await trade_again(server)
            if seconds == 30:
                await user.has_missed_nothing("the connection is lost (1006")
                return
            # longer than the server keeps what was missed: it says so, and only of fills none is missing
            assert await user.trades.until(5) == [
                ("snapshot", 0),
                ("update", 1),
                Lost("trades", SYMBOL, 1, "not all messages after 1 are kept"),
                ("snapshot", 2),
                ("update", 3),
            ]
            changes = [("update", 1), ("update", 2), ("update", 3), ("snapshot", 4), ("update", 5)]
            assert await user.changes.until(5) == changes
            await user.rest("the connection is lost (1006")


@pytest.fixture
def heartbeat_s(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(server_session, "HEARTBEAT_MS", 200)
    return 0.2


@pytest.mark.parametrize("fault", [Proxy.half_open, Proxy.stall])
async def test_a_connection_that_is_silent_and_not_closed(
    tmp_path: Path, fault: Callable[[Proxy], None], heartbeat_s: float
) -> None:
    gate = Gate()
    async with serving(tmp_path) as server, Proxy(server.port) as proxy:
        await put(server, ListInstrument(BTC), *MONEY)
        async with Client(proxy.url, key=trader(server), sleep=gate.sleep) as client:
            user = User(client)
            await user.open()
            await trade_once(server, user)
            fault(proxy)
            await trade_again(server)
            assert client.connected  # nobody has told it
            await gate.waiting.wait()
            assert 2.5 * heartbeat_s < client.silence < WAIT_SECONDS
            user.sees_nothing()
            gate.open.set()
            await user.is_current()
            assert client.silence < 2.5 * heartbeat_s
            await trade_again(server)
            await user.has_missed_nothing(
                "the connection is lost (1006: nothing was heard from the server for too long"
            )


# ---- the clock is wrong --------------------------------------------------------------------------------


async def test_a_wall_clock_that_is_an_hour_wrong_and_set_again(
    tmp_path: Path, heartbeat_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_ns = 0
    true_ns = time.time_ns

    def set_clock(hours: int) -> None:
        nonlocal ahead_ns
        ahead_ns = hours * 3_600_000_000_000

    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + ahead_ns)
    monkeypatch.setattr(time, "time", lambda: (true_ns() + ahead_ns) / 1e9)
    beats = asyncio.Semaphore(0)
    monkeypatch.setattr(Keeper, "heartbeat", lambda _: beats.release())
    gate = Gate()
    async with serving(tmp_path, now=true_ns) as server, Proxy(server.port) as proxy:
        await put(server, ListInstrument(BTC), *MONEY)
        set_clock(-1)
        async with Client(proxy.url, key=trader(server), sleep=gate.sleep) as client:
            user = User(client)
            await user.open()
            await trade_once(server, user)
            for hours in (1, -1, 0, 1):
                set_clock(hours)
                for _ in range(2):
                    await beats.acquire()
            assert client.stats.connections == 1
            proxy.cut()
            await gate.waiting.wait()
            set_clock(-1)
            await trade_again(server)
            proxy.mend()
            gate.open.set()
            await user.is_current()
            await trade_again(server)
            await user.has_missed_nothing("the connection is lost (1006")

            assert 0 <= true_ns() - client.server_time() < WAIT_SECONDS * 10**9
            with pytest.raises(RequestRefused, match="deadline_passed"):  # by the clock of this machine
                await client.place(SYMBOL, "buy", "0.001", "80", deadline=time.time_ns() + 10**9)
            soon = client.server_time() + WAIT_SECONDS * 10**9
            placed = await client.place(
                SYMBOL, "buy", "0.001", "80", deadline=soon, expires_at=soon, time_in_force="gtd"
            )
            assert (placed.status, placed.data.expires_at) == ("open", soon)


# ---- many streams --------------------------------------------------------------------------------------


async def test_a_thousand_streams_go_on(tmp_path: Path) -> None:
    gate = Gate()
    listed = [
        Instrument(
            venue="SIM",
            base=f"A{number}",
            quote="USDT",
            asset_class="crypto",
            tick_size="0.01",
            lot_size="0.001",
            kind="matched",
            book="orders",
            feed="test",
        )
        for number in range(250)
    ]
    symbols = [instrument.symbol for instrument in listed]
    channels = ("trades", "book", "book_l3", "status")
    async with serving(tmp_path) as server, Proxy(server.port) as proxy:
        await put(server, *[ListInstrument(instrument) for instrument in listed], *MONEY)
        async with Client(proxy.url, sleep=gate.sleep) as client:
            readers = {channel: Reader(await client.subscribe(channel, symbols)) for channel in channels}
            for reader in readers.values():
                await reader.until(250)
            proxy.cut()
            await gate.waiting.wait()
            missed = {symbol: number % 3 for number, symbol in enumerate(symbols)}
            for symbol, count in missed.items():
                await put(server, *[PlaceOrder(symbol, "a", "buy", 10, 100 + n) for n in range(count)])
            asked = sum(server.meters.requests.values())
            proxy.mend()
            gate.open.set()
            for channel, reader in readers.items():
                each = missed if channel in ("book", "book_l3") else dict.fromkeys(symbols, 0)
                notices = [Resumed(channel, symbol, int(channel == "status"), each[symbol]) for symbol in symbols]
                await reader.until(250 + 250 + sum(each.values()))
                assert [item for item in reader.seen[250:] if isinstance(item, Resumed)] == notices
                updates = [item for item in reader.seen[250:] if not isinstance(item, Resumed)]
                assert updates == [("update", seq + 1) for symbol in symbols for seq in range(each[symbol])]
            assert sum(server.meters.requests.values()) - asked == len(channels)
            assert (client.stats.resumed, client.stats.lost, client.stats.connections) == (1000, 0, 2)


# ---- without await -------------------------------------------------------------------------------------


async def test_the_blocking_client_goes_on_as_well(tmp_path: Path) -> None:
    seen: list[Any] = []
    books: list[Any] = []

    def script(url: str) -> None:
        with connect_blocking(url) as client, client.subscribe("trades", SYMBOL) as trades:
            book = client.book(SYMBOL)
            for message in trades:
                seen.append(plain(message))
                if len(seen) == 5:
                    break
            book.until(lambda b: b.seq == 5)
            books.append((book.valid, book.bids(), client.stats.connections, 0 <= client.silence < WAIT_SECONDS))

    async with serving(tmp_path) as server, Proxy(server.port) as proxy:
        await put(server, ListInstrument(BTC), *MONEY)
        running = asyncio.create_task(asyncio.to_thread(script, proxy.url))
        while not seen:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await put(server, order("buy", 9000, 3), order("sell", 9100, 2))
        await trade_again(server)
        while len(seen) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        proxy.cut()
        await trade_again(server)
        proxy.mend()
        while len(seen) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await trade_again(server)
        await running
    assert seen == [("snapshot", 0), ("update", 1), Resumed("trades", SYMBOL, 1, 1), ("update", 2), ("update", 3)]
    assert books == [(True, [], 2, True)]
