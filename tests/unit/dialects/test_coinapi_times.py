"""Times as the vendor writes them, against the standard library's calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.dialects.coinapi.times import date_of, days_of, iso_time, parse_iso_time
from tickwire.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.dates(min_value=date(1, 1, 1), max_value=date(9999, 12, 31)))
def test_days_are_those_of_the_calendar(day: date) -> None:
    days = (day - date(1970, 1, 1)).days
    assert days_of(day.year, day.month, day.day) == days
    assert date_of(days) == (day.year, day.month, day.day)


@given(st.integers(0, 2**63 - 1))
def test_a_time_is_written_and_read(ns: int) -> None:
    text = iso_time(ns)
    moment = EPOCH + timedelta(microseconds=ns // 1_000)
    assert text == f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % 10**9 // 100:07d}Z"
    assert parse_iso_time(text, "t") == ns - ns % 100


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("2017-03-18T22:42:21.3763342Z", 1_489_876_941_376_334_200),
        ("2017-03-18T22:42:21", 1_489_876_941_000_000_000),
        ("2017-03-18 22:42:21Z", 1_489_876_941_000_000_000),
        ("2017-03-18T22:42", 1_489_876_920_000_000_000),
        ("2017-03-19T00:42:21.5+02:00", 1_489_876_941_500_000_000),
        ("2017-03-18T17:12:21,25-0530", 1_489_876_941_250_000_000),
        ("2017-03-18T22:42:21.123456789123z", 1_489_876_941_123_456_789),
        ("2024-02-29", 1_709_164_800_000_000_000),
    ],
)
def test_what_is_a_time(text: str, ns: int) -> None:
    assert parse_iso_time(text, "t") == ns


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1700000000", "2017-3-18", "2017-13-01", "2017-00-01", "2017-02-29", "2017-04-31", "2017-01-00",
        "2017-01-01T24:00", "2017-01-01T00:60", "2017-01-01T00:00:60", "2017-01-01T", "2017-01-01T00:00:00.Z",
        "2017-01-01T00:00+15:00", "2017-01-01T00:00+01:60", "1969-12-31", "1970-01-01T00:00+00:01", "2263-01-01",
        "2017-01-01T00:00:00Z ", "\u0662017-01-01", "2017-01-01T00:00:00.1234567890123Z",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="expire_time must be a time in ISO 8601") as caught:
        parse_iso_time(text, "expire_time")
    assert caught.value.field == "expire_time"
