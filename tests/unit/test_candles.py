"""Candles: their bounds, what a trade does to each interval, and when they are due."""

from __future__ import annotations

import pytest

from tickwire.market.candles import CandleSet, OpenCandle
from tickwire.model.channel import CANDLE_INTERVALS_NS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
NOON = 19_000 * DAY + 12 * 60 * MINUTE


def row(candle: OpenCandle) -> tuple[int, ...]:
    """(open, high, low, close, volume, quote volume, trades)"""
    return (
        candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.trades,
    )  # fmt: skip


def close(candles: CandleSet, ts: int) -> list[tuple[int, int]]:
    """What is due as (interval, start), closed as the listing does it."""
    due = [(candle.interval, candle.start) for candle in candles.due(ts)]
    for candle in candles.due(ts):
        candle.start = -1
    return due


@pytest.mark.parametrize("interval", CANDLE_INTERVALS_NS.values(), ids=CANDLE_INTERVALS_NS)
@pytest.mark.parametrize("offset", ["first", "inside", "last"])
def test_a_candle_covers_its_start_and_not_its_end(interval: int, offset: str) -> None:
    start = NOON - NOON % interval
    ts = start + {"first": 0, "inside": interval // 3, "last": interval - 1}[offset]
    candle = OpenCandle(interval)
    candle.add(ts, 100, 1)
    assert (candle.start, candle.end) == (start, start + interval)


def test_what_trades_make_of_a_candle() -> None:
    candle = OpenCandle(MINUTE)
    candle.add(NOON, 100, 2)
    assert row(candle) == (100, 100, 100, 100, 2, 200, 1)
    candle.add(NOON + 1, 104, 1)
    assert row(candle) == (100, 104, 100, 104, 3, 304, 2)
    candle.add(NOON + 2, 97, 5)
    assert row(candle) == (100, 104, 97, 97, 8, 789, 3)
    candle.add(NOON + 3, 101, 1)
    assert row(candle) == (100, 104, 97, 101, 9, 890, 4)


def test_the_next_candle_starts_from_nothing() -> None:
    candle = OpenCandle(MINUTE)
    candle.add(NOON, 100, 2)
    candle.add(NOON, 200, 2)
    candle.start = -1
    candle.add(NOON + MINUTE, 150, 7)
    assert (candle.start, candle.end) == (NOON + MINUTE, NOON + 2 * MINUTE)
    assert row(candle) == (150, 150, 150, 150, 7, 1050, 1)


def test_all_intervals_count_the_same_trade_and_each_is_due_at_its_own_end() -> None:
    candles = CandleSet()
    candles.add(NOON, 100, 2)
    assert {row(candle) for candle in candles.current.values()} == {(100, 100, 100, 100, 2, 200, 1)}
    assert close(candles, NOON + SECOND - 1) == []
    for interval in CANDLE_INTERVALS_NS.values():
        end = NOON - NOON % interval + interval
        assert close(candles, end - 1) == []
        assert close(candles, end) == [(interval, NOON - NOON % interval)]


def test_a_clock_that_comes_late_closes_each_candle_once_and_makes_none_up() -> None:
    candles = CandleSet()
    candles.add(NOON, 100, 2)
    late = NOON + 17 * MINUTE
    assert close(candles, late) == [(SECOND, NOON), (5 * SECOND, NOON), (MINUTE, NOON), (5 * MINUTE, NOON),
                                    (15 * MINUTE, NOON)]  # fmt: skip
    assert close(candles, late) == []
    candles.add(late, 105, 1)
    assert row(candles.current[15 * MINUTE]) == (105, 105, 105, 105, 1, 105, 1)
    assert candles.current[15 * MINUTE].start == NOON + 15 * MINUTE
    assert row(candles.current[60 * MINUTE]) == (100, 105, 100, 105, 3, 305, 2)


def test_a_state_is_loaded_as_it_was_dumped() -> None:
    candles = CandleSet()
    candles.add(NOON, 100, 2)
    close(candles, NOON + 5 * SECOND)
    candles.add(NOON + 5 * SECOND, 90, 1)
    close(candles, NOON + 6 * SECOND)
    loaded = CandleSet()
    loaded.load(candles.dump())
    assert loaded.dump() == candles.dump()
    assert loaded.current[SECOND].start == -1
    for both in (candles, loaded):
        both.add(NOON + 7 * SECOND, 120, 3)
        assert row(both.current[5 * SECOND]) == (90, 120, 90, 120, 4, 450, 2)
        assert row(both.current[MINUTE]) == (100, 120, 90, 120, 6, 650, 3)
        assert close(both, NOON + 10 * SECOND) == [(SECOND, NOON + 7 * SECOND), (5 * SECOND, NOON + 5 * SECOND)]
