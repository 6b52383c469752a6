"""Bad requests: each is answered with its code and field, reaches no tape, and leaves the session working."""

from __future__ import annotations

from typing import Any

import pytest

from session_client import FX, SYMBOL, Client
from support import START_NS

T = START_NS
LATER = T + 10**15
LIMIT = {"symbol": SYMBOL, "side": "buy", "price": "1.00", "size": "0.010"}
DEPOSIT = {"account": "alice", "asset": "USDT", "amount": "1", "transfer_id": "t1"}
PRIVATE = ("orders", "fills", "balances", "positions")


def limit(**changes: Any) -> dict[str, Any]:
    """The parameters of a limit order, changed; None takes a field away."""
    return {name: value for name, value in (LIMIT | changes).items() if value is not None}


def market(**changes: Any) -> dict[str, Any]:
    return limit(price=None, type="market", **changes)


def stop(**changes: Any) -> dict[str, Any]:
    return limit(price=None, type="stop", **{"stop_price": "2.00"} | changes)


def deposit(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (DEPOSIT | changes).items() if value is not None}


def ready(login: str) -> Client:
    """A session of an account that has money, an open order 1 ("mine") and a canceled order 2 ("gone"), and a market
    order's like: a stop, order 3 ("stop")."""
    client = Client()
    client.world.fund("alice", USDT="1000", BTC="10")
    client.login("trader")
    client.result("order.place", limit(client_order_id="mine"))
    client.result("order.place", limit(client_order_id="gone"))
    client.result("order.cancel", {"order_id": "2"})
    client.result("order.place", stop(client_order_id="stop"))
    client.result("auth.logout")
    if login:
        client.login(login)
    client.world.commands.clear()
    return client


def check(client: Client, replies: list[Any], code: str, field: str | None) -> None:
    (reply,) = replies
    error = reply["error"]
    assert (error["code"], error.get("field")) == (code, field), error["message"]
    assert error["message"]
    assert len(error["message"]) <= 500
    assert client.world.commands == []
    assert client.world.submitted == []
    (pong,) = client.call("ping", request_id=99)
    assert (pong["id"], set(pong["result"])) == (99, {"rate"})


