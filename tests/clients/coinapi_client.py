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
    """Sockets by name, and REST. Nothing is closed: each socket is read by a thread of its own, which can't be told."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[str, Any] = {}

    async def open(self, name: str, url: str, header: dict[str, str], first: list[Any]) -> None:
        """Connect, send the first messages, and note by the name whatever comes."""
        opened = asyncio.Event()

        def on_open(socket: Any) -> None:
            for message in first:
                socket.send(json.dumps(message))
            self._loop.call_soon_threadsafe(opened.set)

        def on_message(_: Any, message: str) -> None:
            self._loop.call_soon_threadsafe(self.note, name, json.loads(message))

        def on_error(_: Any, error: object) -> None:
            self._loop.call_soon_threadsafe(self.note, name, {"type": "failed", "why": str(error)})

        def on_close(_: Any, code: object, reason: object) -> None:
            self._loop.call_soon_threadsafe(self.note, name, {"type": "closed", "why": [str(code), str(reason)]})

        socket = websocket.WebSocketApp(
            url, header=header, on_open=on_open, on_message=on_message, on_error=on_error, on_close=on_close
        )
        self._sockets[name] = socket
        Thread(target=socket.run_forever, daemon=True).start()
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


@asynccontextmanager
async def client() -> AsyncIterator[CoinApi]:
    """No socket yet."""
    yield CoinApi()


run(client)
