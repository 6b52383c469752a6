"""The rules of matching, one by one, on both the fast matcher and its slow twin."""

from __future__ import annotations

from typing import Literal

import pytest

from tickwire.book.l3 import L3Book
from tickwire.engine.digest import book_digest
from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.engine.matcher import Matcher
from tickwire.engine.reference import ReferenceMatcher
from tickwire.model.order import RestingOrder
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce

BAD_SIZES = (0, -1)
OWNERS: dict[Side, str] = {"buy": "alice", "sell": "bob"}
NEVER_REST: tuple[tuple[OrderType, TimeInForce], ...] = (("limit", "ioc"), ("limit", "fok"), ("market", "gtc"))


class Exchange:
    """A matcher and ids handed out from 1, so that a test reads as orders and events.

    Unless a test says otherwise alice buys and bob sells, so that nobody meets himself.
    """

    def __init__(self, matcher: Matcher | ReferenceMatcher) -> None:
        self.matcher = matcher
        self.placed = 0

    def place(
        self,
        side: Side,
        size: int,
        price: int | None = None,
        *,
        order_type: OrderType = "limit",
        time_in_force: TimeInForce = "gtc",
        post_only: bool = False,
        account: str = "",
        display_size: int = 0,
        mode: SelfTradePrevention = "cancel_newest",
        limit: int | None = None,
    ) -> list[EngineEvent]:
        self.placed += 1
        return self.matcher.place(
            self.placed,
            account or OWNERS[side],
            side,
            size,
            price=price,
            order_type=order_type,
            time_in_force=time_in_force,
            post_only=post_only,
            display_size=display_size,
            self_trade_prevention=mode,
            limit=limit,
        )

    def buy(self, size: int, price: int) -> list[EngineEvent]:
        return self.place("buy", size, price)

    def sell(self, size: int, price: int) -> list[EngineEvent]:
        return self.place("sell", size, price)

    def resting(self, side: Side) -> list[tuple[int | str, int, int]]:
        """(order id, price, size) in priority order."""
        if isinstance(self.matcher, Matcher):
            return [(order.order_id, order.price, order.size) for order in self.matcher.book.listed(side)]
        return [(order_id, price, size) for order_id, _, price, size in self.matcher.orders(side)]


@pytest.fixture(params=[Matcher, ReferenceMatcher])
def exchange(request: pytest.FixtureRequest) -> Exchange:
    return Exchange(request.param())


def test_an_order_that_meets_nobody_rests(exchange: Exchange) -> None:
    assert exchange.buy(5, 100) == [Rested(1, "buy", 100, 5)]
    assert exchange.sell(7, 101) == [Rested(2, "sell", 101, 7)]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([(1, 100, 5)], [(2, 101, 7)])
    assert exchange.matcher.next_trade_id == 1


def test_price_goes_before_time_and_trades_are_at_the_makers_price(exchange: Exchange) -> None:
    exchange.sell(5, 103)
    exchange.sell(5, 101)
    exchange.sell(5, 101)
    assert exchange.buy(12, 105) == [
        Matched(1, 101, 5, "buy", 4, 2, 0),
        Matched(2, 101, 5, "buy", 4, 3, 0),
        Matched(3, 103, 2, "buy", 4, 1, 3),
    ]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([], [(1, 103, 3)])
    assert exchange.matcher.next_trade_id == 4


def test_the_limit_bounds_the_price_and_the_rest_rests(exchange: Exchange) -> None:
    exchange.buy(5, 100)
    exchange.buy(5, 99)
    assert exchange.sell(8, 100) == [Matched(1, 100, 5, "sell", 3, 1, 0), Rested(3, "sell", 100, 3)]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([(2, 99, 5)], [(3, 100, 3)])


