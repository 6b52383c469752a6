"""A market of many mirrored instruments, and trades of them whose content follows from their number."""

from __future__ import annotations

from benchmarks.sink import Sink
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, ListInstrument, Record, VenueQuote, VenueTrade
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub

START_NS = 1_732_180_000_000_000_000


def symbol(index: int) -> str:
    """The symbol of an instrument."""
    return f"SIM:B{index:05d}-USDT"


def opening(instruments: int) -> list[Record]:
    """What lists so many instruments, each with a quote and a trade."""
    listed: list[Record] = [
        ListInstrument(
            Instrument(
                venue="SIM",
                base=f"B{index:05d}",
                quote="USDT",
                asset_class="crypto",
                tick_size="0.01",
                lot_size="0.01",
                kind="mirrored",
                book="none",
            )
        )
        for index in range(instruments)
    ]
    quotes: list[Record] = [VenueQuote(symbol(index), 9_999, 5, 10_001, 5) for index in range(instruments)]
    return [Clock(START_NS), *listed, *quotes, *(trade(index, 0) for index in range(instruments))]


def trade(index: int, number: int) -> VenueTrade:
    """A trade of an instrument."""
    return VenueTrade(symbol(index), str(number), 10_000 + number % 7, 1 + number % 9, "buy")


def opened(instruments: int) -> Market:
    """A market with so many of them."""
    market = Market()
    for record in opening(instruments):
        market.apply(record)
    return market


def hub_of(market: Market) -> Hub:
    """A hub that speaks JSON."""
    return Hub(market, {JSON.name: NativeCodec(JSON, Renderer(lambda name: market.listing(name).instrument))})


class Publisher:
    """Does what the pipeline does with each transaction, but for the tape.

    Args:
        lose: the number of an event that is left out, to see the check fail.
    """

    def __init__(self, market: Market, lose: int = -1) -> None:
        self.market = market
        self.hub = hub_of(market)
        self.events = 0
        self._lose = lose
        market.heard = self.hub.heard

    def subscribe(self, keys: list[StreamKey], sink: Sink) -> None:
        """Let a sink read these streams."""
        for key in keys:
            self.hub.subscribe(key, sink)

    def transaction(self, records: list[Record], ms: int = 1) -> None:
        """Fold and publish, after some milliseconds."""
        market = self.market
        for record in (Clock(market.now + ms * 1_000_000), *records):
            if events := market.apply(record):
                self._publish(events)
        self.hub.flush()

    def _publish(self, events: list[Event]) -> None:
        if self.events <= self._lose < self.events + len(events):
            events = events[1:]
            self._lose = -1
            self.events += 1
        self.events += len(events)
        self.hub.publish(events)
