"""The hub: from the market's events to every subscriber's bytes, once per transaction of the tape.

    for record in transaction:
        hub.publish(market.apply(record))
    hub.flush()

Lossless streams take each pushed event. Latest-class streams are pulled from the market's views when the
transaction is over, so that however much happened, one message shows how things stand. An event is encoded
only for encodings that somebody reads, once each, and all subscribers are handed the same bytes.

The producer never waits. A sink that is full keeps cursors; `catch_up` serves it when it has room again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tickwire.errors import CodecFailed
from tickwire.limits import CATCH_UP_BYTES_MAX, IDLE_LOGS_MAX, RESUME_SECONDS, WINDOW_EVENTS_MAX
from tickwire.market.market import Market
from tickwire.market.out import Heard
from tickwire.meters import Meters
from tickwire.model.channel import CANDLE_NAMES, CLOCK, JOINED_CHANNELS, PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Book, Candle, Event, Tick
from tickwire.streams.log import Codec, Cursor, Log, Retention, Segment, Sink

_K = TypeVar("_K")

RESUME_NS = RESUME_SECONDS * 1_000_000_000
REMEMBERED_SEGMENT = 64
"""Messages of a segment that is made of what was said before a restart: clients share whole ones only."""


class _PublicToo:
    """Streams that are heard: these, and all that are public."""

    def __init__(self, streams: Heard) -> None:
        self._streams = streams

    def __contains__(self, stream: object) -> bool:
        return isinstance(stream, tuple) and (stream[0] not in PRIVATE_CHANNELS or stream in self._streams)


class _Stream:
    """A stream that has subscribers, or had some a moment ago."""

    __slots__ = ("counts", "key", "last_seq", "logs", "lossless", "made_of", "pending", "shown", "slot")

    def __init__(self, key: StreamKey, seq: int, shown: Event | None) -> None:
        self.key = key
        self.lossless = key.lossless
        self.made_of = _made_of(key)
        """What is pushed to it, as (channel, symbol, candle interval)."""
        self.counts = len(self.made_of) > 1
        """Whether it numbers its messages itself."""
        self.last_seq = seq
        self.logs: dict[Codec, Log] = {}
        self.pending: list[Event] = []
        self.shown = shown
        """What was last published."""
        self.slot = -1
        """Which interval the last publication fell into, where there is one."""

    @property
    def span(self) -> tuple[int, int]:
        """The numbers of the first and the last message that is pending."""
        if self.counts:
            return self.last_seq + 1, self.last_seq + len(self.pending)
        return self.pending[0].seq, self.pending[-1].seq


class Hub:
    """All streams of a market that somebody reads."""

    def __init__(
        self,
        market: Market,
        codecs: Mapping[str, Codec],
        retention: Retention | None = None,
        meters: Meters | None = None,
    ) -> None:
        self._market = market
        self._codecs = codecs
        self._retention = retention or Retention()
        self._meters = meters or Meters()
        self._streams: dict[StreamKey, _Stream] = {}
        self._pushed: dict[tuple[str, str, str], list[_Stream]] = {}  # by (channel, symbol, candle interval)
        self._pulled: dict[str, list[_Stream]] = {}  # latest-class streams by symbol
        self._dirty: dict[_Stream, None] = {}
        self._waiting: dict[_Stream, None] = {}
        self._restart_over_at = 0  # when clients from before a restart are waited for no more; 0 for no restart
        self._idle: dict[Log, int] = {}  # logs without a reader: since when, oldest first
        self._touched: dict[Sink, None] = {}  # sinks that have something to write
        self.subscriptions_made = 0
        """How often somebody has subscribed to what it had not, ever."""

    # ---- subscribers -----------------------------------------------------------------------------

    def subscribe(self, key: StreamKey, sink: Sink, codec: Codec | None = None) -> tuple[Cursor, bytes]:
        """Let a sink read a stream, from its next message on.

        The caller must send the returned snapshot before the next `flush`. Subscribing a sink again gives it
        a fresh snapshot and drops what it had not been given.

        Args:
            codec: what makes the frames, else that of the sink's encoding.

        Raises:
            UnknownSymbol: there is no such instrument.
        """
        stream = self._stream(key)
        log = self._log(stream, codec or self._codecs[sink.encoding])
        try:
            snapshot = self._snapshot(stream, log)  # before the sink joins, which nobody could undo if this fails
        except BaseException:
            if not log.cursors and log not in self._idle:
                self._close(log)
            raise
        return self._join(log, sink), snapshot

    def resume(self, key: StreamKey, sink: Sink, after: int) -> tuple[Cursor, bytes] | None:
        """Let a sink read a stream from the message after `after` on, its client's last over another connection.

        The caller must send the returned bytes before the next `flush`, and then call `catch_up` if the sink lags.
        None, and nothing done, when what was missed is not kept.

        Raises:
            UnknownSymbol: there is no such instrument.
        """
        if after == self.last_seq(key):
            stream = self._stream(key)
            return self._join(self._log(stream, self._codecs[sink.encoding]), sink), b""
        known = self._streams.get(key)
        log = known.logs.get(self._codecs[sink.encoding]) if known is not None and key.lossless else None
        index = None if log is None else log.index_of(after + 1)
        if log is None or index is None:
            return None
        segment = log.since(index)
        assert segment is not None
        cursor = self._join(log, sink)
        if index + 1 < log.next_index:
            cursor.index, cursor.seq, cursor.promised = index + 1, segment.last, log.last_seq
            sink.lagging[cursor] = None
            if sink.ready:
                sink.ready, sink.lag_told = False, True  # it knows what it has missed
        return cursor, segment.after(after)

    def _join(self, log: Log, sink: Sink) -> Cursor:
        self._idle.pop(log, None)
        cursor = log.cursors.get(sink)
        if cursor is None:
            cursor = log.cursors[sink] = Cursor(log, sink)
            self.subscriptions_made += 1
        cursor.index = -1
        sink.lagging.pop(cursor, None)
        return cursor

    def unsubscribe(self, cursor: Cursor) -> None:
        """Stop. The log of a lossless stream is kept for a while, for a client that comes back; then a stream without
        subscribers costs nothing."""
        log = cursor.log
        log.cursors.pop(cursor.sink, None)
        cursor.sink.lagging.pop(cursor, None)
        if log.cursors:
            return
        if log.lossless and log.codec in self._codecs.values():
            self._idle[log] = self._market.now
        else:
            self._close(log)

    def remember(self, events: Iterable[Event], now: int) -> None:
        """Take what was published before a restart, so that clients can go on from there. To be called before anybody
        subscribes. For as long as a log waits, every public lossless stream that says something then gets one.

        Args:
            events: of each stream the newest, without a hole.
            now: the time, ns; the tape's is that of the server's end.
        """
        now = max(now, self._market.now)
        self._restart_over_at = now + RESUME_NS
        for event in events:
            if StreamKey(event.channel, event.symbol).lossless:
                stream = self._streams.get(StreamKey(event.channel, event.symbol)) or self._log_from(event, now)
                stream.pending.append(event)
        for stream in self._streams.values():
            said = stream.pending
            stream.last_seq = said[-1].seq
            for start in range(0, len(said), REMEMBERED_SEGMENT):
                stream.pending = said[start : start + REMEMBERED_SEGMENT]
                for log in stream.logs.values():
                    log.last_seq = stream.pending[-1].seq
                    data = log.codec.updates(stream.key, stream.pending)
                    self._retention.add(log, Segment(stream.pending[0].seq, log.last_seq, data))
            stream.pending = []

    @property
    def heard(self) -> Heard:
        """The lossless streams that somebody reads, or may come back to, live. See `Market.heard`."""
        return _PublicToo(self._pushed) if self._restart_over_at else self._pushed

    def last_seq(self, key: StreamKey) -> int:
        """The last `seq` published on a stream that has subscribers, or the state's where it has none."""
        stream = self._streams.get(key)
        return stream.last_seq if stream is not None else self._market.seq(key)

    def snapshot(self, key: StreamKey) -> Event | None:
        """A stream's state as a new subscriber would be shown it."""
        stream = self._streams.get(key)
        return stream.shown if stream is not None and not key.lossless else self._market.view(key)

    # ---- publication -----------------------------------------------------------------------------

    def publish(self, events: Iterable[Event]) -> None:
        """Take the events of one record."""
        for event in events:
            interval = CANDLE_NAMES[event.interval] if type(event) is Candle else ""
            if self._restart_over_at and self._may_be_missed(event):
                self._log_from(event, self._market.now)
            for stream in self._pushed.get((event.channel, event.symbol, interval), ()):
                stream.pending.append(event)
                stream.shown = event
                if stream.slot < 0 or not stream.lossless or len(stream.pending) >= WINDOW_EVENTS_MAX:
                    self._dirty[stream] = None
                else:
                    self._waiting[stream] = None

    def hand(self, sink: Sink, frame: bytes) -> None:
        """Let a sink have a frame that is for it alone. The next flush writes it, ahead of the sink's streams."""
        sink.out.append(frame)
        self._touched[sink] = None

    def flush(self) -> None:
        """The transaction is over: hand every dirty stream's segment to its subscribers, and write.

        Raises:
            CodecFailed: the messages of a stream could not be made. Whoever reads them is closed; all else is done.
        """
        self._pull()
        self._expire()
        made: list[tuple[Log, int, Segment]] = []
        failed: list[tuple[Log, Exception]] = []
        for stream in self._dirty:
            for log in stream.logs.values():
                try:
                    data = log.codec.updates(stream.key, stream.pending)
                    made.append((log, len(stream.pending), Segment(*stream.span, data)))
                except Exception as error:
                    failed.append((log, error))
        # all is encoded: from here on nothing can fail and leave a subscriber with half of a transaction
        for log, _ in failed:
            for sink in list(log.cursors):
                sink.fail()
        touched = self._touched
        for log, count, segment in made:
            data, behind = segment.data, 0
            if not data:
                log.last_seq = segment.last
                continue
            for sink, cursor in log.cursors.items():
                if sink.ready:
                    if not sink.out:
                        touched[sink] = None
                    sink.out.append(data)
                    continue
                behind += 1
                if cursor.index < 0:
                    cursor.index, cursor.seq = log.next_index, log.last_seq
                    sink.lagging[cursor] = None
            given = len(log.cursors) - behind
            self._count(log, given * count, given * len(data))
            log.last_seq = segment.last
            self._retention.add(log, segment)
        for stream in self._dirty:
            stream.last_seq = stream.span[1]
            stream.pending = []
        self._dirty.clear()
        self.write()
        if failed:
            log, fault = failed[0]
            raise CodecFailed(f"{log.codec.name} can't say what happened in {log.key}") from fault

    def write(self) -> None:
        """Write what sinks were handed, each in one gathered call, and publish nothing."""
        for sink in self._touched:
            sink.flush()
        self._touched.clear()

    def catch_up(self, sink: Sink) -> None:
        """Serve a sink that has room again: what its cursors missed, a bounded amount at a time. First it is told how
        far behind it is."""
        budget = CATCH_UP_BYTES_MAX
        if sink.lagging and not sink.lag_told:
            behind = sum(cursor.log.last_seq - cursor.seq for cursor in sink.lagging)
            log = next(iter(sink.lagging)).log
            if notice := log.codec.lagging(behind):
                sink.out.append(notice)
                self._count(log, 1, len(notice))
            sink.lag_told = True
        for cursor in list(sink.lagging):
            if cursor.broken or self._is_lost(cursor):
                sink.too_slow()
                return
            budget -= self._advance(cursor, budget)
            if cursor in sink.lagging:  # to the end: a busy stream must not hold up the others for ever
                del sink.lagging[cursor]
                sink.lagging[cursor] = None
            if budget <= 0:
                break
        if not sink.lagging:
            sink.ready, sink.lag_told = True, False
        if sink.out:
            sink.flush()

    # ---- inside ----------------------------------------------------------------------------------

    def _count(self, log: Log, messages: int, size: int) -> None:
        sent = self._meters.sent[log.codec.name]
        sent.messages += messages
        sent.size += size

    def _stream(self, key: StreamKey) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            shown = None if key.lossless else self._market.view(key)
            stream = self._streams[key] = _Stream(key, self._first_seq(key) if shown is None else shown.seq, shown)
            stream.slot = self._slot(key)
            if _is_pulled(key):
                self._pulled.setdefault(key.symbol, []).append(stream)
            for pushed in stream.made_of:
                self._pushed.setdefault(pushed, []).append(stream)
        return stream

    def _first_seq(self, key: StreamKey) -> int:
        """The number that the next message of a stream comes after."""
        match key.channel:
            case "clock":
                return self._slot(key)
            case "account":
                return 0
            case "book_batch":
                return self._market.seq(StreamKey("book", key.symbol))
        return self._market.seq(key)

    def _may_be_missed(self, event: Event) -> bool:
        """Whether a client from before a restart may come back for this and there is no stream yet. What a private
        stream's state does not show, the fills, the market keeps."""
        key = StreamKey(event.channel, event.symbol)
        public = key.lossless and event.channel not in PRIVATE_CHANNELS
        return public and key not in self._streams and len(self._idle) < IDLE_LOGS_MAX

    def _log_from(self, event: Event, now: int) -> _Stream:
        """A stream that nobody reads yet, with logs that begin with this event."""
        stream = self._stream(StreamKey(event.channel, event.symbol))
        stream.last_seq = event.seq - 1
        for codec in self._codecs.values():
            self._idle[self._log(stream, codec)] = now
        return stream

    def _log(self, stream: _Stream, codec: Codec) -> Log:
        log = stream.logs.get(codec)
        if log is None:
            log = stream.logs[codec] = Log(stream.key, codec, stream.last_seq)
            self._retention.logs += stream.lossless
        return log

    def _close(self, log: Log) -> None:
        stream = self._streams.get(log.key)
        if stream is not None and stream.logs.get(log.codec) is log:
            del stream.logs[log.codec]
            self._retention.logs -= stream.lossless
            if not stream.logs:
                self._drop(stream)

    def _expire(self) -> None:
        """Close the logs that nobody has come back for."""
        now, idle = self._market.now, self._idle
        if self._restart_over_at and now >= self._restart_over_at:
            self._restart_over_at = 0
            self._market.heard = self.heard
        while idle:
            log = next(iter(idle))
            if now - idle[log] < RESUME_NS and len(idle) <= IDLE_LOGS_MAX:
                break
            del idle[log]
            self._close(log)

    def _drop(self, stream: _Stream) -> None:
        key = stream.key
        self._dirty.pop(stream, None)
        self._waiting.pop(stream, None)
        del self._streams[key]
        for pushed in stream.made_of:
            _take_out(self._pushed, pushed, stream)
        if _is_pulled(key):
            _take_out(self._pulled, key.symbol, stream)

    def _slot(self, key: StreamKey) -> int:
        return self._market.now // (key.interval_ms * 1_000_000) if key.interval_ms else -1

    def _pull(self) -> None:
        """Collect the latest-class streams whose state has moved and whose time has come."""
        market, waiting = self._market, self._waiting
        for symbol in sorted(market.changed):  # on every machine the same order
            streams = self._pulled.get(symbol)
            if streams:
                seq_of = market.listing(symbol).seq_of
                for stream in streams:
                    if seq_of(stream.key) > stream.last_seq:
                        waiting[stream] = None
        market.changed.clear()
        for stream in self._pulled.get("", ()):
            waiting[stream] = None
        for stream in list(waiting):
            key = stream.key
            slot = self._slot(key)
            if slot == stream.slot and key.interval_ms:
                continue
            del waiting[stream]
            if stream.lossless and key.symbol:
                stream.slot = slot
                if stream.pending:
                    self._dirty[stream] = None
                continue
            event = market.view(key) if key.symbol else Tick("", slot, market.now, _last_tick(stream))
            if event is None or _same_levels(event, stream.shown):
                continue
            stream.slot = slot
            stream.shown = event
            stream.pending.append(event)
            self._dirty[stream] = None

    def _snapshot(self, stream: _Stream, log: Log) -> bytes:
        seq, frame = log.snapshot
        if seq != stream.last_seq:
            key, market = stream.key, self._market
            event = None if key.channel in JOINED_CHANNELS else market.view(key) if key.lossless else stream.shown
            ts = event.ts if event is not None else market.now
            frame = log.codec.snapshot(key, event, seq=stream.last_seq, ts=ts)
            log.snapshot = (stream.last_seq, frame)
        return frame

    def _is_lost(self, cursor: Cursor) -> bool:
        """Whether messages are gone of which its client could not know."""
        log = cursor.log
        return log.lossless and cursor.index < log.first_index and log.codec.dropped(log.key, 0, 0) is None

    def _advance(self, cursor: Cursor, budget: int) -> int:
        """Hand a lagging cursor's next segments to its sink; returns the bytes."""
        log, sink = cursor.log, cursor.sink
        given = 0
        if cursor.index < log.first_index:
            stream, codec = self._streams[log.key], log.codec
            last = stream.last_seq if log.lossless else log.segments[-1].first - 1
            if last > cursor.seq:
                self._meters.dropped["gap" if log.lossless else "skipped"] += last - cursor.seq
                if notice := codec.dropped(log.key, cursor.seq + 1, last):
                    sink.out.append(notice)
                    self._count(log, 1, len(notice))
            cursor.index = log.first_index
            if log.lossless:
                cursor.index = log.next_index
                if snapshot := self._snapshot(stream, log):
                    sink.out.append(snapshot)
                    given = len(snapshot)
                    self._count(log, 1, given)
        while given < budget:
            segment = log.since(cursor.index)
            if segment is None:
                break
            sink.out.append(segment.data)
            given += len(segment.data)
            self._count(log, segment.last - segment.first + 1 if log.lossless else 1, len(segment.data))
            cursor.index += 1
            cursor.seq = segment.last
        if cursor.index >= log.next_index:
            cursor.index = -1
            del sink.lagging[cursor]
        return given


def _is_pulled(key: StreamKey) -> bool:
    """Whether a stream is asked what it has to say when a transaction is over."""
    return not key.lossless or key.channel == CLOCK


def _made_of(key: StreamKey) -> list[tuple[str, str, str]]:
    """What is pushed to a stream."""
    if not key.lossless and key.channel != "candles":
        return []
    return [(channel, key.symbol, key.interval) for channel in JOINED_CHANNELS.get(key.channel, (key.channel,))]


def _last_tick(stream: _Stream) -> int:
    """When a clock stream said something last; before it has, the beginning of the interval it was made in."""
    return stream.shown.ts if stream.shown is not None else stream.slot * stream.key.interval_ms * 1_000_000


def _take_out(streams: dict[_K, list[_Stream]], name: _K, stream: _Stream) -> None:
    streams[name].remove(stream)
    if not streams[name]:
        del streams[name]


def _same_levels(event: Event, shown: Event | None) -> bool:
    return type(event) is Book and type(shown) is Book and event.bids == shown.bids and event.asks == shown.asks
