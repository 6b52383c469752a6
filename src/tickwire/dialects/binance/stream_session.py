"""The venue's market streams over one WebSocket, sans-I/O.

    /ws                       raw payloads; streams are subscribed to by messages
    /ws/<stream>/<stream>     raw payloads of these
    /stream?streams=a/b       payloads with the name of the stream
    /stream                   the same; streams are subscribed to by messages

Clients append their own numbers to the path, `/ws/1`, `/stream/ws/0`: what can't be a stream is left out there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from tickwire.dialects.base import Opening, Refused, Services
from tickwire.dialects.binance.codecs import StreamCodec, wrapped
from tickwire.dialects.binance.connection import POLICY, Connection
from tickwire.dialects.binance.signatures import KEY_HEADER, time_unit, unsigned
from tickwire.dialects.binance.streams import Stream, Streams
from tickwire.errors import InvalidInput
from tickwire.limits import HEARTBEAT_MS, IDLE_SECONDS_MAX, SUBSCRIPTIONS_MAX
from tickwire.meters import OK, UNKNOWN
from tickwire.model.channel import StreamKey
from tickwire.model.identity import Identity
from tickwire.protocol.params import ID_LENGTH_MAX, is_request_id
from tickwire.protocol.rate import RateLimited, TokenBucket
from tickwire.streams.log import Cursor

MESSAGES_PER_SECOND_MAX = 5
"""That a client may send. Beyond it: close 1008."""
SHUTDOWN_STREAM = "!serverShutdown"

_UNKNOWN_PROPERTY, _NO_BOOLEAN, _INVALID_REQUEST, _INVALID_JSON = range(4)


_STATUSES = {"login_failed": 401, "not_logged_in": 401, "rate_limited": 429, "busy": 503}
"""Of an upgrade that is refused; 400 for what the address has wrong."""

_Source: TypeAlias = tuple[StreamKey, StreamCodec]


class _Error(Exception):
    """An error of the venue's protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Request(msgspec.Struct):
    method: Any = msgspec.UNSET
    params: Any = msgspec.UNSET
    id: Any = None


class _Result(msgspec.Struct):
    result: Any
    id: int | str | None


class _Failure(msgspec.Struct):
    code: int
    msg: str
    id: int | str | None


def open_streams(services: Services, streams: Streams, opening: Opening) -> StreamSession | Refused:
    """The session of a connection to `/ws` or `/stream`, or why there is none."""
    try:
        query = _query(opening.query)
        unit = time_unit(query.get("timeUnit", ""))
        identity = _identity(services, opening)
        session = StreamSession(services, streams, opening, identity, unit, combined=_combined(opening.path))
        session.want(_names(opening.path, query))
    except InvalidInput as error:
        return Refused(_STATUSES.get(error.code, 400), error.message)
    return session


