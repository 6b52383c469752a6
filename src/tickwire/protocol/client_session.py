"""The client's end of the native protocol without I/O: bytes in, outcomes out. Pure.

Rules of a stream, which this module holds the server to:

- It begins with a snapshot. A later snapshot, at any moment and any `seq`, replaces the state.
- Lossless: an update's `seq` is the last one plus 1. Latest: it only rises.
- A heartbeat names the last `seq` of every stream of the session. The transport is ordered, so whatever was
  published before the heartbeat has arrived before it, or is lost.

A stream that broke a rule is `Lost`: its updates are held back and it is subscribed to again, which makes the
server send a snapshot. `fills` alone are asked for from the last one on; the server then sends exactly those that
are missing, or a snapshot. The caller's duties: hand every message to `received` with the current time, act on
the outcomes in order, send what `to_send` gives after every call that may have filled it, and close the
connection when `deadline` has passed or an outcome is `Broken`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from tickwire.errors import ClientError, InvalidInput, RequestRefused
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_codec import CONTROL, KNOWN_CHANNELS, ClientCodec, Incoming, by_request, stream_params
from tickwire.protocol.client_codec import Encoding as Encoding
from tickwire.protocol.client_outcomes import (
    Answered,
    Broken,
    ClientStats,
    Delivered,
    Ended,
    Lost,
    Noticed,
    Outcome,
    Refused,
)
from tickwire.protocol.messages import (
    Gap,
    Heartbeat,
    Hello,
    Position,
    RequestId,
    Skipped,
    StreamMessage,
)

T = TypeVar("T")

REQUESTS_MAX = 64
"""Requests in flight: more than a person or a script has use for, fewer than a server must keep for one client."""
SYMBOLS_PER_REQUEST_MAX = 256
"""Symbols of one re-subscription: keeps it below any sensible `message_bytes`."""
HELLO_TIMEOUT_NS = 10_000_000_000
"""How long the server may take to say hello: it has nothing to do first but accept."""
HEARTBEAT_MS_MAX = 600_000
"""The longest heartbeat a client goes along with: beyond 10 minutes it can't tell a dead server from a calm one."""
WAITED_ASK, WAITED_BROKEN = 2, 4
"""Heartbeats that a stream may wait for its snapshot before it is asked for again, and before the connection
is given up. One heartbeat may have been on its way already; two mean that a whole interval has passed."""

REPLAYED_CHANNEL = "fills"
"""The one channel whose missing messages are asked for: of every other the state says all that matters."""

_SYMBOL_FIELD = re.compile(r"symbols\[(\d{1,4})\]")


class _Stream:
    __slots__ = ("asked", "key", "lossless", "position", "seq", "since", "waited")

    def __init__(self, key: StreamKey, position: Position | None = None) -> None:
        self.key = key
        self.lossless = key.lossless
        self.seq: int | None = None  # None: waits for its snapshot
        self.position = position  # of the last message, where missing ones can be asked for
        self.since = position  # what was asked for last
        self.waited = 0  # heartbeats since it waits
        self.asked = False  # subscribed to again since the last heartbeat that found it whole


class _Subscribed(msgspec.Struct):
    recovered: bool = False


