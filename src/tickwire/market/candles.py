"""Candles of every interval for one instrument, from its trades and the tape's clock.

A candle covers [start, start + interval), both aligned to the epoch. A trade belongs to the candle in which
the tape's clock stands when it arrives. An interval without a trade has no candle.

Each interval is a whole number of the next shorter one, so a trade is counted in the shortest only. What a candle's
closed parts add up to moves on to the next longer one; a candle is that and what the shorter ones still hold.
"""

from __future__ import annotations

from typing import TypeAlias

from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle

CandleState: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int]


class Part:
    """What some successive trades come to. It is empty while `first_trade` is 0."""

    __slots__ = (
        "buy_quote_volume", "buy_volume", "close", "first_trade", "first_ts", "high", "last_trade", "last_ts", "low",
        "open", "quote_volume", "volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.open = self.high = self.low = self.close = 0
        self.volume = self.quote_volume = self.buy_volume = self.buy_quote_volume = 0
        self.first_trade = self.last_trade = self.first_ts = self.last_ts = 0

    def append(self, part: Part) -> None:
        """Add the trades of a part that follows."""
        if not part.first_trade:
            return
        if not self.first_trade:
            self.open, self.high, self.low = part.open, part.high, part.low
            self.first_trade, self.first_ts = part.first_trade, part.first_ts
        else:
            self.high = max(self.high, part.high)
            self.low = min(self.low, part.low)
        self.close, self.last_trade, self.last_ts = part.close, part.last_trade, part.last_ts
        self.volume += part.volume
        self.quote_volume += part.quote_volume
        self.buy_volume += part.buy_volume
        self.buy_quote_volume += part.buy_quote_volume


class OpenCandle:
    """The candle in progress of one interval; `start` is -1 while there is none.

    Attributes:
        closed: its closed shorter candles; of the shortest interval, its trades.
        closes: candles of this interval that were closed so far.
    """

    __slots__ = ("closed", "closes", "end", "interval", "start")

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.start = self.end = -1
        self.closed = Part()
        self.closes = 0

    def begin(self, ts: int) -> None:
        """Its first trade comes at `ts`."""
        self.start = ts - ts % self.interval
        self.end = self.start + self.interval


class CandleSet:
    """The candles in progress of one instrument.

    Attributes:
        trade: number of the last trade that was counted.
    """

    def __init__(self, symbol: str) -> None:
        self.trade = 0
        self._symbol = symbol
        self._all = tuple(OpenCandle(length) for length in sorted(CANDLE_INTERVALS_NS.values()))  # shortest first
        self._rank = {candle.interval: rank for rank, candle in enumerate(self._all)}

    def add(self, ts: int, price: int, size: int, side: str, trade: int) -> None:
        """Count a trade. The caller has asked for what is `due` at `ts`.

        Args:
            side: the taker's.
            trade: its number, one more than that of the trade before it.
        """
        self.trade = trade
        shortest = self._all[0]
        part = shortest.closed
        if shortest.start < 0:
            for candle in self._all:
                if candle.start >= 0:  # and so is every longer one
                    break
                candle.begin(ts)
            part.open = part.high = part.low = price
            part.first_trade, part.first_ts = trade, ts
        elif price > part.high:
            part.high = price
        elif price < part.low:
            part.low = price
        value = price * size
        part.close = price
        part.volume += size
        part.quote_volume += value
        if side == "buy":
            part.buy_volume += size
            part.buy_quote_volume += value
        part.last_trade = trade
        part.last_ts = ts

    def seq(self, interval: int) -> int:
        """Changes of an interval's candles: a trade is one, a close is one."""
        return self.trade + self._all[self._rank[interval]].closes

    def view(self, interval: int, ts: int) -> Candle | None:
        """The candle in progress of an interval, None while there is none."""
        rank = self._rank[interval]
        candle = self._all[rank]
        if candle.start < 0:
            return None
        part = Part()
        for other in reversed(self._all[: rank + 1]):
            part.append(other.closed)
        return self._event(candle, part, ts, closed=False)

    def traded(self, interval: int) -> tuple[int, int]:
        """Volume and quote volume of the candle in progress of an interval; zero while there is none."""
        parts = [candle.closed for candle in self._all[: self._rank[interval] + 1]]
        return sum([part.volume for part in parts]), sum([part.quote_volume for part in parts])

    def due(self, ts: int) -> list[Candle]:
        """Close the candles whose end the clock has reached, shortest first: what ends together is complete then."""
        events = []
        for rank, candle in enumerate(self._all):
            if candle.start < 0:
                continue
            if candle.end > ts:
                break  # and so does every longer one
            part = candle.closed
            candle.closes += 1
            events.append(self._event(candle, part, ts, closed=True))
            candle.start, candle.closed = -1, Part()
            if rank + 1 < len(self._all):
                self._all[rank + 1].closed.append(part)
        return events

    def _event(self, candle: OpenCandle, part: Part, ts: int, *, closed: bool) -> Candle:
        return Candle(
            self._symbol,
            self.trade + candle.closes,
            ts,
            candle.interval,
            candle.start,
            part.open,
            part.high,
            part.low,
            part.close,
            part.volume,
            part.quote_volume,
            part.last_trade - part.first_trade + 1,
            closed,
            part.buy_volume,
            part.buy_quote_volume,
            part.first_trade,
            part.last_trade,
            part.first_ts,
            part.last_ts,
        )

    def count_on(self, before: CandleSet) -> None:
        """Take up the streams where another set left them."""
        self.trade = before.trade
        for candle, other in zip(self._all, before._all, strict=True):
            candle.closes = other.closes

    def dump(self) -> list[CandleState]:
        """The state, for a snapshot; `trade` apart."""
        return [
            (
                c.start, c.closes, p.open, p.high, p.low, p.close, p.volume, p.quote_volume, p.buy_volume,
                p.buy_quote_volume, p.first_trade, p.last_trade, p.first_ts, p.last_ts,
            )
            for c, p in ((candle, candle.closed) for candle in self._all)
        ]  # fmt: skip

    def load(self, state: list[CandleState], trade: int) -> None:
        """Inverse of `dump`.

        Args:
            trade: number of the last trade.
        """
        self.trade = trade
        for candle, values in zip(self._all, state, strict=True):
            candle.start, candle.closes = values[:2]
            candle.end = candle.start + candle.interval if candle.start >= 0 else -1
            part = candle.closed
            part.open, part.high, part.low, part.close, part.volume, part.quote_volume = values[2:8]
            part.buy_volume, part.buy_quote_volume, part.first_trade, part.last_trade = values[8:12]
            part.first_ts, part.last_ts = values[12:]
