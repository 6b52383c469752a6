"""A whole server without sockets: bytes go in where the event loop would put them, what is written is kept."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from support import BTC, START_NS, funded
from tickwire.config import ServerSettings
from tickwire.model.records import ListInstrument
from tickwire.server.app import Server
from tickwire.server.front import Front
from tickwire.server.pipeline import Pipeline
from tickwire.testing.clock import ManualClock

TURNS = 30
"""Of the event loop, in which a server says all that it has to say to what it was sent."""


class Socket:
    """The transport of one connection.

    Attributes:
        protocol: who gets what is received; an upgrade sets another one.
        written: what is sent.
        hung_up: the server closed it before the client did.
    """

    def __init__(self) -> None:
        self.protocol: Any = None
        self.written = bytearray()
        self.closing = False
        self.hung_up = False

    def write(self, data: bytes) -> None:
        if not self.closing:  # else it is ignored, as by asyncio's
            self.written += data

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8_000)}.get(name, default)


class Doors:
    """A running server's entrances.

    Attributes:
        key: may trade and transfer; and another account's money.
        faults: what was logged as an error, and what was raised where only the event loop sees it.
    """

    def __init__(self, server: Server, web: uvicorn.Server, clock: ManualClock) -> None:
        self.server = server
        self.key = server.keys.create("alice", scopes=("read", "trade", "admin"), kind="hmac")[1]
        self.faults: list[str] = []
        self._web = web
        self._clock = clock
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.faults.append(str(context)))

    @property
    def authorization(self) -> str:
        """The header that logs `key` in."""
        return "Basic " + base64.b64encode(f"{self.key.key}:{self.key.secret}".encode()).decode()

    async def say(self, *pieces: bytes) -> Socket:
        """A connection that sends these pieces, each when the one before has been dealt with, and then goes."""
        self._clock.advance(ms=60_000)  # no rate is ever too high
        socket = Socket()
        socket.protocol = Front(
            self.server._gateway, config=self._web.config, server_state=self._web.server_state, app_state={}
        )
        socket.protocol.connection_made(socket)
        for piece in pieces:
            if socket.closing:
                break
            socket.protocol.data_received(piece)
            await self._turns()
        socket.hung_up = socket.closing
        if not socket.closing:
            socket.protocol.eof_received()
        socket.protocol.connection_lost(None)
        await self._turns()
        faults, self.faults[:] = list(self.faults), []
        assert not faults, faults
        assert self.server.connections == set()
        return socket

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)


class _Faults(logging.Handler):
    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(self.format(record))


@asynccontextmanager
async def doors() -> AsyncIterator[Doors]:
    """Those of a server with a market that lists one instrument and stands still."""
    clock = ManualClock(START_NS)
    server = Server(ServerSettings(port=0, drain_seconds=0, upgrades_per_second=10**6, feeds=()), now=clock)
    webs: list[uvicorn.Server] = []
    pipelines: list[Pipeline] = []
    make = server._web

    def web(pipeline: Pipeline) -> Any:
        pipelines.append(pipeline)
        webs.append(made := make(pipeline))
        return made

    server._web = web  # type: ignore[method-assign]
    async with server.running():
        opened = Doors(server, webs[0], clock)
        await pipelines[0].put([ListInstrument(BTC), *funded("alice", "bob")])
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every request that is none
        handler = _Faults(opened.faults)
        logging.getLogger().addHandler(handler)
        try:
            yield opened
        finally:
            logging.getLogger().removeHandler(handler)
            logging.getLogger("uvicorn").setLevel(logging.NOTSET)


class Entrance:
    """`Doors` for tests that are not coroutines, as Hypothesis wants them."""

    def __init__(self, runner: asyncio.Runner, opened: Doors) -> None:
        self.server = opened.server
        self.authorization = opened.authorization
        self.key = opened.key
        self._runner = runner
        self._doors = opened

    def say(self, *pieces: bytes) -> Socket:
        """See `Doors.say`."""
        return self._runner.run(self._doors.say(*pieces))
