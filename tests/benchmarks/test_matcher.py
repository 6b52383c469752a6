"""The benchmark of the matcher: its steps, its books, and that no wrong answer passes."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.matcher import expect_events, expect_trades
from benchmarks.matcher.play import answers, digest, follow, trades
from benchmarks.matcher.workloads import long_queue, mixed, standing
from benchmarks.results import Wrong
from tickwire.engine.events import Matched
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher


def test_the_mixed_steps_do_all_there_is_to_do() -> None:
    steps = mixed(2_000)
    events = answers(Matcher(), steps)
    kinds = Counter(type(event).__name__ for step in events for event in step)
    assert kinds == {"Rested": 1103, "Canceled": 701, "Matched": 458, "Reduced": 27, "Rejected": 3}
    assert digest(events) == digest(answers(ReferenceMatcher(), steps))


def test_a_long_queue_is_eaten_from_its_front() -> None:
    steps = long_queue(3)
    assert trades(Matcher(), steps) == [(100, 1, 1, 4), (100, 1, 2, 5), (100, 1, 3, 6)]
    assert answers(Matcher(), steps)[3] == [Matched(1, 100, 1, "buy", 4, 1, 0)]


def test_a_standing_book_stays_as_large_as_it_is() -> None:
    before, steps = standing(4, 2, 100)
    matcher = Matcher()
    follow(matcher, before)
    levels = (
        [(price, 10) for price in (100_000, 99_999, 99_998, 99_997)],
        [(100_001 + n, 10) for n in range(4)],
    )
    assert (matcher.book.ladder.bids.top(), matcher.book.ladder.asks.top()) == levels
    follow(matcher, steps)
    assert (matcher.book.ladder.bids.top(), matcher.book.ladder.asks.top()) == levels
    assert len(steps) == 100
    assert max(matcher.book.orders) == 66


def test_wrong_events_do_not_pass() -> None:
    expected = answers(Matcher(), long_queue(3))
    expect_events("ours", digest(expected), digest(expected))
    with pytest.raises(Wrong, match="ours"):
        expect_events("ours", digest(expected[:-1]), digest(expected))
    with pytest.raises(Wrong):
        expect_events("ours", digest([*expected[:-2], expected[-1], expected[-2]]), digest(expected))


@pytest.mark.parametrize(
    ("got", "what"),
    [
        ([[100, 1, 1, 4]], "comes to 1 trades, not to 2"),
        ([[100, 1, 1, 4], [100, 1, 2, 5], [100, 1, 3, 6]], "comes to 3 trades, not to 2"),
        ([[100, 1, 2, 4], [100, 1, 1, 5]], r"trade 0 of another is \[100, 1, 2, 4\], not \[100, 1, 1, 4\]"),
        ([[100, 1, 1, 4], [101, 1, 2, 5]], "trade 1 of another"),
    ],
)
def test_wrong_trades_do_not_pass(got: list[list[int]], what: str) -> None:
    expected = [[100, 1, 1, 4], [100, 1, 2, 5]]
    expect_trades("another", expected, expected)
    with pytest.raises(Wrong, match=what):
        expect_trades("another", got, expected)
