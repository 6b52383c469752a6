"""One WebSocket connection: the `websockets` sans-I/O core below, a session above, native or a dialect's.

uvicorn makes one for every upgrade (its `ws=` takes a class) and hands over the transport. RFC 6455 is the
library's job: the handshake, frames from the client, pings and closes. What goes out is ready frames, gathered
in `out`: one `writelines` for the replies to all that was read at once, and one a turn for what the hub hands over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from tickwire.dialects.base import Refused
from tickwire.limits import (
    CLOSING_SECONDS_MAX,
    MESSAGE_BYTES_MAX,
    PING_INTERVAL_SECONDS,
    READ_BYTES_PER_TURN_MAX,
    SEND_BUFFER_HIGH_BYTES,
    SEND_BUFFER_LOW_BYTES,
    SEND_BUFFER_MAX_BYTES,
    SHARED_SEGMENT_BYTES_MIN,
)
from tickwire.model.identity import Identity
from tickwire.protocol.codec import ENCODINGS, JSON
from tickwire.protocol.deflate import WINDOW_BITS, deflated
from tickwire.protocol.messages import LoginParams
from tickwire.protocol.served import ServedSession
from tickwire.server.admission import Refusal
from tickwire.server.frames import Messages
from tickwire.streams.log import Cursor

if TYPE_CHECKING:
    from tickwire.server.gateway import Gateway

log = logging.getLogger(__name__)

# a compressor for each client, and for each a memory of what was sent, would cost 300 KB a client
_DEFLATE = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]
_SUBPROTOCOLS = [Subprotocol(name) for name in ENCODINGS]


class _Handshake(ServerProtocol):
    """The library's end of a connection until that is open."""

    def __init__(self, *, deflate: bool) -> None:
        super().__init__(
            subprotocols=_SUBPROTOCOLS, extensions=_DEFLATE if deflate else None, max_size=MESSAGE_BYTES_MAX
        )

    def select_subprotocol(self, offered: Any) -> Subprotocol | None:
        """The first offered one that is ours; none, which means JSON, when there is none."""
        return next((name for name in offered if name in ENCODINGS), None)

    def opened(self) -> Protocol:
        """The library's end from now on, which holds no request any more."""
        ws = Protocol(Side.SERVER, max_size=MESSAGE_BYTES_MAX)
        ws.extensions = self.extensions
        self.parser.close()  # it holds what holds it: that would wait for the garbage collector
        return ws


