"""Servers that send every message back, each as its own documentation shows. The fourth, `ws` on Node, is `echo.mjs`.

- `stack`: what tickwire stands on: uvicorn, uvloop and the sans-I/O core of `websockets`, and nothing above.
- `picows`: sockets and frames are Cython.
- `socketify`: uWebSockets; sockets and frames are C++.

Each says `{"port": …}`, and ends with its stdin.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from argparse import ArgumentParser
from typing import Any, cast

import uvicorn
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from socketify import App, OpCode
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.processes import SERVER_CORE, pin, say, told


class UvicornEcho(asyncio.Protocol):
    """The least that `tickwire.server.socket.Connection` could be."""

    def __init__(self, uvicorn_connections: set[Any]) -> None:
        self._ws = ServerProtocol()
        self._uvicorn_connections = uvicorn_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast(asyncio.Transport, transport)
        self._uvicorn_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer each frame with its content."""
        ws = self._ws
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Request):
                ws.send_response(ws.accept(event))
            elif isinstance(event, Frame):
                ws.send_text(event.data)
        for out in ws.data_to_send():
            self._transport.write(out)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._uvicorn_connections.discard(self)

    def shutdown(self) -> None:
        """The server stops."""
        self._transport.close()


class PicowsEcho(WSListener):
    """picows, as its own documentation shows."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a frame with its content."""
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        else:
            transport.disconnect()


async def serve_stack() -> None:
    """The echo on our stack."""

    def connection(*, config: Any, server_state: Any, app_state: Any) -> UvicornEcho:
        return UvicornEcho(server_state.connections)

    async def no_http(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("only WebSockets here")

    config = uvicorn.Config(no_http, ws=connection, log_config=None, access_log=False, lifespan="off")  # type: ignore[arg-type]
    web, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    say(port=listening.getsockname()[1])
    while await told():
        pass
    web.should_exit = True
    await serving


async def serve_picows() -> None:
    """The echo that shows what a message costs at least."""

    def listener(_: WSUpgradeRequest) -> WSListener:
        return PicowsEcho()

    server = await ws_create_server(listener, "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1])
    while await told():
        pass
    server.close()


def serve_socketify() -> None:
    """uWebSockets through its binding."""

    def echo(ws: Any, message: str, opcode: OpCode) -> None:
        ws.send(message, opcode)

    async def until_told() -> None:
        say(port=port)
        while await asyncio.to_thread(sys.stdin.readline):
            pass
        app.close()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = App()
    app.ws("/*", {"message": echo, "compression": 0, "idle_timeout": 0})
    app.listen({"port": port, "host": "127.0.0.1"}, lambda _: app.loop.create_task(until_told()))
    app.run()


if __name__ == "__main__":
    pin(SERVER_CORE)
    parser = ArgumentParser()
    parser.add_argument("name", choices=("stack", "picows", "socketify"))
    given = parser.parse_args()
    if given.name == "socketify":
        serve_socketify()
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_stack() if given.name == "stack" else serve_picows())
