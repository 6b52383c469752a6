"""The periods of time series, from a second to five years, by the names that this vendor gives them.

Seconds, minutes, hours and days are counted from 1970, months and years by the calendar, in UTC: six months begin in
January and July, five years in 2020 and 2025.
"""

from __future__ import annotations

from typing import NamedTuple

from tickwire.dialects.candles import SECOND_NS, Period


class NamedPeriod(NamedTuple):
    """A period.

    Attributes:
        period_id: `15MIN`.
        unit_count, unit_name: of what it consists: 15, "minute".
        period: into which pieces it cuts time.
    """

    period_id: str
    unit_count: int
    unit_name: str
    period: Period

    @property
    def seconds(self) -> int:
        """Its length, 0 where that is counted in months."""
        return self.period.length // SECOND_NS

    @property
    def display_name(self) -> str:
        """`15 Minutes`."""
        return f"{self.unit_count} {self.unit_name.capitalize()}{'s' if self.unit_count > 1 else ''}"


_SIXTY = (1, 2, 3, 4, 5, 6, 10, 15, 20, 30)
_UNITS = (
    ("SEC", "second", Period(SECOND_NS), _SIXTY),
    ("MIN", "minute", Period(60 * SECOND_NS), _SIXTY),
    ("HRS", "hour", Period(3_600 * SECOND_NS), (1, 2, 3, 4, 6, 8, 12)),
    ("DAY", "day", Period(86_400 * SECOND_NS), (1, 2, 3, 5, 7, 10)),
    ("MTH", "month", Period(0, months=1), (1, 2, 3, 4, 6)),
    ("YRS", "year", Period(0, months=12), (1, 2, 3, 4, 5)),
)

PERIODS: dict[str, NamedPeriod] = {
    f"{count}{suffix}": NamedPeriod(f"{count}{suffix}", count, unit, Period(count * of.length, count * of.months))
    for suffix, unit, of, counts in _UNITS
    for count in counts
}
"""Every period by its id, shortest unit first."""
