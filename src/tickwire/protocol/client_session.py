"""The client's end of the native protocol without I/O: bytes in, outcomes out. Pure.

Requests and replies, hellos and heartbeats; what a message means for its stream, `client_streams` says.

The caller's duties: hand every message to `received` with the current time, act on the outcomes in order, send what
`to_send` gives after every call that may have filled it, and close the connection when `deadline` has passed or an
outcome is `Broken`. After a loss: `take_up` where the last session stood as soon as the hello is there, then `resume`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from tickwire.errors import ClientError, InvalidInput, RequestRefused
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_codec import CONTROL, KNOWN_CHANNELS, ClientCodec, Incoming, stream_params
from tickwire.protocol.client_codec import Encoding as Encoding
from tickwire.protocol.client_outcomes import Answered, Broken, ClientStats, Delivered, Ended, Outcome, Refused
from tickwire.protocol.client_streams import ClientStreams, Places
from tickwire.protocol.messages import (
    Drain,
    Gap,
    Heartbeat,
    Hello,
    Lagging,
    RequestId,
    Skipped,
    StreamMessage,
    StreamState,
)

T = TypeVar("T")

REQUESTS_MAX = 64
"""Requests in flight: more than a person or a script has use for, fewer than a server must keep for one client."""
OWN_REQUESTS_MAX = REQUESTS_MAX // 2
"""Those that the session makes by itself: the other half is for its user."""
HELLO_TIMEOUT_NS = 10_000_000_000
"""How long the server may take to say hello: it has nothing to do first but accept."""
HEARTBEAT_MS_MAX = 600_000
"""The longest heartbeat a client goes along with: beyond 10 minutes it can't tell a dead server from a calm one."""

_SYMBOL_FIELD = re.compile(r"symbols\[(\d{1,4})\]")


