"""Two owners of accounts who trade with each other by a random plan, and the server between them."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from bots.books import UNIT, Books
from tickwire.client import Client, LiveOrder, StreamMessage, Subscription
from tickwire.clock import wall_clock_ns
from tickwire.errors import RequestRefused
from tickwire.keyfile import KeyFile
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, ListInstrument, Transfer
from tickwire.model.units import asset_text
from tickwire.protocol.messages import AmendParams, FillData, OrderParams, PlaceParams
from tickwire.server.keys import KeyStore
from tickwire.tape.sqlite import SqliteTape

BTC = Instrument(
    venue="BOTS", base="BTC", quote="USDT", asset_class="crypto", tick_size="0.01", lot_size="0.0000000000000001",
    kind="matched", book="orders", maker_fee="0.000123", taker_fee="0.000457",
)  # fmt: skip
"""A tick x lot is 10^-18 USDT, the last unit there is, so that amounts have all their decimals and fees are rounded."""
NAMES = ("alice", "bob")
DEPOSITS = {"BTC": 1_000 * UNIT, "USDT": 100_000 * UNIT}
MIDDLE = 10_000
"""Around which the bots trade, in ticks."""
LOT = UNIT // 10**16
HANDS = 4
"""Requests that a bot has under way at a time."""
SERVER = Path(__file__).with_name("server.py")
SECONDS_MAX = 60

Params = dict[str, Any]

TERMS: dict[str, Params] = {
    "limit": {},
    "post_only": {"post_only": True},
    "ioc": {"time_in_force": "ioc"},
    "fok": {"time_in_force": "fok"},
    "gtd": {"time_in_force": "gtd"},
    "iceberg": {},
    "reduce_only": {"reduce_only": True, "time_in_force": "ioc"},
    "market": {"type": "market"},
    "stop": {"type": "stop"},
    "stop_limit": {"type": "stop_limit"},
    "too_large": {"side": "buy", "size": "99", "price": "100000.00"},
}
"""What each kind of order asks for, beside random numbers."""
KINDS = (*TERMS, "batch")
WEIGHTS = {"limit": 8, "post_only": 6, "iceberg": 3, "amend": 8, "cancel": 4, "batch": 2, "cancel_all": 0.3}
"""How much more often than once."""
REFUSALS = {
    "post_only": {"would_take"},
    "fok": {"would_not_fill"},
    "reduce_only": {"would_increase"},
    "stop": {"would_trigger"},
    "stop_limit": {"would_trigger"},
    "amend": {"order_closed", "unknown_order", "no_change", "invalid_params", "would_take"},
    "cancel": {"order_closed", "unknown_order"},
}
"""The codes that something may be refused with; anything may be for want of balance."""


def prepare(folder: Path) -> list[KeyFile]:
    """A new data folder with one instrument and a funded account for each name; returns the accounts' keys."""
    transfers = [
        Transfer(name, asset, asset_text(amount), name + asset) for name in NAMES for asset, amount in DEPOSITS.items()
    ]
    with closing(SqliteTape(folder)) as tape:
        tape.append([Clock(wall_clock_ns()), ListInstrument(BTC), *transfers])
    with closing(KeyStore(folder / "keys.db")) as keys:
        return [keys.create(name, scopes=["trade"], kind="hmac")[1] for name in NAMES]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """The URL of a server in a process of its own, which has stopped in good order when the block ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), str(folder), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            url = (await process.stdout.readline()).decode().strip()
        assert url, "the server has not started; what it said is on stderr"
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(SECONDS_MAX):
            code = await process.wait()
    assert code == 0


class Stream:
    """Reads a lossless stream from its beginning, message after message without a hole.

    Args:
        take: called with the data of each message after the snapshot.
    """

    def __init__(self, subscription: Subscription, take: Callable[[Any], None]) -> None:
        self._subscription = subscription
        self._take = take
        self._seq: int | None = None
        self._moved = asyncio.Event()

    async def read(self) -> None:
        """Read until it is closed."""
        async for message in self._subscription:
            assert isinstance(message, StreamMessage), message
            if self._seq is None:
                assert (message.type, message.seq) == ("snapshot", 0)
            else:
                assert (message.type, message.seq) == ("update", self._seq + 1)
                self._take(message.data)
            self._seq = message.seq
            self._moved.set()

    async def catch_up(self, client: Client) -> None:
        """Wait for all that has been published by now."""
        channel = self._subscription.keys[0].channel
        [published] = [row.seq for row in await client.subscriptions() if row.channel == channel]
        while self._seq != published:
            self._moved.clear()
            await self._moved.wait()

    async def close(self) -> None:
        """End it, and with it `read`."""
        await self._subscription.close()


class Bot:
    """One owner of an account.

    Args:
        client: logged in.
        books: of the account.
        rng: what to do next.

    Attributes:
        done: how often it was asked for what, by kind; `refused` and `filled`: how often that was refused, and filled.
        acknowledged: every fill that a reply has told, by `seq`.
        live: the client's own view of orders that were open when a reply told of them.
    """

    def __init__(self, client: Client, books: Books, rng: random.Random) -> None:
        self.client = client
        self.books = books
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self.acknowledged: dict[int, FillData] = {}
        self.live: dict[str, LiveOrder] = {}
        self._rng = rng
        self._streams: list[Stream] = []

    # ---- listening -------------------------------------------------------------------------------

    async def listen(self, tasks: asyncio.TaskGroup) -> None:
        """Keep the books from now on."""
        await self.client.account()  # opened later, it would have the streams begin with another snapshot
        for channel, take in (("fills", self._fill), ("orders", self.books.order)):
            stream = Stream(await self.client.subscribe(channel), take)
            self._streams.append(stream)
            tasks.create_task(stream.read())

    def _fill(self, fill: FillData) -> None:
        self.filled[fill.client_order_id.partition("-")[0]] += 1
        self.books.fill(fill)

    async def catch_up(self) -> None:
        """Wait until all that has happened by now is in the books."""
        for stream in self._streams:
            await stream.catch_up(self.client)

    async def close(self) -> None:
        """Listen no more."""
        for stream in self._streams:
            await stream.close()

    # ---- trading ---------------------------------------------------------------------------------

    async def trade(self, going: Callable[[int], bool]) -> None:
        """Do one thing after the other, several at a time, while `going` is true of the number of things done."""

        async def hand() -> None:
            while going(self.done.total()):
                await self._act()

        async with asyncio.TaskGroup() as hands:
            for _ in range(HANDS):
                hands.create_task(hand())

    async def _act(self) -> None:
        kinds = (*KINDS, "amend", "cancel", "cancel_all")
        [kind] = self._rng.choices(kinds, [WEIGHTS.get(kind, 1) for kind in kinds])
        order_id = self._rng.choice([*self.books.orders, ""])
        if kind in ("amend", "cancel") and not order_id:
            kind = "limit"
        self.done[kind] += 1
        try:
            if kind == "cancel_all":
                await self.client.cancel_all()
            elif kind == "batch":
                await self._batch()
            elif kind == "amend":
                self._follow(await self.client.amend(order_id, **self._change()))
            elif kind == "cancel":
                await self.client.cancel(order_id)
            else:
                self._follow(await self.client.place(**self._params(kind)))
        except RequestRefused as error:
            self._refuse(kind, error)

    async def _batch(self) -> None:
        operations: list[PlaceParams | AmendParams | OrderParams] = [
            PlaceParams(**(self._params("limit") | {"client_order_id": f"batch-{self.done.total()}-{number}"}))
            for number in range(self._rng.randint(1, 4))
        ]
        kinds = ["batch"] * len(operations)
        for order_id in self._rng.sample(list(self.books.orders), min(2, len(self.books.orders))):
            amends = self._rng.random() < 0.5
            operations.append(AmendParams(order_id, **self._change()) if amends else OrderParams(order_id))
            kinds.append("amend" if amends else "cancel")
        for kind, answer in zip(kinds, await self.client.batch(operations), strict=True):
            if isinstance(answer, RequestRefused):
                self._refuse(kind, answer)
            else:
                self._acknowledge(answer.fills)

    def _follow(self, order: LiveOrder) -> None:
        self._acknowledge(order.fills)
        if not order.closed:
            self.live[order.order_id] = order

    def _acknowledge(self, fills: Iterable[FillData]) -> None:
        self.acknowledged.update((fill.seq, fill) for fill in fills)

    def _refuse(self, kind: str, error: RequestRefused) -> None:
        if error.code not in REFUSALS.get(kind, set()) | {"insufficient_balance"}:
            raise error
        self.refused[error.code] += 1

    # ---- the plan --------------------------------------------------------------------------------

    def _params(self, kind: str) -> Params:
        rng = self._rng
        side = rng.choice(("buy", "sell"))
        sign = 1 if side == "buy" else -1
        size = rng.randint(1, UNIT // LOT) * LOT
        price = MIDDLE + sign * rng.randint(-15, 10)
        params: Params = {
            "symbol": BTC.symbol,
            "side": side,
            "size": asset_text(size),
            "client_order_id": f"{kind}-{self.done.total()}",
            "self_trade_prevention": rng.choice(("cancel_newest", "cancel_oldest", "cancel_both")),
        }
        if kind.startswith("stop"):
            last = BTC.price.parse(self.books.fills[-1].price) if self.books.fills else MIDDLE
            price = last + sign * rng.randint(1, 5)
            params["stop_price"] = BTC.price.format(price)
        if kind not in ("market", "stop"):
            params["price"] = BTC.price.format(price)
        if kind == "iceberg":
            params["display_size"] = asset_text(size // LOT // 5 * LOT + LOT)
        elif kind == "gtd":
            params["expires_at"] = wall_clock_ns() + 3600 * 10**9
        return params | TERMS[kind]

    def _change(self) -> Params:
        """What an amend asks for: a price, a size, or both."""
        price = BTC.price.format(MIDDLE + self._rng.randint(-15, 15))
        size = asset_text(self._rng.randint(1, UNIT // LOT) * LOT)
        return self._rng.choice(({"price": price}, {"size": size}, {"price": price, "size": size}))
