"""Percentiles of latencies, by nearest rank: the smallest value that so many are not above."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
"""What is reported of every latency."""
TAIL = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
TAIL_SAMPLES_MIN = 10
"""Above a point of a curve: what rests on fewer is chance."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value at a share, of at least one value, in ascending order."""
    return ordered[max(1, ceil(share * len(ordered))) - 1]


def tail(values: Iterable[float]) -> list[tuple[float, float]]:
    """A curve: what one value in so many is above, as far as there are enough of them."""
    ordered = sorted(values)
    known = [share for share in TAIL if share * len(ordered) <= len(ordered) - TAIL_SAMPLES_MIN]
    return [(1 / (1 - share), quantile(ordered, share)) for share in known]


def quantiles(latencies_ns: Iterable[int]) -> dict[str, float]:
    """Milliseconds at each of `SHARES`."""
    ordered = sorted(latencies_ns)
    return {name: quantile(ordered, share) / 1e6 for name, share in SHARES.items()}
