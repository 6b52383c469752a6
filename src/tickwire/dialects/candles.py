"""Candles of any length, made of those that the market and its history have.

    week = Period(7 * DAY_NS, origin=MONDAY_NS)
    candle_range(market, history, "SIM:BTC-USDT", week, start=..., end=..., limit=100)

A candle exists where there was a trade; what is still open is part of the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.model.channel import CANDLE_INTERVALS_NS, StreamKey
from tickwire.model.events import Candle

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
MONDAY_NS = 4 * DAY_NS
"""The first Monday after the epoch, a Thursday."""
_MONTH_DAYS_MAX = 31
_LONGEST_FIRST = sorted(((length, name) for name, length in CANDLE_INTERVALS_NS.items()), reverse=True)


class Period(NamedTuple):
    """Into which pieces time is cut.

    Attributes:
        length: of each in ns, whole seconds; 0 where it is calendar months.
        months: how many of those; counted from January 1970.
        origin: ns since the epoch (or before it) at which one begins: `MONDAY_NS` for weeks, -8 hours for the days of a
            place eight hours ahead of UTC.
    """

    length: int
    months: int = 0
    origin: int = 0

    def start_of(self, ts: int) -> int:
        """Where the piece begins that `ts` is in."""
        local = ts - self.origin
        if not self.months:
            return ts - local % self.length
        month = _month_of(local // DAY_NS)
        return self.origin + _month_start(month - month % self.months)

    def at_or_after(self, ts: int) -> int:
        """Where the first piece begins that is not before `ts`."""
        start = self.start_of(ts)
        return start if start >= ts else self.after(start)

    def after(self, start: int, count: int = 1) -> int:
        """Where the piece begins that comes `count` later, or earlier if that is negative, than the one at `start`."""
        if not self.months:
            return start + count * self.length
        return self.origin + _month_start(_month_of((start - self.origin) // DAY_NS) + count * self.months)

    @property
    def base(self) -> tuple[int, str, int]:
        """The longest interval that every piece is a whole number of: its length, its name and the greatest number."""
        whole = self.length or DAY_NS
        length, name = next((n, s) for n, s in _LONGEST_FIRST if whole % n == 0 and self.origin % n == 0)
        return length, name, (self.length or self.months * _MONTH_DAYS_MAX * DAY_NS) // length


def candle_at(market: Market, history: History, symbol: str, start: int, end: int) -> Candle | None:
    """One candle over [start, end), of as few kept ones as will do; None where there was no trade.

    Args:
        start, end: ns since the epoch, whole seconds. What is after the market's time counts as empty.
    """
    parts: list[Candle] = []
    for length, name, first, count in _pieces(start, min(end, _second_after(market.now)), end):
        opened = _opened(market, symbol, name)
        if opened is None or opened.start != first:
            parts += history.candles(symbol, name, start=first, end=first + count * length, limit=count)
        if opened is not None and first <= opened.start < first + count * length:
            parts.append(opened)
    return merged(parts, start, end, market.now) if parts else None


def candle_range(
    market: Market,
    history: History,
    symbol: str,
    period: Period,
    *,
    start: int = 0,
    end: int = 2**63 - 1,
    limit: int,
    newest: bool = True,
) -> list[Candle]:
    """Candles of a period with `start` <= their start < `end`, oldest first.

    Args:
        limit: how many at most. newest: these are the newest ones of the range, else its oldest.
    """
    first = period.at_or_after(start)
    last = period.start_of(min(end, market.now + 1) - 1)
    if last < first:
        return []
    last = period.after(last)
    _, name, ratio = period.base
    kept = history.candles(symbol, name, start=first, end=last, limit=limit * ratio, newest=newest)
    opened = _opened(market, symbol, name)
    if opened is not None and first <= opened.start < last:
        kept.append(opened)
    pieces: dict[int, list[Candle]] = {}
    for candle in kept:
        pieces.setdefault(period.start_of(candle.start), []).append(candle)
    starts = list(pieces)[-limit:] if newest else list(pieces)[:limit]
    return [merged(pieces[at], at, period.after(at), market.now) for at in starts]


def _opened(market: Market, symbol: str, interval: str) -> Candle | None:
    candle = market.view(StreamKey("candles", symbol, interval=interval))
    assert candle is None or isinstance(candle, Candle)
    return candle


def _second_after(ts: int) -> int:
    return ts - ts % SECOND_NS + SECOND_NS


def _pieces(start: int, until: int, end: int) -> Iterator[tuple[int, str, int, int]]:
    """What [start, until) consists of, as (interval, its name, first start, how many): the longest that fit into
    [start, end), as many together as there are."""
    while start < until:
        length, name = next((n, s) for n, s in _LONGEST_FIRST if start % n == 0 and start + n <= end)
        longer = next((n for n, _ in reversed(_LONGEST_FIRST) if n > length), end)
        count = 1
        while start + count * length < until and start + (count + 1) * length <= end:
            if (start + count * length) % longer == 0 and start + count * length + longer <= end:
                break
            count += 1
        yield length, name, start, count
        start += count * length


def merged(parts: list[Candle], start: int, end: int, now: int) -> Candle:
    """Neighbours, oldest first, as one."""
    first, last = parts[0], parts[-1]
    return Candle(
        first.symbol,
        last.seq,
        last.ts,
        end - start,
        start,
        first.open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        last.close,
        sum(part.volume for part in parts),
        sum(part.quote_volume for part in parts),
        sum(part.trades for part in parts),
        end <= now,
        sum(part.buy_volume for part in parts),
        sum(part.buy_quote_volume for part in parts),
        first.first_trade,
        last.last_trade,
        first.first_ts,
        last.last_ts,
    )


def _month_start(month: int) -> int:
    """Where a month begins, in ns; months are counted from January 1970.

    Days from the civil calendar: years begin in March, so that the leap day is a year's last, in eras of 400 years.
    """
    year, index = divmod(month - 2, 12)
    year += 1970
    era, of_era = divmod(year, 400)
    day_of_year = (153 * index + 2) // 5
    return (era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468) * DAY_NS


def _month_of(day: int) -> int:
    """The month, counted from January 1970, that a day since the epoch is in. Inverse of `_month_start`."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year + year // 4 - year // 100)
    return (era * 400 + year - 1970) * 12 + (5 * day_of_year + 2) // 153 + 2
