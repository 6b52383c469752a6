"""A segment as a file in memory: every socket gets its bytes, whatever becomes of the file."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from tickwire.server.shared import SharedSegment
from tickwire.server.socket import Connection

SEGMENT = bytes(range(256)) * 256
OTHER = SEGMENT[::-1]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; the first does not block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        served, _ = server.accept()
    served.setblocking(False)
    return served, client


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    served, client = pair()
    with closing(served), closing(client):
        yield served, client


def read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += client.recv(size - len(data))
    return data


def files() -> list[str]:
    """The files in memory that this process has open."""
    names = [os.path.realpath(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    return [name for name in names if "memfd:segment" in name]


def test_from_the_second_socket_on_it_is_sent_from_a_file(ends: tuple[socket.socket, socket.socket]) -> None:
    served, client = ends
    shared = SharedSegment()
    assert shared.send(served.fileno(), SEGMENT) == 0
    assert files() == []
    sent = shared.send(served.fileno(), SEGMENT)
    assert read(client, sent) == SEGMENT[:sent]
    assert sent > 0
    assert len(files()) == 1


def test_the_file_goes_with_the_next_segment_but_not_what_was_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    served, client = ends
    shared = SharedSegment()
    shared.send(served.fileno(), SEGMENT)
    first = shared.send(served.fileno(), SEGMENT)
    assert shared.send(served.fileno(), OTHER) == 0
    assert files() == []
    second = shared.send(served.fileno(), OTHER)
    assert read(client, first + second) == SEGMENT[:first] + OTHER[:second]


def test_a_full_socket_takes_what_it_can(ends: tuple[socket.socket, socket.socket]) -> None:
    served, client = ends
    shared = SharedSegment()
    shared.send(served.fileno(), SEGMENT)
    sent = []
    while size := shared.send(served.fileno(), SEGMENT):
        sent.append(size)
    assert sum(sent) > 0
    assert read(client, sum(sent)) == b"".join(SEGMENT[:size] for size in sent)


def test_a_broken_socket_takes_nothing(ends: tuple[socket.socket, socket.socket]) -> None:
    served, _ = ends
    served.shutdown(socket.SHUT_RDWR)
    shared = SharedSegment()
    assert [shared.send(served.fileno(), SEGMENT) for _ in range(3)] == [0, 0, 0]


def test_where_there_are_no_files_in_memory_nothing_is_taken(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, _ = ends
    monkeypatch.delattr(os, "memfd_create")
    shared = SharedSegment()
    assert [shared.send(served.fileno(), SEGMENT) for _ in range(3)] == [0, 0, 0]


class Transport:
    """One that has so much unsent, or closes."""

    def __init__(self, unsent: int = 0, closing: bool = False) -> None:
        self._unsent = unsent
        self._closing = closing
        self.written = b""

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes) -> None:
        self.written += data


@pytest.mark.parametrize(
    ("transport", "secure", "past"),
    [
        (Transport(), False, True),
        (Transport(unsent=1), False, False),
        (Transport(closing=True), False, False),
        (Transport(), True, False),
    ],
    ids=["nothing unsent", "something unsent", "closing", "TLS"],
)
def test_a_connection_sends_past_its_transport_only_what_comes_next(
    ends: tuple[socket.socket, socket.socket], transport: Transport, secure: bool, past: bool
) -> None:
    served, client = ends
    shared = SharedSegment()
    shared.send(served.fileno(), SEGMENT)  # to another socket
    connection = Connection.__new__(Connection)
    connection._gateway = SimpleNamespace(shared=shared)  # type: ignore[assignment]
    connection._transport = transport  # type: ignore[assignment]
    connection._fileno = -1 if secure else served.fileno()
    connection.writes, connection.out = 0, [SEGMENT]
    connection.flush()
    sent = len(SEGMENT) - len(transport.written)
    assert read(client, sent) + transport.written == SEGMENT
    assert (sent > 0, connection.out, connection.writes) == (past, [], 1)