PLACE: list[tuple[Any, str, str]] = [
    # types
    ([], "invalid_params", "params"),
    ("x", "invalid_params", "params"),
    ({}, "invalid_params", "symbol"),
    (limit(side=None), "invalid_params", "side"),
    (limit(size=None), "invalid_params", "size"),
    (limit(side="BUY"), "invalid_params", "side"),
    (limit(side=1), "invalid_params", "side"),
    (limit(price=1), "invalid_params", "price"),
    (limit(price=1.5), "invalid_params", "price"),
    (limit(size=5), "invalid_params", "size"),
    (limit(size=["1"]), "invalid_params", "size"),
    (limit(size={}), "invalid_params", "size"),
    (limit(symbol=5), "invalid_params", "symbol"),
    (limit(type="iceberg"), "invalid_params", "type"),
    (limit(time_in_force="day"), "invalid_params", "time_in_force"),
    (limit(self_trade_prevention="none"), "invalid_params", "self_trade_prevention"),
    (limit(post_only="yes"), "invalid_params", "post_only"),
    (limit(post_only=1), "invalid_params", "post_only"),
    (limit(reduce_only="no"), "invalid_params", "reduce_only"),
    (limit(client_order_id=7), "invalid_params", "client_order_id"),
    (limit(deadline="soon"), "invalid_params", "deadline"),
    (limit(deadline=1.5), "invalid_params", "deadline"),
    (limit(expires_at="x", time_in_force="gtd"), "invalid_params", "expires_at"),
    (limit(qty="1"), "invalid_params", "qty"),
    (limit(account="bob"), "invalid_params", "account"),
    (limit(session="s2"), "invalid_params", "session"),
    # numbers
    (limit(price=""), "invalid_params", "price"),
    (limit(price=" 1"), "invalid_params", "price"),
    (limit(price="+1"), "invalid_params", "price"),
    (limit(price="1e2"), "invalid_params", "price"),
    (limit(price="1,00"), "invalid_params", "price"),
    (limit(price="1."), "invalid_params", "price"),
    (limit(price=".5"), "invalid_params", "price"),
    (limit(price="0x10"), "invalid_params", "price"),
    (limit(price="NaN"), "invalid_params", "price"),
    (limit(price="Infinity"), "invalid_params", "price"),
    (limit(price="١"), "invalid_params", "price"),
    (limit(price="1_000"), "invalid_params", "price"),
    (limit(price="1.00\n"), "invalid_params", "price"),
    (limit(price="0"), "invalid_params", "price"),
    (limit(price="-1.00"), "invalid_params", "price"),
    (limit(price="1.005"), "invalid_params", "price"),
    (limit(price="9" * 39), "invalid_params", "price"),
    (limit(price="9" * 50_000), "invalid_params", "price"),
    (limit(size="0"), "invalid_params", "size"),
    (limit(size="0.000"), "invalid_params", "size"),
    (limit(size="-0.001"), "invalid_params", "size"),
    (limit(size="0.0001"), "invalid_params", "size"),
    (limit(size="1" + "0" * 30), "invalid_params", "size"),
    (limit(size="five"), "invalid_params", "size"),
    (stop(stop_price="0"), "invalid_params", "stop_price"),
    (stop(stop_price="2.001"), "invalid_params", "stop_price"),
    (limit(display_size="0"), "invalid_params", "display_size"),
    (limit(display_size="0.0005"), "invalid_params", "display_size"),
    (limit(display_size="0.011"), "invalid_params", "display_size"),
    # symbols
    (limit(symbol="SIM:NO-NE"), "unknown_symbol", "symbol"),
    (limit(symbol=""), "unknown_symbol", "symbol"),
    (limit(symbol="sim:btc-usdt"), "unknown_symbol", "symbol"),
    (limit(symbol="S" * 50_000), "unknown_symbol", "symbol"),
    (limit(symbol=FX.symbol), "not_tradable", "symbol"),
    # which fields go together
    (limit(price=None), "invalid_params", "price"),
    (market() | {"price": "1.00"}, "invalid_params", "price"),
    (stop() | {"price": "1.00"}, "invalid_params", "price"),
    (limit(type="stop_limit"), "invalid_params", "stop_price"),
    (limit(type="take_profit"), "invalid_params", "price"),
    (limit(type="take_profit_limit"), "invalid_params", "stop_price"),
    (limit(type="take_profit", price=None, stop_price="2.00", time_in_force="gtd"), "invalid_params", "time_in_force"),
    (limit(type="stop_limit", price=None, stop_price="2.00"), "invalid_params", "price"),
    (stop(stop_price=None), "invalid_params", "stop_price"),
    (limit(stop_price="2.00"), "invalid_params", "stop_price"),
    (market(stop_price="2.00"), "invalid_params", "stop_price"),
    (market(time_in_force="gtd", expires_at=LATER), "invalid_params", "time_in_force"),
    (stop(time_in_force="gtd", expires_at=LATER), "invalid_params", "time_in_force"),
    (limit(time_in_force="gtd"), "invalid_params", "expires_at"),
    (limit(expires_at=LATER), "invalid_params", "expires_at"),
    (limit(time_in_force="gtd", expires_at=T - 1), "invalid_params", "expires_at"),
    (limit(time_in_force="gtd", expires_at=0), "invalid_params", "expires_at"),
    (limit(time_in_force="gtd", expires_at=-5), "invalid_params", "expires_at"),
    (limit(time_in_force="gtd", expires_at=2**63), "invalid_params", "expires_at"),
    (limit(deadline=0), "invalid_params", "deadline"),
    (limit(deadline=-1), "invalid_params", "deadline"),
    (limit(deadline=2**63), "invalid_params", "deadline"),
    (limit(deadline=2**64), "invalid_params", "deadline"),
    (limit(post_only=True, time_in_force="ioc"), "invalid_params", "post_only"),
    (limit(post_only=True, time_in_force="fok"), "invalid_params", "post_only"),
    (market(post_only=True), "invalid_params", "post_only"),
    (stop(post_only=True), "invalid_params", "post_only"),
    (limit(display_size="0.005", time_in_force="ioc"), "invalid_params", "display_size"),
    (limit(display_size="0.005", time_in_force="fok"), "invalid_params", "display_size"),
    (market(display_size="0.005"), "invalid_params", "display_size"),
    (stop(display_size="0.005"), "invalid_params", "display_size"),
    # ids
    (limit(client_order_id="x" * 37), "invalid_params", "client_order_id"),
    (limit(client_order_id="café"), "invalid_params", "client_order_id"),
    (limit(client_order_id="a\nb"), "invalid_params", "client_order_id"),
    (limit(client_order_id="a\x00"), "invalid_params", "client_order_id"),
]


