"""The server's end of a native session, sans-I/O: bytes of whole messages in, frames out.

The caller owns the socket and the clock. It must send `opened()` first, then whatever `received()` returns, in
that order and before the hub's next flush; call `heartbeat()` every `heartbeat_ms`; and call `closed()` once
when the connection is gone. Nothing that a client sends makes a method raise.

What must be on the tape first is answered later, through the hub: `received()` then returns no reply.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from tickwire.errors import InvalidInput
from tickwire.limits import (
    FLOOD_FACTOR,
    HEARTBEAT_MS,
    IDLE_SECONDS_MAX,
    LIMIT_RETRY_SECONDS,
    LOGIN_SECONDS_MAX,
    MESSAGE_BYTES_MAX,
    SUBSCRIPTIONS_MAX,
)
from tickwire.meters import OK, UNKNOWN
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Fill
from tickwire.model.identity import SCOPES, Identity, Scope
from tickwire.model.records import Guard, SessionEnded
from tickwire.protocol.codec import Encoding
from tickwire.protocol.messages import (
    Drain,
    GuardParams,
    Heartbeat,
    Hello,
    HistoryParams,
    Limits,
    LoginParams,
    LoginResult,
    NoParams,
    PingResult,
    Position,
    Rate,
    Reply,
    Request,
    RequestId,
    StreamParams,
    StreamsResult,
    TimeResult,
)
from tickwire.protocol.orders import METHODS, Desk, Job, Outcomes, done
from tickwire.protocol.params import ID_LENGTH_MAX, decode_params, error_body, is_request_id
from tickwire.protocol.rate import TokenBucket, cost, rate_headers
from tickwire.protocol.reader import READS, Reader, permitted
from tickwire.protocol.render import stream_state
from tickwire.protocol.service import Service
from tickwire.streams.log import Cursor, Sink


class Session:
    """One client's session.

    Args:
        service: what it has in common with all others.
        session_id: unique name of the session, told to the client.
        challenge: random text for the client to sign when it logs in.
        encoding: what the client negotiated.
        sink: where the hub hands this client's stream messages, and the answers to commands.
        authenticate: whom the parameters of a login prove, given the challenge; raises `InvalidInput` (`login_failed`).
        identity: who logged in with the upgrade, if anybody.

    Attributes:
        identity: who is logged in.
        ending: the code and reason to close the connection with, once `received` or `check` has set it.
    """

    __slots__ = (
        "_after_reply",
        "_authenticate",
        "_beats_idle",
        "_beats_without_login",
        "_bucket",
        "_challenge",
        "_cursors",
        "_encoding",
        "_guarded",
        "_hub",
        "_now",
        "_open",
        "_own_desk",
        "_refusals",
        "_sent",
        "_service",
        "_sink",
        "ending",
        "identity",
        "session_id",
    )

    def __init__(
        self,
        service: Service,
        *,
        session_id: str,
        challenge: str,
        encoding: Encoding,
        sink: Sink,
        authenticate: Callable[[LoginParams, str], Identity],
        identity: Identity | None = None,
    ) -> None:
        self.session_id = session_id
        self.identity = identity
        self._service = service
        self._challenge = challenge
        self._encoding = encoding
        self._hub = service.hub
        self._sink = sink
        self._now = now = service.now
        self._authenticate = authenticate
        self._sent = service.meters.sent[encoding.name]
        self._bucket = TokenBucket(service.requests_per_second, now())
        self._refusals = TokenBucket(FLOOD_FACTOR * service.requests_per_second, now())
        self._beats_without_login = 0
        self._beats_idle = 0
        self.ending: tuple[int, str] | None = None
        self._own_desk: Desk | None = None
        self._cursors: dict[StreamKey, Cursor] = {}
        self._after_reply: list[bytes] = []
        self._guarded = False
        self._open = True

    @property
    def _desk(self) -> Desk:
        """What takes its orders; most sessions give none."""
        if self._own_desk is None:
            self._own_desk = self._service.desk(self.session_id, self._encoding)
        return self._own_desk

    @property
    def beat_ms(self) -> int:
        """Milliseconds between two beats."""
        return HEARTBEAT_MS

    @property
    def rate(self) -> Rate:
        """How many requests the client may make."""
        return self._bucket.state(self._now())

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Of the answer to the upgrade: the rate."""
        return rate_headers(self.rate)

    def opened(self) -> bytes:
        """The hello, which must be the first message the client gets."""
        limits = Limits(MESSAGE_BYTES_MAX, self._service.requests_per_second, SUBSCRIPTIONS_MAX)
        return self._frame(
            Hello(
                session=self.session_id,
                epoch=self._service.epoch,
                time=self._now(),
                version=self._service.version,
                heartbeat_ms=HEARTBEAT_MS,
                challenge=self._challenge,
                limits=limits,
                demo=self._service.demo,
            )
        )

    def heartbeat(self) -> bytes:
        """Where every stream of the session stands, so that a client sees what it did not get."""
        return self._frame(Heartbeat(self._now(), self._streams()))

    def check(self) -> None:
        """Look whether the client has let one of its deadlines pass, or its key was revoked. To be called every
        `heartbeat_ms`; time is counted in these calls, so that a wall clock that is set does not end sessions."""
        self._beats_idle += 1
        self._beats_without_login = 0 if self.identity is not None else self._beats_without_login + 1
        if self._service.require_key and self._beats_without_login * HEARTBEAT_MS >= LOGIN_SECONDS_MAX * 1000:
            self.ending = 4401, f"not logged in within {LOGIN_SECONDS_MAX} s"
        elif self.identity is None and not self._cursors and self._beats_idle * HEARTBEAT_MS >= IDLE_SECONDS_MAX * 1000:
            self.ending = 4103, f"nothing asked for in {IDLE_SECONDS_MAX} s"
        self._check_key()

    def drain(self, deadline: int) -> bytes:
        """Says that the server stops, and closes this connection at `deadline`, ns since the epoch."""
        return self._frame(Drain(deadline))

    def closed(self) -> None:
        """The connection is gone: give up every subscription, fire the guard. Calling it twice is no error."""
        self._open = False
        self._drop(list(self._cursors))
        if self._guarded:
            self._guarded = False
            with suppress(InvalidInput):  # of a server that has failed; at the next start the session is ended
                self._service.submit([SessionEnded(self.session_id)], _ignore)

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message of the client; the first frame returned is the reply, what a subscription begins with
        follows."""
        time_in = self._now()
        self._beats_idle = 0
        request_id: RequestId = None
        method = UNKNOWN
        self._check_key()
        try:
            request = self._envelope(data, time_in)
            request_id = request.id
            if isinstance(request.method, str) and request.method in ALL_METHODS:
                method = request.method
            result = self._run(request, data, time_in)
            if isinstance(result, Job):
                self._desk.execute(result, partial(self._answer, request_id, time_in, method))
                for command in result.commands:
                    if isinstance(command, Guard):
                        self._guarded = command.scope != "off"
                return []
        except InvalidInput as error:
            result = error
            self._refused(error, time_in)
        frames = [self._reply(request_id, time_in, self._now(), method, result)]
        if self._after_reply:
            frames += self._after_reply
            self._sent.messages += len(self._after_reply)
            self._sent.size += sum(map(len, self._after_reply))
            self._after_reply = []
        return frames

    def pinged(self, count: int) -> None:
        """Pings and pongs count like requests that are refused: of far too many the session ends."""
        self._flooded(self._now(), count)

    def _frame(self, message: Any) -> bytes:
        """A message of this session as a frame, counted."""
        frame = self._encoding.frame(message)
        self._sent.messages += 1
        self._sent.size += len(frame)
        return frame

    # ---- requests --------------------------------------------------------------------------------

    def _refused(self, error: InvalidInput, now: int) -> None:
        """Some refusals, or too many of them, end the session."""
        if error.code == "too_many_connections":
            self.ending = 4102, f"too many connections of this key; retry_after={LIMIT_RETRY_SECONDS}"
        elif error.code == "rate_limited":
            self._flooded(now, 1)

    def _flooded(self, now: int, count: int) -> None:
        try:
            self._refusals.take(now, count)
        except InvalidInput:
            self.ending = 4101, f"far too many requests; retry_after={LIMIT_RETRY_SECONDS}"

    def _answer(self, request_id: RequestId, time_in: int, method: str, result: Any) -> None:
        if self._open:
            time_out = self._now()
            self._service.meters.answer_ns.add(time_out - time_in)
            self._hub.hand(self._sink, self._reply(request_id, time_in, time_out, method, result))

    def _reply(self, request_id: RequestId, time_in: int, time_out: int, method: str, result: Any) -> bytes:
        if isinstance(result, InvalidInput):
            self._service.meters.requests[method, result.code] += 1
            return self._frame(Reply(request_id, time_in, time_out, error=error_body(result)))
        self._service.meters.requests[method, OK] += 1
        return self._frame(Reply(request_id, time_in, time_out, result=result))

    def _envelope(self, data: bytes, now: int) -> Request:
        """The request of a message, counted, whatever is wrong with it."""
        try:
            request = self._encoding.decode(data, Request)
        except msgspec.ValidationError:
            self._bucket.take(now)
            raise InvalidInput("a message is one object with id, method and params", code="invalid_request") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._bucket.take(now)
            raise InvalidInput(f"the message can't be decoded: {error}", code="invalid_json") from None
        if not is_request_id(request.id):
            self._bucket.take(now)
            text = f"id must be a 64-bit integer or a string of at most {ID_LENGTH_MAX} characters"
            raise InvalidInput(text, field="id", code="invalid_request")
        return request

    def _run(self, request: Request, data: bytes, now: int) -> Any:
        self._bucket.take(now)
        try:
            repeated = self._encoding.repeated_key(data)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"the message can't be decoded: {error}", code="invalid_json") from None
        if repeated is not None:
            raise InvalidInput(f"the key {repeated!r} is given twice", field=repeated, code="invalid_request")
        name = request.method
        if not isinstance(name, str):
            raise InvalidInput("method must be the name of a method, a string", field="method", code="invalid_request")
        if name not in ALL_METHODS:
            text = f"no method {name[:50]!r}; there are {', '.join(ALL_METHODS)}"
            raise InvalidInput(text, field="method", code="unknown_method")
        params_type, scope, method = ALL_METHODS[name]
        if scope is not None or (self._service.require_key and name not in _WITHOUT_KEY):
            permitted(self.identity, scope, "method")
        params: Any = decode_params(self._encoding, bytes(request.params), params_type)
        requests = cost(params)
        if requests > self._service.requests_per_second:
            text = f"a session may make {self._service.requests_per_second} requests a second: ask for less at once"
            raise InvalidInput(text, field="limit" if isinstance(params, HistoryParams) else "operations")
        self._bucket.take(now, requests - 1)
        return method(self, params)

    # ---- who is asking ---------------------------------------------------------------------------

    def _check_key(self) -> None:
        """A key that was revoked ends its login and the session; a guard that it armed stays."""
        if self.identity is not None and not self._service.in_force(self.identity.key_id):
            self.ending = 4403, "the session's key was revoked"
            self._drop_private()
            self.identity = None
            self._drop_unseen()

    def _login(self, params: LoginParams) -> Any:
        identity, old = self._authenticate(params, self._challenge), self.identity
        if old is not None and old.account != identity.account:
            self._leave(old)
        elif old is not None and old.key_id != identity.key_id:
            self._drop_private()
        self.identity = identity
        self._drop_unseen()
        return LoginResult(identity.account, [scope for scope in SCOPES if scope in identity.scopes])

    def _logout(self, _: NoParams) -> Any:
        self._leave(permitted(self.identity, None, "method"))
        self._drop_unseen()
        return {}

    def _leave(self, identity: Identity) -> None:
        if self._guarded:
            self._service.submit([Guard(identity.account, self.session_id, "off")], _ignore)
            self._guarded = False
        self._drop_private()
        self.identity = None

    def _drop_private(self) -> None:
        self._drop([key for key in self._cursors if key.channel in PRIVATE_CHANNELS])

    def _drop_unseen(self) -> None:
        """Give up the public streams that whoever is logged in now may not see."""
        public = [key for key in self._cursors if key.channel not in PRIVATE_CHANNELS]
        self._drop([key for key in public if not self._service.reader.may_see(self.identity, key.channel, key.symbol)])

    def _cancel_on_disconnect(self, params: GuardParams) -> Any:
        identity = permitted(self.identity, "trade", "method")
        return Job([Guard(identity.account, self.session_id, params.scope)], done)

    # ---- streams ---------------------------------------------------------------------------------

    def _subscribe(self, params: StreamParams) -> Any:
        keys = self._service.reader.keys(params, self.identity)
        new = sum(key not in self._cursors for key in keys)
        if len(self._cursors) + new > SUBSCRIPTIONS_MAX:
            text = f"a session may have {SUBSCRIPTIONS_MAX} streams; unsubscribe first"
            raise InvalidInput(text, field="symbols", code="too_many_subscriptions")
        if params.from_ is None:
            for key in keys:
                self._begin(key)
            return StreamsResult([stream_state(key, self._hub.last_seq(key)) for key in keys])
        reasons = [
            self._go_on(key, params.from_.epoch, seq) for key, seq in zip(keys, _seqs(params.from_, keys), strict=True)
        ]
        streams = [
            replace(stream_state(key, self._hub.last_seq(key)), recovered=not reason, reason=reason)
            for key, reason in zip(keys, reasons, strict=True)
        ]
        return StreamsResult(streams, not any(reasons))

    def _begin(self, key: StreamKey) -> None:
        """Subscribe from now on."""
        self._cursors[key], snapshot = self._hub.subscribe(key, self._sink)
        self._after_reply.append(snapshot)

    def _go_on(self, key: StreamKey, epoch: str, seq: int) -> str:
        """Subscribe from a place in the stream on, or from now on; returns why it is the latter."""
        if epoch != self._service.epoch:
            self._begin(key)
            return f"the epoch is {self._service.epoch} now"
        resumed = self._hub.resume(key, self._sink, seq)
        if resumed is not None:
            self._cursors[key], missed = resumed
            if missed:
                self._after_reply.append(missed)
        elif key.channel == "fills" and (fills := self._service.market.missed_fills(key.symbol, seq)) is not None:
            self._cursors[key], _ = self._hub.subscribe(key, self._sink)
            self._after_reply += [self._update(key, fill) for fill in fills]
        else:
            self._begin(key)
            if not key.lossless:
                return "of such a stream only the newest message is kept"
            last = self._hub.last_seq(key)
            return f"not all messages after {seq} are kept" if seq < last else f"the last message is {last}"
        return ""

    def _update(self, key: StreamKey, fill: Fill) -> bytes:
        return self._encoding.frame(self._service.renderer.message(key, fill, kind="update", seq=fill.seq, ts=fill.ts))

    def _unsubscribe(self, params: StreamParams) -> Any:
        keys = self._service.reader.keys(params, self.identity)
        for index, key in enumerate(keys):
            if key not in self._cursors:
                text = f"not subscribed to {key.channel} of {key.symbol}"
                field = "channel" if key.channel in PRIVATE_CHANNELS else f"symbols[{index}]"
                raise InvalidInput(text, field=field, code="not_subscribed")
        self._drop(keys)
        return StreamsResult([stream_state(key, self._hub.last_seq(key)) for key in keys])

    def _drop(self, keys: list[StreamKey]) -> None:
        for key in keys:
            self._hub.unsubscribe(self._cursors.pop(key))

    def _streams(self) -> list[Any]:
        return [stream_state(key, self._hub.last_seq(key)) for key in self._cursors]


def _seqs(position: Position, keys: list[StreamKey]) -> list[int]:
    """The place in each stream that a client wants to go on from."""
    seqs = position.seq if isinstance(position.seq, dict) else {keys[0].symbol: position.seq}
    if seqs.keys() != {key.symbol for key in keys}:
        text = "seq must be a number where one stream is asked for, else an object with one for each of the symbols"
        raise InvalidInput(text, field="from.seq")
    return [seqs[key.symbol] for key in keys]


def _of_the_desk(method: Callable[[Desk, Any, str], Any]) -> Callable[[Session, Any], Any]:
    def run(session: Session, params: Any) -> Any:
        assert session.identity is not None  # it has the scope
        return method(session._desk, params, session.identity.account)

    return run


def _of_the_reader(method: Callable[[Reader, Any, Identity | None], Any]) -> Callable[[Session, Any], Any]:
    return lambda session, params: method(session._service.reader, params, session.identity)


_WITHOUT_KEY = ("ping", "time", "auth.login")

ALL_METHODS: dict[str, tuple[type, Scope | None, Callable[[Session, Any], Any]]] = {
    "ping": (NoParams, None, lambda session, _: PingResult(session.rate)),
    "time": (NoParams, None, lambda session, _: TimeResult(session._now())),
    "subscribe": (StreamParams, None, Session._subscribe),
    "unsubscribe": (StreamParams, None, Session._unsubscribe),
    "subscriptions": (NoParams, None, lambda session, _: StreamsResult(session._streams())),
    **{name: (params, None, _of_the_reader(method)) for name, (params, method) in READS.items()},
    "auth.login": (LoginParams, None, Session._login),
    "auth.logout": (NoParams, None, Session._logout),
    "session.cancel_on_disconnect": (GuardParams, "trade", Session._cancel_on_disconnect),
    **{name: (params, scope, _of_the_desk(method)) for name, (params, scope, method) in METHODS.items()},
}
"""The type of each method's parameters, the scope that it needs, and the method."""


def _ignore(_: Outcomes | None) -> None:
    """Nobody waits for this outcome."""
