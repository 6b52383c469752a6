"""Statistics over the last while as the streams say them."""

from __future__ import annotations

import msgspec

from tickwire.dialects.binance.stats import Stats, day_row, full_stats, mini_stats
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.model.instrument import Instrument


class MiniTickerEvent(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="24hrMiniTicker",
    rename={
        "event_time": "E",
        "symbol": "s",
        "close": "c",
        "open": "o",
        "high": "h",
        "low": "l",
        "volume": "v",
        "quote_volume": "q",
    },
):
    """`<symbol>@miniTicker`."""

    event_time: int
    symbol: str
    close: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str


_STATS = {
    "event": "e",
    "event_time": "E",
    "symbol": "s",
    "change": "p",
    "change_percent": "P",
    "average": "w",
    "close": "c",
    "open": "o",
    "high": "h",
    "low": "l",
    "volume": "v",
    "quote_volume": "q",
    "start": "O",
    "end": "C",
    "first": "F",
    "last": "L",
    "trades": "n",
}


class WindowTickerEvent(msgspec.Struct, frozen=True, gc=False, rename=_STATS):
    """`<symbol>@ticker_<window>`."""

    event: str
    event_time: int
    symbol: str
    change: str
    change_percent: str
    open: str
    high: str
    low: str
    close: str
    average: str
    volume: str
    quote_volume: str
    start: int
    end: int
    first: int
    last: int
    trades: int


class TickerEvent(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="24hrTicker",
    rename=_STATS | {"previous_close": "x", "last_size": "Q", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """`<symbol>@ticker`."""

    event_time: int
    symbol: str
    change: str
    change_percent: str
    average: str
    previous_close: str
    close: str
    last_size: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    start: int
    end: int
    first: int
    last: int
    trades: int


def mini_ticker(stats: Stats, instrument: Instrument, unit: int) -> MiniTickerEvent:
    """Of 24 hours, the short form."""
    r = mini_stats(stats, instrument, unit)
    return MiniTickerEvent(
        r.close_time, r.symbol, r.last_price, r.open_price, r.high_price, r.low_price, r.volume, r.quote_volume
    )


def window_ticker(stats: Stats, instrument: Instrument, window: str, unit: int) -> WindowTickerEvent:
    """Of another window: "1h", "4h", "1d"."""
    r = full_stats(stats, instrument, unit)
    return WindowTickerEvent(
        f"{window}Ticker",
        r.close_time,
        r.symbol,
        r.price_change,
        r.price_change_percent,
        r.open_price,
        r.high_price,
        r.low_price,
        r.last_price,
        r.weighted_avg_price,
        r.volume,
        r.quote_volume,
        r.open_time,
        r.close_time,
        r.first_id,
        r.last_id,
        r.count,
    )


def day_ticker(market: Market, history: History, instrument: Instrument, unit: int) -> TickerEvent:
    """Of 24 hours, the long form."""
    r = day_row(market, history, instrument, unit)
    return TickerEvent(
        r.close_time,
        r.symbol,
        r.price_change,
        r.price_change_percent,
        r.weighted_avg_price,
        r.prev_close_price,
        r.last_price,
        r.last_qty,
        r.bid_price,
        r.bid_qty,
        r.ask_price,
        r.ask_qty,
        r.open_price,
        r.high_price,
        r.low_price,
        r.volume,
        r.quote_volume,
        r.open_time,
        r.close_time,
        r.first_id,
        r.last_id,
        r.count,
    )
