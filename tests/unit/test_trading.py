"""What commands do to accounts: each rule once, with every amount."""

from __future__ import annotations

from typing import Any

import pytest

from tickwire.engine.ledger import FEES
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances, Event, Fill, OrderChange, OrderUpdate, Position, Positions
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.outcome import Done, Executed, Refused
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Clock,
    DeadMan,
    Guard,
    KillSwitch,
    ListInstrument,
    PlaceOrder,
    Record,
    SessionEnded,
    TradingStatus,
    Transfer,
    VenueQuote,
)
from tickwire.model.units import asset_text

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def instrument(**more: str) -> Instrument:
    """A tick is 0.5 USD, a lot 0.01 BTC: a tick x lot is 0.005 USD."""
    return Instrument(
        venue="V", base="BTC", quote="USD", asset_class="crypto", tick_size="0.5", lot_size="0.01", kind="matched",
        book="orders", **more,
    )  # fmt: skip


PLAIN = instrument()
FEED = instrument(maker_fee="-0.0001", taker_fee="0.001")
S = PLAIN.symbol


class Desk:
    """A market with the accounts a to d, each with 1000 USD and 10 BTC, and poor without anything."""

    def __init__(self, traded: Instrument = PLAIN) -> None:
        self.market = Market()
        self.events: list[Event] = []
        self.do(Clock(START), ListInstrument(traded))
        for name in "abcd":
            self.do(Transfer(name, "USD", "1000", f"{name}1"), Transfer(name, "BTC", "10", f"{name}2"))

    def do(self, *records: Record) -> Any:
        """Fold, and return what the last record came to."""
        for record in records:
            self.events = self.market.apply(record)
            assert self.market.ledger.imbalances() == []
        return self.market.outcome

    def place(self, account: str, side: Any, size: int, price: int | None = None, **more: Any) -> Any:
        if "type" not in more:
            more["type"] = "market" if price is None else "limit"
        return self.do(PlaceOrder(S, account, side, size, price, **more))

    def id(self, account: str, side: Any, size: int, price: int | None = None, **more: Any) -> int:
        """Of a placement that is accepted."""
        outcome = self.place(account, side, size, price, **more)
        assert isinstance(outcome, Executed), outcome
        return outcome.order.order_id

    def has(self, account: str, asset: str = "USD") -> tuple[str, str]:
        """(available, held)"""
        balance = self.market.ledger.balance(account, asset)
        return asset_text(balance.available), asset_text(balance.held)

    def order(self, account: str, order_id: int) -> Order:
        order = self.market.order(account, order_id)
        assert order is not None
        return order

    def ended(self, account: str, order_id: int) -> tuple[str, str, int, int]:
        order = self.order(account, order_id)
        assert order.held == 0
        return order.status, order.reason, order.filled, order.remaining

    def position(self, account: str) -> Position:
        view = self.market.view(StreamKey("positions", account))
        assert isinstance(view, Positions)
        return view.positions[0]

    def trade(self, price: int) -> None:
        """Let the last trade be at this price, between c and d."""
        self.id("c", "sell", 1, price)
        self.id("d", "buy", 1, price)
        assert self.market.last_price(S) == price

    def restored(self) -> None:
        self.market = Market.restore(self.market.snapshot())


# ---- holds -------------------------------------------------------------------------------------------


def test_a_buy_holds_its_cost_with_the_fee_and_gives_back_what_a_better_price_saves() -> None:
    desk = Desk(FEED)
    desk.id("b", "sell", 40, 180)
    assert desk.has("b", "BTC") == ("9.6", "0.4")
    outcome = desk.place("a", "buy", 100, 200)
    # 40 lots at 180: 36 USD + 0.036; the other 60 at 200: 60 USD + 0.06 at most
    assert desk.has("a") == ("903.904", "60.06")
    assert desk.has("a", "BTC") == ("10.4", "0")
    assert desk.has("b") == ("1036.0036", "0")
    assert desk.has("b", "BTC") == ("9.6", "0")
    assert desk.has(FEES) == ("0.0324", "0")
    order = outcome.order
    assert (order.status, order.filled, order.remaining, order.cost) == ("open", 40, 60, 7_200)
    assert (asset_text(order.held), asset_text(order.fee)) == ("60.06", "0.036")
    assert outcome.fills == [desk.market.order_fills("a", 2)[0]]
    # the rest fills as a maker: a rebate of 0.006, and what was held for the taker's fee is free
    desk.id("b", "sell", 60, 200)
    assert desk.has("a") == ("903.97", "0")
    assert desk.has("a", "BTC") == ("11", "0")
    assert desk.has("b") == ("1095.9436", "0")
    assert desk.has(FEES) == ("0.0864", "0")
    assert desk.ended("a", 2) == ("filled", "", 100, 0)
    assert asset_text(desk.order("a", 2).fee) == "0.03"


