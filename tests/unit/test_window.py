"""The rolling 24 hours: evicted to the minute, extremes found again, empty a day after the last trade."""

from __future__ import annotations

from random import Random

from tickwire.market.window import MINUTE_NS, WINDOW_NS, RollingWindow

START = 19_000 * WINDOW_NS + 7 * MINUTE_NS

Row = tuple[int, int, int, int, int, int]


def row(window: RollingWindow) -> Row:
    """(open, high, low, volume, quote volume, trades)"""
    return (window.open, window.high, window.low, window.volume, window.quote_volume, window.trades)


EMPTY: Row = (0, 0, 0, 0, 0, 0)


def test_it_is_empty_before_the_first_trade() -> None:
    window = RollingWindow()
    assert row(window) == EMPTY
    assert window.roll(START) is False
    window.load([])
    assert row(window) == EMPTY


def test_trades_are_summed() -> None:
    window = RollingWindow()
    window.add(START, 100, 2)
    window.add(START + 1, 97, 1)
    window.add(START + MINUTE_NS, 104, 3)
    window.add(START + MINUTE_NS, 101, 1)
    assert row(window) == (100, 104, 97, 7, 200 + 97 + 312 + 101, 4)


def test_a_minute_leaves_as_a_whole_when_the_same_minute_begins_a_day_later() -> None:
    window = RollingWindow()
    window.add(START, 100, 2)
    window.add(START + MINUTE_NS - 1, 50, 1)
    window.add(START + MINUTE_NS, 104, 3)
    assert window.roll(START + WINDOW_NS - 1) is False
    assert row(window) == (100, 104, 50, 6, 562, 3)
    assert window.roll(START + WINDOW_NS) is True
    assert row(window) == (104, 104, 104, 3, 312, 1)
    assert window.roll(START + WINDOW_NS) is False


def test_the_extremes_are_found_again_among_what_is_left() -> None:
    window = RollingWindow()
    for minute, prices in enumerate([(100, 200, 10), (90, 150), (120, 30), (80,)]):
        for price in prices:
            window.add(START + minute * MINUTE_NS, price, 1)
    seen = [(window.open, window.high, window.low)]
    for minute in range(4):
        window.roll(START + minute * MINUTE_NS + WINDOW_NS)
        seen.append((window.open, window.high, window.low))
    assert seen == [(100, 200, 10), (90, 150, 30), (120, 120, 30), (80, 80, 80), (0, 0, 0)]


def test_a_day_after_the_last_trade_it_is_empty_and_begins_anew() -> None:
    window = RollingWindow()
    window.add(START, 100, 2)
    window.add(START + 5 * MINUTE_NS, 300, 2)
    assert window.roll(START + 3 * WINDOW_NS) is True
    assert row(window) == EMPTY
    window.add(START + 3 * WINDOW_NS, 200, 1)
    assert row(window) == (200, 200, 200, 1, 200, 1)


def test_it_never_holds_more_than_a_day_of_minutes() -> None:
    window = RollingWindow()
    for minute in range(3_000):
        ts = START + minute * MINUTE_NS
        window.roll(ts)
        window.add(ts, 100 + minute, 1)
    assert (len(window.dump()), len(window._quarters)) == (1_440, 96)
    assert row(window) == (1_660, 3_099, 1_660, 1_440, sum(range(1_660, 3_100)), 1_440)


def test_a_window_is_the_sum_of_the_trades_in_it() -> None:
    random = Random(5)
    window = RollingWindow()
    trades: list[tuple[int, int, int]] = []
    ts = START
    for _ in range(2_000):
        ts += random.choice((0, 1, 7 * MINUTE_NS // 3, 40 * MINUTE_NS))
        window.roll(ts)
        price, size = random.randint(-50, 50), random.randint(1, 9)
        window.add(ts, price, size)
        trades.append((ts, price, size))
        first = ts // MINUTE_NS - 1_439
        within = [trade for trade in trades if trade[0] // MINUTE_NS >= first]
        prices = [price for _, price, _ in within]
        volume = sum(size for _, _, size in within)
        quote_volume = sum(price * size for _, price, size in within)
        assert row(window) == (prices[0], max(prices), min(prices), volume, quote_volume, len(within))


def test_the_newest_minutes_are_the_sum_of_the_trades_in_them() -> None:
    random = Random(7)
    window = RollingWindow()
    trades: list[tuple[int, int, int]] = []
    ts = START
    for _ in range(500):
        ts += random.choice((0, 1, MINUTE_NS // 3, 5 * MINUTE_NS))
        window.roll(ts)
        price, size = random.randint(-50, 50), random.randint(1, 9)
        window.add(ts, price, size)
        trades.append((ts, price, size))
        start = ts - ts % MINUTE_NS - random.choice((-1, 0, 1, 59, 240, 1_440)) * MINUTE_NS
        within = [trade for trade in trades if trade[0] >= max(start, ts - ts % MINUTE_NS - WINDOW_NS + MINUTE_NS)]
        prices = [price for _, price, _ in within]
        volume = sum(size for _, _, size in within)
        quote_volume = sum(price * size for _, price, size in within)
        expected = (prices[0], max(prices), min(prices), volume, quote_volume, len(within)) if prices else EMPTY
        assert window.since(start) == expected
    assert RollingWindow().since(0) == EMPTY


def test_a_state_is_loaded_as_it_was_dumped() -> None:
    window = RollingWindow()
    for minute in range(10):
        window.add(START + minute * MINUTE_NS, 100 + (minute * 7) % 10, minute + 1)
        window.add(START + minute * MINUTE_NS, 50 + minute, 1)
    loaded = RollingWindow()
    loaded.load(window.dump())
    assert loaded.dump() == window.dump()
    for minute in range(11):
        assert loaded.since(START + minute * MINUTE_NS) == window.since(START + minute * MINUTE_NS)
    for day_later in range(10):
        assert row(loaded) == row(window)
        for both in (window, loaded):
            assert both.roll(START + day_later * MINUTE_NS + WINDOW_NS) is True
    assert row(loaded) == row(window) == EMPTY
