"""What several tests need: a small market with its hub, driven by hand, and sinks that decode what they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from websockets.frames import Frame
from websockets.streams import StreamReader

from tickwire.errors import InvalidInput
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.channel import PRIVATE_CHANNELS
from tickwire.model.events import Event
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Outcome
from tickwire.model.records import Clock, ListInstrument, PlaceOrder, Record, Side, Transfer
from tickwire.protocol.codec import ENCODINGS, JSON, NativeCodec
from tickwire.protocol.orders import Outcomes
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub
from tickwire.streams.log import Cursor, Retention
from tickwire.testing.clock import ManualClock

BTC = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.001",
    kind="matched",
    book="orders",
    feed="test",
)
START_NS = 1_700_000_000_000_000_000


def order(side: Side, price: int | None, size: int, **more: Any) -> PlaceOrder:
    """A placement on BTC: a market order where `price` is None, of "a" if it buys and of "b" if it sells."""
    kind = "market" if price is None else "limit"
    account = more.pop("account", "a" if side == "buy" else "b")
    return PlaceOrder(BTC.symbol, account, side, size, price, kind, **more)  # type: ignore[arg-type]


def funded(*accounts: str, assets: Iterable[str] = (BTC.base, BTC.quote)) -> list[Record]:
    """Transfers that give each account more of each asset than a test spends."""
    return [Transfer(account, asset, "1000000000", f"{account}/{asset}") for account in accounts for asset in assets]


def public(events: Iterable[Event]) -> list[Event]:
    """The events that everyone may see."""
    return [event for event in events if event.channel not in PRIVATE_CHANNELS]


def frames(data: bytes) -> list[Frame]:
    """The frames in `data`, parsed by the library."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while not finished(reader.at_eof()):
        found.append(finished(Frame.parse(reader.read_exact, mask=False)))
    return found


def finished(generator: Any) -> Any:
    """The result of one of the library's parsing generators, which has all its input."""
    try:
        next(generator)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the data ends in the middle of a frame")


def decoded(data: bytes, encoding: str = JSON.name) -> list[Any]:
    """The messages in `data`."""
    module: Any = msgspec.json if encoding == JSON.name else msgspec.msgpack
    return [module.decode(frame.data) for frame in frames(data)]


class ListSink:
    """A sink that keeps what it is given. `fill` makes it behave like a socket without room.

    Attributes:
        writes: what was handed over, by flush. flushes: how many of them had something to hand over.
    """

    def __init__(self, encoding: str = JSON.name) -> None:
        self.encoding = encoding
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}
        self.lag_told = False
        self.closed = False
        self.writes: list[list[bytes]] = []
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += bool(self.out)
        self.writes.append(list(self.out))
        self.out.clear()

    def fill(self) -> None:
        self.ready = False

    def fail(self) -> None:
        self.closed, self.ready = True, False

    def too_slow(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """All that was handed over since the last call."""
        data = b"".join(piece for write in self.writes for piece in write)
        self.writes.clear()
        return data

    def messages(self) -> list[Any]:
        """Every message of that."""
        return decoded(self.taken(), self.encoding)


class World:
    """A market and its hub, where the accounts "a" and "b" have money; `do` is one transaction. Commands wait for
    `commit`, as they do for the tape.

    Attributes:
        submitted: what waits for `commit`. commands: every command ever submitted.
        busy: refuse what is submitted. failing: nothing gets onto the tape.
    """

    def __init__(
        self, retention: Retention | None = None, instrument: Instrument = BTC, meters: Meters | None = None
    ) -> None:
        self.clock = ManualClock(START_NS)
        self.market = Market()
        self.renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        codecs = {name: NativeCodec(encoding, self.renderer) for name, encoding in ENCODINGS.items()}
        self.hub = Hub(self.market, codecs, retention, meters)
        self.submitted: list[tuple[list[Record], Callable[[Outcomes | None], None]]] = []
        self.commands: list[Record] = []
        self.busy = self.failing = False
        self.do(ListInstrument(instrument), *funded("a", "b", assets=(instrument.base, instrument.quote)))

    def do(self, *records: Record, ms: int = 1) -> list[Event]:
        """Let `ms` pass, then fold the records as one transaction and publish."""
        self.clock.advance(ms=ms)
        events = [event for record in (Clock(self.clock()), *records) for event in self.fold(record)]
        self.hub.flush()
        return events

    def fold(self, record: Record) -> list[Event]:
        """Fold a record of the transaction; whoever calls this flushes."""
        events = self.market.apply(record)
        self.hub.publish(events)
        return events

    def fund(self, account: str = "alice", **assets: str) -> None:
        for asset, amount in assets.items():
            self.do(Transfer(account, asset, amount, f"{account} {asset} {amount}"))

    def submit(self, records: list[Record], done: Callable[[Outcomes | None], None]) -> None:
        if self.busy:
            raise InvalidInput("the server has more to do than it can queue; nothing was done", code="busy")
        self.submitted.append((records, done))
        self.commands += records

    def commit(self, *, ms: int = 1) -> None:
        """Let the tape take what was submitted; what is submitted by that waits for the next time."""
        self.clock.advance(ms=ms)
        self.fold(Clock(self.clock()))
        submitted, self.submitted = self.submitted, []
        for records, done in submitted:
            done(None if self.failing else [self._outcome(record) for record in records])
        self.hub.flush()

    def _outcome(self, record: Record) -> Outcome | None:
        self.market.outcome = None
        self.fold(record)
        return self.market.outcome
