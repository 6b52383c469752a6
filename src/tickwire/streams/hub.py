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
from typing import Literal, Protocol

from tickwire.limits import CATCH_UP_BYTES_MAX, IDLE_LOGS_MAX, RESUME_SECONDS
from tickwire.market.market import Market
from tickwire.market.out import Heard
from tickwire.meters import Meters
from tickwire.model.channel import CANDLE_NAMES, PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Book, Candle, Event, Orders
from tickwire.streams.log import Cursor, Log, Retention, Segment, Sink


class Codec(Protocol):
    """Turns events and notices into complete frames of one encoding."""

    def message(
        self, key: StreamKey, event: Event | None, *, kind: Literal["snapshot", "update"], seq: int, ts: int
    ) -> bytes:
        """A stream message; `event` is None for a snapshot of what has not happened yet."""
        ...

    def lagging(self, messages: int) -> bytes:
        """Says how many messages a client is behind."""
        ...

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes:
        """Says that messages `first` to `last` are not coming: `gap` or `skipped`, by the stream's class."""
        ...


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

    __slots__ = ("key", "last_seq", "logs", "lossless", "pending", "shown", "slot")

    def __init__(self, key: StreamKey, seq: int, shown: Event | None) -> None:
        self.key = key
        self.lossless = key.lossless
        self.last_seq = seq
        self.logs: dict[str, Log] = {}
        self.pending: list[Event] = []
        self.shown = shown
        """What was last published."""
        self.slot = -1
        """Which interval the last publication fell into (book at an interval only)."""


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
        self._pushed: dict[tuple[str, str, str], _Stream] = {}  # (channel, symbol, candle interval)
        self._pulled: dict[str, dict[StreamKey, _Stream]] = {}  # symbol -> latest-class streams
        self._dirty: dict[_Stream, None] = {}
        self._waiting: dict[_Stream, None] = {}
        self._restart_over_at = 0  # when clients from before a restart are waited for no more; 0 for no restart
        self._idle: dict[Log, int] = {}  # logs without a reader: since when, oldest first
        self._touched: dict[Sink, None] = {}  # sinks that have something to write
        self.subscriptions_made = 0
        """How often somebody has subscribed to what it had not, ever."""

    # ---- subscribers -----------------------------------------------------------------------------

    def subscribe(self, key: StreamKey, sink: Sink) -> tuple[Cursor, bytes]:
        """Let a sink read a stream, from its next message on.

        The caller must send the returned snapshot before the next `flush`. Subscribing a sink again gives it
        a fresh snapshot and drops what it had not been given.

        Raises:
            UnknownSymbol: there is no such instrument.
        """
        stream = self._stream(key)
        log = stream.logs.get(sink.encoding) or self._open(stream, sink.encoding)
        return self._join(log, sink), self._snapshot(stream, log)

    def resume(self, key: StreamKey, sink: Sink, after: int) -> tuple[Cursor, bytes] | None:
        """Let a sink read a stream from the message after `after` on, its client's last over another connection.

        The caller must send the returned bytes before the next `flush`, and then call `catch_up` if the sink lags.
        None, and nothing done, when what was missed is not kept.

        Raises:
            UnknownSymbol: there is no such instrument.
        """
        if after == self.last_seq(key):
            stream = self._stream(key)
            return self._join(stream.logs.get(sink.encoding) or self._open(stream, sink.encoding), sink), b""
        known = self._find(key)
        log = known.logs.get(sink.encoding) if known is not None and key.lossless else None
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
        if log.lossless:
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
                stream = self._pushed.get((event.channel, event.symbol, "")) or self._log_from(event, now)
                stream.pending.append(event)
        for stream in self._pushed.values():
            said = stream.pending
            stream.last_seq = said[-1].seq
            for start in range(0, len(said), REMEMBERED_SEGMENT):
                stream.pending = said[start : start + REMEMBERED_SEGMENT]
                for log in stream.logs.values():
                    log.last_seq = stream.pending[-1].seq
                    data = self._encode(stream, log.encoding)
                    self._retention.add(log, Segment(stream.pending[0].seq, log.last_seq, data))
            stream.pending = []

    @property
    def heard(self) -> Heard:
        """The lossless streams that somebody reads, or may come back to, live. See `Market.heard`."""
        return _PublicToo(self._pushed) if self._restart_over_at else self._pushed

    def last_seq(self, key: StreamKey) -> int:
        """The last `seq` published on a stream that has subscribers, or the state's where it has none."""
        stream = self._find(key)
        return stream.last_seq if stream is not None else self._market.seq(key)

    def snapshot(self, key: StreamKey) -> Event | None:
        """A stream's state as a new subscriber would be shown it."""
        stream = self._find(key)
        return stream.shown if stream is not None and not key.lossless else self._market.view(key)

    # ---- publication -----------------------------------------------------------------------------

    def publish(self, events: Iterable[Event]) -> None:
        """Take the events of one record."""
        for event in events:
            interval = CANDLE_NAMES[event.interval] if isinstance(event, Candle) else ""
            stream = self._pushed.get((event.channel, event.symbol, interval))
            if stream is None and self._restart_over_at and self._may_be_missed(event):
                stream = self._log_from(event, self._market.now)
            if stream is not None:
                stream.pending.append(event)
                stream.shown = event
                self._dirty[stream] = None

    def hand(self, sink: Sink, frame: bytes) -> None:
        """Let a sink have a frame that is for it alone. The next flush writes it, ahead of the sink's streams."""
        sink.out.append(frame)
        self._touched[sink] = None

    def flush(self) -> None:
        """The transaction is over: hand every dirty stream's segment to its subscribers, and write."""
        self._pull()
        self._expire()
        made = [
            (
                log,
                len(stream.pending),
                Segment(stream.pending[0].seq, stream.pending[-1].seq, self._encode(stream, log.encoding)),
            )
            for stream in self._dirty
            for log in stream.logs.values()
        ]
        # all is encoded: from here on nothing can fail and leave a subscriber with half of a transaction
        touched = self._touched
        for log, count, segment in made:
            data, behind = segment.data, 0
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
            self._count(log.encoding, given * count, given * len(data))
            log.last_seq = segment.last
            self._retention.add(log, segment)
        for stream in self._dirty:
            stream.last_seq = stream.pending[-1].seq
            stream.pending = []
        self._dirty.clear()
        self.write()

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
            sink.out.append(self._codecs[sink.encoding].lagging(behind))
            self._count(sink.encoding, 1, len(sink.out[-1]))
            sink.lag_told = True
        for cursor in list(sink.lagging):
            if cursor.broken:
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

    def _count(self, encoding: str, messages: int, size: int) -> None:
        sent = self._meters.sent[encoding]
        sent.messages += messages
        sent.size += size

    def _find(self, key: StreamKey) -> _Stream | None:
        if key.lossless:
            return self._pushed.get((key.channel, key.symbol, ""))
        return self._pulled.get(key.symbol, {}).get(key)

    def _stream(self, key: StreamKey) -> _Stream:
        stream = self._find(key)
        if stream is None:
            shown = None if key.lossless else self._market.view(key)
            stream = _Stream(key, shown.seq if shown is not None else self._market.seq(key), shown)
            if not key.lossless:
                self._pulled.setdefault(key.symbol, {})[key] = stream
                stream.slot = self._slot(key)
            if key.lossless or key.channel == "candles":
                self._pushed[key.channel, key.symbol, key.interval] = stream
        return stream

    def _may_be_missed(self, event: Event) -> bool:
        """Whether a client from before a restart may come back for this. What a private stream's state does not show,
        the fills, the market keeps."""
        lossless = StreamKey(event.channel, event.symbol).lossless
        return lossless and event.channel not in PRIVATE_CHANNELS and len(self._idle) < IDLE_LOGS_MAX

    def _log_from(self, event: Event, now: int) -> _Stream:
        """A stream that nobody reads yet, with logs that begin with this event."""
        stream = self._stream(StreamKey(event.channel, event.symbol))
        stream.last_seq = event.seq - 1
        for encoding in self._codecs:
            self._idle[self._open(stream, encoding)] = now
        return stream

    def _open(self, stream: _Stream, encoding: str) -> Log:
        log = stream.logs[encoding] = Log(stream.key, encoding, stream.last_seq)
        self._retention.logs += 1
        return log

    def _close(self, log: Log) -> None:
        stream = self._find(log.key)
        if stream is not None and stream.logs.get(log.encoding) is log:
            del stream.logs[log.encoding]
            self._retention.logs -= 1
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
        if key.lossless or key.channel == "candles":
            del self._pushed[key.channel, key.symbol, key.interval]
        if not key.lossless:
            del self._pulled[key.symbol][key]
            if not self._pulled[key.symbol]:
                del self._pulled[key.symbol]

    def _slot(self, key: StreamKey) -> int:
        return self._market.now // (key.interval_ms * 1_000_000) if key.interval_ms else -1

    def _pull(self) -> None:
        """Collect the latest-class streams whose state has moved and whose time has come."""
        market, waiting = self._market, self._waiting
        for symbol in sorted(market.changed):  # on every machine the same order
            streams = self._pulled.get(symbol)
            if streams:
                seq_of = market.listing(symbol).seq_of
                for key, stream in streams.items():
                    if seq_of(key) > stream.last_seq:
                        waiting[stream] = None
        market.changed.clear()
        for stream in list(waiting):
            key = stream.key
            if key.interval_ms:
                slot = self._slot(key)
                if slot == stream.slot:
                    continue
            del waiting[stream]
            event = market.view(key)
            if event is None or _same_levels(event, stream.shown):
                continue
            if key.interval_ms:
                stream.slot = slot
            stream.shown = event
            stream.pending.append(event)
            self._dirty[stream] = None

    def _encode(self, stream: _Stream, encoding: str) -> bytes:
        message, key = self._codecs[encoding].message, stream.key
        frames = [
            message(key, event, kind=_kind(event) if stream.lossless else "update", seq=event.seq, ts=event.ts)
            for event in stream.pending
        ]
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _snapshot(self, stream: _Stream, log: Log) -> bytes:
        seq, frame = log.snapshot
        if seq != stream.last_seq:
            key, market = stream.key, self._market
            event = market.view(key) if key.lossless else stream.shown
            ts = event.ts if event is not None else market.now
            frame = self._codecs[log.encoding].message(key, event, kind="snapshot", seq=stream.last_seq, ts=ts)
            log.snapshot = (stream.last_seq, frame)
        return frame

    def _advance(self, cursor: Cursor, budget: int) -> int:
        """Hand a lagging cursor's next segments to its sink; returns the bytes."""
        log, sink = cursor.log, cursor.sink
        given = 0
        if cursor.index < log.first_index:
            stream = self._find(log.key)
            assert stream is not None
            codec = self._codecs[log.encoding]
            if log.key.lossless:
                sink.out.append(codec.dropped(log.key, cursor.seq + 1, stream.last_seq))
                sink.out.append(self._snapshot(stream, log))
                cursor.index = log.next_index
                given = len(sink.out[-1])
                self._meters.dropped["gap"] += stream.last_seq - cursor.seq
                self._count(log.encoding, 2, len(sink.out[-2]) + given)
            else:
                newest = log.segments[-1]
                if newest.first > cursor.seq + 1:
                    sink.out.append(codec.dropped(log.key, cursor.seq + 1, newest.first - 1))
                    self._meters.dropped["skipped"] += newest.first - 1 - cursor.seq
                    self._count(log.encoding, 1, len(sink.out[-1]))
                cursor.index = log.first_index
        while given < budget:
            segment = log.since(cursor.index)
            if segment is None:
                break
            sink.out.append(segment.data)
            given += len(segment.data)
            self._count(log.encoding, segment.last - segment.first + 1 if log.lossless else 1, len(segment.data))
            cursor.index += 1
            cursor.seq = segment.last
        if cursor.index >= log.next_index:
            cursor.index = -1
            del sink.lagging[cursor]
        return given


def _kind(event: Event) -> Literal["snapshot", "update"]:
    """A pushed book that was replaced whole is a snapshot in mid-stream; all else that is published, an update."""
    replaced = event.snapshot if isinstance(event, Book) else isinstance(event, Orders)
    return "snapshot" if replaced else "update"


def _same_levels(event: Event, shown: Event | None) -> bool:
    return isinstance(event, Book) and isinstance(shown, Book) and event.bids == shown.bids and event.asks == shown.asks
