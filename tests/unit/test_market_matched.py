"""A matched instrument: the exact events of every command, with seq, levels, quote and checksum."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec
import pytest

from support import BTC, START_NS, funded, order, public
from tickwire.limits import RECENT_TRADES_MAX, TRADES_KEPT_MAX
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Event, OrderChange, Orders, Quote, RecentTrades, Status, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Executed, Refused
from tickwire.model.records import (
    AmendOrder,
    CancelOrder,
    Clock,
    Command,
    ListInstrument,
    PlaceOrder,
    Record,
    TradingState,
    TradingStatus,
    VenueBookSnapshot,
    VenueOrderAdd,
    VenueQuote,
    VenueTrade,
)

S = BTC.symbol
T = START_NS


def floor(*records: Record) -> Market:
    """A market at `T` with BTC listed, accounts "a" and "b" with money, and these records applied."""
    market = Market()
    for record in (Clock(T), ListInstrument(BTC), *funded("a", "b"), *records):
        market.apply(record)
    return market


def did(market: Market, record: Record) -> list[Event]:
    """What a record makes public."""
    return public(market.apply(record))


def cancel(order_id: int, account: str = "a") -> CancelOrder:
    return CancelOrder(account, order_id)


def amend(order_id: int, *, price: int | None = None, size: int | None = None, account: str = "a") -> AmendOrder:
    return AmendOrder(account, order_id, price, size)


def trade(seq: int, price: int, size: int, side: str, buyer: int, seller: int) -> Trade:
    return Trade(S, seq, T, str(seq), price, size, side, T, str(buyer), str(seller))


def change(seq: int, action: Any, order_id: int, side: str, price: int, size: int, **fill: Any) -> OrderChange:
    return OrderChange(
        S, seq, T, action, str(order_id), side, price, size, fill.get("filled", 0), fill.get("trade_id", "")
    )


def book(seq: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], top: bytes) -> Book:
    """An update; `top` is the text of the checksum: asks, then bids."""
    return Book(S, seq, T, False, bids, asks, crc32(top))


def orders_of(market: Market) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    view = market.view(StreamKey("book_l3", S))
    assert isinstance(view, Orders)
    return view.bids, view.asks


def quote_of(market: Market) -> tuple[int, int | None, int, int | None, int]:
    """(seq, bid, bid size, ask, ask size)"""
    quote = market.view(StreamKey("quotes", S))
    assert isinstance(quote, Quote)
    return quote.seq, quote.bid, quote.bid_size, quote.ask, quote.ask_size


def state_of(market: Market) -> bytes:
    return msgspec.json.encode(market.listing(S).dump())


# ---- commands ------------------------------------------------------------------------------------


def test_orders_that_meet_nobody() -> None:
    market = floor()
    assert quote_of(market) == (0, None, 0, None, 0)
    assert did(market, order("buy", 100, 5)) == [
        change(1, "add", 1, "buy", 100, 5),
        book(1, [(100, 5)], [], b"1005"),
    ]
    assert quote_of(market) == (1, 100, 5, None, 0)
    assert did(market, order("sell", 103, 7)) == [
        change(2, "add", 2, "sell", 103, 7),
        book(2, [], [(103, 7)], b"1037" + b"1005"),
    ]
    assert quote_of(market) == (2, 100, 5, 103, 7)
    assert did(market, order("buy", 99, 1)) == [
        change(3, "add", 3, "buy", 99, 1),
        book(3, [(99, 1)], [], b"1037" + b"1005991"),
    ]
    assert quote_of(market) == (2, 100, 5, 103, 7)  # not the top: the quote stays, and so does its seq
    assert orders_of(market) == ([("1", 100, 5), ("3", 99, 1)], [("2", 103, 7)])


def test_a_buy_through_two_levels_and_the_rest_rests() -> None:
    market = floor(order("sell", 103, 5), order("sell", 101, 5), order("sell", 101, 4))
    assert did(market, order("buy", 103, 16)) == [
        trade(1, 101, 5, "buy", 4, 2),
        change(4, "fill", 2, "sell", 101, 0, filled=5, trade_id="1"),
        trade(2, 101, 4, "buy", 4, 3),
        change(5, "fill", 3, "sell", 101, 0, filled=4, trade_id="2"),
        trade(3, 103, 5, "buy", 4, 1),
        change(6, "fill", 1, "sell", 103, 0, filled=5, trade_id="3"),
        change(7, "add", 4, "buy", 103, 2),
        book(4, [(103, 2)], [(101, 0), (103, 0)], b"1032"),
    ]
    assert quote_of(market) == (4, 103, 2, None, 0)
    assert market.last_price(S) == 103
    assert orders_of(market) == ([("4", 103, 2)], [])


def test_a_sell_that_takes_part_of_an_order() -> None:
    market = floor(order("buy", 100, 5), order("buy", 99, 5))
    assert did(market, order("sell", 100, 3, account="b")) == [
        trade(1, 100, 3, "sell", 1, 3),
        change(3, "fill", 1, "buy", 100, 2, filled=3, trade_id="1"),
        book(3, [(100, 2)], [], b"1002995"),
    ]
    assert did(market, order("sell", 99, 4, account="b")) == [
        trade(2, 100, 2, "sell", 1, 4),
        change(4, "fill", 1, "buy", 100, 0, filled=2, trade_id="2"),
        trade(3, 99, 2, "sell", 2, 4),
        change(5, "fill", 2, "buy", 99, 3, filled=2, trade_id="3"),
        book(4, [(100, 0), (99, 3)], [], b"993"),
    ]


def test_market_and_ioc_orders_leave_nothing_behind() -> None:
    market = floor(order("sell", 101, 5))
    assert did(market, order("buy", None, 3)) == [
        trade(1, 101, 3, "buy", 2, 1),
        change(2, "fill", 1, "sell", 101, 2, filled=3, trade_id="1"),
        book(2, [], [(101, 2)], b"1012"),
    ]
    assert did(market, order("buy", 100, 3, time_in_force="ioc")) == []
    assert did(market, order("buy", 105, 9, time_in_force="ioc")) == [
        trade(2, 101, 2, "buy", 4, 1),
        change(3, "fill", 1, "sell", 101, 0, filled=2, trade_id="2"),
        book(3, [], [(101, 0)], b""),
    ]
    assert did(market, order("sell", None, 3)) == []
    assert orders_of(market) == ([], [])


def test_a_cancel() -> None:
    market = floor(order("buy", 100, 5), order("buy", 100, 2))
    assert did(market, cancel(1)) == [
        change(3, "cancel", 1, "buy", 100, 0),
        book(3, [(100, 2)], [], b"1002"),
    ]
    assert did(market, cancel(2)) == [
        change(4, "cancel", 2, "buy", 100, 0),
        book(4, [(100, 0)], [], b""),
    ]
    assert quote_of(market) == (4, None, 0, None, 0)
    assert did(market, cancel(2)) == []
    assert market.outcome == Refused("order_closed", "order 2 is canceled", "order_id")


def test_an_amend_to_a_smaller_size_keeps_its_place() -> None:
    market = floor(order("buy", 100, 5), order("buy", 100, 2))
    assert did(market, amend(1, size=3)) == [
        change(3, "modify", 1, "buy", 100, 3),
        book(3, [(100, 5)], [], b"1005"),
    ]
    assert orders_of(market) == ([("1", 100, 3), ("2", 100, 2)], [])


def test_an_amend_to_a_larger_size_goes_to_the_back_under_its_old_id() -> None:
    market = floor(order("buy", 100, 5), order("buy", 100, 2))
    assert did(market, amend(1, size=6)) == [
        change(3, "cancel", 1, "buy", 100, 0),
        change(4, "add", 1, "buy", 100, 6),
        book(3, [(100, 8)], [], b"1008"),
    ]
    assert orders_of(market) == ([("2", 100, 2), ("1", 100, 6)], [])


def test_an_amend_to_another_price_touches_both_levels_best_first() -> None:
    market = floor(order("buy", 100, 5), order("sell", 103, 5))
    assert did(market, amend(1, price=101)) == [
        change(3, "cancel", 1, "buy", 100, 0),
        change(4, "add", 1, "buy", 101, 5),
        book(3, [(101, 5), (100, 0)], [], b"1035" + b"1015"),
    ]
    assert did(market, amend(2, price=105, account="b")) == [
        change(5, "cancel", 2, "sell", 103, 0),
        change(6, "add", 2, "sell", 105, 5),
        book(4, [], [(103, 0), (105, 5)], b"1055" + b"1015"),
    ]


def test_an_amend_that_reaches_the_other_side_trades_as_taker() -> None:
    market = floor(order("buy", 100, 5), order("sell", 103, 4, account="b"))
    assert did(market, amend(1, price=103, size=7)) == [
        change(3, "cancel", 1, "buy", 100, 0),
        trade(1, 103, 4, "buy", 1, 2),
        change(4, "fill", 2, "sell", 103, 0, filled=4, trade_id="1"),
        change(5, "add", 1, "buy", 103, 3),
        book(3, [(103, 3), (100, 0)], [(103, 0)], b"1033"),
    ]
    assert list(market.open_orders(S, "b")) == []
    assert list(market.open_orders(S, "a")) == [1]


def unknown(order_id: int) -> Refused:
    return Refused("unknown_order", f"the account has no order {order_id}", "order_id")


SIZE = Refused("invalid_params", "size must be more than 0", "size")
PRICE = Refused("invalid_params", "price must be more than 0", "price")
NOT_FILLED = Refused("invalid_params", "size must be more than what has filled, 0.000", "size")
NO_LIMIT = Refused("invalid_params", "price must be more than 0, of an order that has a limit", "price")
WOULD_TAKE = Refused("would_take", "a post-only order would match at once at this price", "price")
WOULD_NOT_FILL = Refused("would_not_fill", "there is not enough within the limit to fill the order whole", "size")
NO_CHANGE = Refused("no_change", "the order has this price and size already")
CLOSED = Refused("order_closed", "order 3 is filled", "order_id")


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (order("buy", 99, 0), SIZE),
        (order("buy", 99, -1), SIZE),
        (order("buy", 0, 1), PRICE),
        (order("buy", -1, 1), PRICE),
        (order("buy", 103, 1, post_only=True), WOULD_TAKE),
        (order("buy", 104, 6, time_in_force="fok"), WOULD_NOT_FILL),
        (order("sell", 100, 6, time_in_force="fok"), WOULD_NOT_FILL),
        (amend(1, size=5), NO_CHANGE),
        (amend(1, price=100), NO_CHANGE),
        (amend(1), NO_CHANGE),
        (amend(1, size=0), NOT_FILLED),
        (amend(1, size=-1), NOT_FILLED),
        (amend(1, price=0), NO_LIMIT),
        (amend(3, size=1), CLOSED),
        (amend(5, size=1), unknown(5)),
        (amend(1, size=1, account="b"), unknown(1)),
        (amend(1, size=1, account=""), unknown(1)),
        (cancel(1, "b"), unknown(1)),
        (cancel(2, "a"), unknown(2)),
        (cancel(1, ""), unknown(1)),
        (cancel(3), CLOSED),
        (cancel(0), unknown(0)),
        (cancel(-1), unknown(-1)),
        (cancel(2**64 - 1), unknown(2**64 - 1)),
    ],
    ids=lambda given: "" if isinstance(given, Refused) else "-".join(map(str, msgspec.to_builtins(given))),
)
def test_what_is_refused_publishes_nothing_and_changes_nothing(command: Record, refused: Refused) -> None:
    market = met()
    before = market.digest()
    assert market.apply(command) == []
    assert market.outcome == refused
    assert market.digest() == before


def met() -> Market:
    """A bid of "a", an ask of "b", and orders 3 and 4 that met and are gone."""
    market = floor(order("buy", 100, 5), order("sell", 103, 5), order("buy", 101, 2), order("sell", 101, 2))
    assert orders_of(market) == ([("1", 100, 5)], [("2", 103, 5)])
    return market


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (PlaceOrder(S, "a", "buy", 1, None), "price"),
        (PlaceOrder(S, "a", "buy", 1, 99, "market"), "price"),
        (PlaceOrder(S, "a", "buy", 1, None, "stop"), "stop_price"),
        (PlaceOrder(S, "a", "buy", 1, 120, "stop", stop_price=110), "price"),
        (PlaceOrder(S, "a", "buy", 1, None, "stop", stop_price=0), "stop_price"),
        (PlaceOrder(S, "a", "buy", 1, 99, stop_price=110), "stop_price"),
        (PlaceOrder(S, "a", "buy", 1, None, "stop_limit", stop_price=110), "price"),
        (order("buy", 99, 1, post_only=True, time_in_force="ioc"), "post_only"),
        (order("buy", None, 1, post_only=True), "post_only"),
    ],
    ids=lambda given: given if isinstance(given, str) else "-".join(map(str, msgspec.to_builtins(given))),
)
def test_an_order_whose_fields_contradict_each_other_is_refused(command: PlaceOrder, field: str) -> None:
    market = met()
    before = market.digest()
    assert market.apply(command) == []
    assert isinstance(market.outcome, Refused)
    assert (market.outcome.code, market.outcome.field) == ("invalid_params", field)
    assert market.digest() == before


@pytest.mark.parametrize(
    "record",
    [
        VenueTrade(S, "t", 100, 1),
        VenueQuote(S, 1, 1, 2, 2),
        VenueBookSnapshot(S, [(1, 1)], []),
        VenueOrderAdd(S, "x", "buy", 1, 1),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_venues_data_means_nothing_here(record: Record) -> None:
    market = met()
    before = market.digest()
    assert market.apply(record) == []
    assert market.digest() == before


def test_a_refused_placement_uses_up_no_order_id() -> None:
    market = floor(order("buy", 100, 0), order("buy", 100, 1, post_only=True), order("sell", 100, 1, post_only=True))
    assert market.outcome == WOULD_TAKE
    assert did(market, order("buy", 100, 5))[0] == change(2, "add", 2, "buy", 100, 5)


def test_an_order_is_canceled_where_it_would_meet_one_of_its_own_account() -> None:
    market = floor(
        order("sell", 101, 2, account="c"), *funded("c"), order("sell", 101, 2), order("sell", 102, 5, account="a")
    )
    assert isinstance(market.outcome, Executed)
    assert did(market, order("buy", 103, 9)) == [
        trade(1, 101, 2, "buy", 3, 1),
        change(3, "fill", 1, "sell", 101, 0, filled=2, trade_id="1"),
        book(3, [], [(101, 0)], b"1025"),
    ]
    assert isinstance(market.outcome, Executed)
    ended = market.outcome.order
    assert (ended.status, ended.reason, ended.filled, ended.remaining) == ("canceled", "self_trade", 2, 0)
    assert orders_of(market) == ([], [("2", 102, 5)])


# ---- halted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["halted", "closed"])
def test_an_instrument_that_is_not_open_only_lets_orders_go(state: TradingState) -> None:
    market = floor(order("buy", 100, 5), order("sell", 103, 5))
    feed = ("down", "not started")
    assert did(market, TradingStatus(S, state)) == [Status(S, 2, T, state, *feed)]  # type: ignore[arg-type]
    assert did(market, TradingStatus(S, state)) == []
    before = state_of(market)
    refused: list[Command] = [order("buy", 99, 1), order("buy", 103, 1), order("buy", None, 1), amend(1, size=4)]
    for command in refused:
        assert market.apply(command) == []
        assert market.outcome == Refused("trading_halted", f"{S} is {state}", "symbol")
    assert state_of(market) == before
    assert did(market, cancel(1)) == [
        change(3, "cancel", 1, "buy", 100, 0),
        book(3, [(100, 0)], [], b"1035"),
    ]
    assert did(market, TradingStatus(S, "open")) == [Status(S, 3, T, "open", *feed)]  # type: ignore[arg-type]
    assert did(market, amend(2, size=4, account="b")) == [
        change(4, "modify", 2, "sell", 103, 4),
        book(4, [], [(103, 4)], b"1034"),
    ]


# ---- what an account sees ------------------------------------------------------------------------


def open_of(market: Market, account: str) -> list[tuple[int, str, int, int]]:
    """(order id, side, price, size) of the account's orders, as listed."""
    orders = market.open_orders(S, account)
    assert list(orders) == [order.order_id for order in orders.values()]
    assert {order.account for order in orders.values()} <= {account}
    return [(int(o.order_id), o.side, o.price, o.size) for o in orders.values()]


