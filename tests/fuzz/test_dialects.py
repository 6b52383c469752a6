"""The doors of the dialects: messages and requests of other protocols, damaged as values and as bytes.

The contract: nothing raises, and nothing is logged as an error. What is written to a socket is whole frames of JSON,
and a connection never ends because the server failed (1011). Over HTTP each request is answered with JSON and a known
status, never 500; what Binance's dialect refuses has a code of its table.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Close, Opcode

from fuzz.doors import Entrance
from fuzz.harness import damaged, encoded, fuzzed, torn
from fuzz.test_http import request
from fuzz.test_websocket import sent
from support import frames
from tickwire.dialects.binance.errors import CODES
from tickwire.keyfile import api_key, decode_base64url

UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)
STATUSES = {200, 400, 401, 403, 404, 405, 409, 413, 429, 490, 503, 504, 550}
SYMBOL = "SIM_SPOT_BTC_USDT"
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "1.00"}

STREAMS = [
    {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms", "btcusdt@kline_1m"], "id": 1},
    {"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": "a"},
    {"method": "LIST_SUBSCRIPTIONS", "id": None},
    {"method": "SET_PROPERTY", "params": ["combined", True], "id": 2},
    {"method": "GET_PROPERTY", "params": ["combined"], "id": 3},
]
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("ping", {}),
    ("exchangeInfo", {"symbols": ["BTCUSDT"]}),
    ("depth", {"symbol": "BTCUSDT", "limit": 5}),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": 0, "limit": 5}),
    ("ticker", {"symbols": ["BTCUSDT"], "windowSize": "1h"}),
    ("order.place", LIMIT),
    ("order.place", LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "2.00", "icebergQty": "0.005"}),
    ("order.place", {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "1"}),
    ("order.cancel", {"symbol": "BTCUSDT", "orderId": 1}),
    ("order.status", {"symbol": "BTCUSDT", "origClientOrderId": "c"}),
    ("order.cancelReplace", LIMIT | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 1}),
    ("order.amend.keepPriority", {"symbol": "BTCUSDT", "orderId": 1, "newQty": "0.005"}),
    ("openOrders.cancelAll", {"symbol": "BTCUSDT"}),
    ("account.status", {"omitZeroBalances": True}),
    ("userDataStream.subscribe.signature", {}),
    ("session.logon", {}),
]
REST: list[tuple[str, str, dict[str, Any], bool]] = [
    ("GET", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5"}, False),
    ("GET", "/api/v3/exchangeInfo", {"symbols": '["BTCUSDT"]'}, False),
    ("GET", "/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1d", "timeZone": "+08:00"}, False),
    ("GET", "/api/v3/aggTrades", {"symbol": "BTCUSDT", "fromId": "1"}, False),
    ("GET", "/api/v3/ticker/24hr", {"symbol": "BTCUSDT", "type": "MINI"}, False),
    ("POST", "/api/v3/order", LIMIT, True),
    ("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}, True),
    ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "limit": "5"}, True),
    ("GET", "/api/v3/account", {}, True),
]
HELLO = {
    "type": "hello",
    "apikey": "KEY",
    "heartbeat": True,
    "subscribe_data_type": ["trade", "quote", "book", "book_l3", "book20", "ohlcv", "exrate", "symbol", "volume"],
    "subscribe_filter_symbol_id": [SYMBOL + "$", "SIM_"],
    "subscribe_filter_asset_id": ["BTC/USDT", "btc"],
    "subscribe_filter_exchange_id": ["SIM"],
    "subscribe_filter_period_id": ["1SEC", "1DAY"],
    "subscribe_update_limit_ms_quote": 10,
}
SCOPES = [HELLO, {"type": "subscribe", "subscribe_data_type": ["trade"]}, HELLO | {"type": "unsubscribe"}]
ORDER = {
    "type": "ORDER_NEW_SINGLE_REQUEST",
    "exchange_id": "SIM",
    "client_order_id": "c1",
    "symbol_id_coinapi": SYMBOL,
    "amount_order": 0.01,
    "price": 1.5,
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GOOD_TILL_CANCEL",
    "exec_inst": ["MAKER_OR_CANCEL"],
}
EMS = [
    ORDER,
    ORDER | {"time_in_force": "GOOD_TILL_TIME_OMS", "expire_time": "2040-01-01T10:45:20.1677709Z"},
    {"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM", "client_order_id": "c1"},
    {"type": "ORDER_CANCEL_ALL_REQUEST", "exchange_id": "SIM"},
]
COINAPI: list[tuple[str, str, dict[str, Any], bool]] = [
    ("GET", "/v1/symbols", {"filter_symbol_id": "SIM_"}, False),
    ("GET", f"/v1/orderbooks/{SYMBOL}/current", {"limit_levels": "3"}, False),
    ("GET", f"/v1/ohlcv/{SYMBOL}/history", {"period_id": "1MIN", "time_start": "2024-01-01T00:00:00"}, False),
    ("GET", "/v1/exchangerate/BTC/USDT", {"time": "2024-01-01"}, False),
    ("GET", f"/v1/trades/{SYMBOL}/latest", {"limit": "2"}, False),
    ("POST", "/ems/v1/orders", {name: value for name, value in ORDER.items() if name != "type"}, True),
    ("POST", "/ems/v1/orders/cancel", {"exchange_id": "SIM", "client_order_id": "c1"}, True),
    ("GET", "/ems/v1/orders", {"exchange_id": "SIM"}, True),
]


def upgrade(path: str, entrance: Entrance, *, key: bool) -> bytes:
    return UPGRADE.format(path, f"Authorization: {entrance.authorization}\r\n" if key else "").encode()


def coinapi_key(entrance: Entrance) -> str:
    return api_key(decode_base64url(entrance.key.secret))


def now_ms(entrance: Entrance) -> int:
    """The time at which what is said next is heard."""
    return entrance.server._now() // 1_000_000 + 60_000


def signed(entrance: Entrance, params: dict[str, Any], *, of_socket: bool) -> dict[str, Any]:
    """Parameters with a right signature, whatever they are."""
    params = params | {"timestamp": now_ms(entrance)} | ({"apiKey": entrance.key.key} if of_socket else {})
    spelled = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    payload = (
        "&".join(f"{name}={spelled[name]}" for name in sorted(spelled))
        if of_socket
        else urlencode(spelled, quote_via=quote)
    ).encode("utf-8", "replace")
    signature = hmac.new(entrance.key.secret.encode(), payload, hashlib.sha256).hexdigest()
    return (params if of_socket else spelled) | {"signature": signature}


def said(entrance: Entrance, path: str, messages: list[bytes], *, key: bool = False) -> list[Any]:
    """What a socket says to these messages, held to the contract: JSON, and the code of a close."""
    socket = entrance.say(upgrade(path, entrance, key=key), *(sent(Opcode.TEXT, message) for message in messages))
    head, _, rest = bytes(socket.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    found: list[Any] = []
    for each in frames(rest):
        if each.opcode is Opcode.CLOSE:
            code = Close.parse(bytes(each.data)).code
            assert code != 1011
            found.append(int(code))
        elif each.opcode is Opcode.TEXT:
            found.append(json.loads(bytes(each.data)))
    return found


def answered(entrance: Entrance, call: tuple[str, str, dict[str, Any], bool], dialect: str) -> tuple[int, Any]:
    """Status and body of the answer to a request, held to the contract."""
    method, path, params, key = call
    headers: dict[str, str] = {}
    body, query = b"", ""
    if dialect == "coinapi":
        if method == "POST":
            body = encoded(params, "json")
        elif isinstance(params, dict):
            query = "?" + urlencode({name: str(value).encode("utf-8", "replace") for name, value in params.items()})
        if key:
            headers["X-CoinAPI-Key"] = coinapi_key(entrance)
    elif isinstance(params, dict):
        if key:
            params = signed(entrance, params, of_socket=False)
            headers["X-MBX-APIKEY"] = entrance.key.key
        text = urlencode(
            {name: str(value).encode("utf-8", "replace") for name, value in params.items()}, quote_via=quote
        )
        if method == "POST":
            body, headers["Content-Type"] = text.encode(), "application/x-www-form-urlencoded"
        else:
            query = "?" + text
    written = bytes(entrance.say(request(method, f"/{dialect}{path}{query}", body, headers)).written)
    head, _, content = written.partition(b"\r\n\r\n")
    status = int(head[9:12])
    assert status in STATUSES, written
    answer = json.loads(content)
    if status >= 400 and dialect == "binance" and isinstance(answer, dict) and "code" in answer:
        assert answer["code"] in CODES
    return status, answer


def test_the_messages_are_good(entrance: Entrance) -> None:
    messages = [encoded(message, "json") for message in STREAMS]
    assert said(entrance, "/binance/ws", messages)[0] == {"result": None, "id": 1}
    for method, params in METHODS[:5]:
        message = {"id": 1, "method": method, "params": params}
        (answer,) = said(entrance, "/binance/ws-api/v3", [encoded(message, "json")])
        assert answer["status"] == 200, answer
    placed = {"id": 1, "method": "order.place", "params": signed(entrance, LIMIT, of_socket=True)}
    (answer,) = said(entrance, "/binance/ws-api/v3", [encoded(placed, "json")])
    assert answer["result"]["status"] == "NEW", answer
    hello = HELLO | {"apikey": coinapi_key(entrance)}
    shown = [message["type"] for message in said(entrance, "/coinapi/", [encoded(hello, "json")])]
    assert {"book", "book20", "symbol"} <= set(shown)
    assert "error" not in shown
    reports = said(entrance, "/coinapi/ems", [encoded(ORDER, "json")], key=True)
    assert reports[0]["type"] == "SERVER_INFO"
    assert "ORDER_EXEC_REPORT_UPDATE" in [report["type"] for report in reports]


def test_the_requests_are_good(entrance: Entrance) -> None:
    assert [answered(entrance, call, "binance")[0] for call in REST] == [200] * 9
    assert [answered(entrance, call, "coinapi")[0] for call in COINAPI] == [200, 200, 200, 550, 200, 200, 200, 200]


@fuzzed(40)
@given(messages=st.lists(st.sampled_from(STREAMS).flatmap(damaged), min_size=1, max_size=3), data=st.data())
def test_control_messages(entrance: Entrance, messages: list[Any], data: st.DataObject) -> None:
    pieces = [data.draw(torn(encoded(message, "json"), 1)) for message in messages]
    assert len(said(entrance, "/binance/ws", pieces)) >= 1


@fuzzed(60)
@given(call=st.sampled_from(METHODS), data=st.data())
def test_methods(entrance: Entrance, call: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    params = data.draw(damaged(call[1]))
    if isinstance(params, dict):
        params = signed(entrance, params, of_socket=True)
    message = data.draw(damaged({"id": 1, "method": call[0], "params": params}, 1))
    found = said(entrance, "/binance/ws-api/v3", [encoded(message, "json")])
    assert len(found) >= 1
    for answer in found:
        if isinstance(answer, dict) and "error" in answer:
            assert answer["error"]["code"] in CODES


@fuzzed(60)
@given(call=st.sampled_from(REST), data=st.data())
def test_binance_requests(entrance: Entrance, call: tuple[str, str, dict[str, Any], bool], data: st.DataObject) -> None:
    answered(entrance, (call[0], call[1], data.draw(damaged(call[2])), call[3]), "binance")


@fuzzed(60)
@given(call=st.sampled_from(COINAPI), data=st.data())
def test_coinapi_requests(entrance: Entrance, call: tuple[str, str, dict[str, Any], bool], data: st.DataObject) -> None:
    answered(entrance, (call[0], call[1], data.draw(damaged(call[2])), call[3]), "coinapi")


@fuzzed(40)
@given(messages=st.lists(st.sampled_from(SCOPES).flatmap(damaged), min_size=1, max_size=3), data=st.data())
def test_scopes(entrance: Entrance, messages: list[Any], data: st.DataObject) -> None:
    said(entrance, "/coinapi/", [data.draw(torn(encoded(message, "json"), 1)) for message in messages])


@fuzzed(40)
@given(messages=st.lists(st.sampled_from(EMS).flatmap(damaged), min_size=1, max_size=3), data=st.data())
def test_order_entry(entrance: Entrance, messages: list[Any], data: st.DataObject) -> None:
    pieces = [data.draw(torn(encoded(message, "json"), 1)) for message in messages]
    assert said(entrance, "/coinapi/ems", pieces, key=True)[0]["type"] == "SERVER_INFO"


@pytest.mark.parametrize("path", ["/binance/ws", "/binance/ws-api/v3", "/coinapi/", "/coinapi/ems"])
@fuzzed(30)
@given(data=st.binary(max_size=60))
@example(b"[" * 50_000)
@example(b'{"id":1,"method":"ping","params":' + b"[" * 50_000)
@example(b'{"price":1e999999999}')
@example(b'{"type":"hello","subscribe_data_type":["trade"],"subscribe_filter_symbol_id":["\\ud800$"]}')
def test_any_text(entrance: Entrance, path: str, data: bytes) -> None:
    said(entrance, path, [data.decode("utf-8", "replace").encode()], key=path == "/coinapi/ems")