def test_a_cancel_frees_what_is_held() -> None:
    desk = Desk(FEED)
    buy = desk.id("a", "buy", 100, 200)
    sell = desk.id("a", "sell", 300, 300)
    assert (desk.has("a"), desk.has("a", "BTC")) == (("899.9", "100.1"), ("7", "3"))
    desk.do(Clock(START + 5))
    outcome = desk.do(CancelOrder("a", buy))
    assert isinstance(outcome, Executed)
    order = outcome.order
    assert (order.status, order.reason, order.remaining, order.updated) == ("canceled", "requested", 0, START + 5)
    assert outcome.fills == []
    assert desk.has("a") == ("1000", "0")
    desk.do(CancelOrder("a", sell))
    assert desk.has("a", "BTC") == ("10", "0")


def test_amends_hold_more_and_less() -> None:
    desk = Desk(FEED)
    order_id = desk.id("a", "buy", 100, 200)
    for price, size, held in ((None, 50, "50.05"), (None, 80, "80.08"), (210, None, "84.084"), (100, 40, "20.02")):
        outcome = desk.do(AmendOrder("a", order_id, price, size))
        assert isinstance(outcome, Executed)
        assert desk.has("a")[1] == held
        assert asset_text(outcome.order.held) == held
    assert desk.do(AmendOrder("a", order_id, 2_000, 200)) == Refused(
        "insufficient_balance", "this needs 1981.98 USD; 979.98 is available"
    )
    assert desk.has("a") == ("979.98", "20.02")
    sell = desk.id("a", "sell", 900, 300)
    assert desk.do(AmendOrder("a", sell, None, 1_001)) == Refused(
        "insufficient_balance", "this needs 1.01 BTC; 1 is available"
    )
    desk.do(AmendOrder("a", sell, None, 1_000))
    assert desk.has("a", "BTC") == ("0", "10")


def test_an_amend_counts_what_has_filled_and_may_take() -> None:
    desk = Desk()
    order_id = desk.id("a", "buy", 100, 200)
    desk.id("b", "sell", 30, 200)
    assert desk.do(AmendOrder("a", order_id, size=30)) == Refused(
        "invalid_params", "size must be more than what has filled, 0.30", "size"
    )
    desk.id("b", "sell", 20, 210)
    outcome = desk.do(AmendOrder("a", order_id, 210, 90))
    assert (outcome.order.filled, outcome.order.remaining, outcome.order.size) == (50, 40, 90)
    assert [(fill.price, fill.size, fill.liquidity) for fill in outcome.fills] == [(210, 20, "taker")]
    # 30 x 200 and 20 x 210 paid, 40 x 210 held
    assert desk.has("a") == ("907", "42")


def test_a_market_buy_needs_exactly_what_it_reaches() -> None:
    desk = Desk(FEED)
    desk.id("b", "sell", 30, 200)
    desk.id("b", "sell", 50, 210)
    # 30 at 200 and 20 at 210 are 51 USD, and 0.1 percent
    desk.do(Transfer("poor", "USD", "51.050999999999999999", "p1"))
    assert desk.place("poor", "buy", 50) == Refused(
        "insufficient_balance", "this needs 51.051 USD; 51.050999999999999999 is available"
    )
    desk.do(Transfer("poor", "USD", "0.000000000000000001", "p2"))
    assert desk.place("poor", "buy", 50).order.status == "filled"
    assert (desk.has("poor"), desk.has("poor", "BTC")) == (("0", "0"), ("0.5", "0"))


def test_a_market_order_ends_with_what_it_found() -> None:
    desk = Desk(FEED)
    desk.id("b", "sell", 30, 200)
    bought = desk.id("a", "buy", 50)
    assert desk.ended("a", bought) == ("canceled", "not_filled", 30, 0)
    assert (desk.has("a"), desk.has("a", "BTC")) == (("969.97", "0"), ("10.3", "0"))
    sold = desk.id("a", "sell", 50)
    assert desk.ended("a", sold) == ("canceled", "not_filled", 0, 0)
    assert desk.has("a", "BTC") == ("10.3", "0")
    assert desk.place("a", "sell", 1_031) == Refused("insufficient_balance", "this needs 10.31 BTC; 10.3 is available")


def test_a_market_order_stops_at_the_band() -> None:
    desk = Desk(instrument(price_band="0.1"))
    desk.trade(200)
    desk.id("b", "sell", 10, 220)
    desk.trade(210)  # up to 231
    desk.id("b", "sell", 10, 231)
    desk.trade(205)  # up to 225
    assert desk.ended("a", desk.id("a", "buy", 15)) == ("canceled", "not_filled", 10, 0)
    assert desk.position("a").cost == 2_200


# ---- refusals ------------------------------------------------------------------------------------------