def _query(text: str) -> dict[str, str]:
    """The parameters of an address. A "+" is one: "@+08:00" is part of a name."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _combined(path: str) -> bool:
    return path.rstrip("/") == "/stream"


def _names(path: str, query: Mapping[str, str]) -> list[str]:
    """The streams that the address names."""
    if _combined(path):
        return [name for name in query.get("streams", "").split("/") if name]
    parts = [unquote(part) for part in path.split("/") if part]
    indexed = parts[:2] == ["stream", "ws"]
    named = parts[2:] if indexed else parts[1:]
    return [name for name in named if "@" in name or not (indexed or name.isdigit())]


def _identity(services: Services, opening: Opening) -> Identity | None:
    key = opening.headers.get(KEY_HEADER)
    if opening.identity is not None or not services.require_key:
        return opening.identity
    if not key:
        text = "this server needs a key: send it in the header X-MBX-APIKEY or Authorization"
        raise InvalidInput(text, code="not_logged_in")
    return unsigned(services.keys, key, opening.ip)


class StreamSession(Connection):
    """One client of the market streams.

    Args:
        identity: whose key the client has shown. unit: of time, in ns.
        combined: whether messages say which stream they are of.
    """

    def __init__(
        self,
        services: Services,
        streams: Streams,
        opening: Opening,
        identity: Identity | None,
        unit: int,
        *,
        combined: bool,
    ) -> None:
        super().__init__(services, opening, identity)
        self._streams = streams
        self._unit = unit
        self._combined = combined
        self._bucket = TokenBucket(MESSAGES_PER_SECOND_MAX, services.now())
        self._subscriptions: dict[str, _Source] = {}
        self._cursors: dict[_Source, Cursor] = {}
        self._names_of: Counter[_Source] = Counter()  # two may stand for one stream, "@depth" and "@depth@1000ms"
        self._opening: dict[str, Stream] = {}
        self._beats_idle = 0

    def want(self, names: list[str]) -> None:
        """Check the streams that the address names; `opened` subscribes to them.

        Raises:
            InvalidInput: one can't be had.
        """
        self._opening = self._checked(names)

    def opened(self) -> bytes:
        """What the streams of the address begin with."""
        frames = self._subscribe(self._opening)
        self._opening = {}
        self._count(frames)
        return b"".join(frames)

    def check(self) -> None:
        """Look whether nothing was subscribed to for too long, or the connection's time or its key's is over."""
        self._beats_idle = 0 if self._subscriptions else self._beats_idle + 1
        if self._beats_idle * HEARTBEAT_MS >= IDLE_SECONDS_MAX * 1000:
            self.ending = POLICY, f"nothing subscribed to in {IDLE_SECONDS_MAX} s"
        super().check()

    def drain(self, deadline: int) -> bytes:
        """Says that the server stops."""
        stream = SHUTDOWN_STREAM if self._combined else ""
        frame = wrapped({"e": "serverShutdown", "E": self._services.now() // self._unit}, stream)
        self._count([frame])
        return frame

    def closed(self) -> None:
        """The connection is gone: give up every subscription."""
        self._drop(list(self._subscriptions))

    def pinged(self, count: int) -> None:
        """Pings and pongs count like messages."""
        try:
            self._bucket.take(self._services.now(), count)
        except RateLimited:
            self.ending = POLICY, f"more than {MESSAGES_PER_SECOND_MAX} messages a second"

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message of the client; what subscriptions begin with follows."""
        self._beats_idle = 0
        self._check_keys()
        self.pinged(1)
        if self.ending is not None:
            return []
        request_id, method, outcome = None, UNKNOWN, OK
        first: list[bytes] = []
        try:
            request = _decoded(data)
            request_id = _checked_id(request.id)
            run = _method(request.method)
            method = request.method
            result, first = run(self, _params(request.params))
            reply: _Result | _Failure = _Result(result, request_id)
        except _Error as error:
            outcome = "invalid_json" if error.code == _INVALID_JSON else "invalid_request"
            reply = _Failure(error.code, error.message, request_id)
        self._services.meters.requests[method, outcome] += 1
        frames = [wrapped(reply, ""), *first]
        self._count(frames)
        return frames

    # ---- methods -----------------------------------------------------------------------------------

    def _on_subscribe(self, params: list[Any]) -> tuple[Any, list[bytes]]:
        try:
            wanted = self._checked([name for name in _texts(params) if name not in self._subscriptions])
        except InvalidInput as error:
            raise _invalid(error.message) from None
        return None, self._subscribe(wanted)

    def _on_unsubscribe(self, params: list[Any]) -> tuple[Any, list[bytes]]:
        self._drop(_texts(params))
        return None, []

    def _on_list(self, params: list[Any]) -> tuple[Any, list[bytes]]:
        _count_params(params, 0)
        return list(self._subscriptions), []

    def _on_set(self, params: list[Any]) -> tuple[Any, list[bytes]]:
        _count_params(params, 2)
        _check_property(params[0])
        if not isinstance(params[1], bool):
            raise _Error(_NO_BOOLEAN, "Invalid value type: expected Boolean")
        if params[1] == self._combined:
            return None, []
        try:
            wanted = self._find(list(self._subscriptions), combined=params[1])
        except InvalidInput as error:
            raise _invalid(error.message) from None
        self._combined, before = params[1], self._cursors
        self._subscriptions, self._cursors, self._names_of = {}, {}, Counter()
        first = self._subscribe(wanted)
        for cursor in before.values():  # not earlier: what a stream without readers has collected is gone
            self._services.hub.unsubscribe(cursor)
        return None, first

    def _on_get(self, params: list[Any]) -> tuple[Any, list[bytes]]:
        _count_params(params, 1)
        _check_property(params[0])
        return self._combined, []

    # ---- streams -----------------------------------------------------------------------------------

    def _find(self, names: list[str], *, combined: bool) -> dict[str, Stream]:
        """Streams that the client may see."""
        wanted = self._streams.find(names, unit=self._unit, combined=combined)
        for name, (channel, symbol, _, _) in wanted.items():
            if not self._services.may_see(self.identity, channel, symbol):
                raise InvalidInput(f"this key may not see {name}", code="not_entitled")
        return wanted

    def _checked(self, names: list[str]) -> dict[str, Stream]:
        """Streams that the client may have; nothing is done if one is wrong."""
        wanted = self._find(names, combined=self._combined)
        if len(self._subscriptions) + len(wanted) > SUBSCRIPTIONS_MAX:
            text = f"a connection may have {SUBSCRIPTIONS_MAX} streams; unsubscribe first"
            raise InvalidInput(text, code="too_many_subscriptions")
        return wanted

    def _subscribe(self, wanted: dict[str, Stream]) -> list[bytes]:
        frames = []
        for name, (_, _, key, codec) in wanted.items():
            self._subscriptions[name] = key, codec
            self._names_of[key, codec] += 1
            if (key, codec) not in self._cursors:
                self._cursors[key, codec], frame = self._services.hub.subscribe(key, self._sink, codec)
                if frame:
                    frames.append(frame)
        return frames

    def _drop(self, names: list[str]) -> None:
        for name in names:
            stream = self._subscriptions.pop(name, None)
            if stream is None:
                continue
            self._names_of[stream] -= 1
            if not self._names_of[stream]:
                del self._names_of[stream]
                self._services.hub.unsubscribe(self._cursors.pop(stream))

    def _check_keys(self) -> None:
        """A key that was revoked ends the session."""
        if self.identity is not None and not self._services.keys.in_force(self.identity.key_id):
            self.ending = POLICY, "the key was revoked"
            self.identity = None
            self._drop(list(self._subscriptions))


