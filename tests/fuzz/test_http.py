"""The HTTP door and the REST methods behind it: any bytes to the socket, requests damaged and cut, wrong parameters.

The contract: nothing raises, and nothing is logged as an error. What is answered is HTTP with one of the known
statuses, never 500; a refusal of the REST interface has a code of the table. A request that is refused for what it says
leaves nothing on the tape.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.doors import Entrance, Socket
from fuzz.harness import TEXTS, damaged, encoded, fuzzed, torn
from support import BTC
from tickwire.model.records import Clock
from tickwire.protocol.codes import ERROR_CODES
from tickwire.server.rest import API

STATUSES = {101, 200, 307, 400, 401, 403, 404, 405, 408, 409, 413, 414, 426, 429, 431, 503}
REFUSED_AT_ONCE = {
    "invalid_json",
    "invalid_request",
    "invalid_params",
    "unknown_symbol",
    "not_logged_in",
    "login_failed",
}

LIMIT = {"symbol": BTC.symbol, "side": "buy", "price": "1.00", "size": "0.010"}
TRANSFER = {"account": "alice", "asset": "USDT", "amount": "1", "transfer_id": "t1"}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/orders", LIMIT),
    ("GET", "/orders", {"symbol": BTC.symbol}),
    ("DELETE", "/orders", {}),
    ("POST", "/orders/batch", {"operations": [{"method": "place", "params": LIMIT}]}),
    ("GET", "/orders/1", {}),
    ("GET", "/orders/client:c", {}),
    ("PATCH", "/orders/1", {"price": "1.01"}),
    ("DELETE", "/orders/client:c", {}),
    ("GET", "/account/balances", {}),
    ("GET", "/account/portfolio", {"currency": "USDT"}),
    ("POST", "/admin/deposits", TRANSFER),
    ("POST", "/admin/withdrawals", TRANSFER),
    ("POST", "/admin/kill-switch", {"on": False, "account": "bob"}),
    ("POST", "/admin/trading-status", {"symbol": BTC.symbol, "state": "open"}),
]
PROBES = [("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/ws", "/nothing")]


def request(method: str, target: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole request."""
    lines = {"Host": "localhost", "Content-Length": str(len(body))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def authorized(entrance: Entrance, method: str, target: str, body: bytes) -> bytes:
    """A whole request of the REST interface."""
    return request(method, API + target, body, {"Authorization": entrance.authorization})


def answers(socket: Socket) -> list[tuple[int, bytes]]:
    """Status and body of each answer, those to HEAD apart, which have none."""
    found, rest = [], bytes(socket.written)
    while rest.startswith(b"HTTP/1.1 "):
        head, _, rest = rest.partition(b"\r\n\r\n")
        status = int(head[9:12])
        assert status in STATUSES, socket.written
        size = re.search(rb"(?im)^content-length: (\d+)\r?$", head)
        length = int(size[1]) if size and status != 101 else 0
        found.append((status, rest[:length]))
        rest = rest[length:]
        if status == 101:
            break
    return found


def check(entrance: Entrance, *pieces: bytes) -> list[tuple[int, bytes]]:
    """Hold the server to the contract, for one connection; its answers."""
    tape = entrance.server.tape
    before = tape.last_seq
    found = answers(entrance.say(*pieces))
    codes = [json.loads(body)["error"]["code"] for _, body in found if body.startswith(b'{"error"')]
    assert set(codes) <= set(ERROR_CODES)
    if found and len(codes) == len(found) and set(codes) <= REFUSED_AT_ONCE:
        assert all(isinstance(record, Clock) for _, records in tape.read(before) for record in records)
    return found


def test_the_requests_are_good(entrance: Entrance) -> None:
    statuses = []
    for method, path, params in CALLS:
        body = encoded(params, "json") if method in ("POST", "PATCH") else b""
        query = "" if body or not params else "?" + urlencode(params)
        (answer,) = check(entrance, authorized(entrance, method, path + query, body))
        statuses.append(answer[0])
    assert statuses == [200, 200, 200, 200, 200, 404, 409, 404, 200, 200, 200, 409, 200, 200]


@fuzzed(80)
@given(data=st.data(), call=st.sampled_from(CALLS))
def test_damaged_parameters(entrance: Entrance, data: st.DataObject, call: tuple[str, str, dict[str, Any]]) -> None:
    method, path, good = call
    params = data.draw(damaged(good))
    if data.draw(st.booleans()):
        path = path.rpartition("/")[0] + "/" + quote(data.draw(TEXTS.map(lambda t: t.encode("utf-8", "replace"))))
    body, query = b"", ""
    if method in ("POST", "PATCH"):
        body = encoded(params, "json")
    elif isinstance(params, dict):
        query = "?" + urlencode({name: str(value).encode("utf-8", "replace") for name, value in params.items()})
    check(entrance, authorized(entrance, method, path + query, body))


@fuzzed(80)
@given(data=st.data(), calls=st.lists(st.sampled_from(CALLS), min_size=1, max_size=2))
def test_torn_requests(entrance: Entrance, data: st.DataObject, calls: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Also two in a row, of which the second may be read as the first one's body."""
    stream = b"".join(authorized(entrance, method, path, encoded(params, "json")) for method, path, params in calls)
    stream = data.draw(torn(stream, changes_max=4))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    check(entrance, *(stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])))


@fuzzed(60)
@given(
    probe=st.sampled_from(PROBES),
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "Origin", "X-Forwarded-For", "Upgrade", "Connection", "Accept", "Host"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
        | st.sampled_from(
            ["websocket", "Upgrade", "chunked", "null", "http://[", "Bearer a.b.c", "Basic OjE=", "Basic é"]
        ),
        max_size=4,
    ),
)
@example(probe=("GET", "/ws"), headers={"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "http://["})
def test_headers(entrance: Entrance, probe: tuple[str, str], headers: dict[str, str]) -> None:
    check(entrance, request(*probe, b"", headers))


@fuzzed(60)
@given(data=st.binary(max_size=200), line=st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"POST /ws HTTP/1.1\r\nHost: "]))
def test_any_bytes(entrance: Entrance, data: bytes, line: bytes) -> None:
    check(entrance, line + data)