LIMITED = instrument(price_band="0.1", size_max="5", notional_min="0.5", notional_max="450")


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        ({"symbol": "V:NO-USD"}, ("unknown_symbol", "no instrument 'V:NO-USD'", "symbol")),
        ({"symbol": "V:EUR-USD"}, ("not_tradable", "V:EUR-USD is traded elsewhere; it is only shown here", "symbol")),
        ({"deadline": START - 1}, ("deadline_passed", f"the server's time is {START}", "deadline")),
        (
            {"time_in_force": "gtd", "expires_at": START},
            ("deadline_passed", f"expires_at is over: the server's time is {START}", "expires_at"),
        ),
        ({"size": 0}, ("invalid_params", "size must be more than 0", "size")),
        ({"price": 0}, ("invalid_params", "price must be more than 0", "price")),
        ({"type": "market"}, ("invalid_params", "a market order has no price", "price")),
        (
            {"type": "stop_limit"},
            ("invalid_params", "a stop_limit order needs stop_price", "stop_price"),
        ),
        ({"type": "take_profit"}, ("invalid_params", "a take_profit order has no price", "price")),
        (
            {"type": "take_profit", "price": None},
            ("invalid_params", "a take_profit order needs stop_price", "stop_price"),
        ),
        (
            {"post_only": True, "time_in_force": "ioc"},
            ("invalid_params", "a post-only order has to be able to rest", "post_only"),
        ),
        ({"size": 501}, ("size_too_large", "size 5.01 is above V:BTC-USD's largest, 5", "size")),
        (
            {"price": 221},
            ("price_out_of_band", "price 110.5 is outside 90.0 to 110.0, 0.1 around the market", "price"),
        ),
        ({"price": 180, "size": 1}, None),
        (
            {"price": 200, "size": 500, "side": "sell"},
            ("notional_too_large", "500.000 USD is above V:BTC-USD's most, 450", "size"),
        ),
        (
            {"stop_price": 200, "type": "stop_limit"},
            ("would_trigger", "the last trade, at 100.0, has reached the stop price already", "stop_price"),
        ),
        (
            {"stop_price": 200, "type": "take_profit_limit"},
            ("would_trigger", "the last trade, at 100.0, has reached the stop price already", "stop_price"),
        ),
        ({"stop_price": 199, "type": "take_profit_limit"}, None),
        (
            {"stop_price": 199, "type": "take_profit_limit", "side": "sell"},
            ("would_trigger", "the last trade, at 100.0, has reached the stop price already", "stop_price"),
        ),
        ({"stop_price": 201, "type": "take_profit_limit", "side": "sell"}, None),
        (
            {"price": 190, "side": "sell", "post_only": True},
            ("would_take", "a post-only order would match at once at this price", "price"),
        ),
        (
            {"price": 190, "side": "sell", "time_in_force": "fok"},
            ("would_not_fill", "there is not enough within the limit to fill the order whole", "size"),
        ),
        ({"reduce_only": True}, ("would_increase", "there is no position that the order would reduce", "reduce_only")),
        ({"account": "poor", "size": 20}, ("insufficient_balance", "this needs 20 USD; 0 is available", None)),
        (
            {"account": "poor", "side": "sell", "size": 20},
            ("insufficient_balance", "this needs 0.2 BTC; 0 is available", None),
        ),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(order: dict[str, Any], refused: tuple[str, str, str] | None) -> None:
    desk = Desk(LIMITED)
    shown = Instrument(
        venue="V", base="EUR", quote="USD", asset_class="fx", tick_size="1", lot_size="1", kind="mirrored"
    )
    desk.do(ListInstrument(shown), VenueQuote(shown.symbol, 1, 1, 2, 1), KillSwitch(False, account="poor"))
    desk.trade(200)
    desk.id("b", "buy", 9, 190)
    before = desk.market.digest()
    asked: dict[str, Any] = {"symbol": S, "account": "a", "side": "buy", "size": 10, "price": 200, **order}
    outcome = desk.do(PlaceOrder(**asked))
    if refused is None:
        assert isinstance(outcome, Executed)
        return
    assert outcome == Refused(*refused)
    assert desk.events == []
    assert desk.market.digest() == before


def test_what_an_amend_or_a_cancel_is_refused_for() -> None:
    desk = Desk(LIMITED)
    desk.trade(200)
    order_id = desk.id("a", "buy", 10, 190, post_only=True)
    stop = desk.id("a", "buy", 10, stop_price=210, type="stop")
    desk.id("b", "sell", 5, 205)
    before = desk.market.digest()
    taking = "a post-only order would match at once at this price"
    price = "price must be more than 0, of an order that has a limit"
    for command, refused in (
        (AmendOrder("a", 99, 190), ("unknown_order", "the account has no order 99", "order_id")),
        (CancelOrder("b", order_id), ("unknown_order", f"the account has no order {order_id}", "order_id")),
        (CancelOrder("a", 0, "x"), ("unknown_order", "the account has no order x", "client_order_id")),
        (CancelOrder("c", 1), ("order_closed", "order 1 is filled", "order_id")),
        (AmendOrder("a", order_id, 190, 10), ("no_change", "the order has this price and size already", None)),
        (AmendOrder("a", order_id), ("no_change", "the order has this price and size already", None)),
        (
            AmendOrder("a", order_id, 0),
            ("invalid_params", price, "price"),
        ),
        (AmendOrder("a", stop, 220), ("invalid_params", price, "price")),
        (AmendOrder("a", order_id, size=0), ("invalid_params", "size must be more than what has filled, 0.00", "size")),
        (AmendOrder("a", order_id, 205), ("would_take", taking, "price")),
        (
            AmendOrder("a", order_id, 179),
            ("price_out_of_band", "price 89.5 is outside 90.0 to 110.0, 0.1 around the market", "price"),
        ),
        (AmendOrder("a", order_id, size=501), ("size_too_large", "size 5.01 is above V:BTC-USD's largest, 5", "size")),
    ):  # fmt: skip
        assert desk.do(command) == Refused(*refused)
        assert desk.events == []
    assert desk.market.digest() == before


