"""A client as the vendor's Python example has it, on websocket-client and urllib, for `test_coinapi.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import websocket

from clients.lines import Watching, run


class CoinApi(Watching):
    """Sockets by name, and REST."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[str, Any] = {}
        self._threads: list[Thread] = []

    async def open(self, name: str, url: str, header: dict[str, str], first: list[Any]) -> None:
        """Connect, send the first messages, and note by the name whatever comes."""
        opened = asyncio.Event()

        def on_open(socket: Any) -> None:
            for message in first:
                socket.send(json.dumps(message))
            self._loop.call_soon_threadsafe(opened.set)

        def on_message(_: Any, message: str) -> None:
            self._loop.call_soon_threadsafe(self.note, name, json.loads(message))

        def on_end(*why: Any) -> None:
            self._loop.call_soon_threadsafe(self.note, name, {"type": "ended", "why": [str(part) for part in why[1:]]})

        socket = websocket.WebSocketApp(
            url, header=header, on_open=on_open, on_message=on_message, on_error=on_end, on_close=on_end
        )
        self._sockets[name] = socket
        thread = Thread(target=socket.run_forever, daemon=True)
        self._threads.append(thread)
        thread.start()
        await opened.wait()

    async def send(self, name: str, message: Any) -> None:
        """Send a message on a socket."""
        self._sockets[name].send(json.dumps(message))

    async def http(self, url: str, method: str, header: dict[str, str], body: Any) -> Any:
        """The answer to a request, and its headers in lower case."""

        def ask() -> Any:
            data = None if body is None else json.dumps(body).encode()
            header.setdefault("Content-Type", "application/json")
            with urlopen(Request(url, data, header, method=method)) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return {"body": json.loads(answer.read()), "headers": headers}

        return await asyncio.to_thread(ask)

    def close(self) -> None:
        """Close all sockets."""
        for socket in self._sockets.values():
            socket.close()
        for thread in self._threads:
            thread.join()


@asynccontextmanager
async def client() -> AsyncIterator[CoinApi]:
    """No socket yet."""
    coinapi = CoinApi()
    try:
        yield coinapi
    finally:
        await asyncio.to_thread(coinapi.close)


run(client)
