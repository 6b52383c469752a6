"""Statistics over the last while: of 24 hours, of other windows and of a day, as REST shows them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tickwire.dialects.binance.decimals import formats
from tickwire.dialects.binance.names import name_of
from tickwire.dialects.binance.payloads import average, trade_time
from tickwire.dialects.candles import candle_at
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.market.window import MINUTE_NS, WINDOW_NS, Totals
from tickwire.model.events import Candle, Quote
from tickwire.model.instrument import Instrument

AVERAGE_MINUTES = 5
"""Over which the average price is taken: the minute in progress and those before it."""


class Stats(NamedTuple):
    """The trades of a while. Ticks and lots; all zero where there was none.

    Attributes:
        first, last: numbers of its first and last trade, -1 for none.
        start, end: of the while, ns since the epoch.
    """

    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    first: int
    last: int
    start: int
    end: int


def day_stats(market: Market, symbol: str) -> Stats:
    """The rolling 24 hours: the minute in progress and the 1,439 before it."""
    listing, now = market.listing(symbol), market.now
    window = listing.window
    last = listing.seq["trades"] if window.trades else -1
    return Stats(
        window.open,
        window.high,
        window.low,
        (listing.last_price or 0) if window.trades else 0,
        window.volume,
        window.quote_volume,
        window.trades,
        last - window.trades + 1 if window.trades else -1,
        last,
        _minute(now) + MINUTE_NS - WINDOW_NS,
        now,
    )


def window_stats(market: Market, history: History, symbol: str, length: int) -> Stats:
    """A rolling window that begins on a minute: up to a minute longer than `length`, in ns."""
    now = market.now
    start = _minute(now - length)
    if length > WINDOW_NS:
        return span_stats(market, history, symbol, start, _minute(now) + MINUTE_NS)._replace(end=now)
    listing = market.listing(symbol)
    t = listing.window.since(start)
    if length == WINDOW_NS and (left := _left(history, symbol, start + MINUTE_NS)) and left.start == start:
        t = Totals(
            left.open,
            max(left.high, t.high) if t.trades else left.high,
            min(left.low, t.low) if t.trades else left.low,
            left.volume + t.volume,
            left.quote_volume + t.quote_volume,
            left.trades + t.trades,
        )
    if not t.trades:
        return Stats(*t[:3], 0, 0, 0, 0, -1, -1, start, now)
    last = listing.seq["trades"]
    close = listing.last_price or 0
    return Stats(*t[:3], close, t.volume, t.quote_volume, t.trades, last - t.trades + 1, last, start, now)


def span_stats(market: Market, history: History, symbol: str, start: int, end: int) -> Stats:
    """What there was in [start, end), ns, whole seconds."""
    candle = candle_at(market, history, symbol, start, end)
    if candle is None:
        return Stats(0, 0, 0, 0, 0, 0, 0, -1, -1, start, end)
    c = candle
    return Stats(
        c.open,
        c.high,
        c.low,
        c.close,
        c.volume,
        c.quote_volume,
        c.trades,
        c.first_trade,
        c.last_trade,
        start,
        end,
    )


def previous_close(history: History, symbol: str, start: int) -> int:
    """The last price before `start`, ticks; 0 where none is known."""
    left = _left(history, symbol, start)
    return left.close if left else 0


def _left(history: History, symbol: str, start: int) -> Candle | None:
    """The newest minute that a window which begins at `start` has left behind."""
    before = history.candles(symbol, "1m", end=start, limit=1)
    return before[0] if before else None


def average_price(market: Market, instrument: Instrument, unit: int) -> tuple[str, int]:
    """The average price of the last five minutes, and when the last trade was; where there was no trade in them, the
    last price, and zeros before the first."""
    listing, start = market.listing(instrument.symbol), _minute(market.now) - (AVERAGE_MINUTES - 1) * MINUTE_NS
    stats = listing.window.since(start)
    price = instrument.price
    time = trade_time(listing.recent[-1]) // unit if listing.recent else 0
    if not stats.trades:
        return average(listing.last_price or 0, 1, price), time
    return average(stats.quote_volume, stats.volume, price), time


def _minute(ts: int) -> int:
    return ts - ts % MINUTE_NS


def change_percent(stats: Stats) -> str:
    """How far the price has come since the beginning, in percent of it, rounded half away from zero."""
    change, base = stats.close - stats.open, abs(stats.open)
    thousandths = (abs(change) * 200_000 + base) // (2 * base) if base else 0
    sign = "-" if change < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"


# ---- over REST -----------------------------------------------------------------------------------------


class MiniStats(msgspec.Struct, frozen=True, rename="camel"):
    """Statistics of the type MINI."""

    symbol: str
    open_price: str
    high_price: str
    low_price: str
    last_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class FullStats(msgspec.Struct, frozen=True, rename="camel"):
    """Statistics of the type FULL."""

    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    open_price: str
    high_price: str
    low_price: str
    last_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class DayStats(msgspec.Struct, frozen=True, rename="camel"):
    """Statistics of 24 hours, with the top of the book."""

    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    prev_close_price: str
    last_price: str
    last_qty: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


def mini_stats(stats: Stats, instrument: Instrument, unit: int) -> MiniStats:
    """In words of REST."""
    (price, size, notional), s = formats(instrument), stats
    return MiniStats(
        name_of(instrument),
        price(s.open),
        price(s.high),
        price(s.low),
        price(s.close),
        size(s.volume),
        notional(s.quote_volume),
        s.start // unit,
        s.end // unit,
        s.first,
        s.last,
        s.trades,
    )


def full_stats(stats: Stats, instrument: Instrument, unit: int) -> FullStats:
    """In words of REST."""
    (price, size, notional), s = formats(instrument), stats
    return FullStats(
        name_of(instrument),
        price(s.close - s.open),
        change_percent(s),
        average(s.quote_volume, s.volume, instrument.price),
        price(s.open),
        price(s.high),
        price(s.low),
        price(s.close),
        size(s.volume),
        notional(s.quote_volume),
        s.start // unit,
        s.end // unit,
        s.first,
        s.last,
        s.trades,
    )


def day_row(market: Market, history: History, instrument: Instrument, unit: int) -> DayStats:
    """24 hours, in words of REST."""
    i, listing = instrument, market.listing(instrument.symbol)
    stats, quote = day_stats(market, i.symbol), listing.quote
    price, size, _ = formats(i)
    row = full_stats(stats, i, unit)
    return DayStats(
        row.symbol,
        row.price_change,
        row.price_change_percent,
        row.weighted_avg_price,
        price(previous_close(history, i.symbol, stats.start)),
        row.last_price,
        size(listing.recent[-1].size if stats.trades else 0),
        *_top(quote, i),
        row.open_price,
        row.high_price,
        row.low_price,
        row.volume,
        row.quote_volume,
        row.open_time,
        row.close_time,
        row.first_id,
        row.last_id,
        row.count,
    )


def _top(quote: Quote, instrument: Instrument) -> tuple[str, str, str, str]:
    price, size, _ = formats(instrument)
    return price(quote.bid or 0), size(quote.bid_size), price(quote.ask or 0), size(quote.ask_size)
