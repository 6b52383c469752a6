"""The connection of the venue's market streams: its addresses, control messages, errors and limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from binance_market import VenueWorld
from support import BTC, START_NS, decoded, order
from tickwire.dialects.base import Refused
from tickwire.errors import InvalidInput
from tickwire.limits import HEARTBEAT_MS, IDLE_SECONDS_MAX
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueTrade

START = START_NS // 1_000_000
DAYS_BEATS = 86_400_000 // HEARTBEAT_MS
FX = Instrument(
    venue="FX",
    base="EUR",
    quote="USD",
    asset_class="fx",
    tick_size="0.0001",
    lot_size="1",
    kind="mirrored",
    book="none",
)
LIST = b'{"method":"LIST_SUBSCRIPTIONS","id":7}'


def traded(world: VenueWorld) -> None:
    """One trade, of 0.002 at 101.00."""
    world.do(order("sell", 10_100, 2), order("buy", 10_100, 2))


def listed(client: Any) -> Any:
    return client.ask("LIST_SUBSCRIPTIONS")["result"]


# ---- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/ws", "", []),
        ("/ws/", "", []),
        ("/ws/1", "", []),
        ("/ws/btcusdt@trade", "", ["btcusdt@trade"]),
        ("/ws/btcusdt@trade/btcusdt@depth", "", ["btcusdt@trade", "btcusdt@depth"]),
        ("/ws/btcusdt%40trade", "", ["btcusdt@trade"]),
        ("/ws/!miniTicker@arr", "", ["!miniTicker@arr"]),
        ("/stream", "", []),
        ("/stream/", "", []),
        ("/stream", "streams=btcusdt@trade", ["btcusdt@trade"]),
        ("/stream", "streams=btcusdt@trade/btcusdt@kline_1d@+08:00", ["btcusdt@trade", "btcusdt@kline_1d@+08:00"]),
        ("/stream", "streams=btcusdt%40trade%2Fbtcusdt@ticker", ["btcusdt@trade", "btcusdt@ticker"]),
        ("/stream", "timeUnit=microsecond&streams=btcusdt@trade", ["btcusdt@trade"]),
        ("/stream/ws", "", []),
        ("/stream/ws/0", "", []),
        ("/stream/ws/anything", "", []),
        ("/stream/ws/btcusdt@trade", "", ["btcusdt@trade"]),
    ],
)
def test_the_address_names_the_streams(path: str, query: str, names: list[str]) -> None:
    assert listed(VenueWorld().open(path, query)) == names


@pytest.mark.parametrize(
    ("path", "combined"), [("/ws", False), ("/ws/3", False), ("/stream", True), ("/stream/ws/0", False)]
)
def test_the_address_says_whether_payloads_are_wrapped(path: str, combined: bool) -> None:
    world = VenueWorld()
    client = world.open(path)
    assert client.ask("GET_PROPERTY", "combined") == {"result": combined, "id": 1}
    assert client.ask("SUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 1}
    traded(world)
    (message,) = client.said()
    assert ("stream" in message) is combined
    assert (message["data"] if combined else message)["q"] == "0.00200000"


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/ws/nothing@trade", "", "no stream 'nothing@trade': no symbol 'nothing'; exchangeInfo lists them"),
        ("/ws/nothing", "", "no stream 'nothing': no symbol 'nothing'; exchangeInfo lists them"),
        ("/ws/BTCUSDT@trade", "", "no stream 'BTCUSDT@trade': symbols are in lower case here, 'btcusdt'"),
        ("/stream", "streams=btcusdt@trades", "no stream 'btcusdt@trades': after <symbol>@ comes one of trade, aggTr"),
        ("/stream", "streams=btcusdt@kline_2m", "no stream 'btcusdt@kline_2m': after <symbol>@ comes one of trade,"),
        ("/ws/!bookTicker@arr", "", "no stream '!bookTicker@arr'; of all symbols there are !miniTicker@arr, !ticker@a"),
        ("/ws/eurusd@depth", "", "no stream 'eurusd@depth': eurusd has no depth"),
        ("/ws/eurusd@referencePrice", "", "no stream 'eurusd@referencePrice': eurusd has no referencePrice"),
        ("/ws", "timeUnit=SECOND", "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."),
    ],
)
def test_an_address_that_can_not_be_served_is_refused(path: str, query: str, said: str) -> None:
    world = VenueWorld()
    world.do(ListInstrument(FX))
    refused = world.try_open(path, query)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.text[: len(said)]) == (400, said)


# ---- control messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [1, 0, -5, 2**63 - 1, -(2**63), "1", "x" * 36, "", None])
def test_ids_come_back_as_they_are(request_id: object) -> None:
    assert VenueWorld().open("/ws").ask("SUBSCRIBE", "btcusdt@trade", request_id=request_id) == {
        "result": None,
        "id": request_id,
    }


def test_subscribing_and_unsubscribing() -> None:
    world = VenueWorld()
    client = world.open("/ws")
    assert client.send(b'{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@aggTrade"],"id":"a"}') == [
        {"result": None, "id": "a"}
    ]
    traded(world)
    assert [message["e"] for message in client.said()] == ["trade", "aggTrade"]
    assert client.ask("SUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 1}  # again: nothing new
    assert listed(client) == ["btcusdt@trade", "btcusdt@aggTrade"]
    assert client.ask("UNSUBSCRIBE", "btcusdt@trade", "btcusdt@ticker") == {"result": None, "id": 1}
    traded(world)
    assert [message["e"] for message in client.said()] == ["aggTrade"]
    assert client.send(LIST) == [{"result": ["btcusdt@aggTrade"], "id": 7}]


def test_what_a_subscription_begins_with_follows_the_answer() -> None:
    world = VenueWorld()
    world.do(order("buy", 10_000, 1))
    client = world.open("/ws")
    assert client.ask("SUBSCRIBE", "btcusdt@bookTicker", "btcusdt@depth5")["result"] is None
    assert client.first == [
        {"u": 1, "s": "BTCUSDT", "b": "100.00000000", "B": "0.00100000", "a": "0.00000000", "A": "0.00000000"},
        {"lastUpdateId": 1, "bids": [["100.00000000", "0.00100000"]], "asks": []},
    ]


def test_one_wrong_name_and_nothing_is_done() -> None:
    client = VenueWorld().open("/ws")
    answer = client.ask("SUBSCRIBE", "btcusdt@trade", "ethusdt@trade")
    said = "Invalid request: no stream 'ethusdt@trade': no symbol 'ethusdt'; exchangeInfo lists them"
    assert answer == {"code": 2, "msg": said, "id": 1}
    assert listed(client) == []


def test_unsubscribing_gives_up_what_is_there() -> None:
    client = VenueWorld().open("/ws/btcusdt@trade/btcusdt@depth")
    assert client.ask("UNSUBSCRIBE", "ethusdt@trade", "nonsense", "btcusdt@trade") == {"result": None, "id": 1}
    assert listed(client) == ["btcusdt@depth"]


def test_two_names_of_one_stream() -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@depth/btcusdt@depth@1000ms")
    assert listed(client) == ["btcusdt@depth", "btcusdt@depth@1000ms"]
    client.ask("UNSUBSCRIBE", "btcusdt@depth")
    world.do(order("buy", 10_000, 1))
    world.do(ms=1000)
    assert [message["u"] for message in client.said()] == [1]
    client.ask("UNSUBSCRIBE", "btcusdt@depth@1000ms")
    world.do(order("buy", 10_000, 1))
    world.do(ms=1000)
    assert client.said() == []


def test_properties() -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@trade")
    assert client.ask("SET_PROPERTY", "combined", True) == {"result": None, "id": 1}
    assert client.ask("GET_PROPERTY", "combined", request_id="p") == {"result": True, "id": "p"}
    traded(world)
    assert [message["stream"] for message in client.said()] == ["btcusdt@trade"]
    client.ask("SET_PROPERTY", "combined", False)
    traded(world)
    assert [message["e"] for message in client.said()] == ["trade"]


def test_another_form_leaves_no_gap() -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@depth/btcusdt@depth@1000ms")
    world.do(order("buy", 10_000, 1))
    assert client.ask("SET_PROPERTY", "combined", True)["result"] is None
    world.do(order("buy", 10_001, 1))
    world.do(ms=1000)
    said = [(message["stream"], message["data"]["U"], message["data"]["u"]) for message in client.said()]
    assert said == [("btcusdt@depth", 1, 2), ("btcusdt@depth@1000ms", 1, 2)]
    world.do(order("buy", 10_002, 1))
    client.ask("SET_PROPERTY", "combined", False)
    world.do(ms=1000)
    assert [(message["U"], message["u"]) for message in client.said()] == [(3, 3)]
    assert listed(client) == ["btcusdt@depth", "btcusdt@depth@1000ms"]
    client.session.closed()
    assert world.hub.heard == {}


def test_what_may_not_be_seen_any_more_is_not_had_in_another_form() -> None:
    """The name has come to mean another instrument, which the key may not see."""
    world = VenueWorld(FX)
    client = world.open("/ws/eurusd@bookTicker/eurusd@trade", identity=Identity("k", "a", frozenset(), (), ("FX:*",)))
    matched = msgspec.structs.replace(BTC, base="EUR", quote="USD")
    world.do(ListInstrument(matched))
    refused = {"code": 2, "msg": "Invalid request: this key may not see eurusd@bookTicker", "id": 1}
    assert client.ask("SET_PROPERTY", "combined", True) == refused
    assert client.ask("GET_PROPERTY", "combined")["result"] is False
    assert listed(client) == ["eurusd@bookTicker", "eurusd@trade"]
    world.do(VenueTrade(FX.symbol, "x", 10_850, 1, "buy", 0))
    assert [message["p"] for message in client.said()] == ["1.08500000"]


def test_what_is_no_more_is_not_had_in_another_form() -> None:
    world = VenueWorld(msgspec.structs.replace(FX, book="levels"))
    client = world.open("/ws/eurusd@trade/eurusd@depth")
    world.do(ListInstrument(FX))
    said = "Invalid request: no stream 'eurusd@depth': eurusd has no depth"
    assert client.ask("SET_PROPERTY", "combined", True) == {"code": 2, "msg": said, "id": 1}
    assert client.ask("GET_PROPERTY", "combined")["result"] is False
    world.do(VenueTrade(FX.symbol, "x", 10_850, 1, "buy", 0))
    assert [message["p"] for message in client.said()] == ["1.08500000"]


VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.mark.parametrize(
    ("message", "code", "said", "request_id"),
    [
        (b'{"method":"SET_PROPERTY","params":["speed",true],"id":1}', 0, "Unknown property", 1),
        (b'{"method":"GET_PROPERTY","params":["speed"],"id":1}', 0, "Unknown property", 1),
        (
            b'{"method":"SET_PROPERTY","params":["combined",1],"id":1}',
            1,
            "Invalid value type: expected Boolean",
            1,
        ),
        (
            b'{"method":"SUBSCRIBED","params":["x"],"id":1}',
            2,
            f"Invalid request: unknown variant `SUBSCRIBED`, expected one of {VARIANTS}",
            1,
        ),
        (b'{"params":["btcusdt@trade"],"id":"q"}', 2, "Invalid request: missing field `method`", "q"),
        (b'{"method":3,"id":1}', 2, "Invalid request: method must be a string", 1),
        (b'{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "Invalid request: too many parameters", 1),
        (b'{"method":"SET_PROPERTY","params":["a",true,1],"id":1}', 2, "Invalid request: too many parameters", 1),
        (b'{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}', 2, "Invalid request: too many parameters", 1),
        (
            b'{"method":"SET_PROPERTY","params":["combined"],"id":1}',
            2,
            "Invalid request: params must have 2: the property's name and its value",
            1,
        ),
        (
            b'{"method":"GET_PROPERTY","id":1}',
            2,
            "Invalid request: params must have 1: the property's name",
            1,
        ),
        (b'{"method":"GET_PROPERTY","params":[1],"id":1}', 2, "Invalid request: property name must be a string", 1),
        (
            b'{"method":"SUBSCRIBE","params":[],"id":1}',
            2,
            "Invalid request: missing field `params`: name at least one stream",
            1,
        ),
        (
            b'{"method":"SUBSCRIBE","params":[5],"id":1}',
            2,
            "Invalid request: params must be the names of streams, strings",
            1,
        ),
        (b'{"method":"SUBSCRIBE","params":"x","id":1}', 2, "Invalid request: params must be an array", 1),
        *[
            (
                b'{"method":"LIST_SUBSCRIPTIONS","id":%b}' % wrong,
                2,
                "Invalid request: id must be a 64-bit integer, a string of at most 36 characters or null",
                None,
            )
            for wrong in (b"1.5", b"true", b"[1]", b"{}", b"9223372036854775808", b'"%b"' % (b"x" * 37))
        ],
        (b"[1,2]", 2, "Invalid request: a message is one object with method, params and id", None),
    ],
)
def test_errors(message: bytes, code: int, said: str, request_id: object) -> None:
    client = VenueWorld().open("/ws")
    assert client.send(message) == [{"code": code, "msg": said, "id": request_id}]
    assert client.session.ending is None
    assert client.send(LIST) == [{"result": [], "id": 7}]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"nonsense", b'{"method":"\xff"}', b'{"id":' + b"[" * 5_000, b'{"id":1} x']
)
def test_what_is_not_json(data: bytes) -> None:
    (answer,) = VenueWorld().open("/ws").send(data)
    assert (answer["code"], answer["msg"][:14], answer["id"]) == (3, "Invalid JSON: ", None)


# ---- limits --------------------------------------------------------------------------------------------


def test_pings_count_like_messages() -> None:
    client = VenueWorld().open("/ws")
    client.session.pinged(4)
    assert client.send(LIST) == [{"result": [], "id": 7}]
    client.session.pinged(1)
    assert client.session.ending == (1008, "more than 5 messages a second")


def test_five_messages_a_second() -> None:
    world = VenueWorld()
    client = world.open("/ws")
    assert [client.send(LIST) for _ in range(5)] == [[{"result": [], "id": 7}]] * 5
    assert client.session.ending is None
    world.clock.advance(ms=200)
    assert client.send(LIST) == [{"result": [], "id": 7}]
    assert client.send(LIST) == []
    assert client.session.ending == (1008, "more than 5 messages a second")
    world.clock.advance(ms=5000)
    assert client.send(LIST) == []


def test_1024_streams() -> None:
    world = VenueWorld()
    for n in range(19):
        world.do(ListInstrument(msgspec.structs.replace(BTC, base=f"C{n}")))
    kinds = [f"kline_{i}{zone}" for i in ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h") for zone in ("", "@+08:00")]
    kinds += [f"depth{n}{speed}" for n in ("", 5, 10, 20) for speed in ("", "@100ms", "@1000ms")]
    kinds += ["trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "avgPrice"]
    kinds += [f"kline_{i}{zone}" for i in ("4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M") for zone in ("", "@+08:00")]
    kinds += ["ticker_1h", "ticker_4h", "ticker_1d"]
    names = [f"{symbol.lower()}@{kind}" for symbol in world.names.table() for kind in kinds]
    assert len(names) == 20 * 53
    refused = world.try_open("/stream", "streams=" + "/".join(names[:1025]))
    assert refused == Refused(400, "a connection may have 1024 streams; unsubscribe first")
    client = world.open("/stream", "streams=" + "/".join(names[:1024]))
    said = "Invalid request: a connection may have 1024 streams; unsubscribe first"
    assert client.ask("SUBSCRIBE", names[1024]) == {"code": 2, "msg": said, "id": 1}
    client.ask("UNSUBSCRIBE", names[0])
    assert client.ask("SUBSCRIBE", names[1024]) == {"result": None, "id": 1}


def test_a_connection_lives_a_day() -> None:
    session = VenueWorld().open("/ws/btcusdt@trade").session
    assert (session.beat_ms, session.heartbeat(), session.headers) == (HEARTBEAT_MS, b"", [])
    for _ in range(DAYS_BEATS - 1):
        session.check()
    assert session.ending is None
    session.check()
    assert session.ending == (1001, "connected for 24 hours: connect again")


def test_a_connection_that_wants_nothing() -> None:
    client = VenueWorld().open("/ws")
    for _ in range(IDLE_SECONDS_MAX * 1000 // HEARTBEAT_MS - 1):
        client.session.check()
    client.send(LIST)
    client.session.check()
    assert client.session.ending is None
    for _ in range(IDLE_SECONDS_MAX * 1000 // HEARTBEAT_MS - 1):
        client.session.check()
    assert client.session.ending == (1008, "nothing subscribed to in 600 s")


@pytest.mark.parametrize(("path", "combined"), [("/ws", False), ("/stream", True)])
def test_a_stop_is_said(path: str, combined: bool) -> None:
    world = VenueWorld()
    (said,) = decoded(world.open(path).session.drain(START_NS + 10**10))
    event = {"e": "serverShutdown", "E": START + 1}
    assert said == ({"stream": "!serverShutdown", "data": event} if combined else event)


def test_a_closed_connection_leaves_nothing_behind() -> None:
    world = VenueWorld()
    client = world.open("/stream", "streams=btcusdt@trade/btcusdt@kline_1m/!ticker@arr")
    client.session.closed()
    client.session.closed()
    traded(world)
    world.do(ms=2000)
    assert client.said() == []
    assert world.hub.heard == {}


def test_answers_are_counted() -> None:
    world = VenueWorld()
    client = world.open("/ws")
    client.send(LIST)
    client.send(b"{")
    client.ask("SUBSCRIBE", "x")
    client.ask("HACK", "x")
    assert dict(world.services.meters.requests) == {
        ("LIST_SUBSCRIPTIONS", "ok"): 1,
        ("unknown", "invalid_json"): 1,
        ("SUBSCRIBE", "invalid_request"): 1,
        ("unknown", "invalid_request"): 1,
    }
    sent = world.services.meters.sent["binance"]
    assert (sent.messages, sent.size > 100) == (4, True)


# ---- keys ----------------------------------------------------------------------------------------------

ALL = Identity("k1", "a", frozenset({"read"}))
TRADES_OF_SIM = Identity("k2", "a", frozenset({"read"}), ("trades", "ticker"), ("SIM:*",))


def test_where_a_key_is_needed() -> None:
    world = VenueWorld(require_key=True)
    world.known["secret"] = ALL
    said = "this server needs a key: send it in the header X-MBX-APIKEY or Authorization"
    assert world.try_open("/ws/btcusdt@trade") == Refused(401, said)
    assert world.try_open("/ws", headers={"x-mbx-apikey": "wrong"}) == Refused(401, "the key is not known")
    assert listed(world.open("/ws/btcusdt@trade", headers={"x-mbx-apikey": "secret"})) == ["btcusdt@trade"]
    assert listed(world.open("/ws/btcusdt@trade", identity=ALL)) == ["btcusdt@trade"]
    words = "A key's name proves nothing without a signature: give the key's GUID as API key, which signs as well."
    assert world.try_open("/ws", headers={"x-mbx-apikey": "k1"}) == Refused(401, words)


def test_where_no_key_is_needed_none_is_looked_at() -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@trade", headers={"x-mbx-apikey": "k1"})
    assert (listed(client), client.session.identity) == (["btcusdt@trade"], None)


@pytest.mark.parametrize(("code", "status"), [("rate_limited", 429), ("busy", 503)])
def test_a_key_that_can_not_be_looked_at_now(monkeypatch: pytest.MonkeyPatch, code: str, status: int) -> None:
    world = VenueWorld(require_key=True)

    def later(key: str, ip: str) -> Identity:
        raise InvalidInput("come again later", code=code)

    monkeypatch.setattr(world, "api_key", later)
    assert world.try_open("/ws", headers={"x-mbx-apikey": "secret"}) == Refused(status, "come again later")


def test_what_a_key_may_not_see_is_refused() -> None:
    world = VenueWorld()
    world.do(ListInstrument(FX))
    client = world.open("/ws/btcusdt@trade/btcusdt@ticker_1h", identity=TRADES_OF_SIM)
    for name in ("btcusdt@depth", "btcusdt@bookTicker", "btcusdt@kline_1m", "eurusd@trade"):
        refused = {"code": 2, "msg": f"Invalid request: this key may not see {name}", "id": 1}
        assert client.ask("SUBSCRIBE", name) == refused
        assert world.try_open(f"/ws/{name}", identity=TRADES_OF_SIM) == Refused(400, f"this key may not see {name}")
    # an array would show other venues' symbols
    assert world.try_open("/ws/!miniTicker@arr", identity=TRADES_OF_SIM) == Refused(
        400, "this key may not see !miniTicker@arr"
    )
    assert listed(world.open("/ws/!miniTicker@arr", identity=ALL)) == ["!miniTicker@arr"]


@pytest.mark.parametrize("notices", ["check", "received"])
def test_a_revoked_key_ends_the_session(notices: str) -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@trade", identity=ALL)
    world.revoked.add("k1")
    if notices == "check":
        client.session.check()
    else:
        assert client.send(LIST) == []
    assert client.session.ending == (1008, "the key was revoked")
    traded(world)
    assert client.said() == []
