"""The four echoes that the Autobahn suite talks to: our server and client, and the bare library below each.

Ours are the production classes with another limit and an echo in the place of what they serve. Run as
`python -m autobahn.peers NAME`: a server prints its port, a client takes the suite's address as its second argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import uvloop
from picows import WSFrame, WSMsgType, WSTransport
from picows.websockets.asyncio.client import connect
from picows.websockets.exceptions import ConnectionClosed
from websockets.asyncio.server import ServerConnection, serve

from tickwire.client import link
from tickwire.client.link import Link, Receiver, open_link
from tickwire.config import ServerSettings
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.codec import frame
from tickwire.protocol.session import Session
from tickwire.server import frames, socket
from tickwire.server.app import Server
from tickwire.server.socket import Connection

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""The largest message of the suite's."""
LIMITS = {
    "MESSAGE_BYTES_MAX": MESSAGE_BYTES_MAX,
    "FRAGMENTS_MAX": 70_000,
    "SEND_BUFFER_MAX_BYTES": 4 * MESSAGE_BYTES_MAX,
}
"""Of the server, so that it takes the largest messages of the suite, in the most fragments."""
CASE_SECONDS_MAX = 120

# ---- servers -------------------------------------------------------------------------------------


async def tickwire_server() -> None:
    """All of a server; but its sessions have nothing to say of their own."""
    for module in (frames, socket):
        for name, value in LIMITS.items():
            if hasattr(module, name):
                setattr(module, name, value)
    server = Server(ServerSettings(port=0, feeds=(), deflate=True, upgrades_per_second=10_000))

    def echo(session: Session, message: bytes) -> list[bytes]:
        return [frame(cast(Connection, session._sink)._messages.opcode, message)]

    def nothing(self: Session) -> bytes:
        return b""

    Session.received = echo  # type: ignore[assignment, method-assign]
    Session.opened = nothing  # type: ignore[method-assign]
    Session.heartbeat = nothing  # type: ignore[method-assign]
    async with server.running():
        print(server.port, flush=True)
        await asyncio.Event().wait()


async def bare_server() -> None:
    """The library's own server."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=MESSAGE_BYTES_MAX, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Event().wait()


# ---- clients -------------------------------------------------------------------------------------


class Listener:
    """A receiver that keeps the last message, and says each back where it is told to."""

    def __init__(self, echo: bool) -> None:
        self.link: Link | None = None
        self.message = b""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._echo = echo

    def received(self, data: bytes) -> None:
        self.message = data
        if self._echo:
            assert self.link is not None
            self.link.send(data)

    def link_lost(self, code: int, reason: str) -> None:
        self.lost.set_result(None)


class EchoLink(link._PicowsLink):
    """Our link; it sends a message as the kind that it got last."""

    def __init__(self, encoding: Encoding, receiver: Receiver) -> None:
        super().__init__(encoding, receiver)
        cast(Listener, receiver).link = self

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._opcode = frame.msg_type
        super().on_ws_frame(transport, frame)


async def tickwire_client(url: str, echo: bool) -> bytes:
    """One connection of ours, until it ends; returns its last message."""
    listener = Listener(echo)
    await open_link(url, "json", listener)
    await listener.lost
    return listener.message


async def bare_client(url: str, echo: bool) -> bytes:
    """The library's own connection."""
    last: str | bytes = b""
    with contextlib.suppress(ConnectionClosed):
        async with connect(url, max_size=MESSAGE_BYTES_MAX, compression=None, ping_interval=None) as connection:
            async for last in connection:
                if echo:
                    await connection.send(last)
    return last.encode() if isinstance(last, str) else last


async def all_cases(client: Callable[[str, bool], Awaitable[bytes]], agent: str, suite: str) -> None:
    """A connection for every case, then one that has the report written."""
    count = json.loads(await client(f"{suite}/getCaseCount", False))
    for case in range(1, count + 1):
        try:
            async with asyncio.timeout(CASE_SECONDS_MAX):
                await client(f"{suite}/runCase?case={case}&agent={agent}", True)
        except TimeoutError:
            print(f"{agent}: case number {case} has not ended in {CASE_SECONDS_MAX} s", file=sys.stderr)
    await client(f"{suite}/updateReports?agent={agent}", False)


def main(name: str, suite: str = "") -> None:
    if name == SERVER:
        uvloop.run(tickwire_server())
    elif name == BARE_SERVER:
        logging.disable()  # each connection that fails, as it should
        uvloop.run(bare_server())
    elif name == CLIENT:
        # the suite cuts a message into 64 Ki fragments; a link takes one for each KiB that a message may have
        link.MESSAGE_BYTES_MAX = 128 * 1024 * 1024
        link.UNSENT_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
        logging.disable()
        link._PicowsLink = EchoLink  # type: ignore[misc]
        uvloop.run(all_cases(tickwire_client, name, suite))
    else:
        assert name == BARE_CLIENT
        logging.disable()
        uvloop.run(all_cases(bare_client, name, suite))


SERVER, BARE_SERVER = "tickwire-server", "websockets"
CLIENT, BARE_CLIENT = "tickwire-client", "picows"

if __name__ == "__main__":
    main(*sys.argv[1:])
