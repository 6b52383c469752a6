"""Candles: their bounds, what a trade does to each interval, and when they are due."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.market.candles import CandleSet
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
NOON = 19_000 * DAY + 12 * 60 * MINUTE
SYMBOL = "SIM:BTC-USDT"


class Traded(NamedTuple):
    """A trade and its number."""

    ts: int
    price: int
    size: int
    side: str
    number: int


def tell(candles: CandleSet, ts: int, price: int, size: int, side: str = "") -> Traded:
    """Add a trade with its number."""
    made = Traded(ts, price, size, side, candles.trade + 1)
    candles.add(*made)
    return made


def row(candle: Candle | None) -> tuple[int, ...]:
    """(open, high, low, close, volume, quote volume, trades)"""
    assert candle is not None
    return (
        candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.trades,
    )  # fmt: skip


def close(candles: CandleSet, ts: int) -> list[tuple[int, int]]:
    """What is due as (interval, start)."""
    return [(candle.interval, candle.start) for candle in candles.due(ts)]


@pytest.mark.parametrize("interval", CANDLE_INTERVALS_NS.values(), ids=CANDLE_INTERVALS_NS)
@pytest.mark.parametrize("offset", ["first", "inside", "last"])
def test_a_candle_covers_its_start_and_not_its_end(interval: int, offset: str) -> None:
    start = NOON - NOON % interval
    candles = CandleSet(SYMBOL)
    tell(candles, start + {"first": 0, "inside": interval // 3, "last": interval - 1}[offset], 100, 1)
    candle = candles.view(interval, NOON)
    assert candle is not None
    assert (candle.interval, candle.start) == (interval, start)
    assert [other for other in close(candles, start + interval - 1) if other[0] >= interval] == []
    assert [other for other in close(candles, start + interval) if other[0] == interval] == [(interval, start)]


def test_what_trades_make_of_a_candle() -> None:
    candles = CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2)
    assert row(candles.view(MINUTE, NOON)) == (100, 100, 100, 100, 2, 200, 1)
    tell(candles, NOON + 1, 104, 1, "buy")
    assert row(candles.view(MINUTE, NOON)) == (100, 104, 100, 104, 3, 304, 2)
    tell(candles, NOON + 2, 97, 5, "sell")
    assert row(candles.view(MINUTE, NOON)) == (100, 104, 97, 97, 8, 789, 3)
    tell(candles, NOON + 3, 101, 1, "buy")
    assert candles.view(MINUTE, NOON + 4) == Candle(
        SYMBOL, 4, NOON + 4, MINUTE, NOON, 100, 104, 97, 101, 9, 890, 4, False, 2, 205, 1, 4, NOON, NOON + 3
    )  # fmt: skip


def test_a_candle_goes_on_from_the_shorter_ones_that_are_closed() -> None:
    candles = CandleSet(SYMBOL)
    for second, (price, side) in enumerate([(100, "buy"), (90, "sell"), (120, ""), (110, "buy")]):
        tell(candles, NOON + second * SECOND, price, 1, side)
        assert close(candles, NOON + (second + 1) * SECOND) == [(SECOND, NOON + second * SECOND)]
    at = NOON + 4 * SECOND
    assert candles.view(SECOND, at) is None
    tell(candles, at, 95, 10, "buy")
    part = (100, 120, 90, 95, 14, 1370, 5, False, 12, 1160, 1, 5, NOON, at)
    assert candles.view(5 * SECOND, at) == Candle(SYMBOL, 5, at, 5 * SECOND, NOON, *part)
    assert candles.view(DAY, at) == Candle(SYMBOL, 5, at, DAY, NOON - DAY // 2, *part)
    end = at + SECOND
    _, five = candles.due(end)
    assert five == Candle(SYMBOL, 6, end, 5 * SECOND, NOON, *part[:7], True, *part[8:])
    assert candles.view(MINUTE, end) == Candle(SYMBOL, 5, end, MINUTE, NOON, *part)


def test_the_next_candle_starts_from_nothing() -> None:
    candles = CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2, "buy")
    tell(candles, NOON, 200, 2)
    assert len(candles.due(NOON + MINUTE)) == 3
    at = NOON + MINUTE
    tell(candles, at, 150, 7)
    assert candles.view(MINUTE, at) == Candle(
        SYMBOL, 4, at, MINUTE, at, 150, 150, 150, 150, 7, 1050, 1, False, 0, 0, 3, 3, at, at
    )


def test_all_intervals_count_the_same_trade_and_each_is_due_at_its_own_end() -> None:
    candles = CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2)
    views = {row(candles.view(interval, NOON)) for interval in CANDLE_INTERVALS_NS.values()}
    assert views == {(100, 100, 100, 100, 2, 200, 1)}
    assert close(candles, NOON + SECOND - 1) == []
    for interval in CANDLE_INTERVALS_NS.values():
        end = NOON - NOON % interval + interval
        assert close(candles, end - 1) == []
        assert close(candles, end) == [(interval, NOON - NOON % interval)]
        assert (candles.view(interval, end), candles.seq(interval)) == (None, 2)


def test_a_clock_that_comes_late_closes_each_candle_once_and_makes_none_up() -> None:
    candles = CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2)
    late = NOON + 17 * MINUTE
    assert close(candles, late) == [(SECOND, NOON), (5 * SECOND, NOON), (MINUTE, NOON), (5 * MINUTE, NOON),
                                    (15 * MINUTE, NOON)]  # fmt: skip
    assert close(candles, late) == []
    tell(candles, late, 105, 1)
    candle = candles.view(15 * MINUTE, late)
    assert candle is not None
    assert candle.start == NOON + 15 * MINUTE
    assert row(candle) == (105, 105, 105, 105, 1, 105, 1)
    assert row(candles.view(60 * MINUTE, late)) == (100, 105, 100, 105, 3, 305, 2)


def test_a_state_is_loaded_as_it_was_dumped() -> None:
    candles = CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2)
    close(candles, NOON + 5 * SECOND)
    tell(candles, NOON + 5 * SECOND, 90, 1, "buy")
    close(candles, NOON + 6 * SECOND)
    loaded = CandleSet(SYMBOL)
    loaded.load(candles.dump(), 2)
    assert loaded.dump() == candles.dump()
    assert loaded.view(SECOND, NOON) is None
    for both in (candles, loaded):
        at = NOON + 7 * SECOND
        tell(both, at, 120, 3, "buy")
        assert row(both.view(5 * SECOND, at)) == (90, 120, 90, 120, 4, 450, 2)
        assert row(both.view(MINUTE, at)) == (100, 120, 90, 120, 6, 650, 3)
        assert [candle.seq for candle in both.due(NOON + 10 * SECOND)] == [3 + 3, 3 + 2]
        assert both.view(SECOND, at) == both.view(5 * SECOND, at) == None  # noqa: E711


def test_counting_on_where_another_set_left_off() -> None:
    candles, after = CandleSet(SYMBOL), CandleSet(SYMBOL)
    tell(candles, NOON, 100, 2)
    candles.due(NOON + SECOND)
    after.count_on(candles)
    assert (after.seq(SECOND), after.seq(MINUTE)) == (2, 1)
    assert after.view(MINUTE, NOON) is None
    tell(after, NOON + MINUTE, 7, 1)
    candle = after.view(DAY, NOON + MINUTE)
    assert candle is not None
    assert (candle.seq, candle.first_trade, candle.last_trade, candle.trades) == (2, 2, 2, 1)


# ---- the slow and obvious twin -------------------------------------------------------------------


def by_hand(told: list[Traded], interval: int, start: int) -> Candle | None:
    """The candle that is made of these trades, with what only its stream knows left at 0."""
    part = [trade for trade in told if start <= trade.ts < start + interval]
    if not part:
        return None
    prices, bought = [trade.price for trade in part], [trade for trade in part if trade.side == "buy"]
    return Candle(
        SYMBOL, 0, 0, interval, start, prices[0], max(prices), min(prices), prices[-1],
        sum(trade.size for trade in part), sum(trade.price * trade.size for trade in part), len(part), False,
        sum(trade.size for trade in bought), sum(trade.price * trade.size for trade in bought),
        part[0].number, part[-1].number, part[0].ts, part[-1].ts,
    )  # fmt: skip


def bare(candle: Candle | None) -> tuple[object, ...] | None:
    """All of a candle but for its `seq`, `ts` and `closed`."""
    if candle is None:
        return None
    return tuple(getattr(candle, name) for name in candle.__struct_fields__ if name not in ("seq", "ts", "closed"))


waits = st.one_of(
    st.just(0), st.integers(1, 2 * SECOND), st.integers(1, 20 * MINUTE), st.sampled_from([SECOND, MINUTE, 5 * MINUTE]),
    st.integers(1, 2 * DAY),
)  # fmt: skip
trades = st.tuples(st.integers(-5, 200), st.integers(1, 10**20), st.sampled_from(["buy", "sell", ""]))


@settings(deadline=None, max_examples=150)
@given(st.integers(0, DAY), st.lists(st.tuples(waits, st.one_of(st.none(), trades)), max_size=40), st.integers(0, 40))
def test_every_candle_is_what_its_trades_add_up_to(
    begin: int, steps: list[tuple[int, tuple[int, int, str] | None]], restart: int
) -> None:
    candles, now = CandleSet(SYMBOL), NOON + begin
    told: list[Traded] = []
    seqs = dict.fromkeys(CANDLE_INTERVALS_NS.values(), 0)
    for index, (wait, trade) in enumerate(steps):
        before, now = now, now + wait
        closed = candles.due(now)
        for candle in closed:
            seqs[candle.interval] += 1
            assert before < candle.start + candle.interval <= now
            assert (candle.seq, candle.ts, candle.closed) == (seqs[candle.interval], now, True)
            assert bare(candle) == bare(by_hand(told, candle.interval, candle.start))
        expected = [
            (interval, before - before % interval)
            for interval in seqs
            if before // interval != now // interval and by_hand(told, interval, before - before % interval)
        ]
        assert [(candle.interval, candle.start) for candle in closed] == expected
        if trade is not None:
            told.append(tell(candles, now, *trade))
            seqs = {interval: seq + 1 for interval, seq in seqs.items()}
        if index == restart:
            again = CandleSet(SYMBOL)
            again.load(candles.dump(), candles.trade)
            candles = again
        for interval, seq in seqs.items():
            view = candles.view(interval, now)
            assert candles.seq(interval) == seq
            assert bare(view) == bare(by_hand(told, interval, now - now % interval))
            assert view is None or (view.seq, view.ts, view.closed) == (seq, now, False)
