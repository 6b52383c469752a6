"""The load of the fan-out benchmarks: many clients in one process, each checking every byte.

All clients of a stream must receive the same, so it is built once and what arrives is compared with it in place, by
`memcmp`: order, completeness and content in one go. The server may ping or say its heartbeat between two messages;
anything else that is not the next byte of the stream is an error.

As a process it says `{"ready": …}` when all clients have been greeted, and its result when all have everything.
"""

from __future__ import annotations

import ctypes
import select
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.peers import PEERS, Server
from benchmarks.peers.workload import PAYLOAD_BYTES, frame, payload
from benchmarks.processes import LOAD_CORE, cpu_seconds_of, pin, say
from benchmarks.results import Wrong

BUFFER_BYTES = 1 << 20
SUBSCRIPTIONS = 10
SILENCE_SECONDS_MAX = 20.0
AFTERMATH_SECONDS = 0.1
"""How long to look for messages after the last one."""
HEARTBEAT = b'{"type":"heartbeat"'
PING = 0x89

_UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def connect(
    to: Server | int, request: bytes = b"", greetings: int = 0, *, path: str = "/ws", ping: bool = False
) -> socket.socket:
    """A client whose next bytes are those of the stream.

    Args:
        to: a server, which says by itself what its clients send and are greeted with; or a port.
        request: a text message to send after the upgrade; none if empty.
        greetings: frames that come before the stream's first message.
        path: to connect to.
        ping: whether to ping after the request and wait for the pong: for a protocol that answers no request.

    Raises:
        Wrong: the server refused it, or said more than the greetings.
    """
    if isinstance(to, Server):
        peer = to.peer
        return connect(to.port, request or peer.request, greetings or peer.greetings, path=peer.path)
    client = socket.create_connection(("127.0.0.1", to))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(_UPGRADE % path.encode())
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += _some(client)
    if not received.startswith(b"HTTP/1.1 101"):
        raise Wrong(f"the upgrade was refused: {bytes(received[:200])!r}")
    del received[: received.index(b"\r\n\r\n") + 4]
    if request:
        client.sendall(masked(request))
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


def masked(text: bytes) -> bytes:
    """A text frame of a client, with a mask of zeros."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + text


def _some(client: socket.socket) -> bytes:
    data = client.recv(65_536)
    if not data:
        raise Wrong("the server closed the connection before the stream began")
    return data


def header_size(data: bytes | bytearray) -> int:
    """Length of the header of the unmasked frame that `data`, at least 2 bytes, begins with."""
    return 2 if data[1] < 126 else 4 if data[1] == 126 else 10


def frame_size(data: bytes | bytearray) -> int | None:
    """Length of the frame that `data` begins with, header included; None when too little of it is there."""
    if len(data) < 2:
        return None
    size, header = data[1], header_size(data)
    if size < 126:
        return 2 + size
    return header + int.from_bytes(data[2:header], "big") if len(data) >= header else None


class Stream:
    """What every client has to receive.

    Args:
        messages: how many differ.
        make: message number `n` as it is on the wire; all are of one length.
        heartbeat: what the server's heartbeat has near its beginning.
        size_of: length of the message or heartbeat that some bytes begin with, None when too little of it is there.
        in_all: how many are to come, of which those of number `messages` and above are the first ones again. None: each
            comes once.
    """

    lap_bytes = 0
    """After which it begins anew, if it does."""
    bytes_in_all = 0
    """All that is to come, if that is not `data`."""

    def __init__(
        self,
        messages: int,
        make: Callable[[int], bytes] = frame,
        heartbeat: bytes = HEARTBEAT,
        size_of: Callable[[bytes], int | None] = frame_size,
        in_all: int | None = None,
    ) -> None:
        self.frame_bytes = len(make(0))
        self.data = b"".join([make(n) for n in range(messages)])
        self.heartbeat = heartbeat
        self.size_of = size_of
        assert len(self.data) == self.frame_bytes * messages
        if in_all is not None and in_all > messages:
            self.lap_bytes, self.bytes_in_all = len(self.data), self.frame_bytes * in_all
            self.data *= BUFFER_BYTES // self.lap_bytes + 2  # what is read at once may reach into the next laps
        self.address = ctypes.cast(ctypes.c_char_p(self.data), ctypes.c_void_p).value or 0


class Reader:
    """One client's place in the stream."""

    __slots__ = ("_before", "_end", "_left", "_stream", "begun", "heartbeats", "position")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.begun = b""
        """What was received of a frame that is not the stream's next one."""
        self.position = 0
        """Bytes of the stream that were received, in this lap."""
        self._before = 0
        """Bytes of the laps before."""
        self._left = stream.bytes_in_all or len(stream.data)
        """Bytes from this lap's beginning to the end."""
        self._end = min(len(stream.data), self._left)
        """How much of `data` is to come."""
        self.heartbeats = 0

    @property
    def awaited(self) -> int:
        """The number of the message that is to come."""
        return (self._before + self.position) // self._stream.frame_bytes

    @property
    def complete(self) -> bool:
        """Whether all of the stream was received."""
        return self.position == self._left

    def received(self, address: int, size: int) -> None:
        """Compare `size` bytes at `address`.

        Raises:
            Wrong: they are not what comes next.
        """
        stream, end = self._stream, self.position + size
        if not self.begun and end <= self._end and _memcmp(address, stream.address + self.position, size) == 0:
            self.position = end
        else:
            self._by_frame(ctypes.string_at(address, size))
        while 0 < stream.lap_bytes < self._left and self.position >= stream.lap_bytes:
            self.position -= stream.lap_bytes
            self._before += stream.lap_bytes
            self._left -= stream.lap_bytes
            self._end = min(len(stream.data), self._left)

    def _by_frame(self, data: bytes) -> None:
        """Compare frame by frame, which finds a heartbeat between two messages, and the place of an error."""
        stream = self._stream
        expected, frame_bytes = stream.data, stream.frame_bytes
        position = self.position - self.position % frame_bytes
        data = expected[position : self.position] + self.begun + data
        at = same = self._same(data, 0, position)
        position += same
        while (size := stream.size_of(data[at : at + 10])) is not None and at + size <= len(data):
            whole = data[at : at + size]
            if position < self._end and whole == expected[position : position + frame_bytes]:
                size = self._same(data, at, position)
                position += size
            elif stream.heartbeat in whole[:24] or whole[0] == PING:
                self.heartbeats += 1
            else:
                awaited = (self._before + position) // frame_bytes
                raise Wrong(f"message {awaited} was to come, but this came: {whole[:160]!r}")
            at += size
        rest = data[at:]
        is_next = expected.startswith(rest, position, self._end)
        self.begun = b"" if is_next else rest
        self.position = position + len(rest) if is_next else position

    def _same(self, data: bytes, at: int, position: int) -> int:
        """Bytes of the whole messages from `at` on that are those of the stream from `position` on."""
        expected, frame_bytes = self._stream.data, self._stream.frame_bytes
        low, high = 0, min(len(data) - at, self._end - position) // frame_bytes
        while low < high:
            middle = (low + high + 1) // 2
            if data.startswith(expected[position : position + middle * frame_bytes], at):
                low = middle
            else:
                high = middle - 1
        return low * frame_bytes