def test_a_halt_refuses_all_but_cancels() -> None:
    desk = Desk()
    order_id = desk.id("a", "buy", 10, 190)
    desk.do(TradingStatus(S, "halted"))
    halted = Refused("trading_halted", "V:BTC-USD is halted", "symbol")
    assert desk.place("a", "buy", 1, 190) == halted
    assert desk.do(AmendOrder("a", order_id, 180)) == halted
    assert desk.do(CancelOrder("a", order_id)).order.status == "canceled"
    assert desk.do(TradingStatus("V:NO-USD", "open")) == Refused("unknown_symbol", "no instrument 'V:NO-USD'", "symbol")


def test_an_account_has_so_many_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.market.trading.OPEN_ORDERS_MAX", 2)
    desk = Desk()
    desk.id("a", "buy", 1, 10)
    desk.id("a", "buy", 1, stop_price=500, type="stop")
    refused = Refused("too_many_orders", "an account may have 2 open orders")
    assert desk.place("a", "buy", 1, 10) == refused
    desk.do(CancelOrder("a", 1))
    desk.id("a", "buy", 1, 10)


def test_a_server_has_so_many_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    monkeypatch.setattr("tickwire.market.settlement.ACCOUNTS_MAX", 4)
    busy = Refused("busy", "no account can be opened: there are 4, the limit, or the name is the house's")
    assert desk.place("e", "buy", 1, 10) == busy
    assert desk.do(Transfer("e", "USD", "1", "e")) == busy
    assert desk.do(DeadMan("e", START + 1)) == busy
    assert desk.do(KillSwitch(True, account="e")) == busy
    desk.id("a", "buy", 1, 10)


# ---- stops ---------------------------------------------------------------------------------------------


def test_stops_wake_in_order_and_one_wakes_another() -> None:
    desk = Desk()
    far = desk.id("a", "buy", 1, stop_price=210, type="stop")
    late = desk.id("a", "buy", 2, 230, stop_price=205, type="stop_limit")
    near = desk.id("a", "buy", 3, stop_price=202, type="stop")
    early = desk.id("b", "buy", 4, 190, stop_price=205, type="stop_limit")
    assert (desk.has("a"), desk.order("a", near).status) == (("1000", "0"), "waiting")
    desk.id("c", "sell", 1, 202)
    desk.id("c", "sell", 3, 205)
    desk.id("c", "sell", 3, 211)
    desk.id("d", "buy", 1, 202)
    # near takes the 3 at 205, which wakes late, then early; late takes 2 at 211, which wakes far
    fills = [(each.order_id, each.price, each.size) for each in desk.events if isinstance(each, Fill)]
    assert [fill for fill in fills if fill[0] in (far, late, near, early)] == [
        (near, 205, 3), (late, 211, 2), (far, 211, 1)
    ]  # fmt: skip
    woken = desk.order("b", early)
    assert (woken.status, woken.remaining, asset_text(woken.held)) == ("open", 4, "3.8")
    assert [desk.ended("a", each)[0] for each in (far, late, near)] == ["filled"] * 3


def test_sell_stops_wake_from_above() -> None:
    desk = Desk()
    high = desk.id("a", "sell", 1, stop_price=195, type="stop")
    low = desk.id("a", "sell", 1, stop_price=190, type="stop")
    desk.id("b", "buy", 1, 191)
    desk.id("c", "sell", 1, 195)
    desk.id("d", "buy", 1, 195)
    assert desk.market.last_price(S) == 191
    assert (desk.ended("a", high)[0], desk.order("a", low).status) == ("filled", "waiting")


@pytest.mark.parametrize("restored", [False, True])
def test_take_profits_wake_on_the_other_side(restored: bool) -> None:
    desk = Desk()
    desk.trade(200)
    cheap = desk.id("a", "buy", 1, stop_price=195, type="take_profit")
    cheaper = desk.id("a", "buy", 2, 190, stop_price=190, type="take_profit_limit")
    dear = desk.id("b", "sell", 1, stop_price=205, type="take_profit")
    dearer = desk.id("b", "sell", 2, 212, stop_price=210, type="take_profit_limit")
    orders = (("a", cheap), ("a", cheaper), ("b", dear), ("b", dearer))
    if restored:
        desk.restored()

    def states() -> list[str]:
        return [desk.order(*order).status for order in orders]

    assert states() == ["waiting", "waiting", "waiting", "waiting"]
    desk.id("c", "buy", 1, 204)
    desk.id("c", "sell", 1, 205)
    desk.id("d", "buy", 1, 205)
    assert states() == ["waiting", "waiting", "filled", "waiting"]
    assert [(fill.price, fill.size) for fill in desk.market.order_fills("b", dear)] == [(204, 1)]
    desk.id("c", "sell", 1, 196)
    desk.id("c", "buy", 1, 195)
    desk.id("d", "sell", 1, 195)
    assert states() == ["filled", "waiting", "filled", "waiting"]
    assert [(fill.price, fill.size) for fill in desk.market.order_fills("a", cheap)] == [(196, 1)]
    desk.trade(190)
    desk.trade(210)
    assert states() == ["filled", "open", "filled", "open"]
    assert [(row.price, row.remaining) for row in (desk.order("a", cheaper), desk.order("b", dearer))] == [
        (190, 2), (212, 2)
    ]  # fmt: skip


