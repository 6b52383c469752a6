"""Whatever a client sends to the Binance dialect's API is answered once, and never makes the server fail."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from binance_api import IP, Exchange
from tickwire.dialects.base import HttpAnswer, HttpRequest
from tickwire.dialects.binance.api import COMMON
from tickwire.dialects.binance.errors import CODES
from tickwire.dialects.binance.operations import OPERATIONS
from tickwire.model.identity import Identity

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "quantity": "0.5"}
NAMES = sorted({name for operation in OPERATIONS for name in operation.parameters})
WORDS = [
    "BTCUSDT", "btcusdt", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "TAKE_PROFIT_LIMIT", "GTC",
    "IOC", "FOK", "0", "1", "0.001", "100", "-1", "1e9", "9" * 40, "0." + "0" * 30 + "1", "true", "false", "", " ",
    "STOP_ON_FAILURE", "ALLOW_FAILURE", "ONLY_NEW", '["BTCUSDT"]', "[1]", "1m", "1M", "4h", "FULL", "MINI", "ACK",
    "+8", "-12:00", "NONE", "DECREMENT", "\x00", "\ud800", "é",
]  # fmt: skip
values = st.one_of(st.sampled_from(WORDS), st.text(max_size=8), st.integers(-3, 10**20).map(str))
raw_values = st.one_of(values, st.integers(), st.floats(), st.booleans(), st.none(), st.lists(values, max_size=2))
operations = st.sampled_from(OPERATIONS)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """An operation, and parameters that are mostly its own."""
    operation = draw(operations)
    names = st.sampled_from([*operation.parameters, *operation.parameters, *NAMES[:3], *sorted(COMMON), "signature"])
    whole = {name: value for name, value in ORDER.items() if name in operation.parameters and draw(st.booleans())}
    return operation, {**whole, **draw(st.dictionaries(names, raw_values, max_size=6))}


def answered(exchange: Exchange, messages: list[Any]) -> None:
    (answer,) = [message for message in messages if "id" in message]
    assert answer["status"] in (200, 400, 401, 409, 429, 503), answer
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in CODES


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), max_size=10))
def test_any_parameters_in_messages(asked: list[tuple[Any, dict[str, Any]]]) -> None:
    exchange = Exchange()
    client = exchange.connect(identity=Identity(exchange.alice.key_id, "a", frozenset({"trade"})))
    for operation, params in asked:
        params = {"timestamp": exchange.now_ms, **params}
        message = json.dumps({"id": 1, "method": operation.method, "params": params})
        messages = client.send(message.encode("utf-8", "surrogatepass"))
        exchange.commit_all()
        answered(exchange, messages + client.said())
    assert exchange.market.ledger.imbalances() == []
    exchange.close()


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_in_messages(data: bytes) -> None:
    exchange = Exchange()
    client = exchange.connect()
    answered(exchange, client.send(data))
    exchange.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests(), st.booleans(), st.text(max_size=10), st.binary(max_size=20))
def test_any_request_over_http(asked: tuple[Any, dict[str, Any]], signs: bool, query: str, body: bytes) -> None:
    operation, params = asked
    exchange = Exchange()
    params = {name: str(value) for name, value in params.items()}
    text = urlencode({"timestamp": str(exchange.now_ms), **params}, errors="replace")
    headers = {"x-mbx-apikey": exchange.alice.key_id}
    if signs:
        query, body = f"{text}&signature={exchange.alice.sign(text.encode())}", b""
    answers: list[HttpAnswer] = []
    request = HttpRequest(operation.verb or "GET", f"/api/v3{operation.path}", query, headers, body, IP)
    exchange.dialect.http(exchange.services, request, answers.append)
    exchange.commit_all()
    (answer,) = answers
    assert answer.status in (200, 400, 401, 404, 409, 429, 503)
    if answer.status != 200:
        assert json.loads(answer.body)["code"] in CODES
    exchange.close()
