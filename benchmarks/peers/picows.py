"""`picows`: `transport.send` for each message and client, on uvloop, as its examples do.

It has no broadcast. The producer waits for clients whose transport has more than 256 KiB unsent.
"""

from __future__ import annotations

from argparse import Namespace
from asyncio import Runner

import uvloop
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.peers.workload import BUFFERED_BYTES_MAX, arguments, payload, repeated, serve

clients: set[WSTransport] = set()


class Listener(WSListener):
    """A client."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """It reads from now on."""
        clients.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is gone."""
        clients.discard(transport)


def _new_listener(_: WSUpgradeRequest) -> WSListener:
    return Listener()


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    payloads = repeated([payload(n, given.bytes) for n in range(given.prepared)], given.messages)

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            data = payloads[n]
            for client in clients:
                client.send(WSMsgType.TEXT, data)

    def is_full(client: WSTransport) -> bool:
        return client.underlying_transport.get_write_buffer_size() > BUFFERED_BYTES_MAX

    server = await ws_create_server(_new_listener, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    await serve(given, port, publish=publish, clients=lambda: clients, is_full=is_full)


if __name__ == "__main__":
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
