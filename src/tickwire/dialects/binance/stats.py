"""Statistics over the last while: of 24 hours, of other windows and of a day, as REST and the streams say them."""

from __future__ import annotations

from typing import NamedTuple

from tickwire.dialects.binance.decimals import formats
from tickwire.dialects.binance.names import name_of
from tickwire.dialects.binance.payloads import Payload, average, trade_time
from tickwire.dialects.candles import candle_at
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.market.window import MINUTE_NS, WINDOW_NS, Totals
from tickwire.model.events import Candle
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
    c = candle_at(market, history, symbol, start, end)
    if c is None:
        return Stats(0, 0, 0, 0, 0, 0, 0, -1, -1, start, end)
    totals = c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades
    return Stats(*totals, c.first_trade, c.last_trade, start, end)


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


# ---- in words ------------------------------------------------------------------------------------------

_REST = {
    "s": "symbol",
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}
"""What the streams have a letter for has a name over REST."""
_DAY_LETTERS = "".join(_REST)


def day_row(market: Market, history: History, instrument: Instrument, unit: int) -> Payload:
    """24 hours with the top of the book, over REST."""
    return _named(_day(market, history, instrument, unit), _DAY_LETTERS)


def full_row(stats: Stats, instrument: Instrument, unit: int) -> Payload:
    """Of the type FULL, over REST."""
    return _named(_figures(stats, instrument, unit), "spPwohlcvqOCFLn")


def mini_row(stats: Stats, instrument: Instrument, unit: int) -> Payload:
    """Of the type MINI, over REST."""
    return _named(_figures(stats, instrument, unit), "sohlcvqOCFLn")


def day_ticker(market: Market, history: History, instrument: Instrument, unit: int) -> Payload:
    """`<symbol>@ticker`: 24 hours, the long form."""
    return _event("24hrTicker", _day(market, history, instrument, unit), _DAY_LETTERS)


def window_ticker(stats: Stats, instrument: Instrument, window: str, unit: int) -> Payload:
    """`<symbol>@ticker_<window>`: "1h", "4h", "1d"."""
    return _event(f"{window}Ticker", _figures(stats, instrument, unit), "spPohlcwvqOCFLn")


def mini_ticker(stats: Stats, instrument: Instrument, unit: int) -> Payload:
    """`<symbol>@miniTicker`: 24 hours, the short form."""
    return _event("24hrMiniTicker", _figures(stats, instrument, unit), "scohlvq")


def _figures(stats: Stats, instrument: Instrument, unit: int) -> Payload:
    """All that is said of a while, by its letters."""
    (price, size, notional), s = formats(instrument), stats
    return {
        "s": name_of(instrument),
        "p": price(s.close - s.open),
        "P": change_percent(s),
        "w": average(s.quote_volume, s.volume, instrument.price),
        "o": price(s.open),
        "h": price(s.high),
        "l": price(s.low),
        "c": price(s.close),
        "v": size(s.volume),
        "q": notional(s.quote_volume),
        "O": s.start // unit,
        "C": s.end // unit,
        "F": s.first,
        "L": s.last,
        "n": s.trades,
    }


def _day(market: Market, history: History, instrument: Instrument, unit: int) -> Payload:
    """The same of 24 hours, with the price before them, the last trade and the top of the book."""
    listing, stats = market.listing(instrument.symbol), day_stats(market, instrument.symbol)
    (price, size, _), quote = formats(instrument), listing.quote
    return _figures(stats, instrument, unit) | {
        "x": price(previous_close(history, instrument.symbol, stats.start)),
        "Q": size(listing.recent[-1].size if stats.trades else 0),
        "b": price(quote.bid or 0),
        "B": size(quote.bid_size),
        "a": price(quote.ask or 0),
        "A": size(quote.ask_size),
    }


def _named(figures: Payload, letters: str) -> Payload:
    return {_REST[letter]: figures[letter] for letter in letters}


def _event(name: str, figures: Payload, letters: str) -> Payload:
    return {"e": name, "E": figures["C"], **{letter: figures[letter] for letter in letters}}