_METHODS = {
    "SUBSCRIBE": StreamSession._on_subscribe,
    "UNSUBSCRIBE": StreamSession._on_unsubscribe,
    "LIST_SUBSCRIPTIONS": StreamSession._on_list,
    "SET_PROPERTY": StreamSession._on_set,
    "GET_PROPERTY": StreamSession._on_get,
}


def _invalid(what: str) -> _Error:
    return _Error(_INVALID_REQUEST, f"Invalid request: {what}")


def _decoded(data: bytes) -> _Request:
    try:
        return msgspec.json.decode(data, type=_Request)
    except msgspec.ValidationError:
        raise _invalid("a message is one object with method, params and id") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Error(_INVALID_JSON, f"Invalid JSON: {error}") from None


def _checked_id(value: object) -> int | str | None:
    if value is None or is_request_id(value):
        return value
    raise _invalid(f"id must be a 64-bit integer, a string of at most {ID_LENGTH_MAX} characters or null")


def _method(name: object) -> Any:
    if name is msgspec.UNSET:
        raise _invalid("missing field `method`")
    if not isinstance(name, str):
        raise _invalid("method must be a string")
    if name not in _METHODS:
        there_are = ", ".join(f"`{method}`" for method in _METHODS)
        raise _invalid(f"unknown variant `{name[:50]}`, expected one of {there_are}")
    return _METHODS[name]


def _params(value: object) -> list[Any]:
    if value is msgspec.UNSET or value is None:
        return []
    if not isinstance(value, list):
        raise _invalid("params must be an array")
    return value


def _texts(params: list[Any]) -> list[str]:
    if not params:
        raise _invalid("missing field `params`: name at least one stream")
    for name in params:
        if not isinstance(name, str):
            raise _invalid("params must be the names of streams, strings")
    return params


def _count_params(params: list[Any], count: int) -> None:
    if len(params) > count:
        raise _invalid("too many parameters")
    if len(params) < count:
        raise _invalid(f"params must have {count}: the property's name{' and its value' if count == 2 else ''}")


def _check_property(name: object) -> None:
    if not isinstance(name, str):
        raise _invalid("property name must be a string")
    if name != "combined":
        raise _Error(_UNKNOWN_PROPERTY, "Unknown property")