class Connection(asyncio.Protocol):
    """A client's socket, and the `Sink` that the hub hands segments to."""

    __slots__ = (
        "_beat",
        "_beats_per_ping",
        "_beats_unanswered",
        "_fileno",
        "_finishing",
        "_gateway",
        "_identity",
        "_ip",
        "_is_closing",
        "_messages",
        "_paused",
        "_session",
        "_transport",
        "_uvicorn_connections",
        "_ws",
        "encoding",
        "lag_told",
        "lagging",
        "out",
        "ready",
        "writes",
    )

    def __init__(self, gateway: Gateway, uvicorn_connections: set[Any]) -> None:
        self._gateway = gateway
        self._uvicorn_connections = uvicorn_connections
        self._ws: Protocol = _Handshake(deflate=gateway.deflate)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._session: ServedSession | None = None
        self._identity: Identity | None = None
        self._messages: Messages = None  # type: ignore[assignment]
        self._fileno = -1
        self._paused = False
        self._finishing = False
        self._beat: asyncio.TimerHandle | None = None
        self._beats_unanswered = 0
        self._beats_per_ping = 1
        self._is_closing = False
        self._ip: str | None = None
        self.writes = 0
        """How often something was written since it was opened."""
        # what the hub reads and writes: see tickwire.streams.log.Sink
        self.encoding = JSON.name
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}
        self.lag_told = False

    # ---- the transport calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours; the request comes next."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self._transport.set_protocol(self)  # before the upgrade: one that fails is to end in our `connection_lost`
        self._transport.set_write_buffer_limits(high=SEND_BUFFER_HIGH_BYTES, low=SEND_BUFFER_LOW_BYTES)
        self._uvicorn_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._beats_unanswered = 0
        if self._session is None:  # uvicorn hands over the request alone
            self._ws.receive_data(data)
            for event in self._ws.events_received():
                assert isinstance(event, Request)
                assert isinstance(self._ws, _Handshake)
                self._upgrade(self._ws, event)
        else:
            pings = self._messages.pings
            for message in self._messages.received(data):
                self._message(self._session, message)
            if self._messages.pings > pings:
                self._session.pinged(self._messages.pings - pings)
                self._end(self._session)
            self._gateway.heard()
            if len(data) >= READ_BYTES_PER_TURN_MAX:
                self._read_later()
        self._send_pending()
        if not self.ready:  # a resumed stream has more to catch up with
            self._catch_up()
        if self._transport.get_write_buffer_size() > SEND_BUFFER_MAX_BYTES:  # replies or pongs that it does not read
            self.too_slow()

    def eof_received(self) -> None:
        """The client will send no more."""
        self._ws.receive_eof()
        self._send_pending()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._uvicorn_connections.discard(self)
        self._gateway.connections.discard(self)
        self._gateway.admission.gone(self)
        if self._ip is not None:
            self._gateway.admission.left(self._ip)
        if self._beat is not None:
            self._beat.cancel()
        if self._session is not None:
            self._gateway.meters.closes[self._close_code] += 1
            log.debug("session closed", extra={**self.about, "code": self._close_code})
            self._session.closed()
        self.ready = False
        self.out.clear()

    def pause_writing(self) -> None:
        """The socket is full: from now on only cursors stay behind."""
        self._paused = True
        self.ready = False

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._paused = False
        self._catch_up()

    @property
    def key_id(self) -> str | None:
        """The key that the session is logged in with."""
        identity = self._session.identity if self._session is not None else None
        return None if identity is None else identity.key_id

    def is_logged_in(self, key_id: str) -> bool:
        """Whether it is open, and logged in with this key."""
        return self._ws.state is State.OPEN and self.key_id == key_id

    def login(self, params: LoginParams, challenge: str) -> Identity:
        """Who a login stands for; see `Gateway.login`."""
        assert self._ip is not None  # it has a session
        return self._gateway.login(params, challenge, self, self._ip)

    @property
    def unsent_bytes(self) -> int:
        """What waits until the socket has room."""
        return self._transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        """Close in good order."""
        if self._ws.state is State.OPEN:
            self._ws.send_close(code, reason)
            self._send_pending()

    def drain(self, deadline: int) -> None:
        """Say that the server stops, and closes this connection at `deadline`, ns since the epoch."""
        if self._session is not None and self._ws.state is State.OPEN and (notice := self._session.drain(deadline)):
            self.out.append(notice)
            self.flush()

    def finish(self) -> None:
        """Take no more requests. Those that were taken are answered, and streams go on, until `close`."""
        self._finishing = True

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def shutdown(self) -> None:
        """The server has stopped (called by uvicorn): close what is still open."""
        self.close(CloseCode.SERVICE_RESTART, "the server restarts: reconnect and resume")
        self._transport.close()

    # ---- the hub calls ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is in `out`."""
        out = self.out
        if not out:
            return
        self.writes += 1
        try:
            if len(out) == 1:
                data = out[0]
                if len(data) >= SHARED_SEGMENT_BYTES_MIN:
                    data = data[self._share(data) :]
                if data:
                    self._transport.write(data)
            else:
                self._transport.writelines(out)
        except Exception:  # whatever is wrong with this socket must not reach the others
            log.exception("a connection can't be written to and is closed", extra=self.about)
            self.ready = False
            self._transport.abort()
        out.clear()

    def _share(self, data: bytes) -> int:
        """Send what others are given too, past the transport if that has nothing unsent; how many bytes that were."""
        if self._fileno < 0 or self._transport.get_write_buffer_size() or self._transport.is_closing():
            return 0
        return self._gateway.shared.send(self._fileno, data)

    def fail(self) -> None:
        """Close: there is a fault in what it reads."""
        self._ws.fail(CloseCode.INTERNAL_ERROR, "the server failed")
        self._send_pending()

    def too_slow(self) -> None:
        """Close: the client does not read what it is sent."""
        self.out.clear()
        self._ws.fail(4001, "slow consumer: reconnect and resume")
        self._send_pending()
        self._transport.abort()

    # ---- inside ----------------------------------------------------------------------------------

    @property
    def about(self) -> dict[str, str]:
        """The fields of log records about this connection."""
        session = self._session
        if session is None:
            return {}
        key = {} if session.identity is None else {"key": session.identity.key_id}
        return {"session": session.session_id, **key}

    @property
    def _close_code(self) -> int:
        """Of whoever closed first (a client's close is answered with its own code); 1006 where nobody has said why."""
        close = self._ws.close_sent
        return CloseCode.ABNORMAL_CLOSURE if close is None else int(close.code)

    def _refused(self, ip: str, status: int) -> None:
        self._gateway.meters.connections_refused[status] += 1
        log.debug("an upgrade is refused", extra={"ip": ip, "status": status})
        self._transport.close()
        self._beat = asyncio.get_running_loop().call_later(CLOSING_SECONDS_MAX, self._transport.abort)

    def _refuse(self, handshake: _Handshake, refusal: Refusal, ip: str) -> None:
        body = refusal.text.encode()
        headers = Headers(
            [
                *refusal.headers,
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
        )
        handshake.send_response(Response(refusal.status, HTTPStatus(refusal.status).phrase, headers, body))
        self._send_pending()
        self._refused(ip, refusal.status)

    def _upgrade(self, handshake: _Handshake, request: Request) -> None:
        peer = self._transport.get_extra_info("peername")
        secure = self._transport.get_extra_info("sslcontext") is not None
        admitted = self._gateway.admit(request, connection=self, peer=peer[0] if peer else "", secure=secure)
        if isinstance(admitted, Refusal):
            self._refuse(handshake, admitted, peer[0] if peer else "")
            return
        self._ip = admitted.ip
        if admitted.dialect is not None:  # which knows of no other encodings than its own
            handshake.available_subprotocols = handshake.available_extensions = None
        accepted = handshake.accept(request)
        if accepted.status_code != 101:
            handshake.send_response(accepted)
            self._send_pending()
            self._refused(admitted.ip, accepted.status_code)
            return
        if admitted.dialect is not None:
            self.encoding = admitted.dialect.name
            session = self._gateway.new_dialect_session(self, admitted.dialect, request, admitted)
            if isinstance(session, Refused):
                self._refuse(handshake, Refusal(session.status, f"{session.text}\n"), admitted.ip)
                return
            self._session = session
        else:
            self.encoding = handshake.subprotocol or JSON.name
            if any(getattr(each, "local_max_window_bits", 0) == WINDOW_BITS for each in handshake.extensions):
                self.encoding = deflated(self.encoding)
            self._session = self._gateway.new_session(self, admitted.identity)
        self._beats_per_ping = max(1, PING_INTERVAL_SECONDS * 1000 // self._session.beat_ms)
        accepted.headers.update(self._session.headers)
        handshake.send_response(accepted)
        self._send_pending()
        own_socket = self._transport.get_extra_info("socket")
        if not secure and own_socket is not None:
            self._fileno = own_socket.fileno()
        self._ws = handshake.opened()
        self._messages = Messages(self._ws)
        self._gateway.connections.add(self)
        log.debug("session opened", extra={**self.about, "ip": admitted.ip, "encoding": self.encoding})
        self._note_login(self._session)
        if opened := self._session.opened():
            self._transport.write(opened)
        self._schedule_beat()

    def _note_login(self, session: ServedSession) -> None:
        """Count the connection for the key that is logged in."""
        if session.identity is not self._identity:
            self._identity = session.identity
            self._gateway.logged_in(self, session)

    def _message(self, session: ServedSession, message: bytes) -> None:
        if self._finishing or self._ws.state is not State.OPEN:
            return
        self.out += self._ws.data_to_send()  # the pong to a ping that came before
        try:
            self.out += session.received(message)
            self._note_login(session)
        except Exception:
            log.exception("a session has failed; its connection is closed", extra=self.about)
            self._ws.fail(CloseCode.INTERNAL_ERROR, "the server failed")
        self._end(session)

    def _end(self, session: ServedSession) -> None:
        if session.ending is not None and self._ws.state is State.OPEN:
            self._ws.send_close(*session.ending)

    def _send_pending(self) -> None:
        """Write the replies, then what the library has to say: handshake, pongs, closes; an empty piece means end of
        stream."""
        pending = self._ws.data_to_send()
        self.out += filter(None, pending)
        self.flush()
        if b"" in pending:
            self._transport.close()
        if self._session is not None and self._ws.state is not State.OPEN:  # after a Close frame nothing may follow
            self.ready = False
            self._session.closed()

    def _read_later(self) -> None:
        """Let the others have their turn first: the loop would read on while there is something, up to 8 MB."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _catch_up(self) -> None:
        if self._paused or self._ws.state is not State.OPEN or self._transport.is_closing():
            return
        self._gateway.hub.catch_up(self)
        if self.lagging and not self._paused:
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _schedule_beat(self) -> None:
        assert self._session is not None
        self._beat = asyncio.get_running_loop().call_later(self._session.beat_ms / 1000, self._on_beat)

    def _on_beat(self) -> None:
        self._schedule_beat()
        try:
            self._tend()
        except Exception:
            log.exception("a session has failed; its connection is closed", extra=self.about)
            self.fail()

    def _tend(self) -> None:
        """Heartbeat; and now and then a ping, for a peer that sends nothing may be gone."""
        assert self._session is not None
        self._beats_unanswered += 1
        if self._beats_unanswered > 2 * self._beats_per_ping:
            self._transport.abort()
            return
        if self._ws.state is not State.OPEN:
            if self._is_closing:  # since the beat before: the client does not answer the close
                self._transport.abort()
                return
            self._is_closing = True
        else:
            self._session.check()
            if self._session.ending is not None:
                self.close(*self._session.ending)
        if self._ws.state is State.OPEN:
            if self._beats_unanswered % self._beats_per_ping == 0:
                self._ws.send_ping(secrets.token_bytes(4))
                self._send_pending()
            # to one that lags a heartbeat would name messages that are still to come
            if self.ready and (beat := self._session.heartbeat()):
                self._transport.write(beat)