@pytest.mark.parametrize(("params", "code", "field"), PLACE)
def test_a_wrong_order(params: Any, code: str, field: str) -> None:
    client = ready("trader")
    check(client, client.call("order.place", params), code, field)


@pytest.mark.parametrize(
    ("method", "params", "code", "field"),
    [
        ("order.amend", {}, "invalid_params", "order_id"),
        ("order.amend", {"order_id": "1", "client_order_id": "mine", "price": "1.01"}, "invalid_params", "order_id"),
        ("order.amend", {"order_id": "1"}, "no_change", "price"),
        ("order.amend", {"order_id": 1, "price": "1.01"}, "invalid_params", "order_id"),
        ("order.amend", {"order_id": "1", "price": "1.001"}, "invalid_params", "price"),
        ("order.amend", {"order_id": "1", "price": "0"}, "invalid_params", "price"),
        ("order.amend", {"order_id": "1", "size": "-1"}, "invalid_params", "size"),
        ("order.amend", {"order_id": "1", "size": "0.0001"}, "invalid_params", "size"),
        ("order.amend", {"order_id": "1", "stop_price": "2.00"}, "invalid_params", "stop_price"),
        ("order.amend", {"order_id": "3", "price": "2.00"}, "invalid_params", "price"),
        ("order.amend", {"order_id": "2", "price": "1.01"}, "order_closed", "order_id"),
        ("order.amend", {"client_order_id": "gone", "price": "1.01"}, "order_closed", "client_order_id"),
        ("order.amend", {"order_id": "99", "price": "1.01"}, "unknown_order", "order_id"),
        ("order.amend", {"client_order_id": "never", "price": "1.01"}, "unknown_order", "client_order_id"),
        ("order.cancel", {}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "1", "client_order_id": "mine"}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "one"}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "-1"}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "1.0"}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "²"}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "9" * 19}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "9" * 50_000}, "invalid_params", "order_id"),
        ("order.cancel", {"order_id": "0"}, "unknown_order", "order_id"),
        ("order.cancel", {"order_id": "2"}, "order_closed", "order_id"),
        ("order.cancel", {"client_order_id": "gone"}, "order_closed", "client_order_id"),
        ("order.cancel", {"client_order_id": "never"}, "unknown_order", "client_order_id"),
        ("order.cancel", {"client_order_id": "é"}, "invalid_params", "client_order_id"),
        ("order.cancel", {"order_id": "1", "symbol": SYMBOL}, "invalid_params", "symbol"),
        ("order.get", {}, "invalid_params", "order_id"),
        ("order.get", {"order_id": "99"}, "unknown_order", "order_id"),
        ("order.cancel_all", {"symbol": "SIM:NO-NE"}, "unknown_symbol", "symbol"),
        ("order.cancel_all", {"symbol": FX.symbol}, "not_tradable", "symbol"),
        ("order.list", {"symbol": "SIM:NO-NE"}, "unknown_symbol", "symbol"),
        ("order.batch", {}, "invalid_params", "operations"),
        ("order.batch", {"operations": []}, "invalid_params", "operations"),
        ("order.batch", {"operations": "all"}, "invalid_params", "operations"),
        ("order.batch", {"operations": [5]}, "invalid_params", "operations[0]"),
        ("order.batch", {"operations": [{"method": "place"}]}, "invalid_params", "operations[0].params"),
        ("order.batch", {"operations": [{"method": "get", "params": {}}]}, "invalid_params", "operations[0].method"),
        (
            "order.batch",
            {"operations": [{"method": "place", "params": {}, "id": 1}]},
            "invalid_params",
            "operations[0].id",
        ),
        ("order.batch", {"operations": [{"method": "cancel", "params": {}}] * 51}, "invalid_params", "operations"),
        ("account.portfolio", {}, "invalid_params", "currency"),
        ("account.portfolio", {"currency": ""}, "invalid_params", "currency"),
        ("account.portfolio", {"currency": "XYZ"}, "invalid_params", "currency"),
        ("account.balances", {"account": "bob"}, "invalid_params", "account"),
        ("session.cancel_on_disconnect", {}, "invalid_params", "scope"),
        ("session.cancel_on_disconnect", {"scope": "all"}, "invalid_params", "scope"),
        ("session.dead_man", {}, "invalid_params", "timeout_ms"),
        ("session.dead_man", {"timeout_ms": 999}, "invalid_params", "timeout_ms"),
        ("session.dead_man", {"timeout_ms": -1}, "invalid_params", "timeout_ms"),
        ("session.dead_man", {"timeout_ms": 86_400_001}, "invalid_params", "timeout_ms"),
        ("session.dead_man", {"timeout_ms": 1e4}, "invalid_params", "timeout_ms"),
        ("subscribe", {"channel": "orders", "symbols": [SYMBOL]}, "invalid_params", "symbols"),
        ("subscribe", {"channel": "fills", "depth": 5}, "invalid_params", "depth"),
        ("subscribe", {"channel": "fills", "from": {"epoch": "e1", "seq": "1"}}, "invalid_params", "from.seq"),
        ("unsubscribe", {"channel": "fills"}, "not_subscribed", "channel"),
        ("snapshot", {"channel": "balances", "symbol": "bob"}, "invalid_params", "symbol"),
        ("auth.login", {"key": "nobody", "signature": "x"}, "login_failed", None),
        ("auth.login", {"key": 5}, "invalid_params", "key"),
        ("admin.deposit", DEPOSIT, "not_permitted", "method"),
    ],
)
def test_a_wrong_request_of_a_trader(method: str, params: Any, code: str, field: str | None) -> None:
    client = ready("trader")
    check(client, client.call(method, params), code, field)
    assert client.session.identity is not None
    assert client.session.identity.key_id == "trader"


