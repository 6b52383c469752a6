"""The real server in a process that can be killed at every step, on a tape that keeps exactly what was committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from simulation.loop import Killed, Process, VirtualLoop
from simulation.network import Network
from simulation.sockets import ServerEnd
from tickwire.clock import NowNs
from tickwire.config import FeedSpec, ServerSettings
from tickwire.feeds.base import Due, Feed
from tickwire.model.events import Event
from tickwire.model.instrument import Instrument
from tickwire.model.records import PlaceOrder, Record, Transfer, VenueBookSnapshot, VenueBookUpdate, VenueTrade
from tickwire.server import app
from tickwire.server.keys import KeyStore
from tickwire.server.socket import Connection
from tickwire.tape.memory import MemoryTape

COIN = Instrument(
    venue="SIM", base="COIN", quote="CASH", asset_class="crypto", tick_size="0.01", lot_size="0.001", kind="matched",
    book="orders", maker_fee="-0.0001", taker_fee="0.0007",
)  # fmt: skip
GOLD = Instrument(
    venue="SHOW", base="GOLD", quote="CASH", asset_class="crypto", tick_size="0.1", lot_size="0.01", kind="mirrored",
    book="levels", feed="venue",
)  # fmt: skip
ACCOUNTS = ("alice", "bob", "carol")
DEPOSIT = 1_000_000
FOREVER_NS = 10**15
STEPS = {
    "before append": 8, "after append": 8, "apply": 30, "write": 40, "before snapshot": 1, "after snapshot": 1,
    "after retain": 1,
}  # fmt: skip
"""Where a server can be killed, besides between two of its callbacks, and how often at most it is passed first."""


class Fuse:
    """Burns down step by step; then the server is dead.

    Attributes:
        step: which one counts. left: how often it is still passed; 0 for no harm.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self.step = ""
        self.left = 0
        self._kill = kill

    def __call__(self, step: str) -> None:
        """The server is at a step."""
        if self.left and step == self.step:
            self.left -= 1
            if not self.left:
                self._kill()
                raise Killed


class CrashTape(MemoryTape):
    """A tape that outlives its server.

    Attributes:
        committed: every transaction ever, what `retain` has dropped included.
        placed: (account, client_order_id) -> session of the first placement.
    """

    def __init__(self, epoch: str, at: Callable[[str], None]) -> None:
        super().__init__(epoch)
        self.committed: list[list[Record]] = []
        self.placed: dict[tuple[str, str], str] = {}
        self._at = at

    def append(self, records: list[Record]) -> int:
        """See `Tape.append`."""
        self._at("before append")
        seq = super().append(records)
        self.committed.append(list(records))
        for record in records:
            if isinstance(record, PlaceOrder):
                self.placed.setdefault((record.account, record.client_order_id), record.session)
        self._at("after append")
        return seq

    def save_snapshot(self, seq: int, body: bytes) -> None:
        """See `Tape.save_snapshot`."""
        self._at("before snapshot")
        super().save_snapshot(seq, body)
        self._at("after snapshot")

    def retain(self, *, bytes_max: int, newer_than_ns: int) -> int:
        """See `Tape.retain`."""
        count = super().retain(bytes_max=bytes_max, newer_than_ns=newer_than_ns)
        self._at("after retain")
        return count

    def close(self) -> None:
        """It stays open for the next server."""


class Keys(KeyStore):
    """Keys that outlive their server."""

    def close(self) -> None:
        """They stay for the next one."""

    def discard(self) -> None:
        """The run is over."""
        super().close()


