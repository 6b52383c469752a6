"""The rolling 24 hours behind the ticker, in buckets of a minute: 1,440 of them at most, whatever the traffic. Minutes
that are over are summed by the quarter of an hour, too, so that a shorter window is made of a few dozen."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import takewhile
from typing import NamedTuple, TypeAlias

MINUTE_NS = 60_000_000_000
QUARTER_NS = 15 * MINUTE_NS
WINDOW_NS = 24 * 60 * MINUTE_NS

BucketState: TypeAlias = tuple[int, int, int, int, int, int, int]


class Totals(NamedTuple):
    """What the trades of a while come to; all zero where there was none."""

    open: int
    high: int
    low: int
    volume: int
    quote_volume: int
    trades: int


class _Bucket:
    __slots__ = ("high", "low", "open", "quote_volume", "start", "trades", "volume")

    def __init__(self, start: int, price: int) -> None:
        self.start = start
        self.open = self.high = self.low = price
        self.volume = self.quote_volume = self.trades = 0

    def append(self, other: _Bucket) -> None:
        """Add the trades of one that follows."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.volume += other.volume
        self.quote_volume += other.quote_volume
        self.trades += other.trades


class RollingWindow:
    """Open, high, low, volume and count of the trades of the last 24 hours, by the tape's clock.

    The window is the minute in progress and the 1,439 before it. It is empty (`trades` 0) before the first
    trade and again a day after the last one.
    """

    __slots__ = ("_buckets", "_quarters", "high", "low", "quote_volume", "trades", "volume")

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque()
        self._quarters: deque[_Bucket] = deque()  # of all minutes but the newest
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
            self._begin(_Bucket(start, price))
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

    def _begin(self, bucket: _Bucket) -> None:
        """The newest minute is over, another has begun."""
        if self._buckets:
            over, quarters = self._buckets[-1], self._quarters
            start = over.start - over.start % QUARTER_NS
            if not quarters or quarters[-1].start != start:
                quarters.append(_Bucket(start, over.open))
            quarters[-1].append(over)
        self._buckets.append(bucket)

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
        while self._quarters and self._quarters[0].start < oldest:
            self._quarters.popleft()
        part = self._part(oldest)
        self.high = max([bucket.high for bucket in part], default=0)
        self.low = min([bucket.low for bucket in part], default=0)
        return True

    def since(self, start: int) -> Totals:
        """The trades in the window at or after `start`, which is the beginning of a minute."""
        if not self._buckets or self._buckets[0].start >= start:
            return Totals(self.open, self.high, self.low, self.volume, self.quote_volume, self.trades)
        part = self._part(start)
        return Totals(
            part[0].open if part else 0,
            max([bucket.high for bucket in part], default=0),
            min([bucket.low for bucket in part], default=0),
            sum([bucket.volume for bucket in part]),
            sum([bucket.quote_volume for bucket in part]),
            sum([bucket.trades for bucket in part]),
        )

    def _part(self, start: int) -> list[_Bucket]:
        """What was traded at or after `start`, oldest first: minutes, whole quarters, the minute in progress."""
        buckets = self._buckets
        quarter = -(-start // QUARTER_NS) * QUARTER_NS
        part = []
        for index in range(bisect_left(buckets, start, key=_start_of), len(buckets)):
            if buckets[index].start >= quarter:
                break
            part.append(buckets[index])
        part += reversed(list(takewhile(lambda bucket: bucket.start >= quarter, reversed(self._quarters))))
        if buckets and buckets[-1].start >= quarter:
            part.append(buckets[-1])
        return part

    def dump(self) -> list[BucketState]:
        """The state, for a snapshot."""
        return [(b.start, b.open, b.high, b.low, b.volume, b.quote_volume, b.trades) for b in self._buckets]

    def load(self, state: list[BucketState]) -> None:
        """Inverse of `dump`."""
        for start, open_, high, low, volume, quote_volume, trades in state:
            bucket = _Bucket(start, open_)
            bucket.high, bucket.low = high, low
            bucket.volume, bucket.quote_volume, bucket.trades = volume, quote_volume, trades
            self._begin(bucket)
            self.volume += volume
            self.quote_volume += quote_volume
            self.trades += trades
        self.high = max((bucket.high for bucket in self._buckets), default=0)
        self.low = min((bucket.low for bucket in self._buckets), default=0)


def _start_of(bucket: _Bucket) -> int:
    return bucket.start
