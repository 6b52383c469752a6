"""The book by order: queues in order, level totals equal to their queues, nothing left behind."""

from __future__ import annotations

import pytest

from tickwire.book.l3 import L3Book
from tickwire.model.order import RestingOrder


def order(order_id: int | str, side: str, price: int, size: int) -> RestingOrder:
    return RestingOrder(order_id, "a", side, price, size)


def ids(book: L3Book, side: str) -> list[int | str]:
    return [order.order_id for order in book.listed(side)]


@pytest.fixture
def book() -> L3Book:
    book = L3Book()
    for resting in (
        order(1, "buy", 100, 5),
        order("two", "buy", 101, 6),
        order(3, "buy", 100, 7),
        order(4, "sell", 103, 8),
        order(5, "sell", 102, 9),
        order(6, "sell", 103, 3),
    ):
        book.add(resting)
    return book


def test_priority_is_price_then_time(book: L3Book) -> None:
    assert ids(book, "buy") == ["two", 1, 3]
    assert ids(book, "sell") == [5, 4, 6]
    assert list(book.queue("buy", 100)) == [1, 3]
    assert book.queue("buy", 102) == {}
    assert (book.ladder.bids.top(), book.ladder.asks.top()) == ([(101, 6), (100, 12)], [(102, 9), (103, 11)])


def test_reduce_keeps_the_place(book: L3Book) -> None:
    first = book.orders[1]
    book.reduce(first, 2)
    assert first.size == 3
    assert ids(book, "buy") == ["two", 1, 3]
    assert book.ladder.bids.top() == [(101, 6), (100, 10)]


def test_reduced_to_nothing_leaves(book: L3Book) -> None:
    book.reduce(book.orders["two"], 6)
    assert ids(book, "buy") == [1, 3]
    assert "two" not in book.orders
    assert book.ladder.bids.top() == [(100, 12)]
    queues, _ = book._sides["buy"]  # a queue left behind empty would show nowhere but in memory
    assert queues.keys() == {100}


def test_remove_from_the_middle_and_come_back_last(book: L3Book) -> None:
    book.add(order(7, "sell", 103, 2))
    middle = book.orders[6]
    book.remove(middle)
    assert middle.size == 0
    assert list(book.queue("sell", 103)) == [4, 7]
    book.add(order(6, "sell", 103, 4))
    assert list(book.queue("sell", 103)) == [4, 7, 6]
    assert book.ladder.asks.top() == [(102, 9), (103, 14)]


def test_a_side_is_buy_or_sell(book: L3Book) -> None:
    with pytest.raises(KeyError):
        book.add(order(7, "bid", 100, 1))
    assert 7 not in book.orders


def test_clear(book: L3Book) -> None:
    book.clear()
    assert (ids(book, "buy"), ids(book, "sell"), book.orders) == ([], [], {})
    assert (book.ladder.bids.top(), book.ladder.asks.top()) == ([], [])
    book.add(order(1, "buy", 100, 2))
    assert book.queue("buy", 100)[1].size == 2
    assert book.ladder.bids.top() == [(100, 2)]


def test_orders_are_told_apart_by_identity() -> None:
    one, same = order(1, "buy", 1, 1), order(1, "buy", 1, 1)
    assert one != same
    assert len({one, same}) == 2
