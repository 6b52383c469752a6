"""The venue's streams by name: which of ours each is made of, and what encodes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from tickwire.dialects.binance.codecs import (
    AggTradeCodec,
    ArrayCodec,
    AvgPriceCodec,
    BookTickerCodec,
    DepthCodec,
    KlineCodec,
    MiniTickerCodec,
    PartialDepthCodec,
    ReferencePriceCodec,
    StreamCodec,
    TickerCodec,
    TradeCodec,
    WindowTickerCodec,
)
from tickwire.dialects.binance.intervals import EAST_8_NS, INTERVALS, period_of
from tickwire.dialects.binance.memory import Memory
from tickwire.dialects.binance.names import Names
from tickwire.dialects.binance.stats import day_stats, day_ticker, mini_ticker, window_stats, window_ticker
from tickwire.errors import InvalidInput
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.market.window import MINUTE_NS, WINDOW_NS
from tickwire.model.channel import CLOCK, StreamKey
from tickwire.model.instrument import Instrument

SECOND_MS = 1_000
KLINE_MS = 2_000
"""Between two messages of a kline longer than a second."""
WINDOWS_NS = {"1h": 60 * MINUTE_NS, "4h": 240 * MINUTE_NS, "1d": WINDOW_NS}
"""The rolling windows that there are tickers of."""
NAME_CHARS_MAX = 100
"""Of a stream's name that an error repeats."""

_Base: TypeAlias = tuple[Market, Memory, int, str]
"""The first attributes of every codec."""
_Make: TypeAlias = Callable[[_Base, str], tuple[StreamKey, StreamCodec]]


class Stream(NamedTuple):
    """A stream that a client asks for.

    Attributes:
        channel, symbol: what must be allowed to see it; the symbol is "" for all of them.
        key: of our stream. codec: what makes the venue's of it.
    """

    channel: str
    symbol: str
    key: StreamKey
    codec: StreamCodec


class Streams:
    """All streams of a market.

    Args:
        names: of the same market.
    """

    def __init__(self, market: Market, history: History, names: Names) -> None:
        self._market = market
        self._memory = Memory(market, history)
        self._names = names

    def find(self, names: Iterable[str], *, unit: int, combined: bool) -> dict[str, Stream]:
        """Streams by their names.

        Args:
            unit: of time, in ns.
            combined: whether their messages say which stream they are of.

        Raises:
            InvalidInput: there is no such stream; the message says what is wrong with the name.
        """
        table = self._names.table()
        return {name: self._find(name, table, unit, combined) for name in names}

    def _find(self, name: str, table: Mapping[str, Instrument], unit: int, combined: bool) -> Stream:
        base = self._market, self._memory, unit, name if combined else ""
        if name in _ARRAYS:
            length, row = _ARRAYS[name]
            return Stream("ticker", "", _clock(SECOND_MS), ArrayCodec(*base, self._names, length, row))
        shown = name[:NAME_CHARS_MAX]
        if name.startswith("!"):
            raise InvalidInput(f"no stream {shown!r}; of all symbols there are {', '.join(_ARRAYS)}")
        symbol, _, kind = name.partition("@")
        instrument = table.get(symbol.upper())
        if instrument is None:
            raise InvalidInput(f"no stream {shown!r}: no symbol {symbol[:NAME_CHARS_MAX]!r}; exchangeInfo lists them")
        if symbol != symbol.lower():
            raise InvalidInput(f"no stream {shown!r}: symbols are in lower case here, {symbol.lower()!r}")
        if kind not in _KINDS:
            raise InvalidInput(f"no stream {shown!r}: after <symbol>@ comes one of {_KINDS_SHOWN}")
        channel, make = _KINDS[kind]
        if channel not in instrument.channels or (kind == "referencePrice" and instrument.kind != "matched"):
            raise InvalidInput(f"no stream {shown!r}: {symbol} has no {kind}")
        return Stream(channel, instrument.symbol, *make(base, instrument.symbol))