@pytest.mark.parametrize(
    ("method", "params", "code", "field"),
    [
        ("admin.deposit", deposit(amount="0"), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount="-1"), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount="1e3"), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount="0." + "0" * 18 + "1"), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount="9" * 41), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount="9" * 50_000), "invalid_params", "amount"),
        ("admin.deposit", deposit(amount=5), "invalid_params", "amount"),
        ("admin.deposit", deposit(asset=""), "invalid_params", "asset"),
        ("admin.deposit", deposit(asset="US DT"), "invalid_params", "asset"),
        ("admin.deposit", deposit(account=""), "invalid_params", "account"),
        ("admin.deposit", deposit(account="@fees"), "invalid_params", "account"),
        ("admin.deposit", deposit(transfer_id=None), "invalid_params", "transfer_id"),
        ("admin.deposit", deposit(transfer_id=""), "invalid_params", "transfer_id"),
        ("admin.deposit", deposit(transfer_id="x" * 37), "invalid_params", "transfer_id"),
        ("admin.withdraw", deposit(amount="-1"), "invalid_params", "amount"),
        ("admin.kill_switch", {"on": True}, "invalid_params", "account"),
        ("admin.kill_switch", {"on": True, "account": "a", "symbol": SYMBOL}, "invalid_params", "account"),
        ("admin.kill_switch", {"account": "a"}, "invalid_params", "on"),
        ("admin.kill_switch", {"on": True, "symbol": "SIM:NO-NE"}, "unknown_symbol", "symbol"),
        ("admin.kill_switch", {"on": True, "account": "a b"}, "invalid_params", "account"),
        ("admin.trading_status", {"symbol": SYMBOL, "state": "asleep"}, "invalid_params", "state"),
        ("admin.trading_status", {"symbol": "SIM:NO-NE", "state": "open"}, "unknown_symbol", "symbol"),
        ("order.place", LIMIT, "not_permitted", "method"),
        ("account.balances", {}, "not_permitted", "method"),
        ("subscribe", {"channel": "orders"}, "not_permitted", "channel"),
    ],
)
def test_a_wrong_request_of_an_operator(method: str, params: Any, code: str, field: str) -> None:
    client = ready("operator")
    check(client, client.call(method, params), code, field)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("order.place", LIMIT),
        ("order.amend", {"order_id": "1", "price": "1.01"}),
        ("order.cancel", {"order_id": "1"}),
        ("order.cancel_all", {}),
        ("order.batch", {"operations": [{"method": "place", "params": LIMIT}]}),
        ("session.cancel_on_disconnect", {"scope": "account"}),
        ("session.dead_man", {"timeout_ms": 1000}),
        ("admin.deposit", DEPOSIT),
        ("admin.withdraw", DEPOSIT),
        ("admin.kill_switch", {"on": True, "account": "alice"}),
        ("admin.trading_status", {"symbol": SYMBOL, "state": "halted"}),
    ],
)
def test_what_a_reader_may_not_do(method: str, params: Any) -> None:
    client = ready("reader")
    check(client, client.call(method, params), "not_permitted", "method")
    client = ready("")
    check(client, client.call(method, params), "not_logged_in", "method")


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("order.get", {"order_id": "1"}, "method"),
        ("order.list", {}, "method"),
        ("account.balances", {}, "method"),
        ("account.positions", {}, "method"),
        ("account.portfolio", {"currency": "USDT"}, "method"),
        ("auth.logout", {}, "method"),
        *(("subscribe", {"channel": channel}, "channel") for channel in PRIVATE),
        *(("unsubscribe", {"channel": channel}, "channel") for channel in PRIVATE),
        *(("snapshot", {"channel": channel}, "channel") for channel in PRIVATE),
    ],
)
def test_what_needs_a_login(method: str, params: Any, field: str) -> None:
    client = ready("")
    check(client, client.call(method, params), "not_logged_in", field)


