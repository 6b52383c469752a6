"""A server on a loopback socket that says what each test of the client scripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tickwire.client import Client
from tickwire.protocol.messages import ErrorBody, Hello, Limits, Reply, StreamState


def hello(heartbeat_ms: int = 60_000, epoch: str = "e1") -> Hello:
    return Hello("s1", epoch, 7, "0.1.0", heartbeat_ms, "c", Limits(65_536, 50, 1024))


def went_on(channel: str, seq: int, symbol: str, reason: str = "") -> dict[str, Any]:
    """The result of a subscription of one stream from a place in it: it goes on, unless there is a reason why not."""
    return {"streams": [StreamState(channel, symbol, seq, recovered=not reason, reason=reason)]}


class Peer:
    """The server's end of one connection."""

    def __init__(self, ws: ServerConnection) -> None:
        self.ws = ws
        self.msgpack = ws.subprotocol == "tickwire.v1.msgpack"
        self.codec: Any = msgspec.msgpack if self.msgpack else msgspec.json

    async def say(self, *messages: object) -> None:
        for message in messages:
            data = self.codec.encode(message)
            await self.ws.send(data if self.msgpack else data.decode())

    async def asked(self, method: str) -> dict[str, Any]:
        """The next request, which must be of this method."""
        data = await self.ws.recv()
        request: dict[str, Any] = self.codec.decode(data)
        assert request["method"] == method
        return request

    async def answer(self, method: str, result: object, *then: object) -> dict[str, Any]:
        """Take the next request, answer it, and go on with these messages."""
        request = await self.asked(method)
        await self.say(Reply(request["id"], 1, 2, result), *then)
        return request

    async def refuse(self, method: str, error: ErrorBody) -> None:
        request = await self.asked(method)
        await self.say(Reply(request["id"], 1, 2, error=error))

    async def gone(self) -> int | None:
        """Waits for the end of the connection; the close code that the client sent."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.ws.recv()
        return self.ws.close_code


class FakeServer:
    """Accepts connections and says hello; the tests script the rest."""

    def __init__(self, *hellos: Hello) -> None:
        self._hellos = list(hellos)
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._server: Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._accept,
            "127.0.0.1",
            self.port,
            subprotocols=["tickwire.v1.json", "tickwire.v1.msgpack"],  # type: ignore[list-item]
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def _accept(self, ws: ServerConnection) -> None:
        peer = Peer(ws)
        await peer.say(self._hellos.pop(0) if self._hellos else hello())
        self._peers.put_nowait(peer)
        await ws.wait_closed()

    async def peer(self) -> Peer:
        """The next connection."""
        return await self._peers.get()


def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(coroutine)


def quick(url: str, **options: Any) -> Client:
    """A client that reconnects without waiting."""
    defaults: dict[str, Any] = {"sleep": lambda seconds: asyncio.sleep(0), "request_timeout": 5.0}
    return Client(url, **(defaults | options))


async def connected(client: Client) -> None:
    """The server has accepted a moment before the client knows."""
    while not client.connected:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def let_run() -> None:
    """Lets everything run that is ready to."""
    for _ in range(5):
        await asyncio.sleep(0)
