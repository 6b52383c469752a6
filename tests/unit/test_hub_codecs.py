"""Streams that are made for dialects, and subscriptions that bring their own codec."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from support import BTC, START_NS, ListSink, World, order
from tickwire.errors import CodecFailed
from tickwire.limits import RESUME_SECONDS
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances, Book, Candle, Event, Fill, OrderUpdate, Positions, Tick
from tickwire.protocol.codec import TEXT, frame
from tickwire.streams.log import Retention

SYMBOL = BTC.symbol
BATCH = StreamKey("book_batch", SYMBOL, interval_ms=100)
ACCOUNT = StreamKey("account", "a")
EVERY_SECOND = StreamKey("clock", "", interval_ms=1000)

made: list[tuple[str, list[Event]]] = []


class Plain(NamedTuple):
    """A codec that says what was asked of it. Equal names are equal codecs."""

    name: str
    silent: bool = False
    notices: bool = True

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        made.append((self.name, list(events)))
        return b"" if self.silent else frame(TEXT, f"{self.name}{[event.seq for event in events]}".encode())

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        return b"" if self.silent else frame(TEXT, f"{type(event).__name__}@{seq}".encode())

    def lagging(self, messages: int) -> bytes:
        return b""

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        return b"" if self.notices else None


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    made.clear()


def texts(sink: ListSink) -> list[str]:
    pieces = [piece[2:].decode() for write in sink.writes for piece in write]
    sink.writes.clear()
    return pieces


def test_equal_codecs_share_their_work_and_others_do_not() -> None:
    world, sinks = World(), [ListSink() for _ in range(3)]
    key = StreamKey("trades", SYMBOL)
    for sink, name in zip(sinks, ("x", "x", "y"), strict=True):
        _, snapshot = world.hub.subscribe(key, sink, Plain(name))
        assert snapshot[2:] == b"RecentTrades@0"
    world.do(order("sell", 100, 1), order("buy", 100, 1))
    assert [name for name, _ in made] == ["x", "y"]
    assert sinks[0].writes[0][0] is sinks[1].writes[0][0]
    assert [texts(sink) for sink in sinks] == [["x[1]"], ["x[1]"], ["y[1]"]]


def test_one_sink_can_read_a_stream_in_two_ways_and_give_up_one() -> None:
    world, sink = World(), ListSink()
    key = StreamKey("book", SYMBOL)
    first, _ = world.hub.subscribe(key, sink, Plain("x"))
    world.hub.subscribe(key, sink, Plain("y"))
    world.do(order("buy", 100, 1))
    assert texts(sink) == ["x[1]", "y[1]"]
    world.hub.unsubscribe(first)
    world.do(order("buy", 100, 1))
    assert texts(sink) == ["y[2]"]


def test_a_batch_of_book_changes_is_said_when_its_window_is_over() -> None:
    world, sink = World(), ListSink()
    world.do(order("buy", 90, 1))
    _, snapshot = world.hub.subscribe(BATCH, sink, Plain("x"))
    assert snapshot[2:] == b"NoneType@1"
    world.do(order("buy", 91, 1), order("buy", 92, 1), ms=10)
    world.do(order("buy", 93, 1), ms=10)
    assert sink.writes == []
    world.do(ms=100)
    assert texts(sink) == ["x[2, 3, 4]"]
    ((_, events),) = made
    assert [event.bids for event in events if isinstance(event, Book)] == [[(91, 1)], [(92, 1)], [(93, 1)]]
    world.do(ms=1000)  # nothing has changed
    world.do(order("buy", 94, 1), ms=1000)  # the window before has long been over
    assert texts(sink) == ["x[5]"]
    world.do(order("buy", 95, 1), ms=10)
    assert sink.writes == []


def test_a_window_with_very_many_changes_is_said_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.streams.hub.WINDOW_EVENTS_MAX", 3)
    world, sink = World(), ListSink()
    world.hub.subscribe(BATCH, sink, Plain("x"))
    for price in (90, 91, 92, 93):
        world.do(order("buy", price, 1))
    assert texts(sink) == ["x[1, 2, 3]"]
    assert sink.writes == []
    world.do(ms=100)
    assert texts(sink) == ["x[4]"]


def test_the_account_stream_has_all_that_happens_to_an_account_in_order() -> None:
    world, sink = World(), ListSink()
    _, snapshot = world.hub.subscribe(ACCOUNT, sink, Plain("x"))
    assert snapshot[2:] == b"NoneType@0"
    world.do(order("buy", 100, 2))
    world.do(order("sell", 100, 1, account="b"))
    assert len(texts(sink)) == 2
    kinds = [[type(event) for event in events] for _, events in made]
    assert kinds == [[OrderUpdate, Balances], [Fill, OrderUpdate, Balances, Positions]]
    assert {event.symbol for _, events in made for event in events} == {"a"}


def test_the_account_streams_own_numbers_have_no_hole() -> None:
    world, sink = World(), ListSink()
    cursor, _ = world.hub.subscribe(ACCOUNT, sink, Plain("x"))
    world.do(order("buy", 100, 2))
    sink.fill()
    world.do(order("sell", 100, 1, account="b"))
    world.do(order("sell", 100, 1, account="b"))
    first, second = list(cursor.log.segments)[-2:]
    assert (first.first, second.first) == (3, first.last + 1)
    world.hub.catch_up(sink)
    assert [events[0].seq for _, events in made] == [1, 1, 2]
    assert len(texts(sink)) == 3


def test_a_clock_ticks_once_an_interval_and_silence_costs_nothing() -> None:
    world, loud, quiet = World(), ListSink(), ListSink()
    slot = START_NS // 1_000_000_000
    _, snapshot = world.hub.subscribe(EVERY_SECOND, loud, Plain("x"))
    assert snapshot[2:].decode() == f"NoneType@{slot}"
    world.hub.subscribe(EVERY_SECOND, quiet, Plain("y", silent=True))
    world.do(ms=400)
    assert loud.writes == []
    world.do(ms=1000)
    world.do(ms=100)
    world.do(ms=1000)
    assert texts(loud) == [f"x[{slot + 1}]", f"x[{slot + 2}]"]
    assert quiet.writes == []
    assert all(isinstance(event, Tick) and event.symbol == "" for _, events in made for event in events)


def test_candles_at_an_interval_still_say_each_close() -> None:
    world, sink = World(), ListSink()
    world.do(order("sell", 100, 9))
    world.hub.subscribe(StreamKey("candles", SYMBOL, interval_ms=5000, interval="1s"), sink, Plain("x"))
    world.do(order("buy", 100, 1))
    world.do(order("buy", 100, 1), ms=1000)
    rows = [(event.closed, event.volume) for _, events in made for event in events if isinstance(event, Candle)]
    assert rows == [(True, 1)]
    world.do(ms=4500)
    assert (made[-1][1][-1].closed, made[-1][1][-1].volume) == (True, 1)  # type: ignore[union-attr]


def test_a_sink_that_can_not_be_told_of_a_loss_is_closed() -> None:
    for notices in (True, False):
        world, sink = World(Retention(bytes_max=10, bytes_per_stream_max=10)), ListSink()
        world.hub.subscribe(StreamKey("book", SYMBOL), sink, Plain("x", notices=notices))
        sink.fill()
        for price in (90, 91, 92):
            world.do(order("buy", price, 1))
        world.hub.catch_up(sink)
        assert sink.closed is not notices
        assert texts(sink) == (["Book@3"] if notices else [])


def test_the_log_of_a_dialect_is_gone_with_its_last_reader() -> None:
    world = World()
    native, other = ListSink(), ListSink()
    key = StreamKey("book", SYMBOL)
    for sink, codec in ((native, None), (other, Plain("x"))):
        cursor, _ = world.hub.subscribe(key, sink, codec)
        world.hub.unsubscribe(cursor)
    (log,) = world.hub._streams[key].logs.values()
    assert log.codec.name == "tickwire.v1.json"
    world.do(ms=1000 * (RESUME_SECONDS + 1))
    assert world.hub._streams == {}
    assert world.hub._pushed == {}


def test_a_client_that_lags_gets_every_tick() -> None:
    world, sink = World(), ListSink()
    world.hub.subscribe(EVERY_SECOND, sink, Plain("x"))
    sink.fill()
    for _ in range(3):
        world.do(ms=1000)
    world.hub.catch_up(sink)
    slot = START_NS // 1_000_000_000
    assert texts(sink) == [f"x[{slot + n}]" for n in (1, 2, 3)]


class Failing(Plain):
    """A codec that can't say how things stand."""

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        raise ValueError(key.symbol)


def test_a_subscription_that_fails_leaves_nothing_behind() -> None:
    world = World()
    with pytest.raises(ValueError, match=SYMBOL):
        world.hub.subscribe(StreamKey("trades", SYMBOL), ListSink(), Failing("x"))
    world.do(order("sell", 100, 1), order("buy", 100, 1))
    assert (made, world.hub._streams, world.hub._pushed) == ([], {}, {})


class Faulty(Plain):
    """A codec that can't say what happened."""

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        raise ValueError(key.symbol)


def test_a_codec_that_fails_costs_its_own_readers_only() -> None:
    world, sound, faulty = World(), ListSink(), ListSink()
    key = StreamKey("trades", SYMBOL)
    world.hub.subscribe(key, faulty, Faulty("x"))
    cursor, _ = world.hub.subscribe(key, sound, Plain("y"))
    with pytest.raises(CodecFailed, match=r"x can't say what happened in .*trades"):
        world.do(order("sell", 100, 1), order("buy", 100, 1))
    assert (texts(sound), sound.closed, faulty.closed) == (["y[1]"], False, True)
    assert cursor.log.last_seq == world.hub.last_seq(key) == 1