def test_another_accounts_orders_are_unknown() -> None:
    client = ready("other")
    for method, params in (
        ("order.get", {"order_id": "1"}),
        ("order.cancel", {"order_id": "1"}),
        ("order.amend", {"order_id": "1", "price": "1.01"}),
    ):
        check(client, client.call(method, params), "unknown_order", "order_id")
    check(client, client.call("order.cancel", {"client_order_id": "mine"}), "unknown_order", "client_order_id")


def place(params: bytes, head: bytes = b"") -> bytes:
    return b'{"id":1,"method":"order.place",' + head + b'"params":' + params + b"}"


BODY = b'"symbol":"SIM:BTC-USDT","side":"buy","size":"0.010"'


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        (place(b"{" + BODY + b',"price":"1.00","price":"2.00"}'), "invalid_request", "price"),
        (place(b"{" + BODY + b',"price":"1.00","pr\\u0069ce":"2.00"}'), "invalid_request", "price"),
        (place(b"{" + BODY + b',"price":"1.00"}', b'"params":{},'), "invalid_request", "params"),
        (place(b"{" + BODY + b',"price":"1.00"}', b'"method":"ping",'), "invalid_request", "method"),
        (place(b"{" + BODY + b',"price":"1.00"}', b'"id":2,'), "invalid_request", "id"),
        (place(b"{" + BODY + b',"price":"1.00"}', b'"x":{"a":[{"b":1,"b":2}]},'), "invalid_request", "b"),
        (
            b'{"id":1,"method":"order.batch","params":{"operations":[{"method":"place","params":{'
            + BODY
            + b',"price":"1.00","size":"9"}}]}}',
            "invalid_request",
            "size",
        ),
        (place(b"{" + BODY + b',"price":NaN}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":Infinity}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":-Infinity}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":"1.00",}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":"1.00"'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":"\\ud800"}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":"\xff"}'), "invalid_json", None),
        (place(b"{" + BODY + b',"price":01}'), "invalid_json", None),
        (place(b"[" * 30_000 + b"]" * 30_000), "invalid_json", None),
        (place(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "invalid_json", None),
        (place(b"[" * 800 + b"]" * 800), "invalid_params", "params"),
        (place(b"{" + BODY + b',"price":"1.00","deadline":' + b"9" * 50_000 + b"}"), "invalid_params", "deadline"),
        (place(b"{" + BODY + b',"price":1e999}'), "invalid_params", "price"),
        (place(b"null"), "invalid_params", "params"),
        (b'{"id":1,"method":"order.' + b"x" * 60_000 + b'"}', "unknown_method", "method"),
        (b'{"id":1,"method":["order.place"]}', "invalid_request", "method"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_bytes(data: bytes, code: str, field: str | None) -> None:
    client = ready("trader")
    client.world.clock.advance(ms=1000)
    check(client, client.send(data), code, field)


def test_a_long_object_with_a_repeated_key_is_not_slow_to_refuse() -> None:
    keys = ",".join(f'"{index}":0' for index in range(6_000))
    client = ready("trader")
    check(
        client,
        client.send(f'{{"id":1,"method":"ping","params":{{{keys},"5999":0}}}}'.encode()),
        "invalid_request",
        "5999",
    )


@pytest.mark.parametrize(
    ("operation", "code", "field"),
    [
        ({"method": "place", "params": limit(price="1.001")}, "invalid_params", "price"),
        ({"method": "place", "params": limit(symbol="SIM:NO-NE")}, "unknown_symbol", "symbol"),
        ({"method": "place", "params": limit(side=None)}, "invalid_params", "side"),
        ({"method": "place", "params": 5}, "invalid_params", "params"),
        ({"method": "place", "params": limit(x=1)}, "invalid_params", "x"),
        ({"method": "amend", "params": {"order_id": "2", "price": "1.01"}}, "order_closed", "order_id"),
        ({"method": "amend", "params": {"price": "1.01"}}, "invalid_params", "order_id"),
        ({"method": "cancel", "params": {"order_id": "77"}}, "unknown_order", "order_id"),
        ({"method": "cancel", "params": {"symbol": SYMBOL}}, "invalid_params", "symbol"),
    ],
)
def test_a_batch_of_bad_operations_submits_nothing(operation: Any, code: str, field: str) -> None:
    client = ready("trader")
    (reply,) = client.call("order.batch", {"operations": [operation] * 2})
    path = "operations[{}].params" + ("" if field == "params" else f".{field}")
    errors = [(item["error"]["code"], item["error"]["field"]) for item in reply["result"]["results"]]
    assert errors == [(code, path.format(0)), (code, path.format(1))]
    assert client.world.commands == []
    assert client.call("ping")[0]["result"]["rate"]["limit"] == 50