class UnframedReader(Reader):
    """One client's place in a stream whose bytes the server cuts into frames wherever it likes, as NATS does."""

    __slots__ = ("_header", "_rest")

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._header = b""
        """What was received of a frame's header."""
        self._rest = 0
        """Bytes that are to come of a frame."""

    def received(self, address: int, size: int) -> None:
        """See `Reader`."""
        end = address + size
        while address < end:
            if not self._rest:
                known = len(self._header)
                header = self._header + ctypes.string_at(address, min(10 - known, end - address))
                frame = frame_size(header)
                if frame is None:
                    self._header = header
                    return
                self._header = b""
                address += header_size(header) - known
                self._rest = frame - header_size(header)
            part = min(self._rest, end - address)
            self._rest -= part
            super().received(address, part)
            address += part


def nats_message(n: int, payload_bytes: int = PAYLOAD_BYTES, streams: int = 1) -> bytes:
    """Message number `n` as `nats-server` says it."""
    stream = n % streams
    return b"MSG s%03d %03d %d\r\n%b\r\n" % (stream, stream, payload_bytes, payload(n, payload_bytes))


def stream_of(
    name: str,
    numbers: int | Sequence[int],
    payload_bytes: int = PAYLOAD_BYTES,
    streams: int = 1,
    in_all: int | None = None,
) -> tuple[Stream, type[Reader]]:
    """What a client of a server in `PEERS` has to receive, and what checks it.

    Args:
        numbers: of the messages, in order; or how many, for all from 0 on.
        streams: of how many streams the server sends.
        in_all: see `Stream`.
    """
    if isinstance(numbers, int):
        numbers = range(numbers)
    if name != "nats":
        return Stream(len(numbers), lambda index: frame(numbers[index], payload_bytes), in_all=in_all), Reader
    size = len(nats_message(0, payload_bytes))
    stream = Stream(
        len(numbers),
        lambda index: nats_message(numbers[index], payload_bytes, streams),
        heartbeat=b"PING\r\n",
        size_of=lambda data: 6 if data.startswith(b"PING\r\n") else size,
        in_all=in_all,
    )
    return stream, UnframedReader


def subscribed(client: int, streams: int) -> list[int]:
    """The ten streams that this client reads: every stream has as many readers, and a hundred clients differ."""
    return [(client + 11 * each) % streams for each in range(min(SUBSCRIPTIONS, streams))]


def order(name: str, read: Container[int], messages: int, streams: int, turn: int) -> list[int]:
    """The numbers of the messages of these streams, as the server sends them.

    Nobody promises an order between streams, but each server has one: that of publication. tickwire hands over what a
    turn published stream by stream, that first of which there was something first.
    """
    numbers = []
    for first in range(0, messages, turn):
        published = [n for n in range(first, min(first + turn, messages)) if n % streams in read]
        if name == "tickwire":
            streams_first = list(dict.fromkeys(n % streams for n in published))
            published.sort(key=lambda n: streams_first.index(n % streams))
        numbers += published
    return numbers