class _Subscribed(msgspec.Struct):
    streams: list[StreamState] = []


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
        self.received_ns = opened_ns
        """When something was received last."""
        self._heard_ns = opened_ns
        self._server_ahead_ns = 0
        self._codec = ClientCodec(encoding)
        self._streams = ClientStreams(self.stats)
        self._next_id = 1
        self._requests: dict[int, list[StreamKey]] = {}  # the user's: id -> the streams that it subscribes to
        self._own: dict[int, list[StreamKey]] = {}  # the session's own: id -> the streams that it asks for again

    # ---- time ------------------------------------------------------------------------------------

    @property
    def deadline(self) -> int:
        """When the connection counts as dead unless something is received before, ns."""
        if self.hello is None:
            return self._heard_ns + HELLO_TIMEOUT_NS
        return self._heard_ns + self.hello.heartbeat_ms * 2_500_000

    def server_time(self, now_ns: int) -> int:
        """The server's clock, ns since the Unix epoch, by what it said last: behind by what that took on its way."""
        return now_ns + self._server_ahead_ns

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
        return self._made(method, params, [])

    def _made(self, method: str, params: object, keys: list[StreamKey]) -> tuple[int, bytes]:
        if len(self._requests) + len(self._own) >= REQUESTS_MAX:
            raise ClientError(f"{REQUESTS_MAX} requests are in flight; wait for an answer first (nothing was sent)")
        data = self._encoded(method, params)
        if self.hello is not None and len(data) > self.hello.limits.message_bytes:
            raise InvalidInput(
                f"the request is {len(data)} bytes, the server takes {self.hello.limits.message_bytes}; split it",
                field="params",
            )
        return self._enter(self._requests, keys), data

    def forget(self, request_id: int) -> None:
        """Stop waiting for a reply; should it come, it is counted as unexpected."""
        self._requests.pop(request_id, None)

    def subscribe(self, keys: list[StreamKey]) -> tuple[int, bytes]:
        """A request for streams that differ in the symbol only. They are tracked from now on, unless it is refused."""
        request = self._made("subscribe", stream_params(keys), keys)
        self._streams.track(keys)
        return request

    def unsubscribe(self, keys: Iterable[StreamKey]) -> None:
        """End streams, with requests in `to_send`: what still comes of them is ignored from now on."""
        self._streams.drop(keys)

    def untrack(self, keys: Iterable[StreamKey]) -> None:
        """Expect nothing more of these streams."""
        self._streams.untrack(keys)

    @property
    def places(self) -> Places:
        """Where the lossless streams stand, for `take_up` of the next session; to be asked for after `closed`."""
        return self._streams.places

    def take_up(self, keys: Iterable[StreamKey], places: Places) -> list[Outcome]:
        """Track what an earlier connection was subscribed to, before anything else is. `resume` asks for it.

        Args:
            places: of the earlier session.
        """
        return self._streams.take_up(keys, places)

    def resume(self) -> None:
        """Ask for what was taken up, unless somebody has subscribed to it since."""
        self._streams.resume(self._asked())

    def to_send(self) -> list[bytes]:
        """Messages that the session wants sent by itself, in order."""
        out: list[bytes] = []
        room = min(OWN_REQUESTS_MAX, REQUESTS_MAX - len(self._requests)) - len(self._own)
        requests = self._streams.requests()
        while len(out) < room and (request := next(requests, None)) is not None:
            method, keys, position = request
            out.append(self._encoded(method, stream_params(keys, position)))
            # to unsubscribe is asked for again when a heartbeat says that it was refused
            self._enter(self._own, keys if method == "subscribe" else [])
        return out

    # ---- in --------------------------------------------------------------------------------------

    def received(self, data: bytes, now_ns: int) -> list[Outcome]:
        """What one message of the server comes to. Never raises for anything in `data`."""
        self.received_ns = now_ns
        if self.hello is not None:  # until then nothing but a hello will do
            self._heard_ns = now_ns
        self.stats.messages += 1
        message = self._codec.update(data)
        if message is not None:
            return self._streams.update(message, len(data))
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
        return self._streams.lost(key, reason)

    def closed(self, reason: str) -> list[Outcome]:
        """The connection is gone: every stream that was whole is interrupted, or lost where its past is not kept."""
        return self._streams.closed(reason)

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

    def _enter(self, requests: dict[int, list[StreamKey]], keys: list[StreamKey]) -> int:
        request_id = self._next_id
        self._next_id += 1
        requests[request_id] = keys
        return request_id

    def _asked(self) -> set[StreamKey]:
        """The streams that the user subscribes to just now."""
        return {key for keys in self._requests.values() for key in keys}

    def _stream_message(self, incoming: Incoming, size: int) -> list[Outcome]:
        key = StreamKey(incoming.channel, incoming.symbol, incoming.depth, incoming.interval_ms, incoming.interval)
        streams = self._streams
        if key not in streams:
            if incoming.channel in KNOWN_CHANNELS:
                self.stats.unexpected += 1
            else:
                self.stats.unknown += 1
            return []
        message = self._codec.typed(incoming)  # where this raises, the stream must not move
        if message.type == "update":
            return streams.update(message, size)
        return [*streams.snapshot(key, message.seq), Delivered(key, message, size)]

    def _control(self, kind: str, data: bytes, now_ns: int) -> list[Outcome]:
        if kind == "heartbeat":
            heartbeat = self._codec.decode(data, Heartbeat)
            self._server_ahead_ns = heartbeat.time - now_ns
            return [heartbeat, *self._streams.heartbeat(heartbeat)]
        if kind == "hello":
            hello = self._codec.decode(data, Hello)
            if not 0 < hello.heartbeat_ms <= HEARTBEAT_MS_MAX:
                return self._broken(1002, f"heartbeat_ms is {hello.heartbeat_ms}, not 1 to {HEARTBEAT_MS_MAX}")
            self.hello = hello
            self._streams.epoch = hello.epoch
            self._heard_ns = now_ns
            self._server_ahead_ns = hello.time - now_ns
            return [hello]
        if kind == "drain":
            return [self._codec.decode(data, Drain)]
        if kind == "lagging":
            lagging = self._codec.decode(data, Lagging)
            self.stats.lagging += 1
            return [lagging]
        if kind == "skipped":
            skipped = self._codec.decode(data, Skipped)
            key = StreamKey(skipped.channel, skipped.symbol, skipped.depth, skipped.interval_ms, skipped.interval)
            return self._streams.noticed(key, skipped)
        gap = self._codec.decode(data, Gap)
        return self._streams.noticed(StreamKey(gap.channel, gap.symbol), gap)

    def _reply(self, request_id: RequestId, incoming: Incoming) -> list[Outcome]:
        error = incoming.error
        refusal = None
        if error is not None:
            refusal = RequestRefused(error.code, error.message, field=error.field, retry=error.retry)
        if isinstance(request_id, int) and request_id in self._requests:
            keys = self._requests.pop(request_id)
            if refusal is None:
                self._streams.granted(keys)
                return [Answered(request_id, incoming.result)]
            asked = self._asked()
            self.untrack(key for key in keys if key not in self._streams and key not in asked)
            return [Refused(request_id, refusal)]
        if not isinstance(request_id, int) or request_id not in self._own:
            self.stats.unexpected += 1
            return []
        keys = self._own.pop(request_id)
        if refusal is None:
            if not self._streams.asks_to_go_on(keys):
                return []
            return self._streams.answered(self._codec.decode(incoming.result, _Subscribed).streams)
        if refusal.retry:
            self._streams.refused_for_now(keys)
            return []
        named = _SYMBOL_FIELD.fullmatch(refusal.field or "")
        index = int(named[1]) if named and int(named[1]) < len(keys) else None
        return [Ended(key, refusal) for key in self._streams.refused(keys, index)]

    def _broken(self, close_code: int, reason: str) -> list[Outcome]:
        self.stats.malformed += 1
        return [Broken(close_code, reason)]