class Venue:
    """A feed: one instrument that is traded here, with money for everyone, and the book of another venue."""

    name = "venue"

    def __init__(self, rng: Random, interval_ms: int, is_over: Callable[[], bool]) -> None:
        self._rng = rng
        self._is_over = is_over
        self._interval_ns = interval_ms * 1_000_000

    def instruments(self) -> list[Instrument]:
        """See `Feed`."""
        return [COIN, GOLD]

    def due(self) -> Iterator[Due]:
        """See `Feed`. The venue's changes cross its own book now and then, as real ones do."""
        rng, middle = self._rng, 5_000
        trades = rng.randrange(10**9) * 10**6  # ids that no other run of the feed has
        at = 0
        money: list[Record] = [
            Transfer(account, asset, str(DEPOSIT), f"{account}/{asset}")
            for account in ACCOUNTS
            for asset in ("COIN", "CASH")
        ]
        yield Due(at, [*money, self._book(middle)])
        while not self._is_over():
            at += round(rng.expovariate(1 / self._interval_ns)) + 1
            middle += rng.choice((-1, 0, 0, 1))
            kind = rng.random()
            if kind < 0.03:
                yield Due(at, [self._book(middle)])
            elif kind < 0.2:
                trades += 1
                yield Due(at, [VenueTrade(GOLD.symbol, str(trades), middle, rng.randint(1, 99), "buy", at)])
            else:
                yield Due(at, [self._change(middle) for _ in range(rng.randint(1, 3))])
        yield Due(at + FOREVER_NS, [])

    def _book(self, middle: int) -> VenueBookSnapshot:
        bids, asks = ([(middle + way * (n + 1), self._rng.randint(1, 500)) for n in range(12)] for way in (-1, 1))
        return VenueBookSnapshot(GOLD.symbol, bids, asks)

    def _change(self, middle: int) -> VenueBookUpdate:
        rng = self._rng
        bids = [(middle - rng.randint(-2, 12), rng.choice((0, rng.randint(1, 500)))) for _ in range(rng.randint(0, 2))]
        asks = [(middle + rng.randint(-2, 12), rng.choice((0, rng.randint(1, 500)))) for _ in range(rng.randint(1, 2))]
        return VenueBookUpdate(GOLD.symbol, bids, asks)


class _Port(contextlib.closing[Any]):
    """Stands for the server's socket."""

    def __init__(self) -> None:
        super().__init__(self)

    def close(self) -> None:
        """There is nothing to close."""


class _NoWatchdog:
    """The real one has a thread, which looks at the real time."""

    responsive = True
    late_ns = 0

    def __init__(self, _: object) -> None:
        pass

    async def run(self) -> None:
        """Watch nothing."""
        await asyncio.Event().wait()


class _Web:
    """Stands for uvicorn: takes connections while it is served."""

    def __init__(self, server: SimulatedServer) -> None:
        self.listening = asyncio.Event()
        self.should_exit = self.force_exit = False
        self._server = server

    async def serve(self, sockets: object) -> None:
        """Take connections until told to stop; then close those that are left."""
        network = self._server.network
        network.listener = self._server
        self.listening.set()
        while not self.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.stop_listening()
        for connection in list(self._server.open):
            connection.shutdown()

    def stop_listening(self) -> None:
        """Take no more."""
        if self._server.network.listener is self._server:
            self._server.network.listener = None


class SimulatedServer(app.Server):
    """`tickwire.server.app.Server` on the simulated network. Only its port, its files, uvicorn and
    the watchdog are others."""

    def __init__(self, network: Network, tape: CrashTape, keys: Keys, feed: Feed, now: NowNs, **settings: Any) -> None:
        self.network = network
        self.process = Process()
        self.open = InOrder()
        self._simulated_feed = feed
        specs = (FeedSpec("recorded", "simulated", Path("simulated")),)
        with (
            mock.patch.object(app, "_listen", return_value=_Port()),
            mock.patch.object(app, "open_tape", return_value=tape),
            mock.patch.object(app, "KeyStore", return_value=keys),
            mock.patch.object(app, "Watchdog", _NoWatchdog),
        ):
            self.process.context.run(super().__init__, ServerSettings(feeds=specs, **settings), now=now)
        self._gateway.connections = InOrder()
        apply = self.market.apply

        def stepped(record: Record) -> list[Event]:
            network.at("apply")
            return apply(record)

        self.market.apply = stepped  # type: ignore[method-assign]

    def accept(self, transport: ServerEnd) -> asyncio.Protocol:
        """A client connects."""
        return Connection(self._gateway, self.open)

    def start(self, loop: VirtualLoop) -> asyncio.Task[None]:
        """Run as a process; the task ends after `stop`."""
        self._stop = asyncio.Event()
        return loop.create_task(self._run(), context=self.process.context)

    def stop(self) -> None:
        """A planned stop."""
        self._stop.set()

    def died(self) -> None:
        """Nothing of it goes on."""
        self.process.alive = False
        if self.network.listener is self:
            self.network.listener = None
        self.network.kill(self.process)

    async def _run(self) -> None:
        async with self.running():
            await self._stop.wait()

    def _feed(self, spec: FeedSpec) -> Feed:
        return self._simulated_feed

    def _web(self, pipeline: Any) -> Any:
        return _Web(self)


class InOrder(set[Any]):
    """A set whose order is that of insertion, so that nothing depends on addresses."""

    def __init__(self) -> None:
        super().__init__()
        self._items: dict[Any, None] = {}

    def add(self, item: Any) -> None:
        """See `set`."""
        self._items[item] = None

    def discard(self, item: Any) -> None:
        """See `set`."""
        self._items.pop(item, None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
