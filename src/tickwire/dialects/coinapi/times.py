"""Times as this vendor writes them: ISO 8601 in UTC with seven decimals, from and to nanoseconds since 1970.

Plain arithmetic in the proleptic Gregorian calendar, whose years repeat every 400 (146,097 days); counting from March
puts the leap day last, so that a month's first day is (153 m + 2) / 5.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tickwire.dialects.candles import DAY_NS, SECOND_NS
from tickwire.errors import InvalidInput

_ERA_DAYS, _EPOCH_DAYS = 146_097, 719_468  # from 1 March of the year 0 to 1970
_TIME_MAX = 2**63 - 1

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(Z|z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1 January 1970 to a date."""
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    era, of_era = divmod(year, 400)
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + (153 * month + 2) // 5 + day - 1 - _EPOCH_DAYS


def date_of(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a number of days since 1 January 1970."""
    era, day = divmod(days + _EPOCH_DAYS, _ERA_DAYS)
    of_era = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= of_era * 365 + of_era // 4 - of_era // 100
    month = (5 * day + 2) // 153
    day += 1 - (153 * month + 2) // 5
    year = era * 400 + of_era
    return (year, month + 3, day) if month < 10 else (year + 1, month - 9, day)


@lru_cache(maxsize=64)
def iso_time(ns: int) -> str:
    """A time as text, `2017-03-18T22:42:21.3763342Z`, cut to 100 ns. What one transaction says has one time."""
    seconds, fraction = divmod(ns, SECOND_NS)
    return f"{_second(seconds)}.{fraction // 100:07d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    """A whole second as text: thousands of messages have the same."""
    days, rest = divmod(seconds, 86_400)
    year, month, day = date_of(days)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"


def parse_iso_time(text: str, field: str) -> int:
    """The nanoseconds since 1970 of a date, or of a date and a time, in UTC unless it names another offset.

    Raises:
        InvalidInput: it is not such a text, or before 1970 or after 2262.
    """
    found = _ISO.fullmatch(text)
    wrong = InvalidInput(f"{field} must be a time in ISO 8601, like 2024-02-22T23:55:31.5424443Z", field=field)
    if found is None:
        raise wrong
    year, month, day = (int(found[part]) for part in (1, 2, 3))
    hour, minute, second = (int(found[part] or 0) for part in (4, 5, 6))
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        raise wrong
    days = days_of(year, month, day)
    if date_of(days) != (year, month, day):
        raise wrong
    ns = days * DAY_NS + (hour * 3600 + minute * 60 + second) * SECOND_NS + int((found[7] or "").ljust(9, "0")[:9])
    zone = found[8] or "Z"
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if hours > 14 or minutes > 59:
            raise wrong
        offset = (hours * 60 + minutes) * 60 * SECOND_NS
        ns += offset if zone[0] == "-" else -offset
    if not 0 <= ns <= _TIME_MAX:
        raise wrong
    return ns
