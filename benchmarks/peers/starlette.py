"""Starlette on uvicorn: `await websocket.send_text` for each message and client.

uvicorn with uvloop and the WebSocket implementation that it chooses itself, without compression and keepalive.
`send_text` waits for a client that has much unsent, so the producer has nothing to look after.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.peers.workload import arguments, listening_socket, payload, repeated, serve


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    payloads = repeated([payload(n, given.bytes).decode() for n in range(given.prepared)], given.messages)
    clients: set[WebSocket] = set()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        clients.add(websocket)
        try:
            async for _ in websocket.iter_text():
                pass
        finally:
            clients.discard(websocket)

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            data = payloads[n]
            for websocket in list(clients):
                await websocket.send_text(data)

    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws_ping_interval=None, ws_per_message_deflate=False
    )
    listening = listening_socket()
    web = uvicorn.Server(config)
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    await serve(given, port, publish=publish, clients=lambda: clients, is_full=lambda _: False)
    web.should_exit = True
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
