"""How old is what a client holds? Exact over all moments of a measurement, not at sampled ones.

What a client holds is current until the next change is published, and from then on as old as that change: its
staleness rises with the clock until the client hears of something newer. So a measurement is moments of no staleness
and ramps, and the share of time that was spent within an age is a sum.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Ramp(NamedTuple):
    """A stretch of time in which the staleness rose from `first` to `last`, ns."""

    first: int
    last: int


class Staleness:
    """Of one client or several.

    Attributes:
        changes: published in the measurement.
        missed: of these, never heard of.
    """

    def __init__(self) -> None:
        self._ramps: list[Ramp] = []
        self._total = 0
        self.changes = 0
        self.missed = 0

    def add(self, held: Sequence[tuple[int, int]], published: Sequence[tuple[int, int]], begin: int, end: int) -> None:
        """Take in a client.

        Args:
            held: when it had which number, in order; the first at `begin` or before, the last maybe after `end`.
            published: number and time of every change, in order.
            begin, end: of the measurement. All times are ns of one clock.
        """
        numbers = [number for number, _ in published]
        until = [at for at, _ in held[1:]] + [end]
        for (since, number), over in zip(held, until, strict=True):
            following = bisect_right(numbers, number)
            if following == len(numbers):
                continue
            due = published[following][1]
            first, last = max(since, due, begin), min(over, end)
            if first < last:
                self._ramps.append(Ramp(first - due, last - due))
        self._total += end - begin
        seen = {number for _, number in held}
        counted = [number for number, at in published if begin <= at < end]
        self.changes += len(counted)
        self.missed += sum(number not in seen for number in counted)

    def share_within(self, age: float) -> float:
        """In which share of the time it was no more than `age` ns."""
        return 1 - sum(max(0, last - max(first, age)) for first, last in self._ramps) / self._total

    def quantile(self, share: float) -> float:
        """The age in ns that it did not exceed in this share of the time."""
        low, high = 0.0, float(max((last for _, last in self._ramps), default=0))
        if self.share_within(low) >= share:
            return 0.0
        while high - low > 1_000:
            middle = (low + high) / 2
            low, high = (low, middle) if self.share_within(middle) >= share else (middle, high)
        return high
