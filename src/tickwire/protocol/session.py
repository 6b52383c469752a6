"""The server's end of a native session, sans-I/O: bytes of whole messages in, frames out.

The caller owns the socket and the clock. It must send `opened()` first, then whatever `received()` returns, in
that order and before the hub's next flush; call `heartbeat()` every `heartbeat_ms`; and call `closed()` once
when the connection is gone. Nothing that a client sends makes a method raise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tickwire.errors import InvalidInput, UnknownSymbol
from tickwire.limits import HEARTBEAT_MS, MESSAGE_BYTES_MAX, REQUESTS_PER_SECOND_MAX, SUBSCRIPTIONS_MAX
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey, stream_key
from tickwire.model.events import Status
from tickwire.protocol.codec import Encoding
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import (
    ErrorBody,
    Heartbeat,
    Hello,
    InstrumentsParams,
    Limits,
    NoParams,
    Reply,
    Request,
    RequestId,
    SnapshotParams,
    StreamParams,
)
from tickwire.protocol.render import Renderer, instrument_info, stream_state
from tickwire.streams.hub import Hub
from tickwire.streams.log import Cursor, Sink

REQUEST_ID_LENGTH_MAX = 36
SECOND_NS = 1_000_000_000


def _is_request_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= REQUEST_ID_LENGTH_MAX
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _field_of(message: str) -> str:
    """The field that one of msgspec's messages is about, with the path to it."""
    path = re.search(r"`\$\.([^`]+)`", message)
    name = re.search(r"field `([^`]+)`", message)
    return ".".join(found[1] for found in (path, name) if found) or "params"


class _TokenBucket:
    """Allows `rate` events a second, with bursts of as many. Integer nanoseconds, so that no token is lost."""

    def __init__(self, rate: int, now: int) -> None:
        self._cost = SECOND_NS // rate
        self._full = SECOND_NS
        self._level = self._full
        self._at = now

    def take(self, now: int) -> bool:
        self._level = min(self._full, self._level + max(0, now - self._at))
        self._at = now
        if self._level < self._cost:
            return False
        self._level -= self._cost
        return True


