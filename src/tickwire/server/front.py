"""The HTTP side of a socket, from its acceptance to its end or its upgrade: uvicorn's protocol, with what that lacks.

uvicorn waits for a request for ever, takes headers of any size and number, and reads on and on while answers are not
taken. Here a request has a deadline and bounds, a socket is counted for its address, and a request's client and scheme
are those behind a trusted proxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tickwire.limits import (
    HTTP_HEADER_BYTES_MAX,
    HTTP_HEADERS_MAX,
    HTTP_PIPELINED_MAX,
    HTTP_REQUEST_SECONDS_MAX,
    HTTP_RESPONSE_SECONDS_MAX,
    UPGRADES_PER_TURN_MAX,
)
from tickwire.server.admission import Refusal

if TYPE_CHECKING:
    from tickwire.server.gateway import Gateway

log = logging.getLogger(__name__)

_TOO_LARGE = Refusal(
    431, f"At most {HTTP_HEADER_BYTES_MAX} bytes and {HTTP_HEADERS_MAX} lines of headers are taken here.\n"
)
_TOO_MANY = Refusal(429, f"At most {HTTP_PIPELINED_MAX} requests may wait on one socket.\n")
_TOO_SLOW = Refusal(408, f"No whole request has come within {HTTP_REQUEST_SECONDS_MAX} seconds.\n")
_LINE_BYTES = 4
"""Of a header line, besides its name and value: the colon, a space and the end."""


class _Refused(Exception):
    """Ends the parsing, and so leads to `send_400_response`."""


class Openings:
    """Upgrades, a few in each turn of the event loop: when a thousand clients come back at once, those that are here
    are served in between."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, upgrade: Callable[[], None]) -> None:
        """Call this soon."""
        self._waiting.append(upgrade)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        turn = [self._waiting.popleft() for _ in range(min(len(self._waiting), UPGRADES_PER_TURN_MAX))]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        for upgrade in turn:
            try:
                upgrade()
            except Exception:  # which must not reach the others of the turn
                log.exception("an upgrade has failed; its socket is cut")


class _Headers:
    """uvicorn's list of headers, to be asked like those of `websockets`."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def get_all(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for name, value in self._headers if name == wanted]


class Front(HttpToolsProtocol):
    """A socket that speaks HTTP. uvicorn makes one for each that it accepts.

    A request must be here whole `HTTP_REQUEST_SECONDS_MAX` after the socket was opened or the answer before was made,
    and its own answer be handed to the socket within `HTTP_RESPONSE_SECONDS_MAX`.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._gateway = gateway
        self._peer = ""
        self._counted_for: str | None = None
        self._is_counted = False
        self._is_gone = False
        self._refusal: Refusal | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._heads_begun = 0
        self._head_bytes = 0
        self._line_bytes = 0
        self._head_lines = 0
        self._answering: RequestResponseCycle | None = None

    # ---- the transport calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected, and the TLS handshake is done."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._counted_for = None if self._gateway.callers.is_proxy(self._peer) else self._peer
        refusal = self._gateway.admission.enter(self._counted_for)
        if refusal is not None:
            self._refuse(refusal)
            return
        self._is_counted = True
        self._within(HTTP_REQUEST_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._give_up()
        self._forget_answers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        was_in_head, before = self._in_head, (self._heads_begun, self._head_bytes)
        super().data_received(data)
        if was_in_head and self._in_head and before == (self._heads_begun, self._head_bytes):  # no line ends in it
            self._line_bytes += len(data)
            if self._head_bytes + self._line_bytes > HTTP_HEADER_BYTES_MAX:
                self._refuse(_TOO_LARGE)

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket over to a `Connection`, in its turn."""
        self.transport.pause_reading()
        self._gateway.openings.add(self._upgrade)

    def send_400_response(self, msg: str) -> None:
        """Answer what can't be parsed, or is not parsed any further."""
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    # ---- the parser calls ------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request is here."""
        super().on_message_begin()
        self._in_head = True
        self._heads_begun += 1
        self._head_bytes = self._line_bytes = self._head_lines = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after a chunked body."""
        super().on_header(name, value)
        self._head_lines += 1
        self._count(len(name) + len(value) + _LINE_BYTES)

    def on_headers_complete(self) -> None:
        """The body is next, if there is one; what answers the request begins now."""
        self._in_head = False
        if len(self.pipeline) >= HTTP_PIPELINED_MAX:
            self._refusal = _TOO_MANY
            raise _Refused
        if self.client is not None:
            caller = self._gateway.callers.identify(self._peer, self.scheme == "https", _Headers(self.headers))
            self.scope["client"] = caller.ip, self.client[1]
            self.scope["scheme"] = "https" if caller.secure else "http"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here whole."""
        super().on_message_complete()
        self._within(HTTP_RESPONSE_SECONDS_MAX)

    def on_response_complete(self) -> None:
        """The answer is made."""
        super().on_response_complete()
        self._within(HTTP_REQUEST_SECONDS_MAX)

    # ---- inside ----------------------------------------------------------------------------------

    def _upgrade(self) -> None:
        """Let a `Connection` have the socket, and count it from now on."""
        if not self.transport.is_closing():
            self._give_up()
            try:
                super().handle_websocket_upgrade()
            except BaseException:
                self.transport.abort()  # whereupon the `Connection` takes back what it has counted
                raise
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        self._line_bytes = 0
        if self._head_bytes > HTTP_HEADER_BYTES_MAX or self._head_lines > HTTP_HEADERS_MAX:
            self._refusal = _TOO_LARGE
            raise _Refused

    def _within(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._is_gone:
            return
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            self._cut()  # an answer is not read, or waits for a body that does not come
        else:
            self._refuse(_TOO_SLOW)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _forget_answers(self) -> None:
        """Write no more. uvicorn sees to the newest request alone, and with pipelining that is not the one at work."""
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True

    def _cut(self) -> None:
        self._forget_answers()
        self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and close, unless it is closing anyway; cut it if that is not read."""
        if self.transport.is_closing():
            return
        self._forget_answers()
        self._within(HTTP_REQUEST_SECONDS_MAX)
        self._gateway.meters.connections_refused[refusal.status] += 1
        body = refusal.text.encode()
        lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in refusal.headers]
        lines += [
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
            "",
            "",
        ]
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.close()

    def _give_up(self) -> None:
        """Neither count the socket nor wait for anything on it any more."""
        self._is_gone = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._is_counted:
            self._is_counted = False
            self._gateway.admission.left(self._counted_for)
