"""`websockets`: `broadcast` for each message, on uvloop, without compression and keepalive.

It has no backpressure: the producer looks at the transports' write buffers after each turn and waits for those above
256 KiB, eight times the fill at which `send` would wait. More only costs memory.
"""

from __future__ import annotations

from argparse import Namespace
from asyncio import Runner
from contextlib import suppress

import uvloop
from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed

from benchmarks.peers.workload import BUFFERED_BYTES_MAX, arguments, listening_socket, payload, repeated, serve


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    payloads = repeated([payload(n, given.bytes).decode() for n in range(given.prepared)], given.messages)
    readers: list[set[ServerConnection]] = [set() for _ in range(given.streams)]

    async def publish(numbers: list[int]) -> None:
        if given.streams == 1:
            connections = server.connections
            for n in numbers:
                broadcast(connections, payloads[n])
        else:
            for n in numbers:
                broadcast(readers[n % given.streams], payloads[n])

    def is_full(connection: ServerConnection) -> bool:
        return connection.transport.get_write_buffer_size() > BUFFERED_BYTES_MAX

    async def handler(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in connection:
                for stream in str(message).split(","):
                    readers[int(stream)].add(connection)
                await connection.send("subscribed")

    listening = listening_socket()
    async with websockets_serve(handler, sock=listening, compression=None, ping_interval=None) as server:
        port = listening.getsockname()[1]
        await serve(given, port, publish=publish, clients=lambda: server.connections, is_full=is_full)


if __name__ == "__main__":
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
