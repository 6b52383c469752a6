"""A TCP proxy on loopback that breaks what passes through it, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

CHUNK_BYTES = 65_536


class Proxy:
    """Passes bytes on to a port of this machine, until it is told not to."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._refuses = False
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    def cut(self) -> None:
        """End every connection, which both ends are told, and refuse others."""
        self._refuses = True
        for pair in self._pairs:
            for end in pair:
                end.transport.abort()

    def mend(self) -> None:
        """Take connections again."""
        self._refuses = False

    def stall(self) -> None:
        """Pass nothing on of the connections that there are. Neither end is told; others are taken."""
        for pump in self._pumps:
            pump.cancel()

    def half_open(self) -> None:
        """End the connections towards the server, and do not tell the clients."""
        self.stall()
        for _, server in self._pairs:
            server.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.append((writer, onward))
        self._pumps += [asyncio.create_task(_pump(reader, onward)), asyncio.create_task(_pump(onward_reader, writer))]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