def test_one_price_wakes_who_waits_for_its_rise_before_who_waits_for_its_fall() -> None:
    desk = Desk()
    later = desk.id("a", "buy", 1, 190, stop_price=200, type="take_profit_limit")
    first = desk.id("b", "sell", 1, 230, stop_price=200, type="take_profit_limit")
    second = desk.id("a", "buy", 1, 180, stop_price=200, type="stop_limit")
    desk.trade(200)
    updates = [each.order for each in desk.events if isinstance(each, OrderUpdate) and each.order.status == "open"]
    woken = [order.order_id for order in updates if order.order_id in (first, second, later)]
    assert woken == [first, second, later]


def test_a_stop_that_cannot_be_entered_ends_with_the_reason() -> None:
    desk = Desk()
    desk.do(Transfer("poor", "USD", "4", "p"))
    broke = desk.id("poor", "buy", 5, 200, stop_price=200, type="stop_limit")
    flat = desk.id("a", "buy", 5, 200, stop_price=200, type="stop_limit", reduce_only=True)
    whole = desk.id("a", "buy", 5, 200, stop_price=200, type="stop_limit", time_in_force="fok")
    desk.trade(200)
    assert desk.ended("poor", broke) == ("canceled", "insufficient_balance", 0, 0)
    assert desk.ended("a", flat) == ("canceled", "reduce_only", 0, 0)
    assert desk.ended("a", whole) == ("canceled", "refused", 0, 0)
    assert desk.has("poor") == ("4", "0")
    updates = [each.order for each in desk.events if isinstance(each, OrderUpdate) and each.account == "poor"]
    assert [(order.order_id, order.status) for order in updates] == [(broke, "canceled")]


def test_a_waiting_stop_is_amended_and_canceled() -> None:
    desk = Desk()
    stop = desk.id("a", "buy", 5, 200, stop_price=205, type="stop_limit")
    order = desk.do(AmendOrder("a", stop, 210, 7)).order
    assert (order.status, order.price, order.size, order.remaining, order.held) == ("waiting", 210, 7, 7, 0)
    assert desk.do(CancelOrder("a", stop)).order.status == "canceled"
    desk.trade(205)
    assert desk.ended("a", stop) == ("canceled", "requested", 0, 0)


# ---- time, switches and sessions -----------------------------------------------------------------------


def test_an_order_expires_at_its_time() -> None:
    desk = Desk()
    order_id = desk.id("a", "buy", 10, 200, time_in_force="gtd", expires_at=START + 2 * SECOND)
    stop = desk.id("a", "buy", 10, 200, type="stop_limit", stop_price=300, time_in_force="gtd", expires_at=START + 9)
    desk.do(Clock(START + 2 * SECOND - 1))
    assert (desk.ended("a", stop), desk.order("a", order_id).status) == (("expired", "expired", 0, 0), "open")
    desk.restored()
    desk.do(Clock(START + 2 * SECOND))
    assert desk.ended("a", order_id) == ("expired", "expired", 0, 0)
    assert desk.has("a") == ("1000", "0")
    assert desk.market.book(S).orders == {}


def test_a_dead_mans_orders_go_unless_he_is_heard() -> None:
    desk = Desk()
    first, other = desk.id("a", "buy", 10, 200), desk.id("b", "buy", 10, 200)
    assert desk.do(DeadMan("a", START + 5)) == Done([])
    desk.do(DeadMan("a", START + 10), Clock(START + 9))
    assert desk.order("a", first).status == "open"
    desk.restored()
    desk.do(Clock(START + 10))
    assert desk.ended("a", first) == ("canceled", "dead_man", 0, 0)
    assert desk.order("b", other).status == "open"
    again = desk.id("a", "buy", 10, 200)
    desk.do(Clock(START + 20), DeadMan("a", START + 30), DeadMan("a", 0), Clock(START + 40))
    assert desk.order("a", again).status == "open"


def test_a_kill_switch_of_an_account() -> None:
    desk = Desk()
    orders = [desk.id("a", "buy", 10, 200), desk.id("a", "sell", 5, stop_price=100, type="stop")]
    other = desk.id("b", "buy", 10, 200)
    assert desk.do(KillSwitch(True, account="a")) == Done(orders)
    assert [desk.ended("a", each)[:2] for each in orders] == [("canceled", "kill_switch")] * 2
    assert desk.order("b", other).status == "open"
    desk.restored()
    assert desk.place("a", "buy", 1, 10) == Refused("kill_switch", "the account is switched off")
    assert desk.do(KillSwitch(False, account="a")) == Done([])
    desk.id("a", "buy", 1, 10)


def test_a_kill_switch_of_an_instrument() -> None:
    desk = Desk()
    orders = [desk.id("a", "buy", 10, 200), desk.id("b", "buy", 10, 200)]
    assert desk.do(KillSwitch(True, symbol="V:NO-USD")) == Refused(
        "unknown_symbol", "no instrument 'V:NO-USD'", "symbol"
    )
    assert desk.do(KillSwitch(True, symbol=S)) == Done(orders)
    desk.restored()
    assert desk.place("c", "buy", 1, 10) == Refused("kill_switch", "V:BTC-USD is switched off")
    desk.do(KillSwitch(False, symbol=S))
    desk.id("c", "buy", 1, 10)


