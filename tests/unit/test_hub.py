"""The hub: who is handed what, when, and what a client that lags is told."""

from __future__ import annotations

from typing import Any

import pytest

from support import BTC, START_NS, ListSink, World, decoded, order
from tickwire.errors import CodecFailed
from tickwire.limits import RESUME_SECONDS
from tickwire.model.channel import StreamKey
from tickwire.model.records import FeedStatus
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.streams.log import Retention

SYMBOL = BTC.symbol
BOOK = StreamKey("book", SYMBOL)
TRADES = StreamKey("trades", SYMBOL)
QUOTES = StreamKey("quotes", SYMBOL)
TOP = StreamKey("book", SYMBOL, depth=1)
SLOW_TOP = StreamKey("book", SYMBOL, depth=1, interval_ms=100)
CANDLES = StreamKey("candles", SYMBOL, interval="1s")


def seqs(messages: list[Any]) -> list[int]:
    return [message["seq"] for message in messages if "seq" in message]


def test_a_subscription_begins_with_a_snapshot_and_goes_on_with_the_next_seq() -> None:
    world, sink = World(), ListSink()
    world.do(order("buy", 100, 5), order("sell", 103, 7))
    _, snapshot = world.hub.subscribe(BOOK, sink)
    world.do(order("buy", 101, 2))
    (first,) = decoded(snapshot)
    assert (first["type"], first["seq"]) == ("snapshot", 2)
    assert first["data"]["bids"] == [["1.00", "0.005"]]
    assert first["data"]["asks"] == [["1.03", "0.007"]]
    (update,) = sink.messages()
    assert (update["type"], update["seq"], update["data"]["bids"]) == ("update", 3, [["1.01", "0.002"]])


def test_all_sinks_of_an_encoding_are_handed_the_same_bytes() -> None:
    world = World()
    sinks = [ListSink() for _ in range(3)]
    for sink in sinks:
        world.hub.subscribe(BOOK, sink)
    world.do(order("buy", 100, 5))
    pieces = [sink.writes[0][0] for sink in sinks]
    assert pieces[0] is pieces[1] is pieces[2]


def test_a_transaction_is_one_segment_and_a_sink_is_written_once() -> None:
    world, sink = World(), ListSink()
    for key in (BOOK, TRADES):
        world.hub.subscribe(key, sink)
    world.do(order("buy", 100, 5), order("sell", 100, 2), order("sell", 100, 3))
    assert len(sink.writes) == 1
    assert len(sink.writes[0]) == 2  # one segment a stream
    messages = sink.messages()
    assert seqs([m for m in messages if m["channel"] == "book"]) == [1, 2, 3]
    assert [m["data"]["size"] for m in messages if m["channel"] == "trades"] == ["0.002", "0.003"]


ANSWERS = [JSON.frame({"id": number, "result": {}}) for number in (1, 2)]


def test_what_is_handed_to_a_sink_goes_ahead_of_its_streams_in_one_write() -> None:
    world, sink, other = World(), ListSink(), ListSink()
    cursor, _ = world.hub.subscribe(BOOK, sink)
    world.hub.hand(sink, ANSWERS[0])
    world.hub.hand(other, ANSWERS[0])
    world.hub.hand(sink, ANSWERS[1])
    assert sink.writes == []
    world.do(order("buy", 100, 5))
    assert sink.writes == [[*ANSWERS, cursor.log.segments[0].data]]
    assert other.writes == [[ANSWERS[0]]]
    world.do(order("buy", 100, 5))
    assert len(sink.writes) == 2
    assert len(other.writes) == 1


def test_a_lagging_sink_is_written_what_it_was_handed() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(BOOK, sink)
    sink.fill()
    world.hub.hand(sink, ANSWERS[0])
    world.do(order("buy", 100, 5))
    assert sink.writes == [[ANSWERS[0]]]
    assert sink.messages() == [{"id": 1, "result": {}}]
    world.hub.catch_up(sink)
    assert seqs(sink.messages()) == [1]


