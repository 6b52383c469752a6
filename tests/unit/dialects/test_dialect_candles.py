"""Candles of any length against the plain sum of the trades in them."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import pytest

from binance_market import VenueWorld
from support import BTC, START_NS, order
from tickwire.dialects.candles import DAY_NS, MONDAY_NS, SECOND_NS, Period, candle_at, candle_range
from tickwire.model.events import Candle

MINUTE, HOUR = 60 * SECOND_NS, 3_600 * SECOND_NS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(year: int, month: int, day: int, hour: int = 0) -> int:
    return (datetime(year, month, day, hour, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1000


class Made(NamedTuple):
    """A trade; `number` is its own in the stream."""

    ts: int
    price: int
    size: int
    bought: bool
    number: int


def trade(world: VenueWorld, made: list[Made], price: int, size: int, *, bought: bool) -> None:
    """Both sides of it, in a transaction of their own."""
    sides = ("sell", "buy") if bought else ("buy", "sell")
    world.do(*[order(side, price, size) for side in sides], ms=0)  # type: ignore[arg-type]
    made.append(Made(world.clock(), price, size, bought, len(made) + 1))


def summed(made: list[Made], start: int, end: int, now: int) -> tuple[int | bool, ...] | None:
    """What the candle over [start, end) must be."""
    inside = [t for t in made if start <= t.ts < end]
    if not inside:
        return None
    bought = [t for t in inside if t.bought]
    return (
        start,
        end - start,
        inside[0].price,
        max(t.price for t in inside),
        min(t.price for t in inside),
        inside[-1].price,
        sum(t.size for t in inside),
        sum(t.size * t.price for t in inside),
        len(inside),
        end <= now,
        sum(t.size for t in bought),
        sum(t.size * t.price for t in bought),
        inside[0].number,
        inside[-1].number,
        inside[0].ts,
        inside[-1].ts,
    )


def shown(candle: Candle | None) -> tuple[int | bool, ...] | None:
    if candle is None:
        return None
    c = candle
    return (
        c.start,
        c.interval,
        c.open,
        c.high,
        c.low,
        c.close,
        c.volume,
        c.quote_volume,
        c.trades,
        c.closed,
        c.buy_volume,
        c.buy_quote_volume,
        c.first_trade,
        c.last_trade,
        c.first_ts,
        c.last_ts,
    )


def some_days(seed: int, step_ms: int, count: int) -> tuple[VenueWorld, list[Made]]:
    """A world with trades at random times, a `step_ms` or so apart."""
    random, world = Random(seed), VenueWorld()
    made: list[Made] = []
    for _ in range(count):
        world.do(ms=random.choice([1, 700, 1_000, 30_000, step_ms, 2 * step_ms]))
        trade(world, made, random.randint(9_900, 10_100), random.randint(1, 9), bought=random.random() < 0.6)
    world.do(ms=random.choice([1, 400, 60_000]))
    return world, made


@pytest.mark.parametrize("seed", range(6))
def test_one_candle_is_the_sum_of_its_trades(seed: int) -> None:
    world, made = some_days(seed, step_ms=(90_000, 1_700_000)[seed % 2], count=150)
    random, now = Random(seed), world.clock()
    for _ in range(150):
        unit = random.choice([SECOND_NS, MINUTE, 5 * MINUTE, HOUR, DAY_NS])
        start = random.randint(START_NS - HOUR, now) // unit * unit
        end = start + random.randint(1, 40) * unit
        candle = candle_at(world.market, world.history, BTC.symbol, start, end)
        assert shown(candle) == summed(made, start, end, now), (start, end)


PERIODS = [
    Period(SECOND_NS),
    Period(10 * SECOND_NS),
    Period(3 * MINUTE),
    Period(30 * MINUTE),
    Period(2 * HOUR),
    Period(6 * HOUR),
    Period(8 * HOUR, origin=-8 * HOUR),
    Period(DAY_NS),
    Period(DAY_NS, origin=-19_800 * SECOND_NS),
    Period(3 * DAY_NS),
    Period(7 * DAY_NS, origin=MONDAY_NS),
    Period(0, months=1),
    Period(0, months=1, origin=-8 * HOUR),
]


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_range_is_every_candle_that_has_trades(period: Period, seed: int) -> None:
    world, made = some_days(10 + seed, step_ms=(40_000, 9_000_000)[seed], count=150)
    now = world.clock()
    starts = sorted({period.start_of(t.ts) for t in made})
    expected = [summed(made, start, period.after(start), now) for start in starts]

    def asked(**options: int | bool) -> list[tuple[int | bool, ...] | None]:
        options = {"limit": 1_000, **options}
        found = candle_range(world.market, world.history, BTC.symbol, period, **options)  # type: ignore[arg-type]
        return [shown(candle) for candle in found]

    assert asked() == expected
    assert asked(limit=2) == expected[-2:]
    assert asked(limit=2, newest=False) == expected[:2]
    cut = starts[len(starts) // 2]
    assert asked(start=cut) == [row for row in expected if row is not None and row[0] >= cut]
    assert asked(start=cut + 1) == [row for row in expected if row is not None and row[0] > cut]
    assert asked(end=cut) == [row for row in expected if row is not None and row[0] < cut]
    assert asked(end=cut + 1, limit=1) == [row for row in expected if row is not None and row[0] == cut]
    assert asked(start=now + DAY_NS * 40) == []


def test_of_what_was_never_traded_there_is_no_candle() -> None:
    world = VenueWorld()
    assert candle_at(world.market, world.history, BTC.symbol, START_NS, START_NS + DAY_NS) is None
    assert candle_range(world.market, world.history, BTC.symbol, Period(MINUTE), limit=5) == []


# ---- calendar ------------------------------------------------------------------------------------------


def test_months_are_those_of_the_calendar() -> None:
    month = Period(0, months=1)
    for year in (1969, 1970, 1999, 2000, 2023, 2024, 2100, 2399, 2400):
        for number in range(1, 13):
            start = ns(year, number, 1)
            days = monthrange(year, number)[1]
            assert month.after(start) == start + days * DAY_NS
            assert month.after(month.after(start, -5), 5) == start
            for ts in (start, start + 1, start + 17 * DAY_NS, start + days * DAY_NS - 1):
                assert month.start_of(ts) == start


@pytest.mark.parametrize(
    ("period", "start"),
    [
        (Period(0, months=3), ns(2023, 10, 1)),
        (Period(0, months=12), ns(2023, 1, 1)),
        (Period(0, months=1, origin=-8 * HOUR), ns(2023, 10, 31, 16)),
        (Period(7 * DAY_NS, origin=MONDAY_NS), ns(2023, 11, 13)),
        (Period(7 * DAY_NS, origin=MONDAY_NS - 8 * HOUR), ns(2023, 11, 12, 16)),
        (Period(DAY_NS, origin=8 * HOUR), ns(2023, 11, 14, 8)),
    ],
)
def test_pieces_of_time_begin_where_the_clock_says(period: Period, start: int) -> None:
    """At START_NS it was Tuesday 2023-11-14, 22:13:20 UTC."""
    assert period.start_of(START_NS) == start
    assert period.start_of(period.after(start) - 1) == start
    assert period.start_of(period.after(start)) == period.after(start)


@pytest.mark.parametrize(
    ("period", "base"),
    [
        (Period(SECOND_NS), (SECOND_NS, "1s", 1)),
        (Period(3 * MINUTE), (MINUTE, "1m", 3)),
        (Period(30 * MINUTE), (15 * MINUTE, "15m", 2)),
        (Period(6 * HOUR), (HOUR, "1h", 6)),
        (Period(12 * HOUR), (4 * HOUR, "4h", 3)),
        (Period(DAY_NS, origin=-8 * HOUR), (4 * HOUR, "4h", 6)),
        (Period(DAY_NS, origin=-19_800 * SECOND_NS), (15 * MINUTE, "15m", 96)),
        (Period(7 * DAY_NS, origin=MONDAY_NS), (DAY_NS, "1d", 7)),
        (Period(0, months=1), (DAY_NS, "1d", 31)),
    ],
)
def test_the_longest_interval_that_fits_is_read(period: Period, base: tuple[int, str, int]) -> None:
    assert period.base == base
