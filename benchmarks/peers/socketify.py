"""`socketify` (uWebSockets): `app.publish` for each message to a topic that its readers are subscribed to.

It leaves messages out for a client with `max_backpressure` bytes unsent (64 KiB unless set), so that is set out of
reach, and the producer waits for clients with more than 256 KiB, by `get_buffered_amount`.
"""

from __future__ import annotations

import socket
from argparse import Namespace
from typing import Any

from socketify import App, OpCode

from benchmarks.peers.workload import BUFFERED_BYTES_MAX, arguments, payload, repeated, serve


def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    payloads = repeated([payload(n, given.bytes) for n in range(given.prepared)], given.messages)
    clients: list[Any] = []

    def opened(ws: Any) -> None:
        clients.append(ws)
        if given.streams == 1:
            ws.subscribe("0")

    def asked(ws: Any, message: str, _: OpCode) -> None:
        for stream in message.split(","):
            ws.subscribe(stream)
        ws.send("subscribed", OpCode.TEXT)

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            app.publish(topics[n % given.streams], payloads[n], OpCode.TEXT)

    def is_full(ws: Any) -> bool:
        return bool(ws.get_buffered_amount() > BUFFERED_BYTES_MAX)

    async def run() -> None:
        await serve(given, port, publish=publish, clients=lambda: clients, is_full=is_full)
        app.close()

    topics = [str(stream) for stream in range(given.streams)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = App()
    app.ws("/*", {"open": opened, "message": asked, "max_backpressure": 1 << 30, "compression": 0, "idle_timeout": 0})
    app.listen({"port": port, "host": "127.0.0.1"}, lambda _: app.loop.create_task(run()))
    app.run()


if __name__ == "__main__":
    main(arguments())