def test_guards() -> None:
    desk = Desk()
    desk.do(Guard("a", "s1", "connection"), Guard("a", "s2", "account"), Guard("b", "s3", "account"))
    desk.do(Guard("b", "s3", "off"))
    mine = desk.id("a", "buy", 1, 10, session="s1")
    other = desk.id("a", "buy", 1, 10, session="s2")
    third = desk.id("b", "buy", 1, 10, session="s3")
    desk.restored()
    assert desk.market.guarded_sessions == ["s1", "s2"]
    assert desk.do(SessionEnded("s3")) == Done([])
    assert desk.do(SessionEnded("s1")) == Done([mine])
    assert desk.do(SessionEnded("s1")) == Done([])
    last = desk.id("a", "buy", 1, 10)
    assert desk.do(SessionEnded("s2")) == Done([other, last])
    assert desk.ended("a", last) == ("canceled", "disconnected", 0, 0)
    assert desk.order("b", third).status == "open"


def test_cancel_all_is_narrowed() -> None:
    desk = Desk()
    first = desk.id("a", "buy", 1, 10, session="s1")
    second = desk.id("a", "buy", 1, stop_price=500, type="stop", session="s2")
    assert desk.do(CancelAll("a", "V:NO-USD")) == Done([])
    assert desk.do(CancelAll("nobody")) == Done([])
    assert desk.do(CancelAll("a", S, "s2")) == Done([second])
    third = desk.id("a", "buy", 1, 10)
    assert desk.do(CancelAll("a")) == Done([first, third])
    assert desk.ended("a", third) == ("canceled", "requested", 0, 0)


# ---- reduce-only ---------------------------------------------------------------------------------------


def held_long(size: int) -> Desk:
    """`a` has bought this many lots of `b` at 200."""
    desk = Desk()
    desk.id("b", "sell", size, 200)
    desk.id("a", "buy", size, 200)
    return desk


def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    desk = held_long(10)
    desk.id("a", "buy", 3, 100)  # an order to the other side takes nothing away
    order = desk.place("a", "sell", 15, 210, reduce_only=True).order
    assert (order.size, order.remaining, asset_text(order.held)) == (15, 10, "0.1")
    increase = Refused("would_increase", "there is no position that the order would reduce", "reduce_only")
    assert desk.place("a", "sell", 1, 215, reduce_only=True) == increase  # the first has all of it
    assert desk.place("a", "buy", 1, 100, reduce_only=True) == increase
    assert desk.do(AmendOrder("a", order.order_id, size=11)) == Refused(
        "would_increase", "the order may reduce the position by 0.10 at most", "size"
    )
    desk.id("c", "buy", 20, 210)
    assert desk.ended("a", order.order_id) == ("filled", "", 10, 0)
    assert desk.position("a") == Position(S, 0, 0, 100, 0, 210)


def test_resting_reduce_only_orders_are_trimmed_newest_first() -> None:
    desk = held_long(10)
    old = desk.id("a", "sell", 4, 210, reduce_only=True)
    new = desk.id("a", "sell", 5, 220, reduce_only=True)
    desk.id("c", "buy", 3, 190)
    desk.id("a", "sell", 3)  # 7 lots left for 4 + 5
    assert (desk.order("a", old).remaining, desk.order("a", new).remaining) == (4, 3)
    assert desk.order("a", new).reason == "reduce_only"
    assert [(each.action, each.size) for each in desk.events if isinstance(each, OrderChange)][-1] == ("modify", 3)
    desk.id("a", "sell", 2, 250)  # an ordinary one leaves 5 for them
    assert (desk.order("a", old).remaining, desk.order("a", new).remaining) == (4, 1)
    desk.id("c", "buy", 6, 190)
    desk.id("a", "sell", 6)
    assert desk.ended("a", new) == ("canceled", "reduce_only", 0, 0)
    assert desk.ended("a", old) == ("canceled", "reduce_only", 0, 0)
    assert (desk.position("a").size, desk.has("a", "BTC")) == (1, ("9.99", "0.02"))


def test_a_restored_market_trims_the_same_order() -> None:
    desk = held_long(10)
    stop = desk.id("a", "sell", 3, 210, reduce_only=True, type="stop_limit", stop_price=195)
    limit = desk.id("a", "sell", 3, 220, reduce_only=True)
    desk.trade(195)  # the stop is the older order, though it came onto the book later
    twin = Market.restore(desk.market.snapshot())
    desk.id("c", "buy", 6, 190)
    sell = PlaceOrder(S, "a", "sell", 6, None, "market", "ioc")
    twin.apply(PlaceOrder(S, "c", "buy", 6, 190))
    desk.do(sell)
    twin.apply(sell)
    assert (desk.order("a", limit).remaining, desk.order("a", stop).remaining) == (1, 3)
    assert twin.digest() == desk.market.digest()


# ---- icebergs and self-trades ----------------------------------------------------------------------------