def test_market_takes_any_price_and_never_rests(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    exchange.sell(5, 900)
    assert exchange.place("buy", 12, order_type="market") == [
        Matched(1, 101, 5, "buy", 3, 1, 0),
        Matched(2, 900, 5, "buy", 3, 2, 0),
        Canceled(3, "buy", 0, 2, False, "not_filled"),
    ]
    assert exchange.place("buy", 1, order_type="market") == [Canceled(4, "buy", 0, 1, False, "not_filled")]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([], [])


def test_ioc_cancels_what_remains(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    exchange.sell(5, 102)
    assert exchange.place("buy", 8, 101, time_in_force="ioc") == [
        Matched(1, 101, 5, "buy", 3, 1, 0),
        Canceled(3, "buy", 101, 3, False, "not_filled"),
    ]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([], [(2, 102, 5)])


def test_fok_fills_whole_or_not_at_all(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    exchange.sell(5, 102)
    exchange.sell(5, 103)
    assert exchange.place("buy", 11, 102, time_in_force="fok") == [Rejected(4, "would_not_fill")]
    assert exchange.place("buy", 16, order_type="market", time_in_force="fok") == [Rejected(5, "would_not_fill")]
    assert exchange.resting("sell") == [(1, 101, 5), (2, 102, 5), (3, 103, 5)]
    assert exchange.place("buy", 10, 102, time_in_force="fok") == [
        Matched(1, 101, 5, "buy", 6, 1, 0),
        Matched(2, 102, 5, "buy", 6, 2, 0),
    ]
    assert exchange.place("buy", 5, order_type="market", time_in_force="fok") == [Matched(3, 103, 5, "buy", 7, 3, 0)]


@pytest.mark.parametrize(("side", "price"), [("buy", 101), ("buy", 102), ("sell", 99), ("sell", 98)])
def test_post_only_never_takes(exchange: Exchange, side: Side, price: int) -> None:
    exchange.buy(5, 99)
    exchange.sell(5, 101)
    assert exchange.place(side, 3, price, post_only=True) == [Rejected(3, "would_take")]
    assert exchange.place(side, 3, 100, post_only=True) == [Rested(4, side, 100, 3)]


@pytest.mark.parametrize(("order_type", "time_in_force"), NEVER_REST)
def test_post_only_that_could_not_rest_either(
    exchange: Exchange, order_type: OrderType, time_in_force: TimeInForce
) -> None:
    price = None if order_type == "market" else 100
    events = exchange.place("buy", 1, price, order_type=order_type, time_in_force=time_in_force, post_only=True)
    assert events == [Rejected(1, "would_not_fill")]


def test_bad_sizes_and_prices_change_nothing(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    for size in BAD_SIZES:
        assert exchange.buy(size, 101) == [Rejected(exchange.placed, "invalid_size")]
    for price in (None, 0, -1):
        assert exchange.place("buy", 1, price) == [Rejected(exchange.placed, "invalid_price")]
    assert exchange.place("buy", 1, 101, order_type="market") == [Rejected(exchange.placed, "invalid_price")]
    assert exchange.place("buy", 0, None) == [Rejected(exchange.placed, "invalid_size")]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([], [(1, 101, 5)])


def test_cancel(exchange: Exchange) -> None:
    exchange.buy(5, 100)
    exchange.sell(2, 100)
    assert exchange.matcher.cancel(1) == [Canceled(1, "buy", 100, 3, True)]
    assert exchange.matcher.cancel(1) == [Rejected(1, "unknown_order")]
    assert exchange.matcher.cancel(2) == [Rejected(2, "unknown_order")]
    assert exchange.resting("buy") == []


@pytest.mark.parametrize("price", [None, 100])
def test_a_smaller_size_keeps_the_place(exchange: Exchange, price: int | None) -> None:
    exchange.buy(5, 100)
    exchange.buy(6, 100)
    assert exchange.matcher.amend(1, price=price, size=2) == [Reduced(1, "buy", 100, 2, 3)]
    assert exchange.resting("buy") == [(1, 100, 2), (2, 100, 6)]


def test_a_larger_size_loses_the_place(exchange: Exchange) -> None:
    exchange.buy(5, 100)
    exchange.buy(6, 100)
    assert exchange.matcher.amend(1, price=None, size=7) == [Canceled(1, "buy", 100, 5, True), Rested(1, "buy", 100, 7)]
    assert exchange.resting("buy") == [(2, 100, 6), (1, 100, 7)]


def test_another_price_loses_the_place_even_with_a_smaller_size(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    exchange.sell(6, 102)
    assert exchange.matcher.amend(1, price=102, size=3) == [
        Canceled(1, "sell", 101, 5, True),
        Rested(1, "sell", 102, 3),
    ]
    assert exchange.resting("sell") == [(2, 102, 6), (1, 102, 3)]


def test_an_amended_price_may_match(exchange: Exchange) -> None:
    exchange.sell(5, 105)
    exchange.buy(8, 100)
    assert exchange.matcher.amend(2, price=106, size=None) == [
        Canceled(2, "buy", 100, 8, True),
        Matched(1, 105, 5, "buy", 2, 1, 0),
        Rested(2, "buy", 106, 3),
    ]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([(2, 106, 3)], [])


def test_amend_keeps_the_owner_and_the_slices() -> None:
    matcher = Matcher()
    exchange = Exchange(matcher)
    exchange.place("buy", 5, 100, display_size=2)
    assert matcher.amend(1, price=99, size=None) == [Canceled(1, "buy", 100, 5, True), Rested(1, "buy", 99, 2)]
    order = matcher.book.orders[1]
    assert (order.account, order.size, order.hidden, order.display) == ("alice", 2, 3, 2)
    assert matcher.book.ladder.bids.top() == [(99, 2)]


@pytest.mark.parametrize("price", [101, 102])
def test_a_post_only_amend_that_would_take_changes_nothing(exchange: Exchange, price: int) -> None:
    exchange.sell(5, 101)
    exchange.buy(5, 99)
    assert exchange.matcher.amend(2, price=price, size=3, post_only=True) == [Rejected(2, "would_take")]
    assert exchange.resting("buy") == [(2, 99, 5)]
    assert exchange.matcher.amend(2, price=100, size=3, post_only=True) == [
        Canceled(2, "buy", 99, 5, True),
        Rested(2, "buy", 100, 3),
    ]


def test_gtd_rests_like_gtc(exchange: Exchange) -> None:
    assert exchange.place("buy", 5, 100, time_in_force="gtd") == [Rested(1, "buy", 100, 5)]


@pytest.mark.parametrize(("side", "prices", "limit"), [("buy", (101, 102, 103), 102), ("sell", (99, 98, 97), 98)])
def test_a_market_order_takes_nothing_beyond_its_limit(
    exchange: Exchange, side: Side, prices: tuple[int, ...], limit: int
) -> None:
    for price in prices:
        exchange.place("sell" if side == "buy" else "buy", 5, price, account="carol")
    assert exchange.place(side, 12, order_type="market", limit=limit) == [
        Matched(1, prices[0], 5, side, 4, 1, 0),
        Matched(2, prices[1], 5, side, 4, 2, 0),
        Canceled(4, side, 0, 2, False, "not_filled"),
    ]
    events = exchange.place(side, 1, order_type="market", time_in_force="fok", limit=limit)
    assert events == [Rejected(5, "would_not_fill")]


def test_an_iceberg_shows_a_slice_at_a_time_and_each_queues_anew(exchange: Exchange) -> None:
    assert exchange.place("sell", 10, 101, display_size=4) == [Rested(1, "sell", 101, 4)]
    exchange.sell(3, 101)
    assert exchange.buy(5, 101) == [
        Matched(1, 101, 4, "buy", 3, 1, 0),
        Rested(1, "sell", 101, 4),
        Matched(2, 101, 1, "buy", 3, 2, 2),
    ]
    assert exchange.resting("sell") == [(2, 101, 2), (1, 101, 4)]
    assert exchange.buy(9, 101) == [
        Matched(3, 101, 2, "buy", 4, 2, 0),
        Matched(4, 101, 4, "buy", 4, 1, 0),
        Rested(1, "sell", 101, 2),
        Matched(5, 101, 2, "buy", 4, 1, 0),
        Rested(4, "buy", 101, 1),
    ]
    assert (exchange.resting("buy"), exchange.resting("sell")) == ([(4, 101, 1)], [])


def test_an_iceberg_takes_whole_and_shows_no_more_than_it_has(exchange: Exchange) -> None:
    exchange.sell(5, 101)
    assert exchange.place("buy", 8, 101, display_size=4) == [
        Matched(1, 101, 5, "buy", 2, 1, 0),
        Rested(2, "buy", 101, 3),
    ]


def test_an_iceberg_loses_its_hidden_lots_first(exchange: Exchange) -> None:
    exchange.place("buy", 10, 100, display_size=4)
    exchange.buy(1, 100)
    assert exchange.matcher.amend(1, price=None, size=10) == [Rejected(1, "no_change")]
    assert exchange.matcher.amend(1, price=None, size=7) == [Reduced(1, "buy", 100, 4, 3)]
    assert exchange.matcher.reduce(1, 5) == [Reduced(1, "buy", 100, 2, 5)]
    assert exchange.resting("buy") == [(1, 100, 2), (2, 100, 1)]
    assert exchange.matcher.amend(1, price=None, size=9) == [Canceled(1, "buy", 100, 2, True), Rested(1, "buy", 100, 4)]
    assert exchange.matcher.cancel(1) == [Canceled(1, "buy", 100, 9, True)]
    assert exchange.resting("buy") == [(2, 100, 1)]


@pytest.mark.parametrize("size", [10, 11])
def test_reduce_to_nothing_cancels(exchange: Exchange, size: int) -> None:
    exchange.place("buy", 10, 100, display_size=4)
    assert exchange.matcher.reduce(1, size) == [Canceled(1, "buy", 100, 10, True)]
    assert exchange.matcher.reduce(1, 1) == [Rejected(1, "unknown_order")]
    assert exchange.resting("buy") == []


@pytest.fixture
def own_behind_another(exchange: Exchange) -> Exchange:
    """Dave's 2 of 4 lots that show at 101, alice's own 5 behind them, and bob's 6 at 102."""
    exchange.place("sell", 4, 101, account="dave", display_size=2)
    exchange.place("sell", 5, 101, account="alice")
    exchange.sell(6, 102)
    return exchange


FIRST = [Matched(1, 101, 2, "buy", 4, 1, 0), Rested(1, "sell", 101, 2)]
SECOND = Matched(2, 101, 2, "buy", 4, 1, 0)


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        ("cancel_newest", [*FIRST, Canceled(4, "buy", 102, 7, False, "self_trade")]),
        (
            "cancel_oldest",
            [*FIRST, Canceled(2, "sell", 101, 5, True, "self_trade"), SECOND, Matched(3, 102, 5, "buy", 4, 3, 1)],
        ),
        (
            "cancel_both",
            [
                *FIRST,
                Canceled(2, "sell", 101, 5, True, "self_trade"),
                Canceled(4, "buy", 102, 7, False, "self_trade"),
            ],
        ),
        (
            "decrement",
            [
                *FIRST,
                Canceled(2, "sell", 101, 5, True, "self_trade"),
                Canceled(4, "buy", 102, 5, False, "self_trade"),
                SECOND,
            ],
        ),
    ],
)
def test_nobody_trades_with_himself(
    own_behind_another: Exchange, mode: SelfTradePrevention, events: list[EngineEvent]
) -> None:
    assert own_behind_another.place("buy", 9, 102, mode=mode) == events
    assert own_behind_another.resting("buy") == []


def test_decrement_leaves_the_larger_order_in_its_place(exchange: Exchange) -> None:
    exchange.place("sell", 10, 101, account="alice", display_size=4)
    assert exchange.place("buy", 7, 101, mode="decrement") == [
        Reduced(1, "sell", 101, 3, 7),
        Canceled(2, "buy", 101, 7, False, "self_trade"),
    ]
    assert exchange.place("buy", 3, order_type="market", mode="decrement") == [
        Canceled(1, "sell", 101, 3, True, "self_trade"),
        Canceled(3, "buy", 0, 3, False, "self_trade"),
    ]


def test_an_amend_gives_way_too(exchange: Exchange) -> None:
    exchange.place("sell", 5, 101, account="alice")
    exchange.buy(3, 100)
    assert exchange.matcher.amend(2, price=101, size=None, self_trade_prevention="cancel_oldest") == [
        Canceled(2, "buy", 100, 3, True),
        Canceled(1, "sell", 101, 5, True, "self_trade"),
        Rested(2, "buy", 101, 3),
    ]


@pytest.mark.parametrize(
    ("mode", "size", "limit", "lots", "cost"),
    [
        ("cancel_newest", 9, None, 2, 202),  # dave's next slice is behind alice's order
        ("cancel_both", 9, None, 2, 202),
        ("cancel_oldest", 9, None, 9, 4 * 101 + 5 * 102),
        ("decrement", 9, None, 9, 4 * 101 + 5 * 102),
        ("cancel_oldest", 9, 101, 4, 404),
        ("cancel_oldest", 3, 102, 3, 303),
        ("cancel_oldest", 99, 102, 10, 4 * 101 + 6 * 102),
        ("cancel_newest", 2, 100, 0, 0),
    ],
)
def test_reach(
    own_behind_another: Exchange, mode: SelfTradePrevention, size: int, limit: int | None, lots: int, cost: int
) -> None:
    before = own_behind_another.resting("sell")
    assert own_behind_another.matcher.reach("alice", "buy", size, limit, mode) == (lots, cost)
    assert own_behind_another.resting("sell") == before
    assert own_behind_another.matcher.next_trade_id == 1


def test_reach_of_a_seller(exchange: Exchange) -> None:
    exchange.buy(5, 100)
    exchange.buy(5, 99)
    exchange.buy(5, 98)
    assert exchange.matcher.reach("bob", "sell", 12, 99, "cancel_newest") == (10, 995)


@pytest.mark.parametrize(
    ("mode", "most"), [("cancel_newest", 2), ("cancel_both", 2), ("decrement", 2), ("cancel_oldest", 10)]
)
def test_fok_does_not_count_on_what_its_own_account_bars(
    own_behind_another: Exchange, mode: SelfTradePrevention, most: int
) -> None:
    too_much = own_behind_another.place("buy", most + 1, 102, time_in_force="fok", mode=mode)
    assert too_much == [Rejected(4, "would_not_fill")]
    events = own_behind_another.place("buy", most, 102, time_in_force="fok", mode=mode)
    assert sum(event.size for event in events if isinstance(event, Matched)) == most


def test_post_only_would_take_even_an_own_order(exchange: Exchange) -> None:
    exchange.place("sell", 5, 101, account="alice")
    assert exchange.place("buy", 5, 101, post_only=True, mode="cancel_oldest") == [Rejected(2, "would_take")]


Code = Literal["unknown_order", "invalid_size", "invalid_price", "no_change"]


@pytest.mark.parametrize(
    ("order_id", "price", "size", "code"),
    [
        (1, None, None, "no_change"),
        (1, 100, 5, "no_change"),
        (1, None, 5, "no_change"),
        (1, 100, None, "no_change"),
        (1, None, 0, "invalid_size"),
        (1, 0, -1, "invalid_size"),
        (1, 0, None, "invalid_price"),
        (1, -1, 2, "invalid_price"),
        (2, 99, 5, "unknown_order"),
        (2, 0, 0, "unknown_order"),
    ],
)
def test_refused_amends_change_nothing(
    exchange: Exchange, order_id: int, price: int | None, size: int | None, code: Code
) -> None:
    exchange.buy(5, 100)
    assert exchange.matcher.amend(order_id, price=price, size=size) == [Rejected(order_id, code)]
    assert exchange.resting("buy") == [(1, 100, 5)]


def test_reference_levels() -> None:
    exchange = Exchange(reference := ReferenceMatcher())
    for size, price in ((1, 100), (2, 102), (3, 100)):
        exchange.buy(size, price)
    assert reference.levels("buy") == [(102, 2), (100, 4)]
    assert reference.orders("buy") == [(2, "alice", 102, 2), (1, "alice", 100, 1), (3, "alice", 100, 3)]
    assert reference.levels("sell") == []


def test_digest_tells_books_apart() -> None:
    def digest(*orders: RestingOrder) -> str:
        book = L3Book()
        for order in orders:
            book.add(order)
        return book_digest(book)

    first, second = RestingOrder(1, "a", "buy", 100, 5), RestingOrder(2, "a", "buy", 100, 5)
    same = digest(first, second)
    assert same == digest(RestingOrder(1, "a", "buy", 100, 5), RestingOrder(2, "a", "buy", 100, 5))
    others = [
        digest(),
        digest(first),
        digest(second, first),
        digest(first, RestingOrder(2, "b", "buy", 100, 5)),
        digest(first, RestingOrder(3, "a", "buy", 100, 5)),
        digest(first, RestingOrder("2", "a", "buy", 100, 5)),
        digest(first, RestingOrder(2, "a", "sell", 100, 5)),
        digest(first, RestingOrder(2, "a", "buy", 99, 5)),
        digest(first, RestingOrder(2, "a", "buy", 100, 4)),
        digest(first, RestingOrder(2, "a", "buy", 100, 5, 1, 5)),
        digest(first, RestingOrder(2, "a", "buy", 100, 5, 0, 5)),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_digest_is_about_the_state_not_the_way_there() -> None:
    there, back = Exchange(there_matcher := Matcher()), Exchange(back_matcher := Matcher())
    there.buy(5, 100)
    back.buy(9, 100)
    back.sell(4, 100)
    assert book_digest(there_matcher.book) == book_digest(back_matcher.book)
    assert back_matcher.book.orders.keys() == {1}
