"""Connections to the WebSocket API and requests over REST: who asks, how often, and what surrounds an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from binance_api import IP, Answer, Exchange, Owner
from support import START_NS, decoded
from tickwire.dialects.base import Refused
from tickwire.dialects.binance.usage import ORDERS_10S, ORDERS_DAY, WEIGHT, Usage
from tickwire.limits import ADDRESSES_MAX
from tickwire.model.identity import Identity
from tickwire.model.records import Transfer

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "100",
    "quantity": "0.5",
}
SECOND_NS = 1_000_000_000


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


def weight(count: int) -> dict[str, Any]:
    return {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": count}


def orders(count: int) -> list[dict[str, Any]]:
    return [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 500, "count": count},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1_600_000, "count": count},
    ]


# ---- what surrounds an answer --------------------------------------------------------------------


@pytest.mark.parametrize("request_id", ['"a"', "7", "null", '"' + "x" * 36 + '"', "-9223372036854775808"])
def test_ids_come_back_as_they_were(exchange: Exchange, request_id: str) -> None:
    raw = exchange.connect().session.received(f'{{"id":{request_id},"method":"v3/ping","params":null}}'.encode())
    assert raw[0][2:].startswith(f'{{"id":{request_id},"status":200,"result":{{}},"rateLimits":'.encode()) or raw[0][
        4:
    ].startswith(f'{{"id":{request_id},"status":200,"result":{{}},"rateLimits":'.encode())


def test_an_answer_says_what_is_used_up(exchange: Exchange) -> None:
    client = exchange.connect()  # weighs 2
    assert client.ask("ping") == {"id": "x1", "status": 200, "result": {}, "rateLimits": [weight(3)]}
    assert client.ask("depth", symbol="BTCUSDT")["rateLimits"] == [weight(8)]
    assert client.ask("order.place", exchange.alice, **ORDER)["rateLimits"] == [*orders(1), weight(9)]
    refused = client.ask("order.place", exchange.alice, **{**ORDER, "price": "0"})
    assert (refused["status"], refused["rateLimits"]) == (400, [*orders(2), weight(10)])
    assert client.result("account.rateLimits.orders", exchange.alice) == orders(2)
    assert client.result("account.rateLimits.orders", exchange.bob) == orders(0)
    assert exchange.rest("GET", "/rateLimit/order", exchange.alice).body == orders(2)


def test_limits_are_left_out_where_nobody_wants_them(exchange: Exchange) -> None:
    assert exchange.connect().ask("ping", returnRateLimits=False) == {"id": "x1", "status": 200, "result": {}}
    quiet = exchange.connect("returnRateLimits=false")
    assert quiet.ask("ping") == {"id": "x1", "status": 200, "result": {}}
    assert quiet.ask("ping", returnRateLimits=True)["rateLimits"] == [weight(7)]
    assert "rateLimits" not in quiet.ask("order.place", exchange.alice, **ORDER, returnRateLimits=False)


def test_rest_has_the_limits_in_headers(exchange: Exchange) -> None:
    placed = exchange.rest("POST", "/order", exchange.alice, **ORDER)
    assert placed.headers == {
        "X-MBX-ORDER-COUNT-10S": "1",
        "X-MBX-ORDER-COUNT-1D": "1",
        "X-MBX-USED-WEIGHT-1M": "1",
    }
    assert exchange.rest("GET", "/ping").headers == {"X-MBX-USED-WEIGHT-1M": "2"}


@pytest.mark.parametrize(
    ("path", "params", "cost"),
    [
        ("/ping", {}, 1),
        ("/time", {}, 1),
        ("/exchangeInfo", {}, 20),
        ("/depth", {"symbol": "BTCUSDT"}, 5),
        ("/depth", {"symbol": "BTCUSDT", "limit": 101}, 25),
        ("/depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("/depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("/depth", {"symbol": "BTCUSDT", "limit": "x"}, 1),
        ("/trades", {"symbol": "BTCUSDT"}, 25),
        ("/ticker/24hr", {"symbol": "BTCUSDT"}, 2),
        ("/ticker/24hr", {}, 80),
        ("/ticker/price", {"symbol": "BTCUSDT"}, 2),
        ("/ticker/bookTicker", {}, 4),
        ("/ticker", {"symbols": '["BTCUSDT"]'}, 4),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1000}, 2),
        ("/klines", {"symbol": "BTCUSDT", "interval": "3m"}, 4),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1w", "limit": 1000}, 12),
        ("/uiKlines", {"symbol": "BTCUSDT", "interval": "1d", "timeZone": "0:15", "limit": 10}, 2),
        ("/uiKlines", {"symbol": "BTCUSDT", "interval": "1d", "timeZone": "0:15", "limit": 1000}, 12),
        ("/klines", {"symbol": "BTCUSDT", "interval": "no"}, 2),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1d", "timeZone": "no"}, 1),
    ],
)
def test_weights(exchange: Exchange, path: str, params: dict[str, Any], cost: int) -> None:
    before = exchange.dialect._of(exchange.services).usage.count(WEIGHT, IP, exchange.clock())
    exchange.rest("GET", path, **params)
    after = exchange.dialect._of(exchange.services).usage.count(WEIGHT, IP, exchange.clock())
    assert (before, after) == (0, cost)


# ---- limits --------------------------------------------------------------------------------------

START = START_NS - START_NS % (60 * SECOND_NS)


def test_a_window_begins_anew() -> None:
    usage = Usage()
    usage.take(WEIGHT, IP, START, 6_000)
    assert usage.count(WEIGHT, IP, START + 60 * SECOND_NS - 1) == 6_000
    assert usage.count(WEIGHT, IP, START + 60 * SECOND_NS) == 0
    usage.take(WEIGHT, IP, START + 60 * SECOND_NS, 1)
    assert usage.count(WEIGHT, IP, START + 60 * SECOND_NS) == 1


def test_the_table_is_bounded() -> None:
    usage = Usage()
    usage.take_orders("a", START, 1)
    for n in range(ADDRESSES_MAX + 1):
        usage.take(WEIGHT, str(n), START, 1)
    assert usage.count(WEIGHT, "0", START) == 0
    assert usage.count(WEIGHT, "1", START) == 1
    assert len(usage._windows[WEIGHT]) == ADDRESSES_MAX
    assert usage.orders("a", START) == orders(1)  # addresses push no account out


def test_a_v6_network_is_one_address() -> None:
    usage = Usage()
    usage.take_weight("2001:db8:0:1::1", START, 4)
    usage.take_weight("2001:db8:0:1:ffff::2", START, 3)
    usage.take_weight("::ffff:192.0.2.7", START, 2)
    assert usage.weight("2001:db8:0:1::3", START) == [weight(7)]
    assert usage.weight("2001:db8:0:2::1", START) == [weight(0)]
    assert usage.weight("192.0.2.7", START) == [weight(2)]


def test_too_much_weight(exchange: Exchange) -> None:
    usage = exchange.dialect._of(exchange.services).usage
    usage.take(WEIGHT, IP, exchange.clock(), 5_999)
    assert exchange.rest("GET", "/ping").status == 200
    answer = exchange.rest("GET", "/ping")
    reset = (exchange.now_ms // 60_000 + 1) * 60_000
    assert (answer.status, answer.body["code"], answer.body["msg"]) == (
        429,
        -1003,
        "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    )
    assert answer.body["data"] == {"serverTime": exchange.now_ms, "retryAfter": reset}
    assert answer.headers["Retry-After"] == str(-(-(reset - exchange.now_ms) // 1000))
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "6000"
    refused = exchange.try_connect("/ws-api/v3")
    assert isinstance(refused, Refused)
    assert refused.status == 429
    exchange.clock.advance(ms=60_000)
    assert exchange.rest("GET", "/ping").status == 200


def test_too_many_orders(exchange: Exchange) -> None:
    usage = exchange.dialect._of(exchange.services).usage
    usage.take(ORDERS_10S, "a", exchange.clock(), 500)
    client = exchange.connect()
    assert client.error("order.place", exchange.alice, **ORDER) == (
        429,
        -1015,
        "Too many new orders; current limit is 500 orders per 10 SECOND.",
    )
    assert client.ask("order.place", exchange.bob, **ORDER)["status"] == 200
    exchange.clock.advance(ms=10_000)
    assert client.ask("order.place", exchange.alice, **ORDER)["status"] == 200
    usage.take(ORDERS_DAY, "a", exchange.clock(), 1_600_000 - 1)
    assert client.error("order.place", exchange.alice, **ORDER)[1] == -1015


def test_what_is_no_request_weighs_as_well(exchange: Exchange) -> None:
    client = exchange.connect()
    assert client.send(b"{")[0]["rateLimits"] == [weight(3)]
    assert exchange.ask_http("GET", "/api/v3/nothing").headers == {"X-MBX-USED-WEIGHT-1M": "4"}
    assert exchange.ask_http("GET", "/api/v3/depth", "a=1&a=2").headers == {"X-MBX-USED-WEIGHT-1M": "5"}
    exchange.dialect._of(exchange.services).usage.take(WEIGHT, IP, exchange.clock(), 5_995)
    assert client.send(b"{")[0]["error"]["code"] == -1003
    assert exchange.ask_http("GET", "/api/v3/nothing").status == 429


def test_a_flood_is_cut_off(exchange: Exchange) -> None:
    client = exchange.connect()
    exchange.dialect._of(exchange.services).usage.take(WEIGHT, IP, exchange.clock(), 5_998)
    for _ in range(500):
        assert client.error("ping")[1] == -1003
    assert client.session.ending is None
    client.ask("ping")
    assert client.session.ending == (1008, "far too many requests")


# ---- who asks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hmac", "ed25519", "rsa"])
def test_each_kind_of_key_signs(exchange: Exchange, kind: str) -> None:
    owner: Owner = getattr(exchange, kind)("a")
    assert exchange.rest("GET", "/openOrders", owner).body == []
    assert exchange.rest("POST", "/order", owner, **ORDER).body["orderId"] == 1
    assert exchange.connect().result("order.place", owner, **ORDER)["orderId"] == 2


def test_a_query_and_a_body_are_signed_as_one(exchange: Exchange) -> None:
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = f"quantity=0.5&price=100&timestamp={exchange.now_ms}"
    signature = exchange.alice.sign((query + body).encode())
    headers = {"x-mbx-apikey": exchange.alice.key_id}
    placed = exchange.ask_http("POST", "/api/v3/order", query, f"{body}&signature={signature}", headers)
    assert placed.body["orderId"] == 1
    placed = exchange.ask_http("POST", "/api/v3/order", f"{query}&signature={signature}", body, headers)
    assert placed.body["orderId"] == 2
    wrong = exchange.alice.sign(f"{query}&{body}".encode())
    refused = exchange.ask_http("POST", "/api/v3/order", query, f"{body}&signature={wrong}", headers)
    assert refused.body == {"code": -1022, "msg": "Signature for this request is not valid."}


def test_what_is_signed_is_what_was_sent(exchange: Exchange) -> None:
    sent = f"symbol=BTCUSDT&origClientOrderId=a%3Ab&timestamp={exchange.now_ms}"
    signature = exchange.alice.sign(sent.encode())
    headers = {"x-mbx-apikey": exchange.alice.key_id}
    answer = exchange.ask_http("GET", "/api/v3/order", f"{sent}&signature={signature.upper()}", "", headers)
    assert answer.body["code"] == -2013  # it was signed; there is none
    answer = exchange.ask_http("GET", "/api/v3/order", f"{sent.replace('%3A', ':')}&signature={signature}", "", headers)
    assert answer.body["code"] == -1022


@pytest.mark.parametrize("spelled", ["a:b/c", "a%3Ab%2Fc"])
def test_a_message_is_signed_as_it_is_or_percent_encoded(exchange: Exchange, spelled: str) -> None:
    owner, now = exchange.alice, exchange.now_ms
    payload = f"apiKey={owner.key_id}&origClientOrderId={spelled}&symbol=BTCUSDT&timestamp={now}"
    params: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "a:b/c"}
    params |= {"timestamp": str(now), "apiKey": owner.key_id}
    client = exchange.connect()
    assert client.error("order.status", **params, signature=owner.sign(payload.encode()))[1] == -2013  # it is signed
    assert client.error("order.status", **params, signature=owner.sign(payload.encode() + b"0"))[1] == -1022


def test_base64_may_come_unencoded(exchange: Exchange) -> None:
    owner = exchange.ed25519("a")
    headers = {"x-mbx-apikey": owner.key_id}
    for n in range(20):  # one of which has a "+"
        sent = f"recvWindow={1000 + n}&timestamp={exchange.now_ms}"
        signature = owner.sign(sent.encode())
        for form in (signature, quote(signature, safe="")):
            assert exchange.ask_http("GET", "/api/v3/openOrders", f"{sent}&signature={form}", "", headers).body == []


def signed_at(exchange: Exchange, timestamp: object, **params: Any) -> Any:
    answer = exchange.rest("GET", "/account", exchange.alice, **{"timestamp": timestamp, **params})
    return answer.body.get("code", "ok"), answer.body.get("msg")


def test_requests_from_another_time(exchange: Exchange) -> None:
    now = exchange.now_ms
    late = (-1021, "Timestamp for this request is outside of the recvWindow.")
    early = (-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    assert signed_at(exchange, now - 5_000) == ("ok", None)
    assert signed_at(exchange, now - 5_001) == late
    assert signed_at(exchange, now + 999) == ("ok", None)
    assert signed_at(exchange, now + 1_000) == early
    assert signed_at(exchange, now * 1_000 - 5_000_000) == ("ok", None)
    assert signed_at(exchange, now * 1_000 - 5_000_001) == late
    assert signed_at(exchange, now * 1_000 + 1_000_000) == early
    assert signed_at(exchange, now - 60_000, recvWindow=60_000) == ("ok", None)
    assert signed_at(exchange, now - 60_001, recvWindow=60_000) == late
    assert signed_at(exchange, now * 1_000 - 500, recvWindow="0.5") == ("ok", None)
    assert signed_at(exchange, now * 1_000 - 501, recvWindow="0.5") == late


def test_keys_that_do_not_hold(exchange: Exchange) -> None:
    params = f"timestamp={exchange.now_ms}"
    signature = exchange.alice.sign(params.encode())

    def code(key: str | None, query: str) -> tuple[int, int]:
        headers = {} if key is None else {"x-mbx-apikey": key}
        answer = exchange.ask_http("GET", "/api/v3/account", query, "", headers)
        return answer.status, answer.body.get("code", 0)

    assert code(exchange.alice.key_id, f"{params}&signature={signature}") == (200, 0)
    assert code(exchange.bob.key_id, f"{params}&signature={signature}") == (400, -1022)
    assert code(exchange.alice.key_id, f"{params}&signature=00") == (400, -1022)
    assert code("nobody", f"{params}&signature={signature}") == (401, -2015)
    assert code(None, f"{params}&signature={signature}") == (401, -2014)
    assert code("not a key!", f"{params}&signature={signature}") == (401, -2014)
    assert code(exchange.alice.key_id, params) == (400, -1102)
    assert code(exchange.alice.key_id, f"signature={signature}") == (400, -1102)
    exchange.revoke(exchange.alice)
    assert code(exchange.alice.key_id, f"{params}&signature={signature}") == (401, -2015)


def test_keys_that_may_not(exchange: Exchange) -> None:
    reader, operator = exchange.hmac("a", "read"), exchange.hmac("ops", "admin")
    words = "Invalid API-key, IP, or permissions for action."
    assert exchange.rest("GET", "/account", reader).body["canTrade"] is False
    assert exchange.rest("POST", "/order", reader, **ORDER)[:2] == (401, {"code": -2015, "msg": words})
    assert exchange.rest("GET", "/account", operator)[:2] == (401, {"code": -2015, "msg": words})
    elsewhere = exchange.hmac("a", "trade", allow_ips=["198.51.100.0/24"])
    assert exchange.rest("GET", "/account", elsewhere).body["code"] == -1022


def test_what_a_key_may_not_see(exchange: Exchange) -> None:
    owner = exchange.hmac("a", "read", channels=["trades"])
    client = exchange.connect()
    words = "You are not authorized to execute this request."
    assert client.error("depth", owner, symbol="BTCUSDT") == (401, -1002, words)
    assert client.result("trades.recent", owner, symbol="BTCUSDT") == []
    assert client.result("ticker.book", owner) == []
    assert client.result("depth", symbol="BTCUSDT")["bids"] == []


def test_where_a_key_is_required() -> None:
    exchange = Exchange(require_key=True)
    client = exchange.connect()
    assert client.result("ping") == {}
    assert client.result("time") == {"serverTime": exchange.now_ms}
    assert client.error("depth", symbol="BTCUSDT")[:2] == (401, -2014)
    assert client.result("depth", exchange.alice, symbol="BTCUSDT")["bids"] == []

    def depth(key: str) -> Answer:
        return exchange.ask_http("GET", "/api/v3/depth", "symbol=BTCUSDT", "", {"x-mbx-apikey": key})

    assert depth("0" * 16)[:2] == (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})
    assert depth(exchange.alice.guid).body["bids"] == []
    words = "A key's name proves nothing without a signature: give the key's GUID as API key, which signs as well."
    assert depth(exchange.alice.key_id)[:2] == (401, {"code": -2015, "msg": words})
    exchange.close()


def test_a_guid_is_an_api_key_everywhere(exchange: Exchange) -> None:
    by_guid = exchange.alice._replace(key_id=exchange.alice.guid)
    assert exchange.rest("GET", "/openOrders", by_guid).body == []
    assert exchange.connect().result("order.place", by_guid, **ORDER)["orderId"] == 1
    assert exchange.market.order("a", 1) is not None
    assert exchange.rest("GET", "/openOrders", exchange.bob._replace(key_id=exchange.alice.guid)).status == 401


def test_our_own_header_is_a_proof_over_rest_as_well(exchange: Exchange) -> None:
    def asked(identity: Identity, key: str = "", query: str = f"timestamp={exchange.now_ms}") -> tuple[int, Any]:
        headers = {"x-mbx-apikey": key} if key else {}
        answer = exchange.ask_http("GET", "/api/v3/openOrders", query, "", headers, identity=identity)
        return answer.status, answer.body if answer.status == 200 else answer.body["code"]

    alice = Identity(exchange.alice.key_id, "a", frozenset({"read"}))
    exchange.connect().result("order.place", exchange.alice, **ORDER)
    status, rows = asked(alice)
    assert (status, [row["orderId"] for row in rows]) == (200, [1])
    assert asked(alice, exchange.alice.key_id)[0] == 200
    assert asked(alice, query="") == (400, -1102)  # the timestamp
    assert asked(alice, exchange.bob.key_id) == (400, -1102)  # the signature
    assert asked(Identity("k", "a", frozenset({"admin"}))) == (401, -2015)
    order = "&".join(f"{name}={value}" for name, value in ORDER.items()) + f"&timestamp={exchange.now_ms}"
    refused = exchange.ask_http("POST", "/api/v3/order", body=order, identity=alice)
    assert (refused.status, refused.body["code"]) == (401, -2015)
    required = Exchange(require_key=True)
    assert required.ask_http("GET", "/api/v3/depth", "symbol=BTCUSDT", identity=alice).body["bids"] == []
    required.close()


def test_what_a_new_account_is_given_is_there_when_it_first_asks(exchange: Exchange) -> None:
    """The welcome goes onto the tape with the first proof; the question must not overtake it."""
    owner = exchange.hmac("new")
    exchange.submit([Transfer("new", "USDT", "5", "welcome")], lambda _: None)
    shown = exchange.connect().result("account.status", owner)["balances"]
    assert shown == [{"asset": "USDT", "free": "5.00000000", "locked": "0.00000000"}]
    unknown = exchange.rest("GET", "/order", exchange.hmac("newer"), symbol="BTCUSDT", origClientOrderId="x")
    assert unknown.body == {"code": -2013, "msg": "Order does not exist."}
    exchange.busy = True
    assert exchange.rest("GET", "/account", exchange.hmac("newest")).status == 503
    assert exchange.rest("GET", "/account", owner).status == 200  # which is known by now


# ---- logging in ----------------------------------------------------------------------------------


def test_a_session_is_logged_on_and_off(exchange: Exchange) -> None:
    client, owner = exchange.connect(), exchange.ed25519("a")
    connected = exchange.now_ms
    out = {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": connected,
        "returnRateLimits": True,
        "serverTime": connected,
        "userDataStream": False,
    }
    assert client.result("session.status") == out
    exchange.clock.advance(ms=50)
    logged_on = client.result("session.logon", owner)
    assert logged_on == {
        "apiKey": owner.key_id,
        "authorizedSince": connected + 50,
        "connectedSince": connected,
        "returnRateLimits": True,
        "serverTime": connected + 50,
        "userDataStream": False,
    }
    assert client.session.identity == Identity(owner.key_id, "a", frozenset({"trade"}))
    # from here on neither key nor signature is needed, but the timestamp is
    assert client.result("order.place", **ORDER, timestamp=exchange.now_ms)["orderId"] == 1
    assert client.error("order.place", **ORDER)[1] == -1102
    assert client.error("order.place", **ORDER, timestamp=exchange.now_ms - 5_002)[1] == -1021
    # of somebody else the key is not enough
    words = "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."
    as_bob = {**ORDER, "timestamp": exchange.now_ms, "apiKey": exchange.bob.key_id}
    assert client.error("order.place", **as_bob) == (400, -1102, words)
    # somebody else's signature counts for its request
    assert client.result("order.place", exchange.bob, **ORDER)["orderId"] == 2
    assert exchange.market.order("b", 2) is not None
    assert client.result("session.status")["apiKey"] == owner.key_id
    exchange.clock.advance(ms=7)
    assert client.result("session.logout") == {**out, "serverTime": exchange.now_ms}
    assert client.error("order.place", **ORDER, timestamp=exchange.now_ms)[:2] == (401, -2014)


@pytest.mark.parametrize("kind", ["hmac", "rsa"])
def test_only_ed25519_logs_on(exchange: Exchange, kind: str) -> None:
    owner: Owner = getattr(exchange, kind)("a")
    client = exchange.connect()
    assert client.error("session.logon", owner) == (401, -4056, "HMAC_SHA256 API key is not supported.")
    assert client.session.identity is None


def test_a_logon_is_signed_each_time(exchange: Exchange) -> None:
    client, owner = exchange.connect(), exchange.ed25519("a")
    client.result("session.logon", owner)
    assert client.error("session.logon", timestamp=exchange.now_ms)[1:] == (
        -1102,
        "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.",
    )


def test_a_revoked_key_is_logged_off(exchange: Exchange) -> None:
    client, owner = exchange.connect(), exchange.ed25519("a")
    client.result("session.logon", owner)
    exchange.revoke(owner)
    assert client.error("openOrders.status", timestamp=exchange.now_ms)[:2] == (401, -2014)
    assert client.session.identity is None


def test_our_own_login_counts(exchange: Exchange) -> None:
    client = exchange.connect(identity=Identity(exchange.alice.key_id, "a", frozenset({"trade"})))
    assert client.result("order.place", **ORDER, timestamp=exchange.now_ms)["orderId"] == 1
    assert client.result("userDataStream.subscribe") == {"subscriptionId": 0}


def test_an_operator_is_told_of_no_account(exchange: Exchange) -> None:
    client = exchange.connect(identity=Identity(exchange.hmac("ops", "admin").key_id, "ops", frozenset({"admin"})))
    assert client.error("userDataStream.subscribe")[:2] == (401, -2015)
    assert client.result("session.subscriptions") == []


# ---- the connection ------------------------------------------------------------------------------


def test_times_are_in_the_unit_that_is_asked_for(exchange: Exchange) -> None:
    exchange.clock.ns += 1_234_567
    us = exchange.clock() // 1_000
    assert exchange.connect("timeUnit=microsecond").result("time") == {"serverTime": us}
    assert exchange.connect().result("time") == {"serverTime": us // 1_000}
    headers = {"x-mbx-time-unit": "MICROSECOND"}
    assert exchange.ask_http("GET", "/api/v3/time", headers=headers).body == {"serverTime": us}


def test_a_server_that_stops_says_so(exchange: Exchange) -> None:
    client = exchange.connect()
    assert decoded(client.session.drain(0)) == [{"event": {"e": "serverShutdown", "E": exchange.now_ms}}]
    assert client.result("ping") == {}


def test_a_connection_lives_a_day(exchange: Exchange) -> None:
    session = exchange.connect().session
    for _ in range(86_400_000 // session.beat_ms - 1):
        session.check()
    assert session.ending is None
    session.check()
    assert session.ending == (1001, "connected for 24 hours: connect again")


def test_an_answer_for_a_client_that_is_gone(exchange: Exchange) -> None:
    client = exchange.connect()
    with pytest.raises(ValueError, match="not enough values"):  # no answer yet
        client.ask("order.place", exchange.alice, commit=False, **ORDER)
    client.session.closed()
    client.session.closed()
    exchange.commit()
    assert client.said() == []
    assert exchange.market.order("a", 1) is not None


def test_other_paths(exchange: Exchange) -> None:
    refused = exchange.try_connect("/elsewhere")
    assert isinstance(refused, Refused)
    assert refused.status == 404
