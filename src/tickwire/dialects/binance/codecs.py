"""What turns events into the venue's frames, for each kind of stream.

A codec is a small value. All clients with equal ones are handed the same bytes, made once; so what makes the bytes
differ, the unit of time and the name of a combined stream, is part of it. Nothing says that messages are missing:
trades and changes of the book are numbered without a hole, and most of the rest is complete in itself. Klines and
arrays are neither: a client that has lost some of those is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import msgspec

from tickwire.dialects.base import QuietCodec
from tickwire.dialects.binance.decimals import formats
from tickwire.dialects.binance.intervals import close_before, flat
from tickwire.dialects.binance.memory import Memory
from tickwire.dialects.binance.names import Names, name_of
from tickwire.dialects.binance.payloads import (
    Payload,
    agg_trade,
    aggregates,
    book_ticker,
    depth,
    depth_update,
    kline,
    trade,
)
from tickwire.dialects.binance.stats import (
    AVERAGE_MINUTES,
    average_price,
    day_stats,
    day_ticker,
    mini_ticker,
    window_stats,
    window_ticker,
)
from tickwire.dialects.candles import SECOND_NS, Period, candle_at
from tickwire.market.market import Market
from tickwire.market.matched import MatchedListing
from tickwire.market.window import MINUTE_NS
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Candle, Event, Quote, Tick, Trade
from tickwire.model.instrument import Instrument
from tickwire.protocol.codec import TEXT, frame

NAME = "binance"
"""Under which messages of the dialect are counted."""
KLINES_PER_TICK_MAX = 10
"""Closed klines that are said at once when the tape's clock leaps; of more, the newest."""
SPREAD_SECONDS = 10
"""Over which the symbols of an array are spread whose windows move on with the minute."""
_encode = msgspec.json.Encoder().encode


def wrapped(payload: Any, stream: str) -> bytes:
    """A payload as a frame: as it is, or, where `stream` names one, as the combined streams have it."""
    return _wrapped(_encode(payload), stream)


def _wrapped(data: bytes, stream: str) -> bytes:
    if stream:
        data = b'{"stream":"%b","data":%b}' % (stream.encode(), data)
    return frame(TEXT, data)


@dataclass(frozen=True, slots=True)
class StreamCodec(QuietCodec):
    """What all of them have.

    Attributes:
        market, memory: to look up what an event does not say; events are encoded when their transaction is over.
        unit: of time, in ns.
        stream: the name of the combined stream, "" for a raw one.
    """

    name: ClassVar[str] = NAME
    market: Market
    memory: Memory
    unit: int
    stream: str

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        raise NotImplementedError

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """The venue has none."""
        return b""

    def _instrument(self, symbol: str) -> Instrument:
        return self.market.listing(symbol).instrument

    def _frame(self, payload: Any) -> bytes:
        return wrapped(payload, self.stream)


class TradeCodec(StreamCodec):
    """`@trade`."""

    __slots__ = ()

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """A message for each trade."""
        instrument = self._instrument(key.symbol)
        return b"".join([self._frame(trade(cast(Trade, event), instrument, self.unit)) for event in events])


class AggTradeCodec(StreamCodec):
    """`@aggTrade`."""

    __slots__ = ()

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """A message for what each order took at each price."""
        instrument = self._instrument(key.symbol)
        groups = aggregates(cast(list[Trade], events))
        return b"".join([self._frame(agg_trade(group, instrument, self.unit)) for group in groups])


class DepthCodec(StreamCodec):
    """`@depth`: what has changed in a window."""

    __slots__ = ()

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """One message, or none where the book was replaced."""
        update = depth_update(cast(list[Book], events), self._instrument(key.symbol), self.unit)
        return b"" if update is None else self._frame(update)


class _LatestCodec(StreamCodec):
    """Of what is complete in itself: a subscription begins with it, so that it says something on a quiet market too."""

    __slots__ = ()

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """The newest alone counts."""
        return self._frame(self._payload(key, events[-1]))

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """As it stands."""
        return b"" if event is None else self._frame(self._payload(key, event))

    def _payload(self, key: StreamKey, event: Event) -> Any:
        raise NotImplementedError


class PartialDepthCodec(_LatestCodec):
    """`@depth5`, `@depth10`, `@depth20`."""

    __slots__ = ()

    def _payload(self, key: StreamKey, event: Event) -> Any:
        return depth(cast(Book, event), self._instrument(key.symbol))


class BookTickerCodec(_LatestCodec):
    """`@bookTicker`. Its number is the book's; the quote's own where no book is known."""

    __slots__ = ()

    def _payload(self, key: StreamKey, event: Event) -> Any:
        listing = self.market.listing(key.symbol)
        update = event.seq if listing.instrument.book == "none" else listing.seq["book"]
        return book_ticker(cast(Quote, event), listing.instrument, update)


class MiniTickerCodec(_LatestCodec):
    """`@miniTicker`."""

    __slots__ = ()

    def _payload(self, key: StreamKey, event: Event) -> Any:
        return mini_ticker(day_stats(self.market, key.symbol), self._instrument(key.symbol), self.unit)


class TickerCodec(_LatestCodec):
    """`@ticker`."""

    __slots__ = ()

    def _payload(self, key: StreamKey, event: Event) -> Any:
        return day_ticker(self.market, self.memory, self._instrument(key.symbol), self.unit)


