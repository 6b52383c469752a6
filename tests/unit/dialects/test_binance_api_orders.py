"""Orders over the Binance dialect: every field of every answer, and each type of order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from binance_api import Exchange
from support import order

LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
ZERO = "0.00000000"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


def buy(**more: Any) -> dict[str, Any]:
    return {**LIMIT, "price": "100.00", "quantity": "0.5", **more}


def sell(**more: Any) -> dict[str, Any]:
    return {**buy(), "side": "SELL", **more}


# ---- placing -------------------------------------------------------------------------------------


def test_a_limit_order_is_answered_in_full(exchange: Exchange) -> None:
    answer = exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="mine"))
    now = exchange.now_ms
    assert (answer.status, answer.body) == (
        200,
        {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "orderListId": -1,
            "clientOrderId": "mine",
            "transactTime": now,
            "price": "100.00000000",
            "origQty": "0.50000000",
            "executedQty": "0.00000000",
            "origQuoteOrderQty": ZERO,
            "cummulativeQuoteQty": ZERO,
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": now,
            "selfTradePreventionMode": "EXPIRE_TAKER",
            "fills": [],
        },
    )


def test_a_market_order_lists_its_fills(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.2"))
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.3", price="101"))
    taken = exchange.connect().result(
        "order.place", exchange.alice, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.4"
    )
    assert taken["fills"] == [
        {"price": "100.00000000", "qty": "0.20000000", "commission": ZERO, "commissionAsset": "USDT", "tradeId": 1},
        {"price": "101.00000000", "qty": "0.20000000", "commission": ZERO, "commissionAsset": "USDT", "tradeId": 2},
    ]
    assert (taken["status"], taken["type"], taken["timeInForce"]) == ("FILLED", "MARKET", "GTC")
    assert (taken["price"], taken["executedQty"], taken["cummulativeQuoteQty"]) == (
        "0.00000000",
        "0.40000000",
        "40.20000000",
    )


@pytest.mark.parametrize(
    ("how", "fields"),
    [
        ("ACK", ["clientOrderId", "orderId", "orderListId", "symbol", "transactTime"]),
        (
            "RESULT",
            [
                "clientOrderId", "cummulativeQuoteQty", "executedQty", "orderId", "orderListId", "origQty",
                "origQuoteOrderQty", "price", "selfTradePreventionMode", "side", "status", "symbol", "timeInForce",
                "transactTime", "type", "workingTime",
            ],
        ),
    ],
)  # fmt: skip
def test_less_is_told_where_less_is_asked_for(exchange: Exchange, how: str, fields: list[str]) -> None:
    placed = exchange.connect().result("order.place", exchange.alice, **buy(newOrderRespType=how))
    assert sorted(placed) == fields


def test_other_types_are_acknowledged_only(exchange: Exchange) -> None:
    maker = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "99", "quantity": "1"}
    placed = exchange.connect().result("order.place", exchange.alice, **maker)
    assert sorted(placed) == ["clientOrderId", "orderId", "orderListId", "symbol", "transactTime"]
    assert exchange.market.order("a", 1).post_only  # type: ignore[union-attr]


def test_a_quote_quantity_buys_what_the_book_sells(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.2"))
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.3", price="200"))
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "50.1"}
    bought = exchange.rest("POST", "/order", exchange.alice, **params).body
    # 0.2 at 100 are 20; of the 30.1 left 0.150 at 200 can be had, for 30
    assert (bought["origQty"], bought["executedQty"], bought["cummulativeQuoteQty"]) == (
        "0.35000000",
        "0.35000000",
        "50.00000000",
    )
    assert (bought["origQuoteOrderQty"], bought["status"]) == ("50.10000000", "FILLED")


def test_a_quote_quantity_sells_into_the_bids(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **buy(quantity="0.2"))
    params = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quoteOrderQty": "10"}
    sold = exchange.rest("POST", "/order", exchange.alice, **params).body
    assert (sold["executedQty"], sold["cummulativeQuoteQty"]) == ("0.10000000", "10.00000000")


@pytest.mark.parametrize(
    ("kind", "more", "ours"),
    [
        ("STOP_LOSS", {}, "stop"),
        ("STOP_LOSS_LIMIT", {"price": "99", "timeInForce": "GTC"}, "stop_limit"),
        ("TAKE_PROFIT", {}, "take_profit"),
        ("TAKE_PROFIT_LIMIT", {"price": "99", "timeInForce": "IOC"}, "take_profit_limit"),
    ],
)
def test_orders_that_wait(exchange: Exchange, kind: str, more: dict[str, str], ours: str) -> None:
    params = {"symbol": "BTCUSDT", "side": "SELL", "type": kind, "stopPrice": "98", "quantity": "0.1", **more}
    placed = exchange.rest("POST", "/order", exchange.alice, newOrderRespType="RESULT", **params).body
    assert (placed["type"], placed["status"], placed["stopPrice"], placed["workingTime"]) == (
        kind,
        "NEW",
        "98.00000000",
        -1,
    )
    order = exchange.market.order("a", placed["orderId"])
    assert order is not None
    assert (order.type, order.status, order.stop_price) == (ours, "waiting", 9_800)
    assert order.price == (9_900 if more else None)


@pytest.mark.parametrize(
    ("mode", "ours", "shown"),
    [
        ("NONE", "cancel_newest", "EXPIRE_TAKER"),
        ("EXPIRE_TAKER", "cancel_newest", "EXPIRE_TAKER"),
        ("EXPIRE_MAKER", "cancel_oldest", "EXPIRE_MAKER"),
        ("EXPIRE_BOTH", "cancel_both", "EXPIRE_BOTH"),
        ("DECREMENT", "decrement", "DECREMENT"),
    ],
)
def test_self_trade_prevention(exchange: Exchange, mode: str, ours: str, shown: str) -> None:
    placed = exchange.rest("POST", "/order", exchange.alice, **buy(selfTradePreventionMode=mode)).body
    assert placed["selfTradePreventionMode"] == shown
    assert exchange.market.order("a", 1).self_trade_prevention == ours  # type: ignore[union-attr]


def test_an_iceberg_shows_its_part(exchange: Exchange) -> None:
    placed = exchange.rest("POST", "/order", exchange.alice, **buy(icebergQty="0.1")).body
    assert (placed["icebergQty"], placed["origQty"]) == ("0.10000000", "0.50000000")
    ((price, size),) = exchange.rest("GET", "/depth", symbol="BTCUSDT").body["bids"]
    assert (Decimal(price), Decimal(size)) == (Decimal(100), Decimal("0.1"))


def test_immediate_or_cancel_expires_what_it_did_not_take(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.2"))
    placed = exchange.rest("POST", "/order", exchange.alice, **buy(timeInForce="IOC")).body
    assert (placed["status"], placed["timeInForce"], placed["executedQty"]) == ("EXPIRED", "IOC", "0.20000000")


def test_ids_are_made_up_where_none_is_given(exchange: Exchange) -> None:
    first = exchange.rest("POST", "/order", exchange.alice, **buy()).body["clientOrderId"]
    second = exchange.connect().result("order.place", exchange.alice, **buy())["clientOrderId"]
    assert first == f"x-{exchange.clock() - 2_000_000:x}-1"
    assert second == f"x-{exchange.clock() - 1_000_000:x}-2"
    assert (
        exchange.rest("GET", "/order", exchange.alice, symbol="BTCUSDT", origClientOrderId=first).body["orderId"] == 1
    )


def test_a_test_order_changes_nothing(exchange: Exchange) -> None:
    before = exchange.market.digest()
    assert exchange.rest("POST", "/order/test", exchange.alice, **buy(newClientOrderId="t")).body == {}
    rates = exchange.rest("POST", "/order/test", exchange.alice, **buy(computeCommissionRates="true")).body
    assert rates["standardCommission"] == {"maker": ZERO, "taker": ZERO, "buyer": ZERO, "seller": ZERO}
    assert exchange.market.digest() == before
    placed = exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="t"))
    assert placed.body["clientOrderId"] == "t"


# ---- looking up ----------------------------------------------------------------------------------


def test_an_order_is_looked_up_by_either_id(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="mine", icebergQty="0.1"))
    placed = exchange.now_ms
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.2"))
    shown = exchange.rest("GET", "/order", exchange.alice, symbol="BTCUSDT", orderId=1)
    assert (shown.status, shown.body) == (
        200,
        {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "orderListId": -1,
            "clientOrderId": "mine",
            "price": "100.00000000",
            "origQty": "0.50000000",
            "executedQty": "0.20000000",
            "origQuoteOrderQty": ZERO,
            "cummulativeQuoteQty": "20.00000000",
            "status": "PARTIALLY_FILLED",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "stopPrice": "0.00000000",
            "icebergQty": "0.10000000",
            "time": placed,
            "updateTime": placed + 1,
            "isWorking": True,
            "workingTime": placed,
            "selfTradePreventionMode": "EXPIRE_TAKER",
        },
    )
    by_client = exchange.connect().result("order.status", exchange.alice, symbol="BTCUSDT", origClientOrderId="mine")
    assert by_client == shown.body
    assert exchange.connect().result("openOrders.status", exchange.alice, symbol="BTCUSDT") == [shown.body]
    assert exchange.rest("GET", "/openOrders", exchange.alice).body == [shown.body]
    assert exchange.rest("GET", "/allOrders", exchange.alice, symbol="BTCUSDT").body == [shown.body]


def test_an_order_on_its_way_is_found(exchange: Exchange) -> None:
    client = exchange.connect()
    with pytest.raises(ValueError, match="not enough values"):  # submitted, not on the tape yet
        client.ask("order.place", exchange.alice, commit=False, **buy(newClientOrderId="soon"))
    placed = exchange.rest("GET", "/order", exchange.alice, symbol="BTCUSDT", origClientOrderId="soon")
    assert placed.body["orderId"] == 1


def test_all_orders_page_by_id(exchange: Exchange) -> None:
    for price in ("90", "91", "92", "93"):
        exchange.rest("POST", "/order", exchange.alice, **buy(price=price))
    exchange.rest("DELETE", "/order", exchange.alice, symbol="BTCUSDT", orderId=2)

    def ids(**params: Any) -> list[int]:
        rows = exchange.rest("GET", "/allOrders", exchange.alice, symbol="BTCUSDT", **params).body
        return [row["orderId"] for row in rows]

    assert ids() == [1, 2, 3, 4]
    assert ids(limit=2) == [3, 4]
    assert ids(orderId=2, limit=2) == [2, 3]
    placed = exchange.market.order("a", 2).created // 1_000_000  # type: ignore[union-attr]
    assert ids(startTime=placed, endTime=placed) == [2]


def test_my_trades(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.2"))
    exchange.rest("POST", "/order", exchange.alice, **buy())
    exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.1"))
    mine = exchange.rest("GET", "/myTrades", exchange.alice, symbol="BTCUSDT").body
    now = exchange.now_ms
    assert mine == [
        {
            "symbol": "BTCUSDT",
            "id": 1,
            "orderId": 2,
            "orderListId": -1,
            "price": "100.00000000",
            "qty": "0.20000000",
            "quoteQty": "20.00000000",
            "commission": ZERO,
            "commissionAsset": "USDT",
            "time": now - 1,
            "isBuyer": True,
            "isMaker": False,
            "isBestMatch": True,
        },
        {**mine[0], "id": 2, "qty": "0.10000000", "quoteQty": "10.00000000", "time": now, "isMaker": True},
    ]
    client = exchange.connect()
    assert client.result("myTrades", exchange.alice, symbol="BTCUSDT", fromId=2) == mine[1:]
    assert client.result("myTrades", exchange.alice, symbol="BTCUSDT", limit=1) == mine[1:]
    assert client.result("myTrades", exchange.bob, symbol="BTCUSDT", orderId=1)[0]["isBuyer"] is False


# ---- canceling, replacing, amending --------------------------------------------------------------


def test_a_canceled_order_is_told_whole(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="mine"))
    canceled = exchange.rest(
        "DELETE", "/order", exchange.alice, symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="away"
    )
    assert (canceled.status, canceled.body) == (
        200,
        {
            "symbol": "BTCUSDT",
            "origClientOrderId": "mine",
            "orderId": 1,
            "orderListId": -1,
            "clientOrderId": "away",
            "transactTime": exchange.now_ms,
            "price": "100.00000000",
            "origQty": "0.50000000",
            "executedQty": "0.00000000",
            "origQuoteOrderQty": ZERO,
            "cummulativeQuoteQty": ZERO,
            "status": "CANCELED",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "selfTradePreventionMode": "EXPIRE_TAKER",
        },
    )


def test_all_of_a_symbol_are_canceled(exchange: Exchange) -> None:
    for price in ("90", "91"):
        exchange.rest("POST", "/order", exchange.alice, **buy(price=price))
    rows = exchange.connect().result("openOrders.cancelAll", exchange.alice, symbol="BTCUSDT")
    assert [(row["orderId"], row["status"], row["price"]) for row in rows] == [
        (1, "CANCELED", "90.00000000"),
        (2, "CANCELED", "91.00000000"),
    ]
    assert exchange.connect().error("openOrders.cancelAll", exchange.alice, symbol="BTCUSDT") == (
        400,
        -2011,
        "Unknown order sent.",
    )


@pytest.mark.parametrize(("restriction", "filled", "canceled"), [
    ("ONLY_NEW", False, True),
    ("ONLY_NEW", True, False),
    ("ONLY_PARTIALLY_FILLED", True, True),
    ("ONLY_PARTIALLY_FILLED", False, False),
])  # fmt: skip
def test_cancel_restrictions(exchange: Exchange, restriction: str, filled: bool, canceled: bool) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy())
    if filled:
        exchange.rest("POST", "/order", exchange.bob, **sell(quantity="0.1"))
    params = {"symbol": "BTCUSDT", "orderId": 1, "cancelRestrictions": restriction}
    answer = exchange.rest("DELETE", "/order", exchange.alice, **params)
    if canceled:
        assert answer.body["status"] == "CANCELED"
    else:
        assert answer.body == {"code": -2011, "msg": "Order was not canceled due to cancel restrictions."}


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_an_order_is_replaced(exchange: Exchange, mode: str) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy())
    replaced = exchange.rest(
        "POST", "/order/cancelReplace", exchange.alice, **buy(price="101"), cancelReplaceMode=mode, cancelOrderId=1
    )
    assert replaced.status == 200
    body = replaced.body
    assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert (body["cancelResponse"]["orderId"], body["cancelResponse"]["status"]) == (1, "CANCELED")
    assert (body["newOrderResponse"]["orderId"], body["newOrderResponse"]["price"]) == (2, "101.00000000")
    assert [order.order_id for order in exchange.market.open_orders_of("a")] == [2]


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_an_order_is_replaced_by_the_id_of_its_owner(exchange: Exchange, mode: str) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="old"))
    params = buy(cancelReplaceMode=mode, cancelOrigClientOrderId="old", cancelNewClientOrderId="gone")
    body = exchange.rest("POST", "/order/cancelReplace", exchange.alice, **params, newClientOrderId="new").body
    canceled, placed = body["cancelResponse"], body["newOrderResponse"]
    assert (canceled["origClientOrderId"], canceled["clientOrderId"], canceled["orderId"]) == ("old", "gone", 1)
    assert (placed["clientOrderId"], placed["orderId"], placed["status"]) == ("new", 2, "NEW")
    params["cancelOrigClientOrderId"] = "never"
    answer = exchange.rest("POST", "/order/cancelReplace", exchange.alice, **params)
    assert answer.body["data"]["cancelResponse"] == UNKNOWN


UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
POOR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


def test_nothing_is_placed_where_nothing_was_canceled(exchange: Exchange) -> None:
    params = buy(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=7)
    answer = exchange.connect().ask("order.cancelReplace", exchange.alice, **params)
    assert (answer["status"], answer["error"]) == (
        400,
        {
            "code": -2022,
            "msg": "Order cancel-replace failed.",
            "data": {
                "cancelResult": "FAILURE",
                "newOrderResult": "NOT_ATTEMPTED",
                "cancelResponse": UNKNOWN,
                "newOrderResponse": None,
            },
        },
    )
    assert exchange.market.open_orders_of("a") == []


def test_an_order_that_fills_on_the_way_is_not_replaced(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy())
    client = exchange.connect()
    exchange.services.submit([order("sell", 10_000, 500)], lambda _: None)
    answer = client.ask(
        "order.cancelReplace", exchange.alice, **buy(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1)
    )
    assert (answer["status"], answer["error"]["code"]) == (400, -2022)
    assert answer["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert exchange.market.open_orders_of("a") == []


def test_both_are_tried_where_failure_is_allowed(exchange: Exchange) -> None:
    answer = exchange.rest(
        "POST", "/order/cancelReplace", exchange.alice, **buy(cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=7)
    )
    assert (answer.status, answer.body["code"], answer.body["msg"]) == (
        409,
        -2021,
        "Order cancel-replace partially failed.",
    )
    data = answer.body["data"]
    assert (data["cancelResult"], data["newOrderResult"], data["cancelResponse"]) == ("FAILURE", "SUCCESS", UNKNOWN)
    assert data["newOrderResponse"]["status"] == "NEW"


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_a_cancellation_stands_where_the_new_order_is_refused(exchange: Exchange, mode: str) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy())
    answer = exchange.rest(
        "POST",
        "/order/cancelReplace",
        exchange.alice,
        **buy(price="9999999999", quantity="1000", cancelReplaceMode=mode, cancelOrderId=1),
    )
    assert (answer.status, answer.body["code"]) == (409, -2021)
    data = answer.body["data"]
    assert (data["cancelResult"], data["newOrderResult"], data["newOrderResponse"]) == ("SUCCESS", "FAILURE", POOR)
    assert data["cancelResponse"]["status"] == "CANCELED"


def test_both_fail(exchange: Exchange) -> None:
    params = buy(price="9999999999", quantity="1000", cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=7)
    answer = exchange.rest("POST", "/order/cancelReplace", exchange.alice, **params)
    assert (answer.status, answer.body["code"], answer.body["data"]) == (
        400,
        -2022,
        {
            "cancelResult": "FAILURE",
            "newOrderResult": "FAILURE",
            "cancelResponse": UNKNOWN,
            "newOrderResponse": POOR,
        },
    )


def test_a_server_too_busy_for_the_second_half_says_so(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy())
    client = exchange.connect()
    params = buy(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1)
    with pytest.raises(ValueError, match="not enough values"):  # no answer yet
        client.ask("order.cancelReplace", exchange.alice, commit=False, **params)
    exchange.busy = True
    exchange.commit()
    (answer,) = client.said()
    assert (answer["status"], answer["error"]["code"]) == (409, -2021)
    assert answer["error"]["data"]["newOrderResponse"]["code"] == -1008


def test_an_amendment_keeps_the_place(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **buy(newClientOrderId="mine"))
    placed = exchange.now_ms
    amended = exchange.rest(
        "PUT", "/order/amend/keepPriority", exchange.alice, symbol="BTCUSDT", orderId=1, newQty="0.4"
    )
    assert (amended.status, amended.body) == (
        200,
        {
            "transactTime": exchange.now_ms,
            "executionId": 1,
            "amendedOrder": {
                "symbol": "BTCUSDT",
                "orderId": 1,
                "orderListId": -1,
                "origClientOrderId": "mine",
                "clientOrderId": "mine",
                "price": "100.00000000",
                "qty": "0.40000000",
                "executedQty": "0.00000000",
                "preventedQty": "0.00000000",
                "quoteOrderQty": ZERO,
                "cumulativeQuoteQty": ZERO,
                "status": "NEW",
                "timeInForce": "GTC",
                "type": "LIMIT",
                "side": "BUY",
                "workingTime": placed,
                "selfTradePreventionMode": "EXPIRE_TAKER",
            },
        },
    )
    client = exchange.connect()
    amend = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert client.error("order.amend.keepPriority", exchange.alice, **amend, newQty="0.5") == (
        400,
        -2038,
        "Order amend (quantity increase) is not supported.",
    )
    assert client.error("order.amend.keepPriority", exchange.alice, **amend, newQty="0.4") == (
        400,
        -2038,
        "The requested action would change no state; rejecting",
    )
    assert client.error("order.amend.keepPriority", exchange.alice, symbol="BTCUSDT", orderId=9, newQty="0.1") == (
        400,
        -2038,
        "Unknown order sent.",
    )
    assert client.error(
        "order.amend.keepPriority", exchange.alice, **amend, newQty="0.1", newClientOrderId="other"
    ) == (400, -1106, "Parameter 'newClientOrderId' sent when not required.")