class Session:
    """One client's session.

    Args:
        session_id: unique name of the session, told to the client.
        epoch: the tape's; with a `seq` it names a place in a stream.
        version: of the server.
        challenge: random text for the client to sign when it logs in.
        encoding: what the client negotiated.
        market, hub, renderer: what it serves.
        sink: where the hub hands this client's stream messages.
        now: the wall clock in nanoseconds since the epoch.
    """

    def __init__(
        self,
        *,
        session_id: str,
        epoch: str,
        version: str,
        challenge: str,
        encoding: Encoding,
        market: Market,
        hub: Hub,
        renderer: Renderer,
        sink: Sink,
        now: Callable[[], int],
    ) -> None:
        self.session_id = session_id
        self._epoch = epoch
        self._version = version
        self._challenge = challenge
        self._encoding = encoding
        self._market = market
        self._hub = hub
        self._renderer = renderer
        self._sink = sink
        self._now = now
        self._bucket = _TokenBucket(REQUESTS_PER_SECOND_MAX, now())
        self._cursors: dict[StreamKey, Cursor] = {}
        self._after_reply: list[bytes] = []
        self._methods: dict[str, tuple[type, Callable[[Any], Any]]] = {
            "ping": (NoParams, lambda _: {}),
            "time": (NoParams, lambda _: {"time": self._now()}),
            "instruments": (InstrumentsParams, self._instruments),
            "subscribe": (StreamParams, self._subscribe),
            "unsubscribe": (StreamParams, self._unsubscribe),
            "subscriptions": (NoParams, lambda _: {"streams": self._streams()}),
            "snapshot": (SnapshotParams, self._snapshot),
        }

    def opened(self) -> bytes:
        """The hello, which must be the first message the client gets."""
        limits = Limits(MESSAGE_BYTES_MAX, REQUESTS_PER_SECOND_MAX, SUBSCRIPTIONS_MAX)
        hello = Hello(self.session_id, self._epoch, self._now(), self._version, HEARTBEAT_MS, self._challenge, limits)
        return self._encoding.frame(hello)

    def heartbeat(self) -> bytes:
        """Where every stream of the session stands, so that a client sees what it did not get."""
        return self._encoding.frame(Heartbeat(self._now(), self._streams()))

    def closed(self) -> None:
        """The connection is gone: give up every subscription. Calling it twice is no error."""
        for cursor in self._cursors.values():
            self._hub.unsubscribe(cursor)
        self._cursors.clear()

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message of the client; the first frame returned is the reply, snapshots follow."""
        time_in = self._now()
        request_id: RequestId = None
        try:
            request = self._envelope(data)
            request_id = request.id if _is_request_id(request.id) else None
            result = self._run(request, time_in)
            reply = Reply(request_id, time_in, self._now(), result=result)
        except InvalidInput as error:
            body = ErrorBody(error.code, error.message, error.field, ERROR_CODES[error.code].retry)
            reply = Reply(request_id, time_in, self._now(), error=body)
        frames = [self._encoding.frame(reply), *self._after_reply]
        self._after_reply = []
        return frames

    # ---- requests --------------------------------------------------------------------------------

    def _envelope(self, data: bytes) -> Request:
        try:
            return self._encoding.decode(data, Request)
        except msgspec.ValidationError:
            raise InvalidInput("a message is one object with id, method and params", code="invalid_request") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"the message can't be decoded: {error}", code="invalid_json") from None

    def _run(self, request: Request, now: int) -> Any:
        if not _is_request_id(request.id):
            text = f"id must be a 64-bit integer or a string of at most {REQUEST_ID_LENGTH_MAX} characters"
            raise InvalidInput(text, field="id", code="invalid_request")
        if not self._bucket.take(now):
            raise InvalidInput(f"more than {REQUESTS_PER_SECOND_MAX} requests a second; slow down", code="rate_limited")
        if not isinstance(request.method, str):
            raise InvalidInput("method must be the name of a method, a string", field="method", code="invalid_request")
        if request.method not in self._methods:
            text = f"no method {request.method!r}; there are {', '.join(self._methods)}"
            raise InvalidInput(text, field="method", code="unknown_method")
        params_type, method = self._methods[request.method]
        raw = bytes(request.params)
        try:
            params: Any = self._encoding.decode(raw if raw else self._encoding.encode({}), params_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(str(error), field=_field_of(str(error))) from None
        return method(params)

    def _instruments(self, params: InstrumentsParams) -> Any:
        rows = []
        for instrument in self._market.instruments:
            if params.venue not in (None, instrument.venue) or params.asset_class not in (
                None,
                instrument.asset_class,
            ):
                continue
            status = self._market.view(StreamKey("status", instrument.symbol))
            assert isinstance(status, Status)
            rows.append(instrument_info(instrument, status))
        return {"instruments": rows}

    def _keys(self, params: StreamParams) -> list[StreamKey]:
        """The streams that a request names, each checked; nothing is done if one is wrong."""
        if not params.symbols:
            raise InvalidInput("symbols must name at least one instrument", field="symbols")
        if len(params.symbols) > SUBSCRIPTIONS_MAX:
            text = f"at most {SUBSCRIPTIONS_MAX} symbols in one request"
            raise InvalidInput(text, field="symbols", code="too_many_subscriptions")
        return [
            self._key(params, symbol, f"symbols[{index}]") for index, symbol in enumerate(dict.fromkeys(params.symbols))
        ]

    def _key(self, params: StreamParams | SnapshotParams, symbol: str, field: str) -> StreamKey:
        key = stream_key(
            params.channel, symbol, depth=params.depth, interval_ms=params.interval_ms, interval=params.interval
        )
        try:
            instrument = self._market.listing(symbol).instrument
        except UnknownSymbol:
            raise UnknownSymbol(symbol, field=field) from None
        if key.channel not in instrument.channels:
            has = ", ".join(instrument.channels)
            raise InvalidInput(f"{symbol} has no {key.channel}; it has {has}", field="channel", code="not_available")
        return key

    def _subscribe(self, params: StreamParams) -> Any:
        keys = self._keys(params)
        new = sum(key not in self._cursors for key in keys)
        if len(self._cursors) + new > SUBSCRIPTIONS_MAX:
            text = f"a session may have {SUBSCRIPTIONS_MAX} streams; unsubscribe first"
            raise InvalidInput(text, field="symbols", code="too_many_subscriptions")
        for key in keys:
            self._cursors[key], snapshot = self._hub.subscribe(key, self._sink)
            self._after_reply.append(snapshot)
        result: dict[str, Any] = {"streams": [stream_state(key, self._hub.last_seq(key)) for key in keys]}
        if params.from_ is not None:
            result |= {"recovered": False, "reason": "this server does not keep the past of its streams"}
        return result

    def _unsubscribe(self, params: StreamParams) -> Any:
        keys = self._keys(params)
        for index, key in enumerate(keys):
            if key not in self._cursors:
                text = f"not subscribed to {key.channel} of {key.symbol}"
                raise InvalidInput(text, field=f"symbols[{index}]", code="not_subscribed")
        for key in keys:
            self._hub.unsubscribe(self._cursors.pop(key))
        return {"streams": [stream_state(key, self._hub.last_seq(key)) for key in keys]}

    def _snapshot(self, params: SnapshotParams) -> Any:
        key = self._key(params, params.symbol, "symbol")
        event = self._hub.snapshot(key)
        seq = event.seq if event is not None else self._market.seq(key)
        ts = event.ts if event is not None else self._market.now
        return self._renderer.message(key, event, kind="snapshot", seq=seq, ts=ts)

    def _streams(self) -> list[Any]:
        return [stream_state(key, self._hub.last_seq(key)) for key in self._cursors]
