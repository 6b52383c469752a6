"""Candles of every interval for one instrument, from its trades and the tape's clock.

A candle covers [start, start + interval), both aligned to the epoch. A trade belongs to the candle in which
the tape's clock stands when it arrives. An interval without a trade has no candle.
"""

from __future__ import annotations

from typing import TypeAlias

from tickwire.model.channel import CANDLE_INTERVALS_NS

CandleState: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]


class OpenCandle:
    """The candle in progress of one interval; `start` is -1 while there is none. `seq` counts its changes and
    those of the candles before it: a trade is one, a close is one."""

    __slots__ = ("close", "end", "high", "interval", "low", "open", "quote_volume", "seq", "start", "trades", "volume")

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.seq = 0
        self.start = self.end = -1
        self.open = self.high = self.low = self.close = 0
        self.volume = self.quote_volume = self.trades = 0

    def add(self, ts: int, price: int, size: int) -> None:
        """Count a trade. The caller has closed the candle if `ts` is past its end."""
        if self.start < 0:
            self.start = ts - ts % self.interval
            self.end = self.start + self.interval
            self.open = self.high = self.low = price
            self.volume = self.quote_volume = self.trades = 0
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.seq += 1
        self.close = price
        self.volume += size
        self.quote_volume += price * size
        self.trades += 1


class CandleSet:
    """The candles in progress of one instrument, and the last closed one of each interval."""

    def __init__(self) -> None:
        self.current = {length: OpenCandle(length) for length in CANDLE_INTERVALS_NS.values()}
        self._all = tuple(self.current.values())

    def add(self, ts: int, price: int, size: int) -> None:
        """Count a trade in every interval."""
        for candle in self._all:
            candle.add(ts, price, size)

    def due(self, ts: int) -> list[OpenCandle]:
        """The candles whose end the clock has reached. The caller publishes each, then resets its `start` to -1."""
        return [candle for candle in self._all if candle.start >= 0 and candle.end <= ts]

    def count_on(self, before: CandleSet) -> None:
        """Take up the streams where another set left them."""
        for candle, other in zip(self._all, before._all, strict=True):
            candle.seq = other.seq

    def dump(self) -> list[CandleState]:
        """The state, for a snapshot."""
        return [(c.start, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades, c.seq) for c in self._all]

    def load(self, state: list[CandleState]) -> None:
        """Inverse of `dump`."""
        for candle, values in zip(self._all, state, strict=True):
            candle.start, candle.open, candle.high, candle.low, candle.close = values[:5]
            candle.volume, candle.quote_volume, candle.trades, candle.seq = values[5:]
            candle.end = candle.start + candle.interval if candle.start >= 0 else -1
