"""The server's end of a session: every request is answered, every wrong one with a code of the table."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from session_client import SYMBOL, Client
from support import BTC, START_NS, decoded, funded, order
from tickwire.limits import HEARTBEAT_MS, REQUESTS_PER_SECOND_MAX, SUBSCRIPTIONS_MAX
from tickwire.model.records import ListInstrument, VenueQuote
from tickwire.protocol.codec import JSON, MSGPACK


@pytest.fixture(params=[JSON.name, MSGPACK.name])
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


def test_hello_says_all_that_a_client_must_know(client: Client) -> None:
    (hello,) = decoded(client.session.opened(), client.encoding)
    assert hello == {
        "type": "hello",
        "session": "s1",
        "epoch": "e1",
        "time": client.world.clock(),
        "version": "1.2.3",
        "heartbeat_ms": HEARTBEAT_MS,
        "challenge": "sign me",
        "demo": False,
        "limits": {"message_bytes": 65536, "requests_per_second": 50, "subscriptions": 1024},
    }


def test_ping_and_time(client: Client) -> None:
    (pong,) = client.call("ping", request_id="abc")
    now = client.world.clock()
    rate = {"limit": 50, "remaining": 49, "reset_ms": 20}
    assert pong == {"id": "abc", "time_in": now, "time_out": now, "result": {"rate": rate}}
    (reply,) = client.call("time", {}, request_id=-7)
    assert (reply["id"], reply["result"]) == (-7, {"time": client.world.clock()})


def test_instruments_can_be_narrowed(client: Client) -> None:
    (everything,) = client.call("instruments")
    assert [row["symbol"] for row in everything["result"]["instruments"]] == [SYMBOL, "FXCM:EUR-USD"]
    (fx,) = client.call("instruments", {"asset_class": "fx"})
    assert fx["result"]["instruments"] == [
        {
            "symbol": "FXCM:EUR-USD",
            "venue": "FXCM",
            "base": "EUR",
            "quote": "USD",
            "asset_class": "fx",
            "kind": "mirrored",
            "tick_size": "0.00001",
            "lot_size": "1",
            "channels": ["trades", "quotes", "candles", "ticker", "rates", "status"],
            "status": {"instrument": "open", "feed": "down", "reason": "not started"},
            "maker_fee": "0",
            "taker_fee": "0",
            "price_band": "",
            "size_max": "",
            "notional_min": "",
            "notional_max": "",
        }
    ]
    (none,) = client.call("instruments", {"venue": "NYSE"})
    assert none["result"]["instruments"] == []


def test_subscribe_answers_then_shows_each_stream_then_goes_on(client: Client) -> None:
    client.world.do(order("buy", 100, 5))
    reply, book = client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    assert reply["result"] == {"streams": [{"channel": "book", "symbol": SYMBOL, "seq": 1}]}
    assert (book["type"], book["seq"], book["data"]["bids"]) == ("snapshot", 1, [["1.00", "0.005"]])
    client.world.do(order("buy", 101, 5))
    (update,) = client.sink.messages()
    assert (update["type"], update["seq"]) == ("update", 2)


def test_several_symbols_at_once_and_repeated_ones_count_once(client: Client) -> None:
    symbols = [SYMBOL, "FXCM:EUR-USD", SYMBOL]
    reply, first, second = client.call("subscribe", {"channel": "quotes", "symbols": symbols})
    assert [s["symbol"] for s in reply["result"]["streams"]] == [SYMBOL, "FXCM:EUR-USD"]
    assert (first["symbol"], second["symbol"]) == (SYMBOL, "FXCM:EUR-USD")


def test_options_name_the_stream(client: Client) -> None:
    reply, message = client.call("subscribe", {"channel": "book", "symbols": [SYMBOL], "depth": 5, "interval_ms": 250})
    named = {"channel": "book", "symbol": SYMBOL, "seq": 0, "depth": 5, "interval_ms": 250}
    assert reply["result"]["streams"] == [named]
    assert (message["depth"], message["interval_ms"]) == (5, 250)
    (subscriptions,) = client.call("subscriptions")
    assert subscriptions["result"]["streams"] == [named]


def resumed(client: Client, seq: Any, **options: Any) -> tuple[Any, list[tuple[str, int]]]:
    params = {"channel": "book", "symbols": [SYMBOL], "from": {"epoch": "e1", "seq": seq}, **options}
    reply, *messages = client.call("subscribe", params)
    (state,) = reply["result"]["streams"]
    assert reply["result"]["recovered"] is state["recovered"]
    return state.get("reason", ""), [(message["type"], message["seq"]) for message in messages]


def test_a_subscription_goes_on_from_a_place_in_the_stream_or_says_why_not(client: Client) -> None:
    client.world.do(order("buy", 90, 1))
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.world.do(order("buy", 91, 1), order("buy", 92, 1))
    client.world.do(order("buy", 93, 1))
    client.session.closed()
    client.world.do(order("buy", 94, 1))

    def again() -> Client:
        return Client(client.encoding, world=client.world)

    assert resumed(again(), 5) == ("", [])
    assert resumed(again(), 4) == ("", [("update", 5)])
    late = again()
    assert resumed(late, 2) == ("", [("update", 3)])  # the rest of the transaction in which it was cut off
    late.world.hub.catch_up(late.sink)
    assert [message["seq"] for message in late.sink.messages()] == [4, 5]
    late.world.do(order("buy", 95, 1))
    assert [message["seq"] for message in late.sink.messages()] == [6]
    assert resumed(again(), 0) == ("not all messages after 0 are kept", [("snapshot", 6)])
    assert resumed(again(), 7) == ("the last message is 6", [("snapshot", 6)])
    assert resumed(again(), 5, depth=10) == ("of such a stream only the newest message is kept", [("snapshot", 6)])
    assert resumed(again(), 6, depth=10) == ("", [])


def test_a_place_in_each_of_several_streams(client: Client) -> None:
    other = msgspec.structs.replace(BTC, base="ETH")
    client.world.do(ListInstrument(other), *funded("a", assets=("ETH",)))
    both = [SYMBOL, other.symbol]
    client.call("subscribe", {"channel": "trades", "symbols": both})
    client.world.do(order("buy", 90, 1), order("sell", 90, 1, account="b"))
    again = Client(client.encoding, world=client.world)
    params: dict[str, Any] = {"channel": "trades", "symbols": both}
    place = {"epoch": "e1", "seq": {SYMBOL: 0, other.symbol: 3}}
    reply, trade, snapshot = again.call("subscribe", params | {"from": place})
    assert reply["result"]["recovered"] is False
    assert [(state["recovered"], state.get("reason")) for state in reply["result"]["streams"]] == [
        (True, None),
        (False, "the last message is 0"),
    ]
    assert (trade["symbol"], trade["type"], trade["seq"]) == (SYMBOL, "update", 1)
    assert (snapshot["symbol"], snapshot["type"], snapshot["seq"]) == (other.symbol, "snapshot", 0)
    for seq in (1, {SYMBOL: 1}, {SYMBOL: 1, other.symbol: 1, "x": 1}):
        wrong = params | {"from": {"epoch": "e1", "seq": seq}}
        assert again.error("subscribe", wrong) == ("invalid_params", "from.seq", 1)


def test_unsubscribe_ends_a_stream(client: Client) -> None:
    params = {"channel": "book", "symbols": [SYMBOL]}
    client.call("subscribe", params)
    client.call("unsubscribe", params)
    client.world.do(order("buy", 101, 5))
    assert client.sink.messages() == []
    assert client.error("unsubscribe", params) == ("not_subscribed", "symbols[0]", 1)


def test_unsubscribe_is_all_or_nothing(client: Client) -> None:
    client.call("subscribe", {"channel": "quotes", "symbols": [SYMBOL]})
    refused = client.error("unsubscribe", {"channel": "quotes", "symbols": [SYMBOL, "FXCM:EUR-USD"]})
    assert refused == ("not_subscribed", "symbols[1]", 1)
    (reply,) = client.call("subscriptions")
    assert [s["symbol"] for s in reply["result"]["streams"]] == [SYMBOL]


def test_snapshot_shows_a_stream_without_subscribing(client: Client) -> None:
    client.world.do(order("buy", 100, 5), order("sell", 101, 5))
    (reply,) = client.call("snapshot", {"channel": "book", "symbol": SYMBOL, "depth": 1})
    result = reply["result"]
    assert (result["type"], result["seq"], result["depth"]) == ("snapshot", 2, 1)
    assert (result["data"]["bids"], result["data"]["asks"]) == ([["1.00", "0.005"]], [["1.01", "0.005"]])
    client.world.do(order("buy", 99, 5))
    assert client.sink.messages() == []


def test_heartbeat_names_the_last_seq_of_every_stream(client: Client) -> None:
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.call("subscribe", {"channel": "rates", "symbols": ["FXCM:EUR-USD"]})
    client.world.do(order("buy", 100, 5), order("buy", 101, 5))
    client.world.do(VenueQuote("FXCM:EUR-USD", 138000, 0, 138001, 0))
    (beat,) = decoded(client.session.heartbeat(), client.encoding)
    assert beat == {
        "type": "heartbeat",
        "time": client.world.clock(),
        "streams": [
            {"channel": "book", "symbol": SYMBOL, "seq": 2},
            {"channel": "rates", "symbol": "FXCM:EUR-USD", "seq": 1},
        ],
    }
    assert [m["seq"] for m in client.sink.messages()] == [1, 2, 1]


def test_closed_gives_up_every_subscription(client: Client) -> None:
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.session.closed()
    client.session.closed()
    client.world.do(order("buy", 101, 5))
    assert client.sink.messages() == []


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("nope", None, ("unknown_method", "method")),
        (5, None, ("invalid_request", "method")),
        (None, None, ("invalid_request", "method")),
        ("ping", {"x": 1}, ("invalid_params", "x")),
        ("ping", [], ("invalid_params", "params")),
        ("subscribe", None, ("invalid_params", "channel")),
        ("subscribe", {"channel": "book"}, ("invalid_params", "symbols")),
        ("subscribe", {"channel": "book", "symbols": []}, ("invalid_params", "symbols")),
        ("subscribe", {"channel": "book", "symbols": SYMBOL}, ("invalid_params", "symbols")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL, 5]}, ("invalid_params", "symbols[1]")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL, "SIM:X-Y"]}, ("unknown_symbol", "symbols[1]")),
        ("subscribe", {"channel": "boook", "symbols": [SYMBOL]}, ("unknown_channel", "channel")),
        ("subscribe", {"channel": "book", "symbols": ["FXCM:EUR-USD"]}, ("not_available", "channel")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL], "depth": 7}, ("invalid_params", "depth")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL], "interval_ms": 1}, ("invalid_params", "interval_ms")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL], "interval": "1m"}, ("invalid_params", "interval")),
        ("subscribe", {"channel": "candles", "symbols": [SYMBOL], "interval": "2m"}, ("invalid_params", "interval")),
        ("subscribe", {"channel": "trades", "symbols": [SYMBOL], "depth": 5}, ("invalid_params", "depth")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL], "levels": 5}, ("invalid_params", "levels")),
        ("subscribe", {"channel": "book", "symbols": [SYMBOL], "from": {"seq": 1}}, ("invalid_params", "from.epoch")),
        ("snapshot", {"channel": "book", "symbol": "SIM:X-Y"}, ("unknown_symbol", "symbol")),
        ("instruments", {"venue": 5}, ("invalid_params", "venue")),
    ],
)
def test_a_wrong_request_is_answered_with_its_code_and_field(
    client: Client, method: object, params: object, expected: tuple[str, str]
) -> None:
    assert client.error(method, params, "my-id") == (*expected, "my-id")
    (reply,) = client.call("subscriptions")
    assert reply["result"] == {"streams": []}  # nothing was done


@pytest.mark.parametrize("request_id", [None, True, 1.5, "x" * 37, [], {}])
def test_a_wrong_id_is_answered_with_null(client: Client, request_id: object) -> None:
    assert client.error("ping", request_id=request_id) == ("invalid_request", "id", None)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"nonsense", b'{"id":1}x', b"\xff\xfe", b'{"id":"\xff"}', b'{"params":' + b"[" * 60_000]
)
def test_what_is_not_json_is_answered_with_null(data: bytes) -> None:
    (reply,) = Client().send(data)
    assert (reply["id"], reply["error"]["code"]) == (None, "invalid_json")


@pytest.mark.parametrize("data", [b"[]", b"5", b'"ping"', b"null"])
def test_what_is_no_object_is_answered_with_null(data: bytes) -> None:
    (reply,) = Client().send(data)
    assert (reply["id"], reply["error"]["code"]) == (None, "invalid_request")


def test_an_id_larger_than_64_bits_is_refused() -> None:
    (reply,) = Client().send(b'{"id":9223372036854775808,"method":"ping"}')
    assert (reply["id"], reply["error"]["code"], reply["error"]["field"]) == (None, "invalid_request", "id")


def test_requests_beyond_the_limit_are_refused_and_it_recovers() -> None:
    client = Client()
    answers = [client.send(b'{"id":1,"method":"ping"}')[0] for _ in range(REQUESTS_PER_SECOND_MAX + 2)]
    assert [("error" in answer) for answer in answers] == [False] * REQUESTS_PER_SECOND_MAX + [True, True]
    assert answers[-1]["error"]["code"] == "rate_limited"
    assert answers[-1]["error"]["retry"] is True
    client.world.clock.advance(ms=1000 // REQUESTS_PER_SECOND_MAX)
    assert [("error" in client.send(b'{"id":1,"method":"ping"}')[0]) for _ in range(2)] == [False, True]


def test_subscriptions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SUBSCRIPTIONS_MAX == 1024
    monkeypatch.setattr("tickwire.protocol.session.SUBSCRIPTIONS_MAX", 2)
    client = Client()
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.call("subscribe", {"channel": "trades", "symbols": [SYMBOL]})
    assert client.error("subscribe", {"channel": "quotes", "symbols": [SYMBOL]})[:2] == (
        "too_many_subscriptions",
        "symbols",
    )
    reply, _ = client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})  # again is no further one
    assert reply["result"]["streams"][0]["channel"] == "book"


def test_the_tape_time_is_on_every_message() -> None:
    client = Client()
    client.call("subscribe", {"channel": "trades", "symbols": [SYMBOL]})
    client.world.do(order("buy", 100, 5), order("sell", 100, 5, account="b"))
    (trade,) = client.sink.messages()
    assert trade["ts"] == client.world.clock() > START_NS
    assert msgspec.json.encode(trade["data"]["price"]) == b'"1.00"'
