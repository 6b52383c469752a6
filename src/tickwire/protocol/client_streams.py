"""Where the streams of a client stand, and what each message and each loss of a connection means for them. Pure.

Rules of a stream, which this module holds the server to:

- It begins with a snapshot. A later snapshot, at any moment, replaces the state.
- Lossless: an update's `seq` is the last one plus 1, and so is that of a venue's book that was sent anew. Any other
  snapshot stands where the stream stands; one that does not skips messages. Latest: `seq` only rises.
- A heartbeat names the last `seq` of every stream of the session. The transport is ordered, so whatever was
  published before the heartbeat has arrived before it, or is lost. What it names and nobody wants is unsubscribed from.

A stream that broke a rule is `Lost`: its updates are held back and it is subscribed to again, which makes the
server send a snapshot. A lossless stream that was whole when its connection was lost is `Interrupted`, and asked for
from its last message on over the next one. Then it is either `Resumed`, and exactly what it missed follows, or `Lost`,
and a snapshot follows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal, NamedTuple

from tickwire.model.channel import StreamKey
from tickwire.protocol.client_codec import by_request
from tickwire.protocol.client_outcomes import (
    Broken,
    ClientStats,
    Delivered,
    Interrupted,
    Lost,
    Noticed,
    Outcome,
    Resumed,
)
from tickwire.protocol.messages import Gap, Heartbeat, Position, Skipped, StreamMessage, StreamState

SYMBOLS_PER_REQUEST_MAX = 256
"""Symbols of one re-subscription: keeps it below any sensible `message_bytes`."""
WAITED_ASK, WAITED_BROKEN = 2, 4
"""Heartbeats that a stream may wait for its snapshot before it is asked for again, and before the connection
is given up. One heartbeat may have been on its way already; two mean that a whole interval has passed."""
REPLACED_CHANNELS = frozenset(("book", "book_l3"))
"""Channels of which a message in mid-stream can be a snapshot: a venue's book was sent anew."""


class Places(NamedTuple):
    """The last message of each lossless stream that can go on from there."""

    epoch: str
    seqs: dict[StreamKey, int]


class Request(NamedTuple):
    """Streams that differ in the symbol only, to unsubscribe from or to subscribe to again, from a position or anew."""

    method: Literal["subscribe", "unsubscribe"]
    keys: list[StreamKey]
    position: Position | None = None


class _Stream:
    __slots__ = ("asked", "fresh", "granted", "key", "lossless", "place", "seq", "waited")

    def __init__(self, key: StreamKey, *, place: int | None = None, granted: bool = False) -> None:
        self.key = key
        self.lossless = key.lossless
        self.seq: int | None = None  # None: waits, for its snapshot or to be resumed
        self.place = place  # its last message on an earlier connection, until it goes on from there or begins anew
        self.granted = granted  # the server has agreed to it: what comes before is of a subscription that has ended
        self.fresh = False  # somebody's subscription was agreed to, and its snapshot is to follow
        self.waited = 0  # heartbeats since it waits
        self.asked = False  # subscribed to again since the last heartbeat that found it whole

    @property
    def last(self) -> int | None:
        """The last message that was delivered, on whichever connection."""
        return self.place if self.seq is None else self.seq


