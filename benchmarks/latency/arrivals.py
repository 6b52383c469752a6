"""When each message of a stream has come to many clients."""

from __future__ import annotations

import ctypes
import gc
import select
import socket
import time
from array import array
from collections.abc import Mapping
from typing import Protocol

from benchmarks.load import AFTERMATH_SECONDS, BUFFER_BYTES
from benchmarks.results import Wrong

LATE_SECONDS_MAX = 1.0
"""A server that lags so far behind its schedule does not keep up with it."""
SILENCE_SECONDS_MAX = 10.0
POLL_SECONDS = 0.5
FULL_CORE = 0.95
"""Share of the clients' core from which on it is they who are measured."""
SAMPLED = 20
"""Clients of which each message's time is kept."""


class Behind(Exception):
    """The server does not keep up with the rate."""


class Reader(Protocol):
    """What checks the bytes of a client."""

    @property
    def begun(self) -> bytes:
        """What was received of a message that is not there yet, or not the next one."""
        ...

    @property
    def awaited(self) -> int:
        """The number of the message that is to come."""
        ...

    def received(self, address: int, size: int) -> None:
        """Look at `size` bytes at `address`.

        Raises:
            Wrong: they are not what comes next.
        """


class Arrivals:
    """When messages came, ns of the monotonic clock.

    Args:
        clients, messages: how many there are.

    Attributes:
        last: when the last client had each message.
        sampled: when each of some clients, by their index, had each message.
        reading: share of its core that reading took.
    """

    def __init__(self, clients: int, messages: int) -> None:
        self.last = array("q")
        self.sampled = {index: array("q") for index in range(clients - 1, -1, -max(1, clients // SAMPLED))}
        self.reading = 0.0
        self.messages = messages
        self._at = [clients, *[0] * messages]  # clients by what they wait for

    def came(self, index: int, before: int, awaited: int, now: int) -> None:
        """A client that waited for message `before` waits for message `awaited`."""
        at, last = self._at, self.last
        at[before] -= 1
        at[awaited] += 1
        while not at[len(last)]:
            last.append(now)
        if index in self.sampled:
            self.sampled[index].extend([now] * (awaited - before))


def read(readers: Mapping[socket.socket, Reader], messages: int, rate: int) -> Arrivals:
    """Read until every client has every message, and a moment longer, which is not measured.

    Raises:
        Wrong: one got something else, or more than that, or nothing more comes.
        Behind: the server is a second late, or has closed a connection.
    """
    arrivals = Arrivals(len(readers), messages)
    by_fileno = {client.fileno(): (n, client, reader) for n, (client, reader) in enumerate(readers.items())}
    buffer = bytearray(BUFFER_BYTES)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    began, cpu, came = 0, 0.0, time.monotonic_ns()
    gc.disable()  # or its pauses would be taken for the server's
    try:
        with select.epoll() as epoll:
            for fileno in by_fileno:
                epoll.register(fileno, select.EPOLLIN)
            while len(arrivals.last) < messages:
                for fileno, _ in epoll.poll(POLL_SECONDS, len(by_fileno)):
                    index, client, reader = by_fileno[fileno]
                    before = reader.awaited
                    size = _received(client, buffer, before)
                    now = time.monotonic_ns()
                    reader.received(address, size)
                    if (awaited := reader.awaited) > before:
                        came = now
                        arrivals.came(index, before, awaited, now)
                        if not began:
                            began, cpu = now, time.process_time()
                _look(arrivals, began, came, rate)
            arrivals.reading = (time.process_time() - cpu) * 1e9 / max(1, time.monotonic_ns() - began)
            end = time.monotonic() + AFTERMATH_SECONDS
            while (left := end - time.monotonic()) > 0:
                for fileno, _ in epoll.poll(left, len(by_fileno)):
                    _, client, reader = by_fileno[fileno]
                    reader.received(address, _received(client, buffer, reader.awaited))
    finally:
        gc.enable()
    if any(reader.begun for reader in readers.values()):
        raise Wrong("more came after the last message")
    return arrivals


def _received(client: socket.socket, buffer: bytearray, awaited: int) -> int:
    try:
        size = client.recv_into(buffer)
    except ConnectionError:
        size = 0
    if not size:
        raise Behind(f"it closed a connection before message {awaited}")
    return size


def _look(arrivals: Arrivals, began: int, came: int, rate: int) -> None:
    """Whether it goes on, and in time."""
    now, awaited = time.monotonic_ns(), len(arrivals.last)
    if now - came > SILENCE_SECONDS_MAX * 1e9:
        raise Wrong(f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and a client waits for message {awaited}")
    late = now - began - awaited * 1_000_000_000 // rate
    if began and late > LATE_SECONDS_MAX * 1e9 and now - came < POLL_SECONDS * 1e9:
        raise Behind(f"after {(now - began) / 1e9:.1f} s all clients had {awaited:,} messages")