def test_an_iceberg_shows_a_slice_at_a_time() -> None:
    desk = Desk()
    order_id = desk.id("a", "sell", 10, 200, display_size=4)
    assert desk.has("a", "BTC") == ("9.9", "0.1")
    outcome = desk.place("b", "buy", 9, 200)
    assert [fill.size for fill in outcome.fills] == [4, 4, 1]
    changes = [(each.action, each.size, each.filled) for each in desk.events if isinstance(each, OrderChange)]
    assert changes == [("fill", 0, 4), ("add", 4, 0), ("fill", 0, 4), ("add", 2, 0), ("fill", 1, 1)]
    assert (desk.order("a", order_id).remaining, desk.has("a", "BTC")) == (1, ("9.9", "0.01"))
    assert list(desk.market.open_orders(S, "a")) == [order_id]


def test_an_iceberg_eaten_whole_by_one_order() -> None:
    desk = Desk()
    order_id = desk.id("a", "sell", 10, 200, display_size=4)
    assert [fill.size for fill in desk.place("b", "buy", 12, 200).fills] == [4, 4, 2]
    assert desk.ended("a", order_id) == ("filled", "", 10, 0)
    assert desk.market.open_orders(S, "a") == {}
    assert desk.has("a", "BTC") == ("9.9", "0")


@pytest.mark.parametrize(
    ("mode", "resting", "taking", "usd"),
    [
        ("cancel_newest", ("open", "", 5, "0.05"), ("canceled", "self_trade", 0), "0"),
        ("cancel_oldest", ("canceled", "self_trade", 0, "0"), ("open", "", 8), "8"),
        ("cancel_both", ("canceled", "self_trade", 0, "0"), ("canceled", "self_trade", 0), "0"),
        ("decrement", ("canceled", "self_trade", 0, "0"), ("open", "self_trade", 3), "3"),
    ],
)
def test_nobody_trades_with_himself(mode: Any, resting: Any, taking: Any, usd: str) -> None:
    desk = Desk()
    first = desk.id("a", "sell", 5, 200)
    second = desk.id("a", "buy", 8, 200, self_trade_prevention=mode)
    old, new = desk.order("a", first), desk.order("a", second)
    assert (old.status, old.reason, old.remaining, asset_text(old.held)) == resting
    assert (new.status, new.reason, new.remaining) == taking
    assert (desk.has("a")[1], desk.has("a", "BTC")[1]) == (usd, resting[3])
    assert desk.market.last_price(S) is None


def test_a_decrement_leaves_the_larger_resting_order() -> None:
    desk = Desk()
    first = desk.id("a", "sell", 8, 200)
    second = desk.id("a", "buy", 5, self_trade_prevention="decrement")
    assert (desk.order("a", first).remaining, desk.has("a", "BTC")) == (3, ("9.97", "0.03"))
    assert desk.ended("a", second) == ("canceled", "self_trade", 0, 0)
    assert desk.has("a") == ("1000", "0")


# ---- ids -----------------------------------------------------------------------------------------------


def test_a_client_order_id_places_once() -> None:
    desk = Desk()
    first = desk.place("a", "buy", 1, 100, client_order_id="x", session="s1")
    desk.do(CancelOrder("a", client_order_id="x"))
    assert desk.place("a", "buy", 1, 100, client_order_id="x", session="s2") is first
    assert (desk.events, first.order.status) == ([], "open")
    other = Refused("duplicate_id", "client_order_id 'x' was used for another order", "client_order_id")
    assert desk.place("a", "buy", 2, 100, client_order_id="x") == other
    assert desk.id("b", "buy", 1, 100, client_order_id="x") == 2
    refused = desk.place("a", "sell", 2_000, 300, client_order_id="y")
    assert refused == Refused("insufficient_balance", "this needs 20 BTC; 10 is available")
    desk.do(Transfer("a", "BTC", "20", "more"))
    assert desk.place("a", "sell", 2_000, 300, client_order_id="y") is refused
    desk.restored()
    again = desk.place("a", "buy", 1, 100, client_order_id="x")
    assert (desk.events, again.order.order_id, again.order.status, again.fills) == ([], 1, "open", [])
    assert desk.place("a", "buy", 2, 100, client_order_id="x") == other
    assert desk.place("a", "sell", 2_000, 300, client_order_id="y") == refused
    assert desk.do(CancelOrder("a", client_order_id="x")) == Refused("order_closed", "order 1 is canceled", "order_id")


def test_a_refused_placement_keeps_its_answer_and_nothing_else() -> None:
    desk = Desk()
    before = desk.market.digest()
    desk.place("a", "buy", 0, 100)
    assert desk.market.digest() == before
    desk.place("a", "buy", 0, 100, client_order_id="x")
    kept = desk.market.digest()
    assert kept != before
    desk.place("a", "buy", 0, 100, client_order_id="x")
    assert desk.market.digest() == kept


def test_an_order_is_amended_by_its_owners_id() -> None:
    desk = Desk()
    desk.id("a", "buy", 5, 100, client_order_id="x")
    assert desk.do(AmendOrder("a", 0, 90, client_order_id="x")).order.price == 90
    assert desk.do(CancelOrder("a", client_order_id="x")).order.status == "canceled"