class ClientSession:
    """One connection's state.

    Args:
        encoding: what the connection negotiated.
        opened_ns: when it did, on any clock that only rises; the same clock as in `received`.
        stats: counters to add to.
    """

    def __init__(self, *, encoding: Encoding = "json", opened_ns: int = 0, stats: ClientStats | None = None) -> None:
        self.stats = stats if stats is not None else ClientStats()
        self.hello: Hello | None = None
        self._heard_ns = opened_ns
        self._codec = ClientCodec(encoding)
        self._streams: dict[StreamKey, _Stream] = {}
        self._next_id = 1
        self._requests: dict[int, list[StreamKey] | None] = {}  # id -> the streams that it asks for again
        self._ask: dict[StreamKey, None] = {}  # to be subscribed to again
        self._out: list[bytes] = []

    # ---- time ------------------------------------------------------------------------------------

    @property
    def deadline(self) -> int:
        """When the connection counts as dead unless something is received before, ns."""
        if self.hello is None:
            return self._heard_ns + HELLO_TIMEOUT_NS
        return self._heard_ns + self.hello.heartbeat_ms * 2_500_000

    def heard(self, now_ns: int) -> None:
        """Put the deadline off: nothing was received because nothing was read."""
        self._heard_ns = now_ns

    # ---- out -------------------------------------------------------------------------------------

    def request(self, method: str, params: object = None) -> tuple[int, bytes]:
        """A request to send. Its `Answered` or `Refused` bears the same id.

        Args:
            method: a name from the protocol.
            params: a struct of `tickwire.protocol.messages` or a dict; None for none.

        Raises:
            ClientError: too many requests are in flight; nothing was sent.
            InvalidInput: the request is larger than the server takes.
        """
        if len(self._requests) >= REQUESTS_MAX:
            raise ClientError(f"{REQUESTS_MAX} requests are in flight; wait for an answer first (nothing was sent)")
        data = self._encoded(method, params)
        if self.hello is not None and len(data) > self.hello.limits.message_bytes:
            raise InvalidInput(
                f"the request is {len(data)} bytes, the server takes {self.hello.limits.message_bytes}; split it",
                field="params",
            )
        return self._enter(None), data

    def forget(self, request_id: int) -> None:
        """Stop waiting for a reply; should it come, it is counted as unexpected."""
        self._requests.pop(request_id, None)

    def subscribe(self, keys: list[StreamKey]) -> tuple[int, bytes]:
        """A request for streams that differ in the symbol only. They are tracked from now on; when the request
        is refused, `untrack` those that nobody else wants."""
        request = self.request("subscribe", stream_params(keys))
        for key in keys:
            self._streams.setdefault(key, _Stream(key))
        return request

    def unsubscribe(self, keys: Iterable[StreamKey]) -> None:
        """End streams that differ in the symbol only, with a request in `to_send`. Its reply is of no interest:
        what still comes of them is ignored from now on."""
        keys = [key for key in keys if key in self._streams]
        self.untrack(keys)
        if keys:
            self._out.append(self._encoded("unsubscribe", stream_params(keys)))
            self._enter([])

    def untrack(self, keys: Iterable[StreamKey]) -> None:
        """Expect nothing more of these streams."""
        for key in keys:
            self._streams.pop(key, None)
            self._ask.pop(key, None)

    @property
    def positions(self) -> dict[StreamKey, Position]:
        """Where the streams stand whose missing messages can be asked for."""
        return {key: stream.position for key, stream in self._streams.items() if stream.position is not None}

    def resume(self, keys: Iterable[StreamKey], positions: Mapping[StreamKey, Position] | None = None) -> None:
        """Take up, on a new connection, what an earlier one was subscribed to.

        Args:
            positions: those of the earlier session.
        """
        for key in keys:
            if key not in self._streams:
                self._streams[key] = _Stream(key, positions.get(key) if positions else None)
                self._ask[key] = None

    def to_send(self) -> list[bytes]:
        """Messages that the session wants sent by itself, in order."""
        out, self._out = self._out, []
        if not self._ask:
            return out
        for group in by_request(self._ask):
            for start in range(0, len(group), SYMBOLS_PER_REQUEST_MAX):
                if len(self._requests) >= REQUESTS_MAX:
                    return out
                keys = group[start : start + SYMBOLS_PER_REQUEST_MAX]
                stream = self._streams[keys[0]]
                stream.since = stream.position
                out.append(self._encoded("subscribe", stream_params(keys, stream.since)))
                self._enter(keys)
                for key in keys:
                    del self._ask[key]
        return out

    # ---- in --------------------------------------------------------------------------------------

    def received(self, data: bytes, now_ns: int) -> list[Outcome]:
        """What one message of the server comes to. Never raises for anything in `data`."""
        if self.hello is not None:  # until then nothing but a hello will do
            self._heard_ns = now_ns
        self.stats.messages += 1
        try:
            incoming = self._codec.incoming(data)
            kind = incoming.type
            if kind in ("update", "snapshot"):
                return self._stream_message(incoming, len(data))
            if kind in CONTROL:
                return self._control(kind, data, now_ns)
            if not kind and incoming.id is not msgspec.UNSET:
                return self._reply(incoming.id, incoming)
        except msgspec.ValidationError as error:
            if not self._codec.is_later(data):
                return self._broken(1002, f"a message has the wrong shape: {error}")
        except (ValueError, RecursionError) as error:
            return self._broken(1007, f"a message can't be decoded: {error}")
        self.stats.unknown += 1
        return []

    def lost(self, key: StreamKey, reason: str) -> list[Outcome]:
        """Treat a stream as lost, for a reason found outside (a checksum). No news when it is already."""
        stream = self._streams.get(key)
        return [] if stream is None or stream.seq is None else [self._lose(stream, stream.seq, reason)]

    def closed(self, reason: str) -> list[Outcome]:
        """The connection is gone: every stream that was whole is lost."""
        return [self._lose(stream, stream.seq, reason) for stream in self._streams.values() if stream.seq is not None]

    def decode(self, result: msgspec.Raw, kind: type[T]) -> T:
        """A request's result as what it should be.

        Raises:
            ClientError: it is something else.
        """
        try:
            return self._codec.decode(result, kind)
        except (ValueError, RecursionError) as error:
            raise ClientError(f"the server's result is not what the protocol says: {error}") from error

    def decode_message(self, result: msgspec.Raw) -> StreamMessage:
        """The result of `snapshot`, its `data` typed.

        Raises:
            ClientError: it is something else.
        """
        incoming = self.decode(result, Incoming)
        try:
            return self._codec.typed(incoming)
        except (ValueError, KeyError, RecursionError) as error:
            raise ClientError(f"the server's result is not what the protocol says: {error}") from error

    # ---- inside ----------------------------------------------------------------------------------

    def _encoded(self, method: str, params: object) -> bytes:
        body: dict[str, object] = {"id": self._next_id, "method": method}
        if params is not None:
            body["params"] = params
        return self._codec.encode(body)

    def _enter(self, keys: list[StreamKey] | None) -> int:
        request_id = self._next_id
        self._next_id += 1
        self._requests[request_id] = keys
        return request_id

    def _stream_message(self, incoming: Incoming, size: int) -> list[Outcome]:
        key = StreamKey(incoming.channel, incoming.symbol, incoming.depth, incoming.interval_ms, incoming.interval)
        stream = self._streams.get(key)
        if stream is None:
            if incoming.channel in KNOWN_CHANNELS:
                self.stats.unexpected += 1
            else:
                self.stats.unknown += 1
            return []
        seq, last = incoming.seq, stream.seq
        if incoming.type == "update":
            if last is None:
                return []  # between a loss and its snapshot nothing can be placed
            if seq != last + 1 if stream.lossless else seq <= last:
                return [self._lose(stream, last, f"seq {seq} came after {last}")]
        message = self._codec.typed(incoming)
        if last is None:
            stream.waited = 0
        stream.seq = seq
        if key.channel == REPLAYED_CHANNEL and self.hello is not None:
            stream.position = Position(self.hello.epoch, seq)
        return [Delivered(key, message, size)]

    def _control(self, kind: str, data: bytes, now_ns: int) -> list[Outcome]:
        if kind == "heartbeat":
            return self._heartbeat(self._codec.decode(data, Heartbeat))
        if kind == "hello":
            hello = self._codec.decode(data, Hello)
            if not 0 < hello.heartbeat_ms <= HEARTBEAT_MS_MAX:
                return self._broken(1002, f"heartbeat_ms is {hello.heartbeat_ms}, not 1 to {HEARTBEAT_MS_MAX}")
            self.hello = hello
            self._heard_ns = now_ns
            return [hello]
        if kind == "skipped":
            skipped = self._codec.decode(data, Skipped)
            key = StreamKey(skipped.channel, skipped.symbol, skipped.depth, skipped.interval_ms, skipped.interval)
            return self._noticed(key, skipped)
        gap = self._codec.decode(data, Gap)
        return self._noticed(StreamKey(gap.channel, gap.symbol), gap)

    def _noticed(self, key: StreamKey, notice: Gap | Skipped) -> list[Outcome]:
        stream = self._streams.get(key)
        if stream is None:
            self.stats.unexpected += 1
            return []
        if isinstance(notice, Gap):
            self.stats.gaps += 1
            stream.seq = None
        else:
            self.stats.skipped += 1
        return [Noticed(key, notice)]

    def _heartbeat(self, heartbeat: Heartbeat) -> list[Outcome]:
        published = {
            StreamKey(state.channel, state.symbol, state.depth, state.interval_ms, state.interval): state.seq
            for state in heartbeat.streams
        }
        outcomes: list[Outcome] = [heartbeat]
        for key, stream in self._streams.items():
            last = stream.seq
            if last is None:
                stream.waited += 1
                if stream.waited == WAITED_ASK:
                    self._ask[key] = None
                elif stream.waited >= WAITED_BROKEN:
                    return self._broken(1002, f"{key.channel} of {key.symbol} does not begin")
                continue
            stream.asked = False
            seq = published.get(key)
            if seq is None:
                outcomes.append(self._lose(stream, last, "the server does not count it among the session's streams"))
            elif seq > last:
                outcomes.append(self._lose(stream, last, f"the heartbeat names seq {seq}, {last} is the last here"))
        return outcomes

    def _lose(self, stream: _Stream, after: int, reason: str) -> Noticed:
        self.stats.lost += 1
        stream.seq = None
        stream.waited = 0
        if stream.asked:
            # twice between two heartbeats: ask at the next, so that a server at fault isn't asked in a loop
            stream.waited = WAITED_ASK - 1
        else:
            stream.asked = True
            self._ask[stream.key] = None
        key = stream.key
        return Noticed(key, Lost(key.channel, key.symbol, after, reason, key.depth, key.interval_ms, key.interval))

    def _reply(self, request_id: RequestId, incoming: Incoming) -> list[Outcome]:
        if not isinstance(request_id, int) or request_id not in self._requests:
            self.stats.unexpected += 1
            return []
        keys = self._requests.pop(request_id)
        error = incoming.error
        if error is None:
            if keys is None:
                return [Answered(request_id, incoming.result)]
            self._resumed(keys, incoming.result)
            return []
        refusal = RequestRefused(error.code, error.message, field=error.field, retry=error.retry)
        if keys is None:
            return [Refused(request_id, refusal)]
        if error.retry:
            return []  # the streams wait, and the heartbeats have them asked for again
        named = _SYMBOL_FIELD.fullmatch(error.field or "")
        ended = keys
        if named and int(named[1]) < len(keys):
            ended = [keys[int(named[1])]]
            self._ask.update((key, None) for key in keys if key not in ended and key in self._streams)
        ended = [key for key in ended if key in self._streams]
        self.untrack(ended)
        return [Ended(key, refusal) for key in ended]

    def _resumed(self, keys: list[StreamKey], result: msgspec.Raw) -> None:
        stream = self._streams.get(keys[0]) if keys else None
        if stream is None or stream.since is None or not self._codec.decode(result, _Subscribed).recovered:
            return  # a snapshot follows
        stream.seq = stream.since.seq
        stream.waited = 0

    def _broken(self, close_code: int, reason: str) -> list[Outcome]:
        self.stats.malformed += 1
        return [Broken(close_code, reason)]
