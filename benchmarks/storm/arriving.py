"""Clients that come at once: every one connects, upgrades, asks and is greeted, all in one loop."""

from __future__ import annotations

import base64
import hashlib
import os
import select
import socket
import time
from collections.abc import Callable, Collection

from benchmarks.load import HEARTBEAT, SILENCE_SECONDS_MAX, frame_size, masked
from benchmarks.results import Wrong

READ_BYTES = 1 << 16
SEGMENT_BYTES = 1_460
"""Of a client whose kernel is to hold little: with the loopback's 64 KiB that would be megabytes on either side."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Arriving:
    """A client on its way.

    Args:
        port, path: where it will go, when it is let.
        request: what it asks for when it has its upgrade; nothing if empty.
        greetings: frames that are then to come, before the stream.
        unread_bytes: that its kernel holds; 0 for as much as it likes.

    Attributes:
        greeted: those that came.
        rest: what came after them.
    """

    def __init__(self, port: int, path: str, request: bytes, greetings: int, unread_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if unread_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread_bytes)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.greeted: list[bytes] = []
        self.rest = b""
        key = base64.b64encode(os.urandom(16))
        self._port = port
        self._upgrade = _UPGRADE % (path.encode(), key)
        self._accepted = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self._request = masked(request) if request else b""
        self._greetings = greetings
        self._upgraded = False

    @property
    def there(self) -> bool:
        """Whether it has been greeted."""
        return self._upgraded and len(self.greeted) == self._greetings

    def connect(self) -> None:
        """Set out."""
        self.socket.connect_ex(("127.0.0.1", self._port))

    def connected(self) -> None:
        """Ask for the upgrade."""
        self.socket.send(self._upgrade)

    def readable(self) -> None:
        """Read what there is.

        Raises:
            Wrong: it is no answer to the upgrade, or the end.
        """
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise Wrong(f"the server closed a connection that had said {self.rest[:200]!r}")
        self.rest += data
        if not self._upgraded:
            if b"\r\n\r\n" not in self.rest:
                return
            head, _, self.rest = self.rest.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101") or self._accepted not in head:
                raise Wrong(f"the upgrade was answered with {head[:200]!r}")
            self._upgraded = True
            if self._request:
                self.socket.send(self._request)
        while not self.there and (size := frame_size(self.rest)) is not None and size <= len(self.rest):
            if HEARTBEAT not in self.rest[:24]:
                self.greeted.append(self.rest[:size])
            self.rest = self.rest[size:]


class Loop:
    """Calls what is to be done when a socket has something to read."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[], None]] = {}

    def add(self, client: Arriving, done: Callable[[Arriving], None]) -> None:
        """Let a client set out; `done` is called when it is there, and with that its socket is not read any more."""
        client.connect()
        fileno = client.socket.fileno()

        def readable() -> None:
            client.readable()
            if client.there:
                self.forget(client.socket)
                done(client)

        def connected() -> None:
            client.connected()
            self._epoll.modify(fileno, select.EPOLLIN)
            self._calls[fileno] = readable

        self._calls[fileno] = connected
        self._epoll.register(fileno, select.EPOLLOUT)

    def read(self, client: socket.socket, readable: Callable[[], None]) -> None:
        """Call this when there is something to read."""
        self._calls[client.fileno()] = readable
        self._epoll.register(client, select.EPOLLIN)

    def forget(self, client: socket.socket) -> None:
        """Call nothing any more."""
        self._epoll.unregister(client)
        del self._calls[client.fileno()]

    def run(self, until: Callable[[], bool]) -> None:
        """
        Raises:
            Wrong: a server said what it must not, or nothing comes any more.
        """
        heard = time.monotonic()
        while not until():
            for fileno, _ in self._epoll.poll(0.05, max(1, len(self._calls))):
                heard = time.monotonic()
                if call := self._calls.get(fileno):
                    call()
            if time.monotonic() - heard > SILENCE_SECONDS_MAX:
                raise Wrong(f"nothing came for {SILENCE_SECONDS_MAX:.0f} s")

    def close(self) -> None:
        """Its sockets are closed elsewhere."""
        self._epoll.close()


def arrive(loop: Loop, clients: Collection[Arriving]) -> int:
    """Let clients arrive; returns when the last one was there, ns of the monotonic clock.

    Raises:
        Wrong: one was not let in.
    """
    there: list[Arriving] = []
    for client in clients:
        loop.add(client, there.append)
    loop.run(lambda: len(there) == len(clients))
    return time.monotonic_ns()