def test_open_orders_are_listed_as_they_came_onto_the_book_also_after_a_restore() -> None:
    market = floor(
        *funded("c"),
        order("buy", 100, 5),
        order("sell", 110, 5, account="a"),
        order("buy", 101, 5, account="b"),
        order("buy", 102, 5),
        order("buy", 99, 5),
        amend(1, price=98),  # comes onto the book anew
        amend(4, size=3),  # keeps its place
        order("sell", 102, 2),
    )
    expected = [(2, "sell", 110, 5), (4, "buy", 102, 1), (5, "buy", 99, 5), (1, "buy", 98, 5)]
    restored = Market.restore(market.snapshot())
    for each in (market, restored):
        assert open_of(each, "a") == expected
        assert open_of(each, "b") == [(3, "buy", 101, 5)]
        assert open_of(each, "nobody") == []
    for each in (market, restored):
        each.apply(cancel(2))
        each.apply(order("sell", 98, 6, account="c"))  # takes 102, then 101
        assert open_of(each, "a") == [(5, "buy", 99, 5), (1, "buy", 98, 5)]
        assert open_of(each, "b") == []
    assert restored.digest() == market.digest()


def test_only_what_rests_is_open() -> None:
    market = floor(order("buy", 100, 5), order("sell", 100, 9, account="b", time_in_force="ioc"))
    assert open_of(market, "a") == open_of(market, "b") == []


