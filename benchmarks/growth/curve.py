"""A curve of growth: what something costs at each size, and how steeply that rises."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from math import log
from typing import Literal, NamedTuple

from benchmarks.results import Cell, Lines, Table

Expected = Literal["flat", "linear"]
_EXPONENTS: dict[Expected, float] = {"flat": 0.0, "linear": 1.0}
TOLERANCE = 0.3
"""How much steeper a curve may be than it is expected to: caches fill, and dicts find things later."""


class Curve(NamedTuple):
    """What something costs.

    Args:
        of: what is measured. unit: of the values.
        expected: how it has to grow at most.
        points: (size, value), sizes ascending.
    """

    of: str
    unit: str
    expected: Expected
    points: list[tuple[int, float]]

    @property
    def exponent(self) -> float:
        """p of size ** p, fitted by least squares of the logarithms to the upper half of the points: what is spent
        once hides at small sizes how the rest grows."""
        points = self.points[len(self.points) // 2 - 1 :] if len(self.points) > 3 else self.points
        xs = [log(size) for size, _ in points]
        ys = [log(value) for _, value in points]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)

    @property
    def as_expected(self) -> bool:
        """Whether it grows no faster than it has to."""
        return self.exponent <= _EXPONENTS[self.expected] + TOLERANCE


class Family(NamedTuple):
    """The curves against one size, "clients"."""

    size: str
    curves: list[Curve]


def sizes(first: int, last: int) -> list[int]:
    """Doubling, from one to the other, both among them."""
    return [*_doubling(first, last), last]


def _doubling(size: int, last: int) -> Iterator[int]:
    while size < last:
        yield size
        size *= 2


def cpu_us(work: Callable[[], object], repeats: int = 3, *, before: Callable[[], object] = lambda: None) -> float:
    """Microseconds of this process's processor that the work takes: the least of several, for others disturb.

    Args:
        before: what has to be done before each time, and does not count.
    """
    best = 0
    gc.collect()
    for repeat in range(repeats):
        before()
        began = time.process_time_ns()
        work()
        took = time.process_time_ns() - began
        best = took if repeat == 0 else min(best, took)
    return max(best, 1) / 1_000


def table(families: list[Family]) -> Table:
    """Every curve: its ends and its exponent."""
    rows: list[list[Cell]] = [
        [
            curve.of,
            family.size,
            curve.points[0][0],
            curve.points[-1][0],
            curve.unit,
            float(curve.points[0][1]),
            float(curve.points[-1][1]),
            round(curve.exponent, 2),
            curve.expected,
            "yes" if curve.as_expected else "NO: faster",
        ]
        for family in families
        for curve in family.curves
    ]
    columns = ["cost", "against", "from", "to", "unit", "at first", "at last", "exponent", "expected", "as expected"]
    return Table("How each cost grows: exponent of the upper half of its curve (0 flat, 1 linear)", columns, rows)


def charts(families: list[Family]) -> list[Lines]:
    """A chart for each size and unit."""
    return [
        Lines(
            f"{unit} by number of {family.size}",
            family.size,
            unit,
            {
                curve.of: [(float(size), value) for size, value in curve.points]
                for curve in family.curves
                if curve.unit == unit
            },
            "xy",
        )
        for family in families
        for unit in dict.fromkeys(curve.unit for curve in family.curves)
    ]
