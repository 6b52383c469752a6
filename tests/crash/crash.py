"""What a crash is made of: a data folder with funded accounts, a server process, and traders who keep books."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tickwire.clock import wall_clock_ns
from tickwire.keyfile import KeyFile
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, ListInstrument, Transfer
from tickwire.server.keys import KeyStore
from tickwire.tape.sqlite import SqliteTape

COIN = Instrument(
    venue="T", base="COIN", quote="CASH", asset_class="crypto", tick_size="0.01", lot_size="0.001", kind="matched",
    book="orders", maker_fee="-0.0001", taker_fee="0.0007",
)  # fmt: skip
DEPOSIT = Decimal(1_000_000)
NAMES = ("guarded", "second", "third")
GUARDED = NAMES[0]
"""Its orders are canceled when its connection ends, be it by the end of the server."""
HANDS = 4
"""Requests that a trader has under way at a time."""
ORDERS_MAX = 120
"""Orders of a trader between two crashes: well below the 250 ended ones that the server remembers."""
SERVER = Path(__file__).with_name("server.py")
SECONDS_MAX = 60

Answer: TypeAlias = dict[str, Any]
"""A reply's `result`, or its `error` under that name."""


def prepare(folder: Path) -> list[KeyFile]:
    """A new data folder with one instrument and a funded account for each name; returns the accounts' keys."""
    transfers = [Transfer(name, asset, str(DEPOSIT), name + asset) for name in NAMES for asset in ("COIN", "CASH")]
    with closing(SqliteTape(folder)) as tape:
        tape.append([Clock(wall_clock_ns()), ListInstrument(COIN), *transfers])
    with closing(KeyStore(folder / "keys.db")) as keys:
        return [keys.create(name, scopes=["trade"], kind="hmac")[1] for name in NAMES]


class Served(NamedTuple):
    """A running server: where it listens and its process."""

    url: str
    process: asyncio.subprocess.Process

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(SECONDS_MAX):
            return await self.process.wait()


@asynccontextmanager
async def crashing(
    folder: Path, durability: str, *, at: str = "", tape_bytes_max: int = 2**30
) -> AsyncIterator[Served]:
    """A server of its own process that dies at a kill point, see `server.py`; stopped when the block ends."""
    command = [sys.executable, str(SERVER), str(folder), durability, str(tape_bytes_max)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=environment | {"CRASH_AT": at}
    )
    assert process.stdout is not None
    served = Served("", process)
    try:
        async with asyncio.timeout(SECONDS_MAX):
            url = (await process.stdout.readline()).decode().strip()
        assert url, "the server has not started; what it said is on stderr"
        served = Served(url, process)
        yield served
    finally:
        if process.returncode is None:
            process.terminate()
        await served.ended()


