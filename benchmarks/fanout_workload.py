"""What the fan-out benchmark sends, and what its three servers have in common: messages, turns and control.

Control is two pipes. A server prints `{"port": …}`; a line on its stdin starts the production, the next one asks
for its processor time, and the end of stdin ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

PAYLOAD_BYTES = 125
"""The most that a frame with a header of two bytes can carry."""
BUFFERED_BYTES_MAX = 256 * 1024
"""Unsent bytes of a client above which the producer waits for it; the same for every contestant."""

_FILLER = b"the same bytes for every one of the clients, and each of them checks every byte that it is given. 0123456"
Client = TypeVar("Client")


def payload(n: int) -> bytes:
    """Message number `n`, from 0."""
    return b'{"n":%012d,"x":"%b"}' % (n, _FILLER[: PAYLOAD_BYTES - 25])


def frame(n: int) -> bytes:
    """Message number `n` as it is on the wire: one unmasked text frame."""
    return bytes((0x81, PAYLOAD_BYTES)) + payload(n)


def pin(core: int) -> None:
    """Stay on one of the cores that this process may use; on the last one where there are fewer."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})


def arguments() -> Namespace:
    """The command line of a server."""
    parser = ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--turn", type=int, required=True, help="messages handed out in one turn of the event loop")
    parser.add_argument("--lose", type=int, default=-1, help="number of a message to leave out")
    return parser.parse_args()


def listening_socket() -> socket.socket:
    """A TCP socket on a free port of this machine."""
    return socket.create_server(("127.0.0.1", 0), backlog=4096)


async def serve(
    port: int,
    arguments: Namespace,
    *,
    publish: Callable[[list[int]], None],
    clients: Callable[[], Iterable[Client]],
    is_full: Callable[[Client], bool],
) -> None:
    """Produce when told to, report when told to, return when stdin ends.

    Args:
        port: where the server listens.
        arguments: from `arguments`.
        publish: hands the messages of these numbers to every client.
        clients: those that are connected.
        is_full: whether the producer must wait for a client.
    """
    print(json.dumps({"port": port}), flush=True)
    if not await _line():
        return
    started = time.process_time()
    waited = await _produce(arguments, publish, clients, is_full)
    await _line()
    print(json.dumps({"cpu_seconds": time.process_time() - started, "waited_seconds": waited}), flush=True)
    await _line()


async def _produce(
    arguments: Namespace,
    publish: Callable[[list[int]], None],
    clients: Callable[[], Iterable[Client]],
    is_full: Callable[[Client], bool],
) -> float:
    """Hand out all messages; returns for how many seconds that had to wait for a client."""
    turn, waited = arguments.turn, 0.0
    for first in range(0, arguments.messages, turn):
        numbers = range(first, min(first + turn, arguments.messages))
        publish([n for n in numbers if n != arguments.lose])
        await asyncio.sleep(0)
        for client in list(clients()):
            if is_full(client):
                began = time.perf_counter()
                while is_full(client):  # noqa: ASYNC110 - not every server has something to wait for
                    await asyncio.sleep(0.001)
                waited += time.perf_counter() - began
    return waited


def _line() -> Awaitable[str]:
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