def test_write_publishes_nothing() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(BOOK, sink)
    world.hub.publish(world.market.apply(order("buy", 100, 5)))
    world.hub.hand(sink, ANSWERS[0])
    world.hub.write()
    assert sink.writes == [[ANSWERS[0]]]
    world.hub.flush()
    assert len(sink.writes) == 2
    assert seqs(decoded(b"".join(sink.writes[1]))) == [1]


@pytest.mark.interpreted
def test_a_fault_in_the_encoding_leaves_nobody_with_half_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    world, sink = World(), ListSink()
    for key in (BOOK, TRADES):
        world.hub.subscribe(key, sink)
    world.do(order("buy", 100, 5))
    sink.messages()
    monkeypatch.setattr(world.renderer, "data_of", lambda key: lambda _: None if key == BOOK else 1 // 0)
    world.hub.hand(sink, ANSWERS[0])
    with pytest.raises(CodecFailed):
        world.do(order("sell", 100, 5))
    assert (sink.writes, sink.closed) == ([[ANSWERS[0]]], True)


def test_both_encodings_carry_the_same_message() -> None:
    world, json_sink, msgpack_sink = World(), ListSink(JSON.name), ListSink(MSGPACK.name)
    world.hub.subscribe(BOOK, json_sink)
    world.hub.subscribe(BOOK, msgpack_sink)
    world.do(order("buy", 100, 5))
    assert json_sink.messages() == msgpack_sink.messages()


def test_seq_does_not_depend_on_who_is_subscribed() -> None:
    watched, alone = World(), World()
    first, late = ListSink(), ListSink()
    watched.hub.subscribe(BOOK, first)
    watched.hub.subscribe(QUOTES, first)
    for world in (watched, alone):
        world.do(order("buy", 100, 5))
        world.do(order("buy", 101, 5), order("buy", 102, 5))
    alone.hub.subscribe(BOOK, late)
    alone.hub.subscribe(QUOTES, late)
    for world in (watched, alone):
        world.do(order("buy", 103, 5))
    assert first.messages()[-2:] == late.messages()


def test_latest_class_shows_one_state_a_transaction() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(QUOTES, sink)
    world.do(order("buy", 100, 5), order("buy", 101, 5), order("buy", 102, 5))
    (quote,) = sink.messages()
    assert (quote["seq"], quote["data"]["bid"], quote["data"]["ask"]) == (3, "1.02", None)


def test_a_depth_variant_is_quiet_while_its_levels_stay() -> None:
    world, sink = World(), ListSink()
    world.do(order("buy", 100, 5))
    world.hub.subscribe(TOP, sink)
    world.do(order("buy", 99, 5))
    assert sink.messages() == []
    world.do(order("buy", 100, 1))
    (message,) = sink.messages()
    assert (message["seq"], message["depth"], message["data"]["bids"]) == (3, 1, [["1.00", "0.006"]])


def test_an_interval_variant_publishes_at_most_once_an_interval_of_the_tapes_clock() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(SLOW_TOP, sink)
    world.do(order("buy", 100, 1), ms=50)  # START is a whole second: 51 ms
    assert sink.messages() == []
    world.do(order("buy", 100, 1), ms=48)  # 99 ms
    assert sink.messages() == []
    world.do(ms=1)  # the clock alone: 100 ms
    (message,) = sink.messages()
    assert (message["seq"], message["ts"], message["interval_ms"]) == (2, START_NS + 100_000_000, 100)
    world.do(ms=100)
    assert sink.messages() == []  # nothing has changed


def test_a_new_subscriber_of_an_interval_variant_joins_at_the_state_last_published() -> None:
    world, early, late = World(), ListSink(), ListSink()
    world.hub.subscribe(SLOW_TOP, early)
    world.do(order("buy", 100, 1), ms=100)
    world.do(order("buy", 101, 1), ms=10)
    _, snapshot = world.hub.subscribe(SLOW_TOP, late)
    (shown,) = decoded(snapshot)
    assert (shown["seq"], shown["data"]["bids"]) == (1, [["1.00", "0.001"]])
    world.do(ms=100)
    assert late.messages() == early.messages()[1:]


def test_a_closed_candle_is_not_conflated_away() -> None:
    world, sink = World(), ListSink()
    world.do(order("sell", 100, 9))
    world.hub.subscribe(CANDLES, sink)
    world.do(order("buy", 100, 1))
    world.do(order("buy", 100, 2), ms=1000)  # closes the candle and begins the next in one transaction
    rows = [(m["data"]["closed"], m["data"]["volume"]) for m in sink.messages()]
    assert rows == [(False, "0.001"), (True, "0.001"), (False, "0.002")]


def test_a_candle_that_closes_says_nothing_of_the_longer_ones() -> None:
    world, sink = World(), ListSink()
    world.do(order("sell", 100, 9))
    world.hub.subscribe(StreamKey("candles", SYMBOL, interval="1m"), sink)
    world.do(order("buy", 100, 1))
    assert seqs(sink.messages()) == [1]
    world.do(order("buy", 50, 1), ms=1000)  # the second is over, the minute is not
    assert sink.messages() == []
    world.do(order("buy", 100, 2))
    assert seqs(sink.messages()) == [2]


def test_a_snapshot_of_what_has_not_happened_is_null() -> None:
    world = World()
    _, snapshot = world.hub.subscribe(CANDLES, ListSink())
    (message,) = decoded(snapshot)
    assert (message["type"], message["seq"], message["data"], message["interval"]) == ("snapshot", 0, None, "1s")


def test_a_lagging_sink_gets_every_message_when_it_has_room_again() -> None:
    world, sink, steady = World(), ListSink(), ListSink()
    world.hub.subscribe(BOOK, sink)
    world.hub.subscribe(BOOK, steady)
    world.do(order("buy", 100, 1))
    sink.fill()
    for price in (101, 102, 103):
        world.do(order("buy", price, 1))
    assert seqs(sink.messages()) == [1]
    world.hub.catch_up(sink)
    assert sink.ready
    world.do(order("buy", 104, 1))
    notice, *missed = sink.messages()
    assert notice == {"type": "lagging", "messages": 3}
    assert [1, *seqs(missed)] == seqs(steady.messages()) == [1, 2, 3, 4, 5]
    sink.fill()
    world.do(order("buy", 105, 1))
    world.hub.catch_up(sink)
    assert sink.messages()[0] == {"type": "lagging", "messages": 1}


def test_catching_up_is_bounded_a_turn() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(BOOK, sink)
    sink.fill()
    world.do(order("buy", 100, 5000))
    for _ in range(2999):
        world.do(order("sell", 100, 1))
    turns = 0
    seen: list[int] = []
    while not sink.ready:
        world.hub.catch_up(sink)
        turns += 1
        assert sum(len(piece) for write in sink.writes for piece in write) < 300_000
        seen += seqs(sink.messages())
    assert seen == list(range(1, 3001))
    assert turns > 1


def test_a_busy_stream_does_not_hold_up_the_others_of_a_lagging_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.streams.hub.CATCH_UP_BYTES_MAX", 200)
    world, sink = World(), ListSink()
    for key in (BOOK, TRADES):
        world.hub.subscribe(key, sink)
    world.do(order("buy", 100, 1000))
    sink.fill()
    got: list[str] = []
    for _ in range(20):
        world.do(order("sell", 100, 1), order("buy", 99, 1), order("buy", 98, 1))
        world.hub.catch_up(sink)
        got += [message.get("channel", message["type"]) for message in sink.messages()]
    assert not sink.ready
    assert got.count("lagging") == 1
    assert got.count("trades") >= 5
    assert got.count("book") >= 5


def test_a_lossless_stream_that_fell_off_the_ring_is_told_the_gap_and_shown_the_state() -> None:
    world, sink = World(Retention(bytes_max=1000)), ListSink()
    world.hub.subscribe(BOOK, sink)
    world.do(order("buy", 100, 1))
    sink.messages()
    sink.fill()
    for price in range(101, 121):
        world.do(order("buy", price, 1))
    world.hub.catch_up(sink)
    notice, gap, snapshot = sink.messages()
    assert notice == {"type": "lagging", "messages": 20}
    assert gap == {"type": "gap", "channel": "book", "symbol": SYMBOL, "from": 2, "to": 21}
    assert (snapshot["type"], snapshot["seq"], len(snapshot["data"]["bids"])) == ("snapshot", 21, 21)
    world.do(order("buy", 121, 1))
    assert seqs(sink.messages()) == [22]


def test_a_latest_class_stream_skips_to_the_newest_and_says_so() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(QUOTES, sink)
    sink.fill()
    for price in (100, 101, 102):
        world.do(order("buy", price, 1))
    world.hub.catch_up(sink)
    notice, skipped, newest = sink.messages()
    assert notice == {"type": "lagging", "messages": 3}
    assert skipped == {"type": "skipped", "channel": "quotes", "symbol": SYMBOL, "from": 1, "to": 2}
    assert (newest["seq"], newest["data"]["bid"]) == (3, "1.02")
    assert sink.ready


def test_retention_keeps_every_log_to_its_share() -> None:
    retention = Retention(bytes_max=4000, bytes_per_stream_max=3000)
    world, sink = World(retention), ListSink()
    cursors = [world.hub.subscribe(key, sink)[0] for key in (BOOK, TRADES)]
    for _ in range(50):
        world.do(order("buy", 100, 1))
        world.do(order("sell", 100, 1))
    assert retention.logs == 2
    for cursor in cursors:
        log = cursor.log
        assert 1500 < log.retained_bytes <= 2000
        assert log.retained_bytes == sum(len(segment.data) for segment in log.segments)
    for cursor in cursors:
        world.hub.unsubscribe(cursor)
    world.do(ms=1000 * RESUME_SECONDS)
    assert retention.logs == 0


def test_a_log_waits_a_while_for_a_client_that_comes_back_and_then_nothing_is_encoded_for_nobody() -> None:
    retention = Retention()
    world, sink = World(retention), ListSink()
    book, quotes = (world.hub.subscribe(key, sink)[0] for key in (BOOK, QUOTES))
    world.hub.unsubscribe(book)
    world.hub.unsubscribe(quotes)
    assert retention.logs == 1
    world.do(order("buy", 100, 1), ms=1000 * RESUME_SECONDS - 2)
    assert [(segment.first, segment.last) for segment in book.log.segments] == [(1, 1)]
    assert ("book", SYMBOL, "") in world.hub.heard
    world.do(ms=3)
    assert retention.logs == 0
    assert ("book", SYMBOL, "") not in world.hub.heard
    world.do(order("buy", 101, 1))
    assert (len(book.log.segments), sink.writes) == (1, [])


def test_so_many_logs_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.streams.hub.IDLE_LOGS_MAX", 2)
    retention = Retention()
    world, sink = World(retention), ListSink()
    keys = [BOOK, TRADES, StreamKey("book_l3", SYMBOL)]
    for cursor in [world.hub.subscribe(key, sink)[0] for key in keys]:
        world.hub.unsubscribe(cursor)
    world.do(order("buy", 100, 1))
    assert retention.logs == 2
    assert world.hub.resume(BOOK, ListSink(), 0) is None
    assert world.hub.resume(keys[2], ListSink(), 0) is not None


def test_what_was_said_before_a_restart_is_remembered() -> None:
    before = World()
    events = before.do(order("buy", 100, 1), order("sell", 100, 1, account="b"), order("buy", 90, 5))
    after = World()
    after.do(order("buy", 100, 1), order("sell", 100, 1, account="b"), order("buy", 90, 5))
    after.hub.remember([event for event in events if (event.channel, event.seq) != ("book", 1)], after.clock())
    for name in (JSON.name, MSGPACK.name):
        sink = ListSink(name)
        assert after.hub.resume(BOOK, sink, 0) is None
        resumed = after.hub.resume(BOOK, sink, 1)
        assert resumed is not None
        assert [(m["type"], m["seq"]) for m in decoded(resumed[1], name)] == [("update", 2), ("update", 3)]
        assert not sink.lagging
        assert after.hub.resume(StreamKey("fills", "a"), sink, 0) is not None
    late = ListSink()
    after.do(order("buy", 91, 5))
    resumed = after.hub.resume(BOOK, late, 2)
    assert resumed is not None
    after.hub.catch_up(late)
    assert seqs(decoded(resumed[1])) + seqs(late.messages()) == [3, 4]


def test_what_is_remembered_is_shared_in_pieces() -> None:
    before, after = World(), World()
    orders = [order("buy", price, 1) for price in range(1, 201)]
    events = before.do(*orders)
    after.do(*orders)
    after.hub.remember(events, 0)  # a clock behind the tape's
    sinks = ListSink(), ListSink()
    for sink in sinks:
        resumed = after.hub.resume(BOOK, sink, 3)
        assert resumed is not None
        assert seqs(decoded(resumed[1])) == list(range(4, 65))
        after.hub.catch_up(sink)
    one, other = (sink.writes[0] for sink in sinks)
    assert [a is b for a, b in zip(one, other, strict=True)] == [True, True, True]
    assert seqs(sinks[0].messages()) == list(range(65, 201))


def test_a_resumed_client_that_leaves_the_stream_again_is_served() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(BOOK, ListSink())
    for price in (100, 101, 102):
        world.do(order("buy", price, 1))
    resumed = world.hub.resume(BOOK, sink, 0)
    assert resumed is not None
    world.hub.unsubscribe(resumed[0])
    assert not sink.ready
    world.hub.catch_up(sink)
    assert sink.ready


def test_a_stream_that_was_silent_before_a_restart_is_kept_from_its_first_message_on() -> None:
    world = World()
    world.do(order("buy", 100, 1))
    world.hub.remember([], world.clock())
    world.market.heard = world.hub.heard
    assert ("book", SYMBOL, "") in world.hub.heard
    assert ("orders", "a", "") not in world.hub.heard
    world.do(order("buy", 101, 1), order("buy", 102, 1))
    for name in (JSON.name, MSGPACK.name):
        resumed = world.hub.resume(BOOK, ListSink(name), 1)
        assert resumed is not None
        assert seqs(decoded(resumed[1], name)) == [2, 3]
    assert world.hub.resume(BOOK, ListSink(), 0) is None
    world.do(order("buy", 103, 1), ms=1000 * RESUME_SECONDS)
    assert world.market.heard is world.hub.heard is world.hub._pushed
    assert world.hub.resume(StreamKey("orders", "a"), ListSink(), 1) is None


def test_what_a_client_was_promised_is_never_left_out() -> None:
    world = World(Retention(bytes_max=3000))
    cursor, _ = world.hub.subscribe(BOOK, ListSink())
    for price in range(101, 106):
        world.do(order("buy", price, 1))
    slow, slower = ListSink(), ListSink()
    for sink in (slow, slower):
        resumed = world.hub.resume(BOOK, sink, 1)
        assert resumed is not None
        assert (seqs(decoded(resumed[1])), sink.ready) == ([2], False)
    world.hub.catch_up(slow)
    assert seqs(slow.messages()) == [3, 4, 5]
    slow.fill()
    for price in range(106, 140):
        world.do(order("buy", price, 1))
    assert cursor.log.segments[0].first > 6
    world.hub.catch_up(slower)
    assert (slower.closed, slower.messages()) == (True, [])
    world.hub.catch_up(slow)
    assert [message["type"] for message in slow.messages()] == ["lagging", "gap", "snapshot"]
    assert not slow.closed


def test_subscribing_again_gives_a_fresh_snapshot_in_place_of_what_was_missed() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(BOOK, sink)
    sink.fill()
    world.do(order("buy", 100, 1))
    _, snapshot = world.hub.subscribe(BOOK, sink)
    assert seqs(decoded(snapshot)) == [1]
    world.hub.catch_up(sink)
    assert sink.messages() == []


def test_a_feeds_state_reaches_the_status_stream() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(StreamKey("status", SYMBOL), sink)
    world.do(FeedStatus("test", "live"))
    world.do(FeedStatus("test", "stale", "nothing for 10 seconds"))
    assert [message["data"] for message in sink.messages()] == [
        {"instrument": "open", "feed": "live", "reason": ""},
        {"instrument": "open", "feed": "stale", "reason": "nothing for 10 seconds"},
    ]
