"""What several tests need: a small market with its hub, driven by hand, and sinks that decode what they are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from websockets.frames import Frame
from websockets.streams import StreamReader

from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.channel import PRIVATE_CHANNELS
from tickwire.model.events import Event
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, ListInstrument, PlaceOrder, Record, Side, Transfer
from tickwire.protocol.codec import ENCODINGS, JSON, NativeCodec
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
    """A sink that keeps what it is given. `full` makes it behave like a socket without room."""

    def __init__(self, encoding: str = JSON.name) -> None:
        self.encoding = encoding
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}
        self.lag_told = False
        self.closed = False
        self.writes: list[list[bytes]] = []

    def flush(self) -> None:
        self.writes.append(list(self.out))
        self.out.clear()

    def fill(self) -> None:
        self.ready = False

    def fail(self) -> None:
        self.closed, self.ready = True, False

    def too_slow(self) -> None:
        self.closed = True

    def messages(self) -> list[Any]:
        """Every message handed over since the last call."""
        data = b"".join(piece for write in self.writes for piece in write)
        self.writes.clear()
        return decoded(data, self.encoding)


class World:
    """A market and its hub, where the accounts "a" and "b" have money; `do` is one transaction."""

    def __init__(
        self, retention: Retention | None = None, instrument: Instrument = BTC, meters: Meters | None = None
    ) -> None:
        self.clock = ManualClock(START_NS)
        self.market = Market()
        self.renderer = Renderer(lambda symbol: self.market.listing(symbol).instrument)
        codecs = {name: NativeCodec(encoding, self.renderer) for name, encoding in ENCODINGS.items()}
        self.hub = Hub(self.market, codecs, retention, meters)
        self.do(ListInstrument(instrument), *funded("a", "b", assets=(instrument.base, instrument.quote)))

    def do(self, *records: Record, ms: int = 1) -> list[Event]:
        """Let `ms` pass, then fold the records as one transaction and publish."""
        self.clock.advance(ms=ms)
        events: list[Event] = []
        for record in (Clock(self.clock()), *records):
            made = self.market.apply(record)
            events += made
            self.hub.publish(made)
        self.hub.flush()
        return events