class Received(NamedTuple):
    """What `receive` measured.

    Args:
        seconds: from the first bytes to the last.
        cpu_seconds: of this process.
        ended_ns: when the last byte was read, by the monotonic clock.
        server_cpu_seconds: what the server had used then, ever: some use more when there is nothing to do.
    """

    seconds: float
    cpu_seconds: float
    ended_ns: int
    server_cpu_seconds: float


def receive(readers: Mapping[socket.socket, Reader], server_pid: int = 0) -> Received:
    """Read until every client has the whole stream, and a moment longer.

    Args:
        server_pid: the server, if its processor time is asked for.

    Raises:
        Wrong: a client got something else, or nothing more.
    """
    by_fileno = {client.fileno(): (client, reader) for client, reader in readers.items()}
    buffer = bytearray(BUFFER_BYTES)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    incomplete = len(by_fileno)
    started = finished = started_cpu = finished_cpu = server_cpu = 0.0
    with select.epoll() as epoll:
        for fileno in by_fileno:
            epoll.register(fileno, select.EPOLLIN)
        while not finished or time.monotonic() < finished + AFTERMATH_SECONDS:
            ready = epoll.poll(AFTERMATH_SECONDS if finished else SILENCE_SECONDS_MAX, len(by_fileno))
            if not ready:
                break
            if not started:
                started, started_cpu = time.monotonic(), time.process_time()
            for fileno, _ in ready:
                client, reader = by_fileno[fileno]
                was_complete = reader.complete
                size = client.recv_into(buffer)
                if not size:
                    raise Wrong(f"the server closed a connection before message {reader.awaited}")
                reader.received(address, size)
                incomplete -= reader.complete and not was_complete
            if not incomplete and not finished:
                finished, finished_cpu = time.monotonic(), time.process_time()
                server_cpu = cpu_seconds_of(server_pid) if server_pid else 0.0
    if incomplete:
        behind = min(readers.values(), key=lambda reader: reader.position)
        raise Wrong(
            f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and {incomplete} of {len(readers)} clients are incomplete; "
            f"one waits for message {behind.awaited}"
        )
    if any(reader.begun for reader in readers.values()):
        raise Wrong("more came after the last message")
    return Received(finished - started, finished_cpu - started_cpu, int(finished * 1e9), server_cpu)


def main() -> int:
    """Connect, read, check and report."""
    parser = ArgumentParser()
    parser.add_argument("--peer", choices=PEERS, required=True)
    for option in ("port", "clients", "messages"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--bytes", type=int, default=PAYLOAD_BYTES, help="of a payload")
    parser.add_argument("--streams", type=int, default=1, help="of which each client reads ten")
    parser.add_argument("--turn", type=int, default=1, help="messages a turn: it decides the order between streams")
    parser.add_argument("--prepared", type=int, help="how many of the messages differ (all)")
    parser.add_argument("--server-pid", type=int, default=0)
    given = parser.parse_args()
    given.prepared = given.prepared or given.messages
    pin(LOAD_CORE)
    try:
        readers = one_stream(given) if given.streams == 1 else many_streams(given)
        say(ready=given.clients)
        received = receive(readers, given.server_pid)
    except (Wrong, OSError) as error:
        say(error=str(error))
        sys.stdin.read()  # who is told stops the server first, which else would complain of the clients that are gone
        return 1
    say(**received._asdict(), messages=sum(reader.awaited for reader in readers.values()))
    return 0


def one_stream(given: Namespace) -> dict[socket.socket, Reader]:
    """Clients that all read the same."""
    peer = PEERS[given.peer]
    stream, reader = stream_of(given.peer, given.prepared, given.bytes, in_all=given.messages)
    asking = partial(connect, given.port, peer.request, peer.greetings, path=peer.path)
    return {asking(): reader(stream) for _ in range(given.clients)}


def many_streams(given: Namespace) -> dict[socket.socket, Reader]:
    """Clients that read ten streams each.

    Raises:
        Wrong: the server has no topics.
    """
    peer = PEERS[given.peer]
    if peer.asks is None:
        raise Wrong(f"{given.peer} has no topics")
    readers: dict[socket.socket, Reader] = {}
    kinds: dict[int, tuple[Stream, type[Reader]]] = {}
    for client in range(given.clients):
        read = subscribed(client, given.streams)
        if read[0] not in kinds:
            ordered = partial(order, given.peer, set(read), streams=given.streams, turn=given.turn)
            numbers = ordered(given.prepared)
            laps, rest = divmod(given.messages, given.prepared)
            in_all = laps * len(numbers) + len(ordered(rest))
            kinds[read[0]] = stream_of(given.peer, numbers, given.bytes, given.streams, in_all)
        stream, reader = kinds[read[0]]
        connected = connect(given.port, peer.asks(read), peer.greetings_of(len(read)), path=peer.path)
        readers[connected] = reader(stream)
    return readers


if __name__ == "__main__":
    raise SystemExit(main())