class ClientStreams:
    """The streams of one connection, by key.

    Attributes:
        epoch: the server's, once it has said hello.
    """

    def __init__(self, stats: ClientStats) -> None:
        self.epoch = ""
        self._stats = stats
        self._streams: dict[StreamKey, _Stream] = {}
        self._ask: dict[StreamKey, None] = {}  # to be subscribed to again
        self._unwanted: dict[StreamKey, None] = {}  # to be unsubscribed from; none of them is tracked

    def __contains__(self, key: StreamKey) -> bool:
        """Whether messages of a stream are expected."""
        stream = self._streams.get(key)
        return stream is not None and stream.granted

    def track(self, keys: Iterable[StreamKey]) -> None:
        """Somebody subscribes to these."""
        for key in keys:
            self._streams.setdefault(key, _Stream(key))
            self._unwanted.pop(key, None)

    def granted(self, keys: Iterable[StreamKey]) -> None:
        """The server has agreed to that: snapshots follow."""
        for key in keys:
            if (stream := self._streams.get(key)) is not None:
                stream.granted = stream.fresh = True

    def drop(self, keys: Iterable[StreamKey]) -> None:
        """Nobody wants these any more: `requests` ends them."""
        known = [key for key in keys if key in self._streams]
        self.untrack(known)
        self._unwanted.update(dict.fromkeys(known))

    def untrack(self, keys: Iterable[StreamKey]) -> None:
        """Expect nothing more of these streams."""
        for key in keys:
            self._streams.pop(key, None)
            self._ask.pop(key, None)

    # ---- messages --------------------------------------------------------------------------------

    def update(self, message: StreamMessage, size: int) -> list[Outcome]:
        """An update has come: it is delivered, or the stream is lost."""
        # equal to the `StreamKey` that it is looked up by, and made in a fraction of the time
        key = (message.channel, message.symbol, message.depth, message.interval_ms, message.interval)
        stream: _Stream | None = self._streams.get(key)  # type: ignore[call-overload]
        if stream is None or not stream.granted:
            self._stats.unexpected += 1
            return []
        last = stream.seq
        if last is None:
            return []  # between a loss and its snapshot nothing can be placed
        seq = message.seq
        if seq != last + 1 if stream.lossless else seq <= last:
            return [self._lose(stream, last, f"seq {seq} came after {last}")]
        stream.seq = seq
        return [Delivered(stream.key, message, size)]

    def snapshot(self, key: StreamKey, seq: int) -> list[Outcome]:
        """A snapshot has come: what it skips without a word is lost."""
        stream = self._streams[key]
        last = stream.last
        replaced = key.channel in REPLACED_CHANNELS and stream.seq == seq - 1
        outcomes: list[Outcome] = []
        if stream.lossless and last is not None and last != seq and not replaced:
            outcomes.append(self._missing(stream, last, f"a snapshot at seq {seq} came after {last}"))
        stream.seq, stream.place, stream.fresh, stream.waited = seq, None, False, 0
        return outcomes

    def noticed(self, key: StreamKey, notice: Gap | Skipped) -> list[Outcome]:
        """The server left something out."""
        stream = self._streams.get(key)
        if stream is None or not stream.granted:
            self._stats.unexpected += 1
            return []
        if isinstance(notice, Gap):
            self._stats.gaps += 1
            stream.seq = None
        else:
            self._stats.skipped += 1
        return [Noticed(key, notice)]

    def heartbeat(self, heartbeat: Heartbeat) -> list[Outcome]:
        """Compare with what has arrived."""
        published = {
            StreamKey(state.channel, state.symbol, state.depth, state.interval_ms, state.interval): state.seq
            for state in heartbeat.streams
        }
        # this tells, too, which request to unsubscribe was refused; what it does not name has ended
        self._unwanted = {key: None for key in published if key not in self._streams}
        outcomes: list[Outcome] = []
        for key, stream in self._streams.items():
            last = stream.seq
            if last is None:
                stream.waited += 1
                if stream.waited == WAITED_ASK:
                    self._ask[key] = None
                elif stream.waited >= WAITED_BROKEN:
                    self._stats.malformed += 1
                    return [*outcomes, Broken(1002, f"{key.channel} of {key.symbol} does not begin")]
                continue
            stream.asked = False
            seq = published.get(key)
            if seq is None:
                outcomes.append(self._lose(stream, last, "the server does not count it among the session's streams"))
            elif seq > last:
                outcomes.append(self._lose(stream, last, f"the heartbeat names seq {seq}, {last} is the last here"))
        return outcomes

    def lost(self, key: StreamKey, reason: str) -> list[Outcome]:
        """Treat a stream as lost, for a reason found outside. No news when it is already."""
        stream = self._streams.get(key)
        return [] if stream is None or stream.last is None else [self._lose(stream, stream.last, reason)]

    # ---- from one connection to the next ---------------------------------------------------------

    def closed(self, reason: str) -> list[Outcome]:
        """The connection is gone: every stream that was whole is interrupted, or lost where its past is not kept."""
        outcomes: list[Outcome] = []
        for stream in self._streams.values():
            if stream.last is not None and (stream.fresh or not stream.lossless):
                outcomes.append(self._missing(stream, stream.last, reason))
            elif stream.seq is not None:
                outcomes.append(Interrupted(stream.key, reason))
        return outcomes

    @property
    def places(self) -> Places:
        """Where the lossless streams stand, after `closed`."""
        seqs = {key: s.last for key, s in self._streams.items() if s.lossless and s.last is not None}
        return Places(self.epoch, seqs)

    def take_up(self, keys: Iterable[StreamKey], places: Places) -> list[Outcome]:
        """Track what an earlier connection was subscribed to, before anything else is."""
        outcomes: list[Outcome] = []
        for key in keys:
            stream = self._streams[key] = _Stream(key, place=places.seqs.get(key), granted=True)
            if stream.place is not None and places.epoch != self.epoch:
                reason = f"the server began anew: its epoch is {self.epoch} now, not {places.epoch}"
                outcomes.append(self._missing(stream, stream.place, reason))
        return outcomes

    # ---- subscribing again -----------------------------------------------------------------------

    def resume(self, asked: Container[StreamKey]) -> None:
        """Ask for what was taken up, except for `asked`, what somebody subscribes to just now."""
        waiting = (key for key, s in self._streams.items() if s.seq is None and not s.fresh and key not in asked)
        self._ask.update(dict.fromkeys(waiting))

    def requests(self) -> Iterator[Request]:
        """What is to be asked for. A request that was taken counts as sent."""
        for keys in _parts(list(self._unwanted)):
            for key in keys:
                del self._unwanted[key]
            yield Request("unsubscribe", keys)
        going_on = [key for key in self._ask if self._streams[key].place is not None]
        anew = [key for key in self._ask if self._streams[key].place is None]
        for keys in (*_parts(going_on), *_parts(anew)):
            for key in keys:
                del self._ask[key]
            yield Request("subscribe", keys, self._position(keys))

    def _position(self, keys: list[StreamKey]) -> Position | None:
        seqs = {key.symbol: place for key in keys if (place := self._streams[key].place) is not None}
        if not seqs:
            return None
        return Position(self.epoch, seqs if len(seqs) > 1 else next(iter(seqs.values())))

    def asks_to_go_on(self, keys: list[StreamKey]) -> bool:
        """Whether the answer to a request says of these streams whether they go on."""
        return any(key in self._streams and self._streams[key].place is not None for key in keys)

    def answered(self, states: list[StreamState]) -> list[Outcome]:
        """Which of the streams that were asked for go on."""
        outcomes: list[Outcome] = []
        for state in states:
            stream = self._streams.get(StreamKey(state.channel, state.symbol))
            if stream is None or stream.place is None or state.recovered is None:
                continue
            place = stream.place
            if not state.recovered:
                outcomes.append(self._missing(stream, place, state.reason))
            elif state.seq < place:
                outcomes.append(self._lose(stream, place, f"it went on from {place}, but its last is {state.seq}"))
            else:
                self._stats.resumed += 1
                stream.seq, stream.place, stream.waited = place, None, 0
                resumed = Resumed(state.channel, state.symbol, place, state.seq - place)
                outcomes.append(Noticed(stream.key, resumed))
        return outcomes

    def refused_for_now(self, keys: list[StreamKey]) -> None:
        """A request was refused that may work later: the next heartbeat has its streams asked for again."""
        for key in keys:
            if key in self._streams:
                self._streams[key].waited = WAITED_ASK - 1

    def refused(self, keys: list[StreamKey], index: int | None) -> list[StreamKey]:
        """A request was refused for good, for one of its streams or for all. Returns those that have ended; the others
        are asked for again."""
        ended = [key for key in (keys if index is None else [keys[index]]) if key in self._streams]
        if index is not None:
            self._ask.update((key, None) for key in keys if key != keys[index] and key in self._streams)
        self.untrack(ended)
        return ended

    # ---- inside ----------------------------------------------------------------------------------

    def _missing(self, stream: _Stream, after: int, reason: str) -> Noticed:
        """Messages are missing that can't be asked for; a snapshot is to follow."""
        self._stats.lost += 1
        stream.seq = stream.place = None
        key = stream.key
        return Noticed(key, Lost(key.channel, key.symbol, after, reason, key.depth, key.interval_ms, key.interval))

    def _lose(self, stream: _Stream, after: int, reason: str) -> Noticed:
        """A stream broke a rule: have it begin anew."""
        stream.waited = 0
        if stream.asked:
            # twice between two heartbeats: ask at the next, so that a server at fault isn't asked in a loop
            stream.waited = WAITED_ASK - 1
        else:
            stream.asked = True
            self._ask[stream.key] = None
        return self._missing(stream, after, reason)


def _parts(keys: list[StreamKey]) -> Iterator[list[StreamKey]]:
    """Streams as requests name them."""
    for group in by_request(keys):
        for start in range(0, len(group), SYMBOLS_PER_REQUEST_MAX):
            yield group[start : start + SYMBOLS_PER_REQUEST_MAX]
