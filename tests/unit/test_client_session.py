"""The client's session, driven with bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.errors import ClientError, InvalidInput
from tickwire.model.channel import CHANNELS, StreamKey, stream_key
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.client_outcomes import (
    Answered,
    Broken,
    Delivered,
    Ended,
    Interrupted,
    Lost,
    Noticed,
    Outcome,
    Refused,
    Resumed,
)
from tickwire.protocol.client_session import (
    HELLO_TIMEOUT_NS,
    REQUESTS_MAX,
    ClientSession,
)
from tickwire.protocol.client_streams import SYMBOLS_PER_REQUEST_MAX, Places
from tickwire.protocol.messages import (
    BookData,
    CandleData,
    ErrorBody,
    Gap,
    Heartbeat,
    Hello,
    InstrumentInfo,
    Lagging,
    Limits,
    OrderChangeData,
    OrdersData,
    QuoteData,
    RateData,
    Reply,
    Skipped,
    StatusData,
    StreamMessage,
    StreamState,
    TickerData,
    TradeData,
    TradesSnapshot,
)

BTC = "SIM:BTC-USDT"
TRADES = stream_key("trades", BTC)
QUOTES = stream_key("quotes", BTC)
BOOK = stream_key("book", BTC)
DEPTH = stream_key("book", BTC, depth=10, interval_ms=100)
HELLO = Hello("s1", "e1", 7, "0.1.0", 5000, "c", Limits(65_536, 50, 1024))
TRADE = TradeData("t1", "63010.10", "0.001", "buy", 5, "1", "2")
QUOTE = QuoteData("1.0", "2", "1.1", None, 5)


class Wire:
    """A session and what a server would say to it, in one encoding."""

    def __init__(self, encoding: Encoding) -> None:
        self.codec: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self.session = ClientSession(encoding=encoding, opened_ns=1000)
        self.stats = self.session.stats

    def say(self, message: object, now_ns: int = 2000) -> list[Outcome]:
        return self.session.received(self.codec.encode(message), now_ns)

    def subscribe(self, *keys: StreamKey) -> dict[str, Any]:
        """Subscribe and have it answered."""
        request_id, data = self.session.subscribe(list(keys))
        [answered] = self.say(Reply(request_id, 1, 2, {"streams": []}))
        assert isinstance(answered, Answered)
        return self.read(data)

    def stream(self, key: StreamKey, kind: Any, seq: int, data: object) -> list[Outcome]:
        return self.say(message(key, kind, seq, data))

    def read(self, data: bytes) -> dict[str, Any]:
        decoded: dict[str, Any] = self.codec.decode(data)
        return decoded

    def sent(self) -> list[dict[str, Any]]:
        return [self.read(data) for data in self.session.to_send()]

    def heartbeat(self, *streams: tuple[StreamKey, int]) -> list[Outcome]:
        states = [StreamState(k.channel, k.symbol, seq, k.depth, k.interval_ms, k.interval) for k, seq in streams]
        outcomes = self.say(Heartbeat(9, states))
        assert outcomes[:1] == [Heartbeat(9, states)] or isinstance(outcomes[0], Broken)
        return outcomes[1:] if isinstance(outcomes[0], Heartbeat) else outcomes


def message(key: StreamKey, kind: Any, seq: int, data: object) -> StreamMessage:
    return StreamMessage(key.channel, key.symbol, kind, seq, 77, data, key.depth, key.interval_ms, key.interval)


def lost(key: StreamKey, after: int, reason: str) -> Noticed:
    return Noticed(key, Lost(key.channel, key.symbol, after, reason, key.depth, key.interval_ms, key.interval))


@pytest.fixture(params=["json", "msgpack"])
def wire(request: pytest.FixtureRequest) -> Wire:
    return Wire(request.param)


@pytest.fixture
def trades(wire: Wire) -> Wire:
    """Subscribed to trades, with the snapshot at seq 41."""
    wire.subscribe(TRADES)
    wire.stream(TRADES, "snapshot", 41, TradesSnapshot([TRADE]))
    return wire


# ---- requests ----------------------------------------------------------------------------------------


def test_a_request_has_an_id_of_its_own_and_its_params(wire: Wire) -> None:
    first = wire.session.request("ping")
    second = wire.session.request("instruments", {"venue": "SIM"})
    assert (first[0], wire.read(first[1])) == (1, {"id": 1, "method": "ping"})
    assert (second[0], wire.read(second[1])) == (2, {"id": 2, "method": "instruments", "params": {"venue": "SIM"}})


def test_subscribe_names_the_options_that_are_set_only(wire: Wire) -> None:
    eth = DEPTH._replace(symbol="SIM:ETH-USDT")
    assert wire.subscribe(DEPTH, eth)["params"] == {
        "channel": "book",
        "symbols": [BTC, "SIM:ETH-USDT"],
        "depth": 10,
        "interval_ms": 100,
    }
    assert wire.subscribe(TRADES)["params"] == {"channel": "trades", "symbols": [BTC]}
    assert wire.subscribe(stream_key("candles", BTC))["params"] == {
        "channel": "candles",
        "symbols": [BTC],
        "interval": "1m",
    }


def test_replies_are_matched_by_id_in_any_order(wire: Wire) -> None:
    one, _ = wire.session.request("time")
    two, _ = wire.session.request("ping")
    [answered] = wire.say(Reply(two, 1, 2, {}))
    assert isinstance(answered, Answered)
    assert (answered.id, wire.session.decode(answered.result, dict)) == (two, {})
    [answered] = wire.say(Reply(one, 1, 2, {"time": 5}))
    assert isinstance(answered, Answered)
    assert wire.session.decode(answered.result, dict[str, int]) == {"time": 5}


def test_an_error_is_a_refusal_with_all_its_fields(wire: Wire) -> None:
    request_id, _ = wire.session.request("ping")
    [refused] = wire.say(Reply(request_id, 1, 2, error=ErrorBody("rate_limited", "slow down", "params", True)))
    assert isinstance(refused, Refused)
    assert refused.id == request_id
    error = refused.error
    assert (error.code, error.message, error.field, error.retry) == ("rate_limited", "slow down", "params", True)
    assert str(error) == "rate_limited: slow down"


def test_a_reply_to_nothing_is_ignored_and_counted(wire: Wire) -> None:
    request_id, _ = wire.session.request("ping")
    wire.session.forget(request_id)
    for unmatched in (request_id, 99, "text", None):
        assert wire.say(Reply(unmatched, 1, 2, {})) == []
    assert wire.stats.unexpected == 4


def test_a_result_of_the_wrong_shape_is_an_error_that_says_so(wire: Wire) -> None:
    request_id, _ = wire.session.request("instruments")
    [answered] = wire.say(Reply(request_id, 1, 2, [{"symbol": 5}]))
    assert isinstance(answered, Answered)
    with pytest.raises(ClientError, match="not what the protocol says"):
        wire.session.decode(answered.result, list[InstrumentInfo])
    with pytest.raises(ClientError, match="not what the protocol says"):
        wire.session.decode_message(answered.result)


def test_the_result_of_snapshot_is_typed(wire: Wire) -> None:
    request_id, _ = wire.session.request("snapshot")
    [answered] = wire.say(Reply(request_id, 1, 2, message(QUOTES, "snapshot", 8, QUOTE)))
    assert isinstance(answered, Answered)
    assert wire.session.decode_message(answered.result) == message(QUOTES, "snapshot", 8, QUOTE)


def test_requests_in_flight_are_bounded(wire: Wire) -> None:
    for _ in range(REQUESTS_MAX):
        wire.session.request("ping")
    with pytest.raises(ClientError, match="64 requests are in flight"):
        wire.session.request("ping")
    wire.say(Reply(5, 1, 2, {}))
    assert wire.session.request("ping")[0] == REQUESTS_MAX + 1


def test_a_request_larger_than_the_server_takes_is_not_sent(wire: Wire) -> None:
    wire.say(HELLO)
    with pytest.raises(InvalidInput, match="the server takes 65536") as caught:
        wire.session.request("anything", {"text": "x" * 65_536})
    assert caught.value.field == "params"


# ---- streams -----------------------------------------------------------------------------------------


def test_a_stream_is_delivered_typed_and_in_order(trades: Wire) -> None:
    update = message(TRADES, "update", 42, TRADE)
    assert trades.say(update) == [Delivered(TRADES, update, len(trades.codec.encode(update)))]
    [delivered] = trades.stream(TRADES, "update", 43, TRADE)
    assert isinstance(delivered, Delivered)
    assert delivered.message.data.price == "63010.10"


@pytest.mark.parametrize(
    ("key", "snapshot", "update"),
    [
        (TRADES, TradesSnapshot([TRADE]), TRADE),
        (stream_key("book", BTC), BookData([("1", "2")], [], 3), BookData([("1", "0")], [("2", "1")], 4)),
        (DEPTH, BookData([("1", "2")], [], 3), BookData([], [("2", "1")], 4)),
        (
            stream_key("book_l3", BTC),
            OrdersData([("7", "1", "2")], []),
            OrderChangeData("fill", "7", "buy", "1", "1", "1", "t"),
        ),
        (QUOTES, None, QUOTE),
        (
            stream_key("candles", BTC, interval="5s"),
            None,
            CandleData("5s", 1, "1", "2", "0", "1", "9", "9", 3, False),
        ),
        (stream_key("ticker", BTC), None, TickerData("1", "2", "3", "0", "9", "9", "-1", "-50.00", 3)),
        (stream_key("rates", BTC), RateData("1.05"), RateData("1.06", "1", "1.1", 4)),
        (stream_key("status", BTC), StatusData("open", "live", ""), StatusData("halted", "stale", "silent")),
    ],
    ids=lambda value: value.channel if isinstance(value, StreamKey) else "",
)
def test_every_channel_arrives_with_its_type_of_data(wire: Wire, key: StreamKey, snapshot: Any, update: Any) -> None:
    wire.subscribe(key)
    for kind, seq, data in (("snapshot", 5, snapshot), ("update", 6, update)):
        [delivered] = wire.stream(key, kind, seq, data)
        assert isinstance(delivered, Delivered)
        assert (delivered.key, delivered.message) == (key, message(key, kind, seq, data))
        assert type(delivered.message.data) is type(data)


def test_an_update_before_the_snapshot_is_held_back(wire: Wire) -> None:
    wire.subscribe(TRADES)
    assert wire.stream(TRADES, "update", 41, TRADE) == []
    assert len(wire.stream(TRADES, "snapshot", 41, TradesSnapshot([]))) == 1


def test_a_hole_in_a_lossless_stream_is_told_and_asked_for_again(trades: Wire) -> None:
    assert trades.stream(TRADES, "update", 44, TRADE) == [lost(TRADES, 41, "seq 44 came after 41")]
    assert trades.sent() == [{"id": 2, "method": "subscribe", "params": {"channel": "trades", "symbols": [BTC]}}]
    assert trades.stream(TRADES, "update", 45, TRADE) == []
    assert len(trades.stream(TRADES, "snapshot", 45, TradesSnapshot([]))) == 1
    assert len(trades.stream(TRADES, "update", 46, TRADE)) == 1
    assert (trades.stats.lost, trades.sent()) == (1, [])


def test_a_repeated_message_is_no_less_a_fault_than_a_missing_one(trades: Wire) -> None:
    assert trades.stream(TRADES, "update", 41, TRADE) == [lost(TRADES, 41, "seq 41 came after 41")]


def test_the_order_of_the_fields_does_not_matter(trades: Wire) -> None:
    update = message(TRADES, "update", 42, TRADE)
    fields = dict(reversed(trades.read(trades.codec.encode(update)).items()))
    assert next(iter(fields)) == "data"
    assert trades.say(fields) == [Delivered(TRADES, update, len(trades.codec.encode(fields)))]


def test_what_begins_like_one_channel_and_is_of_another_is_read_as_what_it_is(wire: Wire) -> None:
    wire.subscribe(QUOTES)
    wire.subscribe(TRADES)
    wire.stream(TRADES, "snapshot", 41, TradesSnapshot([]))
    both = msgspec.to_builtins(TRADE) | msgspec.to_builtins(QUOTE)
    encoded = wire.codec.encode(message(TRADES, "update", 42, both))
    first = wire.codec.encode({"channel": "quotes", "symbol": ""})
    if wire.codec is msgspec.json:
        twice = first[:-1] + b"," + encoded[1:]
    else:
        twice = bytes([encoded[0] + 2]) + first[1:] + encoded[1:]
    [delivered] = wire.session.received(twice, 2000)
    assert isinstance(delivered, Delivered)
    assert (delivered.key, delivered.message.data) == (TRADES, TRADE)


def test_a_snapshot_in_mid_stream_is_none_of_the_updates(wire: Wire) -> None:
    wire.subscribe(BOOK)
    wire.stream(BOOK, "snapshot", 41, BookData([], [], 0))
    [delivered] = wire.stream(BOOK, "snapshot", 41, BookData([], [], 7))
    assert isinstance(delivered, Delivered)
    assert (delivered.message.type, delivered.message.data) == ("snapshot", BookData([], [], 7))


def test_a_latest_stream_may_jump_but_not_go_back(wire: Wire) -> None:
    wire.subscribe(DEPTH)
    wire.stream(DEPTH, "snapshot", 5, BookData([], [], 0))
    assert len(wire.stream(DEPTH, "update", 90, BookData([], [], 0))) == 1
    assert wire.stream(DEPTH, "update", 90, BookData([], [], 0)) == [lost(DEPTH, 90, "seq 90 came after 90")]


def test_a_snapshot_where_the_stream_stands_replaces_the_state(trades: Wire) -> None:
    again = message(TRADES, "snapshot", 41, TradesSnapshot([]))
    assert trades.say(again) == [Delivered(TRADES, again, len(trades.codec.encode(again)))]
    assert len(trades.stream(TRADES, "update", 42, TRADE)) == 1


def test_a_snapshot_that_skips_messages_says_that_they_are_lost(trades: Wire) -> None:
    before = 41
    for seq in (60, 12, 13):
        told, delivered = trades.stream(TRADES, "snapshot", seq, TradesSnapshot([]))
        assert told == lost(TRADES, before, f"a snapshot at seq {seq} came after {before}")
        assert isinstance(delivered, Delivered)
        assert trades.sent() == []  # it is whole again
        before = seq
    assert len(trades.stream(TRADES, "update", 14, TRADE)) == 1


def test_a_venues_book_that_was_sent_anew_counts_as_an_update(wire: Wire) -> None:
    wire.subscribe(BOOK)
    for seq in (5, 6):
        [delivered] = wire.stream(BOOK, "snapshot", seq, BookData([], [], 0))
        assert isinstance(delivered, Delivered)


def test_a_gap_is_passed_on_and_the_stream_waits_for_its_snapshot(trades: Wire) -> None:
    gap = Gap("trades", BTC, 42, 50)
    assert trades.say(gap) == [Noticed(TRADES, gap)]
    assert trades.sent() == []  # the server sends the snapshot by itself
    assert trades.stream(TRADES, "update", 51, TRADE) == []
    assert len(trades.stream(TRADES, "snapshot", 50, TradesSnapshot([]))) == 1
    assert len(trades.stream(TRADES, "update", 51, TRADE)) == 1
    assert (trades.stats.gaps, trades.stats.lost) == (1, 0)


def test_skipped_is_passed_on_and_changes_nothing(wire: Wire) -> None:
    wire.subscribe(DEPTH)
    wire.stream(DEPTH, "snapshot", 5, BookData([], [], 0))
    skipped = Skipped("book", BTC, 6, 8, 10, 100)
    assert wire.say(skipped) == [Noticed(DEPTH, skipped)]
    assert len(wire.stream(DEPTH, "update", 9, BookData([], [], 0))) == 1
    assert wire.stats.skipped == 1


def test_that_it_lags_is_passed_on_and_counted(trades: Wire) -> None:
    assert trades.say(Lagging(7)) == [Lagging(7)]
    assert len(trades.stream(TRADES, "update", 42, TRADE)) == 1
    assert (trades.stats.lagging, trades.stats.unknown) == (1, 0)


def test_what_nobody_subscribed_to_is_ignored_and_counted(wire: Wire) -> None:
    assert wire.stream(TRADES, "snapshot", 1, TradesSnapshot([])) == []
    assert wire.say(Gap("trades", BTC, 1, 2)) == []
    wire.subscribe(TRADES)
    wire.session.unsubscribe([TRADES])
    assert wire.sent() == [{"id": 2, "method": "unsubscribe", "params": {"channel": "trades", "symbols": [BTC]}}]
    assert wire.stream(TRADES, "snapshot", 1, TradesSnapshot([])) == []
    assert wire.stats.unexpected == 3
    assert wire.say(Reply(2, 1, 2, {"streams": []})) == []
    assert wire.stats.unexpected == 3


def test_unsubscribing_what_is_not_tracked_asks_nothing(wire: Wire) -> None:
    wire.session.unsubscribe([TRADES])
    assert wire.sent() == []


def test_a_loss_found_outside_is_told_once(trades: Wire) -> None:
    assert trades.session.lost(TRADES, "checksum") == [lost(TRADES, 41, "checksum")]
    assert trades.session.lost(TRADES, "checksum") == []
    assert trades.session.lost(QUOTES, "checksum") == []
    assert [request["method"] for request in trades.sent()] == ["subscribe"]


# ---- heartbeats --------------------------------------------------------------------------------------


def test_a_heartbeat_that_agrees_changes_nothing(trades: Wire) -> None:
    assert trades.heartbeat((TRADES, 41)) == []
    assert trades.heartbeat((TRADES, 40)) == []
    assert trades.sent() == []


def test_a_heartbeat_ahead_of_what_arrived_is_a_loss(trades: Wire) -> None:
    trades.subscribe(DEPTH)
    trades.stream(DEPTH, "snapshot", 5, BookData([], [], 0))
    assert trades.heartbeat((TRADES, 43), (DEPTH, 6)) == [
        lost(TRADES, 41, "the heartbeat names seq 43, 41 is the last here"),
        lost(DEPTH, 5, "the heartbeat names seq 6, 5 is the last here"),
    ]
    assert [request["params"]["channel"] for request in trades.sent()] == ["trades", "book"]


def test_a_heartbeat_without_a_stream_is_a_loss(trades: Wire) -> None:
    assert trades.heartbeat() == [lost(TRADES, 41, "the server does not count it among the session's streams")]


def test_a_stream_that_does_not_begin_is_asked_for_again_and_then_given_up(wire: Wire) -> None:
    wire.subscribe(TRADES)
    assert (wire.heartbeat((TRADES, 9)), wire.sent()) == ([], [])  # may have been on its way
    assert wire.heartbeat((TRADES, 9)) == []
    assert [request["method"] for request in wire.sent()] == ["subscribe"]
    assert wire.heartbeat((TRADES, 9)) == []
    assert wire.heartbeat((TRADES, 9)) == [Broken(1002, f"trades of {BTC} does not begin")]


def test_a_snapshot_ends_the_waiting_of_its_stream(wire: Wire) -> None:
    wire.subscribe(TRADES)
    wire.heartbeat((TRADES, 9))
    wire.stream(TRADES, "snapshot", 9, TradesSnapshot([]))
    wire.say(Gap("trades", BTC, 10, 12))
    assert (wire.heartbeat((TRADES, 12)), wire.sent()) == ([], [])


def test_a_stream_that_is_lost_twice_in_a_heartbeat_is_asked_for_at_the_next(trades: Wire) -> None:
    trades.stream(TRADES, "update", 44, TRADE)
    assert len(trades.sent()) == 1
    trades.stream(TRADES, "snapshot", 44, TradesSnapshot([]))
    assert trades.stream(TRADES, "update", 47, TRADE) == [lost(TRADES, 44, "seq 47 came after 44")]
    assert trades.sent() == []
    trades.heartbeat((TRADES, 47))
    assert len(trades.sent()) == 1
    trades.stream(TRADES, "snapshot", 47, TradesSnapshot([]))
    trades.heartbeat((TRADES, 47))
    trades.stream(TRADES, "update", 50, TRADE)
    assert len(trades.sent()) == 1


def test_the_deadline_follows_what_was_heard(wire: Wire) -> None:
    assert wire.session.deadline == 1000 + HELLO_TIMEOUT_NS
    wire.say({"type": "chatter"}, 3000)
    assert wire.session.deadline == 1000 + HELLO_TIMEOUT_NS
    assert wire.say(HELLO, 5000) == [HELLO]
    assert wire.session.deadline == 5000 + 12_500_000_000
    wire.say(Heartbeat(1, []), 9000)
    assert wire.session.deadline == 9000 + 12_500_000_000
    wire.session.heard(9500)
    assert wire.session.deadline == 9500 + 12_500_000_000
    assert wire.session.received_ns == 9000  # what was heard is no longer ago for that


def test_the_servers_time_goes_on_by_a_clock_that_nobody_sets(wire: Wire) -> None:
    wire.say(msgspec.structs.replace(HELLO, time=1_000_000), 5000)
    assert wire.session.server_time(5000 + 7) == 1_000_007
    wire.say(Heartbeat(3_000_000, []), 9000)
    assert wire.session.server_time(9100) == 3_000_100


@pytest.mark.parametrize("heartbeat_ms", [0, -1, 600_001])
def test_a_hello_with_an_absurd_heartbeat_is_refused(wire: Wire, heartbeat_ms: int) -> None:
    hello = msgspec.structs.replace(HELLO, heartbeat_ms=heartbeat_ms)
    assert wire.say(hello) == [Broken(1002, f"heartbeat_ms is {heartbeat_ms}, not 1 to 600000")]
    assert wire.session.hello is None


# ---- going on over another connection ------------------------------------------------------------------


def next_connection(wire: Wire, epoch: str = "e1") -> tuple[Wire, list[Outcome]]:
    """The session over the next connection, which has taken up what this one had."""
    keys, places = list(wire.session._streams._streams), wire.session.places
    after = Wire("json" if wire.codec is msgspec.json else "msgpack")
    after.say(msgspec.structs.replace(HELLO, epoch=epoch))
    return after, after.session.take_up(keys, places)


def resumed(wire: Wire, *states: StreamState) -> list[Outcome]:
    """Ask for what was taken up, in one request, and have it answered."""
    wire.session.resume()
    [request] = wire.sent()
    return wire.say(Reply(request["id"], 1, 2, {"streams": list(states)}))


def state(key: StreamKey, seq: int, recovered: bool, reason: str = "") -> StreamState:
    return StreamState(key.channel, key.symbol, seq, recovered=recovered, reason=reason)


@pytest.fixture
def cut(wire: Wire) -> Wire:
    """The connection after the one that had delivered trades up to 41."""
    wire.say(HELLO)
    wire.subscribe(TRADES)
    wire.stream(TRADES, "snapshot", 41, TradesSnapshot([TRADE]))
    assert wire.session.closed("gone") == [Interrupted(TRADES, "gone")]
    after, told = next_connection(wire)
    assert told == []
    return after


def test_a_closed_connection_interrupts_lossless_streams_and_loses_the_others(trades: Wire) -> None:
    for key in (DEPTH, QUOTES):
        trades.subscribe(key)
    trades.stream(DEPTH, "snapshot", 5, BookData([], [], 0))  # quotes have not begun
    assert trades.session.closed("gone") == [Interrupted(TRADES, "gone"), lost(DEPTH, 5, "gone")]
    assert trades.stats.lost == 1


def test_a_stream_goes_on_from_its_last_message(cut: Wire) -> None:
    cut.session.resume()
    [request] = cut.sent()
    assert request["params"] == {"channel": "trades", "symbols": [BTC], "from": {"epoch": "e1", "seq": 41}}
    answer = Reply(request["id"], 1, 2, {"recovered": True, "streams": [state(TRADES, 43, True)]})
    assert cut.say(answer) == [Noticed(TRADES, Resumed("trades", BTC, 41, 2))]
    for seq in (42, 43, 44):
        [delivered] = cut.stream(TRADES, "update", seq, TRADE)
        assert isinstance(delivered, Delivered)
    assert cut.heartbeat((TRADES, 44)) == []
    assert (cut.sent(), cut.stats.resumed, cut.stats.lost) == ([], 1, 0)


def test_a_stream_that_can_not_go_on_says_why_before_its_snapshot(cut: Wire) -> None:
    told = resumed(cut, state(TRADES, 90, False, "not all messages after 41 are kept"))
    assert told == [lost(TRADES, 41, "not all messages after 41 are kept")]
    [delivered] = cut.stream(TRADES, "snapshot", 90, TradesSnapshot([]))
    assert isinstance(delivered, Delivered)
    assert (cut.sent(), cut.stats.resumed, cut.stats.lost) == ([], 0, 1)


@pytest.mark.parametrize("seq", [41, 43, 60])
def test_a_stream_that_goes_on_with_the_wrong_message_is_lost_and_begins_anew(cut: Wire, seq: int) -> None:
    resumed(cut, state(TRADES, 43, True))
    assert cut.stream(TRADES, "update", seq, TRADE) == [lost(TRADES, 41, f"seq {seq} came after 41")]
    [request] = cut.sent()
    assert request["params"] == {"channel": "trades", "symbols": [BTC]}


def test_a_heartbeat_holds_the_server_to_what_it_said_was_missed(cut: Wire) -> None:
    resumed(cut, state(TRADES, 43, True))
    cut.stream(TRADES, "update", 42, TRADE)
    assert cut.heartbeat((TRADES, 43)) == [lost(TRADES, 42, "the heartbeat names seq 43, 42 is the last here")]


def test_a_stream_can_not_go_on_from_a_message_that_the_server_does_not_have(cut: Wire) -> None:
    told = resumed(cut, state(TRADES, 40, True))
    assert told == [lost(TRADES, 41, "it went on from 41, but its last is 40")]
    assert [request["params"].get("from") for request in cut.sent()] == [None]


def test_a_snapshot_in_place_of_an_answer_is_a_loss_that_is_told(cut: Wire) -> None:
    assert resumed(cut) == []
    told, delivered = cut.stream(TRADES, "snapshot", 50, TradesSnapshot([]))
    assert told == lost(TRADES, 41, "a snapshot at seq 50 came after 41")
    assert isinstance(delivered, Delivered)


def test_an_answer_of_the_wrong_shape_breaks_the_connection(cut: Wire) -> None:
    cut.session.resume()
    [request] = cut.sent()
    [broken] = cut.say(Reply(request["id"], 1, 2, {"streams": [{"channel": 5}]}))
    assert isinstance(broken, Broken)


def test_a_stream_that_was_not_asked_for_yet_keeps_its_place_over_another_loss(cut: Wire) -> None:
    assert cut.session.closed("again") == []  # nobody has been told otherwise
    after, told = next_connection(cut)
    assert told == []
    assert resumed(after, state(TRADES, 41, True)) == [Noticed(TRADES, Resumed("trades", BTC, 41, 0))]


def test_another_epoch_is_a_loss_at_once(trades: Wire) -> None:
    trades.say(HELLO)
    trades.session.closed("gone")
    after, told = next_connection(trades, epoch="e2")
    assert told == [lost(TRADES, 41, "the server began anew: its epoch is e2 now, not e1")]
    after.session.resume()
    assert [request["params"] for request in after.sent()] == [{"channel": "trades", "symbols": [BTC]}]
    assert len(after.stream(TRADES, "snapshot", 3, TradesSnapshot([]))) == 1


def test_a_stream_that_was_lost_before_the_cut_does_not_go_on_from_there(trades: Wire) -> None:
    trades.say(HELLO)
    trades.session.lost(TRADES, "checksum")
    assert trades.session.closed("gone") == []
    after, told = next_connection(trades)
    after.session.resume()
    assert told == []
    assert [request["params"].get("from") for request in after.sent()] == [None]


def test_a_message_that_can_not_be_read_is_no_place_to_go_on_from(trades: Wire) -> None:
    trades.say(HELLO)
    [broken] = trades.stream(TRADES, "update", 42, {"id": "no trade"})
    assert isinstance(broken, Broken)
    trades.session.closed("gone")
    assert trades.session.places == Places("e1", {TRADES: 41})


def test_who_still_waits_for_a_first_snapshot_gets_one(trades: Wire) -> None:
    trades.say(HELLO)
    trades.subscribe(TRADES)  # for somebody else, who has seen none yet
    trades.stream(TRADES, "update", 42, TRADE)
    assert trades.session.closed("gone") == [lost(TRADES, 42, "gone")]
    assert trades.session.places == Places("e1", {})


def test_what_somebody_subscribes_to_just_now_is_not_asked_for_beside_that(cut: Wire) -> None:
    cut.session.subscribe([TRADES])
    cut.session.resume()
    assert cut.sent() == []


def test_who_subscribes_before_the_streams_are_asked_for_gets_a_snapshot(cut: Wire) -> None:
    cut.subscribe(TRADES)
    cut.session.resume()
    assert cut.sent() == []
    told, delivered = cut.stream(TRADES, "snapshot", 50, TradesSnapshot([]))
    assert told == lost(TRADES, 41, "a snapshot at seq 50 came after 41")
    assert isinstance(delivered, Delivered)


def test_a_loss_found_before_the_streams_are_asked_for_has_them_begin_anew(cut: Wire) -> None:
    assert cut.session.lost(TRADES, "other steps") == [lost(TRADES, 41, "other steps")]
    cut.session.resume()
    assert [request["params"].get("from") for request in cut.sent()] == [None]


def test_resuming_asks_once_per_channel_and_options(wire: Wire) -> None:
    eth = TRADES._replace(symbol="SIM:ETH-USDT")
    wire.say(HELLO)
    wire.session.take_up([TRADES, QUOTES, eth, BOOK, DEPTH], Places("e1", {TRADES: 4, eth: 7, BOOK: 0}))
    wire.session.resume()
    assert [request["params"] for request in wire.sent()] == [
        {
            "channel": "trades",
            "symbols": [BTC, "SIM:ETH-USDT"],
            "from": {"epoch": "e1", "seq": {BTC: 4, "SIM:ETH-USDT": 7}},
        },
        {"channel": "book", "symbols": [BTC], "from": {"epoch": "e1", "seq": 0}},
        {"channel": "quotes", "symbols": [BTC]},
        {"channel": "book", "symbols": [BTC], "depth": 10, "interval_ms": 100},
    ]
    assert wire.sent() == []
    assert len(wire.stream(QUOTES, "snapshot", 3, None)) == 1


def test_resuming_leaves_alone_what_goes_on_already(trades: Wire) -> None:
    trades.session.resume()
    assert trades.sent() == []
    assert len(trades.stream(TRADES, "update", 42, TRADE)) == 1


def taken_up(wire: Wire, keys: list[StreamKey]) -> None:
    wire.say(HELLO)
    wire.session.take_up(keys, Places("e1", dict.fromkeys(keys, 5)))
    wire.session.resume()


def test_resuming_many_streams_takes_requests_of_a_bounded_size(wire: Wire) -> None:
    keys = [stream_key("trades", f"SIM:{'A' * 60}{n}-B") for n in range(SYMBOLS_PER_REQUEST_MAX + 1)]
    taken_up(wire, keys)
    sent = wire.session.to_send()
    assert [wire.read(data)["params"]["symbols"] for data in sent] == [
        [key.symbol for key in keys[:-1]],
        [keys[-1].symbol],
    ]
    assert len(sent[0]) <= HELLO.limits.message_bytes


def test_resuming_waits_for_replies_when_too_many_requests_are_in_flight(wire: Wire) -> None:
    for _ in range(REQUESTS_MAX):
        wire.session.request("ping")
    taken_up(wire, [TRADES])
    assert wire.sent() == []
    wire.say(Reply(1, 1, 2, {}))
    assert [request["method"] for request in wire.sent()] == ["subscribe"]


def refuse(wire: Wire, error: ErrorBody) -> list[Outcome]:
    taken_up(wire, [stream_key("trades", f"SIM:{base}-USDT") for base in ("A", "B", "C")])
    [request] = wire.sent()
    return wire.say(Reply(request["id"], 1, 2, error=error))


def test_a_symbol_refused_on_resuming_ends_alone(wire: Wire) -> None:
    [ended] = refuse(wire, ErrorBody("unknown_symbol", "gone", "symbols[1]"))
    assert isinstance(ended, Ended)
    assert (ended.key.symbol, ended.error.code) == ("SIM:B-USDT", "unknown_symbol")
    [request] = wire.sent()
    assert request["params"]["symbols"] == ["SIM:A-USDT", "SIM:C-USDT"]
    assert request["params"]["from"] == {"epoch": "e1", "seq": {"SIM:A-USDT": 5, "SIM:C-USDT": 5}}


@pytest.mark.parametrize("field", [None, "channel", "symbols[3]", "symbols[999999]", "symbols[-1]"])
def test_a_refusal_that_names_no_symbol_ends_all(wire: Wire, field: str | None) -> None:
    ended = refuse(wire, ErrorBody("not_available", "no", field))
    assert [outcome.key.symbol for outcome in ended if isinstance(outcome, Ended)] == [
        "SIM:A-USDT",
        "SIM:B-USDT",
        "SIM:C-USDT",
    ]
    assert wire.sent() == []


def test_a_refusal_for_now_is_tried_again_with_every_heartbeat(wire: Wire) -> None:
    busy = ErrorBody("rate_limited", "slow down", None, True)
    assert refuse(wire, busy) == []
    for _ in range(5):  # a server that answers is not given up
        assert (wire.sent(), wire.heartbeat()) == ([], [])
        [request] = wire.sent()
        assert request["params"]["from"] == {"epoch": "e1", "seq": dict.fromkeys(request["params"]["symbols"], 5)}
        assert wire.say(Reply(request["id"], 1, 2, error=busy)) == []


# ---- what a server must not say ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "later",
    [
        {"type": "weather", "deadline": 5},
        {"type": "news", "seq": "not a number", "data": []},
        {"type": "snapshot", "channel": "weather", "symbol": 5},
        {"type": "update", "channel": "weather", "symbol": BTC, "seq": 1, "ts": 1, "data": {}},
        {"greeting": "hi"},
        {},
    ],
)
def test_types_and_channels_of_later_versions_are_ignored_and_counted(trades: Wire, later: object) -> None:
    assert trades.say(later) == []
    assert (trades.stats.unknown, trades.stats.malformed) == (1, 0)
    assert len(trades.stream(TRADES, "update", 42, TRADE)) == 1


def test_fields_of_later_versions_are_ignored(trades: Wire) -> None:
    raw = msgspec.to_builtins(message(TRADES, "update", 42, TRADE)) | {"shade": "blue"}
    raw["data"]["venue_flags"] = [1]
    [delivered] = trades.say(raw)
    assert isinstance(delivered, Delivered)
    assert delivered.message == message(TRADES, "update", 42, TRADE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "update", "channel": "trades", "symbol": BTC, "seq": 42, "ts": 1},
        {"type": "update", "channel": "trades", "symbol": BTC, "seq": 42, "ts": 1, "data": {"id": "1"}},
        {"type": "update", "channel": "trades", "symbol": BTC, "seq": "42", "ts": 1, "data": None},
        {"type": "heartbeat", "time": 5},
        {"type": "hello"},
        {"type": "gap", "channel": "trades"},
        {"id": [], "result": {}},
        {"id": 1, "error": "no"},
        [],
        5,
        None,
    ],
)
def test_a_message_of_the_wrong_shape_breaks_the_connection(trades: Wire, wrong: object) -> None:
    [broken] = trades.say(wrong)
    assert isinstance(broken, Broken)
    assert broken.close_code == 1002
    assert trades.stats.malformed == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b'{"type":"up', b'{"type":"hello"} extra', b'{"a":' + b"[" * 100_000, b'{"type":"\xff"}'],
)
def test_malformed_json_breaks_the_connection_with_1007(data: bytes) -> None:
    session = ClientSession()
    [broken] = session.received(data, 1)
    assert isinstance(broken, Broken)
    assert (broken.close_code, session.stats.malformed) == (1007, 1)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa4type", b"\xdf\xff\xff\xff\xff", b"\x91" * 100_000])
def test_malformed_messagepack_breaks_the_connection(data: bytes) -> None:
    [broken] = ClientSession(encoding="msgpack").received(data, 1)
    assert isinstance(broken, Broken)
    assert broken.close_code in (1002, 1007)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["hello", "heartbeat", "gap", "skipped", "update", "snapshot", "reply"]) | VALUES,
        "channel": st.sampled_from(CHANNELS) | VALUES,
        "symbol": st.just(BTC) | VALUES,
        "seq": st.integers(0, 5) | VALUES,
        "ts": st.just(1) | VALUES,
        "data": st.sampled_from([{"trades": []}, {"bids": [], "asks": [], "checksum": 0}]) | VALUES,
        "id": st.integers(0, 3) | VALUES,
        "result": VALUES,
        "error": VALUES,
        "streams": VALUES,
        "time": VALUES,
    },
)


@settings(deadline=None)
@given(st.sampled_from(["json", "msgpack"]), st.lists(st.binary(max_size=40) | MESSAGES, max_size=8))
def test_whatever_arrives_no_call_raises(encoding: Encoding, messages: list[Any]) -> None:
    codec: Any = msgspec.json if encoding == "json" else msgspec.msgpack
    session = ClientSession(encoding=encoding)
    session.subscribe([TRADES])
    session.subscribe([stream_key("book", BTC)])
    for item in messages:
        try:
            data = item if isinstance(item, bytes) else codec.encode(item)
        except (OverflowError, UnicodeEncodeError):
            continue  # not expressible in this encoding
        for outcome in session.received(data, 5):
            assert isinstance(outcome, tuple | Hello | Heartbeat | Lagging)
        session.to_send()
        assert session.deadline > 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=30))
def test_what_is_delivered_of_a_lossless_stream_has_no_hole(messages: list[tuple[bool, int]]) -> None:
    wire = Wire("json")
    wire.subscribe(TRADES)
    check = hole_check()
    for is_snapshot, seq in messages:
        kind, data = ("snapshot", TradesSnapshot([])) if is_snapshot else ("update", TRADE)
        for outcome in wire.stream(TRADES, kind, seq, data):
            check(outcome)


def hole_check() -> Callable[[Outcome], None]:
    last: list[int | None] = [None]

    def check(outcome: Outcome) -> None:
        if isinstance(outcome, Delivered):
            if outcome.message.type == "update":
                assert last[0] is not None
                assert outcome.message.seq == last[0] + 1
            last[0] = outcome.message.seq
        else:
            assert isinstance(outcome, Noticed)
            assert isinstance(outcome.notice, Lost)
            assert outcome.notice.after == last[0]
            last[0] = None

    return check
