"""Errors of the Binance dialect's API: every code of the table, with its words, brought about where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from binance_api import Exchange
from support import BTC
from tickwire.dialects.binance.errors import CODES, BinanceError, Doing, venue_error
from tickwire.errors import InvalidInput
from tickwire.model.instrument import Instrument
from tickwire.model.records import KillSwitch, ListInstrument, TradingStatus
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import RateLimited

LISTED = {
    -1000: (500, "UNKNOWN", "An unknown error occurred while processing the request."),
    -1002: (401, "UNAUTHORIZED", "You are not authorized to execute this request."),
    -1003: (
        429,
        "TOO_MANY_REQUESTS",
        "Too much request weight used; current limit is x request weight per y. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    ),
    -1007: (
        503,
        "TIMEOUT",
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    -1008: (
        503,
        "SERVER_BUSY",
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    -1013: (400, "INVALID_MESSAGE", "Filter failure: x"),
    -1014: (400, "UNKNOWN_ORDER_COMPOSITION", "Unsupported order combination."),
    -1015: (429, "TOO_MANY_ORDERS", "Too many new orders; current limit is x orders per y."),
    -1016: (503, "SERVICE_SHUTTING_DOWN", "This service is no longer available."),
    -1020: (400, "UNSUPPORTED_OPERATION", "This operation is not supported."),
    -1021: (400, "INVALID_TIMESTAMP", "Timestamp for this request is outside of the recvWindow."),
    -1022: (400, "INVALID_SIGNATURE", "Signature for this request is not valid."),
    -1034: (429, "TOO_MANY_CONNECTIONS", "Too many concurrent connections; current limit is 'x'."),
    -1100: (400, "ILLEGAL_CHARS", "Illegal characters found in parameter 'x'; legal range is 'y'."),
    -1101: (400, "TOO_MANY_PARAMETERS", "Too many parameters; expected 'x' and received 'y'."),
    -1102: (
        400,
        "MANDATORY_PARAM_EMPTY_OR_MALFORMED",
        "Mandatory parameter 'x' was not sent, was empty/null, or malformed.",
    ),
    -1103: (400, "UNKNOWN_PARAM", "An unknown parameter was sent."),
    -1104: (400, "UNREAD_PARAMETERS", "Not all sent parameters were read; read 'x' parameter(s) but was sent 'y'."),
    -1105: (400, "PARAM_EMPTY", "Parameter 'x' was empty."),
    -1106: (400, "PARAM_NOT_REQUIRED", "Parameter 'x' sent when not required."),
    -1111: (400, "BAD_PRECISION", "Parameter 'x' has too much precision."),
    -1112: (400, "NO_DEPTH", "No orders on book for symbol."),
    -1114: (400, "TIF_NOT_REQUIRED", "TimeInForce parameter sent when not required."),
    -1115: (400, "INVALID_TIF", "Invalid timeInForce."),
    -1116: (400, "INVALID_ORDER_TYPE", "Invalid orderType."),
    -1117: (400, "INVALID_SIDE", "Invalid side."),
    -1120: (400, "BAD_INTERVAL", "Invalid interval."),
    -1121: (400, "BAD_SYMBOL", "Invalid symbol."),
    -1128: (400, "OPTIONAL_PARAMS_BAD_COMBO", "Combination of optional parameters invalid."),
    -1130: (400, "INVALID_PARAMETER", "Data sent for parameter 'x' is not valid."),
    -1135: (400, "INVALID_JSON", "Invalid JSON Request"),
    -1145: (400, "INVALID_CANCEL_RESTRICTIONS", "Invalid cancelRestrictions"),
    -1151: (400, "DUPLICATE_SYMBOLS", "Symbol is present multiple times in the list."),
    -1194: (400, "INVALID_TIME_UNIT", "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."),
    -2010: (400, "NEW_ORDER_REJECTED", "x"),
    -2011: (400, "CANCEL_REJECTED", "x"),
    -2013: (400, "NO_SUCH_ORDER", "Order does not exist."),
    -2014: (401, "BAD_API_KEY_FMT", "API-key format invalid."),
    -2015: (401, "REJECTED_MBX_KEY", "Invalid API-key, IP, or permissions for action."),
    -2021: (409, "CANCEL_REPLACE_PARTIALLY_FAILED", "Order cancel-replace partially failed."),
    -2022: (400, "CANCEL_REPLACE_FAILED", "Order cancel-replace failed."),
    -2035: (400, "SUBSCRIPTION_ACTIVE", "User Data Stream subscription already active."),
    -2036: (400, "SUBSCRIPTION_INACTIVE", "User Data Stream subscription not active."),
    -2038: (400, "ORDER_AMEND_REJECTED", "x"),
    -2039: (400, "CLIENT_ORDER_ID_INVALID", "Client order ID is not correct for this order ID."),
    -4056: (401, "NOT_AN_ED25519_KEY", "HMAC_SHA256 API key is not supported."),
}
"""Status, name and words of each code; what is named in the words is x, then y."""

RULED = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.001",
    kind="matched",
    book="orders",
    price_band="0.1",
    size_max="10",
    notional_min="5",
    notional_max="1000",
)
LIMIT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "100",
    "quantity": "0.5",
}


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def ruled() -> Iterator[Exchange]:
    exchange = Exchange(RULED)
    yield exchange
    exchange.close()


def test_the_table_is_the_listed_one() -> None:
    shown = {}
    for number, code in CODES.items():
        error = BinanceError(number, *"xy"[: code.text.count("%s")])
        assert error.body()["code"] == number
        shown[number] = error.status, code.name, error.body()["msg"]
    assert shown == LISTED


def placed(exchange: Exchange, **changed: Any) -> tuple[int, int, str]:
    """The refusal of a limit order with some of its parameters changed, or (None) left out."""
    params = {name: value for name, value in {**LIMIT, **changed}.items() if value is not None}
    answer = exchange.rest("POST", "/order", exchange.alice, **params)
    return answer.status, answer.body["code"], answer.body["msg"]


# ---- parameters ----------------------------------------------------------------------------------

NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"symbol": "ETHUSDT"}, -1121, "Invalid symbol."),
        (
            {"symbol": "btcusdt"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,80}$'.",
        ),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"side": None}, -1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed."),
        ({"type": "ODD"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"price": "1e2"}, -1100, f"Illegal characters found in parameter 'price'; legal range is '{NUMBER}'."),
        ({"quantity": "-1"}, -1100, f"Illegal characters found in parameter 'quantity'; legal range is '{NUMBER}'."),
        ({"quantity": "0." + "1" * 19}, -1111, "Parameter 'quantity' has too much precision."),
        ({"stopPrice": "90"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quoteOrderQty": "90"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        (
            {"newClientOrderId": "a b"},
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
        ),
        ({"newOrderRespType": "ALL"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ({"selfTradePreventionMode": "X"}, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
        ({"recvWindow": "60001"}, -1130, "Data sent for parameter 'recvWindow' is not valid."),
        ({"timestamp": "soon"}, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
        ({"trailingDelta": "100"}, -1020, "This operation is not supported."),
        ({"pegPriceType": "PRIMARY_PEG"}, -1020, "This operation is not supported."),
        (
            {"colour": "red"},
            -1104,
            "Not all sent parameters were read; read '7' parameter(s) but was sent '8'. ('colour')",
        ),
        ({"timeInForce": "IOC", "icebergQty": "0.1"}, -1014, "Unsupported order combination."),
        ({"icebergQty": "0.6"}, -2010, "IcebergQty exceeds QTY."),
        ({"icebergQty": "0.001"}, -1013, "Filter failure: ICEBERG_PARTS"),
    ],
)
def test_what_an_order_has_wrong(exchange: Exchange, changed: dict[str, Any], code: int, words: str) -> None:
    assert placed(exchange, **changed) == (400, code, words)
    assert exchange.market.open_orders_of("a") == []


MARKET: dict[str, Any] = {"type": "MARKET", "price": None, "timeInForce": None}


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"timeInForce": "GTC"}, -1114, "TimeInForce parameter sent when not required."),
        ({"price": "1"}, -1106, "Parameter 'price' sent when not required."),
        (
            {"quantity": None},
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
        ),
        ({"quoteOrderQty": "5"}, -1128, "Combination of optional parameters invalid."),
        ({"quantity": None, "quoteOrderQty": "5"}, -1112, "No orders on book for symbol."),
        ({"quantity": None, "quoteOrderQty": "0"}, -1130, "Data sent for parameter 'quoteOrderQty' is not valid."),
    ],
)
def test_what_a_market_order_has_wrong(exchange: Exchange, changed: dict[str, Any], code: int, words: str) -> None:
    assert placed(exchange, **{**MARKET, **changed}) == (400, code, words)


def test_a_quote_quantity_below_a_lot(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **{**LIMIT, "side": "SELL"})
    assert placed(exchange, **MARKET, quantity=None, quoteOrderQty="0.09") == (400, -1013, "Filter failure: LOT_SIZE")


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("ping", {"a": 1}, -1101, "Too many parameters; expected '0' and received '1'."),
        ("depth", {"symbol": "BTCUSDT", "a": 1}, -1103, "An unknown parameter was sent. ('a')"),
        ("depth", {"symbol": ""}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        (
            "depth",
            {"symbol": "BTCUSDT", "limit": "ten"},
            -1100,
            "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.",
        ),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120, "Invalid interval."),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "+15"},
            -1130,
            "Data sent for parameter 'timeZone' is not valid.",
        ),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "0:01"},
            -1130,
            "Data sent for parameter 'timeZone' is not valid.",
        ),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "here"},
            -1130,
            "Data sent for parameter 'timeZone' is not valid.",
        ),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "startTime": 2, "endTime": 1},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            "trades.aggregate",
            {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        ("exchangeInfo", {"symbols": "BTCUSDT"}, -1135, "JSON sent for parameter 'symbols' is not valid"),
        (
            "exchangeInfo",
            {"symbol": "BTCUSDT", "symbols": ["BTCUSDT"]},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        ("ticker", {"symbols": ["BTCUSDT"] * 2}, -1151, "Symbol is present multiple times in the list."),
        (
            "ticker.24hr",
            {"symbols": [f"X{n}" for n in range(101)]},
            -1101,
            "Too many parameters; expected '100' and received '101'.",
        ),
        ("ticker", {}, -1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"),
        ("ticker.price", {"symbol": "X"}, -1121, "Invalid symbol."),
        ("what", {}, -1020, "This operation is not supported."),
    ],
)
def test_what_a_question_has_wrong(
    exchange: Exchange, method: str, params: dict[str, Any], code: int, words: str
) -> None:
    assert exchange.connect().error(method, **params) == (400, code, words)


def test_the_same_parameter_twice(exchange: Exchange) -> None:
    answer = exchange.ask_http("GET", "/api/v3/depth", "symbol=BTCUSDT&symbol=BTCUSDT")
    assert (answer.status, answer.body) == (400, {"code": -1101, "msg": "Duplicate values for a parameter detected."})
    (message,) = exchange.connect().send(b'{"id":1,"method":"ping","params":{"a":1,"a":2}}')
    assert message["error"] == {"code": -1101, "msg": "Duplicate values for a parameter detected."}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b'{"method":"ping","params":[1]}', b"\xff"])
def test_what_is_no_request(exchange: Exchange, data: bytes) -> None:
    (message,) = exchange.connect().send(data)
    assert (message["id"], message["status"], message["error"]) == (
        None,
        400,
        {"code": -1135, "msg": "Invalid JSON Request"},
    )


@pytest.mark.parametrize("request_id", ['"' + "x" * 37 + '"', "1.5", "true", "[1]", "9223372036854775808"])
def test_ids_that_are_none(exchange: Exchange, request_id: str) -> None:
    (message,) = exchange.connect().send(f'{{"id":{request_id},"method":"ping"}}'.encode())
    assert (message["id"], message["error"]) == (
        None,
        {"code": -1130, "msg": "Data sent for parameter 'id' is not valid."},
    )


def test_paths_and_verbs_that_there_are_not(exchange: Exchange) -> None:
    unsupported = {"code": -1020, "msg": "This operation is not supported."}
    assert exchange.ask_http("GET", "/api/v3/nothing")[:2] == (404, unsupported)
    assert exchange.ask_http("GET", "/api/v1/ping")[:2] == (404, unsupported)
    assert exchange.ask_http("GET", "/ping")[:2] == (404, unsupported)
    assert exchange.ask_http("DELETE", "/api/v3/ping")[:2] == (405, unsupported)


def test_units_of_time_that_there_are_not(exchange: Exchange) -> None:
    words = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    answer = exchange.ask_http("GET", "/api/v3/time", headers={"x-mbx-time-unit": "SECOND"})
    assert (answer.status, answer.body) == (400, {"code": -1194, "msg": words})
    assert exchange.try_connect("/ws-api/v3", "timeUnit=SECOND") == (400, f"{words}\n")


# ---- the market says no --------------------------------------------------------------------------


def test_insufficient_balance(exchange: Exchange) -> None:
    refusal = placed(exchange, price="9999999999", quantity="1000")
    assert refusal == (400, -2010, "Account has insufficient balance for requested action.")


def test_duplicate_order(exchange: Exchange) -> None:
    first = exchange.rest("POST", "/order", exchange.alice, **LIMIT, newClientOrderId="once")
    assert first.status == 200
    assert placed(exchange, newClientOrderId="once") == (400, -2010, "Duplicate order sent.")
    assert len(exchange.market.open_orders_of("a")) == 1


def test_an_order_that_would_take(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **{**LIMIT, "side": "SELL"})
    refusal = placed(exchange, type="LIMIT_MAKER", timeInForce=None)
    assert refusal == (400, -2010, "Order would immediately match and take.")


def test_an_order_that_would_trigger(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.bob, **{**LIMIT, "side": "SELL"})
    exchange.rest("POST", "/order", exchange.alice, **LIMIT)
    refusal = placed(exchange, type="STOP_LOSS", timeInForce=None, price=None, stopPrice="99")
    assert refusal == (400, -2010, "Order would trigger immediately.")


def test_a_closed_market(exchange: Exchange) -> None:
    exchange.do(TradingStatus(BTC.symbol, "halted"))
    assert placed(exchange) == (400, -2010, "Market is closed.")
    answer = exchange.rest("POST", "/order/test", exchange.alice, **LIMIT)
    assert (answer.status, answer.body["msg"]) == (400, "Market is closed.")


def test_a_kill_switch(exchange: Exchange) -> None:
    exchange.do(KillSwitch(True, account="a"))
    assert placed(exchange) == (400, -2010, "This action is disabled on this account.")


def test_fill_or_kill(exchange: Exchange) -> None:
    words = "Order rejected: with timeInForce FOK it can't be filled whole within its limit."
    assert placed(exchange, timeInForce="FOK") == (400, -2010, words)


def test_a_symbol_that_is_only_shown(exchange: Exchange) -> None:
    shown = Instrument(
        venue="V", base="ETH", quote="USD", asset_class="crypto", tick_size="0.5", lot_size="0.1", kind="mirrored"
    )
    exchange.do(ListInstrument(shown))
    assert placed(exchange, symbol="ETHUSD") == (400, -2010, "This symbol is not permitted for this account.")


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"price": "100.001"}, "PRICE_FILTER"),
        ({"price": "0"}, "PRICE_FILTER"),
        ({"quantity": "0.0005"}, "LOT_SIZE"),
        ({"quantity": "0"}, "LOT_SIZE"),
        ({"quantity": "10.001"}, "LOT_SIZE"),
        ({"quantity": "0.049"}, "MIN_NOTIONAL"),
        ({"quantity": "10", "price": "100.01"}, "NOTIONAL"),
        ({"price": "110.01"}, "PERCENT_PRICE"),
        ({"price": "89.99"}, "PERCENT_PRICE"),
    ],
)
def test_filters(ruled: Exchange, changed: dict[str, str], broken: str) -> None:
    for owner, side in ((ruled.bob, "SELL"), (ruled.alice, "BUY")):  # the last price is 100
        ruled.rest("POST", "/order", owner, **{**LIMIT, "side": side})
    assert placed(ruled, **changed) == (400, -1013, f"Filter failure: {broken}")
    tested = ruled.rest("POST", "/order/test", ruled.alice, **{**LIMIT, **changed})
    assert (tested.status, tested.body["msg"]) == (400, f"Filter failure: {broken}")
    stated = ruled.rest("GET", "/exchangeInfo", symbol="BTCUSDT").body["symbols"][0]["filters"]
    assert broken in [row["filterType"] for row in stated]


def test_too_many_open_orders(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.market.trading.OPEN_ORDERS_MAX", 1)
    exchange.rest("POST", "/order", exchange.alice, **LIMIT)
    assert placed(exchange) == (400, -1013, "Filter failure: MAX_NUM_ORDERS")


def test_unknown_orders(exchange: Exchange) -> None:
    client = exchange.connect()
    for named in ({"orderId": 5}, {"origClientOrderId": "five"}):
        params = {"symbol": "BTCUSDT", **named}
        assert client.error("order.status", exchange.alice, **params) == (400, -2013, "Order does not exist.")
        assert client.error("order.cancel", exchange.alice, **params) == (400, -2011, "Unknown order sent.")
    words = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
    assert client.error("order.status", exchange.alice, symbol="BTCUSDT") == (400, -1102, words)
    exchange.rest("POST", "/order", exchange.alice, **LIMIT)
    assert client.error("order.status", exchange.bob, symbol="BTCUSDT", orderId=1)[1] == -2013
    exchange.rest("DELETE", "/order", exchange.alice, symbol="BTCUSDT", orderId=1)
    assert client.error("order.cancel", exchange.alice, symbol="BTCUSDT", orderId=1)[1:] == (
        -2011,
        "Unknown order sent.",
    )


def test_an_order_of_another_symbol_is_unknown(exchange: Exchange) -> None:
    other = Instrument(
        venue="SIM",
        base="ETH",
        quote="USDT",
        asset_class="crypto",
        tick_size="0.01",
        lot_size="0.001",
        kind="matched",
        book="orders",
    )
    exchange.do(ListInstrument(other))
    exchange.rest("POST", "/order", exchange.alice, **LIMIT, newClientOrderId="mine")
    client = exchange.connect()
    for named in ({"orderId": 1}, {"origClientOrderId": "mine"}):
        params: dict[str, Any] = {"symbol": "ETHUSDT", **named}
        assert client.error("order.status", exchange.alice, **params)[1] == -2013
        assert client.error("order.cancel", exchange.alice, **params)[1] == -2011
    assert client.error("openOrders.cancelAll", exchange.alice, symbol="ETHUSDT")[1] == -2011
    assert client.result("openOrders.status", exchange.alice, symbol="ETHUSDT") == []
    assert client.result("allOrders", exchange.alice, symbol="ETHUSDT") == []
    assert len(exchange.market.open_orders_of("a")) == 1


def test_two_ids_of_two_orders(exchange: Exchange) -> None:
    exchange.rest("POST", "/order", exchange.alice, **LIMIT, newClientOrderId="mine")
    params = {"symbol": "BTCUSDT", "orderId": 1}
    client = exchange.connect()
    assert client.error("order.cancel", exchange.alice, **params, origClientOrderId="other") == (
        400,
        -2039,
        "Client order ID is not correct for this order ID.",
    )
    assert client.error("order.cancel", exchange.alice, **params, cancelRestrictions="NEVER") == (
        400,
        -1145,
        "Invalid cancelRestrictions",
    )
    assert client.result("order.cancel", exchange.alice, **params, origClientOrderId="mine")["orderId"] == 1


# ---- the server says no --------------------------------------------------------------------------


def test_a_busy_server(exchange: Exchange) -> None:
    exchange.busy = True
    words = "Server is currently overloaded with other requests. Please try again in a few minutes."
    assert placed(exchange) == (503, -1008, words)


def test_a_server_that_fails(exchange: Exchange) -> None:
    client = exchange.connect()
    with pytest.raises(ValueError, match="not enough values"):  # no answer yet
        client.ask("order.place", exchange.alice, commit=False, **LIMIT)
    exchange.failing = True
    exchange.commit()
    (answer,) = client.said()
    words = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    assert (answer["status"], answer["error"]) == (503, {"code": -1007, "msg": words})


REFUSED: dict[str, int | tuple[int, int, int, int]] = {
    "unknown_symbol": -1121,
    "not_available": -1121,
    "login_failed": -2015,
    "not_logged_in": -2015,
    "not_permitted": -2015,
    "not_entitled": -1002,
    "not_tradable": (-2010, -2011, -2038, -2010),
    "trading_halted": (-2010, -2011, -2038, -2010),
    "unknown_order": (-2010, -2011, -2038, -2013),
    "order_closed": (-2010, -2011, -2038, -2013),
    "no_change": (-2010, -2011, -2038, -2010),
    "insufficient_balance": (-2010, -2011, -2038, -2010),
    "would_take": (-2010, -2011, -2038, -2010),
    "would_not_fill": (-2010, -2011, -2038, -2010),
    "would_trigger": (-2010, -2011, -2038, -2010),
    "duplicate_id": (-2010, -2011, -2038, -2010),
    "kill_switch": (-2010, -2011, -2038, -2010),
    "price_out_of_band": -1013,
    "size_too_large": -1013,
    "notional_too_small": -1013,
    "notional_too_large": -1013,
    "too_many_orders": -1013,
    "busy": -1008,
    "outcome_unknown": -1007,
    "invalid_params": -1130,
}
"""Our code -> the venue's, of a placement, a cancellation, an amendment and a question, or of all four."""
OF_THE_NATIVE_PROTOCOL = {
    "invalid_json",
    "invalid_request",
    "unknown_method",
    "unknown_channel",
    "not_subscribed",
    "too_many_subscriptions",
    "too_many_connections",
    "would_increase",
    "deadline_passed",
    "rate_limited",
}
"""What nothing here can be refused with; `rate_limited` is below."""


def test_every_refusal_of_ours_has_a_code() -> None:
    doings: tuple[Doing, ...] = ("place", "cancel", "amend", "read")
    shown = {
        code: tuple(venue_error(InvalidInput("text", code=code, field="type"), doing).number for doing in doings)
        for code in REFUSED
    }
    assert shown == {code: (row,) * 4 if isinstance(row, int) else row for code, row in REFUSED.items()}
    assert set(ERROR_CODES) == REFUSED.keys() | OF_THE_NATIVE_PROTOCOL


def test_a_refusal_without_a_field_is_unknown() -> None:
    assert venue_error(InvalidInput("something")).body() == {
        "code": -1000,
        "msg": "An unknown error occurred while processing the request.",
    }


def test_too_many_failed_logins_are_too_many_requests() -> None:
    error = venue_error(RateLimited("failed logins a minute", Rate(30, 0, 60_000), 2))
    assert (error.number, error.status, error.retry_after_s) == (-1003, 429, 2)
    assert error.message == "more than 30 failed logins a minute; slow down"