class Trader:
    """An account's owner, who remembers all that was sent, all that was answered and every fill.

    Args:
        key: what to log in with.
        rng: what to do next.

    Attributes:
        placed: placements since the last `forget`, by client_order_id.
        answers: the first answer to each of them that came.
        known: the order as an answer has shown it last, by client_order_id.
        fills: every fill ever, in the order of arrival.
    """

    def __init__(self, key: KeyFile, rng: random.Random) -> None:
        self.name = key.account
        self.placed: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Answer] = {}
        self.known: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.epoch = ""
        self._key = key
        self._rng = rng
        self._numbers = 0
        self._ws: ClientConnection
        self._reader: asyncio.Task[None]
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._requests = 0

    # ---- connection ------------------------------------------------------------------------------

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[dict[str, Any]]:
        """Connect, log in, arm the guard and resume the fills; gives the answer to the subscription.

        All missed fills have arrived when the block begins.
        """
        async with connect(url) as self._ws:
            hello = msgspec.json.decode(await self._ws.recv())
            self._reader = asyncio.create_task(self._read())
            try:
                self.epoch = self.epoch or hello["epoch"]
                await self.ask("auth.login", key=self._key.key, signature=self._key.sign(hello["challenge"]))
                if self.name == GUARDED:
                    await self.ask("session.cancel_on_disconnect", scope="connection")
                position = {"epoch": self.epoch, "seq": len(self.fills)}
                resumed = await self.ask("subscribe", channel="fills", **{"from": position})
                self.epoch = hello["epoch"]
                await self.ask("ping")
                yield resumed
            finally:
                self._reader.cancel()
                await asyncio.wait([self._reader])

    async def request(self, method: str, **params: Any) -> Answer:
        """The answer to a request.

        Raises:
            ConnectionError: none will come.
        """
        self._requests += 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._requests] = answer
        message = msgspec.json.encode({"id": self._requests, "method": method, "params": params})
        try:
            await self._ws.send(message, text=True)
        except ConnectionClosed:
            raise ConnectionError from None
        if self._reader.done():
            raise ConnectionError
        return await answer

    async def ask(self, method: str, **params: Any) -> Any:
        """The result of a request that is not refused."""
        answer = await self.request(method, **params)
        assert "error" not in answer, f"{self.name}: {method} {params}: {answer}"
        return answer

    async def _read(self) -> None:
        try:
            async for text in self._ws:
                message = msgspec.json.decode(text)
                if "id" in message:
                    future = self._waiting.pop(message["id"])
                    if "error" in message:
                        future.set_result({"error": message["error"]})
                    else:
                        future.set_result(message["result"])
                elif message["type"] == "update":
                    self.fills.append(message["data"])
        except ConnectionClosed:
            pass
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError())
                    future.exception()  # may be nobody's by now
            self._waiting.clear()

    # ---- load ------------------------------------------------------------------------------------

    async def trade(self) -> None:
        """Place, amend and cancel until the connection is lost."""
        await asyncio.gather(*(self._hand() for _ in range(HANDS)))

    async def _hand(self) -> None:
        try:
            while len(self.placed) < ORDERS_MAX:
                kind, names = self._rng.random(), list(self.known)
                if kind < 0.65 or not names:
                    await self._place()
                else:
                    name = self._rng.choice(names)
                    if kind < 0.85:
                        answer = await self.request("order.cancel", client_order_id=name)
                    else:
                        size = self._decimal(1, 20, "0.001")
                        answer = await self.request("order.amend", client_order_id=name, size=size)
                    if "order" in answer:
                        self._learn(name, answer["order"])
            while True:  # enough to look after; the kill point is reached without new orders, too
                await self.request("order.cancel_all")
        except ConnectionError:
            return

    async def _place(self) -> None:
        rng = self._rng
        self._numbers += 1
        name = f"{self.name}-{self._numbers}"
        params: dict[str, Any] = {"symbol": COIN.symbol, "client_order_id": name, "side": rng.choice(("buy", "sell"))}
        params["size"] = self._decimal(1, 20, "0.001")
        kind = rng.random()
        if kind < 0.1:
            params |= {"type": "market"}
        else:
            params["price"] = self._decimal(9_990, 10_010, "0.01")
            if kind < 0.2:
                params["time_in_force"] = "ioc"
            elif kind < 0.3:
                params["post_only"] = True
        self.placed[name] = params
        self._answered(name, await self.request("order.place", **params))

    def _decimal(self, low: int, high: int, step: str) -> str:
        return str(self._rng.randint(low, high) * Decimal(step))

    def _answered(self, name: str, answer: Answer) -> None:
        self.answers[name] = answer
        if "order" in answer:
            self._learn(name, answer["order"])

    def _learn(self, name: str, order: dict[str, Any]) -> None:
        known = self.known.get(name)
        if known is None or (known["updated"], Decimal(known["filled"])) <= (
            order["updated"],
            Decimal(order["filled"]),
        ):
            self.known[name] = order

    def forget(self) -> None:
        """Begin anew: the orders so far are not looked at any more, their fills are."""
        self.placed, self.answers, self.known = {}, {}, {}

    # ---- what must hold --------------------------------------------------------------------------

    async def check_acknowledged(self) -> None:
        """Every order that was answered is there, and as far as it was then; one that was over is as it was."""
        for name, known in self.known.items():
            order = (await self.ask("order.get", client_order_id=name))["order"]
            assert order["order_id"] == known["order_id"]
            if known["status"] == "open":
                assert Decimal(order["filled"]) >= Decimal(known["filled"]), (order, known)
                assert order["updated"] >= known["updated"], (order, known)
            else:
                assert order == known
        if self.name == GUARDED:
            assert (await self.ask("order.list"))["orders"] == []

    async def place_again(self) -> None:
        """Send every placement again: it gives the first answer, and one order."""
        for name, params in self.placed.items():
            answer = await self.request("order.place", **params)
            if name in self.answers:
                assert answer == self.answers[name], params
            else:
                self._answered(name, answer)
            assert await self.request("order.place", **params) == answer
        orders = [answer["order"]["order_id"] for answer in self.answers.values() if "order" in answer]
        assert len(set(orders)) == len(orders)
        open_now = (await self.ask("order.list"))["orders"]
        assert max(Counter(order["client_order_id"] for order in open_now).values(), default=1) == 1

    async def check_books(self) -> None:
        """The fills have no hole and no double, and orders and balances are what they add up to."""
        await self.ask("ping")  # whatever was published before has arrived then
        assert [fill["seq"] for fill in self.fills] == list(range(1, len(self.fills) + 1))
        assert len({(fill["trade_id"], fill["order_id"]) for fill in self.fills}) == len(self.fills)
        filled: dict[str, Decimal] = {}
        coin = cash = DEPOSIT
        ids = {fill["client_order_id"]: fill["order_id"] for fill in self.fills}
        for fill in self.fills:
            size, price, sign = Decimal(fill["size"]), Decimal(fill["price"]), 1 if fill["side"] == "buy" else -1
            filled[fill["order_id"]] = filled.get(fill["order_id"], Decimal(0)) + size
            coin += sign * size
            cash -= sign * size * price + Decimal(fill["fee"])
            assert ids[fill["client_order_id"]] == fill["order_id"]
        for name, answer in self.answers.items():
            if "order" in answer:
                order = (await self.ask("order.get", client_order_id=name))["order"]
                assert Decimal(order["filled"]) == filled.get(order["order_id"], 0), order
        rows = (await self.ask("account.balances"))["balances"]
        totals = {row["asset"]: Decimal(row["available"]) + Decimal(row["held"]) for row in rows}
        assert totals == {"COIN": coin, "CASH": cash}


def check_trades(traders: list[Trader]) -> None:
    """Each trade has one maker and one taker, of opposite sides, and both say the same of it."""
    sides: dict[str, set[tuple[str, str]]] = {}
    terms: dict[str, set[tuple[str, str]]] = {}
    fills = [fill for trader in traders for fill in trader.fills]
    for fill in fills:
        sides.setdefault(fill["trade_id"], set()).add((fill["liquidity"], fill["side"]))
        terms.setdefault(fill["trade_id"], set()).add((fill["price"], fill["size"]))
    assert all(len(said) == 1 for said in terms.values())
    both = ({("maker", "buy"), ("taker", "sell")}, {("maker", "sell"), ("taker", "buy")})
    assert all(of in both for of in sides.values())
    assert len(fills) == 2 * len(sides)
    signed = sum(Decimal(fill["size"]) * (1 if fill["side"] == "buy" else -1) for fill in fills)
    assert signed == 0


async def trade_until_killed(served: Served, traders: list[Trader]) -> None:
    """Arm the kill point and trade on; the traders' connections are open."""
    served.process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*(trader.trade() for trader in traders))
    assert await served.ended() == -signal.SIGKILL
