"""`Session.received`: requests, damaged as values and as bytes, in both encodings.

The contract: it never raises. Each message has exactly one reply, at once or when its commands are on the tape, under
the message's own id if that is one. A refusal has a code of the table and a text; what is refused at once leaves
nothing for the tape. And whatever came, the session goes on: the next ping is answered.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.harness import damaged, encoded, fuzzed, torn
from session_client import SYMBOL, Client
from support import START_NS
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from tickwire.protocol.session import ALL_METHODS

ENCODINGS = {"json": SUBPROTOCOL_JSON, "msgpack": SUBPROTOCOL_MSGPACK}
LIMIT = {"symbol": SYMBOL, "side": "buy", "price": "1.00", "size": "0.010", "client_order_id": "c"}
TRANSFER = {"account": "alice", "asset": "USDT", "amount": "1", "transfer_id": "t1"}
PARAMS: dict[str, list[Any]] = {
    "ping": [{}],
    "time": [{}],
    "instruments": [{}, {"venue": "SIM", "asset_class": "crypto"}],
    "subscribe": [
        {"channel": "trades", "symbols": [SYMBOL], "from": {"epoch": "e1", "seq": {SYMBOL: 0}}},
        {"channel": "book", "symbols": [SYMBOL], "depth": 10, "interval_ms": 100},
        {"channel": "candles", "symbols": [SYMBOL], "interval": "1m"},
        {"channel": "fills", "from": {"epoch": "e1", "seq": 0}},
    ],
    "unsubscribe": [{"channel": "trades", "symbols": [SYMBOL]}],
    "subscriptions": [{}],
    "snapshot": [{"channel": "book", "symbol": SYMBOL, "depth": 10}, {"channel": "orders"}],
    "history": [
        {"channel": "candles", "symbol": SYMBOL, "interval": "1m", "start": 1, "end": START_NS * 2, "limit": 1_000},
        {"channel": "trades", "symbol": SYMBOL},
    ],
    "auth.login": [{"key": "trader", "signature": "trader signs sign me"}, {"token": "a.b.c", "takeover": True}],
    "auth.logout": [{}],
    "session.cancel_on_disconnect": [{"scope": "account"}],
    "session.dead_man": [{"timeout_ms": 1_000}],
    "order.place": [
        LIMIT,
        LIMIT | {"time_in_force": "gtd", "expires_at": START_NS * 2, "post_only": True, "display_size": "0.005"},
        {"symbol": SYMBOL, "side": "sell", "type": "stop", "stop_price": "2.00", "size": "1", "reduce_only": True},
        {"symbol": SYMBOL, "side": "buy", "type": "market", "size": "1", "self_trade_prevention": "cancel_oldest"},
    ],
    "order.amend": [{"order_id": "1", "price": "1.01", "size": "0.020"}],
    "order.cancel": [{"order_id": "1"}, {"client_order_id": "c"}],
    "order.cancel_all": [{}, {"symbol": SYMBOL}],
    "order.batch": [
        {
            "operations": [
                {"method": "place", "params": LIMIT},
                {"method": "amend", "params": {"order_id": "1", "size": "1"}},
                {"method": "cancel", "params": {"order_id": "1"}},
            ]
        }
    ],
    "order.get": [{"order_id": "1"}],
    "order.list": [{}],
    "account.balances": [{}],
    "account.positions": [{}],
    "account.fills": [{}],
    "account.portfolio": [{"currency": "USDT"}],
    "admin.deposit": [TRANSFER],
    "admin.withdraw": [TRANSFER],
    "admin.kill_switch": [{"on": True, "account": "alice"}, {"on": False, "symbol": SYMBOL}],
    "admin.trading_status": [{"symbol": SYMBOL, "state": "halted"}],
}
REQUESTS = [{"id": 7, "method": method, "params": params} for method, choices in PARAMS.items() for params in choices]
LOGINS = ["", "reader", "trader", "operator"]


def is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 36
    return type(value) is int and -(2**63) <= value < 2**63


def check(client: Client, encoding: str, data: bytes, request: Any = None) -> None:
    """Hold the session to the contract, for one message.

    Args:
        request: what the message decodes to, if that is known.
    """
    client.world.clock.advance(ms=2_000)
    client.world.commands.clear()
    at_once = [message for message in client.send(data) if "id" in message]
    taken = list(client.world.commands)
    (reply,) = at_once + client.commit()
    assert ("result" in reply) != ("error" in reply), reply
    error = reply.get("error")
    if isinstance(request, dict) and is_id(request.get("id")) and (error is None or error["code"] != "invalid_json"):
        assert reply["id"] == request["id"]
    if error is not None:
        assert error["code"] in ERROR_CODES
        assert 0 < len(error["message"]) <= 500
        assert len(error.get("field", "")) <= 500
        assert not (at_once and taken), error
    client.world.clock.advance(ms=2_000)
    (pong,) = client.send(encoded({"id": 99, "method": "ping"}, encoding))
    assert (pong["id"], "error" in pong) == (99, False)


def test_there_is_a_request_of_every_method() -> None:
    assert set(PARAMS) == set(ALL_METHODS)


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(150)
@given(st.sampled_from(LOGINS), st.lists(st.sampled_from(REQUESTS).flatmap(damaged), min_size=1, max_size=4))
def test_damaged_requests(encoding: str, login: str, requests: list[Any]) -> None:
    client = Client(ENCODINGS[encoding], login=login)
    client.world.fund(USDT="1000", BTC="10")
    for request in requests:
        check(client, encoding, encoded(request, encoding), request)


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(100)
@given(st.data(), st.sampled_from(LOGINS), st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3))
def test_torn_messages(encoding: str, data: st.DataObject, login: str, requests: list[Any]) -> None:
    client = Client(ENCODINGS[encoding], login=login)
    for request in requests:
        check(client, encoding, data.draw(torn(encoded(request, encoding))))


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(100)
@given(st.binary(max_size=80))
@example(b'{"id":1,"method":"ping","params":' + b"[" * 50_000)
@example(b"\x91" * 50_000)
def test_any_bytes(encoding: str, data: bytes) -> None:
    check(Client(ENCODINGS[encoding]), encoding, data)
