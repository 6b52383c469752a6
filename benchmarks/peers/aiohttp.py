"""`aiohttp`: `await ws.send_str` for each message and client, on uvloop, as its guide to broadcasts does.

`send_str` waits for a client that has much unsent, so the producer has nothing to look after.
"""

from __future__ import annotations

from argparse import Namespace
from asyncio import Runner

import uvloop
from aiohttp import web

from benchmarks.peers.workload import arguments, listening_socket, payload, repeated, serve


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    payloads = repeated([payload(n, given.bytes).decode() for n in range(given.prepared)], given.messages)
    clients: set[web.WebSocketResponse] = set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        clients.add(ws)
        try:
            async for _ in ws:
                pass
        finally:
            clients.discard(ws)
        return ws

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            data = payloads[n]
            for ws in list(clients):
                await ws.send_str(data)

    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listening = listening_socket()
    await web.SockSite(runner, listening, backlog=4096).start()
    port = listening.getsockname()[1]
    await serve(given, port, publish=publish, clients=lambda: clients, is_full=lambda _: False)


if __name__ == "__main__":
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
