"""The other two servers of the fan-out benchmark, each used as its own documentation shows.

- `websockets`: `websockets.broadcast` for each message, on uvloop, without compression and keepalive, and with
  Nagle's algorithm, which doubles what it delivers: each message is a `send` for each client, and fewer packets
  make those cheaper. It has no backpressure: the producer looks at the transports' write buffers after each turn
  and waits for those above 256 KiB, eight times the fill at which `send` would wait. More only costs memory.
- `socketify` (uWebSockets): `app.publish` for each message to a topic that every client is subscribed to. It
  leaves messages out for a client with `max_backpressure` bytes unsent (64 KiB unless set), so that is set out of
  reach, and the producer waits for clients with more than 256 KiB, by `get_buffered_amount`.
"""

from __future__ import annotations

import asyncio
import socket
from argparse import Namespace
from typing import Any

import uvloop
from benchmarks.fanout_workload import BUFFERED_BYTES_MAX, arguments, listening_socket, payload, pin, serve
from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve


async def serve_websockets(arguments: Namespace) -> None:
    """`websockets.broadcast`."""
    payloads = [payload(n).decode() for n in range(arguments.messages)]

    def publish(numbers: list[int]) -> None:
        connections = server.connections
        for n in numbers:
            broadcast(connections, payloads[n])

    def is_full(connection: ServerConnection) -> bool:
        return connection.transport.get_write_buffer_size() > BUFFERED_BYTES_MAX

    async def handler(connection: ServerConnection) -> None:
        connection.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        await connection.wait_closed()

    listening = listening_socket()
    async with websockets_serve(handler, sock=listening, compression=None, ping_interval=None) as server:
        port = listening.getsockname()[1]
        await serve(port, arguments, publish=publish, clients=lambda: server.connections, is_full=is_full)


def serve_socketify(arguments: Namespace) -> None:
    """`app.publish`."""
    from socketify import App, OpCode

    payloads = [payload(n) for n in range(arguments.messages)]
    clients: list[Any] = []

    def opened(ws: Any) -> None:
        ws.subscribe("stream")
        clients.append(ws)

    def publish(numbers: list[int]) -> None:
        for n in numbers:
            app.publish("stream", payloads[n], OpCode.TEXT)

    def is_full(ws: Any) -> bool:
        return bool(ws.get_buffered_amount() > BUFFERED_BYTES_MAX)

    async def run() -> None:
        await serve(port, arguments, publish=publish, clients=lambda: clients, is_full=is_full)
        app.close()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = App()
    app.ws("/*", {"open": opened, "max_backpressure": 1 << 30, "compression": 0})
    app.listen({"port": port, "host": "127.0.0.1"}, lambda _: app.loop.create_task(run()))
    app.run()


def main() -> None:
    """Serve as the contestant that the command line names."""
    given = arguments()
    pin(0)
    if given.contestant == "websockets":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_websockets(given))
    else:
        serve_socketify(given)


if __name__ == "__main__":
    main()