def test_a_transfer_moves_once() -> None:
    desk = Desk()
    assert desk.do(Transfer("a", "USD", "-0.5", "out")) == Done([])
    assert desk.events == [Balances("a", 3, START, [("USD", 999_500_000_000_000_000_000, 0)])]
    desk.restored()
    assert desk.do(Transfer("a", "USD", "-0.5", "out")) == Done([])
    assert (desk.events, desk.has("a")) == ([], ("999.5", "0"))
    another = Refused("duplicate_id", "transfer 'out' was another one", "transfer_id")
    assert desk.do(Transfer("a", "USD", "-0.6", "out")) == another
    assert desk.do(Transfer("b", "USD", "-0.5", "out")) == another
    before = desk.market.digest()
    assert desk.do(Transfer("a", "USD", "-999.6", "more")) == Refused(
        "insufficient_balance", "this needs 999.6 USD; 999.5 is available"
    )
    assert desk.do(Transfer("a", "EUR", "-1", "more")) == Refused(
        "insufficient_balance", "this needs 1 EUR; 0 is available"
    )
    assert desk.do(Transfer("a", "USD", "much", "more")) == Refused(
        "invalid_params", "amount 'much' is not a plain decimal number", "amount"
    )
    assert desk.market.digest() == before
    assert desk.do(Transfer("a", "USD", "-999.5", "more")) == Done([])
    assert desk.has("a") == ("0", "0")


# ---- a new listing, and what is said ---------------------------------------------------------------------


def test_a_new_listing_cancels_and_frees() -> None:
    desk = held_long(10)
    order_id = desk.id("a", "buy", 10, 200, client_order_id="x")
    stop = desk.id("b", "sell", 1, stop_price=100, type="stop")
    desk.do(ListInstrument(instrument(taker_fee="0.01")))
    updates = [each.order for each in desk.events if isinstance(each, OrderUpdate)]
    assert [(each.order_id, each.status, each.reason) for each in updates] == [
        (order_id, "canceled", "relisted"), (stop, "canceled", "relisted")
    ]  # fmt: skip
    assert (desk.has("a"), desk.has("a", "BTC")) == (("990", "0"), ("10.1", "0"))
    assert desk.market.order("a", order_id) is None
    gone = [Positions(account, 2, START, [Position(S, 0, 0, 0, 0, None)]) for account in "ab"]
    assert [each for each in desk.events if isinstance(each, Positions)] == gone
    assert desk.market.view(StreamKey("positions", "a")) == Positions("a", 2, START, [])
    assert desk.id("a", "buy", 10, 100, client_order_id="x") == stop + 1


def test_a_command_says_each_change_once() -> None:
    desk = Desk(FEED)
    first = desk.id("b", "sell", 10, 200)
    second = desk.id("b", "sell", 10, 210, client_order_id="x")
    desk.do(Clock(START + 7))
    taker = desk.id("a", "buy", 15, 220)
    unit, usd, btc = 10**12, 10**18, 10**16
    ts = START + 7
    private = [each for each in desk.events if isinstance(each, (Fill, OrderUpdate, Balances, Positions))]
    assert private[:4] == [
        Fill("a", 1, ts, S, "1", taker, "", "buy", 200, 10, 10_000 * unit, "taker"),
        Fill("b", 1, ts, S, "1", first, "", "sell", 200, 10, -1_000 * unit, "maker"),
        Fill("a", 2, ts, S, "2", taker, "", "buy", 210, 5, 5_250 * unit, "taker"),
        Fill("b", 2, ts, S, "2", second, "x", "sell", 210, 5, -525 * unit, "maker"),
    ]
    orders = [each for each in private if isinstance(each, OrderUpdate)]
    assert [
        (each.account, each.seq, each.order.order_id, each.order.status, each.order.remaining, each.order.updated)
        for each in orders
    ] == [("a", 1, taker, "filled", 0, ts), ("b", 3, first, "filled", 0, ts), ("b", 4, second, "open", 5, ts)]
    a_usd, b_usd = 1_000 * usd - 15_250 * unit * 1_001, 1_000 * usd + 15_250_000 * unit + 1_525 * unit
    assert private[7:] == [
        Balances("a", 3, ts, [("USD", a_usd, 0), ("BTC", 1_015 * btc, 0)]),
        Balances("b", 5, ts, [("BTC", 980 * btc, 5 * btc), ("USD", b_usd, 0)]),
        Positions("a", 1, ts, [Position(S, 15, 3_050, 0, 15_250 * unit, 210)]),
        Positions("b", 1, ts, [Position(S, -15, 3_050, 0, -1_525 * unit, 210)]),
    ]
    assert [each for each in desk.events if isinstance(each, (Fill, OrderUpdate, Balances, Positions))] == private


def test_a_position_turns_round() -> None:
    desk = held_long(3)  # at 200
    desk.id("c", "buy", 5, 211)
    desk.id("a", "sell", 2, 211)
    assert desk.position("a") == Position(S, 1, 200, 22, 0, 211)
    desk.id("c", "buy", 9, 190)
    desk.id("a", "sell", 7, 190)
    # 3 at 211, of which 1 closes; then 4 at 190
    assert desk.position("a") == Position(S, -6, 2 * 211 + 4 * 190, 33, 0, 190)
    assert desk.position("a").unrealised == 2 * (211 - 190)
