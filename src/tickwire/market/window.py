"""The rolling 24 hours behind the ticker, in buckets of a minute: 1,440 of them at most, whatever the traffic."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

MINUTE_NS = 60_000_000_000
WINDOW_NS = 24 * 60 * MINUTE_NS

BucketState: TypeAlias = tuple[int, int, int, int, int, int, int]


class _Bucket:
    __slots__ = ("high", "low", "open", "quote_volume", "start", "trades", "volume")

    def __init__(self, start: int, price: int) -> None:
        self.start = start
        self.open = self.high = self.low = price
        self.volume = self.quote_volume = self.trades = 0


class RollingWindow:
    """Open, high, low, volume and count of the trades of the last 24 hours, by the tape's clock.

    The window is the minute in progress and the 1,439 before it. It is empty (`trades` 0) before the first
    trade and again a day after the last one.
    """

    __slots__ = ("_buckets", "high", "low", "quote_volume", "trades", "volume")

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque()
        self.high = self.low = self.volume = self.quote_volume = self.trades = 0

    @property
    def open(self) -> int:
        """Price of the oldest trade in the window, ticks; 0 when it is empty."""
        return self._buckets[0].open if self._buckets else 0

    def add(self, ts: int, price: int, size: int) -> None:
        """Count a trade."""
        start = ts - ts % MINUTE_NS
        buckets = self._buckets
        if not buckets or buckets[-1].start != start:
            buckets.append(_Bucket(start, price))
        bucket = buckets[-1]
        if price > bucket.high:
            bucket.high = price
        elif price < bucket.low:
            bucket.low = price
        if self.trades == 0:
            self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        value = price * size
        bucket.volume += size
        bucket.quote_volume += value
        bucket.trades += 1
        self.volume += size
        self.quote_volume += value
        self.trades += 1

    def roll(self, ts: int) -> bool:
        """Let go of what is older than the window at `ts`; True when something went."""
        oldest = ts - ts % MINUTE_NS - WINDOW_NS + MINUTE_NS
        buckets = self._buckets
        if not buckets or buckets[0].start >= oldest:
            return False
        while buckets and buckets[0].start < oldest:
            gone = buckets.popleft()
            self.volume -= gone.volume
            self.quote_volume -= gone.quote_volume
            self.trades -= gone.trades
        self.high = max((bucket.high for bucket in buckets), default=0)
        self.low = min((bucket.low for bucket in buckets), default=0)
        return True

    def dump(self) -> list[BucketState]:
        """The state, for a snapshot."""
        return [(b.start, b.open, b.high, b.low, b.volume, b.quote_volume, b.trades) for b in self._buckets]

    def load(self, state: list[BucketState]) -> None:
        """Inverse of `dump`."""
        for start, open_, high, low, volume, quote_volume, trades in state:
            bucket = _Bucket(start, open_)
            bucket.high, bucket.low = high, low
            bucket.volume, bucket.quote_volume, bucket.trades = volume, quote_volume, trades
            self._buckets.append(bucket)
            self.volume += volume
            self.quote_volume += quote_volume
            self.trades += trades
        self.high = max((bucket.high for bucket in self._buckets), default=0)
        self.low = min((bucket.low for bucket in self._buckets), default=0)
