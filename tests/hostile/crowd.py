"""Many cheap clients of one book in one process, which come, go and stall together.

    python tests/hostile/crowd.py PORT SYMBOL CLIENTS

Each line on stdin is a command, answered with a line of JSON when it is done, a `State`:

    connect     all that are not connected do so at once, and go on from where they were
    stall N     the first N read nothing more, but stay alive
    wake        they read on, until they have what the others have
    cut         all sockets are reset
    state       nothing
"""

from __future__ import annotations

import re
import resource
import select
import socket
import struct
import sys
import time

import msgspec

PER_ADDRESS = 50
"""Clients that share an address: fewer than may upgrade at once."""
READ_BYTES = 1 << 18
SEGMENT_BYTES = 1_460
"""Of a client's TCP: as over a real network. With the loopback's 64 KiB the kernel would hold megabytes for each."""
UNREAD_BYTES = 32_768
"""That a client's kernel holds."""
SECONDS_MAX = 60.0
ALIVE_SECONDS = 0.5

_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_STREAM = re.compile(rb'\{"channel":"book","symbol":"[^"]*","type":"(snapshot|update)","seq":(\d+)')
_GAP = re.compile(rb'\{"type":"gap",.*"from":(\d+),"to":(\d+)')
_EPOCH = re.compile(rb'"epoch":"([^"]*)"')


class State(msgspec.Struct):
    """What has happened so far.

    Attributes:
        open: clients that are connected and subscribed.
        messages: of the stream, received by all together.
        recovered, begun_anew: how often a client was let go on, and was not.
        gaps: that clients were told.
        seconds: that the last command took.
        wrong: what must not be.
    """

    open: int = 0
    messages: int = 0
    recovered: int = 0
    begun_anew: int = 0
    gaps: int = 0
    seconds: float = 0.0
    wrong: list[str] = []


class Client:
    """One client's socket and place in the stream."""

    def __init__(self, number: int, port: int, symbol: str, state: State) -> None:
        self.seq = -1
        self.open = self.stalled = False
        self.socket: socket.socket | None = None
        self._address = f"127.1.{1 + number // PER_ADDRESS // 250}.{1 + number // PER_ADDRESS % 250}"
        self._port = port
        self._symbol = symbol
        self._state = state
        self._epoch = b""
        self._begun = b""
        self._upgraded = False
        self._after_gap = False

    def connect(self) -> socket.socket:
        """Begin to."""
        self.socket = client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        client.bind((self._address, 0))
        client.connect_ex(("127.0.0.1", self._port))
        self._begun, self._upgraded = b"", False
        return client

    def connected(self) -> None:
        assert self.socket is not None
        self.socket.send(_UPGRADE)

    def cut(self) -> None:
        """Reset the connection."""
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
        self.socket, self.open, self.stalled = None, False, False

    def readable(self) -> None:
        """Read what is there, up to a bound."""
        assert self.socket is not None
        try:
            data = self.socket.recv(READ_BYTES)
        except ConnectionError as error:
            data = b""
            self._state.wrong.append(str(error))
        if not data:
            self._state.wrong.append(f"closed: {self._begun[:200]!r}")
            self.cut()
            return
        data = self._begun + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._begun = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._state.wrong.append(f"refused: {head[:200]!r}")
                self.cut()
                return
            self._upgraded = True
        at = 0
        while (size := _frame_size(data, at)) is not None and at + size <= len(data):
            self._frame(data, at, size)
            at += size
        self._begun = data[at:]

    def _frame(self, data: bytes, at: int, size: int) -> None:
        start = at + {126: 4, 127: 10}.get(data[at + 1], 2)
        opcode = data[at] & 0x0F
        if opcode == 9:
            self._send(0x8A, data[start : at + size])
        elif opcode == 8:
            self._state.wrong.append(f"closed with {data[start : at + size]!r}")
        elif found := _STREAM.match(data, start, at + size):
            self._took(found[1] == b"snapshot", int(found[2]))
        else:
            self._other(data[start : at + size])

    def _took(self, snapshot: bool, seq: int) -> None:
        self._state.messages += 1
        follows = seq == self.seq + 1 or (snapshot and (self._after_gap or self.seq < 0))
        if not follows:
            self._state.wrong.append(f"{seq} after {self.seq}")
        self.seq, self._after_gap = seq, False

    def _other(self, message: bytes) -> None:
        state = self._state
        if message.startswith(b'{"type":"hello"'):
            epoch = _EPOCH.search(message)
            assert epoch is not None
            goes_on = b',"from":{"epoch":"%b","seq":%d}' % (epoch[1], self.seq) if self.seq >= 0 else b""
            self._send(
                0x81,
                b'{"id":1,"method":"subscribe","params":{"channel":"book","symbols":["%b"]%b}}'
                % (self._symbol.encode(), goes_on),
            )
        elif message.startswith(b'{"id":1'):
            self.open = True
            if b'"error"' in message:
                state.wrong.append(message.decode())
            elif self.seq >= 0 and b'"recovered":true' in message:
                state.recovered += 1
            elif self.seq >= 0:
                state.begun_anew += 1
                self._after_gap = True
        elif found := _GAP.match(message):
            state.gaps += 1
            if int(found[1]) != self.seq + 1:
                state.wrong.append(f"{message!r} after {self.seq}")
            self._after_gap = True

    def say_alive(self) -> None:
        """An answer to pings, for one who reads none."""
        self._send(0x8A, b"")

    def _send(self, first: int, payload: bytes) -> None:
        assert self.socket is not None
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self.socket.send(bytes([first]) + length + bytes(4) + payload)