def test_the_last_price() -> None:
    market = floor(order("buy", 100, 5), order("buy", 99, 5))
    assert market.last_price(S) is None
    market.apply(order("sell", 99, 7))
    assert market.last_price(S) == 99
    market.apply(order("buy", 98, 1))
    assert market.last_price(S) == 99


def test_a_subscription_to_trades_begins_with_the_newest() -> None:
    market = floor(order("sell", 100, 500))
    made = [did(market, order("buy", 100, 1))[0] for _ in range(RECENT_TRADES_MAX + 5)]
    view = market.view(StreamKey("trades", S))
    assert view == RecentTrades(S, RECENT_TRADES_MAX + 5, T, made[5:])  # type: ignore[arg-type]
    assert market.listing(S).newest_trades(TRADES_KEPT_MAX) == made
    assert market.listing(S).newest_trades(2) == made[-2:]


def test_older_trades_are_forgotten() -> None:
    market = floor(order("sell", 100, 2 * TRADES_KEPT_MAX))
    made = [did(market, order("buy", 100, 1))[0] for _ in range(TRADES_KEPT_MAX + 2)]
    assert market.listing(S).newest_trades(2 * TRADES_KEPT_MAX) == made[2:]


def test_a_sweep_of_many_levels_is_one_update_best_first() -> None:
    market = floor(*(order("sell", 200 - i, 1) for i in range(50)))
    events = did(market, order("buy", 190, 41))
    assert [event for event in events if isinstance(event, Book)] == [
        book(51, [(190, 1)], [(price, 0) for price in range(151, 191)], _asks(191, 201) + b"1901")
    ]


def _asks(first: int, end: int) -> bytes:
    return b"".join(b"%d1" % price for price in range(first, end))


# ---- listed again --------------------------------------------------------------------------------


def test_trade_ids_count_on_when_the_instrument_is_listed_anew() -> None:
    finer = Instrument(
        venue="SIM", base="BTC", quote="USDT", asset_class="crypto", tick_size="0.001", lot_size="0.001",
        kind="matched", book="orders", feed="test",
    )  # fmt: skip
    market = floor(order("buy", 100, 5), order("sell", 100, 2), ListInstrument(finer), order("buy", 1_000, 5))
    assert did(market, order("sell", 1_000, 3)) == [
        trade(2, 1_000, 3, "sell", 3, 4),
        change(6, "fill", 3, "buy", 1_000, 2, filled=3, trade_id="2"),
        book(6, [(1_000, 2)], [], b"10002"),
    ]