def _clock(interval_ms: int) -> StreamKey:
    return StreamKey(CLOCK, "", interval_ms=interval_ms)


def _of(channel: str, codec: type[StreamCodec], *, depth: int = 0, interval_ms: int = 0) -> _Make:
    """A stream that one of ours is translated into."""
    return lambda base, symbol: (StreamKey(channel, symbol, depth, interval_ms), codec(*base))


def _kline(interval: str, offset: int) -> _Make:
    period, clock = period_of(interval, offset), _clock(SECOND_MS if interval == "1s" else KLINE_MS)
    return lambda base, symbol: (clock, KlineCodec(*base, symbol, period, interval))


def _window(window: str) -> _Make:
    return lambda base, symbol: (
        _clock(SECOND_MS),
        WindowTickerCodec(*base, symbol, window, WINDOWS_NS[window]),
    )


_KINDS: dict[str, tuple[str, _Make]] = {
    "trade": ("trades", _of("trades", TradeCodec)),
    "aggTrade": ("trades", _of("trades", AggTradeCodec)),
    "bookTicker": ("quotes", _of("quotes", BookTickerCodec)),
    "miniTicker": ("ticker", _of("ticker", MiniTickerCodec, interval_ms=SECOND_MS)),
    "ticker": ("ticker", _of("ticker", TickerCodec, interval_ms=SECOND_MS)),
    "avgPrice": ("candles", lambda base, symbol: (_clock(SECOND_MS), AvgPriceCodec(*base, symbol))),
    "referencePrice": ("trades", lambda base, symbol: (_clock(SECOND_MS), ReferencePriceCodec(*base, symbol))),
    **{f"ticker_{window}": ("ticker", _window(window)) for window in WINDOWS_NS},
    **{
        f"depth{speed}": ("book", _of("book_batch", DepthCodec, interval_ms=interval_ms))
        for speed, interval_ms in (("", 1000), ("@1000ms", 1000), ("@100ms", 100))
    },
    **{
        f"depth{levels}{speed}": ("book", _of("book", PartialDepthCodec, depth=levels, interval_ms=interval_ms))
        for levels in (5, 10, 20)
        for speed, interval_ms in (("", 1000), ("@1000ms", 1000), ("@100ms", 100))
    },
    **{
        f"kline_{interval}{zone}": ("candles", _kline(interval, offset))
        for interval in INTERVALS
        for zone, offset in (("", 0), ("@+08:00", EAST_8_NS))
    },
}
"""What comes after the symbol: the channel that it shows, and what makes it."""
_KINDS_SHOWN = (
    "trade, aggTrade, bookTicker, depth, depth5, depth10, depth20 (each also with @100ms), miniTicker, ticker, "
    "ticker_1h, ticker_4h, ticker_1d, avgPrice, referencePrice, kline_<interval> (also with @+08:00)"
)


def _mini_row(codec: ArrayCodec, instrument: Instrument) -> object:
    return mini_ticker(day_stats(codec.market, instrument.symbol), instrument, codec.unit)


def _day_row(codec: ArrayCodec, instrument: Instrument) -> object:
    return day_ticker(codec.market, codec.memory, instrument, codec.unit)


def _window_row(window: str) -> Callable[[ArrayCodec, Instrument], object]:
    def row(codec: ArrayCodec, instrument: Instrument) -> object:
        stats = window_stats(codec.market, codec.memory, instrument.symbol, codec.length)
        return window_ticker(stats, instrument, window, codec.unit)

    return row


_ARRAYS: dict[str, tuple[int, Callable[[ArrayCodec, Instrument], object]]] = {
    "!miniTicker@arr": (WINDOW_NS, _mini_row),
    "!ticker@arr": (WINDOW_NS, _day_row),
    **{f"!ticker_{window}@arr": (length, _window_row(window)) for window, length in WINDOWS_NS.items()},
}
"""Streams about all symbols: the length of the window, and what they say of each. The venue has retired `!ticker@arr`;
there are clients that still ask for it."""