def _frame_size(data: bytes, at: int) -> int | None:
    here = len(data) - at
    if here < 2:
        return None
    size = data[at + 1]
    if size < 126:
        return 2 + size
    header = 4 if size == 126 else 10
    return header + int.from_bytes(data[at + 2 : at + header]) if here >= header else None


class Crowd:
    """All clients, and the loop that reads them."""

    def __init__(self, port: int, symbol: str, count: int) -> None:
        self.state = State()
        self.clients = [Client(number, port, symbol, self.state) for number in range(count)]
        self._by_descriptor: dict[int, Client] = {}
        self._epoll = select.epoll()
        self._said_alive = 0.0

    def read(self, seconds: float) -> None:
        """Look once at what there is to do."""
        if time.monotonic() > self._said_alive + ALIVE_SECONDS:
            self._said_alive = time.monotonic()
            for client in self.clients:
                if client.stalled:
                    client.say_alive()
        for descriptor, event in self._epoll.poll(seconds):
            client = self._by_descriptor[descriptor]
            if event & select.EPOLLOUT:
                client.connected()
                self._epoll.modify(descriptor, select.EPOLLIN)
            else:
                client.readable()

    def run(self, command: str) -> State:
        """Do what is asked."""
        name, _, count = command.partition(" ")
        began = time.perf_counter()
        done = {"connect": self._connect, "wake": self._wake, "cut": self._cut}.get(name)
        if done is not None:
            done()
        elif name == "stall":
            for client in self.clients[: int(count)]:
                assert client.socket is not None
                client.stalled = True
                self._epoll.unregister(client.socket)
        self.state.open = sum(client.open for client in self.clients)
        self.state.seconds = time.perf_counter() - began
        return self.state

    def _connect(self) -> None:
        new = [client for client in self.clients if client.socket is None]
        for client in new:
            connecting = client.connect()
            self._by_descriptor[connecting.fileno()] = client
            self._epoll.register(connecting, select.EPOLLOUT)
        end = time.monotonic() + SECONDS_MAX
        while not all(client.open for client in new) and time.monotonic() < end and not self.state.wrong:
            self.read(0.1)

    def _wake(self) -> None:
        newest = max(client.seq for client in self.clients)
        stalled = [client for client in self.clients if client.stalled]
        for client in stalled:
            assert client.socket is not None
            client.stalled = False
            self._epoll.register(client.socket, select.EPOLLIN)
        end = time.monotonic() + SECONDS_MAX
        while any(client.seq < newest for client in stalled) and time.monotonic() < end and not self.state.wrong:
            self.read(0.1)

    def _cut(self) -> None:
        for client in self.clients:
            client.cut()
        self._by_descriptor.clear()


def main(port: int, symbol: str, count: int) -> None:
    """Do what is asked on stdin, and read meanwhile."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd = Crowd(port, symbol, count)
    asked = select.poll()
    asked.register(sys.stdin, select.POLLIN)
    while True:
        if asked.poll(0):
            command = sys.stdin.readline().strip()
            if not command:
                return
            print(msgspec.json.encode(crowd.run(command)).decode(), flush=True)
        crowd.read(0.01)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
