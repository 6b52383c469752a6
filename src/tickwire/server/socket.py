"""One WebSocket connection: the `websockets` sans-I/O core below, a native session above.

uvicorn makes one for every upgrade (its `ws=` takes a class) and hands over the transport. RFC 6455 is the
library's job: the handshake, frames from the client, pings and closes. What goes out is ready frames, gathered
in `out`: one `writelines` for the replies to all that was read at once, and one a turn for what the hub hands over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any, cast

from websockets.datastructures import Headers
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from tickwire.errors import InvalidInput
from tickwire.limits import (
    HEARTBEAT_MS,
    MESSAGE_BYTES_MAX,
    PING_INTERVAL_SECONDS,
    SEND_BUFFER_HIGH_BYTES,
    SEND_BUFFER_LOW_BYTES,
    SEND_BUFFER_MAX_BYTES,
)
from tickwire.model.identity import Identity
from tickwire.protocol.codec import ENCODINGS, JSON
from tickwire.protocol.session import Session
from tickwire.server.frames import Messages
from tickwire.streams.log import Cursor

if TYPE_CHECKING:
    from tickwire.server.gateway import Gateway

log = logging.getLogger(__name__)

_SUBPROTOCOLS = [Subprotocol(name) for name in ENCODINGS]
_BEATS_PER_PING = max(1, PING_INTERVAL_SECONDS * 1000 // HEARTBEAT_MS)


def _select_subprotocol(_: ServerProtocol, offered: Any) -> Subprotocol | None:
    """The first offered one that is ours; none, which means JSON, when there is none."""
    return next((name for name in offered if name in ENCODINGS), None)


class Connection(asyncio.Protocol):
    """A client's socket, and the `Sink` that the hub hands segments to."""

    def __init__(self, gateway: Gateway, uvicorn_connections: set[Any]) -> None:
        self._gateway = gateway
        self._uvicorn_connections = uvicorn_connections
        self._ws = ServerProtocol(
            subprotocols=_SUBPROTOCOLS, select_subprotocol=_select_subprotocol, max_size=MESSAGE_BYTES_MAX
        )
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._session: Session | None = None
        self._messages = Messages(self._ws)
        self._paused = False
        self._beat: asyncio.TimerHandle | None = None
        self._beats_unanswered = 0
        # what the hub reads and writes: see tickwire.streams.log.Sink
        self.encoding = JSON.name
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}

    # ---- the transport calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours; the request comes next."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self._transport.set_write_buffer_limits(high=SEND_BUFFER_HIGH_BYTES, low=SEND_BUFFER_LOW_BYTES)
        self._uvicorn_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._beats_unanswered = 0
        if self._session is None:  # uvicorn hands over the request alone
            self._ws.receive_data(data)
            for event in self._ws.events_received():
                assert isinstance(event, Request)
                self._upgrade(event)
        else:
            for message in self._messages.received(data):
                self._message(self._session, message)
            self._gateway.heard()
        self._send_pending()
        if self._transport.get_write_buffer_size() > SEND_BUFFER_MAX_BYTES:  # replies or pongs that it does not read
            self._ws.fail(4001, "slow consumer: reconnect and resume")
            self._send_pending()
            self._transport.abort()

    def eof_received(self) -> None:
        """The client will send no more."""
        self._ws.receive_eof()
        self._send_pending()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._uvicorn_connections.discard(self)
        self._gateway.connections.discard(self)
        if self._beat is not None:
            self._beat.cancel()
        if self._session is not None:
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

    def close(self, code: int, reason: str) -> None:
        """Close in good order."""
        if self._ws.state is State.OPEN:
            self._ws.send_close(code, reason)
            self._send_pending()

    def shutdown(self) -> None:
        """The server stops (called by uvicorn)."""
        self.close(CloseCode.SERVICE_RESTART, "the server restarts: reconnect")
        self._transport.close()

    # ---- the hub calls ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is in `out`."""
        out = self.out
        if not out:
            return
        try:
            if len(out) == 1:
                self._transport.write(out[0])
            else:
                self._transport.writelines(out)
        except Exception:  # whatever is wrong with this socket must not reach the others
            log.exception("a connection can't be written to and is closed")
            self.ready = False
            self._transport.abort()
        out.clear()

    # ---- inside ----------------------------------------------------------------------------------

    def _upgrade(self, request: Request) -> None:
        response = self._gateway.refusal(request.path)
        peer = self._transport.get_extra_info("peername")
        ip = peer[0] if peer else ""
        identity: Identity | None = None
        authorization = request.headers.get("Authorization")
        if response is None and authorization is not None:
            try:
                identity = self._gateway.identify(authorization, ip)
            except InvalidInput as error:
                response = 401, f"{error}\n"
        if response is None:
            accepted = self._ws.accept(request)
        else:
            status, text = response
            body = text.encode()
            headers = Headers([("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
            accepted = Response(status, "", headers, body)
        self._ws.send_response(accepted)
        self._send_pending()
        if accepted.status_code != 101:
            self._transport.close()
            return
        self.encoding = self._ws.subprotocol or JSON.name
        self._session = self._gateway.new_session(self, identity, ip)
        self._gateway.connections.add(self)
        self._transport.write(self._session.opened())
        self._schedule_beat()

    def _message(self, session: Session, message: bytes) -> None:
        if self._ws.state is not State.OPEN:
            return
        try:
            self.out += session.received(message)
        except Exception:
            log.exception("session %s has failed; its connection is closed", session.session_id)
            self._ws.fail(CloseCode.INTERNAL_ERROR, "the server failed")

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

    def _catch_up(self) -> None:
        if self._paused or self._ws.state is not State.OPEN or self._transport.is_closing():
            return
        self._gateway.hub.catch_up(self)
        if self.lagging and not self._paused:
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _schedule_beat(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_MS / 1000, self._on_beat)

    def _on_beat(self) -> None:
        """Heartbeat; and now and then a ping, for a peer that sends nothing may be gone."""
        assert self._session is not None
        self._beats_unanswered += 1
        if self._beats_unanswered > 2 * _BEATS_PER_PING:
            self._transport.abort()
            return
        if self._ws.state is State.OPEN:
            if self._beats_unanswered % _BEATS_PER_PING == 0:
                self._ws.send_ping(secrets.token_bytes(4))
                self._send_pending()
            if self.ready:  # to one that lags a heartbeat would name messages that are still to come
                self._transport.write(self._session.heartbeat())
        self._schedule_beat()
