"""The client's socket: whole messages in and out of a WebSocket, and nothing of their meaning."""

from __future__ import annotations

import asyncio
import codecs
from ssl import SSLContext
from typing import Protocol

from picows import WSError, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, WSTransport, ws_connect

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

_CLOSE_REPLIES = {1005: 1000, 0: 1002, 1006: 1002}
"""Where a Close frame is not answered with its own code: one without any; and two that picows lets pass and that no
frame may bear."""
_REFUSALS = (401, 403, 429, 503)
"""HTTP statuses with which a tickwire server says no, and why."""
SUBPROTOCOLS: dict[Encoding, str] = {"json": SUBPROTOCOL_JSON, "msgpack": SUBPROTOCOL_MSGPACK}


_TEXT, _BINARY = WSMsgType.TEXT, WSMsgType.BINARY


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
        self._message: WSMsgType | None = None  # the kind of one that is not complete
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._closing: tuple[int, str] | None = None

    # ---- what picows calls -----------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        data = frame.get_payload_as_bytes()
        reserved = frame.rsv1 or frame.rsv2 or frame.rsv3
        whole = frame.fin and not reserved and self._message is None and self._closing is None
        if whole and (kind == _BINARY or (kind == _TEXT and data.isascii())):
            self._receiver.received(data)  # nearly all frames need no more than this
        elif self._closing is None and reserved:
            self.close(1002, "a reserved bit is set")
        elif kind == WSMsgType.CLOSE:
            code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
            if self._closing is None:
                self._closing = (code, data[2:].decode("utf-8", "replace"))
                transport.send_close(_CLOSE_REPLIES.get(code, code))  # type: ignore[arg-type]
            transport.disconnect()
        elif self._closing is not None or kind == WSMsgType.PONG:
            pass
        elif kind == WSMsgType.PING:
            transport.send_pong(data)
        elif (kind == WSMsgType.CONTINUATION) != (self._message is not None):
            self.close(1002, "a message is continued that was not begun, or begun inside of another")
        else:
            self._data(kind, data, final=frame.fin)

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

    def _data(self, kind: WSMsgType, data: bytes, *, final: bool) -> None:
        """A message, or a part of one; picows leaves it to us that the parts fit together and that a text is UTF-8."""
        kind, whole = self._message or kind, final and self._message is None
        if kind == WSMsgType.TEXT and not (whole and data.isascii()):
            try:
                self._utf8.decode(data, final)
            except UnicodeDecodeError:
                self.close(1007, "a text message is not UTF-8")
                return
        if whole:
            self._receiver.received(data)
            return
        self._message = kind
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes > MESSAGE_BYTES_MAX or len(self._parts) > MESSAGE_BYTES_MAX // 1024:
            self._parts.clear()
            self.close(1009, f"a message is larger than {MESSAGE_BYTES_MAX} bytes")
        elif final:
            message = b"".join(self._parts)
            self._parts.clear()
            self._parts_bytes = 0
            self._message = None
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


async def open_link(url: str, encoding: Encoding, receiver: Receiver, ssl_context: SSLContext | None = None) -> Link:
    """Connect to a tickwire server's WebSocket; the `Dial` of real use.

    Args:
        ssl_context: for `wss`; None trusts whom the system trusts.

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
                enable_auto_pong=False,  # picows would answer pings with reserved bits
                max_redirects=0,
                ssl_context=ssl_context,
            )
    except TimeoutError:
        raise ConnectionLost(f"{url} did not answer in time: is a tickwire server behind this address?") from None
    except OSError as error:
        raise ConnectionLost(
            f"can't connect to {url} ({error}): is the server running, and are host and port right?"
        ) from error
    except (WSError, ValueError, OverflowError) as error:
        if (
            isinstance(error, WSInvalidStatusError)
            and error.response is not None
            and error.response.status in _REFUSALS
        ):
            why = (error.raw_body or b"").decode("utf-8", "replace").strip()
            raise ConnectionLost(f"{url} takes no connection now: {why[:200] or error}") from error
        raise ConnectionLost(
            f"{url} is no tickwire WebSocket ({error}): it should read like ws://host:8000/ws"
        ) from error
    ended = asyncio.ensure_future(transport.wait_disconnected())
    # picows keeps an error for whoever waits here, and complains when nobody does; `link_lost` has told it
    ended.add_done_callback(lambda task: task.cancelled() or task.exception())
    if transport.response is None:  # picows lets pass that the socket was reset before the answer
        raise ConnectionLost(f"{url} ended the connection without an answer; is it just stopping or starting?")
    chosen = transport.response.headers.get("Sec-WebSocket-Protocol")
    if chosen != subprotocol and not (chosen is None and encoding == "json"):
        link.close(1002, "subprotocol")
        raise ConnectionLost(f"{url} does not speak {subprotocol}; it chose {chosen}", code=1002)
    return link
