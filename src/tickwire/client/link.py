"""The client's socket: whole messages in and out of a WebSocket, and nothing of their meaning."""

from __future__ import annotations

import asyncio
from typing import Protocol

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tickwire.errors import ConnectionLost
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.messages import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""Largest message taken from the server: a book of half a million orders."""
UNSENT_BYTES_MAX = 1024 * 1024
"""Unsent requests at which the connection is given up: the server has stopped to read long ago."""
CONNECT_TIMEOUT_SECONDS = 10.0
"""How long it may take to connect and upgrade: longer than any healthy network, shorter than the kernel waits."""
CLOSE_TIMEOUT_SECONDS = 1.0
"""How long a closing handshake may take before the socket is simply cut."""

SUBPROTOCOLS: dict[Encoding, str] = {"json": SUBPROTOCOL_JSON, "msgpack": SUBPROTOCOL_MSGPACK}


class Receiver(Protocol):
    """Whoever gets what a link receives."""

    def received(self, data: bytes) -> None:
        """One whole message."""
        ...

    def link_lost(self, code: int, reason: str) -> None:
        """The socket is gone; said once, and nothing after it. 1006 where no close code was received."""
        ...


class Link(Protocol):
    """An open connection."""

    def send(self, data: bytes) -> None:
        """Send one message. After the connection is gone, nothing happens."""
        ...

    def pause(self) -> None:
        """Stop reading the socket. What has been read already still arrives."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close with a code, or cut it for 1006; `link_lost` follows within `CLOSE_TIMEOUT_SECONDS`."""
        ...


class Dial(Protocol):
    """Opens a link."""

    async def __call__(self, url: str, encoding: Encoding, receiver: Receiver) -> Link:
        """Connect.

        Raises:
            ConnectionLost: it failed; the message says what to check.
        """
        ...


class _PicowsLink(WSListener):
    def __init__(self, encoding: Encoding, receiver: Receiver) -> None:
        self._receiver = receiver
        self._opcode = WSMsgType.TEXT if encoding == "json" else WSMsgType.BINARY
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._closing: tuple[int, str] | None = None

    # ---- what picows calls -----------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            if self._closing is None:
                self._closing = (code, payload[2:].decode("utf-8", "replace"))
                transport.send_close(WSCloseCode.OK if code == 1005 else frame.get_close_code())
            transport.disconnect()
        elif self._closing is None and kind != WSMsgType.PONG:
            if frame.fin and not self._parts:
                self._receiver.received(frame.get_payload_as_bytes())
            else:
                self._continue(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        handshake = transport.close_handshake
        if self._closing is not None:
            code, reason = self._closing
        elif handshake is not None and handshake.sent is not None:  # picows found the frames malformed
            code, reason = int(handshake.sent.code.value), handshake.sent.reason
        else:
            code, reason = 1006, "the socket closed without a closing handshake"
        self._receiver.link_lost(code, reason)

    def pause_writing(self) -> None:
        pass  # `send` looks at the amount itself

    def resume_writing(self) -> None:
        pass

    def _continue(self, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > MESSAGE_BYTES_MAX or len(self._parts) > MESSAGE_BYTES_MAX // 1024:
            self._parts.clear()
            self.close(1009, f"a message is larger than {MESSAGE_BYTES_MAX} bytes")
        elif frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            self._parts_bytes = 0
            self._receiver.received(message)

    # ---- Link ------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._closing is not None:
            return
        transport.send(self._opcode, data)
        if transport.underlying_transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._closing = (1006, "the server does not read what it is sent")
            transport.disconnect(graceful=False)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        transport = self._transport
        if transport is None or self._closing is not None:
            return
        self._closing = (code, reason)
        if code == 1006:
            transport.disconnect(graceful=False)
            return
        transport.send_close(code, reason[:100])  # type: ignore[arg-type]
        transport.underlying_transport.resume_reading()  # for the server's half of the handshake
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_SECONDS, transport.disconnect, False)


async def open_link(url: str, encoding: Encoding, receiver: Receiver) -> Link:
    """Connect to a tickwire server's WebSocket; the `Dial` of real use.

    Raises:
        ConnectionLost: it failed; the message says what to check.
    """
    subprotocol = SUBPROTOCOLS[encoding]
    link = _PicowsLink(encoding, receiver)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            transport, _ = await ws_connect(
                lambda: link,
                url,
                extra_headers={"Sec-WebSocket-Protocol": subprotocol},
                max_frame_size=MESSAGE_BYTES_MAX,
                max_redirects=0,
            )
    except TimeoutError:
        raise ConnectionLost(f"{url} did not answer in time: is a tickwire server behind this address?") from None
    except OSError as error:
        raise ConnectionLost(
            f"can't connect to {url} ({error}): is the server running, and are host and port right?"
        ) from error
    except (WSError, ValueError, OverflowError) as error:
        raise ConnectionLost(
            f"{url} is no tickwire WebSocket ({error}): it should read like ws://host:8000/ws"
        ) from error
    ended = asyncio.ensure_future(transport.wait_disconnected())
    # picows keeps an error for whoever waits here, and complains when nobody does; `link_lost` has told it
    ended.add_done_callback(lambda task: task.cancelled() or task.exception())
    chosen = transport.response.headers.get("Sec-WebSocket-Protocol")
    if chosen != subprotocol and not (chosen is None and encoding == "json"):
        link.close(1002, "subprotocol")
        raise ConnectionLost(f"{url} does not speak {subprotocol}; it chose {chosen}", code=1002)
    return link