# ---- said by the clock ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ClockCodec(StreamCodec):
    """Of what is made from the market and its history whenever it is time, for one symbol."""

    symbol: str

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """What is news since the tick before."""
        tick = cast(Tick, events[-1])
        what = type(self), self.symbol, self.unit, self._form
        news = self.memory.once(tick, what, lambda: [_encode(payload) for payload in self._news(tick.before)])
        return b"".join([_wrapped(data, self.stream) for data in news])

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """As it stands."""
        return b"".join([self._frame(payload) for payload in self._news(0)[-1:]])

    @property
    def _form(self) -> Hashable:
        """What of the symbol is said, where there are several."""
        return None

    def _news(self, since: int) -> list[Any]:
        raise NotImplementedError

    def _traded(self, since: int) -> bool:
        return traded(self.market, self.symbol, since)


def traded(market: Market, symbol: str, since: int) -> bool:
    """Whether there was a trade at or after this time, ns."""
    recent = market.listing(symbol).recent
    return bool(recent) and recent[-1].ts >= since


def slid(market: Market, since: int, length: int, symbol: str, lag: int = 0) -> bool:
    """Whether a window of `length` ns that begins on a minute has moved on, and there was something in it.

    Args:
        lag: how long after the minute that is noticed, ns; less than another minute.
    """
    now = market.now - lag
    return now // MINUTE_NS > (since - lag) // MINUTE_NS and traded(market, symbol, now - length - 2 * MINUTE_NS)


@dataclass(frozen=True, slots=True)
class KlineCodec(_ClockCodec):
    """`@kline_<interval>`: those that have closed since, and the one in progress if it changed."""

    period: Period
    interval: str

    @property
    def _form(self) -> Hashable:
        length, _, origin = self.period
        return self.interval, origin % length if length else origin  # hours begin alike on most clocks

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        """A client would wait for a kline's close for ever."""
        return None

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """The one in progress."""
        payload = self._kline(self.period.start_of(self.market.now))
        return b"" if payload is None else self._frame(payload)

    def _news(self, since: int) -> list[Any]:
        period, now = self.period, self.market.now
        newest = period.start_of(now)
        start = max(period.start_of(since), period.after(newest, -KLINES_PER_TICK_MAX))
        starts = []
        while start < newest:
            starts.append(start)
            start = period.after(start)
        if newest > since or self._traded(since):
            starts.append(newest)
        return [payload for start in starts if (payload := self._kline(start)) is not None]

    def _kline(self, start: int) -> Payload | None:
        """The kline that begins at `start`; None before there was ever a trade."""
        market, memory, symbol, period = self.market, self.memory, self.symbol, self.period
        candle: Candle | None = candle_at(market, memory, symbol, start, period.after(start))
        if candle is None:
            price = close_before(market, memory, symbol, period, start)
            if price is None:
                return None
            candle = flat(symbol, period, start, price, market.now)
        instrument = self._instrument(symbol)
        row = kline(candle, instrument, self.interval, self.unit)
        return {"e": "kline", "E": market.now // self.unit, "s": name_of(instrument), "k": row}


@dataclass(frozen=True, slots=True)
class WindowTickerCodec(_ClockCodec):
    """`@ticker_<window>`."""

    window: str
    length: int

    @property
    def _form(self) -> Hashable:
        return self.window

    def _news(self, since: int) -> list[Any]:
        market, symbol = self.market, self.symbol
        if not self._traded(since) and not slid(market, since, self.length, symbol):
            return []
        stats = window_stats(market, self.memory, symbol, self.length)
        return [window_ticker(stats, self._instrument(symbol), self.window, self.unit)]


@dataclass(frozen=True, slots=True)
class AvgPriceCodec(_ClockCodec):
    """`@avgPrice`."""

    def _news(self, since: int) -> list[Any]:
        market, symbol = self.market, self.symbol
        if not self._traded(since) and not slid(market, since, AVERAGE_MINUTES * MINUTE_NS, symbol):
            return []
        instrument = self._instrument(symbol)
        price, time = average_price(market, instrument, self.unit)
        event = {"e": "avgPrice", "E": market.now // self.unit, "s": name_of(instrument), "i": f"{AVERAGE_MINUTES}m"}
        return [event | {"w": price, "T": time}]


@dataclass(frozen=True, slots=True)
class ReferencePriceCodec(_ClockCodec):
    """`@referencePrice`, of an instrument that is matched here."""

    def _news(self, since: int) -> list[Any]:
        listing = self.market.listing(self.symbol)
        if not isinstance(listing, MatchedListing) or not (self._traded(since) or listing.quote.ts >= since):
            return []
        price, instrument = listing.reference_price, listing.instrument
        text = None if price is None else formats(instrument).price(price)
        return [{"e": "referencePrice", "s": name_of(instrument), "r": text, "t": self.market.now // self.unit}]


# ---- arrays --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArrayCodec(StreamCodec):
    """`!miniTicker@arr` and its like: one array of what is news about all symbols.

    Attributes:
        names: which there are.
        length: ns of the window. row: what is said of a symbol.
    """

    names: Names
    length: int
    row: Callable[[ArrayCodec, Instrument], Any]

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """Those whose statistics have changed since the tick before."""
        tick = cast(Tick, events[-1])
        data = self.memory.once(tick, (self.row, self.unit), lambda: self._array(tick.before))
        return _wrapped(data, self.stream) if data else b""

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        """A client would not know of which symbols it has lost something."""
        return None

    def _array(self, since: int) -> bytes:
        market, length = self.market, self.length
        rows = [
            self.row(self, instrument)
            for index, instrument in enumerate(self.names.table().values())
            if traded(market, instrument.symbol, since)
            or slid(market, since, length, instrument.symbol, index % SPREAD_SECONDS * SECOND_NS)
        ]
        return _encode(rows) if rows else b""
