"""The load generator of the fan-out benchmark: many clients in one process, each checking every byte.

All clients must receive the same stream, so it is built once and what arrives is compared with it in place, by
`memcmp`: order, completeness and content in one go. The server may say its heartbeat between two messages;
anything else that is not the next byte of the stream is an error.

It prints `{"ready": …}` when all clients have been greeted, and its result when all have everything.
"""

from __future__ import annotations

import ctypes
import json
import select
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.fanout_trades import PAYLOADS, framed
from benchmarks.fanout_workload import frame, pin

BUFFER_BYTES = 1 << 20
SILENCE_SECONDS_MAX = 20.0
AFTERMATH_SECONDS = 0.1
"""How long to look for messages after the last one."""
HEARTBEAT = b'{"type":"heartbeat"'

_UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Wrong(Exception):
    """A client did not get exactly the stream."""


def connect(
    port: int, request: bytes = b"", greetings: int = 0, *, path: str = "/ws", ping: bool = False
) -> socket.socket:
    """A client whose next bytes are those of the stream.

    Args:
        port: of the server.
        request: a text message of at most 125 bytes to send after the upgrade; none if empty.
        greetings: frames that come before the stream's first message.
        path: to connect to.
        ping: whether to ping after the request and wait for the pong: for a protocol that answers no request.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(_UPGRADE % path.encode())
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += _some(client)
    if not received.startswith(b"HTTP/1.1 101"):
        raise Wrong(f"the upgrade was refused: {bytes(received[:200])!r}")
    del received[: received.index(b"\r\n\r\n") + 4]
    if request:
        client.sendall(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)
    if ping:
        client.sendall(bytes((0x89, 0x80, 0, 0, 0, 0)))
    for _ in range(greetings + ping):
        while (size := frame_size(received)) is None or size > len(received):
            received += _some(client)
        del received[:size]
    if received:
        raise Wrong("the stream began before the start was given")
    client.setblocking(False)
    return client


def _some(client: socket.socket) -> bytes:
    data = client.recv(65_536)
    if not data:
        raise Wrong("the server closed the connection before the stream began")
    return data


def frame_size(data: bytes | bytearray) -> int | None:
    """Length of the frame that `data` begins with, header included; None when too little of it is there."""
    if len(data) < 2:
        return None
    size = data[1]
    if size < 126:
        return 2 + size
    header = 4 if size == 126 else 10
    return header + int.from_bytes(data[2:header], "big") if len(data) >= header else None


class Stream:
    """What every client has to receive.

    Args:
        messages: how many.
        make: message number `n` as it is on the wire; all are of one length.
    """

    def __init__(self, messages: int, make: Callable[[int], bytes] = frame) -> None:
        self.frame_bytes = len(make(0))
        self.data = b"".join([make(n) for n in range(messages)])
        assert len(self.data) == self.frame_bytes * messages
        self.address = ctypes.cast(ctypes.c_char_p(self.data), ctypes.c_void_p).value or 0


class Reader:
    """One client's place in the stream."""

    __slots__ = ("_stream", "begun", "heartbeats", "position")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.begun = b""
        """What was received of a frame that is not the stream's next one."""
        self.position = 0
        """Bytes of the stream that were received."""
        self.heartbeats = 0

    @property
    def awaited(self) -> int:
        """The number of the message that is to come."""
        return self.position // self._stream.frame_bytes

    @property
    def complete(self) -> bool:
        """Whether all of the stream was received."""
        return self.position == len(self._stream.data)

    def received(self, address: int, size: int) -> None:
        """Compare `size` bytes at `address`.

        Raises:
            Wrong: they are not what comes next.
        """
        stream, end = self._stream, self.position + size
        if not self.begun and end <= len(stream.data) and _memcmp(address, stream.address + self.position, size) == 0:
            self.position = end
        else:
            self._by_frame(ctypes.string_at(address, size))

    def _by_frame(self, data: bytes) -> None:
        """Compare frame by frame, which finds a heartbeat between two messages, and the place of an error."""
        expected, frame_bytes = self._stream.data, self._stream.frame_bytes
        position = self.position - self.position % frame_bytes
        data = expected[position : self.position] + self.begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            whole = data[at : at + size]
            if whole == expected[position : position + frame_bytes]:
                position += size
            elif HEARTBEAT in whole[:24]:
                self.heartbeats += 1
            else:
                raise Wrong(f"message {position // frame_bytes} was to come, but this came: {whole[:160]!r}")
            at += size
        rest = data[at:]
        is_next = expected.startswith(rest, position)
        self.begun = b"" if is_next else rest
        self.position = position + len(rest) if is_next else position


class Received(NamedTuple):
    """What `receive` measured."""

    seconds: float
    """From the first bytes to the last."""
    cpu_seconds: float
    heartbeats: int


def receive(clients: list[socket.socket], stream: Stream) -> Received:
    """Read until every client has the whole stream, and a moment longer.

    Raises:
        Wrong: a client got something else, or nothing more.
    """
    readers = {client.fileno(): (client, Reader(stream)) for client in clients}
    buffer = bytearray(BUFFER_BYTES)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    incomplete = len(clients)
    started = finished = started_cpu = finished_cpu = 0.0
    with select.epoll() as epoll:
        for fileno in readers:
            epoll.register(fileno, select.EPOLLIN)
        while ready := epoll.poll(SILENCE_SECONDS_MAX if incomplete else AFTERMATH_SECONDS, len(readers)):
            if not started:
                started, started_cpu = time.perf_counter(), time.process_time()
            for fileno, _ in ready:
                client, reader = readers[fileno]
                was_complete = reader.complete
                size = client.recv_into(buffer)
                if not size:
                    raise Wrong(f"the server closed a connection before message {reader.awaited}")
                reader.received(address, size)
                incomplete -= reader.complete and not was_complete
            if not incomplete and not finished:
                finished, finished_cpu = time.perf_counter(), time.process_time()
    all_readers = [reader for _, reader in readers.values()]
    if incomplete:
        behind = min(all_readers, key=lambda reader: reader.position)
        raise Wrong(
            f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and {incomplete} of {len(clients)} clients are incomplete; "
            f"one waits for message {behind.awaited}"
        )
    if any(reader.begun for reader in all_readers):
        raise Wrong("more came after the last message")
    return Received(finished - started, finished_cpu - started_cpu, sum(reader.heartbeats for reader in all_readers))


def main() -> int:
    """Connect, read, check and report."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--request", default="", help="what each client asks for after the upgrade")
    parser.add_argument("--greetings", type=int, default=0, help="frames before the stream's first one")
    parser.add_argument("--path", default="/ws", help="what each client connects to")
    parser.add_argument("--ping", action="store_true", help="let each client wait for a pong before it is ready")
    parser.add_argument("--frames", choices=PAYLOADS, help="the stream is this dialect's trades")
    given = parser.parse_args()
    pin(1)
    stream = Stream(given.messages, partial(framed, given.frames) if given.frames else frame)
    try:
        asking = partial(connect, given.port, given.request.encode(), given.greetings)
        clients = [asking(path=given.path, ping=given.ping) for _ in range(given.clients)]
        print(json.dumps({"ready": given.clients}), flush=True)
        received = receive(clients, stream)
    except (Wrong, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps(received._asdict()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
