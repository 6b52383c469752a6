"""What the servers send and how they produce it: numbered messages in turns, or by the clock.

A server prints `{"port": …}`; a line on its stdin starts the production, the next one asks for a report, which comes
when all is produced, and the end of stdin ends it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import TypeVar

from benchmarks.processes import say, told

PAYLOAD_BYTES = 125
"""The most that a frame with a header of two bytes can carry."""
BUFFERED_BYTES_MAX = 256 * 1024
"""Unsent bytes of a client above which the producer waits for it; the same for every server."""

_FILLER = b"the same bytes for every one of the clients, and each of them checks every byte that it is given. 0123456"
Client = TypeVar("Client")
Message = TypeVar("Message")


def payload(n: int, size: int = PAYLOAD_BYTES) -> bytes:
    """Message number `n`, from 0, of `size` bytes, at least 25."""
    filler = _FILLER * (size // len(_FILLER) + 1)
    return b'{"n":%012d,"x":"%b"}' % (n, filler[: size - 25])


def framed(payload: bytes) -> bytes:
    """A message as it is on the wire: one unmasked text frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


def frame(n: int, size: int = PAYLOAD_BYTES) -> bytes:
    """Message number `n` as it is on the wire."""
    return framed(payload(n, size))


def repeated(prepared: Sequence[Message], messages: int) -> list[Message]:
    """So many messages: the prepared ones again and again, each of them once in memory."""
    return list(islice(cycle(prepared), messages))


def arguments() -> Namespace:
    """The command line of a server: see `benchmarks.peers.serving`."""
    parser = ArgumentParser()
    parser.add_argument("--prepared", type=int)
    for option in ("messages", "turn", "rate", "bytes", "lose", "streams"):
        parser.add_argument(f"--{option}", type=int, required=True)
    given = parser.parse_args()
    given.prepared = given.prepared or given.messages
    return given


def listening_socket() -> socket.socket:
    """A TCP socket on a free port of this machine."""
    return socket.create_server(("127.0.0.1", 0), backlog=4096)


async def serve(
    given: Namespace,
    port: int,
    *,
    publish: Callable[[list[int]], Awaitable[None]],
    clients: Callable[[], Iterable[Client]],
    is_full: Callable[[Client], bool],
) -> None:
    """Produce when told to, report when told to, return when stdin ends.

    Args:
        given: from `arguments`.
        port: where the server listens.
        publish: hands the messages of these numbers to every client.
        clients: those that are connected.
        is_full: whether the producer must wait for a client.
    """
    say(port=port)
    if not await told():
        return
    started_ns = time.monotonic_ns()
    waited = 0.0
    for numbers in due(given, started_ns):
        if numbers:
            await publish([n for n in numbers if n != given.lose] if given.lose in numbers else list(numbers))
        await asyncio.sleep(0)
        if not given.rate:
            waited += await _room(clients, is_full)
    if not await told():
        return
    say(waited_seconds=waited, started_ns=started_ns)
    await told()


def due(given: Namespace, started_ns: int) -> Iterator[range]:
    """What is to be sent in each turn, until all is; by the clock, that may be nothing."""
    first = 0
    while first < given.messages:
        end = first + given.turn
        if given.rate:
            end = (time.monotonic_ns() - started_ns) * given.rate // 1_000_000_000 + 1
        numbers = range(first, min(end, given.messages))
        yield numbers
        first = max(first, numbers.stop)


async def _room(clients: Callable[[], Iterable[Client]], is_full: Callable[[Client], bool]) -> float:
    """Wait until no client has much unsent; returns for how many seconds that was."""
    waited = 0.0
    for client in list(clients()):
        if is_full(client):
            began = time.perf_counter()
            while is_full(client):  # noqa: ASYNC110 - not every server has something to wait for
                await asyncio.sleep(0.001)
            waited += time.perf_counter() - began
    return waited
