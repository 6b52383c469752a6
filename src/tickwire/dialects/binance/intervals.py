"""The venue's klines: their intervals, and one for every interval even where nothing was traded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tickwire.dialects.candles import DAY_NS, MONDAY_NS, SECOND_NS, Period
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.model.events import Candle

_MINUTE, _HOUR = 60 * SECOND_NS, 3_600 * SECOND_NS
INTERVALS: dict[str, Period] = {
    "1s": Period(SECOND_NS),
    "1m": Period(_MINUTE),
    "3m": Period(3 * _MINUTE),
    "5m": Period(5 * _MINUTE),
    "15m": Period(15 * _MINUTE),
    "30m": Period(30 * _MINUTE),
    "1h": Period(_HOUR),
    "2h": Period(2 * _HOUR),
    "4h": Period(4 * _HOUR),
    "6h": Period(6 * _HOUR),
    "8h": Period(8 * _HOUR),
    "12h": Period(12 * _HOUR),
    "1d": Period(DAY_NS),
    "3d": Period(3 * DAY_NS),
    "1w": Period(7 * DAY_NS, origin=MONDAY_NS),
    "1M": Period(0, months=1),
}
EAST_8_NS = 8 * _HOUR
"""What `@+08:00` puts the clock ahead by."""


def period_of(interval: str, offset: int = 0) -> Period:
    """One of `INTERVALS` by its name, on a clock that is `offset` ns ahead of UTC, whole minutes."""
    period = INTERVALS[interval]
    return period._replace(origin=period.origin - offset)


def flat(symbol: str, period: Period, start: int, price: int, now: int) -> Candle:
    """The candle of an interval without a trade."""
    end = period.after(start)
    return Candle(symbol, 0, now, end - start, start, price, price, price, price, 0, 0, 0, end <= now)


def without_holes(
    found: Iterable[Candle], symbol: str, period: Period, first: int, last: int, price: int | None, now: int
) -> Iterator[Candle]:
    """Candles with the gaps between them filled.

    Args:
        first, last: the beginnings of the first and the last. price: the one before the first, ticks; where it is not
            known, the first with a trade comes first.
    """
    by_start = {candle.start: candle for candle in found}
    if price is None:
        first = next(iter(by_start), last + 1)
    while first <= last:
        candle = by_start.get(first) or flat(symbol, period, first, price or 0, now)
        yield candle
        price, first = candle.close, period.after(first)


def close_before(market: Market, history: History, symbol: str, period: Period, start: int) -> int | None:
    """The last price before an interval that begins at `start`, ticks; None where none is known."""
    listing = market.listing(symbol)
    if listing.recent and listing.recent[-1].ts < start:
        return listing.last_price
    before = history.candles(symbol, period.base[1], end=start, limit=1)
    return before[0].close if before else None
