"""The clients of a run: the real ones, and one that says `from` and sends again what was not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

import msgspec

from simulation.checker import Key, Witness, lossless
from simulation.network import Network
from simulation.server import COIN, GOLD
from simulation.sockets import ClientEnd
from tickwire.client import Client, LiveAccount, LiveBook, LiveOrder, LiveOrders, Subscription
from tickwire.client.fills import Fills
from tickwire.errors import ClientError, ConnectionLost, OrderNotPlaced, OutcomeUnknown, RequestRefused
from tickwire.keyfile import KeyFile
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.messages import AmendParams, FillData, OrderParams, PlaceParams

REQUEST_SECONDS_MAX = 1.5
URL = "ws://simulated/ws"
MIDDLE = 10_000
"""Ticks that orders are placed around."""


def price(ticks: int) -> str:
    """A price of COIN."""
    return COIN.price.format(ticks)


def random_order(rng: Random, client_order_id: str) -> PlaceParams:
    """An order near the middle that may match, rest or be refused."""
    kind = rng.random()
    side, size = rng.choice(("buy", "sell")), COIN.size.format(rng.randint(1, 2_000))
    limit = price(MIDDLE + rng.randint(-8, 8))
    if kind < 0.1:
        return PlaceParams(COIN.symbol, side, size, "market", client_order_id=client_order_id)  # type: ignore[arg-type]
    if kind < 0.2:
        stop = price(MIDDLE + rng.randint(-8, 8))
        waits = rng.choice(("stop", "take_profit"))
        return PlaceParams(COIN.symbol, side, size, waits, None, stop, client_order_id=client_order_id)  # type: ignore[arg-type]
    force = rng.choice(("gtc", "gtc", "gtc", "ioc", "fok"))
    post_only = force == "gtc" and rng.random() < 0.2
    return PlaceParams(
        COIN.symbol, side, size, "limit", limit, None, force, None, post_only, client_order_id=client_order_id  # type: ignore[arg-type]
    )  # fmt: skip


class Real:
    """A `tickwire.client.Client` that lives as long as the run.

    Attributes:
        task: what it does; done when it has stopped working.
        working: until the workload is over.
    """

    def __init__(
        self, network: Network, witness: Witness, rng: Random, encoding: Encoding, key: KeyFile | None = None
    ) -> None:
        async def dial(url: str, encoding: Encoding, receiver: Any) -> ClientEnd:
            return await network.dial(witness, encoding, receiver)

        self.witness = witness
        self.working = True
        self._rng = rng
        self._ids = 0
        self.client = Client(
            URL,
            encoding=encoding,
            keep_trying=True,
            request_timeout=REQUEST_SECONDS_MAX,
            key=key,
            dial=dial,
            random=rng.random,
            new_id=self.new_id,
        )
        self.reading: list[asyncio.Task[None]] = []
        self.task = asyncio.get_running_loop().create_task(self._live())

    def new_id(self) -> str:
        """A `client_order_id` that nobody has used."""
        self._ids += 1
        return f"{self.witness.name}-{self._ids}"

    async def close(self) -> None:
        """It is over."""
        await self.client.close()
        for task in self.reading:
            task.cancel()

    async def _live(self) -> None:
        await self.client.__aenter__()
        await self.work()

    async def work(self) -> None:
        """What it does while it is `working`."""
        raise NotImplementedError

    async def pause(self, seconds: float) -> None:
        """A moment of up to twice `seconds`."""
        await asyncio.sleep(self._rng.uniform(0, 2 * seconds))

    async def insist(self, what: Callable[[], Any]) -> Any:
        """Try until it works; the network is to blame for whatever goes wrong."""
        while True:
            try:
                return await what()
            except ClientError:
                await self.pause(0.1)

    def read(self, items: Any, take: Callable[[Any], object], seconds: float = 0) -> None:
        """Iterate over something to the end, one item in so many seconds."""

        async def run() -> None:
            async for item in items:
                take(item)
                if seconds:
                    await self.pause(seconds if self.working else 0)

        self.reading.append(asyncio.get_running_loop().create_task(run()))


class Trader(Real):
    """Trades by the real client, and keeps what it says of each order.

    Attributes:
        account: live. fills: all that `client.fills()` brought, and what it said was lost.
        orders: by client_order_id. not_placed, unknown: client_order_ids.
    """

    def __init__(self, *args: Any) -> None:
        self.account: LiveAccount | None = None
        self.fills: list[FillData] = []
        self.since = -1
        self.orders: dict[str, LiveOrder] = {}
        self.not_placed: set[str] = set()
        self.unknown: set[str] = set()
        super().__init__(*args)

    async def work(self) -> None:
        """Place, amend and cancel."""
        rng, client = self._rng, self.client
        self.account = await self.insist(client.account)
        fills: Fills = await self.insist(client.fills)
        self.read(fills, self.fills.append)
        if rng.random() < 0.5:
            await self.insist(lambda: client.cancel_on_disconnect(rng.choice(("connection", "account"))))
        while self.working:
            kind = rng.random()
            try:
                if kind < 0.6 or not self.orders:
                    await self._place()
                elif kind < 0.75:
                    await self._some_order().cancel()
                elif kind < 0.9:
                    await self._some_order().amend(price=price(MIDDLE + rng.randint(-8, 8)))
                elif kind < 0.97:
                    await self._batch()
                else:
                    await client.cancel_all()
            except ClientError:
                pass
            await self.pause(0.1)

    def _some_order(self) -> LiveOrder:
        return self._rng.choice(list(self.orders.values()))

    async def _place(self) -> None:
        params = random_order(self._rng, self.new_id())
        name = params.client_order_id
        try:
            self.orders[name] = await self.client.place(
                params.symbol, params.side, params.size, params.price, type=params.type, stop_price=params.stop_price,
                time_in_force=params.time_in_force, post_only=params.post_only, client_order_id=name, timeout=3,
            )  # fmt: skip
        except OrderNotPlaced:
            self.not_placed.add(name)
        except OutcomeUnknown:
            self.unknown.add(name)

    async def _batch(self) -> None:
        operations: list[Any] = [random_order(self._rng, self.new_id()) for _ in range(self._rng.randint(1, 4))]
        if self.orders:
            order_id = self._some_order().order_id
            operations.append(OrderParams(order_id))
            operations.append(AmendParams(order_id, size="1"))
        await self.client.batch(operations)


class Watcher(Real):
    """Keeps live books and reads streams, some of them too slowly."""

    def __init__(self, *args: Any) -> None:
        self.books: list[LiveBook] = []
        self.orders: LiveOrders | None = None
        self.slow = False
        super().__init__(*args)

    async def work(self) -> None:
        """Subscribe, and then only read."""
        rng, client = self._rng, self.client
        for symbol in (COIN.symbol, GOLD.symbol):
            self.books.append(await self.insist(partial(client.book, symbol)))
        self.orders = await self.insist(lambda: client.book_l3(COIN.symbol))
        self.slow = rng.random() < 0.4
        wanted: list[tuple[str, dict[str, Any]]] = [
            ("trades", {}), ("quotes", {}), ("status", {}), ("book", {"depth": 5}), ("candles", {"interval": "1s"}),
            ("book", {"depth": 1, "interval_ms": 100}), ("ticker", {}),
        ]  # fmt: skip
        for channel, options in rng.sample(wanted, 4):
            subscribe = partial(client.subscribe, channel, [COIN.symbol, GOLD.symbol], **options)
            reader: Subscription = await self.insist(subscribe)
            self.read(reader, lambda _: None, 0.15 if self.slow else 0)
            await self.pause(0.1)
            if rng.random() < 0.1:
                await reader.close()


class Follower:
    """Says `from` for every stream that it has seen before, and repeats a placement until it is answered.

    Attributes:
        working: until the workload is over.
    """

    def __init__(self, network: Network, witness: Witness, rng: Random, encoding: Encoding, key: KeyFile) -> None:
        self.witness = witness
        self.working = self.open = True
        self._network, self._rng, self._encoding, self._key = network, rng, encoding, key
        self._codec: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self._link: ClientEnd | None = None
        self._lost = asyncio.Event()
        self._hello: asyncio.Future[Any]
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._numbers = 0
        self._heard = 0.0
        self._unanswered: dict[str, PlaceParams] = {}
        self._epoch = ""
        self._guarded = rng.random() < 0.5
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(self._live())

    async def close(self) -> None:
        """It is over."""
        self.open = self.working = False
        self.task.cancel()
        if self._link is not None:
            self._link.close(1006, "")

    def busy(self) -> str:
        """What it still waits for; "" for nothing."""
        missing = {key for keys in self._wanted() for key in keys} - self.witness.streams.keys()
        return (
            f"{list(self._unanswered)} not answered, {missing} not subscribed to" if self._unanswered or missing else ""
        )

    # ---- what the link calls ---------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """One whole message."""
        message = self._codec.decode(data)
        self._heard = asyncio.get_running_loop().time()
        if "id" in message:
            reply = self._replies.pop(message["id"], None)
            if reply is not None and not reply.done():
                reply.set_result(message)
        elif message["type"] == "hello":
            self._hello.set_result(message)

    def link_lost(self, code: int, reason: str) -> None:
        """The socket is gone."""
        self._lost.set()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionLost("gone"))
                reply.exception()
        self._replies.clear()

    # ---- inside ----------------------------------------------------------------------------------

    async def _live(self) -> None:
        while self.open:
            try:
                self._lost.clear()
                self._hello = asyncio.get_running_loop().create_future()
                self._link = await self._network.dial(self.witness, self._encoding, self)
                await self._connected()
            except (ClientError, TimeoutError):
                pass
            finally:
                if self._link is not None:
                    self._link.close(1006, "")
            await asyncio.sleep(self._rng.uniform(0.01, 0.5))

    async def _connected(self) -> None:
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            hello = await self._hello
        signature = self._key.sign(hello["challenge"])
        await self._ask("auth.login", {"key": self._key.key, "signature": signature})
        self._epoch = hello["epoch"]
        for keys in self._wanted():
            await self._subscribe(keys)
        if self._guarded:
            await self._ask("session.cancel_on_disconnect", {"scope": "connection"})
        while not self._lost.is_set():
            if self._unanswered:
                await self._place(self._rng.choice(list(self._unanswered)))
            elif self.working:
                self._numbers += 1
                name = f"{self.witness.name}-{self._numbers}"
                self._unanswered[name] = random_order(self._rng, name)
            else:
                await self._ask("ping", None)
            if self._rng.random() < 0.05:  # the place that it has got to is still known
                await self._subscribe(self._rng.choice(self._wanted()))
            await asyncio.sleep(self._rng.uniform(0, 0.2 if self.working else 0.5))

    def _wanted(self) -> list[list[Key]]:
        symbols, account = (COIN.symbol, GOLD.symbol), self.witness.account
        private: list[list[Key]] = [
            [(channel, account, 0, 0, "")] for channel in ("orders", "fills", "balances", "positions")
        ]
        public: list[list[Key]] = [
            [(channel, symbol, 0, 0, "") for symbol in symbols] for channel in ("book", "trades", "quotes", "status")
        ]
        return [*private, *public, [("book_l3", COIN.symbol, 0, 0, "")]]

    async def _subscribe(self, keys: list[Key]) -> None:
        channel = keys[0][0]
        params: dict[str, Any] = {"channel": channel}
        if keys[0][1] != self.witness.account:
            params["symbols"] = [key[1] for key in keys]
        seqs = dict(self._places(keys))
        if len(seqs) == len(keys):
            seq: object = seqs if len(keys) > 1 else seqs[keys[0][1]]
            params["from"] = {"epoch": self._epoch, "seq": seq}
        await self._ask("subscribe", params)

    def _places(self, keys: Iterable[Key]) -> Iterable[tuple[str, int]]:
        for key in keys:
            stream = self.witness.streams.get(key)
            if stream is not None and stream.seq is not None:
                continue  # it moves on until the request is there
            if key in self.witness.kept and lossless(key):
                yield key[1], self.witness.kept[key][0]

    async def _place(self, name: str) -> None:
        try:
            await self._ask("order.place", self._unanswered[name])
        except RequestRefused as error:
            if error.retry or error.code == "outcome_unknown":
                return
        if self._rng.random() < 0.8:  # or else it asks again, as one whose answer was lost
            self._unanswered.pop(name)

    async def _ask(self, method: str, params: Any) -> Any:
        self._numbers += 1
        number = self._numbers
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        assert self._link is not None
        if self._link.gone:
            raise ConnectionLost("gone")
        body = {"id": number, "method": method} | ({} if params is None else {"params": params})
        self._link.send(self._codec.encode(body))
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                message = await reply
        finally:
            self._replies.pop(number, None)
        if "error" in message:
            error = message["error"]
            raise RequestRefused(error["code"], error["message"], retry=error.get("retry", False))
        return message["result"]
