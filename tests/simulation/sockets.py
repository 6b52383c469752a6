"""Both ends of a connection: the server's is an asyncio transport, the client's a `Link`, with a WebSocket between."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from websockets.frames import Opcode
from websockets.utils import apply_mask

from simulation.loop import NOBODY
from tickwire.client.link import Receiver
from tickwire.errors import ConnectionLost
from tickwire.protocol.client_codec import Encoding

if TYPE_CHECKING:
    from simulation.network import Listener, Network, Way, Wiretap

SHRINK = 1024
"""Sockets have buffers so much smaller than the server asks for, that a small run fills them."""
CLOSE_SECONDS_MAX = 1.0
COMPRESSED = 0x40
FLUSH = b"\x00\x00\xff\xff"
"""What ends a compressed message and is not sent (RFC 7692, section 7.2.1)."""
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: simulated\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: tickwire.v1.{}\r\n"
)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"


class ServerEnd(asyncio.Transport):
    """The server's socket. As uvicorn does, it hands over the upgrade request whole."""

    def __init__(self, network: Network, listener: Listener, up: Way, down: Way) -> None:
        super().__init__()
        self.process = listener.process
        self.gone = False
        self.up, self.down = up, down
        self.client: ClientEnd
        self._network = network
        self._request: bytes | None = b""
        self._high = self._low = 0
        self._paused = self._closing = False
        self._protocol: asyncio.Protocol
        up.deliver, down.moved = self._read, self._moved
        self._soon(self._accept, listener)

    # ---- what the protocol calls -----------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        self._network.at("write")
        if not self._closing:
            self.down.send(bytes(data))
            if not self._paused and self.get_write_buffer_size() > self._high:
                self._paused = True
                self._protocol.pause_writing()

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(pieces))

    def get_write_buffer_size(self) -> int:
        """What the kernel has not taken."""
        return max(0, len(self.down.queue) - self._network.kernel_bytes)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._high, self._low = (high or 0) // SHRINK, (low or 0) // SHRINK

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """See `asyncio.BaseTransport`."""
        return ("10.0.0.1", 50_000) if name == "peername" else default

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing

    def close(self) -> None:
        """Once all is written."""
        self._closing = True
        self._moved()

    def abort(self) -> None:
        """At once."""
        self._end(None)

    # ---- what the network calls ------------------------------------------------------------------

    def eof(self) -> None:
        """The client sends nothing more."""
        if not self.gone:
            self._soon(self._protocol.eof_received)
            self._soon(self.close)

    def reset(self) -> None:
        """The client, or the network, has cut the connection."""
        self._end(ConnectionResetError("the simulated network cut it"))

    def died(self) -> None:
        """The process is gone; what its kernel had taken may arrive."""
        self.gone = self._closing = True
        self.down.finish_anywhere(self.client.eof, self._network.kernel_bytes)

    def _end(self, error: Exception | None) -> None:
        if not self.gone:
            self.gone = self._closing = True
            self._soon(self._protocol.connection_lost, error)
            self.down.finish_anywhere(self.client.eof, self._network.kernel_bytes)

    def _accept(self, listener: Listener) -> None:
        self._protocol = listener.accept(self)
        self._protocol.connection_made(self)

    def _read(self, data: bytes) -> None:
        if self._request is not None:
            head, end, data = (self._request + data).partition(b"\r\n\r\n")
            if not end:
                self._request = head
                return
            self._request = None
            self._soon(self._received, head + end)
        if data:
            self._soon(self._received, data)

    def _received(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def _moved(self) -> None:
        unsent = self.get_write_buffer_size()
        if self._closing and not self.gone and not unsent:
            self.gone = True
            self._soon(self._protocol.connection_lost, None)
            self.down.finish(self.client.eof)
        elif self._paused and not self._closing and unsent <= self._low:
            self._paused = False
            self._soon(self._protocol.resume_writing)

    def _soon(self, callback: Callable[..., object], *args: object) -> None:
        self._network.loop.call_soon(callback, *args, context=self.process.context)


class ClientEnd:
    """The client's socket, a `tickwire.client.link.Link`, and what can happen to it on the way."""

    def __init__(
        self,
        network: Network,
        name: str,
        up: Way,
        down: Way,
        server: ServerEnd,
        receiver: Receiver,
        tap: Wiretap,
        encoding: Encoding,
    ) -> None:
        self.name = name
        self.server = server
        self.gone = False
        self.upgraded: asyncio.Future[None] = network.loop.create_future()
        self._network = network
        self._up, self._down = up, down
        self._receiver, self._tap = receiver, tap
        self._opcode = Opcode.TEXT if encoding == "json" else Opcode.BINARY
        self._buffer = bytearray()
        self._closing: tuple[int, str] | None = None
        self._partitioned = False
        self._deflate = False
        server.client = self
        down.deliver = self._read
        offer = DEFLATE if network.rng.random() < 0.5 else ""
        up.send(f"{UPGRADE.format(encoding)}{offer}\r\n".encode())

    # ---- Link ------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See `Link`."""
        if self._closing is None:
            self._tap.sent(data)
            if self._deflate and self._network.rng.random() < 0.5:
                self._frame(self._opcode | COMPRESSED, _deflated(data))
            else:
                self._frame(self._opcode, data)

    def pause(self) -> None:
        """See `Link`."""
        self._down.held = True

    def resume(self) -> None:
        """See `Link`."""
        self._down.held = False
        self._down.move()

    def close(self, code: int, reason: str) -> None:
        """See `Link`."""
        if self._closing is not None:
            return
        self._closing = code, reason
        if code == 1006:
            self._up.finish_anywhere(self.server.reset)  # what was under way may arrive later than what is sent anew
            self._end()
        else:
            self._frame(Opcode.CLOSE, code.to_bytes(2, "big"))
            self.resume()
            self._network.loop.call_later(CLOSE_SECONDS_MAX, self.eof)

    # ---- what happens on the way -----------------------------------------------------------------

    def cut(self) -> None:
        """Something on the way resets the connection; each end learns it in its own time."""
        self._up.finish_anywhere(self.server.reset)
        self._down.finish_anywhere(self.eof)

    def stall(self, seconds: float, *, up: bool, down: bool) -> None:
        """Nothing moves for a time."""
        for way, stalled in ((self._up, up), (self._down, down)):
            if stalled and not way.stalled:
                way.stalled = True
                self._network.loop.call_later(seconds, self._move, way)

    def partition(self) -> None:
        """Nothing moves ever again, and nobody is told."""
        self._partitioned = self._up.stalled = self._down.stalled = True

    def eof(self) -> None:
        """The server sends nothing more, or the connection is gone."""
        self._up.finish(self.server.eof)
        self._end()

    # ---- inside ----------------------------------------------------------------------------------

    def _move(self, way: Way) -> None:
        if not self._partitioned:
            way.stalled = False
            way.move()

    def _frame(self, first: int, data: bytes) -> None:
        size, mask = len(data), self._network.rng.randbytes(4)
        head = bytes((0x80 | first, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x80 | first, 0xFE, size)
        self._up.send(head + mask + apply_mask(data, mask))

    def _read(self, data: bytes) -> None:
        if self.gone:
            return
        buffer = self._buffer
        buffer += data
        if not self.upgraded.done():
            head, end, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.upgraded.set_exception(ConnectionLost(f"refused: {head!r}"))
                return
            self._deflate = b"permessage-deflate" in head
            self._tap.opened()
            self.upgraded.set_result(None)
            buffer[:] = rest
        while not self.gone and (size := _frame_size(buffer)) is not None:
            opcode, payload = Opcode(buffer[0] & 0x0F), bytes(buffer[size[0] : size[1]])
            if buffer[0] & COMPRESSED:
                assert self._deflate, f"{self.name}: a compressed frame"
                payload = zlib.decompressobj(-15).decompress(payload + FLUSH)  # each without the ones before it
            del buffer[: size[1]]
            if opcode is Opcode.CLOSE:
                if self._closing is None:
                    self._closing = int.from_bytes(payload[:2], "big"), payload[2:].decode()
                    self._frame(Opcode.CLOSE, payload[:2])
                self.eof()
            elif opcode is Opcode.PING:
                self._frame(Opcode.PONG, payload)
            elif self._closing is None:
                assert opcode is self._opcode, f"{self.name}: opcode {opcode}"
                self._tap.received(payload)
                self._receiver.received(payload)

    def _end(self) -> None:
        if self.gone:
            return
        self.gone = True
        code, reason = self._closing = self._closing or (1006, "the socket closed without a closing handshake")
        if not self.upgraded.done():
            self.upgraded.set_exception(ConnectionLost(reason))
        elif not self.upgraded.cancelled() and self.upgraded.exception() is None:
            self._tap.closed(code)
            self._network.loop.call_soon(self._receiver.link_lost, code, reason, context=NOBODY)


def _deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(FLUSH)


def _frame_size(buffer: bytearray) -> tuple[int, int] | None:
    """Where the payload of the first frame begins and ends; None while it is not all here. Servers send whole
    messages, unmasked, and perhaps compressed."""
    if len(buffer) < 2:
        return None
    assert buffer[0] & 0xB0 == 0x80, f"the first byte of a frame is {buffer[0]:#x}"
    assert buffer[1] < 0x80, "a server masks a frame"
    size, start = buffer[1], 2
    if size >= 126:
        start = 4 if size == 126 else 10
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[2:start], "big")
    return (start, start + size) if len(buffer) >= start + size else None
