"""The book by level, by example; `tests/property/test_ladder_model.py` holds it to a model."""

from __future__ import annotations

import pytest

from tickwire.book.ladder import BookSide, Ladder


def test_levels_come_best_first() -> None:
    ladder = Ladder()
    for price in (100, 98, 99):
        ladder.bids.set(price, price)
    for price in (103, 101, 102):
        ladder.asks.set(price, price)
    assert ladder.bids.top() == list(ladder.bids) == [(100, 100), (99, 99), (98, 98)]
    assert ladder.asks.top() == list(ladder.asks) == [(101, 101), (102, 102), (103, 103)]
    assert (ladder.bids.best(), ladder.bids.worst()) == (100, 98)
    assert (ladder.asks.best(), ladder.asks.worst()) == (101, 103)
    assert ladder.bids.top(2) == [(100, 100), (99, 99)]
    assert ladder.asks.top(0) == []
    assert ladder.asks.top(9) == ladder.asks.top()


def test_an_empty_side() -> None:
    side = BookSide(+1)
    assert (len(side), side.best(), side.worst(), side.top(), side.top_text(1, 1)) == (0, None, None, [], "")


def test_set_replaces_and_zero_deletes() -> None:
    side = BookSide(-1)
    side.set(10, 5)
    side.set(11, 1)
    side.set(10, 7)
    assert side.top() == [(10, 7), (11, 1)]
    side.set(10, 0)
    assert side.top() == [(11, 1)]
    side.set(10, 0)
    side.set(12, 0)
    assert side.sizes == {11: 1}


def test_a_price_may_be_zero_or_below() -> None:
    side = BookSide(+1)
    for price in (-2, 0, -1):
        side.set(price, 1)
    assert [price for price, _ in side] == [0, -1, -2]
    assert side.best() == 0


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"), [(None, None, False), (5, None, False), (None, 5, False), (4, 5, False), (5, 5, True),
                                (6, 5, True), (0, 1, False), (0, 0, True)]
)  # fmt: skip
def test_crossed(bid: int | None, ask: int | None, crossed: bool) -> None:
    ladder = Ladder()
    if bid is not None:
        ladder.bids.set(bid, 1)
    if ask is not None:
        ladder.asks.set(ask, 1)
    assert ladder.crossed() is crossed


def test_side_replace_and_clear() -> None:
    ladder = Ladder()
    assert ladder.side("buy") is ladder.bids
    assert ladder.side("sell") is ladder.asks
    ladder.bids.set(1, 1)
    ladder.replace([(5, 50), (4, 40)], [(6, 60)])
    assert (ladder.bids.top(), ladder.asks.top()) == ([(5, 50), (4, 40)], [(6, 60)])
    ladder.clear()
    assert (ladder.bids.top(), ladder.asks.top()) == ([], [])
    assert (ladder.bids.sizes, ladder.asks.sizes) == ({}, {})


def test_top_text_is_kept_only_while_the_top_stands() -> None:
    side = BookSide(-1)
    for price in range(1, 13):
        side.set(price, 7)
    ten = "".join(f"{price}7" for price in range(1, 11))
    assert side.top_text(1, 1) == ten
    assert side.top_text(1, 1) is side.top_text(1, 1)
    side.set(11, 9)
    assert side.top_text(1, 1) == ten
    side.set(10, 8)
    assert side.top_text(1, 1) == ten[:-1] + "8"
    side.set(1, 0)
    assert side.top_text(1, 1) == ten[2:-1] + "8" + "119"
    side.clear()
    assert side.top_text(1, 1) == ""
